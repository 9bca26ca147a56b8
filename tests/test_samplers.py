import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from genmodels import random
from genmodels.instruments.codes import spherical
from genmodels.probability import samplers
from genmodels.probability.diffusion.times import SPACINGS, timesteps
from genmodels.probability.repaint import repaint
from genmodels.probability.samplers import CHURN, DECIDED, Denoiser, Step, log_density, walk
from genmodels.probability.schedules import Schedule, cosine, drawn, linear
from tests.analytic import Mixture


def ancestral(eps: Denoiser, s: Schedule, x: Tensor, times: Sequence[int], **how: Any) -> Iterator[Step]:
    return walk(samplers.ancestral(s, **how), eps, s, x, times)


def ddim(eps: Denoiser, s: Schedule, x: Tensor, times: Sequence[int], **how: Any) -> Iterator[Step]:
    return walk(samplers.ddim(s, **how), eps, s, x, times)


def dpm_solver(eps: Denoiser, s: Schedule, x: Tensor, times: Sequence[int], **how: Any) -> Iterator[Step]:
    return walk(samplers.dpm_solver(s, **how), eps, s, x, times)


def heun(eps: Denoiser, s: Schedule, x: Tensor, times: Sequence[int]) -> Iterator[Step]:
    return walk(samplers.heun(eps, s), eps, s, x, times)


SAMPLERS = {
    "ancestral β": lambda *a, rng: ancestral(*a, rng=rng, variance="beta"),
    "ancestral β̃": lambda *a, rng: ancestral(*a, rng=rng, variance="posterior"),
    "ddim 0": lambda *a, rng: ddim(*a),
    "ddim ½": lambda *a, rng: ddim(*a, eta=0.5, rng=rng),
    "ddim 1": lambda *a, rng: ddim(*a, eta=1.0, rng=rng),
    "dpm-solver": lambda *a, rng: dpm_solver(*a),
    "sde-dpm-solver 1": lambda *a, rng: dpm_solver(*a, eta=1.0, rng=rng),
    "sde-dpm-solver": lambda *a, rng: dpm_solver(*a, eta=CHURN, decided=DECIDED, rng=rng),
    "heun": lambda *a, rng: heun(*a),
}
FLOWS = {"ddim": ddim, "dpm-solver": dpm_solver, "heun": heun}


def randn(*size: int, seed: int = 0) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def end(steps: Iterator[Step]) -> Tensor:
    *_, last = steps
    return last.x_t


def gaussian(schedule: Schedule) -> Mixture:
    return Mixture(schedule, [1.0], [[1.0, -0.5]], [[[0.3, 0.0], [0.0, 1.7]]])


def three(schedule: Schedule) -> Mixture:
    covs = [[[0.04, 0.02], [0.02, 0.05]], [[0.09, 0.0], [0.0, 0.03]], [[0.05, -0.03], [-0.03, 0.06]]]
    return Mixture(schedule, [0.5, 0.3, 0.2], [[1.2, 0.3], [-1.0, 1.0], [-0.4, -1.4]], covs)


# Times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize(
    ("T", "steps", "start"),
    [
        (1000, 25, 1000),
        (1000, 1000, 1000),
        (10, 50, 10),
        (1000, 1, 1000),
        (1000, 30, 200),
        (4000, 999, 4000),
        (50, 7, 9),
    ],
)
def test_times_fall_from_the_start_to_0_all_different(spacing: str, T: int, steps: int, start: int) -> None:
    for beta in (linear(T), cosine(T), drawn(T, (9.0, 0.0, -9.0))):
        found = timesteps(Schedule(beta), steps, spacing, start=start)
        assert len(found) == min(steps, start) + 1
        assert (found[0], found[-1]) == (start, 0)
        assert all(a > b for a, b in itertools.pairwise(found))
    if start == T:
        assert found == timesteps(Schedule(beta), steps, spacing)


def test_times_are_uniform_in_what_they_say() -> None:
    s = Schedule(linear(1000))
    assert timesteps(s, 5) == (1000, 800, 600, 400, 200, 0)
    assert timesteps(s, 1000) == timesteps(s, 1000, "log-snr") == tuple(range(1000, -1, -1))
    found = timesteps(s, 20, "log-snr")
    assert found[-2] == 1
    gaps = s.log_snr[list(found[:-1])].diff()
    torch.testing.assert_close(
        gaps[:-4], gaps.mean().expand(15), rtol=0.1, atol=0
    )  # near t = 1 the steps are too coarse


def test_early_times_are_uniform_in_a_power_of_the_cosine_schedules() -> None:
    """Whatever the schedule, at the log-SNR that a cosine schedule has at t = T (1 − u^1.5)."""
    n = 20
    wanted = [1000 * (1 - (i / n) ** 1.5) for i in range(n + 1)]
    found = timesteps(Schedule(cosine(1000)), n, "early")
    assert all(abs(a - b) < 8 for a, b in zip(found, wanted, strict=True))  # that schedule has an offset of 0.008
    gaps = [a - b for a, b in itertools.pairwise(found)]
    assert gaps[:15] == sorted(gaps[:15])  # the offset and whole numbers tell near the data
    flat, u = Schedule(linear(1000)), torch.tensor([0.4, 0.6, 0.8])
    begin = (2 / math.pi * math.atan(math.exp(flat.log_snr[-1].item() / 2))) ** (2 / 3)
    at = begin + (1 - begin) * u.double()
    wanted_log_snr = 2 * (math.pi / 2 * at**1.5).tan().log()
    times = [timesteps(flat, n, "early")[int(share * n)] for share in (0.4, 0.6, 0.8)]
    torch.testing.assert_close(flat.log_snr[times], wanted_log_snr, rtol=0, atol=0.02)


@pytest.mark.parametrize("variance", [6.0, 20.0])  # of an image's mean, in units of its noise's: MNIST's is 6
def test_what_is_decided_early_keeps_its_spread_by_early_times(variance: float) -> None:
    """Of Gaussian data every step of the equation is a factor: what becomes of 1 is the standard deviation."""
    s = Schedule(cosine(1000))

    def eps(x: Tensor, t: Tensor) -> Tensor:
        alpha_bar = s.alpha_bar[t[0]]
        return (1 - alpha_bar).sqrt() * x / (alpha_bar * variance + 1 - alpha_bar)

    one = torch.ones(1, 1, dtype=torch.float64)
    off = {
        way: abs(end(dpm_solver(eps, s, one, timesteps(s, 20, way))).item() / math.sqrt(variance) - 1)
        for way in ("uniform", "early")
    }
    assert off["early"] < off["uniform"] / 4


# Identities -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 3, 50])
def test_every_sampler_finds_data_that_are_one_point(sampler: str, steps: int) -> None:
    s, point = Schedule(cosine(50)), torch.tensor([0.7, -1.3], dtype=torch.float64)
    eps: Denoiser = lambda x, t: s.to_eps(point.expand_as(x), x, t, "x0")  # noqa: E731
    x = end(SAMPLERS[sampler](eps, s, randn(5, 2), timesteps(s, steps), rng=random.generator(0)))
    torch.testing.assert_close(x, point.expand(5, 2), rtol=1e-8, atol=1e-8)


def test_ancestral_with_beta_is_the_exact_reversal_of_white_noise() -> None:
    """For x_0 ~ N(0, I) every x_t is N(0, I), and the chain runs backwards as it runs forwards (DDPM, section 3.2)."""
    s, x = Schedule(linear(100)), randn(4, 2)
    steps = list(ancestral(lambda x, t: s.rates(t, x)[1] * x, s, x, timesteps(s, 100), rng=random.generator(3)))
    rng = random.generator(3)
    for t, step in zip(range(99, 0, -1), steps[1:], strict=False):
        x = (1 - s.beta[t + 1]).sqrt() * x + s.beta[t + 1].sqrt() * random.randn(4, 2, rng=rng)
        assert step.t == t
        torch.testing.assert_close(step.x_t, x)


def test_algorithm_2_line_by_line() -> None:
    s, x = Schedule(linear(60)), randn(4, 2)
    mixture = three(s)
    steps = list(ancestral(mixture.eps, s, x, timesteps(s, 60), rng=random.generator(1)))
    rng = random.generator(1)
    for t, step in zip(range(60, 0, -1), steps, strict=False):
        torch.testing.assert_close(step.x_t, x)
        z = random.randn(4, 2, rng=rng) if t > 1 else torch.zeros(())  # noise at every step but the last
        alpha, noise = 1 - s.beta[t], mixture.eps(x, torch.tensor([t]))
        x = (x - (1 - alpha) / (1 - s.alpha_bar[t]).sqrt() * noise) / alpha.sqrt() + s.beta[t].sqrt() * z
    torch.testing.assert_close(steps[-1].x_t, x)


@pytest.mark.parametrize("steps", [80, 9])
def test_ddim_with_eta_1_is_ancestral_with_the_posteriors_variance(steps: int) -> None:
    """On consecutive steps (Song et al. 2021, section 4.1), and on any subset of them."""
    s, x = Schedule(linear(80)), randn(6, 2)
    chain = ancestral(three(s).eps, s, x, timesteps(s, steps), rng=random.generator(2), variance="posterior")
    implicit = ddim(three(s).eps, s, x, timesteps(s, steps), rng=random.generator(2), eta=1.0)
    for one, other in zip(chain, implicit, strict=True):
        assert one.t == other.t
        torch.testing.assert_close(one[1:], other[1:])


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_dpm_solvers_first_step_is_ddim(eta: float) -> None:
    s, x = Schedule(cosine(40)), randn(6, 2)
    ends = lambda n: [  # noqa: E731
        end(f(three(s).eps, s, x, timesteps(s, n), eta=eta, rng=random.generator(0))) for f in (ddim, dpm_solver)
    ]
    for steps in (1, 2):
        torch.testing.assert_close(*ends(steps))
    assert not torch.allclose(*ends(3))


@pytest.mark.parametrize(("eta", "decided"), [(0.0, -math.inf), (1.0, -math.inf), (1.0, 0.0)])
def test_dpm_solver_line_by_line(eta: float, decided: float) -> None:
    """The formulas of the paper in λ and h: of the ODE (algorithm 2), of the SDE, and of one before the other."""
    s, x, visited = Schedule(cosine(60)), randn(5, 2), (60, 41, 20, 7, 0)
    mixture, lambda_ = three(s), s.log_snr / 2
    assert [bool(s.log_snr[t] >= 0) for t in visited[:-1]] == [False, False, True, True]
    steps = list(dpm_solver(mixture.eps, s, x, visited, eta=eta, decided=decided, rng=random.generator(4)))
    rng = random.generator(4)
    for i, (t, u) in enumerate(itertools.pairwise(visited[:-1])):
        torch.testing.assert_close(steps[i].x_t, x)
        h = lambda_[u] - lambda_[t]
        D = steps[i].x_0
        if i > 0:
            r = (lambda_[t] - lambda_[visited[i - 1]]) / h
            D = (1 + 1 / (2 * r)) * D - 1 / (2 * r) * steps[i - 1].x_0
        sigma_t, sigma_u, alpha_u = (1 - s.alpha_bar[t]).sqrt(), (1 - s.alpha_bar[u]).sqrt(), s.alpha_bar[u].sqrt()
        z = random.randn(5, 2, rng=rng).double() if eta else None
        if z is None or s.log_snr[t] < decided:
            x = sigma_u / sigma_t * x - alpha_u * torch.expm1(-h) * D
        else:
            x = sigma_u / sigma_t * torch.exp(-h) * x - alpha_u * torch.expm1(-2 * h) * D
            x = x + sigma_u * (-torch.expm1(-2 * h)).sqrt() * z
    torch.testing.assert_close(steps[-2].x_t, x)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_steps_say_where_they_are(sampler: str) -> None:
    s, x, visited = Schedule(cosine(30)), randn(3, 2), (30, 17, 4, 1, 0)
    steps = list(SAMPLERS[sampler](three(s).eps, s, x, visited, rng=random.generator(0)))
    again = list(SAMPLERS[sampler](three(s).eps, s, x, visited, rng=random.generator(0)))
    assert [step.t for step in steps] == list(visited)
    for step, same in zip(steps, again, strict=True):
        torch.testing.assert_close(step[1:], same[1:], rtol=0, atol=0)
    for step in steps[:-1]:
        torch.testing.assert_close(step.eps, three(s).eps(step.x_t, torch.tensor([step.t])))
        torch.testing.assert_close(s.noised(step.x_0, step.eps, step.t), step.x_t)
    assert steps[-1].x_t is steps[-1].x_0


# What is sampled --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_recovers_a_mixture(sampler: str) -> None:
    """Weights, means and covariances within five standard errors, beside what so many steps cannot resolve."""
    s = Schedule(drawn(400, (10.0, -10.0)))
    truth, n = three(s), 6000
    steps = {"heun": 60, "dpm-solver": 60, "sde-dpm-solver 1": 100, "sde-dpm-solver": 100}.get(sampler, 400)
    x = end(SAMPLERS[sampler](truth.eps, s, randn(n, 2), timesteps(s, steps, "log-snr"), rng=random.generator(5)))
    nearest = torch.cdist(x, truth.m).argmin(1)
    for k in range(3):
        mine = x[nearest == k]
        weight, w = len(mine) / n, truth.w[k].item()
        assert abs(weight - w) < 5 * math.sqrt(w * (1 - w) / n) + 0.002
        variance = truth.S[k].diagonal()
        assert ((mine.mean(0) - truth.m[k]).abs() < 5 * (variance / len(mine)).sqrt() + 0.002).all()
        spread = (
            variance[:, None] * variance + truth.S[k] ** 2
        )  # variance of an entry of the sample covariance, times n
        assert (
            (mine.T.cov() - truth.S[k]).abs() < 5 * (spread / len(mine)).sqrt() + 0.03 * truth.S[k].diagonal().max()
        ).all()


@pytest.mark.parametrize(("flow", "order"), [("ddim", 1), ("dpm-solver", 2), ("heun", 2)])
def test_the_flow_of_a_gaussian_is_exact_in_the_limit_and_at_the_methods_order(flow: str, order: int) -> None:
    """The flow keeps (x_t − √ᾱ_t m) / sd(x_t): halving the size of the steps shows the order of a method."""
    s = Schedule(drawn(4000, (12.0, -12.0)))
    data, x_T = gaussian(s), randn(20, 2)
    variance = lambda t: s.alpha_bar[t] * data.S[0].diagonal() + 1 - s.alpha_bar[t]  # noqa: E731
    standard = (x_T - s.alpha_bar[-1].sqrt() * data.m[0]) / variance(-1).sqrt()
    exact = data.m[0] + variance(0).sqrt() * standard
    errors = []
    for steps in (41, 81, 161):
        x = end(FLOWS[flow](data.eps, s, x_T, timesteps(s, steps, "log-snr")))
        errors.append((x - exact).square().mean().sqrt().item())
    assert errors[-1] < (0.05 if order == 1 else 1e-3)
    for coarse, fine in itertools.pairwise(errors):
        assert math.log2(coarse / fine) == pytest.approx(order, abs=0.35)


def test_the_flow_runs_both_ways() -> None:
    s = Schedule(drawn(400, (10.0, -10.0)))
    data = three(s)
    x_1 = data.sample(50) * s.alpha_bar[1].sqrt()
    for flow, tolerance in ((heun, 1e-3), (ddim, 0.05)):
        noise = end(flow(data.eps, s, x_1, range(1, 401)))
        back = end(flow(data.eps, s, noise, range(400, 0, -1)))
        assert (noise - x_1).abs().mean() > 0.3
        assert (back - x_1).abs().max() < tolerance


# Density ----------------------------------------------------------------------------------------------------------


def test_the_density_of_the_flow_is_the_true_one_and_converges_at_order_4() -> None:
    s = Schedule(drawn(1000, (12.0, -18.0)))
    data = three(s)
    x = data.sample(200)
    a_1 = s.alpha_bar[1].sqrt()
    true = data.log_prob(a_1 * x, 1) + 2 * a_1.log()  # of x_1, on the data's scale
    worst = [(log_density(data.eps, s, x, steps=n) - true).abs().max().item() for n in (50, 100, 200)]
    assert worst[-1] < 2e-4
    assert worst[0] / worst[1] > 8
    assert (true - data.log_prob(x)).abs().median() < 1e-3  # and so little noise changes little


def test_the_density_of_white_noise_is_exact_in_one_step() -> None:
    """Its noise is σ x: nothing moves along the flow, and there is nothing that steps could lose."""
    s = Schedule(drawn(100, (10.0, -10.0)))
    a_1 = s.alpha_bar[1].sqrt()
    x = 3 * randn(50, 2)
    found = log_density(lambda x, t: s.rates(t, x)[1] * x, s, x, steps=1)
    true = torch.distributions.Normal(0, 1).log_prob(a_1 * x).sum(1) + 2 * a_1.log()
    torch.testing.assert_close(found, true, atol=1e-9, rtol=0)


def test_the_density_integrates_to_1() -> None:
    s = Schedule(linear(1000))
    axis = torch.linspace(-2.5, 2.5, 80, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    density = log_density(three(s).eps, s, grid, steps=40).exp()
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=2e-3)


# Editing ----------------------------------------------------------------------------------------------------------


def conditional(resample: int) -> tuple[float, float]:
    """Mean and variance of x2 given x1 = 1.5 by RePaint, where (x1, x2) is a Gaussian with correlation 0.8."""
    s = Schedule(drawn(100, (9.0, -9.0)))
    data = Mixture(s, [1.0], [[0.0, 0.0]], [[[1.0, 0.8], [0.8, 1.0]]])
    known, mask = torch.tensor([[1.5, 99.0]]).double().expand(4000, 2), torch.tensor([1.0, 0.0])
    steps = repaint(
        data.eps, s, randn(4000, 2), timesteps(s, 100), known, mask, rng=random.generator(0), resample=resample
    )
    x = end(steps)
    assert (x[:, 0] == 1.5).all()
    return x[:, 1].mean().item(), x[:, 1].var().item()


def test_inpainting_keeps_what_is_known_and_resampling_brings_the_rest_to_the_conditional() -> None:
    plain, resampled = conditional(1), conditional(10)
    assert abs(resampled[0] - 1.2) < 0.06  # 0.8 · 1.5
    assert abs(resampled[1] - 0.36) < 0.06  # 1 − 0.8²
    assert abs(plain[0] - 1.2) > 2 * abs(resampled[0] - 1.2)  # replacement alone does not let the parts agree


def test_inpainting_with_nothing_known_is_ancestral_sampling_in_law() -> None:
    s = Schedule(drawn(100, (9.0, -9.0)))
    data = gaussian(s)
    x = end(
        repaint(
            data.eps, s, randn(4000, 2), timesteps(s, 100), torch.zeros(()), torch.zeros(1), rng=random.generator(0)
        )
    )
    assert (x.mean(0) - data.m[0]).abs().max() < 0.1
    assert (x.var(0) / data.S[0].diagonal() - 1).abs().max() < 0.15


def test_noise_is_interpolated_on_the_sphere() -> None:
    a, b = randn(64), randn(64, seed=1)
    b = b * a.norm() / b.norm()
    path = spherical(a, b, torch.linspace(0, 1, 5, dtype=torch.float64))
    torch.testing.assert_close(path[[0, -1]], torch.stack([a, b]))
    torch.testing.assert_close(path.norm(dim=1), a.norm().expand(5))
    angles = torch.nn.functional.cosine_similarity(path[1:], path[:-1]).acos()
    torch.testing.assert_close(angles, angles.mean().expand(4))
    torch.testing.assert_close(spherical(a, a, torch.tensor([0.3]))[0], a, check_dtype=False)

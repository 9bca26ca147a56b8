"""Walks by a score: what they converge to, what denoising score matching learns, and particles on the plane."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from genmodels import random
from genmodels.data import datasets
from genmodels.data.noised import best_eps, noised
from genmodels.data.planes import Gaussians
from genmodels.errors import BadInput
from genmodels.instruments.diffusion import langevin as instrument
from genmodels.models.ddpm import DDPM
from genmodels.probability.diffusion.scores import annealed, annealed_steps, langevin, levels, score_of
from genmodels.probability.samplers import walk
from genmodels.probability.schedules import Schedule
from tests.analytic import Mixture
from tests.answers import finish

TWO = ([0.6, 0.4], [[1.0, 0.2], [-0.8, -0.6]], [[[0.05, 0.02], [0.02, 0.08]], [[0.1, 0.0], [0.0, 0.04]]])


def start(n: int, scale: float = 1.0) -> Tensor:
    return scale * random.randn(n, 2, rng=random.generator(5)).double()


# The dynamics -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0.1, 1.0, 2.0])
def test_of_a_gaussian_the_variance_is_too_wide_by_what_the_step_is_too_long(step: float) -> None:
    """The walk is x ← (1 − η/2) x + √η z, whose variance converges to 1 / (1 − η/4) (five standard errors: 6e-7)."""
    *_, x = langevin(lambda x: -x, start(20_000), step, 200, rng=random.generator(0))
    expected = 1 / (1 - step / 4)
    assert abs(x.square().mean() - expected) < 5 * expected * math.sqrt(2 / x.numel())


def test_a_step_of_four_variances_runs_away() -> None:
    *_, x = langevin(lambda x: -x, start(10), 4.4, 300, rng=random.generator(0))
    assert x.abs().min() > 1e6


def test_annealed_each_level_has_the_variance_of_its_recursion() -> None:
    sigmas, step, steps = levels(2.0, 0.1, 4), 0.01, 7
    walk = annealed(lambda x, s: -x / (0.25 + s**2), start(20_000), sigmas, step, steps, rng=random.generator(0))
    walked = list(walk)
    assert [sigma for sigma, _ in walked] == [sigma for sigma in sigmas for _ in range(steps)]
    variance = 1.0
    for sigma, x in walked:
        eta = step * sigma**2 / sigmas[-1] ** 2
        variance = (1 - eta / 2 / (0.25 + sigma**2)) ** 2 * variance + eta
        assert abs(x.square().mean() - variance) < 6 * variance * math.sqrt(2 / x.numel())


def test_levels_fall_by_one_factor() -> None:
    assert levels(2.0, 0.5, 1) == (2.0,)
    falling = np.array(levels(2.0, 0.05, 10))
    ratios = falling[1:] / falling[:-1]
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)


# The score --------------------------------------------------------------------------------------------------------


def test_what_a_diffusion_knows_is_the_score_of_noised_data() -> None:
    means, weights = torch.tensor([[1.0, 0.2], [-0.8, -0.6]], dtype=torch.float64), [0.6, 0.4]
    law = Gaussians(means, 0.3, 2.0, torch.tensor(weights, dtype=torch.float64))
    schedule = Schedule.named("linear", 1000)
    mixture = Mixture(schedule, weights, means.tolist(), [[[0.09, 0.0], [0.0, 0.09]]] * 2)
    score, x = score_of(mixture.eps, schedule), start(50)
    for sigma in (0.02, 0.37, 5.0):  # also between two steps
        truth = noised(law, 1.0, sigma)
        assert truth is not None
        torch.testing.assert_close(score(x, sigma), -best_eps(truth, x, 1.0), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_denoising_score_matching_is_score_matching_up_to_a_constant(sigma: float) -> None:
    """Vincent (2011): for every s, E‖s + ε/σ‖² − E‖s − ∇ log q‖² is the same number. By quadrature, exact."""
    data = torch.tensor([[0.5, -1.0], [-0.7, 0.2], [1.1, 0.9]], dtype=torch.float64)
    side = torch.linspace(-12, 12, 401, dtype=torch.float64)
    u = torch.cartesian_prod(side, side)
    cell = float(side[1] - side[0]) ** 2
    each = torch.exp(-torch.cdist(u, data).square() / (2 * sigma**2)) / (2 * math.pi * sigma**2) / len(data)  # (U, K)
    q = each.sum(1)
    toward = (data - u[:, None]) / sigma**2  # −ε/σ of each point from each example, (U, K, 2)
    score = (each[..., None] * toward).sum(1) / q.clamp(min=1e-300)[:, None]
    constants = []
    for k in range(3):
        s = torch.stack([torch.sin(u[:, 0] + k) * u[:, 1], -u[:, 0] / (k + 1)], 1)
        denoising = (each * (s[:, None] - toward).square().sum(2)).sum() * cell
        explicit = (q * (s - score).square().sum(1)).sum() * cell
        constants.append(float(denoising - explicit))
    np.testing.assert_allclose(constants, constants[0], rtol=1e-9)
    assert constants[0] > 0


@pytest.mark.parametrize("t", [1, 400])
def test_the_loss_of_a_score_is_denoising_score_matching(t: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = DDPM((2,), predict="score", weighting="simple").double()
    monkeypatch.setattr(random, "randint", lambda low, high, n, **_: torch.full((n,), t))
    x = start(64)
    eps = random.randn(64, 2, rng=random.generator(3)).double()
    sigma = float((1 - model.schedule.alpha_bar[t]).sqrt())
    expected = (model.output(model.schedule.noised(x, eps, t), torch.full((64,), t)) + eps / sigma).square().mean()
    torch.testing.assert_close(model.loss(x, rng=random.generator(3))["loss"], expected)
    scaled = DDPM((2,), predict="score", weighting="noise").double()
    torch.testing.assert_close(scaled.loss(x, rng=random.generator(3))["loss"], sigma**2 * expected)  # λ(σ) = σ²


# As a sampler -----------------------------------------------------------------------------------------------------


def test_the_sampler_is_annealed_langevin_dynamics_said_of_x_t() -> None:
    schedule, stride, repeats = Schedule.named("linear", 1000), 0.3, 5
    mixture, times = Mixture(schedule, *TWO), (900, 500, 100, 1)
    sigmas = [math.exp(-float(schedule.log_snr[t]) / 2) for t in times]
    u = start(30)
    x = float(schedule.alpha_bar[900].sqrt()) * u
    move = annealed_steps(mixture.eps, schedule, stride=stride, repeats=repeats, rng=random.generator(1))
    visited = [now.x_t for now in walk(move, mixture.eps, schedule, x, (*times, 0))]
    score = score_of(mixture.eps, schedule)
    walked = [
        place for _, place in annealed(score, u, sigmas, stride * sigmas[-1] ** 2, repeats, rng=random.generator(1))
    ]
    for i, t in enumerate(times[1:], 1):
        rate = float(schedule.alpha_bar[t].sqrt())
        torch.testing.assert_close(visited[i], rate * walked[i * repeats - 1], rtol=1e-6, atol=1e-8)
    rate, last = float(schedule.alpha_bar[1].sqrt()), walked[-1]
    noise = mixture.eps(rate * last, torch.full((30,), 1))
    torch.testing.assert_close(visited[-1], last - sigmas[-1] * noise, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)], ids=str)
def test_a_model_samples_by_it(shape: tuple[int, ...]) -> None:
    model = DDPM(shape, T=50, predict="score", classes=3)
    samples = model.sample(4, rng=random.generator(0), sampler="langevin", steps=3, repeats=2)
    assert samples.shape == (4, *shape)
    assert samples.isfinite().all()
    again = model.sample(4, rng=random.generator(0), sampler="langevin", steps=3, repeats=2)
    assert torch.equal(samples, again)
    assert not torch.equal(samples, model.sample(4, rng=random.generator(0), sampler="langevin", steps=3, repeats=3))


# On the plane -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def eight() -> datasets.Data:
    return datasets.load("eight-gaussians")


@pytest.fixture(scope="module")
def points() -> DDPM:
    return DDPM((2,), T=50, hidden=16)


def test_far_modes_do_not_mix_and_annealing_joins_them(points: DDPM, eight: datasets.Data) -> None:
    """All begin at one mode of eight. A particle leaves with a probability of about 0.01 in this time: of 400 more than
    40 do so once in 10²⁰. Where noise joins the modes each ends at the first with probability 1/8: 100 of 400 or more
    once in 10¹⁰."""
    plain = finish(instrument.walked(points, eight, steps=300))
    joined = finish(instrument.walked(points, eight, steps=1000, anneal=True))
    assert plain["stayed"][0] == joined["stayed"][0] == 1
    assert plain["stayed"][-1] > 0.9
    assert joined["stayed"][-1] < 0.25
    assert joined["w1"][-1] < 0.3 * plain["w1"][-1]
    assert plain["even"] == 1 / 8
    assert plain["sigma"].min() == plain["sigma"].max() == pytest.approx(joined["sigma"].min())
    assert joined["sigma"].max() == 2.0


@pytest.mark.parametrize("data", ["eight-gaussians", "two-moons", "ring", "checkerboard"])
@pytest.mark.parametrize("anneal", [True, False])
def test_a_walk_is_what_it_says(points: DDPM, data: str, anneal: bool) -> None:
    loaded = datasets.load(data)
    score = instrument.scores(points, loaded)[0]
    assert (score == "learned") == (data == "checkerboard")
    walk = finish(instrument.walked(points, loaded, score=score, anneal=anneal, steps=70, n=50, start="anywhere"))
    frames = len(walk["at"])
    assert walk["particles"].shape == (frames, 50, 2)
    assert walk["w1"].shape == walk["sigma"].shape == (frames,)
    assert walk["at"][0] == 0
    assert walk["at"][-1] == 70
    assert walk["chains"].shape == (71, 8, 2)
    assert len(walk["pooled"]) == len(instrument.BURN_IN)
    assert ("map" in walk) == (score == "exact")
    assert ("stayed" in walk) == (data == "eight-gaussians")
    assert instrument.conclusion(walk).startswith("After 70 steps")


def test_a_burn_in_is_a_share_of_the_walk(eight: datasets.Data) -> None:
    """Of chains that are far away for the first half and at the data after it."""
    burn_in = instrument.BURN_IN
    there = eight.train.x[:4000].view(50, 80, 2)
    walk = instrument._distances(eight, torch.randn(2, 400, 2).double(), torch.cat([0 * there + 9, there]), 0.05)
    pooled = dict(zip(burn_in, walk["pooled"], strict=True))
    assert min(pooled[share] for share in burn_in if share < 50) > 2
    assert max(pooled[share] for share in burn_in if share >= 50) < 1


def test_a_step_that_is_too_long_is_named(points: DDPM, eight: datasets.Data) -> None:
    walk = finish(instrument.walked(points, eight, steps=300, step=0.5))
    assert "run away" in instrument.conclusion(walk)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"score": "mine"}, "score = 'mine' is not one of exact, learned"),
        ({"start": "here"}, "start = 'here'"),
        ({"step": 0.0}, "step = 0.0"),
        ({"step": math.nan}, "step = nan"),
        ({"steps": 0}, "steps = 0"),
        ({"n": 0}, "n = 0"),
    ],
)
def test_bad_input_is_named(points: DDPM, eight: datasets.Data, wrong: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        finish(instrument.walked(points, eight, **wrong))


def test_what_has_no_closed_form_and_what_is_no_plane_is_named(points: DDPM) -> None:
    with pytest.raises(BadInput, match=r"checkerboard .* no closed form"):
        finish(instrument.walked(points, datasets.load("checkerboard"), score="exact"))
    with pytest.raises(BadInput, match="makes images"):
        finish(instrument.walked(DDPM((1, 8, 8), width=8), datasets.load("digits")))

import itertools
import json
import math
from typing import Annotated

import pytest
import torch

from genmodels.errors import BadInput
from genmodels.hyperparameters import Numbers, check, declared
from genmodels.probability.schedules import PREDICTIONS, SCHEDULES, Schedule, cosine, drawn, linear

KNOTS = (8.0, 5.0, -1.0, -9.0)
EVERY = [(name, T) for name in SCHEDULES for T in (10, 37, 1000)]


def schedule(name: str, T: int) -> Schedule:
    return Schedule.named(name, T, KNOTS)


def randn(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


# The tables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "T"), [*EVERY, *((name, 4000) for name in SCHEDULES)])
def test_time_runs_from_1_to_the_end_and_0_is_the_data(name: str, T: int) -> None:
    s = schedule(name, T)
    assert s.T == T
    assert s.beta.shape == s.alpha_bar.shape == (T + 1,)
    assert s.alpha_bar[0] == 1
    assert s.beta[0] == 0
    assert ((s.beta[1:] > 0) & (s.beta[1:] < 1)).all()
    assert (s.log_snr.diff() < 0).all()


def test_linear_is_the_papers_at_1000_and_ends_in_the_same_noise_for_any_number_of_steps() -> None:
    torch.testing.assert_close(linear(1000), torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64))
    end = Schedule(linear(1000)).alpha_bar[-1]
    for T in (10, 50, 999, 4000):
        torch.testing.assert_close(Schedule(linear(T)).alpha_bar[-1], end, rtol=1e-10, atol=0)
    torch.testing.assert_close(Schedule(linear(500)).alpha_bar, Schedule(linear(1000)).alpha_bar[::2])


def test_cosine_is_equation_17() -> None:
    s = Schedule(cosine(100))
    f = [math.cos((t / 100 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(101)]
    expected = torch.tensor([value / f[0] for value in f], dtype=torch.float64)
    torch.testing.assert_close(s.alpha_bar[:-1], expected[:-1])
    assert s.beta[-1] == 0.999  # where the cosine itself would leave no signal at all


def test_drawn_goes_through_its_knots_in_straight_lines() -> None:
    s = Schedule(drawn(301, KNOTS))
    torch.testing.assert_close(s.log_snr[1::100], torch.tensor(KNOTS, dtype=torch.float64), rtol=1e-9, atol=1e-9)
    assert s.log_snr[1:].diff().diff().abs().gt(1e-9).sum() == 2  # the bends, at the two inner knots


@pytest.mark.parametrize("knots", [(1.0, 1.0), (3.0, 4.0, -2.0), (9.0, 2.0, 2.5)])
def test_a_drawn_schedule_that_does_not_fall_is_refused(knots: tuple[float, ...]) -> None:
    with pytest.raises(BadInput, match="lower than the last"):
        drawn(100, knots)


def test_time_is_the_inverse_of_the_log_snr() -> None:
    s = schedule("drawn", 50)
    torch.testing.assert_close(s.time(s.log_snr[1:]), torch.arange(1.0, 51, dtype=torch.float64))
    between = torch.tensor([1.25, 17.5, 49.9], dtype=torch.float64)
    a, sigma = s.rates(between, torch.zeros(3, 1, dtype=torch.float64))
    torch.testing.assert_close(a**2 + sigma**2, torch.ones_like(a))
    torch.testing.assert_close(s.time(2 * (a / sigma).log().flatten()), between)
    for real, whole in zip(s.rates(torch.tensor([7.0]), a), s.rates(7, a), strict=True):
        torch.testing.assert_close(real, whole)


def test_the_tables_stay_in_float64_and_are_never_saved() -> None:
    s = schedule("cosine", 20)
    for moved in (s.half(), s.to(torch.bfloat16), s.float()):
        assert moved.alpha_bar.dtype == torch.float64
    assert not s.state_dict()
    assert s.to("meta").beta.device.type == "meta"
    assert "T=20" in repr(schedule("cosine", 20))


# The distributions ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "T"), EVERY)
def test_the_leap_has_the_moments_of_the_chain_of_steps(name: str, T: int) -> None:
    s, x_0 = schedule(name, T), randn(3, 2)
    mean, variance = x_0, torch.zeros(())
    for t in range(1, T + 1):
        mean = (1 - s.beta[t]).sqrt() * mean  # DDPM eq. 2
        variance = (1 - s.beta[t]) * variance + s.beta[t]
        if t in (1, 2, T // 2, T):
            for one, other in zip(s.q(x_0, t), (mean, variance.expand(1, 1)), strict=True):
                torch.testing.assert_close(one, other)
    eps = randn(3, 2, seed=1)
    torch.testing.assert_close(s.noised(x_0, eps, T), mean + variance.sqrt() * eps)


@pytest.mark.parametrize(("name", "T"), EVERY)
def test_the_posterior_is_bayes_product_of_gaussians(name: str, T: int) -> None:
    s, x_0, x_t = schedule(name, T), randn(4, 2), randn(4, 2, seed=1)
    for t, s_ in [(t, t - 1) for t in (2, T // 2, T)] + [(T, 3), (T // 2, 1)]:
        alpha = s.alpha_bar[t] / s.alpha_bar[s_]  # q(x_t | x_s) = N(√α x_s, (1 − α) I)
        prior_mean, prior_variance = s.q(x_0, s_)
        precision = 1 / prior_variance + alpha / (1 - alpha)
        product = (prior_mean / prior_variance + alpha.sqrt() * x_t / (1 - alpha)) / precision
        mean, variance = s.posterior(x_t, x_0, t, s_)
        torch.testing.assert_close(mean, product, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(variance, 1 / precision, rtol=1e-6, atol=1e-12)
        if s_ == t - 1:
            torch.testing.assert_close(variance, s.beta_tilde[t].expand(1, 1), rtol=1e-6, atol=1e-12)
    torch.testing.assert_close(s.posterior(x_t, x_0, 1)[0], x_0)
    assert s.posterior(x_t, x_0, 1)[1] == s.beta_tilde[1] == 0


def test_a_tensor_of_times_is_each_time_by_itself() -> None:
    s, x_0, eps, t = schedule("linear", 30), randn(3, 1, 4, 4), randn(3, 1, 4, 4, seed=1), torch.tensor([1, 12, 30])
    x_t = s.noised(x_0, eps, t)
    mean, variance = s.posterior(x_t, x_0, t)
    for i, one in enumerate(t.tolist()):
        torch.testing.assert_close(x_t[i : i + 1], s.noised(x_0[i : i + 1], eps[i : i + 1], one))
        alone = s.posterior(x_t[i : i + 1], x_0[i : i + 1], one)
        torch.testing.assert_close((mean[i : i + 1], variance[i : i + 1]), alone)


def test_the_models_variance_is_a_density_also_at_the_last_step() -> None:
    s = schedule("cosine", 25)
    torch.testing.assert_close(s.sigma2("beta"), s.beta)
    torch.testing.assert_close(s.sigma2("posterior")[2:], s.beta_tilde[2:])
    assert s.sigma2("posterior")[1] == s.beta_tilde[2] > 0
    assert s.beta_tilde[1] == 0  # the copy, not the table, was changed


# Predictions and weights ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("predict", PREDICTIONS)
@pytest.mark.parametrize(
    "t", [3, torch.tensor([1, 9, 40]), torch.tensor([1.5, 9.25, 40.0])], ids=["int", "each", "real"]
)
def test_what_is_asked_for_gives_back_noise_and_data(predict: str, t: int | torch.Tensor) -> None:
    s, x_0, eps = schedule("cosine", 40), randn(3, 2), randn(3, 2, seed=1)
    x_t, target = s.noised(x_0, eps, t), s.target(x_0, eps, t, predict)
    torch.testing.assert_close(s.to_eps(target, x_t, t, predict), eps, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(s.to_x_0(target, x_t, t, predict), x_0, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("variance", ["beta", "posterior"])
def test_the_weight_of_the_bound_is_equation_12_whatever_is_predicted(variance: str) -> None:
    s, x_0, eps, said = schedule("linear", 60), randn(1, 2), randn(1, 2, seed=1), randn(1, 2, seed=2)
    for t in (1, 2, 30, 60):
        x_t = s.noised(x_0, eps, t)
        guess = s.to_x_0(said, x_t, t, "eps")
        means = s.posterior(x_t, x_0, t)[0] - s.posterior(x_t, guess, t)[0]
        expected = 60 * means.square().sum() / (2 * s.sigma2(variance)[t])
        for predict in PREDICTIONS:
            error = s.target(x_0, eps, t, predict) - s.target(guess, said, t, predict)
            weight = s.weight("bound", predict, variance=variance)[t]
            torch.testing.assert_close(weight * error.square().sum(), expected)


@pytest.mark.parametrize("gamma", [0.5, 5.0])
def test_min_snr_weighs_the_same_error_of_the_data_whatever_is_predicted(gamma: float) -> None:
    s, x_0, eps, said = schedule("cosine", 60), randn(1, 2), randn(1, 2, seed=1), randn(1, 2, seed=2)
    for t in (1, 20, 59):
        guess = s.to_x_0(said, s.noised(x_0, eps, t), t, "eps")
        expected = min(s.snr[t].item(), gamma) * (x_0 - guess).square().sum()
        for predict in PREDICTIONS:
            error = s.target(x_0, eps, t, predict) - s.target(guess, said, t, predict)
            torch.testing.assert_close(s.weight("snr", predict, gamma=gamma)[t] * error.square().sum(), expected)


@pytest.mark.parametrize(("weighting", "predict"), [*itertools.product(("simple", "snr", "bound"), PREDICTIONS)])
def test_every_weight_is_finite(weighting: str, predict: str) -> None:
    for name, T in EVERY:
        for variance in ("beta", "posterior"):
            table = schedule(name, T).weight(weighting, predict, variance=variance)
            assert table.shape == (T + 1,)
            assert table.isfinite().all()
            assert (table[1:] > 0).all()


# The declaration of knots -----------------------------------------------------------------------------------------


def draw(knots: Annotated[tuple[float, ...], Numbers(2, 4, -20, 20, "log-SNR")] = (1.0, -1.0)) -> None:
    """A function that declares a row of numbers."""


@pytest.mark.parametrize("value", [[8, 5.5, -2], (8, 5.5, -2), "8,5.5,-2", "8, 5.5, -2", ["8", "5.5", "-2"]])
def test_a_row_of_numbers_is_read_from_json_and_from_text(value: object) -> None:
    row = check(draw, {"knots": value})["knots"]
    assert row == (8.0, 5.5, -2.0)
    assert check(draw, {"knots": json.loads(json.dumps(row))})["knots"] == row


@pytest.mark.parametrize("value", [[1], [1, 2, 3, 4, 5], [1, 21], "1,", "1,x", "", 3, None, [1, True], [1, math.nan]])
def test_a_row_of_numbers_is_refused_with_what_it_may_be(value: object) -> None:
    with pytest.raises(BadInput, match="is not a row of 2 to 4 numbers from -20 to 20"):
        check(draw, {"knots": value})
    assert declared(draw)["knots"].help == "log-SNR"


@pytest.mark.parametrize(("weighting", "predict"), [*itertools.product(("simple", "snr", "bound"), PREDICTIONS)])
def test_a_weight_can_be_said_of_the_error_of_the_noise(weighting: str, predict: str) -> None:
    s, x_0, eps, said = schedule("cosine", 60), randn(1, 2), randn(1, 2, seed=1), randn(1, 2, seed=2)
    weight = s.weight(weighting, predict)
    of_eps = s.weight_of_eps(weight, predict)
    for t in (1, 20, 59):
        guess = s.to_x_0(said, s.noised(x_0, eps, t), t, "eps")
        error = s.target(x_0, eps, t, predict) - s.target(guess, said, t, predict)
        torch.testing.assert_close(of_eps[t] * (eps - said).square().sum(), weight[t] * error.square().sum())
    if weighting == "simple" and predict == "v":
        torch.testing.assert_close(of_eps[1:], 1 / s.alpha_bar[1:])

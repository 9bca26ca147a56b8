"""Variational diffusion: a learned schedule, the bound of continuous time, and where the bits go."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.hyperparameters import declared
from genmodels.instruments.diffusion import bits as instrument
from genmodels.instruments.diffusion import bound, hierarchy
from genmodels.instruments.vae.partners import partners
from genmodels.metrics.evaluate import likelihoods
from genmodels.models.base import load
from genmodels.models.ddpm import DDPM
from genmodels.nn.denoiser import denoiser
from genmodels.nn.unet import fine
from genmodels.probability.diffusion.learned import Learned, even, level_term
from genmodels.probability.diffusion_elbo import Chain
from genmodels.probability.schedules import Schedule
from genmodels.text import number
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings
from tests.analytic import Mixture
from tests.answers import finish
from tests.test_ddpm import TWO, batch, woken

VDM = {"schedule": "learned", "predict": "eps", "weighting": "bound", "variance": "posterior"}
SMALL = {"width": 8, "depth": 1, "levels": 0, "patch": 1}


def bent(T: int = 50, seed: int = 0) -> Learned:
    """A learned schedule with some weights."""
    schedule, rng = Learned(T).double(), random.generator(seed)
    with torch.no_grad():
        for one in (schedule.heights, schedule.steep, schedule.slope):
            one += random.randn(*one.shape, rng=rng).double()
    return schedule


@pytest.fixture(scope="module")
def digits() -> datasets.Data:
    return datasets.load("digits")


# The schedule -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_the_way_of_a_learned_schedule_rises_from_0_to_1_and_knows_its_slope(seed: int) -> None:
    u = torch.linspace(0, 1, 101, dtype=torch.float64, requires_grad=True)
    way, slope = bent(seed=seed).way(u)
    torch.testing.assert_close(way[[0, -1]], torch.tensor([0.0, 1.0], dtype=torch.float64))
    assert (way.diff() > 0).all()
    torch.testing.assert_close(slope, torch.autograd.grad(way.sum(), u)[0])


def test_its_tables_are_those_of_a_schedule() -> None:
    learned = bent(T=40)
    fixed = Schedule(learned.beta[1:])
    for name in ("alpha_bar", "alpha", "beta", "log_snr", "beta_tilde"):
        torch.testing.assert_close(getattr(learned, name)[1:], getattr(fixed, name)[1:], rtol=1e-9, atol=1e-12)
    assert learned.alpha_bar[0] == 1
    torch.testing.assert_close(-learned.log_snr[[1, -1]], learned.ends.detach(), rtol=1e-6, atol=0)


def test_it_is_saved_with_the_network(tmp_path: Path) -> None:
    model = DDPM((1, 8, 8), T=20, **VDM, **SMALL).eval()
    woken(model.network)
    with torch.no_grad():
        model.schedule.ends += torch.tensor([1.0, -0.5])
    model.save(tmp_path)
    again = load(tmp_path)
    assert torch.equal(again.schedule.alpha_bar, model.schedule.alpha_bar)
    assert torch.equal(again.sample(2, rng=random.generator(0)), model.sample(2, rng=random.generator(0)))


def test_times_are_even_and_each_is_uniform() -> None:
    rows = torch.stack([even(5, random.generator(seed), torch.device("cpu")) for seed in range(2000)]).double()
    torch.testing.assert_close(rows.sort(1).values.diff(dim=1), torch.full((2000, 4), 0.2).double(), rtol=0, atol=1e-6)
    for place in rows.T:  # Kolmogorov-Smirnov: more than 2.4 / √n once in 10⁵
        gap = (place.sort().values - (torch.arange(2000) + 0.5) / 2000).abs().max()
        assert gap < 2.5 / math.sqrt(2000)


# The bound --------------------------------------------------------------------------------------------------------


def exact(schedule: Schedule) -> tuple[Mixture, Chain]:
    """The chain of whoever knows the answer."""
    mixture = Mixture(schedule, *TWO)
    return mixture, Chain(lambda x, t: schedule.to_x_0(mixture.eps(x, t), x, t, "eps"), schedule, "posterior")


def test_in_continuous_time_only_the_ends_of_a_schedule_count() -> None:
    means = []
    for knots in ((8.0, -4.0), (8.0, 7.5, 7.0, -3.0, -4.0), (8.0, -2.0, -4.0)):
        mixture, chain = exact(Schedule.named("drawn", 400, knots))
        nats, gamma = chain.continuous(mixture.sample(4000), random.generator(0), draws=8)
        assert -8.001 < gamma.min() < gamma.max() < 4.001
        each = nats.mean(1)
        means.append((float(each.mean()), float(each.std()) / math.sqrt(4000)))
    (first, error), *others = means
    for other, its_error in others:
        assert abs(other - first) < 5 * math.hypot(error, its_error)


def test_more_steps_make_the_bound_tighter_down_to_continuous_time() -> None:
    """For the best denoiser (Kingma et al. 2021, section 4.2), in the same pairs of ends."""
    costs = []
    for T in (5, 20, 200):
        mixture, chain = exact(Schedule.named("drawn", T, (8.0, -4.0)))
        t = torch.arange(2, T + 1).expand(1500, -1)
        costs.append(float(chain.steps(mixture.sample(1500), t, random.generator(0))[0].sum(1).mean()))
    limit = float(chain.continuous(mixture.sample(4000), random.generator(1), draws=16)[0].mean())
    assert costs[0] > costs[1] > costs[2] > limit - 0.1
    assert costs[2] - limit < 0.2 < costs[0] - limit


@pytest.mark.parametrize("levels", [2, 17])
def test_the_grey_levels_of_the_last_step_are_a_distribution(levels: int) -> None:
    x_1, snr = torch.linspace(-1.3, 1.3, 9).double(), torch.tensor(40.0).double()
    grid = torch.linspace(-1, 1, levels).double()
    terms = torch.stack([level_term(level.expand(9, 1), x_1[:, None], snr, levels) for level in grid])
    torch.testing.assert_close((-terms).exp().sum(0), torch.ones(9).double())


def test_the_ends_are_trained_by_the_bound_and_the_way_by_its_square() -> None:
    """Both gradients against differences: of the mean of the estimates, and of the mean of their squares."""
    x, net = batch((1, 3, 3), 16).double(), lambda x_t, t: torch.sin(3 * x_t) * 0.7

    def steps(change: str = "", place: int = 0, by: float = 0.0) -> tuple[Learned, Tensor]:
        schedule = bent()
        with torch.no_grad():
            for name, one in schedule.named_parameters():
                if name == change:
                    one.view(-1)[place] += by
        return schedule, schedule.bound(net, x, 17, random.generator(0))["steps"]

    schedule, terms = steps()
    terms.mean().backward()
    h = 1e-5
    for name, place in (("ends", 0), ("ends", 1), ("slope", 0), ("heights", 20), ("centres", 31), ("steep", 12)):
        more, less = (steps(name, place, by)[1].detach() for by in (h, -h))
        if name == "ends":
            expected = (more.mean() - less.mean()) / (2 * h)
        else:
            expected = (more.square().mean() - less.square().mean()) / (2 * h) / terms.detach().mean()
        found = dict(schedule.named_parameters())[name].grad.view(-1)[place]
        torch.testing.assert_close(found, expected, rtol=2e-3, atol=1e-6)


def test_what_is_trained_is_the_bound(digits: datasets.Data) -> None:
    """A network that answers 0: the loss, nats per dimension, beside the bound in T steps of the same model."""
    model = DDPM((1, 8, 8), T=400, **VDM, **SMALL).eval()
    model.grey_levels = digits.levels
    x = digits.prepare(digits.test.x[:64], "signed")
    with torch.no_grad():
        losses = torch.stack([model.loss(x, rng=random.generator(seed))["loss"] for seed in range(60)]).double()
        model.network.forward = lambda x, u, y=None: torch.zeros_like(x)
        guess = lambda x_t, t: model.schedule.to_x_0(torch.zeros_like(x_t), x_t, t, "eps")  # noqa: E731
        chain = Chain(guess, model.schedule, "posterior", digits.levels, True)
        bounds = chain.every_term(x, random.generator(0))
    nats = bounds.nats.double().mean() / 64
    assert abs(losses.mean() / nats - 1) < 0.03  # T = 400 steps are not yet infinitely many
    terms = model.loss(x, rng=random.generator(0))
    torch.testing.assert_close(terms["bpd"] * math.log(2), terms["loss"])


def test_a_short_training_learns_the_bits(digits: datasets.Data) -> None:
    model = DDPM((1, 8, 8), T=100, fourier=4, **VDM, **SMALL)
    before = model.schedule.ends.detach().clone()
    steps = list(fit(Training(model, digits, Settings(steps=60, batch_size=64, lr=3e-3))))
    assert steps[-1].terms["held-out bpd"] < 0.6 * steps[0].terms["held-out bpd"]
    assert not torch.equal(model.schedule.ends.detach(), before)
    assert model.elbo(digits.prepare(digits.test.x[:4], "signed"), random.generator(0)).isfinite().all()
    assert model.sample(2, rng=random.generator(0), steps=5).isfinite().all()


@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)], ids=str)
def test_what_a_learned_schedule_asks_for_is_named(shape: tuple[int, ...]) -> None:
    for wrong in ({"predict": "v"}, {"weighting": "simple"}, {"variance": "learned"}, {}):
        if wrong or len(shape) == 1:
            with pytest.raises(BadInput, match="schedule = learned is of images, with predict = eps"):
                DDPM(shape, **(VDM | wrong))


# The features -----------------------------------------------------------------------------------------------------


def test_in_fine_sines_neighbouring_grey_levels_are_opposite() -> None:
    levels = torch.linspace(-1, 1, 17).view(1, 1, 1, 17)[..., :16]
    _, cosine, _, same = fine(levels, 4)[0, :, 0]
    torch.testing.assert_close(cosine[1:], -cosine[:-1], rtol=0, atol=1e-5)
    torch.testing.assert_close(same, torch.ones(16), rtol=0, atol=1e-5)
    assert denoiser((3, 5, 5), T=9, classes=0, width=8, fourier=8)(torch.zeros(2, 3, 5, 5), torch.ones(2)).shape == (
        2,
        3,
        5,
        5,
    )


# EDM --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma_data", [0.3, 0.5, 1.0])
def test_edm_shows_and_asks_for_numbers_of_variance_1(sigma_data: float) -> None:
    s = Schedule.named("cosine", 100)
    s.sigma_data = sigma_data
    t = torch.arange(1, 101)
    one = torch.ones(100, 1).double()
    a, sigma = s.rates(t, one)
    _, _, seen = s.edm(t, one)
    torch.testing.assert_close((seen * a * sigma_data).square() + (seen * sigma).square(), one)
    of_x_0, of_eps = (s.target(x, eps, t, "edm") for x, eps in ((one, 0 * one), (0 * one, one)))
    torch.testing.assert_close((of_x_0 * sigma_data).square() + of_eps.square(), one)
    if sigma_data == 1:
        torch.testing.assert_close(of_x_0, -s.target(one, 0 * one, t, "v"))
        torch.testing.assert_close(of_eps, -s.target(0 * one, one, t, "v"))


def test_times_count_where_they_are_drawn() -> None:
    """A learned schedule draws its own; what such a run was declared with is still allowed."""
    known = declared(DDPM)
    for schedule in ("linear", "learned"):
        drawn = schedule != "learned"
        assert known["times"].counts({"schedule": schedule}) == drawn
        assert known["ln_mean"].counts({"schedule": schedule, "times": "log-normal"}) == drawn
        assert known["ln_std"].counts({"schedule": schedule, "times": "log-normal"}) == drawn
        assert not known["ln_mean"].counts({"schedule": schedule, "times": "uniform"})
    x, losses = batch((1, 8, 8), 32), set()
    for how in ({}, {"times": "log-normal", "ln_mean": 3.0, "ln_std": 0.1}):
        torch.manual_seed(0)
        losses.add(float(DDPM((1, 8, 8), T=20, **VDM, **SMALL, **how).loss(x, rng=random.generator(0))["bpd"]))
    assert len(losses) == 1


def test_the_noise_in_training_is_log_normal() -> None:
    model = DDPM((2,), T=100, times="log-normal", ln_mean=-1.0, ln_std=0.8)
    chance = model.schedule.chance(-1.0, 0.8)
    assert chance.sum() == pytest.approx(1)
    assert chance[0] == 0
    ln = -model.schedule.log_snr[1:] / 2
    mean = float((chance[1:] * ln).sum())
    assert mean == pytest.approx(-1.0, abs=0.05)
    assert float((chance[1:] * (ln - mean).square()).sum().sqrt()) == pytest.approx(0.8, abs=0.05)
    t = model.training_times(40_000, random.generator(0), torch.device("cpu"))
    share = torch.bincount(t, minlength=101) / 40_000
    assert ((share - chance).abs() < 6 * (chance / 40_000).sqrt() + 1e-4).all()


def test_the_quarters_are_unbiased_whatever_times_are_drawn() -> None:
    model, x = DDPM((2,), T=12, times="log-normal", ln_mean=0.0, ln_std=1.5), batch((2,), 256)
    terms = [torch.stack([*model.loss(x, rng=random.generator(seed)).values()][1:]) for seed in range(200)]
    torch.testing.assert_close(torch.stack(terms).mean(0), torch.ones(4), atol=0.1, rtol=0)  # it answers 0


# On the page ------------------------------------------------------------------------------------------------------


def test_the_parts_of_the_bits_add_up_to_the_bound(digits: datasets.Data) -> None:
    model = woken(DDPM((1, 8, 8), T=60, schedule="cosine", predict="v", **SMALL))
    parts = finish(instrument.bits(model, digits, n=16, draws=200))
    whole = parts["prior"] + parts["steps"] + parts["last"]
    x = digits.prepare(digits.test.x[:64], "signed")
    bound = model.bound(x, random.generator(0), bins=17).bpd(64)
    assert abs(float(bound.mean()) - whole) < 5 * (float(bound.std()) / 4 + parts["error"])
    assert parts["least"] <= parts["last"]
    width = np.diff(parts["gamma"])[0]
    assert (parts["cost"] * width).sum() == pytest.approx(float(parts["continuous"]), rel=1e-3)
    assert parts["noise"] == pytest.approx(model.schedule.noise_left * 8)
    assert "bits per dimension the last step takes" in instrument.conclusion(parts)


def test_the_label_that_a_model_is_told_is_among_its_bits(digits: datasets.Data) -> None:
    model = woken(DDPM((1, 8, 8), T=10, classes=10, **SMALL))
    parts, terms = finish(instrument.bits(model, digits, n=16, draws=8)), finish(bound.every_term(model, digits, n=16))
    assert parts["label"] == pytest.approx(math.log2(10) / 64)
    assert parts["label"] == pytest.approx(terms["label"].mean() / 64 / math.log(2))
    whole = sum(float(parts[name]) for name in ("prior", "steps", "last", "label"))
    words = instrument.conclusion(parts)
    assert words.startswith(f"Of {number(whole)} ± ")
    assert f"{number(float(parts['label']))} are for the label that it is told" in words
    none = finish(instrument.bits(woken(DDPM((1, 8, 8), T=10, **SMALL)), digits, n=2, draws=2))
    assert none["label"] == 0
    assert "label" not in instrument.conclusion(none)


@pytest.mark.parametrize("seed", range(3))
def test_a_last_step_that_asks_no_network_costs_no_less_for_one_that_knows_the_picture(
    digits: datasets.Data, seed: int
) -> None:
    model = DDPM((1, 8, 8), T=10, **VDM, **SMALL).eval()
    with torch.no_grad():
        model.schedule.ends[0] = -3.0  # so that there is something to pay
    parts = finish(instrument.bits(model, digits, n=4, draws=2, seed=seed))
    assert parts["by_level"]
    assert parts["least"] == parts["last"] > 0.1
    assert f"the last step takes {number(float(parts['last']))}, and asks no network: " in instrument.conclusion(parts)


def test_what_no_network_can_save_is_said_of_a_fixed_variance_alone(digits: datasets.Data) -> None:
    """Where the network says the variance too it may say a smaller one, and pay less."""
    told = {}
    for variance in ("beta", "learned"):
        model = woken(DDPM((1, 8, 8), T=10, schedule="cosine", predict="v", variance=variance, **SMALL))
        told[variance] = finish(instrument.bits(model, digits, n=4, draws=2))
    least = {name: number(float(parts["least"])) for name, parts in told.items()}
    words = {name: instrument.conclusion(parts) for name, parts in told.items()}
    assert f", of which {least['beta']} no network can save: " in words["beta"]
    assert f"sees x₀ and says this variance would still pay {least['learned']}: " in words["learned"]
    assert "no network" not in words["learned"]


def test_what_infinitely_many_steps_would_save_is_said_where_it_is_seen(digits: datasets.Data) -> None:
    """Steps pay more than their limit, and what is told of it is within its error of what many draws tell."""
    model = woken(DDPM((1, 8, 8), T=12, schedule="cosine", predict="v", **SMALL))
    few, many = (finish(instrument.bits(model, digits, n=40, draws=draws)) for draws in (30, 600))
    saved = [float(parts["steps"] - parts["continuous"]) for parts in (few, many)]
    assert abs(saved[0] - saved[1]) < 5 * math.hypot(few["saved_error"], many["saved_error"])
    told = {
        "prior": 1.0,
        "steps": 2.0,
        "last": 1.0,
        "label": 0.0,
        "least": 0.5,
        "noise": 1.0,
        "levels": 17,
        "error": 0.1,
    }
    told |= {"by_level": False, "learned": False}
    arrays = {name: np.array(value) for name, value in told.items()}
    for continuous, words in ((1.5, "would cost 0.5 ± 0.1 less"), (2.5, "would cost 0.5 ± 0.1 more"), (1.9, "as much")):
        parts = arrays | {"continuous": np.array(continuous), "saved_error": np.array(0.1)}
        assert words in instrument.conclusion(parts)


def test_the_noise_of_the_cosine_schedule_costs_bits_of_256_grey_levels_that_no_network_saves() -> None:
    """With x̂_0 = x_0 a level in the middle costs −log (2 Φ(1 / 255σ) − 1), and black or white −log Φ(1 / 255σ)."""
    s = Schedule.named("cosine", 1000)
    edge = 1 / 255 / float(s.beta[1].sqrt())
    phi = 0.5 * (1 + math.erf(edge / math.sqrt(2)))
    x = torch.tensor([[-1.0, 1.0, 1 / 255, -3 / 255]]).double()
    found = Chain(lambda x_t, t: x.expand_as(x_t), s, "beta", 256).last(x, random.generator(0))
    assert float(found) == pytest.approx(-2 * math.log(phi) - 2 * math.log(2 * phi - 1), rel=1e-6)
    assert -math.log2(2 * phi - 1) > 1


def test_a_picture_that_is_drawn_pays_for_no_grey_level_but_black_and_white() -> None:
    """What is kept as 0 and levels − 1 costs as much as the same picture that is kept as 0 and 1."""
    drawn = replace(datasets.load("digits-dynamic"), name="digits")  # of which there is a VAE
    once = replace(drawn, levels=2, is_drawn=False, test=replace(drawn.test, x=drawn.test.x // 16))
    for how in ({"variance": "learned"}, {"schedule": "learned", "weighting": "bound"}):
        model = DDPM((1, 8, 8), T=10, **how, **SMALL).eval()
        woken(model.network)
        for of in (
            lambda data: finish(instrument.bits(model, data, n=4, draws=8)),  # noqa: B023
            lambda data: finish(bound.every_term(model, data, n=4)),  # noqa: B023
            lambda data: bound.numbers(model, data, 0, 2),  # noqa: B023
            lambda data: finish(hierarchy.both(model, data, "vae-digits-2d")),  # noqa: B023
        ):
            found, expected = of(drawn), of(once)
            assert found.keys() == expected.keys()
            for name in found:
                np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
        found, expected = (likelihoods(model, data, n=180) for data in (drawn, once))  # of other noise
        error = math.hypot(found["elbo_nats_se"], expected["elbo_nats_se"])
        assert abs(found["elbo_nats"] - expected["elbo_nats"]) < 5 * error < 10
    model = DDPM((1, 8, 8), T=10, weighting="bound", **SMALL)
    x, nats = once.prepare(once.test.x[:64], "signed"), []
    for data in (drawn, once):
        Training(model, data, Settings(steps=1))
        nats.append(float(model.loss(x, rng=random.generator(0))["loss"].detach()))
    assert nats[0] == nats[1]


def test_a_diffusion_beside_a_vae(digits: datasets.Data) -> None:
    model = woken(DDPM((1, 8, 8), T=30, classes=10, **SMALL))
    assert "vae-digits-2d" in partners("digits")
    parts = finish(hierarchy.both(model, digits, "vae-digits-2d", example=3))
    paid = sum(float(parts[name].sum()) for name in ("prior", "steps", "last", "label"))
    assert float(parts["nats"]) == pytest.approx(paid)
    assert parts["label"] == pytest.approx(math.log(10))  # of labels whose shares nobody has told it
    assert "for the label that it is told" in hierarchy.conclusion(parts)
    told = finish(hierarchy.both(woken(DDPM((1, 8, 8), T=30, **SMALL)), digits, "vae-digits-2d", example=3))
    assert told["label"] == 0
    assert "label" not in hierarchy.conclusion(told)
    assert parts["elbo"] == pytest.approx(float(parts["reconstruction"] - parts["kl"]))
    assert parts["up"].shape == parts["down"].shape == (len(parts["t"]), 1, 8, 8)
    assert parts["t"].tolist()[::-1] == parts["at"].tolist()
    assert len(parts["steps"]) == len(parts["times"]) - 1 == hierarchy.GROUPS
    assert f"nats for its code and {number(-float(parts['elbo']))} in all" in hierarchy.conclusion(parts)
    for prior, deaf in ((0.01, True), (18.1, False)):
        words = hierarchy.conclusion(parts | {"prior": np.array(prior)})
        assert (f"{prior} for its topmost latent, whose encoder tells nothing of the picture, and" in words) == deaf
    with pytest.raises(BadInput, match="is no VAE of digits: it is a vae of mnist"):
        finish(hierarchy.both(model, digits, "vae-mnist-2d"))
    with pytest.raises(BadInput, match="it is a ddpm of digits"):
        finish(hierarchy.both(model, digits, "ddpm-digits"))

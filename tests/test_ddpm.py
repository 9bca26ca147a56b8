import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.data.datasets import DATASETS, Data
from genmodels.errors import BadInput
from genmodels.hyperparameters import declared
from genmodels.instruments.diffusion.edits import inpaint, invert, redraw
from genmodels.models.base import Preset, load
from genmodels.models.ddpm import DDPM
from genmodels.probability import diffusion_elbo
from genmodels.probability.diffusion_elbo import discretized_log_prob, last_or, last_term
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings
from tests.analytic import Mixture

SMALL = {"width": 8, "depth": 1, "T": 50}


class Told(nn.Module):
    """A network that knows the answer about a mixture, at time u = t / T, whatever it is to predict."""

    def __init__(self, mixture: Mixture, predict: str) -> None:
        super().__init__()
        self.mixture, self.predict = mixture, predict
        self.anchor = nn.Parameter(torch.zeros(()))  # a model has parameters

    def forward(self, x: Tensor, u: Tensor, y: Tensor | None = None) -> Tensor:
        t = u * self.mixture.schedule.T
        t = t if (t - t.round()).abs().max() > 1e-6 else t.round().long()
        eps = self.mixture.eps(x, t)
        return self.mixture.schedule.target(self.mixture.schedule.to_x_0(eps, x, t, "eps"), eps, t, self.predict)


def knowing(weights: list[float], means: list[list[float]], covs: list, **how: object) -> DDPM:
    """A model in float64 of the plane whose network is told the truth."""
    model = DDPM((2,), **how)
    model.network = Told(Mixture(model.schedule, weights, means, covs), model.predict)
    return model.double()


TWO = ([0.6, 0.4], [[1.0, 0.2], [-0.8, -0.6]], [[[0.05, 0.02], [0.02, 0.08]], [[0.1, 0.0], [0.0, 0.04]]])
WHITE = ([1.0], [[0.0, 0.0]], [[[1.0, 0.0], [0.0, 1.0]]])


def batch(shape: tuple[int, ...], n: int = 16) -> Tensor:
    return random.rand(n, *shape, rng=random.generator(9)) * 2 - 1


def woken(model: DDPM) -> DDPM:
    """The model without the zeros that it starts from."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    return model.eval()


# Training ---------------------------------------------------------------------------------------------------------

EVERY = [
    {"predict": predict, "schedule": schedule, "weighting": weighting, "variance": variance}
    for predict, schedule, weighting, variance in [
        ("eps", "linear", "simple", "beta"),
        ("x0", "cosine", "snr", "posterior"),
        ("v", "drawn", "bound", "posterior"),
        ("eps", "cosine", "bound", "beta"),
    ]
]


@pytest.mark.parametrize("how", EVERY, ids=lambda how: "-".join(how.values()))
@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)], ids=str)
def test_the_loss_is_finite_and_reaches_every_parameter(how: dict[str, str], shape: tuple[int, ...]) -> None:
    model = woken(DDPM(shape, classes=4, **SMALL, **how))
    terms = model.loss(batch(shape), torch.arange(16) % 4, rng=random.generator(0))
    assert terms.keys() == {"loss", "mse_t1", "mse_t2", "mse_t3", "mse_t4"}
    assert all(term.shape == () and term.isfinite() for term in terms.values())
    terms["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())


@pytest.mark.parametrize("variance", ["beta", "learned"])
def test_the_bound_of_pixels_has_a_gradient_however_wild_the_guess(variance: str) -> None:
    """L_0 is of t = 1 alone: of a guess from much noise, a thousand grey levels off, it has no finite slope."""
    model = woken(DDPM((1, 8, 8), **{**SMALL, "T": 1000}, schedule="cosine", weighting="bound", variance=variance))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    for seed in range(10):
        model.zero_grad()
        model.loss(batch((1, 8, 8)), rng=random.generator(seed))["loss"].backward()
        assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters()), seed


def test_only_those_at_the_last_step_are_asked_for_the_last_term() -> None:
    schedule, x = DDPM((1, 8, 8), **SMALL).schedule, batch((1, 8, 8), 4)
    t = torch.tensor([1, 1, 30, 50])
    x_t = schedule.noised(x, torch.zeros_like(x), t)
    guess = (x + torch.tensor([0.1, -0.1, 1e6, -1e30]).view(4, 1, 1, 1)).requires_grad_()
    found = last_or(torch.full((4,), 7.0), schedule, x, x_t, guess, t, "beta", 17)
    assert found[2:].tolist() == [7.0, 7.0]
    torch.testing.assert_close(found[:2], last_term(schedule, x[:2], x_t[:2], guess[:2], "beta", 17))
    found.sum().backward()
    assert guess.grad is not None
    assert guess.grad.isfinite().all()
    assert guess.grad[:2].any()
    assert not guess.grad[2:].any()


@pytest.mark.parametrize("predict", ["eps", "x0", "v"])
def test_a_network_that_answers_0_has_the_loss_of_its_target(predict: str) -> None:
    """Algorithm 1, with the same noise drawn again by hand."""
    model, x, rng = DDPM((1, 8, 8), predict=predict, **SMALL), batch((1, 8, 8)), random.generator(4)
    t = random.randint(1, 51, 16, rng=rng)
    eps = random.randn(16, 1, 8, 8, rng=rng)
    assert t.min() >= 1
    target = model.schedule.target(x, eps, t, predict)
    torch.testing.assert_close(model.loss(x, rng=random.generator(4))["loss"], target.square().mean())


@pytest.mark.parametrize("T", [10, 50, 1000])
def test_the_quarters_of_time_add_up_to_the_loss(T: int) -> None:
    model, x = DDPM((2,), T=T), batch((2,), 64)
    terms = model.loss(x, rng=random.generator(0))
    share = [sum(i * T <= 4 * (t - 1) < (i + 1) * T for t in range(1, T + 1)) / T for i in range(4)]
    total = sum(share[i] * terms[f"mse_t{i + 1}"] for i in range(4))
    torch.testing.assert_close(total, terms["loss"])
    mean = torch.stack(
        [torch.stack([*model.loss(x, rng=random.generator(seed)).values()]) for seed in range(200)]
    ).mean(0)
    torch.testing.assert_close(mean, torch.ones(5), atol=0.08, rtol=0)  # of a network that answers 0, at any time


def test_a_loss_by_the_bound_is_the_bound() -> None:
    model = woken(DDPM((2,), weighting="bound", predict="v", schedule="cosine", T=50)).double()
    x = batch((2,), 4).double()
    rounds = 3000
    loss = torch.stack(
        [model.loss(x.repeat(100, 1), rng=random.generator(seed))["loss"] for seed in range(rounds // 100)]
    )
    bound = torch.stack([model.bound(x, random.generator(seed)).nats for seed in range(100)]).mean()
    s, t = model.schedule, torch.arange(2, 51)
    ratio = s.beta_tilde[t] / s.beta[t]
    constant = (ratio - 1 - ratio.log()).sum() + (2 * math.pi * s.beta[1]).log()  # D/2 = 1
    prior = model.bound(x, random.generator(0)).prior.mean()
    expected = (bound - prior - constant) / 2
    assert abs(loss.mean() - expected) < 4 * loss.std() / math.sqrt(len(loss)) + 0.02 * expected


def test_labels_are_hidden_as_often_as_asked() -> None:
    x, y = batch((2,)), torch.arange(16) % 4
    for label_dropout, touched in ((0.0, [True] * 4 + [False]), (1.0, [False] * 4 + [True])):
        model = woken(DDPM((2,), classes=4, label_dropout=label_dropout))
        model.loss(x, y, rng=random.generator(0))["loss"].backward()
        table = model.network.conditioning.label.weight
        assert table.grad.any(1).tolist() == touched


def test_each_label_is_hidden_by_itself_with_the_probability_asked_for() -> None:
    model, p = DDPM((2,), classes=4, label_dropout=0.3), 0.3
    y = torch.arange(20_000) % 4
    told = model._told(y, random.generator(0))
    hidden = told == model.classes
    assert torch.equal(told[~hidden], y[~hidden])
    assert hidden.double().mean().item() == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / len(y)))
    assert all(0 < share < 1 for share in hidden.double().view(100, -1).mean(1).tolist())  # of 200, none or all: never


@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)], ids=str)
def test_wrong_labels_are_refused(shape: tuple[int, ...]) -> None:
    model = DDPM(shape, classes=4, **SMALL)
    with pytest.raises(BadInput, match="classes = 4"):
        model.loss(batch(shape), torch.full((16,), 4))
    with pytest.raises(BadInput, match="classes = 4"):
        model.sample(2, y=torch.tensor([0, 7]))
    with pytest.raises(BadInput, match="for 2 examples"):
        model.sample(2, y=torch.tensor([0]))
    with pytest.raises(BadInput, match="classes = 0"):
        DDPM(shape, **SMALL).sample(1, y=torch.tensor([0]))


def test_a_short_training_on_the_plane_improves_the_samples(plane: Data) -> None:
    torch.manual_seed(0)
    model = DDPM((2,), T=200)
    training = Training(model, plane, Settings(steps=300, batch_size=256, lr=2e-3, ema=0.99))
    steps = list(fit(training))
    model.load_state_dict(training.weights())
    after = plane.log_prob(model.eval().sample(500, rng=random.generator(0))).mean()
    assert steps[-1].terms["loss"] < 0.5 * steps[0].terms["loss"]
    truth = plane.log_prob(plane.test.x[:500]).mean()
    assert after > truth - 6  # 3.4 to 4.1 below it over five seeds, and noise as wide as the data 13
    assert model.elbo(plane.test.x[:200], random.generator(0)).mean() > -3


def test_images_train_in_either_precision(digits: Data) -> None:
    for precision in ("float32", "bfloat16"):
        model = DDPM((1, 8, 8), classes=10, schedule="cosine", **SMALL)
        settings = Settings(steps=60, batch_size=64, lr=3e-3, precision=precision)
        steps = list(fit(Training(model, digits, settings)))
        assert steps[-1].terms["held-out loss"] < 0.6 * steps[0].terms["held-out loss"]
        assert all(p.isfinite().all() for p in model.parameters())


# Likelihood -------------------------------------------------------------------------------------------------------


def test_the_bound_is_tight_where_the_chain_is_the_exact_reversal() -> None:
    """For x_0 ~ N(0, I) and σ² = β the model is the truth, and the bound is −log p(x) for every single x."""
    model = knowing(*WHITE, T=60)
    x = torch.tensor([[0.0, 0.0], [1.0, -2.0], [3.0, 0.5]], dtype=torch.float64)
    found = model.bound(x.repeat_interleave(4000, 0), random.generator(0)).nats.view(3, -1)
    exact = 0.5 * x.square().sum(1) + math.log(2 * math.pi)
    assert ((found.mean(1) - exact).abs() < 4 * found.std(1) / math.sqrt(4000)).all()


@pytest.mark.parametrize(
    ("variance", "most"), [("beta", 0.1), ("posterior", 1.2)]
)  # β is nearly exact where t is small
def test_the_bound_is_above_the_entropy_of_the_data_and_not_far(variance: str, most: float) -> None:
    model = knowing(*TWO, schedule="cosine", variance=variance)
    x = model.network.mixture.sample(500)
    bound = model.bound(x, random.generator(0))
    gap = bound.nats + model.network.mixture.log_prob(x)  # its mean is at least 0: −log p(x) is the entropy on average
    assert bound.steps.shape == (500, 999)
    assert -4 * gap.std() / math.sqrt(500) < gap.mean() < most
    assert (bound.steps > 0).all()
    assert (bound.prior > 0).all()
    torch.testing.assert_close(bound.bpd(2), bound.nats / math.log(4))


@pytest.mark.parametrize("draws", [1, 7, 49])
def test_the_estimate_of_the_bound_is_unbiased(draws: int) -> None:
    model = knowing(*TWO, T=50)
    x = model.network.mixture.sample(2)
    many = x.repeat_interleave(2000, 0)
    all_terms = -model.bound(many, random.generator(0)).nats.view(2, -1)
    estimate = model.elbo(many, random.generator(1), draws=draws).view(2, -1)
    error = ((all_terms.var(1) + estimate.var(1)) / 2000).sqrt()
    assert ((estimate.mean(1) - all_terms.mean(1)).abs() < 4 * error).all()


@pytest.mark.parametrize("predict", ["eps", "x0", "v"])
def test_the_density_of_points_is_the_exact_one_and_images_have_none(predict: str) -> None:
    model = knowing(*TWO, schedule="drawn", knots=(12.0, -16.0), predict=predict)
    x = model.network.mixture.sample(100)
    torch.testing.assert_close(model.log_prob(x), model.network.mixture.log_prob(x), atol=0.02, rtol=0)
    assert not hasattr(DDPM((1, 8, 8), **SMALL), "log_prob")


def test_the_density_of_a_network_integrates_to_1() -> None:
    model = woken(DDPM((2,), hidden=16, predict="v", T=50)).double()
    axis = torch.linspace(-6, 6, 60, dtype=torch.float64)
    density = model.log_prob(torch.cartesian_prod(axis, axis), steps=30).exp()
    assert density.sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=0.01)


def test_the_discretized_decoder_is_a_distribution_over_grey_levels() -> None:
    for bins in (2, 17, 256):
        x = torch.linspace(-1, 1, bins, dtype=torch.float64)
        mean = torch.tensor([[-1.3], [0.02], [0.7]], dtype=torch.float64)
        for sigma in (0.01, 0.3):
            log_p = discretized_log_prob(x, mean, torch.tensor(sigma, dtype=torch.float64), bins)
            assert log_p.isfinite().all()
            torch.testing.assert_close(log_p.logsumexp(1), torch.zeros(3, dtype=torch.float64), atol=1e-12, rtol=0)
    normal = torch.distributions.Normal(torch.tensor(0.1, dtype=torch.float64), 0.3)
    x = torch.linspace(-1, 1, 17, dtype=torch.float64)
    naive = (normal.cdf(x + 1 / 16) - normal.cdf(x - 1 / 16)).log()
    found = discretized_log_prob(x, normal.mean, normal.stddev, 17)
    torch.testing.assert_close(found[1:-1], naive[1:-1])
    assert found[0] == pytest.approx(normal.cdf(x[0] + 1 / 16).log().item())
    assert (
        discretized_log_prob(torch.tensor(1.0), torch.tensor(-1.0), torch.tensor(0.01), 256) < -15000
    )  # far out, no −∞


def test_the_bound_of_images_counts_their_grey_levels() -> None:
    model = woken(DDPM((1, 4, 4), **SMALL))
    x = (random.randint(0, 17, 3, 1, 4, 4, rng=random.generator(0)) / 8 - 1).float()
    coarse, fine = model.bound(x, random.generator(1), bins=17), model.bound(x, random.generator(1), bins=256)
    torch.testing.assert_close(coarse[:2], fine[:2], rtol=0, atol=0)
    assert (coarse.last < fine.last).all()
    assert model.elbo(x, random.generator(0), bins=17).shape == (3,)
    labelled = woken(DDPM((1, 4, 4), classes=3, **SMALL))
    one, other = (labelled.elbo(x, random.generator(0), y=torch.full((3,), k)) for k in (0, 2))
    assert (one != other).all()


def test_a_bound_in_parts_is_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, y = woken(DDPM((1, 4, 4), classes=3, **SMALL)), batch((1, 4, 4), 5), torch.tensor([0, 1, 2, 0, 1])
    whole = model.bound(x, random.generator(0), y=y, bins=17)
    monkeypatch.setattr("genmodels.probability.diffusion_elbo.ROWS", 7)
    torch.testing.assert_close(model.bound(x, random.generator(0), y=y, bins=17), whole)


# Sampling ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", declared(DDPM.trajectory)["sampler"].rule.options)
@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)], ids=str)
def test_samples_have_shape_range_and_a_seed(sampler: str, shape: tuple[int, ...]) -> None:
    model = woken(DDPM(shape, **SMALL))
    for n in (1, 3):
        x = model.sample(n, rng=random.generator(1), sampler=sampler, steps=5)
        assert x.shape == (n, *shape)
        assert x.dtype == torch.float32
        assert not x.requires_grad
        torch.testing.assert_close(
            x, model.sample(n, rng=random.generator(1), sampler=sampler, steps=5), rtol=0, atol=0
        )
        assert not torch.equal(x, model.sample(n, rng=random.generator(2), sampler=sampler, steps=5))
        assert len(shape) == 1 or (x.min() >= 0 and x.max() <= 1)


def test_a_trajectory_starts_at_the_noise_it_is_given_and_ends_at_the_sample() -> None:
    model, x_T = woken(DDPM((1, 8, 8), **SMALL)), random.randn(2, 1, 8, 8, rng=random.generator(0))
    steps = list(model.trajectory(2, x_T=x_T, steps=6, sampler="dpm-solver"))
    assert [steps[0].t, steps[-1].t, len(steps)] == [50, 0, 7]
    torch.testing.assert_close(steps[0].x_t, x_T)
    assert all(step.x_0.abs().max() < 1.001 for step in steps)  # pixels of a guess are pixels
    again = model.sample(2, rng=random.generator(0), steps=6, sampler="dpm-solver")
    torch.testing.assert_close(again, model.to_data(steps[-1].x_t))


def test_samplers_are_declared_and_checked() -> None:
    model = DDPM((2,), **SMALL)
    with pytest.raises(BadInput, match="sampler = 'euler' is not one of auto, ancestral"):
        model.sample(1, sampler="euler")
    with pytest.raises(BadInput, match="did you mean steps"):
        model.sample(1, step=3)
    with pytest.raises(BadInput, match="eta"):
        model.sample(1, eta=2)


def test_guidance_0_is_deaf_1_is_plain_and_more_goes_further_the_same_way() -> None:
    model = woken(DDPM((2,), classes=3, **SMALL))
    x, t, y = batch((2,)), torch.full((16,), 20), torch.arange(16) % 3
    deaf, plain = model.eps_hat(x, t), model.eps_hat(x, t, y)
    assert not torch.allclose(deaf, plain)
    torch.testing.assert_close(model.eps_hat(x, t, y, guidance=0), deaf, rtol=0, atol=0)
    torch.testing.assert_close(model.eps_hat(x, t, y, guidance=1), plain, rtol=0, atol=0)
    torch.testing.assert_close(model.eps_hat(x, t, y, guidance=3) - deaf, 3 * (plain - deaf))
    samples = [model.sample(16, y=y, rng=random.generator(0), guidance=w) for w in (0, 1)]
    torch.testing.assert_close(samples[0], model.sample(16, rng=random.generator(0), guidance=0), rtol=0, atol=0)
    assert not torch.allclose(*samples)


def test_a_model_that_knows_the_truth_samples_it() -> None:
    model = knowing(*TWO, schedule="cosine")
    x = model.sample(4000, rng=random.generator(0)).double()
    truth = model.network.mixture
    assert ((x.mean(0) - truth.mean).abs() < 5 * (truth.cov.diagonal() / 4000).sqrt() + 0.01).all()
    torch.testing.assert_close(x.T.cov(), truth.cov, atol=0.08, rtol=0)


# Editing ----------------------------------------------------------------------------------------------------------


def test_a_little_noise_is_forgotten_and_much_makes_something_else() -> None:
    model = knowing(*TWO, schedule="cosine")
    x = model.network.mixture.sample(200)
    moved = []
    for t in (20, 300, 1000):
        steps = list(redraw(model, x, t, rng=random.generator(0), sampler="ancestral", steps=100))
        assert steps[0].t == t
        moved.append((steps[-1].x_t - x).norm(dim=1).mean().item())
    assert moved[0] < 0.1
    assert moved[0] < moved[1] < moved[2]


def test_inpainting_keeps_the_known_half() -> None:
    model, x = woken(DDPM((1, 8, 8), **SMALL)), batch((1, 8, 8), 2)
    mask = torch.ones(1, 8, 8)
    mask[..., 4:] = 0
    steps = list(inpaint(model, x, mask, rng=random.generator(0), steps=8, resample=2))
    torch.testing.assert_close(steps[-1].x_t[..., :4], x[..., :4])
    assert (steps[-1].x_t[..., 4:] - x[..., 4:]).abs().mean() > 0.1
    assert len(steps) == 9


def test_what_is_inverted_comes_back_and_is_white_noise() -> None:
    model = knowing(*TWO, schedule="cosine")
    ends = model.network.mixture.m
    x_T = invert(model, ends, steps=200)
    *_, back = model.trajectory(2, x_T=x_T, sampler="heun", steps=200, guidance=0.0)
    assert (back.x_t - ends).abs().max() < 0.02
    noise = invert(model, model.network.mixture.sample(2000), steps=100)
    assert noise.mean(0).abs().max() < 0.1  # the data in x_T are white noise
    torch.testing.assert_close(noise.T.cov(), torch.eye(2, dtype=torch.float64), atol=0.12, rtol=0)


# Saving -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)], ids=str)
def test_saved_and_loaded_is_the_same_model(shape: tuple[int, ...], tmp_path: Path) -> None:
    knots = (7.5, 1.0, -8.0)
    model = woken(DDPM(shape, schedule="drawn", knots=knots, predict="v", classes=2, weighting="snr", gamma=3, **SMALL))
    model.save(tmp_path)
    again = load(tmp_path)
    assert again.config == model.config
    assert again.config["knots"] == knots
    torch.testing.assert_close(again.schedule.alpha_bar, model.schedule.alpha_bar, rtol=0, atol=0)
    torch.testing.assert_close(*(m.sample(2, rng=random.generator(0), steps=4) for m in (model, again)), rtol=0, atol=0)
    torch.testing.assert_close(*(m.loss(batch(shape), rng=random.generator(0)) for m in (model, again)), rtol=0, atol=0)
    assert not [key for key in model.state_dict() if "schedule" in key or key == "weight"]


@pytest.mark.parametrize("preset", DDPM.presets, ids=lambda preset: preset.title)
def test_presets_are_allowed(preset: Preset) -> None:
    info = DATASETS[preset.data]
    model = DDPM(info.shape, **preset.model)
    assert model.classes in (0, len(info.classes))
    Settings.of({**DDPM.defaults, **preset.training})


@pytest.mark.parametrize("predict", ["eps", "v"])
def test_a_loss_by_the_bound_of_pictures_pays_the_last_step(predict: str) -> None:
    model = woken(DDPM((1, 4, 4), weighting="bound", predict=predict, T=10, width=8, depth=1, levels=0, patch=1))
    model.grey_levels, s = 5, model.schedule
    x = random.randint(0, 5, 64, 1, 4, 4, rng=random.generator(0)) / 2 - 1
    with torch.no_grad():
        loss = torch.stack([model.loss(x, rng=random.generator(seed))["loss"] for seed in range(100)]).double() * 16
        guess = lambda x_t, t: s.to_x_0(model.output(x_t, t), x_t, t, predict)  # noqa: E731
        terms = [diffusion_elbo.Chain(guess, s, bins=5).every_term(x, random.generator(seed)) for seed in range(30)]
    ratio = (s.beta_tilde / s.beta)[2:]
    constant = 16 / 2 * (ratio - 1 - ratio.log()).sum() + terms[0].prior.double().mean()
    nats = torch.stack([one.nats.double().mean() for one in terms]) - constant
    error = (loss.var() / len(loss) + nats.var() / len(nats)).sqrt()
    assert abs(loss.mean() - nats.mean()) < 5 * error
    assert error < 0.1 * nats.mean()


@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)], ids=str)
def test_without_a_label_they_are_drawn_and_guidance_0_knows_none(shape: tuple[int, ...]) -> None:
    model = woken(DDPM(shape, classes=4, **SMALL)).eval()
    model.label_shares = (0.0, 0.5, 0.5, 0.0)
    how = {"sampler": "ddim", "steps": 2}
    rng = random.generator(0)
    x_T, y = random.randn(6, *shape, rng=rng), model.draw_labels(6, rng)
    assert set(y.tolist()) <= {1, 2}
    drawn = model.sample(6, rng=random.generator(0), **how)
    *_, last = model.trajectory(6, y=y, x_T=x_T, **how)
    torch.testing.assert_close(drawn, model.to_data(last.x_t))
    deaf = model.sample(6, rng=random.generator(0), guidance=0, **how)
    assert not torch.equal(deaf, drawn)
    with torch.no_grad():
        model.network.conditioning.label.weight[:4] = 7.0  # of the labels; the last is "not told"
    torch.testing.assert_close(model.sample(6, rng=random.generator(0), guidance=0, **how), deaf)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)], ids=str)
def test_beside_a_learned_variance_the_bound_weighs_with_the_posteriors(shape: tuple[int, ...]) -> None:
    learned, posterior = (DDPM(shape, weighting="bound", variance=one, **SMALL) for one in ("learned", "posterior"))
    s = posterior.schedule
    torch.testing.assert_close(learned.weight, posterior.weight, rtol=0, atol=0)
    due = 50 * s.beta**2 / (2 * s.beta_tilde * s.alpha * (1 - s.alpha_bar))
    torch.testing.assert_close(learned.weight[2:].double(), due[2:], rtol=1e-5, atol=0)


@pytest.mark.parametrize("variance", ["beta", "learned"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)], ids=str)
@pytest.mark.parametrize("label_dropout", [0.0, 1.0])
def test_a_branch_that_was_never_trained_is_never_asked(
    label_dropout: float, shape: tuple[int, ...], variance: str
) -> None:
    """Neither that without labels, where none was hidden, nor that with them, where all were: here it says NaN."""
    model = woken(DDPM(shape, classes=4, label_dropout=label_dropout, variance=variance, **SMALL)).eval()
    x, y, t = batch(shape, 4), torch.arange(4), torch.tensor([3, 20, 40, 50])
    with torch.no_grad():
        model.network.conditioning.label.weight[4 if label_dropout == 0 else slice(4)] = torch.nan
        for sampler in ("dpm-solver", "ancestral"):
            assert model.sample(3, rng=random.generator(0), sampler=sampler, steps=2).isfinite().all()
        assert model.sample(4, y=y, rng=random.generator(0), sampler="ancestral", steps=2).isfinite().all()
        assert model.elbo(x, random.generator(0), y=y).isfinite().all()
        assert model.loss(x, y, rng=random.generator(0))["loss"].isfinite()
        if label_dropout == 1:
            assert model.sample(3, rng=random.generator(0), steps=2, guidance=2.0).isfinite().all()
            return
        refused = "never learned without labels .label_dropout = 0.: guidance must be 1"
        for guidance in (0.0, 0.5, 2.0):
            with pytest.raises(BadInput, match=refused):
                model.sample(3, rng=random.generator(0), steps=2, guidance=guidance)
        with pytest.raises(BadInput, match=refused):
            model.output(x, t)
        with pytest.raises(BadInput, match=refused):
            model.elbo(x, random.generator(0))

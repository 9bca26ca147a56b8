"""The VAE against a model whose answers are known in closed form, and every option against what it says it does."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.models.base import load
from genmodels.models.vae import VAE
from genmodels.probability.distributions import continuous_bernoulli_log_prob
from genmodels.probability.priors import VampPrior
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings

PRIORS = ["normal", "mixture", "vamp", "flow"]
DIGITS = (1, 8, 8)


def make(shape: tuple[int, ...] = DIGITS, *, seed: int = 0, **arguments: Any) -> VAE:
    """A small VAE, its weights shaken so that nothing is near zero by chance."""
    torch.manual_seed(seed)
    model = VAE(shape, **{"hidden": 32, "latent_dim": 3, **arguments})
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.after_turn("model")
    return model


def pixels(model: VAE, n: int = 16) -> Tensor:
    x = random.rand(n, *model.shape, rng=random.generator(9))
    return x if model.inputs == "unit" else (x < 0.3).float()


def loss(model: VAE, x: Tensor | None = None, seed: int = 1) -> dict[str, Tensor]:
    return model.loss(pixels(model) if x is None else x, rng=random.generator(seed))


class Line(nn.Module):
    """x → (mu, log σ) of the exact posterior of a linear-Gaussian model whose W has orthogonal columns."""

    def __init__(self, w: Tensor, b: Tensor, sigma: float) -> None:
        super().__init__()
        precision = 1 + (w.square().sum(0)) / sigma**2
        self.w, self.b, self.sigma, self.precision = w, b, sigma, precision

    def forward(self, x: Tensor) -> Tensor:
        mu = (x - self.b) @ self.w / self.sigma**2 / self.precision
        return torch.cat([mu, -0.5 * self.precision.log().expand_as(mu)], 1)


def linear_gaussian(
    latent_dim: int = 2, sigma: float = 0.5, **arguments: Any
) -> tuple[VAE, torch.distributions.Distribution]:
    """A VAE with p(x | z) = N(Wz + b, σ²I) and its exact posterior; and its p(x) = N(b, WWᵀ + σ²I)."""
    model = VAE((2,), latent_dim=latent_dim, hidden=16, sigma=sigma, **arguments).double()
    w = torch.tensor([[1.2, -0.7], [0.8, 1.05]], dtype=torch.float64)[:, :latent_dim]
    b = torch.tensor([0.3, -1.0], dtype=torch.float64)
    model.encoder = Line(w, b, sigma)
    model.decoder = nn.Linear(latent_dim, 2).double()
    model.decoder.weight.data, model.decoder.bias.data = w, b
    covariance = w @ w.T + sigma**2 * torch.eye(2, dtype=torch.float64)
    return model, torch.distributions.MultivariateNormal(b, covariance)


# Theorems -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_with_the_exact_posterior_the_weight_of_every_z_is_log_p_x(latent_dim: int) -> None:
    model, exact = linear_gaussian(latent_dim)
    x = 2 * random.randn(7, 2, rng=random.generator(0)).double()
    mu, logvar = model.posterior(x)
    z = 3 * random.randn(7, 5, latent_dim, rng=random.generator(1)).double()  # any z, not only likely ones
    weight = model.log_joint(x, z) - model.log_q(mu, logvar, z).sum(-1)
    torch.testing.assert_close(weight, exact.log_prob(x).unsqueeze(1).expand(7, 5))


@torch.no_grad()
def test_with_the_exact_posterior_every_bound_is_log_p_x() -> None:
    model, exact = linear_gaussian()
    x = exact.sample((9,))
    for k in (1, 2, 10):
        torch.testing.assert_close(model.iwae(x, k, random.generator(k)), exact.log_prob(x))
    estimate = torch.stack([model.elbo(x, random.generator(seed), samples=64) for seed in range(64)])
    error = estimate.std(0) / 8
    assert ((estimate.mean(0) - exact.log_prob(x)).abs() < 4.5 * error).all()


@torch.no_grad()
@pytest.mark.parametrize("prior", PRIORS)
def test_both_estimators_of_the_kl_agree_in_expectation(prior: str) -> None:
    model = make(prior=prior)
    mu, logvar = model.posterior(pixels(model, 4))
    z = model.draw_z(mu, logvar, 20_000, random.generator(0))
    analytic, sampled = (model.kl(mu, logvar, z, estimator=name).sum(1) for name in ("analytic", "sampled"))
    terms = model.log_q(mu, logvar, z).sum(-1), model.prior.log_prob(z)
    error = sum(term.std(1) for term in terms) / math.sqrt(20_000)
    assert ((analytic - sampled).abs() < 4.5 * error).all()
    assert not torch.equal(analytic, sampled)


@torch.no_grad()
def test_the_analytic_kl_to_a_normal_prior_has_no_noise() -> None:
    model = make()
    mu, logvar = model.posterior(pixels(model, 2))
    first, second = (model.draw_z(mu, logvar, 1, random.generator(seed)) for seed in (0, 1))
    assert torch.equal(model.kl(mu, logvar, first), model.kl(mu, logvar, second))
    sampled = [model.kl(mu, logvar, z, estimator="sampled") for z in (first, second)]
    assert not torch.equal(*sampled)


@torch.no_grad()
@pytest.mark.parametrize("decoder", ["bernoulli", "continuous-bernoulli", "gaussian"])
def test_likelihood_of_many_z_is_that_of_each(decoder: str) -> None:
    model = make((1, 2, 2), decoder=decoder)
    x, z = pixels(model, 5), torch.randn(5, 6, 3)
    each = torch.stack([model.log_likelihood(x, z[:, i]) for i in range(6)], 1)
    torch.testing.assert_close(model.log_likelihood(x, z), each)


@torch.no_grad()
def test_bernoulli_decoder_sums_to_one_over_all_pictures() -> None:
    model = make((1, 2, 2))
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 4).view(16, 1, 2, 2)
    z = torch.randn(1, 3).expand(16, 3)
    assert model.log_likelihood(every, z).exp().sum().item() == pytest.approx(1, abs=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("decoder", ["bernoulli", "continuous-bernoulli", "gaussian"])
def test_drawn_samples_have_the_decoders_mean(decoder: str) -> None:
    model = make((1, 2, 2), decoder=decoder, sigma=0.05 if decoder == "gaussian" else 0.0)
    means, draws = (model.sample(20_000, rng=random.generator(0), draw=draw) for draw in (False, True))
    error = (draws - means).std(0) / math.sqrt(20_000)
    assert ((draws - means).mean(0).abs() < 4.5 * error).all()
    assert 0 <= draws.min() <= draws.max() <= 1
    assert (set(draws.unique().tolist()) == {0.0, 1.0}) == (decoder == "bernoulli")


@torch.no_grad()
def test_decode_is_the_mean_of_the_decoder() -> None:
    model = make((1, 2, 2), decoder="continuous-bernoulli")
    z = torch.randn(3, 3)
    x = torch.linspace(0, 1, 4001).view(-1, 1, 1, 1, 1)
    density = continuous_bernoulli_log_prob(x, model.x_params(z)).exp()
    torch.testing.assert_close(model.decode(z), torch.trapezoid(x * density, x, dim=0), atol=1e-5, rtol=0)


# Every option does what it says ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        {"objective": "iwae"},
        {"objective": "iwae", "samples": 1},
        {"objective": "iwae", "samples": 7},
        {"estimator": "sampled", "kl_samples": 1},
        {"estimator": "sampled", "samples": 3, "kl_samples": 1},
    ],
    ids=str,
)
def test_with_the_exact_posterior_the_loss_is_minus_log_p_x_whatever_is_drawn(arguments: dict[str, Any]) -> None:
    model, exact = linear_gaussian(**arguments)
    x = exact.sample((9,))
    for seed in range(3):
        torch.testing.assert_close(loss(model, x, seed)["loss"], -exact.log_prob(x).mean())


def test_with_the_exact_posterior_the_loss_is_minus_log_p_x_on_average() -> None:
    model, exact = linear_gaussian()
    x = exact.sample((9,))
    draws = torch.stack([loss(model, x, seed)["loss"].detach() for seed in range(400)])
    assert abs(draws.mean() + exact.log_prob(x).mean()) < 4.5 * draws.std() / 20


@pytest.mark.parametrize("prior", PRIORS)
def test_the_losss_kl_is_that_of_torchs_distributions(prior: str) -> None:
    """From q to p, in nats, once: a mean over 20,000 draws that are not the model's."""
    model = make(prior=prior, kl_samples=256)
    x = pixels(model, 4)
    found = torch.stack([loss(model, x, seed)["kl"].detach() for seed in range(60)])
    mu, logvar = (t.detach() for t in model.posterior(x))
    q = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
    torch.manual_seed(3)
    z = q.sample((20_000,))
    with torch.no_grad():
        each = (q.log_prob(z).sum(-1) - model.prior.log_prob(z)).mean(1)
    error = math.hypot(found.std().item() / math.sqrt(60), each.std().item() / math.sqrt(20_000))
    assert abs(found.mean() - each.mean()) < 4.5 * error + 1e-5
    if prior == "normal":
        closed = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1).mean()
        torch.testing.assert_close(found[0], closed)


def test_iwae_takes_several_draws_unless_one_is_asked_for() -> None:
    assert make().samples == make(objective="iwae", samples=1).samples == 1
    model = make(objective="iwae")
    assert model.samples == 5
    assert -loss(model)["loss"] > loss(model)["elbo"]
    one = loss(make(objective="iwae", samples=1))
    torch.testing.assert_close(-one["loss"], one["elbo"])


@pytest.mark.parametrize("objective", ["elbo", "iwae"])
def test_beta_weighs_the_kl_and_leaves_the_reported_elbo_alone(objective: str) -> None:
    one, four = (make(beta=beta, objective=objective, samples=1) for beta in (1.0, 4.0))
    for term in ("elbo", "kl", "reconstruction"):
        assert loss(one)[term] == loss(four)[term]
    torch.testing.assert_close(loss(four)["loss"] - loss(one)["loss"], 3 * loss(one)["kl"])


def test_beta_rises_over_the_annealed_part_and_stays() -> None:
    model = make(beta=2.0, anneal=0.5)
    for passed, beta in ((0.0, 0.0), (0.1, 0.4), (0.25, 1.0), (0.5, 2.0), (0.9, 2.0)):
        model.progress(passed)
        terms = loss(model)
        assert terms["beta"].item() == pytest.approx(beta)
        torch.testing.assert_close(terms["loss"], beta * terms["kl"] - terms["reconstruction"])
    assert loss(make(beta=2.0, anneal=0.5))["beta"] == 2.0  # asked outside a training


def test_the_training_tells_the_model_how_far_it_is() -> None:
    model = make(anneal=1.0)
    training = Training(model, datasets.load("digits"), Settings(steps=4))
    seen = [step.terms["beta"] for step in fit(training) if step.terms]
    assert seen == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize("prior", PRIORS)
def test_free_bits_cost_nothing_and_pull_nothing(prior: str) -> None:
    model = make(prior=prior, free_bits=10.0)
    terms = loss(model)
    torch.testing.assert_close(terms["loss"], 30.0 - terms["reconstruction"])  # 10 nats in each of 3 dimensions
    pulled = torch.autograd.grad(terms["loss"], list(model.parameters()), allow_unused=True)
    only_reconstruction = torch.autograd.grad(
        -loss(model)["reconstruction"], list(model.parameters()), allow_unused=True
    )
    for got, expected in zip(pulled, only_reconstruction, strict=True):
        torch.testing.assert_close(got if expected is not None else None, expected)


def test_free_bits_are_by_dimension_of_a_normal_prior() -> None:
    plain = make()
    kl = plain.kl(*plain.posterior(pixels(plain)), torch.empty(0)).mean(0)
    floor = kl.median().item()
    assert kl.min() < floor < kl.max()
    model = make(free_bits=floor)
    torch.testing.assert_close(loss(model)["loss"], kl.clamp_min(floor).sum() - loss(model)["reconstruction"])


def test_more_draws_of_z_vary_less() -> None:
    one, many = (
        torch.stack([loss(make(samples=samples), seed=seed)["loss"].detach() for seed in range(40)]).std()
        for samples in (1, 50)
    )
    assert many < one / 4


def test_learned_sigma_is_the_scale_of_the_residuals() -> None:
    model, _ = linear_gaussian()
    fixed = loss(model, torch.ones(3, 2, dtype=torch.float64))
    assert "sigma" not in fixed
    assert all(name != "log_sigma" for name, _ in model.named_parameters())
    learned = make((2,))
    x, z = torch.randn(500, 2), torch.randn(500, 3)
    learned.log_sigma.data = (x - learned.decode(z)).square().mean().sqrt().log().detach()
    (gradient,) = torch.autograd.grad(learned.log_likelihood(x, z).sum(), learned.log_sigma)
    assert abs(gradient.item()) < 0.05  # the maximum, in closed form
    assert loss(learned, x)["sigma"].item() == pytest.approx(learned.log_sigma.exp().item())


def test_components_latent_dim_hidden_and_depth_are_those_of_the_networks() -> None:
    assert make(prior="mixture", components=5).prior.mu.shape == (5, 3)
    assert make(prior="vamp", components=5).prior.pseudo_inputs.shape == (5, *DIGITS)
    wide = [m.out_features for m in make(hidden=48, depth=4).encoder.modules() if isinstance(m, nn.Linear)]
    assert wide == [48, 48, 48, 48, 6]
    halved = [m for m in make(network="conv", depth=3).encoder.modules() if isinstance(m, nn.Conv2d)]
    assert len(halved) == 3


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 9, 13)])
@pytest.mark.parametrize("depth", [1, 3, 6])
def test_convolutions_take_pictures_of_any_size(shape: tuple[int, ...], depth: int) -> None:
    model = make(shape, network="conv", depth=depth)
    assert model.sample(2).shape == (2, *shape)
    loss(model)["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(
    ("arguments", "inputs"),
    [
        ({}, "threshold"),
        ({"binarize": "stochastic"}, "stochastic"),
        ({"decoder": "continuous-bernoulli"}, "unit"),
        ({"decoder": "gaussian"}, "unit"),
    ],
    ids=str,
)
def test_the_decoder_says_what_it_expects(arguments: dict[str, Any], inputs: str) -> None:
    assert make(**arguments).inputs == inputs


@pytest.mark.parametrize(
    ("shape", "arguments", "names"),
    [
        ((2,), {"decoder": "bernoulli"}, ["decoder", "bernoulli", "gaussian"]),
        ((2,), {"decoder": "continuous-bernoulli"}, ["decoder", "continuous-bernoulli", "gaussian"]),
        ((2,), {"network": "conv"}, ["network", "conv", "mlp"]),
        ((1, 4, 4), {"network": "conv"}, ["network", "conv", "mlp", "8×8"]),
        (DIGITS, {"objective": "iwae", "free_bits": 0.1}, ["free_bits", "objective", "elbo"]),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_refused_in_one_sentence(
    shape: tuple[int, ...], arguments: dict[str, Any], names: list[str]
) -> None:
    with pytest.raises(BadInput) as error:
        VAE(shape, **arguments)
    assert all(name in str(error.value) for name in names)


# Living with the rest -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("shape", [DIGITS, (2,)], ids=str)
def test_saved_and_loaded_it_is_the_same(prior: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    model = make(shape, prior=prior, components=4, beta=0.5, samples=2, latent_dim=5).eval()
    model.save(tmp_path)
    again = load(tmp_path)
    assert again.config == model.config
    x = pixels(model)
    assert all(torch.equal(value, loss(again, x)[name]) for name, value in loss(model, x).items())
    assert torch.equal(model.sample(4, rng=random.generator(0)), again.sample(4, rng=random.generator(0)))


def test_a_vamp_priors_pictures_stay_pictures() -> None:
    model = make(prior="vamp")
    training = Training(model, datasets.load("digits"), Settings(steps=40, lr=0.05))
    for _ in fit(training):
        pass
    assert isinstance(model.prior, VampPrior)
    u = model.prior.pseudo_inputs
    assert 0 <= u.min() <= u.max() <= 1
    assert (u == 0).any()  # they were pushed against the bound


@pytest.mark.parametrize("prior", PRIORS)
def test_likelihoods_are_single_precision_when_networks_are_not(prior: str) -> None:
    model = make(prior=prior)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = loss(model)
        assert model.posterior(pixels(model))[0].dtype == torch.float32
        assert model.x_params(torch.randn(2, 3)).dtype == torch.float32
    for name, value in loss(model).items():
        assert low[name].dtype == torch.float32
        torch.testing.assert_close(low[name], value, rtol=0.02, atol=0.1)


def test_two_processes_see_the_noise_of_one() -> None:
    model, x = make(samples=3), pixels(make())
    together = model.elbo(x, random.generator(4), samples=3)
    halves = [model.elbo(part, random.generator(4, rank=r, world=2), samples=3) for r, part in enumerate(x.chunk(2))]
    torch.testing.assert_close(torch.cat(halves), together)


@pytest.mark.parametrize("arguments", [{}, {"prior": "flow", "objective": "iwae", "samples": 3}], ids=str)
def test_a_short_training_improves_the_bound(arguments: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = VAE(DIGITS, hidden=64, **arguments)
    terms = [step.terms for step in fit(Training(model, datasets.load("digits"), Settings(steps=150))) if step.terms]
    assert terms[0]["held-out elbo"] < -40
    assert terms[-1]["held-out elbo"] > -28


@pytest.mark.parametrize("prior", ["mixture", "flow"])
def test_more_draws_for_the_kl_alone_vary_less_and_leave_the_reconstruction(prior: str) -> None:
    one, many = (make(prior=prior, kl_samples=n) for n in (1, 64))
    kls = [torch.stack([loss(model, seed=seed)["kl"].detach() for seed in range(60)]) for model in (one, many)]
    assert kls[1].std() < kls[0].std() / 4
    assert abs(kls[1].mean() - kls[0].mean()) < 4.5 * kls[0].std() / math.sqrt(60)
    assert loss(one)["reconstruction"] == loss(many)["reconstruction"]
    normal = loss(make(kl_samples=64))
    assert all(torch.equal(value, normal[name]) for name, value in loss(make()).items())  # nothing to draw


def test_more_codes_than_memory_are_refused_before_any_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make()

    def never(*_: object) -> None:
        raise AssertionError("it was decoded")

    monkeypatch.setattr(model.decoder, "forward", never)
    x = pixels(model, 1)
    with pytest.raises(BadInput, match=r"20,000,000 codes make 1.3 billion numbers at once, and 1.1 billion"):
        model.iwae(x, 20_000_000)
    with pytest.raises(BadInput, match="coarser grid"):
        model.decode(torch.zeros(1, 1).expand(5000, 5000).unsqueeze(-1).expand(5000, 5000, 3))

"""Latent variable models with an exact posterior: the densities, EM as a training like any other, its theorems."""

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.instruments.latent import subspace
from genmodels.instruments.latent.linear_vae import as_ppca, closed_elbo, conclusion, linear
from genmodels.instruments.latent.subspace import angles, best_log_prob, directions
from genmodels.instruments.plane import cells
from genmodels.models.base import build
from genmodels.models.latent.em import EM
from genmodels.models.latent.linear_gaussian import LinearGaussian, principal
from genmodels.models.latent.mixture import GaussianMixture
from genmodels.models.vae import VAE
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings
from tests.answers import finish

MIXTURES = [{"covariance": name} for name in ("diagonal", "full", "spherical")]
LINEAR = [{"noise": name} for name in ("isotropic", "diagonal")]
SMALL = [("mixture", (2,), {"components": 3, **one}) for one in MIXTURES]
SMALL += [("ppca", (2,), one) for one in LINEAR]
SMALL += [("mixture", (1, 4, 2), {"components": 4, **one}) for one in MIXTURES]
SMALL += [("ppca", (1, 4, 2), {"latent_dim": 3, **one}) for one in LINEAR]
EVERY = [(*one, weight) for one in SMALL for weight in (0.0, 0.5)]


def made(name: str, shape: tuple[int, ...], arguments: dict[str, Any], weight: float = 0.0, seed: int = 0) -> Any:
    """A model with random parameters, float64."""
    torch.manual_seed(seed)
    model = build({"model": name, "shape": list(shape), "prior_weight": weight, **arguments}).double()
    rng = random.generator(seed)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.4 * torch.randn(p.shape, generator=rng, dtype=p.dtype)
        if name == "mixture":
            model.log_scale -= 1.0  # wide enough that each component has something to say
            if hasattr(model, "lower"):
                model.lower *= 0.2
    return model.eval()


def data(shape: tuple[int, ...], n: int = 60, seed: int = 0) -> Tensor:
    """Correlated, skewed data of no particular law, (n, *shape), float64."""
    rng, d = random.generator(seed + 100), math.prod(shape)
    mix = torch.randn(d, d, generator=rng, dtype=torch.float64)
    return (0.3 * (torch.randn(n, d, generator=rng, dtype=torch.float64).exp() @ mix)).unflatten(1, shape)


def moments(model: EM) -> tuple[Tensor, Tensor]:
    """Mean and covariance of the model, from its parameters."""
    d = math.prod(model.shape)
    if isinstance(model, LinearGaussian):
        return model.mu, model.W @ model.W.T + model.log_psi.exp().expand(d).diag()
    assert isinstance(model, GaussianMixture)
    normal = components(model)
    pi = model.logits.softmax(0)
    mean = pi @ normal.mean
    away = normal.mean - mean
    return mean, torch.einsum("k,kij->ij", pi, normal.covariance_matrix + away.unsqueeze(2) * away.unsqueeze(1))


def components(model: GaussianMixture) -> MultivariateNormal:
    d = math.prod(model.shape)
    a = model.log_scale.exp().expand(-1, d).diag_embed()
    if model.covariance == "full":
        a = a + model.lower.tril(-1)
    return MultivariateNormal(model.means, precision_matrix=a @ a.mT)


# Densities ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shape", "arguments"), SMALL)
def test_the_density_is_the_one_on_paper(name: str, shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    model, x = made(name, shape, arguments), data(shape)
    if name == "mixture":
        truth: Any = MixtureSameFamily(Categorical(logits=model.logits), components(model))
        joint = components(model).log_prob(x.flatten(1).unsqueeze(1)) + model.logits.log_softmax(0)
        torch.testing.assert_close(model.posterior(x), joint.softmax(1))
    else:
        truth = MultivariateNormal(*moments(model))
    torch.testing.assert_close(model.log_prob(x), truth.log_prob(x.flatten(1)))


@pytest.mark.parametrize(("name", "shape", "arguments"), SMALL[:5])
def test_the_density_integrates_to_one(name: str, shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    model = made(name, shape, arguments)
    grid = cells(40, 800).double()
    assert model.log_prob(grid).exp().sum().item() * (80 / 800) ** 2 == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("arguments", LINEAR)
def test_the_posterior_is_that_of_the_joint_gaussian(arguments: dict[str, Any]) -> None:
    """Conditioning the Gaussian of (z, x) by the textbook formula, with matrices of size D × D."""
    model, x = made("ppca", (1, 4, 2), {"latent_dim": 3, **arguments}), data((1, 4, 2))
    mu, sigma = moments(model)
    gain = model.W.T @ torch.linalg.inv(sigma)
    mean, covariance = model.posterior(x)
    torch.testing.assert_close(mean, (x.flatten(1) - mu) @ gain.T)
    torch.testing.assert_close(covariance, torch.eye(3, dtype=torch.float64) - gain @ model.W)
    torch.testing.assert_close(model.encode(x), mean)


@pytest.mark.parametrize(("name", "shape", "arguments"), SMALL[:5])
def test_samples_are_of_the_density(name: str, shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    """Their mean and second moments within six standard errors: less than one seed in 10⁷ would fall out."""
    model, n = made(name, shape, arguments), 20_000
    x = model.sample(n, rng=random.generator(1)).double()
    mean, covariance = moments(model)
    assert ((x.mean(0) - mean).abs() < 6 * x.std(0) / math.sqrt(n)).all()
    products = (x - mean).unsqueeze(2) * (x - mean).unsqueeze(1)
    assert ((products.mean(0) - covariance).abs() < 6 * products.std(0) / math.sqrt(n)).all()


# The bound ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shape", "arguments"), SMALL)
def test_after_an_e_step_the_bound_touches_log_p(name: str, shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    """E[log p(x, z)] + H(q) = log p(x) for q = p(z | x), and is less for the posterior of any other parameters."""
    model, x = made(name, shape, arguments), data(shape)
    statistics, entropy = model.expect(x)
    torch.testing.assert_close(model.complete(statistics) + entropy, model.log_prob(x).mean())
    for seed in range(1, 4):
        statistics, entropy = made(name, shape, arguments, seed=seed).expect(x)
        assert model.complete(statistics) + entropy < model.log_prob(x).mean()


@pytest.mark.parametrize("arguments", MIXTURES)
def test_the_gap_is_the_kl_to_the_posterior(arguments: dict[str, Any]) -> None:
    model, other = (made("mixture", (2,), {"components": 3, **arguments}, seed=seed) for seed in (0, 1))
    x = data((2,))
    statistics, entropy = other.expect(x)
    q, p = other.posterior(x), model.posterior(x)
    kl = (q * (q.log() - p.log())).sum(1).mean()
    torch.testing.assert_close(model.log_prob(x).mean() - (model.complete(statistics) + entropy), kl)


@pytest.mark.parametrize(("name", "shape", "arguments"), SMALL)
def test_the_gradient_of_log_p_is_that_of_the_bound(
    name: str, shape: tuple[int, ...], arguments: dict[str, Any]
) -> None:
    """Fisher's identity: where an M step would stand still, so does a gradient step."""
    model, x = made(name, shape, arguments), data(shape)
    of_log_p = torch.autograd.grad(model.log_prob(x).mean(), list(model.parameters()))
    of_bound = torch.autograd.grad(model.complete(model.expect(x)[0]), list(model.parameters()))
    for a, b in zip(of_log_p, of_bound, strict=True):
        torch.testing.assert_close(a, b, atol=1e-8, rtol=1e-8)


# EM -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shape", "arguments", "weight"), EVERY)
def test_em_never_lowers_what_it_maximizes(
    name: str, shape: tuple[int, ...], arguments: dict[str, Any], weight: float
) -> None:
    """log p(x), and with a prior log p(x) + log p(θ): the bound rises in the M step, and log p lies above it."""
    for seed in range(3):
        model, x = made(name, shape, arguments, weight, seed), data(shape, seed=seed)
        reached = (model.log_prob(x).mean() + model.log_prior()).item()
        for _ in range(30):
            statistics, entropy = model.expect(x)
            model.step(statistics)
            bound = (model.complete(statistics) + entropy + model.log_prior()).item()
            now = (model.log_prob(x).mean() + model.log_prior()).item()
            assert reached - 1e-9 <= bound <= now + 1e-9
            reached = now


@pytest.mark.parametrize(("name", "shape", "arguments", "weight"), EVERY)
def test_the_m_step_is_where_the_bound_is_flat(
    name: str, shape: tuple[int, ...], arguments: dict[str, Any], weight: float
) -> None:
    """Of data that lie where the model does, so that no variance is at its floor."""
    model, x = made(name, shape, arguments, weight), data(shape, n=600)
    x = 0.5 + 0.8 * (x - x.mean(0)) / x.std(0)
    statistics, _ = model.expect(x)
    model.step(statistics)
    slopes = torch.autograd.grad(model.complete(statistics) + model.log_prior(), list(model.parameters()))
    assert all(slope.abs().max() < 1e-8 for slope in slopes)


@pytest.mark.parametrize(("name", "shape", "arguments"), SMALL)
def test_its_own_statistics_lead_back_to_it(name: str, shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    model = made(name, shape, arguments)
    again = copy.deepcopy(model)
    again.maximize(model.own())
    x = data(shape)
    torch.testing.assert_close(again.log_prob(x), model.log_prob(x))


@pytest.mark.parametrize(("name", "shape", "arguments"), SMALL)
def test_online_em_rests_where_em_rests(name: str, shape: tuple[int, ...], arguments: dict[str, Any]) -> None:
    """A small step from a maximum with the whole data leads nowhere; from elsewhere it raises the objective."""
    model, x = made(name, shape, arguments, 0.5), data(shape)
    objective = lambda one: (one.log_prob(x).mean() + one.log_prior()).item()  # noqa: E731
    before = objective(model)
    model.step(model.expect(x)[0], 1e-3)
    assert objective(model) > before
    for _ in range(500):
        model.step(model.expect(x)[0])
    at = objective(model)
    model.step(model.expect(x)[0], 0.3)
    assert at - 1e-9 <= objective(model) <= at + 1e-3


def test_one_gaussian_is_fitted_in_one_step() -> None:
    model, x = made("mixture", (2,), {"components": 1, "covariance": "full"}), data((2,))
    model.step(model.expect(x)[0])
    mean, covariance = moments(model)
    torch.testing.assert_close(mean, x.mean(0))
    torch.testing.assert_close(covariance, x.T.cov(correction=0))


def test_no_variance_falls_below_the_floor() -> None:
    """As many components as points: without a floor the likelihood has no maximum."""
    for arguments in MIXTURES:
        model, x = made("mixture", (2,), {"components": 6, **arguments}), data((2,), n=6)
        for _ in range(200):
            model.step(model.expect(x)[0])
        assert model.log_prob(x).isfinite().all()
        assert components(model).covariance_matrix.diagonal(dim1=1, dim2=2).min() > 0.9e-6


# PPCA and factor analysis ---------------------------------------------------------------------------------------------


def ppca_of(x: Tensor, latent_dim: int) -> LinearGaussian:
    """PPCA with its best parameters."""
    model = build({"model": "ppca", "shape": list(x.shape[1:]), "latent_dim": latent_dim}).double().eval()
    assert isinstance(model, LinearGaussian)
    w, mu, sigma2, _ = principal(x.flatten(1), latent_dim)
    with torch.no_grad():
        model.W.copy_(w)
        model.mu.copy_(mu)
        model.log_psi.copy_(sigma2.log())
    return model


def test_ppca_has_a_closed_form_that_em_reaches() -> None:
    x = data((1, 4, 2), n=200)
    best = ppca_of(x, 3)
    reached = best.log_prob(x).mean()
    assert reached.item() == pytest.approx(best_log_prob(principal(x.flatten(1), 3)[3], 3), abs=1e-9)
    slopes = torch.autograd.grad(reached, list(best.parameters()))
    assert all(slope.abs().max() < 1e-8 for slope in slopes)
    model = made("ppca", (1, 4, 2), {"latent_dim": 3})
    for _ in range(800):
        model.step(model.expect(x)[0])
    assert model.log_prob(x).mean().item() == pytest.approx(reached.item(), abs=1e-5)
    assert angles(model.W, best.W).max() < 1
    torch.testing.assert_close(directions(model.W)[1], directions(best.W)[1], rtol=0.01, atol=1e-6)


def test_a_rotation_of_z_changes_nothing() -> None:
    model, x = made("ppca", (1, 4, 2), {"latent_dim": 3}), data((1, 4, 2))
    turned = copy.deepcopy(model)
    rotation = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    with torch.no_grad():
        turned.W.copy_(model.W @ rotation)
    torch.testing.assert_close(turned.log_prob(x), model.log_prob(x))
    assert angles(turned.W, model.W).max() < 1e-4


def test_factor_analysis_does_not_ask_for_the_units_of_x_and_ppca_does() -> None:
    """Rescaled data lead to the rescaled model, step by step; PPCA's subspace turns to where the numbers are large."""
    x, units = data((1, 4, 2), n=200), torch.linspace(0.3, 3, 8, dtype=torch.float64)
    other = (x.flatten(1) * units).unflatten(1, (1, 4, 2))
    turned = {}
    for noise in ("isotropic", "diagonal"):
        model = made("ppca", (1, 4, 2), {"latent_dim": 2, "noise": noise})
        scaled = copy.deepcopy(model)
        with torch.no_grad():
            scaled.W.mul_(units.unsqueeze(1))
            scaled.mu.mul_(units)
            scaled.log_psi.add_(2 * units.log() if noise == "diagonal" else 0)
        for _ in range(100):
            model.step(model.expect(x)[0])
            scaled.step(scaled.expect(other)[0])
        turned[noise] = angles(model.W * units.unsqueeze(1), scaled.W).max().item()
    assert turned["diagonal"] < 1e-5
    assert turned["isotropic"] > 1


# A training like any other --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "arguments"), [("mixture", {"covariance": "full"}), ("ppca", {})])
def test_the_training_loop_does_em(name: str, arguments: dict[str, Any]) -> None:
    """With a learning rate of 1 and all of the data in a batch, step by step; to single precision."""
    torch.manual_seed(0)
    model = build({"model": name, "shape": [2], **arguments})
    alone, plane = copy.deepcopy(model).double(), datasets.load("two-moons")
    settings = Settings(steps=10, batch_size=65_536, lr=1.0)
    losses = [step.terms["loss"] for step in fit(Training(model, plane, settings)) if step.terms]
    x = plane.train.x.double()
    for _ in range(10):
        alone.step(alone.expect(x)[0])  # type: ignore[operator]
    torch.testing.assert_close(model.log_prob(x.float()).double(), alone.log_prob(x), atol=2e-3, rtol=1e-3)  # type: ignore[operator]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"model": "ppca", "shape": [2], "latent_dim": 2}, "latent_dim = 2 is not below the 2 dimensions of x"),
        (
            {"model": "mixture", "shape": [1, 28, 28], "covariance": "full"},
            "covariance = full of 8 components is 4.9 mil",
        ),
        ({"model": "mixture", "shape": [2], "components": 0}, "components = 0 is not a whole number from 1 to 256"),
        ({"model": "ppca", "shape": [2], "learn": "prayer"}, "learn = 'prayer' is not one of em, gradient"),
    ],
)
def test_bad_input_is_named(config: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        build(config)


@pytest.mark.parametrize("name", ["mixture", "ppca"])
def test_black_and_white_has_no_density(name: str) -> None:
    shown = datasets.load("mnist-static")
    with pytest.raises(BadInput, match="black or white pixels have none"):
        Training(build({"model": name, "shape": list(shown.shape)}), shown, Settings(steps=1))


# The linear VAE -------------------------------------------------------------------------------------------------------


def linear_vae(x: Tensor, latent_dim: int, rotation: Tensor | None = None) -> VAE:
    """A VAE with the parameters of the best PPCA, its z rotated; its encoder the best that it can be, float64."""
    best = ppca_of(x, latent_dim)
    w = best.W.detach() if rotation is None else best.W.detach() @ rotation
    arguments = {"depth": 0, "latent_dim": latent_dim, "decoder": "gaussian"}
    model = build({"model": "vae", "shape": list(x.shape[1:]), **arguments}).double().eval()
    assert isinstance(model, VAE)
    encoder, decoder = (
        next(part for part in network.modules() if isinstance(part, nn.Linear))
        for network in (model.encoder, model.decoder)
    )
    precision = torch.eye(latent_dim, dtype=w.dtype) + w.T @ w / best.log_psi.detach().exp()
    gain = torch.linalg.solve(precision, w.T) / best.log_psi.detach().exp()
    with torch.no_grad():
        decoder.weight.copy_(w)
        decoder.bias.copy_(best.mu)
        model.log_sigma.copy_(0.5 * best.log_psi[0])
        encoder.weight.zero_()[:latent_dim] = gain
        encoder.bias[:latent_dim] = -gain @ best.mu
        encoder.bias[latent_dim:] = -0.5 * precision.diagonal().log()  # the best of no correlations: Bishop, eq. 10.15
    return model


def test_a_linear_vae_with_orthogonal_columns_is_ppca_for_every_z() -> None:
    """log p(x, z) − log q(z | x) = log p(x), whatever z: there is no gap. So the ELBO is the exact log-likelihood."""
    x = data((1, 4, 2), n=100)
    model, best = linear_vae(x, 3), ppca_of(x, 3)
    with torch.no_grad():
        weights = model.log_weights(x, 5, random.generator(0))
        torch.testing.assert_close(weights, best.log_prob(x).unsqueeze(1).expand_as(weights), atol=1e-8, rtol=1e-8)
        torch.testing.assert_close(closed_elbo(model, x), best.log_prob(x))


def test_a_rotated_linear_vae_pays_for_correlations_alone() -> None:
    """Its gap is KL(q ‖ p(z | x)) of two Gaussians with one mean, the same for every x."""
    x = data((1, 4, 2), n=100)
    rotation = torch.linalg.qr(torch.randn(3, 3, generator=random.generator(1), dtype=torch.float64))[0]
    model = linear_vae(x, 3, rotation)
    ppca = as_ppca(model)
    with torch.no_grad():
        torch.testing.assert_close(ppca.log_prob(x), ppca_of(x, 3).log_prob(x))
        mean, covariance = ppca.posterior(x)
        mu, logvar = model.posterior(x)
        q = MultivariateNormal(mu, logvar.exp().diag_embed())
        kl = torch.distributions.kl_divergence(q, MultivariateNormal(mean, covariance))
        torch.testing.assert_close(ppca.log_prob(x) - closed_elbo(model, x), kl)
        assert kl.min() > 1e-3
        elbo = model.elbo(x, random.generator(0), samples=20_000)
        assert (elbo - closed_elbo(model, x)).abs().max() < 0.2  # the same without draws


def test_a_linear_vae_learns_the_subspace_of_ppca() -> None:
    """Trained like any other, its ELBO meets the largest likelihood of PPCA and its subspace the principal one."""
    digits = datasets.load("digits")
    torch.manual_seed(0)
    arguments = {"depth": 0, "latent_dim": 2, "decoder": "gaussian"}
    model = build({"model": "vae", "shape": [1, 8, 8], **arguments})
    assert isinstance(model, VAE)
    settings = Settings(steps=3000, batch_size=256, lr=0.01, decay="cosine")
    for _ in fit(Training(model, digits, settings)):
        pass
    found = finish(linear(model.eval(), digits))
    assert found["elbo"] <= found["log_prob"] <= found["best"] + 1e-6
    assert found["best"] - found["elbo"] < 0.1
    assert found["angles"].max() < 5
    assert "of PPCA's best" in conclusion(found)


def test_what_is_best_is_best_for_all_of_the_training_examples() -> None:
    """Of 50,000 points, PPCA's maximum falls short of nothing, be it told as itself or as a linear VAE."""
    moons = datasets.load("two-moons")
    found = finish(subspace.subspace(ppca_of(moons.train.x, 1).float(), moons))
    assert found["log_prob"] == pytest.approx(found["best"], abs=2e-6)
    assert subspace.conclusion(found).startswith("This is PPCA's maximum: its subspace is the principal one, to ")
    found = finish(linear(linear_vae(moons.train.x, 1).float(), moons))
    assert found["elbo"] == pytest.approx(found["best"], abs=2e-6)
    assert found["log_prob"] == pytest.approx(found["best"], abs=2e-6)


def test_only_a_linear_vae_is_ppca() -> None:
    with pytest.raises(BadInput, match="depth = 0, decoder = gaussian and prior = normal"):
        as_ppca(build({"model": "vae", "shape": [2]}))  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="latent_dim = 2 is not below the 2 dimensions of x"):
        as_ppca(build({"model": "vae", "shape": [2], "depth": 0}))  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="network = conv needs a depth of at least 1"):
        build({"model": "vae", "shape": [1, 8, 8], "depth": 0, "network": "conv"})

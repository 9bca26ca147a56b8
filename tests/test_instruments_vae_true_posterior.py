"""The gap of the bound is KL(q ‖ p(z | x)), and p(x), by integration, is a density wherever it is offered."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from genmodels.data.datasets import DATASETS
from genmodels.errors import BadInput
from genmodels.instruments import plane
from genmodels.instruments.vae.true_posterior import negative_elbo, true_posterior
from genmodels.metrics import likelihood
from genmodels.models.capabilities import Density, has
from genmodels.models.vae import VAE
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from genmodels.runs.store import Run
from tests.answers import finish

SIGMA = 0.5


def linear(latent_dim: int) -> VAE:
    """p(x | z) = N(Wz + b, σ²I), whose posterior is a Gaussian that is known; and an encoder that misses it."""
    torch.manual_seed(0)
    model = VAE((2,), latent_dim=latent_dim, hidden=16, sigma=SIGMA).double()
    model.decoder, model.encoder = nn.Linear(latent_dim, 2).double(), nn.Linear(2, 2 * latent_dim).double()
    return model.eval()


def trained(data: str, **arguments: object) -> Run:
    run = store.create("vae", data, arguments={"hidden": 32, "depth": 2} | arguments, settings={"steps": 300})
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    return run


@torch.no_grad()
@pytest.mark.parametrize("latent_dim", [1, 2])
def test_the_gap_is_the_kl_to_the_true_posterior_in_closed_form(latent_dim: int) -> None:
    model = linear(latent_dim)
    w, b = model.decoder.weight, model.decoder.bias
    x = torch.tensor([[0.8, -1.1]], dtype=torch.float64)
    precision = torch.eye(latent_dim, dtype=torch.float64) + w.T @ w / SIGMA**2
    covariance = torch.linalg.inv(precision)
    true = torch.distributions.MultivariateNormal(((x - b) @ w / SIGMA**2 @ covariance)[0], covariance)
    mu, logvar = (t[0] for t in model.posterior(x))
    q = torch.distributions.MultivariateNormal(mu, torch.diag(logvar.exp()))
    kl = torch.distributions.kl_divergence(q, true)
    log_prob = likelihood.quadrature(model, x).log_prob[0]
    assert kl > 0.1  # the encoder misses it
    assert (negative_elbo(model, x, mu, logvar) + log_prob).item() == pytest.approx(kl.item(), abs=1e-5)


@pytest.mark.parametrize(("data", "latent_dim"), [("two-moons", 2), ("two-moons", 1), ("digits", 2)])
def test_elbo_and_kl_add_up_to_log_p_x_each_computed_by_itself(data: str, latent_dim: int) -> None:
    run = trained(data, latent_dim=latent_dim)
    for example in (0, 5):
        found = finish(true_posterior(run.model(), run.data(), example))
        elbo, error = found["elbo"]
        kl, grid = found["kl"]
        assert kl > 0
        assert elbo + kl == pytest.approx(found["log_prob"][0], abs=4.5 * error + grid + 5e-3)
        low, high = found["extent"][0::2], found["extent"][1::2]
        cell = np.prod((high - low) / 123)
        assert found["p"].shape == (123,) * latent_dim
        assert found["p"].sum() * cell == pytest.approx(1, abs=1e-6)
        assert (found["mu"] - 3 * found["sigma"] > low).all()
        assert (found["mu"] + 3 * found["sigma"] < high).all()


def test_a_grid_too_coarse_for_the_posterior_says_how_wrong_it_is() -> None:
    run = trained("digits")
    model, data = run.model(), run.data()
    fine = finish(true_posterior(model, data, 0))
    assert fine["kl"][1] < 2e-3
    for side in (27, 33, 45, 63):
        coarse = finish(true_posterior(model, data, 0, side=side))
        assert abs(coarse["kl"][0] - fine["kl"][0]) <= coarse["kl"][1] + 2e-3


def test_the_true_posterior_is_bayes_rule() -> None:
    """p(z | x) at a point of its grid is p(x | z) p(z) / p(x), of the row and column that it says."""
    run = trained("two-moons")
    model = run.model()
    found = finish(true_posterior(model, run.data(), 2, side=63))
    (left, right), (bottom, top) = found["extent"].reshape(2, 2)
    row, column = np.unravel_index(found["p"].argmax(), found["p"].shape)
    row, column = row + 1, column - 2  # not the peak, where a mistaken transposition might not show
    z = torch.tensor([[left + (column + 0.5) / 63 * (right - left), bottom + (row + 0.5) / 63 * (top - bottom)]])
    x = torch.as_tensor(found["x"])[None]
    with torch.no_grad():
        expected = model.log_joint(x, z[None].float()).item() - found["log_prob"][0]
    assert math.log(found["p"][row, column]) == pytest.approx(expected, abs=0.02)


def test_the_learned_density_is_one_and_comes_near_the_truth() -> None:
    run = trained("two-moons")
    found = finish(plane.density(run.model(), run.data(), side=40, n=300))
    half = DATASETS["two-moons"].extent
    assert found["extent"].tolist() == [-half, half, -half, half]
    cell = (2 * half / 40) ** 2
    assert found["true"].sum() * cell == pytest.approx(1, abs=0.05)
    assert found["learned"].sum() * cell == pytest.approx(1, abs=0.1)  # some of it may lie beyond the square
    assert found["mass"] == pytest.approx(found["learned"].sum() * cell)
    kl, error = found["kl"]
    assert 0 < error < kl < 3  # it has only begun to learn
    at = torch.tensor([[half * (2 * 25.5 / 40 - 1), half * (2 * 10.5 / 40 - 1)]])
    log_p = likelihood.quadrature(run.model(), at).log_prob.item()
    assert math.log(found["learned"][10, 25]) == pytest.approx(log_p, abs=0.05)


@pytest.mark.parametrize("data", ["two-moons", "checkerboard"])  # of which the second is 0 in places
def test_the_divergence_from_the_truth_is_what_the_test_points_say(data: str) -> None:
    run = trained(data)
    model, loaded = run.model(), run.data()
    kl, error = finish(plane.density(model, loaded, side=2, n=1500))["kl"]
    x = loaded.test.x
    gap = loaded.log_prob(x).double() - model.log_prob(x).double()
    spread = math.hypot(error, gap.std().item() / math.sqrt(len(x)))
    assert kl == pytest.approx(gap.mean().item(), abs=5 * spread + 0.02)
    assert 0 < error < 0.2


@pytest.mark.parametrize(("shape", "latent_dim"), [((2,), 1), ((2,), 2), ((1, 8, 8), 2), ((2,), 3), ((1, 8, 8), 20)])
def test_it_knows_its_density_where_that_can_be_integrated(shape: tuple[int, ...], latent_dim: int) -> None:
    assert has(VAE(shape, latent_dim=latent_dim, hidden=16), Density) is (latent_dim <= 2)


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_the_density_of_a_linear_model_is_a_gaussian(latent_dim: int) -> None:
    """Each by itself and all together, near the data and far away: a grid that others share says the same."""
    model = linear(latent_dim)
    w, b = model.decoder.weight.detach(), model.decoder.bias.detach()
    covariance = w @ w.T + SIGMA**2 * torch.eye(2, dtype=torch.float64)
    x = torch.tensor([[0.8, -1.1], [0.0, 0.2], [4.0, 4.0]], dtype=torch.float64)
    exact = torch.distributions.MultivariateNormal(b, covariance).log_prob(x)
    assert model.log_prob(x).dtype == torch.float64
    torch.testing.assert_close(model.log_prob(x), exact, atol=0.02, rtol=0)
    torch.testing.assert_close(torch.cat([model.log_prob(one[None]) for one in x]), exact, atol=0.02, rtol=0)


def test_what_cannot_be_integrated_or_held_is_said_in_one_sentence() -> None:
    points, digits = trained("two-moons"), trained("digits")
    wide = VAE((2,), latent_dim=3, hidden=16)
    with pytest.raises(BadInput, match="one or two latent"):
        next(true_posterior(wide, points.data(), 0))
    for model, data in ((wide, points.data()), (digits.model(), digits.data())):
        with pytest.raises(BadInput, match="points of the plane that knows its density"):
            next(plane.density(model, data))
    with pytest.raises(BadInput, match="side = 100000 is not a whole number from 2 to 400"):
        next(plane.density(points.model(), points.data(), side=100_000))
    with pytest.raises(BadInput, match="side = 100000 is not a multiple of 3 from 27 to 999"):
        next(true_posterior(points.model(), points.data(), 0, side=100_000))

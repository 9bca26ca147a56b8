"""Estimates of log p(x) where it is known: the truth, the bias of the logarithm, and how many draws are needed."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.instruments.latent import estimates
from genmodels.models.base import build
from genmodels.models.latent.linear_gaussian import principal
from tests.answers import finish


def example(latent_dim: int) -> tuple[torch.Tensor, torch.Tensor, estimates.Known]:
    """One example of correlated data, the data, and what PPCA makes of it."""
    rng = random.generator(0)
    data = torch.randn(300, 8, generator=rng, dtype=torch.float64) @ torch.randn(8, 8, generator=rng).double()
    return data[0], data, estimates.known(data[0], data, latent_dim)


def test_what_is_known_is_so() -> None:
    for latent_dim in (1, 3):
        x, data, of = example(latent_dim)
        w, mu, sigma2, _ = principal(data, latent_dim)
        eye = torch.eye(8, dtype=torch.float64)
        assert of.log_prob == pytest.approx(float(MultivariateNormal(mu, w @ w.T + sigma2 * eye).log_prob(x)))
        z = torch.randn(5, latent_dim, dtype=torch.float64)
        expected = Normal(z @ w.T + mu, sigma2.sqrt()).log_prob(x).sum(1)
        torch.testing.assert_close(of.log_likelihood(z), expected)
        mean, variance = of.posterior
        precision = torch.eye(latent_dim, dtype=torch.float64) + w.T @ w / sigma2
        torch.testing.assert_close(torch.linalg.inv(precision), variance.diag(), atol=1e-10, rtol=0)
        torch.testing.assert_close(mean, torch.linalg.solve(precision, w.T @ (x - mu)) / sigma2)
        prior = Normal(torch.zeros_like(mean), torch.ones_like(mean))
        kl = kl_divergence(Normal(mean, variance.sqrt()), prior).sum()
        assert of.kl(torch.zeros_like(mean), torch.ones_like(mean)) == pytest.approx(float(kl))


def test_the_kl_is_from_the_posterior_to_any_gaussian() -> None:
    _, _, of = example(3)
    mean, variance = of.posterior
    m, v = mean + 0.3, 2.25 * variance
    kl = kl_divergence(Normal(mean, variance.sqrt()), Normal(m, v.sqrt())).sum()
    assert of.kl(m, v) == pytest.approx(float(kl))


def test_draws_of_the_posterior_have_no_variance_and_a_wider_one_only_some() -> None:
    _, _, of = example(3)
    mean, variance = of.posterior
    weights = estimates.log_weights(of, 100, mean, variance, random.generator(0))
    torch.testing.assert_close(weights, torch.full_like(weights, of.log_prob))
    wide = estimates.log_weights(of, 100, mean, 4 * variance, random.generator(0))
    assert wide.std() > 0.1


def test_the_estimate_of_p_is_right_on_average_and_its_logarithm_too_small() -> None:
    """The mean of n weights within six standard errors of p(x); the mean logarithm rises with n to log p(x)."""
    _, _, of = example(2)
    mean, variance = of.posterior
    for q in ((torch.zeros_like(mean), torch.ones_like(mean)), (mean, 2 * variance)):
        weights = (estimates.log_weights(of, 200_000, *q, random.generator(1)) - of.log_prob).double()
        ratio = weights.exp()
        assert abs(float(ratio.mean()) - 1) < 6 * float(ratio.std()) / math.sqrt(len(ratio))
        bounds = [float((part.logsumexp(1) - math.log(k)).mean()) for k in (1, 8, 64) for part in [weights.view(-1, k)]]
        assert bounds == sorted(bounds)
        assert bounds[-1] < 0.01
        assert bounds[0] < -0.05


def test_the_logarithm_of_the_mean_is_taken_of_the_first_ones() -> None:
    weights = torch.randn(1000, dtype=torch.float64)
    found = estimates.log_means(weights, (1, 7, 1000))
    for value, n in zip(found, (1, 7, 1000), strict=True):
        assert float(value) == pytest.approx(float(weights[:n].exp().mean().log()))


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    model = build({"model": "ppca", "shape": [1, 8, 8]})
    return finish(estimates.estimates(model, datasets.load("digits"), 0, 1.5))


def test_naive_monte_carlo_dies_as_the_code_grows(found: dict[str, Any]) -> None:
    """10,000 draws are right to a tenth of a nat with one dimension and lose more and more: tens of nats with fifty."""
    assert found["dimensions"].tolist() == [1, 2, 5, 10, 20, 50]
    missed = found["exact"] - found["naive"][:, :, -1].mean(1)
    assert abs(missed[0]) < 0.1
    assert missed[-1] > 10
    assert (np.diff(missed[2:]) > 0).all()
    near = found["exact"] - found["importance"][:, :, -1].mean(1)
    assert (np.abs(near) < 1).all()
    assert (np.diff(found["needed"]) > 0).all()
    assert "draws of the prior miss more than a nat" in estimates.conclusion(found)


def test_the_mean_over_seeds_rises_with_the_draws(found: dict[str, Any]) -> None:
    for name in ("naive", "importance"):
        mean, error = found[name].mean(1), found[name].std(1) / math.sqrt(estimates.SEEDS)
        assert (mean[:, -1] > mean[:, 0]).all()
        assert (mean <= found["exact"][:, None] + 6 * error + 1e-9).all()


def test_draws_of_the_posterior_all_count_and_those_of_the_prior_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("DRAWS", (1, 10, 200)), ("SEEDS", 4), ("DIMENSIONS", (1, 20))):
        monkeypatch.setattr(estimates, name, value)
    model = build({"model": "ppca", "shape": [1, 8, 8]})
    few = finish(estimates.estimates(model, datasets.load("digits"), 0, 1.0))
    np.testing.assert_allclose(few["share importance"], 1, rtol=1e-6)
    assert ((few["share"] >= 1 / 200) & (few["share"] < 1)).all()


def test_bad_input_is_named() -> None:
    digits = datasets.load("digits")
    with pytest.raises(BadInput, match="points of the plane"):
        next(estimates.estimates(build({"model": "ppca", "shape": [2]}), datasets.load("two-moons")))
    with pytest.raises(BadInput, match=r"width = 0\.5 is not from 1 to 4"):
        next(estimates.estimates(build({"model": "ppca", "shape": [1, 8, 8]}), digits, 0, 0.5))

"""Densities integrate to one, closed forms agree with each other, gradients are finite where formulas are 0/0."""

import math

import numpy as np
import pytest
import torch
from torch import distributions as td

from genmodels import random
from genmodels.probability.distributions import (
    bernoulli_log_prob,
    continuous_bernoulli_log_partition,
    continuous_bernoulli_log_prob,
    continuous_bernoulli_mean,
    continuous_bernoulli_quantile,
    kl_from_draws,
    kl_to_standard_normal,
    normal_entropy,
    normal_log_prob,
    standard_normal_log_prob,
)

LAMBDAS = [1e-6, 0.01, 0.2, 0.49, 0.5 - 1e-3, 0.5 - 1e-6, 0.5, 0.5 + 1e-6, 0.5 + 1e-3, 0.51, 0.8, 0.99, 1 - 1e-6]


@pytest.fixture
def gaussians() -> tuple[torch.Tensor, torch.Tensor]:
    rng = random.generator(0)
    return 2 * random.randn(50, rng=rng).double(), random.randn(50, rng=rng).double()


def logit(p: float) -> torch.Tensor:
    return torch.tensor(p, dtype=torch.float64).logit()


def legendre(n: int = 200) -> tuple[torch.Tensor, torch.Tensor]:
    """Gauss–Legendre nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights / 2)


def test_gaussian_density_and_entropy_are_torchs(gaussians: tuple[torch.Tensor, torch.Tensor]) -> None:
    mu, logvar = gaussians
    reference = td.Normal(mu, torch.exp(0.5 * logvar))
    x = mu.flip(0)
    torch.testing.assert_close(normal_log_prob(x, mu, logvar), reference.log_prob(x))
    torch.testing.assert_close(normal_entropy(logvar), reference.entropy())
    torch.testing.assert_close(standard_normal_log_prob(x), td.Normal(0.0, 1.0).log_prob(x))


def test_kl_closed_form_is_torchs_and_monte_carlos(gaussians: tuple[torch.Tensor, torch.Tensor]) -> None:
    mu, logvar = gaussians
    kl = kl_to_standard_normal(mu, logvar)
    torch.testing.assert_close(kl, td.kl_divergence(td.Normal(mu, torch.exp(0.5 * logvar)), td.Normal(0.0, 1.0)))
    z = mu + torch.exp(0.5 * logvar) * random.randn(20_000, 50, rng=random.generator(1)).double()
    estimate = normal_log_prob(z, mu, logvar) - standard_normal_log_prob(z)
    error = estimate.std(0) / math.sqrt(len(z))
    assert ((estimate.mean(0) - kl).abs() < 4.5 * error).all()


def test_bernoulli_sums_to_one() -> None:
    logits = torch.linspace(-30, 30, 101, dtype=torch.float64)
    x = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    log_prob = bernoulli_log_prob(x, logits)
    torch.testing.assert_close(log_prob.exp().sum(0), torch.ones(101, dtype=torch.float64))
    torch.testing.assert_close(log_prob[1].exp(), logits.sigmoid())


@pytest.mark.parametrize("p", LAMBDAS)
def test_continuous_bernoulli_integrates_to_one_with_its_mean(p: float) -> None:
    x, weights = legendre()
    density = continuous_bernoulli_log_prob(x, logit(p)).exp()
    assert (weights * density).sum().item() == pytest.approx(1, abs=1e-10)
    assert (weights * density * x).sum().item() == pytest.approx(continuous_bernoulli_mean(logit(p)).item(), abs=1e-10)


@pytest.mark.parametrize("p", [0.01, 0.2, 0.45, 0.6, 0.99])
def test_continuous_bernoulli_is_torchs(p: float) -> None:
    x = torch.linspace(0, 1, 21, dtype=torch.float64)
    reference = td.ContinuousBernoulli(probs=torch.tensor(p, dtype=torch.float64))
    torch.testing.assert_close(continuous_bernoulli_log_prob(x, logit(p)), reference.log_prob(x))
    torch.testing.assert_close(continuous_bernoulli_mean(logit(p)), reference.mean)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradient_of_the_continuous_bernoulli_is_finite_everywhere(dtype: torch.dtype) -> None:
    small = [0.0, 1e-30, 1e-12, 1e-7, 1e-4, 1e-2, 0.4999, 0.5, 0.5001, 1.0, 30.0, 300.0, 1e5]
    eta = torch.tensor([-e for e in small] + small, dtype=dtype, requires_grad=True)
    log_prob = continuous_bernoulli_log_prob(torch.tensor(0.3, dtype=dtype), eta)
    (gradient,) = torch.autograd.grad(log_prob.sum(), eta)
    assert log_prob.isfinite().all()
    assert gradient.isfinite().all()
    # At η = 0 it is x − ½; around there it goes like x − ½ − η/12.
    near = eta.detach().abs() < 1e-2
    torch.testing.assert_close(gradient[near], 0.3 - 0.5 - eta.detach()[near] / 12, atol=1e-6, rtol=0)


def test_log_partition_has_its_mean_as_gradient() -> None:
    eta = torch.cat([torch.linspace(-3, 3, 61), torch.tensor([-1e-3, 1e-3])]).double().requires_grad_()
    assert torch.autograd.gradcheck(continuous_bernoulli_log_partition, eta)
    assert torch.autograd.gradgradcheck(continuous_bernoulli_log_partition, eta)


def test_mean_has_no_step_where_the_series_ends() -> None:
    below, above = (torch.tensor(0.5 + d, dtype=torch.float64) for d in (-1e-9, 1e-9))
    step = continuous_bernoulli_mean(above) - continuous_bernoulli_mean(below)
    assert step.item() == pytest.approx(2e-9 / 12, abs=1e-11)


@pytest.mark.parametrize("p", LAMBDAS)
def test_quantile_inverts_the_distribution_function(p: float) -> None:
    nodes, weights = legendre(100)
    x = torch.linspace(0.05, 0.95, 7, dtype=torch.float64)
    below = x.unsqueeze(1) * nodes  # ∫_0^x p = x · ∫_0^1 p(x·t) dt
    u = x * (weights * continuous_bernoulli_log_prob(below, logit(p)).exp()).sum(1)
    inside = (u > 1e-9) & (u < 1 - 1e-9)
    torch.testing.assert_close(continuous_bernoulli_quantile(u, logit(p))[inside], x[inside], atol=1e-6, rtol=0)


def test_quantile_of_uniform_noise_samples_exactly() -> None:
    eta = torch.tensor([-50.0, -2.0, -1e-8, 0.0, 0.3, 4.0])
    x = continuous_bernoulli_quantile(random.rand(40_000, 6, rng=random.generator(2)), eta)
    assert x.min() >= 0
    assert x.max() <= 1
    error = x.std(0) / math.sqrt(len(x))
    assert ((x.mean(0) - continuous_bernoulli_mean(eta)).abs() < 4.5 * error).all()


# Divergences without a closed form ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mu", "sigma"), [(0.0, 1.0), (0.3, 1.0), (0.0, 2.0), (1.0, 0.05)])
def test_a_divergence_from_draws_is_that_in_closed_form(mu: float, sigma: float) -> None:
    p, q = torch.distributions.Normal(mu, sigma), torch.distributions.Normal(0.0, 1.0)
    exact = torch.distributions.kl_divergence(p, q).item()
    torch.manual_seed(0)
    found = []
    for _ in range(200):
        ratios = [(p.log_prob(x) - q.log_prob(x)).double() for x in (p.sample((400,)), q.sample((400,)))]
        found.append(kl_from_draws(*ratios))
    values, errors = torch.tensor(found, dtype=torch.float64).T
    assert (values >= 0).all()
    assert values.mean().item() == pytest.approx(exact, abs=4.5 * values.std().item() / math.sqrt(200) + 1e-12)
    if exact:
        assert errors.mean().item() == pytest.approx(values.std().item(), rel=0.3)


def test_a_divergence_without_a_common_support_is_finite_where_it_is() -> None:
    """Where only q is, it counts 2; where only p is, it is infinite, as the divergence is."""
    far = torch.full((5,), 1e4)
    assert kl_from_draws(-0 * far, -far)[0] == pytest.approx(1.0)
    assert kl_from_draws(far, -far)[0] == pytest.approx(1e4)
    assert kl_from_draws(0 * far, torch.full((5,), -math.inf))[0] == pytest.approx(1.0)

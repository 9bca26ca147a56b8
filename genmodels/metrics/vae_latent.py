"""What a VAE's encoder does with its latent space: which dimensions it uses, where it puts the data, and how well.

``x`` is always as ``model.inputs`` says; memory is bounded whatever the number of examples.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genmodels import random
from genmodels.errors import BadInput
from genmodels.models.vae import VAE
from genmodels.probability.diffusion.prior import DiffusionPrior
from genmodels.probability.distributions import kl_from_draws, kl_to_standard_normal, normal_entropy, normal_log_prob
from genmodels.probability.priors import FlowPrior, StandardNormal
from genmodels.probability.vae_quadrature import Progress

__all__ = [
    "Progress",
    "Refinement",
    "active_units",
    "activity",
    "aggregate_posterior",
    "kl_per_dimension",
    "marginal_kl",
    "posterior",
    "refine",
]

ROWS = 1024  # rows that a network sees at once: enough to be fast, and its layers stay in the cache


@torch.no_grad()
def posterior(model: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """mu and logvar of q(z | x), shape (N, L) each."""
    parts = [model.posterior(part) for part in x.split(ROWS)]
    return torch.cat([mu for mu, _ in parts]), torch.cat([logvar for _, logvar in parts])


def activity(model: VAE, x: Tensor) -> Tensor:
    """How much each latent dimension says about x: the variance of the posterior means over the data, shape (L,).

    A dimension is active where it exceeds 0.01; one that has collapsed to the prior stays below (Burda et al. 2016,
    section 5.2).
    """
    return posterior(model, x)[0].double().var(0)


def active_units(model: VAE, x: Tensor, *, threshold: float = 0.01) -> int:
    """How many latent dimensions are active: see :func:`activity`."""
    return int((activity(model, x) > threshold).sum())


@torch.no_grad()
def kl_per_dimension(model: VAE, x: Tensor, *, samples: int = 16, rng: torch.Generator | None = None) -> Tensor:
    """KL(q(z_j | x) ‖ p(z_j)) of each latent dimension alone, mean over x, nats, shape (L,).

    Exact for the normal prior, where they add up to the KL. Of a mixture they are estimated from ``samples`` draws and
    need not add up to it, because its dimensions depend on each other.

    Raises:
        BadInput: For a flow or diffusion prior in several dimensions, whose marginals have no closed form.
    """
    mu, logvar = posterior(model, x)
    if isinstance(model.prior, StandardNormal):
        return kl_to_standard_normal(mu.double(), logvar.double()).mean(0)
    if isinstance(model.prior, FlowPrior | DiffusionPrior) and model.latent_dim > 1:
        raise BadInput("A flow or diffusion prior has no marginals in closed form: its KL is not given by dimension.")
    total = -normal_entropy(logvar.double()).sum(0)
    for m, v in zip(mu.split(ROWS // samples), logvar.split(ROWS // samples), strict=True):
        z = model.draw_z(m, v, samples, rng)
        if isinstance(model.prior, FlowPrior | DiffusionPrior):  # of one dimension
            log_p = model.prior.log_prob(z).unsqueeze(-1)
        else:
            log_p = model.prior.marginal_log_prob(z)
        total -= log_p.double().mean(1).sum(0)
    return total / len(x)


@torch.no_grad()
def aggregate_posterior(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    r"""The log of q(z) = (1/N) Σ_n q(z | x_n), the aggregate posterior, at points (G, L), nats, shape (G,), float64.

    Where it is p(z), the prior's samples are what the decoder was trained on (Tomczak & Welling 2018, section 2).
    """
    mu, logvar = posterior(model, x)
    densities = []
    for points in z.split(ROWS):
        total = torch.full((len(points),), -math.inf, dtype=torch.float64, device=z.device)
        for m, v in zip(mu.split(ROWS), logvar.split(ROWS), strict=True):
            table = sum(normal_log_prob(points[:, j, None], m[:, j], v[:, j]) for j in range(model.latent_dim))
            total = torch.logaddexp(total, torch.logsumexp(torch.as_tensor(table), 1).double())
        densities.append(total - math.log(len(x)))
    return torch.cat(densities)


@torch.no_grad()
def marginal_kl(model: VAE, x: Tensor, *, draws: int = 2000, rng: torch.Generator | None = None) -> tuple[float, float]:
    r"""KL(q(z) ‖ p(z)) of the aggregate posterior of ``x`` to the prior, nats, and its standard error.

    The part of the ELBO's KL that a better prior could save; the rest is what z says about x (Hoffman & Johnson 2016,
    ELBO surgery, http://approximateinference.org/accepted/HoffmanJohnson2016.pdf). From ``draws`` of q(z),
    each of another example as long as there are some left, and as many of p(z): no grid, whose cells a narrow q(z | x)
    would fall between. See :func:`.distributions.kl_from_draws`. It depends on how many ``x`` there are: of N
    that are far from each other no more than log N of their own KL is gone.
    """
    mu, logvar = posterior(model, x)
    chosen = random.rand(len(x), rng=rng, device=x.device).argsort()[torch.arange(draws, device=x.device) % len(x)]
    of_q = model.draw_z(mu[chosen], logvar[chosen], 1, rng)[:, 0]
    ratios = [
        aggregate_posterior(model, x, z) - model.prior.log_prob(z).double()
        for z in (of_q, model.prior.sample(draws, rng))
    ]
    return kl_from_draws(*ratios)


# The amortization gap -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refinement:
    """The ELBO of each example before every step and after the last, nats, (steps + 1, B); and the q(z | x) reached."""

    elbo: Tensor
    mu: Tensor
    logvar: Tensor


def refine(
    model: VAE,
    x: Tensor,
    *,
    steps: int = 100,
    lr: float = 0.05,
    samples: int = 32,
    rng: torch.Generator | None = None,
    progress: Progress | None = None,
) -> Refinement:
    """Improve q(z | x) for these examples alone: gradient ascent on (mu, logvar), from where the encoder puts them.

    Where q has a fixed width, on mu alone: the width is no guess of the encoder.

    What the ELBO gains is the amortization gap; what it still lacks to log p(x) is the approximation gap, the price of
    a diagonal Gaussian (Cremer et al. 2018, Inference Suboptimality in VAEs, https://arxiv.org/abs/1801.03558).
    Each step sees fresh noise. The reported ELBO has 256 draws that stay the same, in pairs ±ε and scaled to variance
    1: the curve does not shake, and where log p(x, z) is quadratic in each z_j alone it has no error.
    """
    mu, logvar = (t.clone().requires_grad_() for t in posterior(model, x))
    free = [mu] if model.q_sigma else [mu, logvar]
    optimizer = torch.optim.Adam(free, lr=lr)
    eps = random.randn(len(x), 128, model.latent_dim, rng=rng, device=x.device).to(mu.dtype)
    eps = torch.cat([eps, -eps], 1) / eps.square().mean(1, keepdim=True).sqrt()

    def bound(z: Tensor) -> Tensor:
        return model.log_likelihood(x, z).mean(1) - model.kl(mu, logvar, z, rng=rng).sum(1)

    curve = []
    for step in range(steps + 1):
        with torch.no_grad():
            curve.append(bound(mu.unsqueeze(1) + torch.exp(0.5 * logvar).unsqueeze(1) * eps))
        if step < steps:
            optimizer.zero_grad()
            (-bound(model.draw_z(mu, logvar, samples, rng)).sum()).backward(inputs=free)
            optimizer.step()
        if progress is not None:
            progress(step / max(1, steps), f"Refining q(z | x): step {step} of {steps}")
    return Refinement(torch.stack(curve), mu.detach(), logvar.detach())

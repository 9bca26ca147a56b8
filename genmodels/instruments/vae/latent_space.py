"""The instruments of the variational autoencoder: what its latent space, its posterior and its bound look like."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.metrics import likelihood
from genmodels.models.vae import VAE
from genmodels.probability.priors import FlowPrior, StandardNormal
from genmodels.runs import store

__all__ = [
    "Densities",
    "Encoded",
    "Manifold",
    "Reconstructions",
    "aggregate",
    "densities",
    "encoded",
    "examples",
    "ladder",
    "manifold",
    "map_of_z",
    "numbers",
    "path",
    "reconstructions",
    "sweep",
]

Array = npt.NDArray[Any]
TAIL = 0.02  # of the prior's mass that the manifold leaves out at each end


def _plane(model: VAE) -> None:
    if model.latent_dim != 2:
        raise BadInput(f"This picture needs latent_dim = 2, and this model has {model.latent_dim}.")


def _sided(side: int, most: int) -> None:
    if not 2 <= side <= most:
        raise BadInput(f"A grid of {side:,} points a side is not possible: from 2 to {most:,} are.")


def examples(model: VAE, data: Data, n: int | None) -> tuple[Tensor, Tensor]:
    """The first ``n`` test examples as the model's loss expects them, and their labels."""
    x, y = data.test.x[:n], data.test.y[:n]
    return data.prepare(x, model.inputs, random.generator(0, data.device)).to(model.device), y


# Latent space ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Manifold:
    """E[x | z] on a grid of z: its axes, (n,) each and rising, and the images, (n, n, C, H, W), z₂ by rows, rising."""

    axes: tuple[Array, Array]
    images: Array


@torch.no_grad()
def manifold(model: VAE, n: int = 20) -> Manifold:
    """What the decoder makes of an n × n grid of latent space that holds nearly all of the prior.

    For a normal prior the grid is evenly spaced in probability (Kingma & Welling 2014, appendix A); for the others,
    which have no such quantiles, evenly in z over the box of the prior's own samples.

    Raises:
        BadInput: If latent space is not a plane, or the grid is beyond memory.
    """
    _plane(model)
    _sided(n, 200)
    if isinstance(model.prior, StandardNormal):
        axis = torch.special.ndtri(torch.linspace(TAIL, 1 - TAIL, n, dtype=torch.float64)).numpy()
        axes = axis, axis
    else:
        z = model.prior.sample(4000, random.generator(0, model.device)).cpu().numpy()
        low, high = np.quantile(z, [TAIL / 4, 1 - TAIL / 4], axis=0)
        axes = np.linspace(low[0], high[0], n), np.linspace(low[1], high[1], n)
    z1, z2 = np.meshgrid(*axes)  # (n, n): z₂ by rows
    grid = torch.as_tensor(np.stack([z1, z2], -1).reshape(-1, 2), dtype=torch.float32, device=model.device)
    return Manifold(axes, model.decode(grid).cpu().numpy().reshape(n, n, *model.shape))


@dataclass(frozen=True)
class Encoded:
    """q(z | x) of test examples: mu and sigma, (N, L) each, and their labels, (N,)."""

    mu: Array
    sigma: Array
    labels: Array


def encoded(model: VAE, data: Data, n: int = 2000) -> Encoded:
    """Where the encoder puts the first ``n`` test examples, and how sure it is."""
    x, y = examples(model, data, n)
    mu, logvar = likelihood.posterior(model, x)
    return Encoded(mu.cpu().numpy(), torch.exp(0.5 * logvar).cpu().numpy(), y.cpu().numpy())


@dataclass(frozen=True)
class Densities:
    """The prior and the aggregate posterior on one grid: (side, side), z₂ by rows, rising; extent left … top."""

    extent: tuple[float, float, float, float]
    prior: Array
    posterior: Array
    kl_nats: float


@torch.no_grad()
def densities(model: VAE, data: Data, *, side: int = 100, n: int = 10_000) -> Densities:
    r"""p(z) and q(z) = (1/N) Σ q(z | x_n), and how far apart they are, KL(q(z) ‖ p(z)), summed over the grid.

    Raises:
        BadInput: If latent space is not a plane, or the grid is beyond memory.
    """
    _plane(model)
    _sided(side, 1000)
    x, _ = examples(model, data, n)
    mu = likelihood.posterior(model, x)[0]
    z = torch.cat([model.prior.sample(4000, random.generator(0, model.device)), mu])
    half = float(z.abs().quantile(0.999)) * 1.1
    axis = torch.linspace(-half, half, side, device=model.device)
    z2, z1 = torch.meshgrid(axis, axis, indexing="ij")
    grid = torch.stack([z1, z2], -1).reshape(-1, 2)
    log_p, log_q = model.prior.log_prob(grid).double(), likelihood.aggregate_posterior(model, x, grid)
    cell = (2 * half / (side - 1)) ** 2
    kl = float((log_q.exp() * (log_q - log_p)).sum() * cell)
    p, q = (t.exp().cpu().numpy().reshape(side, side) for t in (log_p, log_q))
    return Densities((-half, half, -half, half), p, q, kl)


def map_of_z(model: VAE, data: Data, *, side: int = 80, n: int = 2000) -> dict[str, Array]:
    """Prior and aggregate posterior over what was encoded: :func:`densities` and :func:`encoded` in one.

    Returns:
        "prior" and "posterior", (side, side); "extent"; "kl", KL(q(z) ‖ p(z)) in nats; and of at most 2,000 of the
        ``n`` test examples "mu", (·, 2), and "labels", (·,).
    """
    maps, points = densities(model, data, side=side, n=n), encoded(model, data, min(n, 2000))
    found = {"prior": maps.prior, "posterior": maps.posterior, "extent": np.array(maps.extent)}
    return found | {"kl": np.array(maps.kl_nats), "mu": points.mu, "labels": points.labels}


def aggregate(
    run: str, step: int | None = None, side: int = 100, n: int = 10_000
) -> Generator[float, None, dict[str, Array]]:
    """:func:`map_of_z` of a run, whose data may have to be downloaded first. A task."""
    yield 0.0
    source = store.find(run)
    model, data = source.model(step), source.data()
    if not isinstance(model, VAE):
        raise BadInput(f"Run {run} is no VAE.")
    yield 0.3
    return map_of_z(model, data, side=side, n=n)


@torch.no_grad()
def path(model: VAE, data: Data, first: int, second: int, *, frames: int = 24, spherical: bool = False) -> Array:
    """A film from one test example to another through latent space, (frames, C, H, W): straight, or on a great arc."""
    x, _ = examples(model, data, max(first, second) + 1)
    a, b = (likelihood.posterior(model, x[i : i + 1])[0][0] for i in (first, second))
    t = torch.linspace(0, 1, frames, device=model.device).unsqueeze(1)
    angle = torch.arccos((a @ b / (a.norm() * b.norm()).clamp_min(1e-9)).clamp(-1, 1))
    if spherical and angle > 1e-3:
        z = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
    else:
        z = (1 - t) * a + t * b
    return model.decode(z).cpu().numpy()


@torch.no_grad()
def sweep(model: VAE, data: Data, example: int, *, steps: int = 11, reach: float = 2.5) -> Array:
    """One latent dimension at a time, from −reach to reach, the others as encoded: (L, steps, C, H, W)."""
    x, _ = examples(model, data, example + 1)
    mu = likelihood.posterior(model, x[example:])[0][0]
    rows = []
    for j in range(model.latent_dim):
        z = mu.repeat(steps, 1)
        z[:, j] = torch.linspace(-reach, reach, steps, device=model.device)
        rows.append(model.decode(z).cpu().numpy())
    return np.stack(rows)


# Reconstructions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reconstructions:
    """Test examples from the worst to the best by their ELBO: data and means of p(x | z), (N, *shape), and the ELBO."""

    x: Array
    mean: Array
    elbo_nats: Array


@torch.no_grad()
def reconstructions(model: VAE, data: Data, n: int = 9, *, among: int = 500) -> Reconstructions:
    """The worst third, the middle and the best of ``among`` test examples, ``n`` in all, sorted by their ELBO."""
    x, _ = examples(model, data, among)
    bound = likelihood.elbo(model, x, samples=8, rng=random.generator(0, model.device)).elbo
    order = bound.argsort()
    third = max(1, n // 3)
    middle = len(order) // 2
    chosen = torch.cat([order[:third], order[middle - third // 2 :][:third], order[-third:]])
    mu = likelihood.posterior(model, x[chosen])[0]
    return Reconstructions(*(t.cpu().numpy() for t in (x[chosen], model.decode(mu), bound[chosen])))


# The bound ------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def numbers(model: VAE, data: Data, example: int = 0) -> dict[str, float]:
    """The terms of the ELBO of one test example with one draw of z: what the theory panel puts into the equations."""
    x, _ = examples(model, data, example + 1)
    x = x[example:]
    rng = random.generator(example, model.device)
    mu, logvar = model.encode(x)
    z = model.draw_z(mu, logvar, 1, rng)
    found = {
        "log p(x|z)": model.log_likelihood(x, z),
        "log p(z)": model.prior.log_prob(z),
        "log q(z|x)": model.log_q(mu, logvar, z).sum(-1),
        "kl": model.kl(mu, logvar, z).sum(1),
    }
    values = {name: float(value) for name, value in found.items()}
    return values | {"elbo": values["log p(x|z)"] - values["kl"]}


LADDER = (1, 10, 100, 1000)


def ladder(run: str, step: int | None = None, n: int = 200) -> Generator[float, None, dict[str, Array]]:
    """The ladder of bounds on ``n`` test examples: ELBO ≤ IWAE_k ≤ log p(x), that one exact for up to 2 latents.

    A task. Returns "k", "iwae" (means over the examples, nats), "iwae_se", "elbo", "kl" per dimension (of a flow prior
    the total), "active" (the variance of the posterior means), and "exact" with the grid's "points" where it can be
    had.
    """
    source = store.find(run)
    model, data = source.model(step), source.data()
    assert isinstance(model, VAE)
    x, _ = examples(model, data, n)
    rng = random.generator(0, model.device)
    bound = likelihood.elbo(model, x, rng=rng)
    found: dict[str, Array] = {"k": np.array(LADDER), "elbo": bound.elbo.cpu().numpy()}
    if isinstance(model.prior, FlowPrior) and model.latent_dim > 1:
        found["kl"] = bound.kl.mean().reshape(1).cpu().numpy()  # its dimensions cannot be told apart
    else:
        found["kl"] = likelihood.kl_per_dimension(model, x, rng=rng).cpu().numpy()
    found["active"] = likelihood.activity(model, x).cpu().numpy()
    yield 0.05
    bounds = []
    for i, k in enumerate(LADDER):
        parts = []
        for j, part in enumerate(x.split(25)):
            parts.append(likelihood.iwae(model, part, k, rng=rng))
            yield 0.05 + 0.75 * (i == 3) * (j + 1) * 25 / n
        bounds.append(torch.cat(parts))
    found["iwae"] = np.array([float(b.mean()) for b in bounds])
    found["iwae_se"] = np.array([float(b.std()) / math.sqrt(len(b)) for b in bounds])
    if model.latent_dim <= 2:
        exact = likelihood.quadrature(model, x)
        found |= {"exact": exact.log_prob.cpu().numpy(), "points": np.array(exact.points)}
    return found

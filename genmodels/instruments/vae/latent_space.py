"""The instruments of the variational autoencoder: what its latent space and its reconstructions look like."""

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
from genmodels.metrics.floors import chosen
from genmodels.models.vae import VAE
from genmodels.probability.priors import StandardNormal

__all__ = [
    "Encoded",
    "Manifold",
    "Reconstructions",
    "encoded",
    "example",
    "manifold",
    "path",
    "plane",
    "reconstructions",
    "sided",
    "some",
    "sweep",
]

Array = npt.NDArray[Any]
TAIL = 0.02  # of the prior's mass that the manifold leaves out at each end


def plane(model: VAE) -> None:
    """Refuse a model whose latent space is no plane."""
    if model.latent_dim != 2:
        raise BadInput(f"This picture needs latent_dim = 2, and this model has {model.latent_dim}.")


def sided(side: int, most: int) -> None:
    """Refuse a grid beyond memory."""
    if not 2 <= side <= most:
        raise BadInput(f"A grid of {side:,} points a side is not possible: from 2 to {most:,} are.")


def example(model: VAE, data: Data, index: int) -> Tensor:
    r"""One test example as the model's loss expects it, shape (1, \*shape)."""
    x = data.test.x[index : index + 1].to(model.device)
    return data.prepare(x, model.inputs, random.generator(index, model.device))


def some(model: VAE, data: Data, n: int | None) -> tuple[Tensor, Tensor]:
    """``n`` test examples drawn at random (None: all), as the model's loss expects them, and their labels."""
    part = chosen(data.test, n or len(data.test), 0)
    return data.prepare(part.x.to(model.device), model.inputs, random.generator(0, model.device)), part.y


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
    plane(model)
    sided(n, 200)
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
    """Where the encoder puts ``n`` random test examples, and how sure it is."""
    x, y = some(model, data, n)
    mu, logvar = likelihood.posterior(model, x)
    return Encoded(mu.cpu().numpy(), torch.exp(0.5 * logvar).cpu().numpy(), y.cpu().numpy())


@torch.no_grad()
def path(model: VAE, data: Data, first: int, second: int, *, frames: int = 24, spherical: bool = False) -> Array:
    """A film from one test example to another through latent space, (frames, C, H, W): straight, or on a great arc."""
    a, b = (likelihood.posterior(model, example(model, data, i))[0][0] for i in (first, second))
    t = torch.linspace(0, 1, frames, device=model.device).unsqueeze(1)
    angle = torch.arccos((a @ b / (a.norm() * b.norm()).clamp_min(1e-9)).clamp(-1, 1))
    if spherical and angle > 1e-3:
        z = (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)
    else:
        z = (1 - t) * a + t * b
    return model.decode(z).cpu().numpy()


@torch.no_grad()
def sweep(model: VAE, data: Data, index: int, *, steps: int = 11, reach: float = 2.5) -> Array:
    """One latent dimension at a time, from −reach to reach, the others as encoded: (L, steps, C, H, W)."""
    mu = likelihood.posterior(model, example(model, data, index))[0][0]
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
    """The worst third, the middle and the best of ``among`` random test examples by ELBO, ``n`` in all, rising."""
    x, _ = some(model, data, among)
    bound = likelihood.elbo(model, x, samples=8, rng=random.generator(0, model.device)).elbo
    order = bound.argsort()
    third = max(1, n // 3)
    middle = len(order) // 2
    chosen = torch.cat([order[:third], order[middle - third // 2 :][:third], order[-third:]])
    mu = likelihood.posterior(model, x[chosen])[0]
    return Reconstructions(*(t.cpu().numpy() for t in (x[chosen], model.decode(mu), bound[chosen])))

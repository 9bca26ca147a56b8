"""The geometry of a VAE's latent space: how the decoder stretches it, its shortest paths, and the gap of its bound."""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from genmodels import random
from genmodels.errors import BadInput
from genmodels.instruments.vae.latent_space import example, manifold
from genmodels.metrics import likelihood
from genmodels.models.vae import VAE
from genmodels.runs import store

__all__ = ["Stretch", "ellipses", "gap", "geodesic", "stretch"]

Array = npt.NDArray[Any]
H = 0.01  # the step of a difference quotient in z


def ellipses(mu: npt.ArrayLike, sigma: npt.ArrayLike, *, sides: int = 24) -> Array:
    """The one-sigma ellipse of each diagonal Gaussian of the plane, closed, as (N, sides + 1, 2)."""
    angle = np.linspace(0, 2 * math.pi, sides + 1)
    circle = np.stack([np.cos(angle), np.sin(angle)], -1)
    return np.asarray(mu)[:, None, :] + np.asarray(sigma)[:, None, :] * circle


@dataclass(frozen=True)
class Stretch:
    """By how much the decoder magnifies area, log₁₀ √det(JᵀJ), on a grid (side, side) of z, z₂ by rows, rising."""

    extent: tuple[float, float, float, float]
    log10: Array


def stretch(model: VAE, *, side: int = 48) -> Stretch:
    r"""Where a small step in latent space changes the picture much: \sqrt{\det J^T J} of z ↦ E[x | z].

    The pull-back metric of Arvanitidis et al. (2018), Latent Space Oddity, eq. 4. https://arxiv.org/abs/1710.11379

    Raises:
        BadInput: If latent space is not a plane.
    """
    axes = manifold(model, 2).axes  # the box that holds nearly all of the prior
    ends = [(float(axis[0]), float(axis[-1])) for axis in axes]
    z1, z2 = (torch.linspace(low, high, side, device=model.device) for low, high in ends)
    grid = torch.stack(torch.meshgrid(z1, z2, indexing="xy"), -1).reshape(-1, 2)
    with torch.no_grad():  # central differences: their error, O(h²), is far below a pixel's colour
        steps = H * torch.eye(2, device=model.device)
        J = torch.stack([(model.decode(grid + d) - model.decode(grid - d)).flatten(1) / (2 * H) for d in steps], -1)
    determinant = torch.linalg.det(J.transpose(1, 2).double() @ J.double()).clamp_min(1e-30)
    return Stretch((*ends[0], *ends[1]), 0.5 * determinant.log10().reshape(side, side).cpu().numpy())


def geodesic(
    run: str, first: int, second: int, step: int | None = None, frames: int = 24, iterations: int = 300
) -> Generator[float, None, dict[str, Array]]:
    r"""The path between two test examples along which the picture changes least: minimal \sum_i \|x_{i+1} - x_i\|^2.

    A discrete geodesic of the decoder's surface (Shao et al. 2018, The Riemannian Geometry of Deep Generative Models,
    algorithm 1, https://arxiv.org/abs/1711.08014), by gradient descent from the straight line. A task.

    Returns:
        "x" (frames, C, H, W), "z" (frames, L), the "energy" at each iteration, and "straight", (frames, L).
    """
    source = store.find(run)
    model, data = source.model(step), source.data()
    if not isinstance(model, VAE):
        raise BadInput(f"Run {run} is no VAE.")
    a, b = (likelihood.posterior(model, example(model, data, i))[0][0] for i in (first, second))
    t = torch.linspace(0, 1, frames, device=model.device).unsqueeze(1)
    straight = (1 - t) * a + t * b
    inner = straight[1:-1].clone().requires_grad_()
    optimizer = torch.optim.Adam([inner], lr=0.02)
    energies = []
    for i in range(iterations):
        z = torch.cat([a[None], inner, b[None]])
        energy = model.decode(z).flatten(1).diff(dim=0).square().sum() * (frames - 1)
        optimizer.zero_grad()
        energy.backward(inputs=[inner])
        optimizer.step()
        energies.append(energy.item())
        yield i / iterations
    with torch.no_grad():
        z = torch.cat([a[None], inner, b[None]])
        film = model.decode(z)
    return {
        "x": film.cpu().numpy(),
        "z": z.cpu().numpy(),
        "straight": straight.cpu().numpy(),
        "energy": np.array(energies),
    }


def gap(run: str, index: int, step: int | None = None, steps: int = 150) -> Generator[float, None, dict[str, Array]]:
    """The amortization gap of one test example, closed: q(z | x) is refined for it alone, by gradient ascent. A task.

    Returns:
        "elbo" (steps + 1,): the bound as q improves, nats; "mu" and "sigma" before and after, (2, L); and the exact
        log p(x) as "exact", with one or two latent dimensions.
    """
    source = store.find(run)
    model, data = source.model(step), source.data()
    if not isinstance(model, VAE):
        raise BadInput(f"Run {run} is no VAE.")
    x = example(model, data, index)
    yield 0.05
    found: dict[str, Array] = {}
    if model.latent_dim <= 2:
        found["exact"] = likelihood.quadrature(model, x).log_prob.cpu().numpy()
    yield 0.4
    mu, logvar = likelihood.posterior(model, x)
    better = likelihood.refine(model, x, steps=steps, rng=random.generator(0, model.device))
    both = torch.cat([mu, better.mu]), torch.exp(0.5 * torch.cat([logvar, better.logvar]))
    curve = better.elbo[:, 0].cpu().numpy()
    return found | {"elbo": curve, "mu": both[0].cpu().numpy(), "sigma": both[1].cpu().numpy()}

"""The geometry of a VAE's latent space: each example's posterior, where the decoder stretches, and the bound's gap."""

import math
from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.codes import latent_map
from genmodels.instruments.examples import example, some
from genmodels.metrics import likelihood
from genmodels.models.capabilities import Density, has
from genmodels.models.vae import VAE
from genmodels.text import number

__all__ = ["conclusion_of_gap", "conclusion_of_stretch", "ellipses", "gap", "only_two", "posteriors", "stretch"]

Array = npt.NDArray[Any]
DEAD = -14.0  # the power of ten of a stretch that is none
H = 0.01  # the step of a difference quotient in z


def only_two(model: VAE) -> None:
    """Refuse a model whose latent space is no plane."""
    if model.latent_dim != 2:
        raise BadInput(f"This picture needs latent_dim = 2, and this model has {model.latent_dim}.")


def ellipses(mu: npt.ArrayLike, sigma: npt.ArrayLike, *, sides: int = 24) -> Array:
    """The one-sigma ellipse of each diagonal Gaussian of the plane, closed, as (N, sides + 1, 2)."""
    angle = np.linspace(0, 2 * math.pi, sides + 1)
    circle = np.stack([np.cos(angle), np.sin(angle)], -1)
    return np.asarray(mu)[:, None, :] + np.asarray(sigma)[:, None, :] * circle


def posteriors(model: VAE, data: Data, n: int = 400) -> tuple[Array, Array]:
    """q(z | x) of ``n`` random test examples as :func:`ellipses`, and the examples' labels, (n,)."""
    only_two(model)
    x, labels = some(model, data, n)
    mu, logvar = likelihood.posterior(model, x)
    return ellipses(mu.cpu().numpy(), torch.exp(0.5 * logvar).cpu().numpy()), labels.cpu().numpy()


@torch.no_grad()
def stretch(model: VAE, *, side: int = 48) -> tuple[Array, tuple[float, float, float, float]]:
    r"""Where a small step in latent space changes the picture much: \sqrt{\det J^T J} of z ↦ E[x | z].

    The pull-back metric of Arvanitidis et al. (2018), Latent Space Oddity, eq. 4. https://arxiv.org/abs/1710.11379

    Returns:
        log₁₀ of it, by how much area is magnified, on a grid (side, side) of z, z₂ by rows, rising; and the grid's
        left, right, bottom and top edge: it holds nearly all of the prior.

    Raises:
        BadInput: If latent space is not a plane.
    """
    only_two(model)
    ends = [(float(axis[0]), float(axis[-1])) for axis in latent_map(model, 2).axes]
    z1, z2 = (torch.linspace(low, high, side, device=model.device) for low, high in ends)
    grid = torch.stack(torch.meshgrid(z1, z2, indexing="xy"), -1).reshape(-1, 2)
    steps = H * torch.eye(2, device=model.device)  # central differences: their error, O(h²), is below a pixel's colour
    J = torch.stack([(model.decode(grid + d) - model.decode(grid - d)).flatten(1) / (2 * H) for d in steps], -1)
    determinant = torch.linalg.det(J.transpose(1, 2).double() @ J.double()).clamp_min(1e-30)
    return 0.5 * determinant.log10().reshape(side, side).cpu().numpy(), (*ends[0], *ends[1])


def conclusion_of_stretch(powers: Array) -> str:
    """How unevenly space is stretched, a sentence; ``powers`` are those of ten, of :func:`stretch`."""
    if not np.isfinite(powers).all():
        return "The stretch is not a number everywhere: there is nothing to conclude."
    if powers.min() < DEAD:
        return "Somewhere on this map a step of z changes nothing."
    ratio = 10.0 ** float(powers.max() - powers.min())
    return f"The decoder stretches an area up to {number(ratio)} times as much in one place of this map as in another."


def gap(model: VAE, data: Data, index: int, steps: int = 150) -> Generator[float, None, dict[str, Array]]:
    """The amortization gap of one test example, closed: q(z | x) is refined for it alone, by gradient ascent. A task.

    Returns:
        "elbo" (steps + 1,): the bound as q improves, nats; "mu" and "sigma" before and after, (2, L); and the exact
        log p(x) as "exact", with one or two latent dimensions.
    """
    x = example(model, data, index)
    exact = {"exact": likelihood.quadrature(model, x).log_prob.cpu().numpy()} if has(model, Density) else {}
    yield 0.4
    mu, logvar = likelihood.posterior(model, x)
    better = likelihood.refine(model, x, steps=steps, rng=random.generator(0, model.device))
    sigma = torch.exp(0.5 * torch.cat([logvar, better.logvar]))
    return exact | {
        "elbo": better.elbo[:, 0].cpu().numpy(),
        "mu": torch.cat([mu, better.mu]).cpu().numpy(),
        "sigma": sigma.cpu().numpy(),
    }


def conclusion_of_gap(refined: dict[str, Array]) -> str:
    """What the encoder's guess costs, a sentence; of what :func:`gap` returns."""
    before, after = float(refined["elbo"][0]), float(refined["elbo"][-1])
    exact = float(refined["exact"][0]) if "exact" in refined else None
    if not np.isfinite([before, after, after if exact is None else exact]).all():
        return "Not every bound is a number here: there is nothing to conclude."
    if after <= before:
        return "Gradient steps find no better q(z | x) here than the encoder's guess."
    cost = f"The encoder's guess costs {number(after - before)} nats"
    if exact is None or exact <= after:
        return f"{cost}." if exact is None else f"{cost}: all that the ELBO lacks to log p(x)."
    if number(after - before) == number(exact - before):
        return f"{cost}, nearly all that the ELBO lacks to log p(x)."
    return f"{cost} of the {number(exact - before)} between the ELBO and log p(x)."

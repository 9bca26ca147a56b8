"""The geometry of a VAE's latent space: prior and codes, examples' posteriors, where the decoder stretches, the gap.

Samples are decoded from the prior, and the decoder has learned from the aggregate posterior.
"""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Array, Arrays, Task, arrays
from genmodels.instruments.codes import encoded, latent_map
from genmodels.instruments.examples import example, some
from genmodels.instruments.plane import conclusion_of_kl
from genmodels.metrics import likelihood
from genmodels.models.capabilities import Density, has
from genmodels.models.vae import VAE
from genmodels.probability.diffusion.prior import DiffusionPrior
from genmodels.probability.priors import FlowPrior, StandardNormal
from genmodels.text import number

__all__ = [
    "aggregate",
    "compared",
    "conclusion",
    "conclusion_of_gap",
    "conclusion_of_stretch",
    "ellipses",
    "gap",
    "only_two",
    "posteriors",
    "stretch",
]

FINER = 8  # points a side of a cell, over which a flow's or a diffusion's density is averaged
DOTS = 2000  # encoded examples that are shown
DEAD = -14.0  # the power of ten of a stretch that is none
H = 0.01  # the step of a difference quotient in z


def only_two(model: VAE) -> None:
    """Refuse a model whose latent space is no plane."""
    if model.latent_dim != 2:
        raise BadInput(f"This picture needs latent_dim = 2, and this model has {model.latent_dim}.")


# The prior and what is encoded ----------------------------------------------------------------------------------------


@torch.no_grad()
def aggregate(model: VAE, data: Data, side: int = 80) -> Task:
    r"""p(z) and q(z) = (1/N) Σ q(z | x_n) of all test examples, on one grid of two latent dimensions. A task.

    A cell shows its mass over its area: what is narrower than a cell is neither missed nor met by chance.

    Returns:
        "prior" and "posterior", mean densities in each cell, (side, side), z₂ by rows, rising; "extent", left to top;
        "kl", KL(q(z) ‖ p(z)) over all of z in nats, and its standard error, (2,); and of 2,000 test examples at most
        "mu", where they are encoded, (·, 2), and "labels", (·,).

    Raises:
        BadInput: If latent space is not a plane, or the grid is beyond memory.
    """
    only_two(model)
    if not 2 <= side <= 1000:
        raise BadInput(f"A grid of {side:,} points a side is not possible: from 2 to 1,000 are.")
    x, _ = some(model, data, None)
    mu, logvar = likelihood.posterior(model, x)
    both = model.prior.sample(4000, random.generator(0, model.device)), mu
    half = 1.1 * max(float(np.quantile(z.abs().cpu().numpy(), 0.999)) for z in both)
    edges = torch.linspace(-half, half, side + 1, device=model.device, dtype=torch.float64)
    cell = (2 * half / side) ** 2
    prior, posterior = _prior(model, edges), _mass(mu, logvar, torch.full_like(mu[:, 0], 1 / len(mu)), edges)
    yield 0.3
    kl = likelihood.marginal_kl(model, x, rng=random.generator(0, model.device))
    yield 0.9
    points = encoded(model, data, DOTS)
    extent, densities = np.array([-half, half] * 2), {"prior": prior / cell, "posterior": posterior / cell}
    return arrays(**densities, extent=extent, kl=kl, mu=points.z, labels=points.labels)


def conclusion(maps: Arrays) -> str:
    """How far the prior is from what was encoded, a sentence; of what :func:`aggregate` returns."""
    return conclusion_of_kl(
        maps["kl"],
        alike="The codes cannot be told from the prior",
        beyond="Some codes lie where the prior has no density at all.",
        apart="Where the codes lie, their density is {} times (geometric mean) that of the prior.",
    )


def compared(kl_nats: dict[str, tuple[float, float]]) -> str:
    """Which of several priors is nearest to what was encoded under it, a sentence.

    Of KL(q(z) ‖ p(z)) and its standard error, by name.
    """
    known = {name: kl for name, kl in kl_nats.items() if all(map(math.isfinite, kl))}
    if len(known) < 2:
        return "Fewer than two priors have been measured: there is nothing to compare."
    best, *others = sorted(known, key=known.__getitem__)
    least, error = known[best]
    alike = [name for name in others if known[name][0] - least <= 2 * math.hypot(error, known[name][1])]
    told = f"Of these {len(known)}, the {best} prior is {number(least)} nats from its codes"
    if alike:
        told += f", {' and '.join(f'the {name} prior' for name in alike)} within two standard errors of that"
    return told + ("." if others[-1] in alike else f", the {others[-1]} prior {number(known[others[-1]][0])}.")


def _mass(mu: Tensor, logvar: Tensor, weights: Tensor, edges: Tensor) -> Tensor:
    """The mass of a mixture of diagonal Gaussians (K, 2) in each cell between ``edges``, (side, side), z₂ by rows."""
    standard = (edges - mu.double().unsqueeze(-1)) * torch.exp(-0.5 * logvar.double()).unsqueeze(-1)
    z1, z2 = torch.special.ndtr(standard).diff(dim=-1).unbind(1)  # (K, side) each
    return (weights.double().unsqueeze(1) * z2).T @ z1


def _prior(model: VAE, edges: Tensor) -> Tensor:
    """The mass of the prior in each cell: exact, but for a flow's and a diffusion's, summed over a finer grid."""
    prior = model.prior
    if isinstance(prior, StandardNormal):
        zero = torch.zeros(1, 2, device=edges.device)
        return _mass(zero, zero, torch.ones_like(zero[:, 0]), edges)
    if not isinstance(prior, FlowPrior | DiffusionPrior):
        return _mass(*prior.components(), prior.logits.softmax(0), edges)
    side, h = len(edges) - 1, float(edges[1] - edges[0]) / FINER
    axis = edges[0] + h * (torch.arange(side * FINER, device=edges.device) + 0.5)
    rows = [
        prior.log_prob(torch.stack(torch.meshgrid(axis, z2, indexing="xy"), -1).float()).double().exp() * h**2
        for z2 in axis.split(FINER)
    ]
    return torch.stack([row.view(FINER, side, FINER).sum((0, 2)) for row in rows])


# Posteriors, and the decoder's stretch --------------------------------------------------------------------------------


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


# The gap of the bound -------------------------------------------------------------------------------------------------


def gap(model: VAE, data: Data, index: int, steps: int = 150) -> Task:
    """The amortization gap of one test example, closed: q(z | x) is refined for it alone, by gradient ascent. A task.

    Returns:
        "elbo" (steps + 1,): the bound as q improves, nats; "mu" and "sigma" before and after, (2, L); and the exact
        log p(x) as "exact", with one or two latent dimensions.
    """
    x = example(model, data, index)
    exact = {"exact": likelihood.quadrature(model, x).log_prob} if has(model, Density) else {}
    yield 0.4
    mu, logvar = likelihood.posterior(model, x)
    better = likelihood.refine(model, x, steps=steps, rng=random.generator(0, model.device))
    sigma = torch.exp(0.5 * torch.cat([logvar, better.logvar]))
    return arrays(elbo=better.elbo[:, 0], mu=torch.cat([mu, better.mu]), sigma=sigma, **exact)


def conclusion_of_gap(refined: Arrays) -> str:
    """The nats that the encoder's guess costs, a sentence; of what :func:`gap` returns."""
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

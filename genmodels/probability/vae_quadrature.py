r"""log p(x) of a VAE with one or two latent dimensions, by integrating over z: the top of the ladder, no estimate.

.. math:: \log p(x) = \log \int p(x \mid z)\, p(z)\, dz
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from genmodels import random
from genmodels.errors import BadInput
from genmodels.probability.diffusion.prior import DiffusionPrior
from genmodels.probability.distributions import continuous_bernoulli_log_partition, normal_log_prob

__all__ = ["Progress", "Quadrature", "log_likelihood_table", "quadrature"]

Progress = Callable[[float, str], None]
"""Told the fraction done and a line of text; what it raises ends the work."""

BLOCK = 1024  # rows and columns of a table of log p(x | z) that are held at once
CELLS = 4  # a side of a tile of the first grid
COARSE = 2**18  # points of the first grid, about, that are not exceeded
FEW, SPARSE = 64, 2**12  # the same for so few examples: decoding the grid is then most of the work
KEPT = 25.0  # nats: a share of e^-25 of an example's posterior may be left out
GROWTHS = 8  # of the box, at most
SPLIT = 2**21  # pairs of an example and a tile, up to which tiles are split rather than filled with finer cells


class Integrable(Protocol):
    """A model whose p(x | z) p(z) can be integrated over z, as a VAE: prior, likelihood, and q(z | x) to find where."""

    latent_dim: int
    prior: Any
    likelihood: str

    @property
    def logvar_x(self) -> Tensor:
        """log σ² of a Gaussian decoder."""

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar of q(z | x)."""

    def x_params(self, z: Tensor) -> Tensor:
        """The parameter of p(x | z)."""


@dataclass(frozen=True)
class Quadrature:
    """log p(x) by a sum over a grid of z, and how far to trust it.

    Attributes:
        log_prob: Nats, shape (N,), float64.
        points: Of the finest grid, along the longer side of its box.
        spacing: Between them.
        low: The box's lower corner, a number a latent dimension.
        high: Its upper corner.
        change: By how many nats the mean moved when the spacing was halved for the last time.
        outside: A bound on the share of an example's posterior that lies at one side of the box, mean over examples.
    """

    log_prob: Tensor
    points: int
    spacing: float
    low: tuple[float, ...]
    high: tuple[float, ...]
    change: float
    outside: float


@dataclass(frozen=True)
class _Sweep:
    """Over tiles (T, L): log Σ p(x, z) of each example (N,), and its largest log p(x, z) in each of them (N, T)."""

    total: Tensor
    peak: Tensor
    tiles: Tensor


@torch.no_grad()
def quadrature(
    model: Integrable, x: Tensor, *, tolerance: float = 5e-3, refinements: int = 6, progress: Progress | None = None
) -> Quadrature:
    r"""log p(x) of each example, for a model with one or two latent dimensions.

    .. math:: \log p(x) \approx \log \Big( h^L \sum_g p(x \mid z_g)\, p(z_g) \Big)

    The midpoint rule on a box that holds the prior and the posteriors, and grows where its border carries mass. The
    spacing h is halved until the mean stands within ``tolerance``: from the second grid on only in the tiles of the box
    that matter to an example, those with a point within :data:`KEPT` nats of its best, and more nats than that while
    a peak half as wide as the narrowest q(z | x) could hide between two points. For few examples the tiles shrink with
    the cells, so that the work stays where the posteriors are.

    Args:
        model: With ``latent_dim`` 1 or 2.
        x: Examples as ``model.inputs`` says, shape (N, \*shape).
        tolerance: Nats.
        refinements: How often h is halved at most.
        progress: Told how far each grid is.

    Raises:
        BadInput: If there are more than two latent dimensions.
    """
    if model.latent_dim > 2:
        raise BadInput(f"log p(x) is integrated over 1 or 2 latent dimensions, but latent_dim = {model.latent_dim}.")
    mu, logvar = (torch.cat(parts) for parts in zip(*map(model.posterior, x.split(BLOCK)), strict=True))
    sd = torch.exp(0.5 * logvar)
    prior = model.prior.sample(10_000, random.generator(0, x.device)).sort(0).values
    low, high = torch.minimum(prior[10], mu.amin(0)), torch.maximum(prior[-10], mu.amax(0))
    narrow = min(0.02, sd.flatten().sort().values[sd.numel() // 100].item() / 2)
    volume = (high - low).prod().item()
    points = SPARSE if len(x) <= FEW else COARSE
    width = CELLS * max(8 * narrow, (volume / points) ** (1 / model.latent_dim))  # of a tile
    sweep, outside = _box(model, x, low / width, high / width, width, progress)
    low, high = sweep.tiles.amin(0) * width, (sweep.tiles.amax(0) + 1) * width
    cells, change, mean = CELLS, math.inf, math.nan
    for halving in range(refinements + 1):
        h = width / cells
        log_prob = sweep.total + model.latent_dim * math.log(h)
        change, mean = abs(log_prob.mean().item() - mean), log_prob.mean().item()
        if change <= tolerance or halving == refinements or not math.isfinite(mean):
            break
        hidden = model.latent_dim * h**2 / (8 * narrow**2)  # nats that a peak has lost at the nearest point, at most
        keep = sweep.peak > sweep.peak.amax(1, keepdim=True) - (KEPT + hidden)
        if len(x) * int(keep.any(0).sum()) * 2**model.latent_dim <= SPLIT:
            tiles, keep, width = *_split(sweep.tiles, keep), width / 2
        else:
            tiles, cells = sweep.tiles, 2 * cells
        sweep = _sum(model, x, tiles, width, cells, keep, progress)
    points = round((high - low).max().item() / h)
    return Quadrature(log_prob, points, h, tuple(low.tolist()), tuple(high.tolist()), change, outside)


def _box(
    model: Integrable, x: Tensor, low: Tensor, high: Tensor, width: float, progress: Progress | None
) -> tuple[_Sweep, float]:
    """The first grid, over the tiles from ``low`` to ``high`` and beyond while their border carries mass; how much."""
    low, high = low.floor().long(), high.ceil().long() - 1
    sweep = _sum(model, x, _tiles(low, high), width, CELLS, None, progress)
    outside = 1.0
    for _ in range(GROWTHS):
        border = [(j, end, sweep.tiles[:, j] == end[j]) for j in range(model.latent_dim) for end in (low, high)]
        bounds = sweep.peak + model.latent_dim * math.log(CELLS) - sweep.total.unsqueeze(1)  # of a tile's log-share
        shares = [bounds[:, on].logsumexp(1).exp().mean().item() for _, _, on in border]
        outside = max(shares)
        if outside < 1e-6:
            break
        step = (high - low) // 8 + 1
        new_low, new_high = low.clone(), high.clone()
        for (j, end, _), share in zip(border, shares, strict=True):
            if share >= 1e-6 and end is low:
                new_low[j] -= step[j]
            elif share >= 1e-6:
                new_high[j] += step[j]
        tiles = _tiles(new_low, new_high)
        tiles = tiles[((tiles < low) | (tiles > high)).any(1)]
        more = _sum(model, x, tiles, width, CELLS, None, progress)
        total = torch.logaddexp(sweep.total, more.total)
        sweep = _Sweep(total, torch.cat([sweep.peak, more.peak], 1), torch.cat([sweep.tiles, more.tiles]))
        low, high = new_low, new_high
    return sweep, outside


def _tiles(low: Tensor, high: Tensor) -> Tensor:
    """The whole numbers from ``low`` to ``high``, both included, in every dimension: shape (T, L)."""
    sides = [torch.arange(int(a), int(b) + 1, device=low.device) for a, b in zip(low, high, strict=True)]
    return torch.cartesian_prod(*sides).view(-1, len(low))


def _split(tiles: Tensor, keep: Tensor) -> tuple[Tensor, Tensor]:
    """The halves in every dimension of each tile that matters to anybody, in the new width; and to whom they matter."""
    live = keep.any(0)
    corners = _tiles(torch.zeros_like(tiles[0]), torch.ones_like(tiles[0]))
    parts = (2 * tiles[live].unsqueeze(1) + corners).flatten(0, 1)
    return parts, keep[:, live].repeat_interleave(len(corners), 1)


def _sum(
    model: Integrable,
    x: Tensor,
    tiles: Tensor,
    width: float,
    cells: int,
    keep: Tensor | None,
    progress: Progress | None,
) -> _Sweep:
    """Sum p(x, z) over the midpoints of ``cells`` cells a side of each tile; where ``keep`` (N, T) says so, or all."""
    if keep is not None:
        live = keep.any(0)
        tiles, keep = tiles[live], keep[:, live]
    total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
    peak = torch.full((len(x), len(tiles)), -math.inf, device=x.device)
    side = (torch.arange(cells, device=x.device) + 0.5) / cells
    inside = torch.cartesian_prod(*[side] * tiles.shape[1]).view(-1, tiles.shape[1])
    together = max(1, BLOCK // len(inside))
    at = lambda tiles: (width * (tiles.unsqueeze(1) + inside)).flatten(0, 1).to(x.dtype)  # noqa: E731
    many = isinstance(model.prior, DiffusionPrior)  # read off a table
    log_p = model.prior.of_many(at(tiles)).split(together * len(inside)) if many else None
    for i in range(0, len(tiles), together):
        part = slice(i, i + together)
        z = at(tiles[part])
        rows = torch.arange(len(x), device=x.device) if keep is None else keep[:, part].any(1).nonzero()[:, 0]
        log_pz = log_p[i // together] if log_p else model.prior.log_prob(z)
        for chosen, table in zip(rows.split(BLOCK), log_likelihood_table(model, x[rows], z), strict=False):
            table = table + log_pz
            peak[chosen, part] = table.unflatten(1, (-1, len(inside))).amax(2).float()
            total[chosen] = torch.logaddexp(total[chosen], table.logsumexp(1).double())
        if progress is not None:
            progress(min(1.0, (i + together) / len(tiles)), f"log p(x) on a grid of spacing {width / cells:.2g}")
    return _Sweep(total, peak, tiles)


def log_likelihood_table(model: Integrable, x: Tensor, z: Tensor) -> Iterator[Tensor]:
    r"""log p(x_n | z_g) of all pairs, in blocks of rows (≤ 1,024, G), for x (N, \*shape) and z (G, L).

    Every decoder is an exponential family, log p(x | z) = x·η(z) − A(z) + c(x): z is decoded once for all x, and one
    matrix product makes the table. A Gaussian's is taken in double precision, because its squares nearly cancel.
    """
    h = model.x_params(z).flatten(1)  # (G, D)
    match model.likelihood:
        case "bernoulli":
            eta, a = h, F.softplus(h).sum(1)
        case "continuous-bernoulli":
            eta, a = h, continuous_bernoulli_log_partition(h).sum(1)
        case _:
            h, logvar = h.double(), model.logvar_x.double()
            eta, a = h * torch.exp(-logvar), -normal_log_prob(h, torch.zeros_like(h), logvar).sum(1)
    for part in x.flatten(1).to(eta.dtype).split(BLOCK):
        table = torch.addmm(-a, part, eta.T)
        if model.likelihood == "gaussian":
            table -= 0.5 * torch.exp(-logvar) * part.square().sum(1, keepdim=True)
        yield table

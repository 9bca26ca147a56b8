r"""How probable data are to a VAE, in nats: the ladder of bounds ELBO ≤ IWAE_k ≤ log p(x), and what its gaps are.

.. math:: \log p(x) - \mathrm{ELBO}(x) = \mathrm{KL}(q(z \mid x) \,\|\, p(z \mid x))

With one or two latent dimensions the top of the ladder is no estimate: :func:`quadrature` integrates over z. Everything
here is computed in single precision with sums in double, and in pieces of bounded memory. ``x`` is always as
``model.inputs`` says; ``progress`` is told the fraction done and a line of text, and what it raises ends the work.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from genmodels import random
from genmodels.data import Data
from genmodels.distributions import (
    continuous_bernoulli_log_partition,
    kl_to_standard_normal,
    normal_entropy,
    normal_log_prob,
)
from genmodels.errors import BadInput
from genmodels.models.vae import VAE
from genmodels.priors import FlowPrior, StandardNormal

__all__ = [
    "Bound",
    "Quadrature",
    "Refinement",
    "active_units",
    "activity",
    "aggregate_posterior",
    "elbo",
    "evaluate",
    "iwae",
    "kl_per_dimension",
    "log_likelihood_table",
    "posterior",
    "quadrature",
    "refine",
]

Progress = Callable[[float, str], None]

ROWS = 1024  # rows that the decoder sees at once: enough to be fast, and its layers stay in the cache
BLOCK = 1024  # rows and columns of a table of log p(x | z) that are held at once
CELLS = 4  # a side of a tile of the first grid
COARSE = 2**18  # points of the first grid, about, that are not exceeded
KEPT = 25.0  # nats: a share of e^-25 of an example's posterior may be left out
GROWTHS = 8  # of the box, at most


# The bounds -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bound:
    """The ELBO of each example and its two parts, elbo = reconstruction − kl, shape (N,) each, nats, float64."""

    elbo: Tensor
    reconstruction: Tensor
    kl: Tensor


@torch.no_grad()
def posterior(model: VAE, x: Tensor) -> tuple[Tensor, Tensor]:
    """mu and logvar of q(z | x), shape (N, L) each."""
    parts = [model.encode(part) for part in x.split(ROWS)]
    return torch.cat([mu for mu, _ in parts]), torch.cat([logvar for _, logvar in parts])


@torch.no_grad()
def elbo(model: VAE, x: Tensor, *, samples: int = 8, rng: torch.Generator | None = None) -> Bound:
    """The evidence lower bound of each example, from ``samples`` draws of z, and its parts."""
    mu, logvar = posterior(model, x)
    found = []
    for part, m, v in zip(*(t.split(max(1, ROWS // samples)) for t in (x, mu, logvar)), strict=True):
        z = model.draw_z(m, v, samples, rng)
        found.append((model.log_likelihood(part, z).double().mean(1), model.kl(m, v, z).double().sum(1)))
    reconstruction, kl = (torch.cat(column) for column in zip(*found, strict=True))
    return Bound(reconstruction - kl, reconstruction, kl)


@torch.no_grad()
def iwae(
    model: VAE, x: Tensor, k: int, *, rng: torch.Generator | None = None, progress: Progress | None = None
) -> Tensor:
    """The importance-weighted bound with ``k`` samples (Burda et al. 2016, eq. 8), nats, shape (N,), float64.

    The sum over k runs in pieces, so that memory does not depend on k. Its cost is N·k evaluations of the decoder.
    """
    together = max(1, ROWS // 64)  # examples at once, with up to 64 samples each
    found = []
    for i, part in enumerate(x.split(together)):
        total = torch.full((len(part),), -math.inf, dtype=torch.float64, device=x.device)
        for left in range(k, 0, -64):
            weights = model.log_weights(part, min(64, left), rng).double()
            total = torch.logaddexp(total, weights.logsumexp(1))
        found.append(total - math.log(k))
        if progress is not None:
            progress(min(1.0, (i + 1) * together / len(x)), f"IWAE with {k:,} samples")
    return torch.cat(found)


# The exact likelihood -------------------------------------------------------------------------------------------------


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
    model: VAE, x: Tensor, *, tolerance: float = 5e-3, refinements: int = 6, progress: Progress | None = None
) -> Quadrature:
    r"""log p(x) of each example, for a model with one or two latent dimensions.

    .. math:: \log p(x) \approx \log \Big( h^L \sum_g p(x \mid z_g)\, p(z_g) \Big)

    The midpoint rule on a box that holds the prior and the posteriors, and grows where its border carries mass. The
    spacing h is halved until the mean stands within ``tolerance``: from the second grid on only in the tiles of the box
    that matter to an example, those with a point within :data:`KEPT` nats of its best, and more nats than that while
    a peak half as wide as the narrowest q(z | x) could hide between two points.

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
    mu, logvar = posterior(model, x)
    sd = torch.exp(0.5 * logvar)
    prior = model.prior.sample(10_000, random.generator(0, x.device)).sort(0).values
    low, high = torch.minimum(prior[10], mu.amin(0)), torch.maximum(prior[-10], mu.amax(0))
    narrow = min(0.02, sd.flatten().sort().values[sd.numel() // 100].item() / 2)
    volume = (high - low).prod().item()
    width = CELLS * max(8 * narrow, (volume / COARSE) ** (1 / model.latent_dim))  # of a tile
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
        cells *= 2
        sweep = _sum(model, x, sweep.tiles, width, cells, keep, progress)
    points = round((high - low).max().item() / h)
    return Quadrature(log_prob, points, h, tuple(low.tolist()), tuple(high.tolist()), change, outside)


def _box(
    model: VAE, x: Tensor, low: Tensor, high: Tensor, width: float, progress: Progress | None
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


def _sum(
    model: VAE,
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
    for i in range(0, len(tiles), together):
        part = slice(i, i + together)
        z = (width * (tiles[part].unsqueeze(1) + inside)).flatten(0, 1).to(x.dtype)
        rows = torch.arange(len(x), device=x.device) if keep is None else keep[:, part].any(1).nonzero()[:, 0]
        log_pz = model.prior.log_prob(z)
        for chosen, table in zip(rows.split(BLOCK), log_likelihood_table(model, x[rows], z), strict=False):
            table = table + log_pz
            peak[chosen, part] = table.unflatten(1, (-1, len(inside))).amax(2).float()
            total[chosen] = torch.logaddexp(total[chosen], table.logsumexp(1).double())
        if progress is not None:
            progress(min(1.0, (i + together) / len(tiles)), f"log p(x) on a grid of spacing {width / cells:.2g}")
    return _Sweep(total, peak, tiles)


def log_likelihood_table(model: VAE, x: Tensor, z: Tensor) -> Iterator[Tensor]:
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


# The latent space -----------------------------------------------------------------------------------------------------


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
        BadInput: For a flow prior in several dimensions, whose marginals have no closed form.
    """
    mu, logvar = posterior(model, x)
    if isinstance(model.prior, StandardNormal):
        return kl_to_standard_normal(mu.double(), logvar.double()).mean(0)
    if isinstance(model.prior, FlowPrior):
        if model.latent_dim > 1:
            raise BadInput("A flow prior has no marginals in closed form, so its KL is not given by dimension.")
        return elbo(model, x, samples=samples, rng=rng).kl.mean(0, keepdim=True)
    total = -normal_entropy(logvar.double()).sum(0)
    for m, v in zip(mu.split(ROWS // samples), logvar.split(ROWS // samples), strict=True):
        total -= model.prior.marginal_log_prob(model.draw_z(m, v, samples, rng)).double().mean(1).sum(0)
    return total / len(x)


@torch.no_grad()
def aggregate_posterior(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    r"""The log of q(z) = (1/N) Σ_n q(z | x_n), the aggregate posterior, at points (G, L), nats, shape (G,), float64.

    Where it is p(z), the prior's samples are what the decoder was trained on (Tomczak & Welling 2018, section 2).
    """
    mu, logvar = posterior(model, x)
    found = []
    for points in z.split(BLOCK):
        total = torch.full((len(points),), -math.inf, dtype=torch.float64, device=z.device)
        for m, v in zip(mu.split(BLOCK), logvar.split(BLOCK), strict=True):
            table = sum(normal_log_prob(points[:, j, None], m[:, j], v[:, j]) for j in range(model.latent_dim))
            total = torch.logaddexp(total, torch.logsumexp(torch.as_tensor(table), 1).double())
        found.append(total - math.log(len(x)))
    return torch.cat(found)


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

    What the ELBO gains is the amortization gap; what it still lacks to log p(x) is the approximation gap, the price of
    a diagonal Gaussian (Cremer et al. 2018, Inference Suboptimality in VAEs, https://arxiv.org/abs/1801.03558).
    Each step sees fresh noise. The reported ELBO has 256 draws that stay the same, in pairs ±ε and scaled to variance
    1: the curve does not shake, and where log p(x, z) is quadratic in each z_j alone it has no error.
    """
    mu, logvar = (t.clone().requires_grad_() for t in posterior(model, x))
    optimizer = torch.optim.Adam([mu, logvar], lr=lr)
    eps = random.randn(len(x), 128, model.latent_dim, rng=rng, device=x.device).to(mu.dtype)
    eps = torch.cat([eps, -eps], 1) / eps.square().mean(1, keepdim=True).sqrt()

    def bound(z: Tensor) -> Tensor:
        return model.log_likelihood(x, z).mean(1) - model.kl(mu, logvar, z).sum(1)

    curve = []
    for step in range(steps + 1):
        with torch.no_grad():
            curve.append(bound(mu.unsqueeze(1) + torch.exp(0.5 * logvar).unsqueeze(1) * eps))
        if step < steps:
            optimizer.zero_grad()
            (-bound(model.draw_z(mu, logvar, samples, rng)).sum()).backward(inputs=[mu, logvar])
            optimizer.step()
        if progress is not None:
            progress(step / max(1, steps), f"Refining q(z | x): step {step} of {steps}")
    return Refinement(torch.stack(curve), mu.detach(), logvar.detach())


# All of it ------------------------------------------------------------------------------------------------------------


def evaluate(
    model: VAE,
    data: Data,
    *,
    split: str = "test",
    n: int | None = None,
    k: int = 5000,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Every measure of the model on the first ``n`` examples of a split (None: all), each with its standard error.

    Returns:
        ``elbo_nats``, ``reconstruction_nats``, ``kl_nats``, ``iwae_<k>_nats`` (without, if k is 0) and, with one or two
        latent dimensions, the exact ``log_prob_nats``: means over the examples, the standard error of each under the
        same name with ``_se``. ``log_prob_spacing``: the grid's; ``log_prob_change_nats``: what halving it changed
        last. ``active_units`` of ``latent_dim``, and ``examples``.
    """
    rng = random.generator(seed, model.device)
    x = data.prepare(getattr(data, split).x[:n].to(model.device), model.inputs, rng)
    bound = elbo(model, x, rng=rng)
    each = {"elbo_nats": bound.elbo, "reconstruction_nats": bound.reconstruction, "kl_nats": bound.kl}
    if k:
        each[f"iwae_{k}_nats"] = iwae(model, x, k, rng=rng, progress=progress)
    found: dict[str, float] = {
        "examples": len(x),
        "latent_dim": model.latent_dim,
        "active_units": active_units(model, x),
    }
    if model.latent_dim <= 2:
        exact = quadrature(model, x, progress=progress)
        each["log_prob_nats"] = exact.log_prob
        found |= {"log_prob_spacing": exact.spacing, "log_prob_change_nats": exact.change}
    for name, values in each.items():
        found |= {name: values.mean().item(), f"{name}_se": (values.std() / math.sqrt(len(values))).item()}
    return found

"""Latent space, of whoever decodes: a map of what codes stand for, where data are encoded, and paths between codes."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Array, Arrays, Task, arrays
from genmodels.instruments.examples import example, some
from genmodels.instruments.samples import labels
from genmodels.models.capabilities import Decoder, Encoder, has
from genmodels.probability.priors import StandardNormal
from genmodels.text import number

__all__ = [
    "Encoded",
    "Map",
    "conclusion_of_geodesic",
    "conclusion_of_path",
    "conclusion_of_sweep",
    "encoded",
    "geodesic",
    "has_map",
    "is_noise",
    "is_smooth",
    "latent_map",
    "linear",
    "normal",
    "path",
    "spherical",
    "sweep",
]

UNIT = "(root mean square a dimension)"
TAIL = 0.02  # of the prior's mass in each direction, that a map leaves out at each end


@dataclass(frozen=True)
class Encoded:
    """Codes of test examples, (N, L), and their labels, (N,)."""

    z: Array
    labels: Array


@torch.no_grad()
def encoded(model: Any, data: Data, n: int = 2000) -> Encoded:
    """Where the encoder puts ``n`` random test examples."""
    x, labels = some(model, data, n)
    z = torch.cat([model.encode(part) for part in x.split(500)])
    return Encoded(z.float().cpu().numpy(), labels.cpu().numpy())


# The map --------------------------------------------------------------------------------------------------------------


def has_map(model: Any) -> bool:
    """Whether a latent space is a map of pictures: two dimensions, with an encoder that says which part is used."""
    return model.is_image and has(model, Decoder) and has(model, Encoder) and model.latent_dim == 2


@dataclass(frozen=True)
class Map:
    r"""A grid of codes, decoded: its axes, (n,) each and rising, and x, (n, n, \*shape), z₂ by rows, rising."""

    axes: tuple[Array, Array]
    x: Array

    def conclusion(self) -> str:
        """How evenly what is decoded changes over the map, a sentence."""
        n = len(self.x)
        flat = self.x.reshape(n, n, -1)
        differ = [a for a in (0, 1) if flat.take(0, a).tobytes() != flat.take(-1, a).tobytes()] or [1]  # of one code: 1
        steps = np.concatenate([_distance(np.diff(flat, axis=a)).ravel() for a in differ])
        if not np.isfinite(steps).all():
            return "Not everything that is decoded is a number: there is nothing to conclude."
        if not steps.max():
            return "Every code of this map is decoded alike."
        typical, most = number(float(np.median(steps)), 2), number(float(steps.max()), 2)
        return f"From a cell to the next, x changes by {typical} in the median and by {most} at most {UNIT}."


@torch.no_grad()
def latent_map(model: Any, n: int = 20, *, label: int | None = None) -> Map:
    """An n × n grid of the first two codes, decoded; it holds nearly all of the prior, and other codes are 0.

    Codes from N(0, I) are evenly spaced in probability (Kingma & Welling 2014, appendix A); those of another ``prior``,
    which has no such quantiles, evenly in z over the box of its samples.

    A conditional model decodes all of it as the class ``label``. Of a single code the rows are alike.

    Raises:
        BadInput: If the grid is beyond memory, or the model has no such class.
    """
    if not 2 <= n <= 200:
        raise BadInput(f"A grid of {n:,} points a side is not possible: from 2 to 200 are.")
    few = min(2, model.latent_dim)
    if is_noise(model):
        axis = torch.special.ndtri(torch.linspace(TAIL, 1 - TAIL, n, dtype=torch.float64)).numpy()
        axes = axis, axis
    else:
        low, high = _box(model)
        axes = np.linspace(low[0], high[0], n), np.linspace(low[few - 1], high[few - 1], n)
    grid = torch.as_tensor(np.stack(np.meshgrid(*axes), -1).reshape(-1, 2), dtype=torch.float32, device=model.device)
    z = torch.zeros(n * n, model.latent_dim, device=model.device)
    z[:, :few] = grid[:, :few]
    return Map(axes, decoded(model, z, label).cpu().numpy().reshape(n, n, *model.shape))


def is_noise(model: Any) -> bool:
    """Whether its codes are draws from N(0, I)."""
    prior = getattr(model, "prior", None)
    return prior is None or isinstance(prior, StandardNormal)


def _box(model: Any) -> Array:
    """Between what in each dimension nearly all draws of the prior lie, (2, L)."""
    z = model.prior.sample(4000, random.generator(0, model.device)).cpu().numpy()
    return np.quantile(z, [TAIL / 4, 1 - TAIL / 4], axis=0)


def decoded(model: Any, z: Tensor, label: int | None) -> Tensor:
    r"""The codes (N, L) decoded, of the class ``label`` where the model is conditional: (N, \*shape)."""
    y = labels(model, len(z), label)
    return (model.decode(z) if y is None else model.decode(z, y)).float()


@torch.no_grad()
def sweep(
    model: Any, data: Data, index: int, *, steps: int = 11, reach: float = 2.5, label: int | None = None
) -> Array:
    r"""One code at a time, the others as a test example is encoded: (L, steps, \*shape).

    From −reach to reach, where codes are draws from N(0, I); through the box of the prior's draws elsewhere.
    """
    (code,) = model.encode(example(model, data, index))
    z = code.repeat(len(code), steps, 1)
    low, high = np.full((2, len(code)), [[-reach], [reach]]) if is_noise(model) else _box(model)
    z.diagonal(dim1=0, dim2=2).copy_(torch.as_tensor(np.linspace(low, high, steps)))
    return decoded(model, z.flatten(0, 1), label).cpu().numpy().reshape(len(code), steps, *model.shape)


# Paths ----------------------------------------------------------------------------------------------------------------


def linear(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(1 − t) a + t b, shape (T, L), for a and b (L,) and t (T,)."""
    t = t[:, None]
    return (1 - t) * a + t * b


def spherical(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """From a to b along the arc that they span, shape (T, L): its points are as long as Gaussian noise is, midway too.

    White (2016), Sampling generative networks. https://arxiv.org/abs/1609.04468
    """
    angle = torch.arccos((a @ b / (a.norm() * b.norm()).clamp_min(1e-9)).clamp(-1, 1))
    if not 1e-3 < angle < math.pi - 1e-3:  # no arc, or any
        return linear(a, b, t)
    t = t[:, None]
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


@torch.no_grad()
def path(
    model: Any,
    data: Data,
    first: int,
    second: int,
    *,
    frames: int = 24,
    arc: bool = False,
    label: int | None = None,
) -> Array:
    r"""A film through latent space, (frames, \*shape), straight or on the arc between two codes.

    Args:
        model: One that decodes.
        data: Its data.
        first: The test example where it begins; without an encoder, the seed of the noise.
        second: Where it ends.
        frames: How many pictures.
        arc: On the arc, not straight.
        label: The class of all, of a conditional model.
    """
    ends = _code(model, data, first), _code(model, data, second)
    z = (spherical if arc else linear)(*ends, torch.linspace(0, 1, frames, device=model.device))
    return decoded(model, z, label).cpu().numpy()


def conclusion_of_path(x: Array) -> str:
    """How evenly a film (frames, …) changes, a sentence."""
    steps = _distance(np.diff(x.reshape(len(x), -1), axis=0))
    if not np.isfinite(steps).all():
        return "Not everything that is decoded is a number: there is nothing to conclude."
    if not steps.sum():
        return "Both ends are decoded alike, and all between."
    largest = number(float(steps.max() / steps.mean()), 2)
    return f"Of {len(steps)} steps of this path, the largest changes x {largest} times as much as the average one."


def conclusion_of_geodesic(film: Arrays) -> str:
    """How much shorter the path is, pulled tight, a sentence; of what :func:`geodesic` returns."""
    first, last = float(film["energy"][0]), float(film["energy"][-1])
    if not math.isfinite(first) or not math.isfinite(last):
        return "The energy of the path is not a number: there is nothing to conclude."
    if last >= first:
        return "No shorter path than the straight one is found."
    return f"Pulled tight, the path has {number(100 * last / first)} % of the straight line's energy."


def conclusion_of_sweep(x: Array) -> str:
    """Which code changes an example most and which least, a sentence; of what :func:`sweep` returns, (L, steps, …)."""
    change = _distance((x[:, -1] - x[:, 0]).reshape(len(x), -1))
    if not np.isfinite(change).all():
        return "Not everything that is decoded is a number: there is nothing to conclude."
    most, least = int(change.argmax()), int(change.argmin())
    if not change[most]:
        return "No code changes this example."
    told = f"From end to end z{most + 1} changes this example by {number(float(change[most]), 2)}"
    if len(change) == 1:
        return f"{told} {UNIT}."
    return f"{told}, more than any other code, and z{least + 1} by {number(float(change[least]), 2)}, the least {UNIT}."


def _distance(difference: Array) -> Array:
    """The root mean square over the last dimension."""
    return np.asarray(np.sqrt(np.square(difference.astype(np.float64)).mean(-1)))


@torch.enable_grad()
def is_smooth(model: Any, label: int | None = None) -> bool:
    """Whether what is decoded moves with its code: not where that is first rounded to a codebook, or then to greys."""
    z = random.randn(2, model.latent_dim, rng=random.generator(0, model.device), device=model.device).requires_grad_()
    x = decoded(model, z, label)
    slope = torch.autograd.grad(x.sum(), z, allow_unused=True)[0] if x.requires_grad else None
    return slope is not None and bool(slope.any())


def geodesic(
    model: Any,
    data: Data,
    first: int,
    second: int,
    frames: int = 24,
    iterations: int = 300,
    label: int | None = None,
) -> Task:
    r"""The path, as :func:`path`, along which the picture changes least: minimal \sum_i \|x_{i+1} - x_i\|^2.

    A discrete geodesic of the decoder's surface (Shao et al. 2018, The Riemannian Geometry of Deep Generative Models,
    algorithm 1, https://arxiv.org/abs/1711.08014), by gradient descent from the straight line. A task.

    Returns:
        "x" (frames, \*shape), "z" (frames, L), the "energy" at each iteration, and "straight", (frames, L).

    Raises:
        BadInput: If nothing pulls: see :func:`is_smooth`.
    """
    if not is_smooth(model, label):
        raise BadInput("What is decoded here is rounded: it has no slope by which a path could be pulled tight.")
    a, b = _code(model, data, first), _code(model, data, second)
    straight = linear(a, b, torch.linspace(0, 1, frames, device=model.device))
    inner = straight[1:-1].clone().requires_grad_()
    optimizer = torch.optim.Adam([inner], lr=0.02)
    energies = []
    for i in range(iterations):
        z = torch.cat([a[None], inner, b[None]])
        energy = decoded(model, z, label).flatten(1).diff(dim=0).square().sum() * (frames - 1)
        optimizer.zero_grad()
        energy.backward(inputs=[inner])
        optimizer.step()
        energies.append(energy.item())
        yield i / iterations
    with torch.no_grad():
        z = torch.cat([a[None], inner, b[None]])
        x = decoded(model, z, label)
    return arrays(x=x, z=z, straight=straight, energy=energies)


@torch.no_grad()
def _code(model: Any, data: Data, which: int) -> Tensor:
    """The code (L,) of a test example; without an encoder, noise from that seed."""
    if has(model, Encoder):
        return model.encode(example(model, data, which))[0]
    return random.randn(model.latent_dim, rng=random.generator(which, model.device))


def normal(reach: float = 4.0, n: int = 161) -> tuple[Array, Array]:
    """z from −reach to reach and its density under N(0, 1), (n,) each: what codes are to be distributed as."""
    z = np.linspace(-reach, reach, n)
    return z, np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)

"""Latent space, of whoever decodes: a map of what codes stand for, where data are encoded, and paths between codes."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.samples import labels
from genmodels.models.capabilities import Encoder, has

__all__ = ["Encoded", "Map", "encoded", "latent_map", "linear", "path", "spherical"]

Array = npt.NDArray[Any]
REACH = 2.5  # of the square of codes that is drawn where nothing is encoded: nearly all of N(0, I)


@dataclass(frozen=True)
class Encoded:
    """Codes of test examples, (N, L), and their labels, (N,)."""

    z: Array
    labels: Array


@dataclass(frozen=True)
class Map:
    r"""What a grid of codes stands for: its axes, (n,) each and rising, and x, (n, n, \*shape), z₂ by rows, rising."""

    axes: tuple[Array, Array]
    x: Array


def prepared(model: Any, data: Data, index: Tensor) -> Tensor:
    """Test examples as the model's loss expects them."""
    x = data.test.x[index.to(data.device)]
    return data.prepare(x, model.inputs, random.generator(0, data.device)).to(model.device)


@torch.no_grad()
def encoded(model: Any, data: Data, n: int = 2000) -> Encoded:
    """Where the encoder puts ``n`` test examples, drawn without order."""
    index = torch.randperm(len(data.test), generator=random.generator(0))[:n]
    z = torch.cat([model.encode(part) for part in prepared(model, data, index).split(500)])
    return Encoded(z.float().cpu().numpy(), data.test.y[index.to(data.device)].cpu().numpy())


@torch.no_grad()
def latent_map(model: Any, data: Data, n: int = 20, *, label: int | None = None) -> Map:
    """What the decoder makes of an n × n grid of the first two codes, all others 0.

    The grid holds 98 % of the encoded test data in each direction, where there is an encoder; otherwise nearly all of
    N(0, I). A conditional model decodes all of it as the class ``label``. Of a single code the rows are alike.

    Raises:
        BadInput: If the grid is beyond memory, or the model has no such class.
    """
    if not 2 <= n <= 200:
        raise BadInput(f"A map needs 2 to 200 points a side; here n = {n}.")
    few = min(2, model.latent_dim)
    low, high = np.full(2, -REACH), np.full(2, REACH)
    if has(model, Encoder):
        low[:few], high[:few] = np.quantile(encoded(model, data).z[:, :few], [0.01, 0.99], axis=0)
    axes = np.linspace(low[0], high[0], n), np.linspace(low[1], high[1], n)
    grid = torch.as_tensor(np.stack(np.meshgrid(*axes), -1).reshape(-1, 2), dtype=torch.float32, device=model.device)
    z = torch.zeros(n * n, model.latent_dim, device=model.device)
    z[:, :few] = grid[:, :few]
    return Map(axes, decoded(model, z, label).reshape(n, n, *model.shape))


def decoded(model: Any, z: Tensor, label: int | None) -> Array:
    r"""What the codes (N, L) stand for, of the class ``label`` where the model is conditional, (N, \*shape)."""
    y = labels(model, len(z), label)
    return (model.decode(z) if y is None else model.decode(z, y)).float().cpu().numpy()


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
    if has(model, Encoder):
        a, b = model.encode(prepared(model, data, torch.tensor([first, second])))
    else:
        a, b = (random.randn(model.latent_dim, rng=random.generator(seed, model.device)) for seed in (first, second))
    z = (spherical if arc else linear)(a, b, torch.linspace(0, 1, frames, device=model.device))
    return decoded(model, z, label)

"""Residual networks up from data to a vector and down again, level by level.

A level is a grid of places (or, of points and of flat networks, one vector). Of images the levels are the whole picture
as one vector, a grid of a quarter of its side, and one of half of it. A rung is a stochastic layer on a level, where a
model has several (:mod:`genmodels.nn.ladder`).
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "BottomUp",
    "Head",
    "Level",
    "Residual",
    "ResidualDecoder",
    "ResidualEncoder",
    "descent",
    "layer",
    "levels",
    "prepared",
]

FINEST = 16  # channels at the picture's own size


class Level(NamedTuple):
    """How many rungs stand on a grid, and its sides; None of one vector."""

    rungs: int
    grid: tuple[int, int] | None


def levels(shape: tuple[int, ...], network: str, rungs: int) -> list[Level]:
    """The levels from the top down. Below the top, "conv" shares its rungs out to a quarter and half of the side."""
    if network == "mlp":
        return [Level(1, None)] * rungs
    quarter, half = (tuple(-(-side // part) for side in shape[1:]) for part in (4, 2))
    return [Level(1, None), Level(rungs // 2, quarter), Level((rungs - 1) // 2, half)]  # type: ignore[arg-type]


class Residual(nn.Sequential):
    """h plus what two layers make of it; nothing at first (He et al. 2016, https://arxiv.org/abs/1603.05027)."""

    def __init__(self, width: int, level: Level) -> None:
        last = layer(width, width, level)
        super().__init__(nn.SiLU(), layer(width, width, level), nn.SiLU(), last)
        nn.init.zeros_(last.weight)  # type: ignore[arg-type]
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        """Of the shape of h."""
        return h + super().forward(h)


class BottomUp(nn.ModuleList):
    """Data → features at every level, from the top down, each (B, width) or (B, width, H, W)."""

    def __init__(self, shape: tuple[int, ...], width: int, where: list[Level], depth: int) -> None:
        up, size = where[::-1], math.prod(shape)
        begin: nn.Module = nn.Sequential(nn.Flatten(), nn.Linear(size, width))
        if up[0].grid:
            begin = nn.Conv2d(shape[0], width, 5, stride=2, padding=2)
        steps = [begin, *(_ascent(width, *pair) for pair in pairwise(up))]
        super().__init__(
            nn.Sequential(step, *(Residual(width, level) for _ in range(depth)))
            for step, level in zip(steps, up, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """The features of x."""
        features = []
        for part in self:
            x = part(x)
            features.append(x)
        return features[::-1]


class Head(nn.Sequential):
    r"""The lowest state d → the decoder's numbers h, (B, \*shape), through the levels on which no rung stands."""

    def __init__(self, shape: tuple[int, ...], width: int, where: list[Level], depth: int) -> None:
        last = max(i for i, level in enumerate(where) if level.rungs)
        parts = [part for pair in pairwise(where[last:]) for part in descent(width, *pair, depth)]
        if where[-1].grid:
            super().__init__(*parts, nn.SiLU(), Grow(width, shape))
        else:
            super().__init__(*parts, nn.SiLU(), nn.Linear(width, math.prod(shape)), nn.Unflatten(1, shape))


class ResidualEncoder(nn.Sequential):
    """Images (B, C, H, W) → (B, outputs), with ``depth`` blocks on each level."""

    def __init__(self, shape: tuple[int, ...], outputs: int, *, width: int, depth: int) -> None:
        up = BottomUp(shape, width, levels(shape, "conv", 1), depth)
        super().__init__(prepared(up), Top(), nn.SiLU(), nn.Linear(width, outputs))


class Top(nn.Module):
    """Of the features of all levels, the first."""

    def forward(self, features: list[Tensor]) -> Tensor:
        """(B, width)."""
        return features[0]


class ResidualDecoder(nn.Sequential):
    """The mirror image: (B, inputs) → (B, C, H, W)."""

    def __init__(self, inputs: int, shape: tuple[int, ...], *, width: int, depth: int) -> None:
        where = levels(shape, "conv", 1)
        head = prepared(Head(shape, width, where, depth))
        super().__init__(nn.Linear(inputs, width), Residual(width, where[0]), head)


class Grow(nn.Module):
    """Half of the picture's side → the picture: (B, width, H/2, W/2) → (B, C, H, W)."""

    def __init__(self, width: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.sides = shape[1:]
        self.up = nn.ConvTranspose2d(width, FINEST, 4, stride=2, padding=1)
        self.out = nn.Conv2d(FINEST, shape[0], 3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        """Unbounded."""
        height, width = self.sides
        return self.out(F.silu(self.up(h)[..., :height, :width]))


class Nearest(nn.Module):
    """A grid made finer: each place takes the value of the one that it lies in."""

    def __init__(self, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, h: Tensor) -> Tensor:
        """(B, width, *grid)."""
        return F.interpolate(h, self.grid)


def prepared(module: nn.Module) -> nn.Module:
    """``module`` with its weights in the order of memory in which processors convolve faster, above all in bfloat16."""
    return module.to(memory_format=torch.channels_last)


def layer(n_in: int, n_out: int, level: Level, size: int = 3) -> nn.Linear | nn.Conv2d:
    """A linear layer: of a grid, a convolution of ``size`` × ``size`` places."""
    return nn.Conv2d(n_in, n_out, size, padding=size // 2) if level.grid else nn.Linear(n_in, n_out)


def _ascent(width: int, here: Level, above: Level) -> nn.Module:
    """From a level to the one above."""
    if above.grid:
        return nn.Sequential(nn.SiLU(), nn.Conv2d(width, width, 3, stride=2, padding=1))
    places = math.prod(here.grid) if here.grid else 1
    return nn.Sequential(nn.SiLU(), nn.Flatten(), nn.Linear(places * width, width))


def descent(width: int, above: Level, here: Level, depth: int) -> list[nn.Module]:
    """From a level to the one below, or on the same, and blocks there."""
    steps = list[nn.Module]()
    if here.grid != above.grid and here.grid:
        dense = [nn.SiLU(), nn.Linear(width, width * math.prod(here.grid)), nn.Unflatten(1, (width, *here.grid))]
        steps = [Nearest(here.grid)] if above.grid else dense
    return steps + [Residual(width, here) for _ in range(depth)]

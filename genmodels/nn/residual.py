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
]

FINEST = 16  # channels at the picture's own size


class Level(NamedTuple):
    """How many rungs stand on a grid, its sides (None of one vector), and its channels (or units)."""

    rungs: int
    grid: tuple[int, int] | None
    width: int


def levels(shape: tuple[int, ...], network: str, rungs: int, width: int) -> list[Level]:
    """The levels from the top down. Below the top, "conv" shares its rungs out to a quarter and half of the side.

    The finest grid has half the channels: it costs most, and what is told there is simple.
    """
    if network == "mlp":
        return [Level(1, None, width)] * rungs
    quarter, half = (tuple(-(-side // part) for side in shape[1:]) for part in (4, 2))
    return [Level(1, None, width), Level(rungs // 2, quarter, width), Level((rungs - 1) // 2, half, width // 2)]  # type: ignore[arg-type]


class Residual(nn.Sequential):
    """h plus what two layers make of it; nothing at first (He et al. 2016, https://arxiv.org/abs/1603.05027)."""

    def __init__(self, level: Level) -> None:
        width = level.width
        last = layer(width, width, level)
        super().__init__(nn.SiLU(), layer(width, width, level), nn.SiLU(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        """h + f(h), of the shape of h."""
        return h + super().forward(h)


class BottomUp(nn.ModuleList):
    """Data → features at every level, from the top down, each (B, width) or (B, width, H, W)."""

    def __init__(self, shape: tuple[int, ...], where: list[Level], depth: int) -> None:
        up, size = where[::-1], math.prod(shape)
        begin: nn.Module = nn.Sequential(nn.Flatten(), nn.Linear(size, up[0].width))
        if up[0].grid:
            begin = nn.Sequential(nn.Conv2d(shape[0], up[0].width, 5, stride=2, padding=2), ChannelsLast())
        steps = [begin, *(_ascent(*pair) for pair in pairwise(up))]
        super().__init__(
            nn.Sequential(step, *(Residual(level) for _ in range(depth))) for step, level in zip(steps, up, strict=True)
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

    def __init__(self, shape: tuple[int, ...], where: list[Level], depth: int) -> None:
        width, last = where[-1].width, max(i for i, level in enumerate(where) if level.rungs)
        parts = [part for pair in pairwise(where[last:]) for part in descent(*pair, depth)]
        if where[-1].grid:
            super().__init__(*parts, nn.SiLU(), Grow(width, shape))
        else:
            super().__init__(*parts, nn.SiLU(), nn.Linear(width, math.prod(shape)), nn.Unflatten(1, shape))


class ResidualEncoder(nn.Sequential):
    """Images (B, C, H, W) → (B, outputs), with ``depth`` blocks on each level."""

    def __init__(self, shape: tuple[int, ...], outputs: int, *, width: int, depth: int) -> None:
        up = BottomUp(shape, levels(shape, "conv", 1, width), depth)
        super().__init__(up, Top(), nn.SiLU(), nn.Linear(width, outputs))


class Top(nn.Module):
    """Keep the features of the top level."""

    def forward(self, features: list[Tensor]) -> Tensor:
        """The features of the top level, (B, width)."""
        return features[0]


class ResidualDecoder(nn.Sequential):
    """The mirror image: (B, inputs) → (B, C, H, W)."""

    def __init__(self, inputs: int, shape: tuple[int, ...], *, width: int, depth: int) -> None:
        where = levels(shape, "conv", 1, width)
        super().__init__(nn.Linear(inputs, width), Residual(where[0]), Head(shape, where, depth))


class Grow(nn.Module):
    """Half of the picture's side → the picture: (B, width, H/2, W/2) → (B, C, H, W)."""

    def __init__(self, width: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.sides = shape[1:]
        self.up = nn.ConvTranspose2d(width, FINEST, 4, stride=2, padding=1)
        self.out = nn.Conv2d(FINEST, shape[0], 3, padding=1)

    def forward(self, h: Tensor) -> Tensor:
        """Numbers without bounds, (B, C, H, W)."""
        height, width = self.sides
        return self.out(F.silu(self.up(h)[..., :height, :width]))


class ChannelsLast(nn.Module):
    """The order of memory in which processors convolve faster, above all in bfloat16; what comes after keeps it."""

    def forward(self, h: Tensor) -> Tensor:
        """h with channels last in memory, its numbers unchanged."""
        return h.contiguous(memory_format=torch.channels_last)


class Nearest(nn.Module):
    """A grid made finer: each place takes the value of the one that it lies in."""

    def __init__(self, grid: tuple[int, int]) -> None:
        super().__init__()
        self.grid = grid

    def forward(self, h: Tensor) -> Tensor:
        """Features on the finer grid, (B, width, *grid)."""
        return F.interpolate(h, self.grid)


def layer(n_in: int, n_out: int, level: Level, size: int = 3) -> nn.Linear | nn.Conv2d:
    """A linear layer: of a grid, a convolution of ``size`` × ``size`` places."""
    return nn.Conv2d(n_in, n_out, size, padding=size // 2) if level.grid else nn.Linear(n_in, n_out)


def _ascent(here: Level, above: Level) -> nn.Module:
    """From a level to the one above."""
    if above.grid:
        return nn.Sequential(nn.SiLU(), nn.Conv2d(here.width, above.width, 3, stride=2, padding=1))
    places = math.prod(here.grid) if here.grid else 1
    return nn.Sequential(nn.SiLU(), nn.Flatten(), nn.Linear(places * here.width, above.width))


def descent(above: Level, here: Level, depth: int) -> list[nn.Module]:
    """From a level to the one below, or on the same, and ``depth`` blocks there."""
    steps = list[nn.Module]()
    if here.grid and here.grid != above.grid:
        if above.grid:
            steps = [nn.Conv2d(above.width, here.width, 1), Nearest(here.grid)]
        else:
            dense = nn.Linear(above.width, here.width * math.prod(here.grid))
            steps = [nn.SiLU(), dense, nn.Unflatten(1, (here.width, *here.grid)), ChannelsLast()]
    return steps + [Residual(here) for _ in range(depth)]

"""Networks between images and maps of vectors: strided convolutions, and residual blocks where the map is small."""

import itertools

import torch
from torch import Tensor, nn

from genmodels.nn.residual import Level, Residual

__all__ = ["MapDecoder", "MapEncoder", "halved"]


def halved(side: int, times: int) -> int:
    """A side of an image, halved so many times, each time rounded up.

    >>> halved(28, 2), halved(28, 3)
    (7, 4)
    """
    return -(-side // 2**times)


class MapEncoder(nn.Sequential):
    """Images (B, C, H, W) → a vector for each place of a map, (B, outputs, H / 2^depth, W / 2^depth)."""

    def __init__(self, shape: tuple[int, ...], outputs: int, *, channels: int, depth: int, blocks: int) -> None:
        widths = [shape[0], *_widths(channels, depth)[1:]]
        layers: list[nn.Module] = []
        for c_in, c_out in itertools.pairwise(widths):
            layers += [nn.Conv2d(c_in, c_out, 3, stride=2, padding=1), nn.ReLU()]
        rest = [nn.Conv2d(widths[-1], channels, 3, padding=1), *_blocks(shape, channels, depth, blocks)]
        super().__init__(*layers, *rest, nn.ReLU(), nn.Conv2d(channels, outputs, 1))
        self.to(memory_format=torch.channels_last)


class MapDecoder(nn.Module):
    """The way back: (B, inputs, H / 2^depth, W / 2^depth) → images (B, C, H, W), unbounded."""

    def __init__(self, inputs: int, shape: tuple[int, ...], *, channels: int, depth: int, blocks: int) -> None:
        super().__init__()
        widths = _widths(channels, depth)[::-1]
        self.sizes = [(halved(shape[1], i), halved(shape[2], i)) for i in reversed(range(depth))]
        self.blocks = nn.Sequential(
            nn.Conv2d(inputs, channels, 3, padding=1), *_blocks(shape, channels, depth, blocks), nn.ReLU()
        )
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1) for c_in, c_out in itertools.pairwise(widths)
        )
        self.out = nn.Conv2d(widths[-1], shape[0], 3, padding=1)
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor) -> Tensor:
        """Images of ``z``; where a size was rounded up, the last row or column is cut again."""
        h = self.blocks(z)
        for up, (height, width) in zip(self.ups, self.sizes, strict=True):
            h = torch.relu(up(h))[..., :height, :width]
        return self.out(h)


def _widths(channels: int, depth: int) -> list[int]:
    """Channels from the finest size, depth halvings away, to the map: half as many where the image is twice as large.

    >>> _widths(64, 2)
    [16, 32, 64]
    """
    return [max(4, channels >> i) for i in reversed(range(depth + 1))]


def _blocks(shape: tuple[int, ...], channels: int, depth: int, count: int) -> list[nn.Module]:
    """Residual blocks at the size of the map."""
    level = Level(1, (halved(shape[1], depth), halved(shape[2], depth)), channels)
    return [Residual(level) for _ in range(count)]

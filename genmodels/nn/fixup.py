"""Residual networks without normalization, a generator and a critic: their first weights do what it would be there for.

Every block adds to its input what a branch makes of it. All branches begin at 0, so that the network begins as a linear
one however deep it is, and the other weights of a branch are the smaller the more blocks there are: Zhang et al.
(2019), Fixup initialization. https://arxiv.org/abs/1901.09321. Maps are resampled bilinearly, where strided kernels
leave a pattern. As the players of a GAN: Huang et al. (2024), The GAN is dead; long live the GAN!
https://arxiv.org/abs/2501.05441
"""

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Block", "ImageGenerator", "image_features", "point_features", "point_generator"]

SLOPE = 0.2  # of the leaky ReLU
GAIN = math.sqrt(
    2 / (1 + SLOPE**2)
)  # keeps the variance through it: He et al. (2015). https://arxiv.org/abs/1502.01852
BLOCKS = 3  # of a network for points
STAGE = 1  # blocks at each size of the maps; two take 1.9 times as long
GROUP = 16  # channels of the 3×3 kernels that see each other

Layer = nn.Linear | nn.Conv2d | nn.ConvTranspose2d


def _first(layer: Layer, gain: float = 1.0) -> Layer:
    """``layer`` with weights whose variance is gain² / (inputs of each output), and no bias."""
    fan = math.prod(layer.weight.shape[1:])
    if isinstance(layer, nn.ConvTranspose2d):
        fan = layer.in_channels * math.prod(layer.kernel_size) // math.prod(layer.stride)
    reach = gain * math.sqrt(3 / fan)
    nn.init.uniform_(layer.weight, -reach, reach)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class Block(nn.Module):
    """x + branch(x), the branch layers with leaky ReLU between them; ``of``: how many blocks the network has."""

    def __init__(self, *layers: Layer, of: int) -> None:
        super().__init__()
        for layer in layers[:-1]:
            _first(layer, GAIN * of ** (-1 / (2 * len(layers) - 2)))
        nn.init.zeros_(_first(layers[-1]).weight)
        between = [part for layer in layers[:-1] for part in (layer, nn.LeakyReLU(SLOPE))]
        self.branch = nn.Sequential(*between, layers[-1])

    def forward(self, x: Tensor) -> Tensor:
        """The shape of ``x``."""
        return x + self.branch(x)


# Points ---------------------------------------------------------------------------------------------------------------


def point_features(inputs: int, hidden: int) -> nn.Sequential:
    """(B, inputs) → (B, hidden)."""
    blocks = [Block(nn.Linear(hidden, hidden), nn.Linear(hidden, hidden), of=BLOCKS) for _ in range(BLOCKS)]
    return nn.Sequential(_first(nn.Linear(inputs, hidden)), *blocks, nn.LeakyReLU(SLOPE))


def point_generator(inputs: int, outputs: int, hidden: int) -> nn.Sequential:
    """(B, inputs) → (B, outputs)."""
    return nn.Sequential(*point_features(inputs, hidden), _first(nn.Linear(hidden, outputs)))


# Images ---------------------------------------------------------------------------------------------------------------


class Pointwise(nn.Linear):
    """A convolution with a kernel of one pixel, as the matrix product that it is: its second derivative is one too."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) → (B, C', H, W)."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _stage(channels: int, stages: int) -> list[nn.Module]:
    """The blocks at one size: pixel by pixel into twice as many channels, neighbours by groups, and back."""
    wide = 2 * channels
    groups = max(1, wide // GROUP) if wide % GROUP == 0 else 1
    return [
        Block(
            Pointwise(channels, wide),
            nn.Conv2d(wide, wide, 3, padding=1, groups=groups),
            Pointwise(wide, channels),
            of=STAGE * stages,
        )
        for _ in range(STAGE)
    ]


class Resample(nn.Module):
    """Maps (B, C, H, W) at another size, bilinearly: to half of it each pixel is the mean of four."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H', W')."""
        return F.interpolate(x, size=self.size, mode="bilinear", align_corners=False)


class FlattenMaps(nn.Module):
    """(B, C, H, W) → (B, H·W·C), in the order in which channels-last maps lie: nothing is copied, forward or back."""

    def forward(self, x: Tensor) -> Tensor:
        """The maps of each example as one row."""
        return x.permute(0, 2, 3, 1).flatten(1)


def image_features(channels: list[int], sizes: list[tuple[int, int]]) -> nn.Sequential:
    """Images (B, C, H, W) → (B, 4 · the most channels).

    Args:
        channels: Of the image, and of the maps at each size below its own.
        sizes: (H, W) of the image and of these maps.
    """
    stages = len(channels) - 1
    layers: list[nn.Module] = [_first(nn.Conv2d(channels[0], channels[1], 4, stride=2, padding=1))]
    for i, (n_in, n_out) in enumerate(pairwise(channels[1:]), 2):
        layers += [*_stage(n_in, stages), Resample(sizes[i]), _first(Pointwise(n_in, n_out))]
    widest = channels[-1]
    dense = _first(nn.Linear(widest * math.prod(sizes[-1]), 4 * widest), GAIN)
    layers += [*_stage(widest, stages), FlattenMaps(), dense, nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


class ImageGenerator(nn.Module):
    """(B, inputs) → (B, C, H, W) in [−1, 1]; ``channels`` and ``sizes`` as of :func:`image_features`."""

    def __init__(self, inputs: int, channels: list[int], sizes: list[tuple[int, int]]) -> None:
        super().__init__()
        widest, stages, (self.height, self.width) = channels[-1], len(channels) - 1, sizes[0]
        self.first = (*sizes[-1], widest)
        self.dense = nn.Sequential(
            *(_first(nn.Linear(inputs, 4 * widest), GAIN), nn.LeakyReLU(SLOPE)),
            _first(nn.Linear(4 * widest, math.prod(self.first))),
        )
        layers = _stage(widest, stages)
        for n_in, n_out, size in zip(channels[:1:-1], channels[-2:0:-1], sizes[-2:0:-1], strict=True):
            layers += [_first(Pointwise(n_in, n_out)), Resample(size), *_stage(n_out, stages)]
        last = nn.ConvTranspose2d(channels[1], channels[0], 4, stride=2, padding=1)
        self.maps = nn.Sequential(*layers, nn.LeakyReLU(SLOPE), _first(last, GAIN))
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor) -> Tensor:
        """Images of ``z``, shape (B, C, H, W)."""
        h = self.dense(z).unflatten(1, self.first).permute(0, 3, 1, 2)
        return torch.tanh(self.maps(h)[..., : self.height, : self.width])

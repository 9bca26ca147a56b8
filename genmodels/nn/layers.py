"""Networks: a multilayer perceptron, a convolutional encoder and decoder for images of any size from 8×8, a layer.

Encoders and decoders by name are here too; the residual ones are in :mod:`genmodels.nn.residual`.
"""

import itertools
import math
from typing import TypeVar

import torch
from torch import Tensor, nn

from genmodels.errors import BadInput
from genmodels.nn.residual import ResidualDecoder, ResidualEncoder

__all__ = ["MLP", "ConvDecoder", "ConvEncoder", "GroupNorm", "SkipMLP", "decoder", "encoder", "silent"]

Layer = TypeVar("Layer", bound=nn.Module)


class MLP(nn.Sequential):
    """Linear layers with ReLU between them: ``MLP(784, 512, 512, 4)`` has two hidden layers of 512 units."""

    def __init__(self, *sizes: int) -> None:
        layers: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        super().__init__(*layers[:-1])


class SkipMLP(nn.Module):
    """An MLP that is shown its input again at every layer: ``SkipMLP(2, 512, 512, 784)``.

    Dieng et al. (2019), Avoiding latent variable collapse with generative skip models.
    https://arxiv.org/abs/1807.04863
    """

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        seen = [0, *[sizes[0]] * (len(sizes) - 2)]  # beside what comes from the layer before
        pairs = zip(itertools.pairwise(sizes), seen, strict=True)
        self.layers = nn.ModuleList(nn.Linear(n_in + more, n_out) for (n_in, n_out), more in pairs)

    def forward(self, z: Tensor) -> Tensor:
        """The last layer's numbers, (B, sizes[-1]), for z (B, sizes[0])."""
        h = self.layers[0](z)
        for layer in self.layers[1:]:
            h = layer(torch.cat([torch.relu(h), z.to(h.dtype)], 1))
        return h


class GroupNorm(nn.GroupNorm):
    """Group normalization in ``groups`` groups, or as many of them as divide the channels.

    Mean and variance are always taken in float32 or better. Of bfloat16, processors do so two to three times as fast
    as of its copy in float32 where the channels of a group are a multiple of 16, and several times slower where not.

    Wu & He (2018), Group normalization. https://arxiv.org/abs/1803.08494
    """

    def __init__(self, groups: int, channels: int, eps: float = 1e-5) -> None:
        super().__init__(math.gcd(groups, channels), channels, eps)
        self.is_wide = channels // self.num_groups % 16 == 0

    def forward(self, x: Tensor) -> Tensor:
        """``x`` normalized, in the dtype of ``x``."""
        return super().forward(x if self.is_wide else x.to(self.weight.dtype)).to(x.dtype)


class ConvEncoder(nn.Sequential):
    """Images (B, C, H, W) → (B, outputs): ``depth`` convolutions that halve the size, then one hidden layer."""

    def __init__(self, shape: tuple[int, ...], outputs: int, *, hidden: int = 512, depth: int = 2) -> None:
        channels, sizes = _stages(shape, depth)
        layers: list[nn.Module] = []
        for c_in, c_out in itertools.pairwise(channels):
            layers += [nn.Conv2d(c_in, c_out, 3, stride=2, padding=1), nn.ReLU()]
        super().__init__(*layers, nn.Flatten(), MLP(channels[-1] * math.prod(sizes[-1]), hidden, outputs))


class ConvDecoder(nn.Module):
    """The mirror image: (B, inputs) → (B, C, H, W). Kernels of 4 at stride 2 overlap evenly: no checkerboard."""

    def __init__(self, inputs: int, shape: tuple[int, ...], *, hidden: int = 512, depth: int = 2) -> None:
        super().__init__()
        channels, self.sizes = _stages(shape, depth)
        self.first = (channels[-1], *self.sizes[-1])
        self.dense = MLP(inputs, hidden, math.prod(self.first))
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(channels[i + 1], channels[i], 4, stride=2, padding=1) for i in reversed(range(depth))
        )

    def forward(self, z: Tensor) -> Tensor:
        """Images of ``z``, unbounded, shape (B, C, H, W)."""
        h = self.dense(z).unflatten(1, self.first)
        for up, (height, width) in zip(self.ups, reversed(self.sizes[:-1]), strict=True):
            h = up(torch.relu(h))[..., :height, :width]
        return h


def silent(layer: Layer) -> Layer:
    """``layer`` with weights of zero: at the start of training it adds, or moves, nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _stages(shape: tuple[int, ...], depth: int, network: str = "conv") -> tuple[list[int], list[tuple[int, int]]]:
    """Channels and sizes after 0, 1, …, depth halvings (rounded up)."""
    if len(shape) != 3 or min(shape[1:]) < 8:
        raise BadInput(f"network = {network} needs images of at least 8×8, not data of shape {shape}: use mlp.")
    if depth < 1:
        raise BadInput(f"network = {network} needs a depth of at least 1: use mlp.")
    channels, height, width = shape
    return (
        [channels] + [min(32 << i, 128) for i in range(depth)],
        [(-(-height // 2**i), -(-width // 2**i)) for i in range(depth + 1)],
    )


def encoder(network: str, shape: tuple[int, ...], outputs: int, *, hidden: int, depth: int) -> nn.Module:
    """From data of ``shape`` to ``outputs`` numbers; ``network`` is "conv", "residual", "mlp" or (alike) "skip"."""
    if network == "residual":
        _stages(shape, depth, network)
        return ResidualEncoder(shape, outputs, width=max(8, hidden // 8), depth=depth)
    if network == "conv":
        return ConvEncoder(shape, outputs, hidden=hidden, depth=depth)
    return nn.Sequential(nn.Flatten(), MLP(math.prod(shape), *[hidden] * depth, outputs))


def decoder(network: str, inputs: int, shape: tuple[int, ...], *, hidden: int, depth: int) -> nn.Module:
    """From ``inputs`` numbers to data of ``shape``, unbounded; ``network`` is "mlp", "conv", "residual" or "skip"."""
    if network == "residual":
        return ResidualDecoder(inputs, shape, width=max(8, hidden // 8), depth=depth)
    if network == "conv":
        return ConvDecoder(inputs, shape, hidden=hidden, depth=depth)
    kind = SkipMLP if network == "skip" else MLP
    return nn.Sequential(kind(inputs, *[hidden] * depth, math.prod(shape)), nn.Unflatten(1, shape))

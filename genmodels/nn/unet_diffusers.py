r"""The U-Net of Ho et al. (2020) in the layout in which the Hub keeps it: ``UNet2DModel`` of the library diffusers.

The same arithmetic under the same names of weights, so that a checkpoint goes from one library to the other by name
(:mod:`genmodels.export.diffusers`). Like every network here it is a function ``network(x, u, y)`` of the time
u = t / T; inside, times are counted as there, 0 … T − 1.

Ho, Jain & Abbeel (2020), Denoising diffusion probabilistic models, appendix B. https://arxiv.org/abs/2006.11239
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels.errors import BadInput
from genmodels.nn.layers import GroupNorm, silent
from genmodels.nn.unet import attend

__all__ = ["CONVENTIONS", "Convention", "UNet2D"]


class Convention:
    """The details in which two families of checkpoints differ without a trace in their weights.

    Attributes:
        eps: Added to the variance by group normalization.
        padding: Zeros before and after a side when a grid is halved; 0: one after it.
        shift: The lowest frequency of the time is 10000 ** -((n - 1) / (n - shift)), of n frequencies.
        cosine_first: Whether the cosines of the time come before its sines.
    """

    def __init__(self, eps: float, padding: int, shift: int, cosine_first: bool) -> None:
        self.eps, self.padding, self.shift, self.cosine_first = eps, padding, shift, cosine_first


CONVENTIONS = {
    "unet2d": Convention(1e-5, 1, 0, True),  # diffusers' defaults: what people train with it
    "unet2d-ddpm": Convention(1e-6, 0, 1, False),  # Ho et al.'s own weights, google/ddpm-* on the Hub
}
"""By the name of the network."""


class TimeEmbedding(nn.Module):
    """Two layers on the features of a time."""

    def __init__(self, n: int, width: int) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = nn.Linear(n, width), nn.Linear(width, width)

    def forward(self, features: Tensor) -> Tensor:
        """Shape (B, n) → (B, width)."""
        return self.linear_2(F.silu(self.linear_1(features)))


class Resnet(nn.Module):
    """Two convolutions around a residual connection; in between, the time raises each channel."""

    def __init__(self, n_in: int, n_out: int, told: int, groups: int, eps: float, dropout: float) -> None:
        super().__init__()
        self.norm1, self.conv1 = GroupNorm(groups, n_in, eps=eps), nn.Conv2d(n_in, n_out, 3, padding=1)
        self.time_emb_proj = nn.Linear(told, n_out)
        self.norm2, self.conv2 = GroupNorm(groups, n_out, eps=eps), silent(nn.Conv2d(n_out, n_out, 3, padding=1))
        self.dropout = nn.Dropout(dropout)
        self.conv_shortcut = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else None

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Shape (B, n_in, H, W) → (B, n_out, H, W), told ``c``, shape (B, told)."""
        h = self.conv1(F.silu(self.norm1(x))) + self.time_emb_proj(F.silu(c))[:, :, None, None]
        h = self.conv2(self.dropout(F.silu(self.norm2(h))))
        return h + (x if self.conv_shortcut is None else self.conv_shortcut(x))


class Attention(nn.Module):
    """Each position of an image looks at all others, with each head at its own channels of them."""

    def __init__(self, channels: int, head_dim: int, groups: int, eps: float) -> None:
        super().__init__()
        self.heads = channels // head_dim if head_dim else 1
        self.group_norm = GroupNorm(groups, channels, eps=eps)
        self.to_q, self.to_k, self.to_v = (nn.Linear(channels, channels) for _ in range(3))
        self.to_out = nn.Sequential(silent(nn.Linear(channels, channels)))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, C, H, W) in and out."""
        h = self.group_norm(x).permute(0, 2, 3, 1).flatten(1, 2)  # (B, H·W, C)

        def split(one: Tensor) -> Tensor:
            """(B, N, C) → (B · heads, N, C / heads)."""
            return one.unflatten(2, (self.heads, -1)).transpose(1, 2).flatten(0, 1)

        seen = attend(split(self.to_q(h)), split(self.to_k(h)), split(self.to_v(h)))
        seen = self.to_out(seen.unflatten(0, (-1, self.heads)).transpose(1, 2).flatten(2))
        return x + seen.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


class Half(nn.Module):
    """A convolution that halves the number of rows and of columns."""

    def __init__(self, channels: int, padding: int) -> None:
        super().__init__()
        self.padding = padding
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, C, H, W) → (B, C, H / 2, W / 2)."""
        return self.conv(x if self.padding else F.pad(x, (0, 1, 0, 1)))


class Twice(nn.Module):
    """A convolution after the number of rows and of columns is doubled."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, C, H, W) → (B, C, 2 H, 2 W)."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Grid(nn.Module):
    """The blocks at one grid, and what leads to the next one; empty lists have no weights, so they leave no names."""

    def __init__(self, resnets: Sequence[nn.Module], attentions: Sequence[nn.Module]) -> None:
        super().__init__()
        self.resnets, self.attentions = nn.ModuleList(resnets), nn.ModuleList(attentions)
        self.downsamplers, self.upsamplers = nn.ModuleList(), nn.ModuleList()

    def block(self, i: int, x: Tensor, c: Tensor) -> Tensor:
        """Apply the grid's ``i``-th block to ``x``."""
        x = self.resnets[i](x, c)
        return self.attentions[i](x) if i < len(self.attentions) else x


class UNet2D(nn.Module):
    """Down to coarse grids, across, and up again; all that was seen on the way down is handed to the way up.

    Args:
        shape: Of the images, (C, H, W); the sides halve evenly from grid to grid.
        T: Times.
        widths: Channels at each grid, the finest first.
        attends: For each grid whether its blocks also attend.
        depth: Blocks at each grid on the way down; the way up has one more.
        head_dim: Channels of a head of attention; 0: one head.
        groups: Of group normalization.
        attention: Whether the middle attends.
        dropout: Probability that a block forgets a feature while training.
        convention: One of :data:`CONVENTIONS`.
        classes: Labels: none, 0.

    Raises:
        BadInput: If the numbers do not fit each other.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        T: int,
        widths: Sequence[float],
        attends: Sequence[float],
        depth: int,
        head_dim: int,
        groups: int,
        attention: bool,
        convention: str,
        dropout: float = 0.0,
        classes: int = 0,
    ) -> None:
        super().__init__()
        if classes:
            raise BadInput(f"network = {convention} knows no labels: classes must be 0, not {classes}.")
        sizes = _checked(shape, widths, attends, groups, head_dim, attention)
        way = self.convention = CONVENTIONS[convention]
        self.T, self.depth = T, depth
        told, last = 4 * sizes[0], len(sizes) - 1

        def grid(pairs: Sequence[tuple[int, int]], attends: float) -> Grid:
            resnets = [Resnet(n_in, n_out, told, groups, way.eps, dropout) for n_in, n_out in pairs]
            return Grid(resnets, [Attention(n, head_dim, groups, way.eps) for _, n in pairs if attends])

        self.conv_in = nn.Conv2d(shape[0], sizes[0], 3, padding=1)
        self.time_embedding = TimeEmbedding(sizes[0], told)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        for i, n in enumerate(sizes):
            one = grid([(sizes[max(0, i - 1)], n)] + [(n, n)] * (depth - 1), attends[i])
            if i < last:
                one.downsamplers.append(Half(n, way.padding))
            self.down_blocks.append(one)
        self.mid_block = grid([(sizes[-1], sizes[-1])] * 2, 0)
        if attention:
            self.mid_block.attentions.append(Attention(sizes[-1], head_dim, groups, way.eps))
        for i, n in reversed(list(enumerate(sizes))):
            before, under = sizes[min(last, i + 1)], sizes[max(0, i - 1)]
            one = grid([(before + n, n)] + [(n + n, n)] * (depth - 1) + [(n + under, n)], attends[i])
            if i > 0:
                one.upsamplers.append(Twice(n))
            self.up_blocks.append(one)
        self.conv_norm_out = GroupNorm(groups, sizes[0], eps=way.eps)
        self.conv_out = silent(nn.Conv2d(sizes[0], shape[0], 3, padding=1))

    def features(self, u: Tensor, n: int) -> Tensor:
        """Sines and cosines of the time at ``n / 2`` frequencies, shape (B, n)."""
        t = (u * self.T).round(decimals=3) - 1  # float32 cannot say t / T, but a thousandth of a step it can
        rank = torch.arange(n // 2, dtype=u.dtype, device=u.device)
        angles = t[:, None] * torch.exp(-math.log(10_000) * rank / (n // 2 - self.convention.shift))
        both = (angles.cos(), angles.sin()) if self.convention.cosine_first else (angles.sin(), angles.cos())
        return torch.cat(both, dim=1)

    def forward(self, x: Tensor, u: Tensor, y: Tensor | None = None) -> Tensor:
        """Shape (B, C, H, W) in and out; times u in (0, 1], shape (B,). It knows no labels."""
        c = self.time_embedding(self.features(u, self.conv_in.out_channels))
        h = self.conv_in(x.contiguous(memory_format=torch.channels_last))
        skips = [h]
        for down in self.down_blocks:
            assert isinstance(down, Grid)
            for i in range(self.depth):
                h = down.block(i, h, c)
                skips.append(h)
            for half in down.downsamplers:
                h = half(h)
                skips.append(h)
        h = self.mid_block.resnets[1](self.mid_block.block(0, h, c), c)
        for up in self.up_blocks:
            assert isinstance(up, Grid)
            for i in range(self.depth + 1):
                h = up.block(i, torch.cat([h, skips.pop()], dim=1), c)
            for twice in up.upsamplers:
                h = twice(h)
        return self.conv_out(F.silu(self.conv_norm_out(h))).to(x.dtype)


def _checked(
    shape: Sequence[int], widths: Sequence[float], attends: Sequence[float], groups: int, head_dim: int, middle: bool
) -> list[int]:
    """The widths as whole numbers, where everything fits."""
    sizes = [int(n) for n in widths]
    if sizes != list(widths) or any(n % groups or n % 2 for n in sizes):
        raise BadInput(f"widths = {_row(widths)} must be even whole numbers, each a multiple of groups = {groups}.")
    if len(attends) != len(sizes) or any(one not in (0, 1) for one in attends):
        raise BadInput(f"attends = {_row(attends)} must say 0 or 1 for each of the {len(sizes)} widths.")
    looking = [n for n, one in zip(sizes, attends, strict=True) if one] + sizes[-1:] * middle
    if head_dim and any(n % head_dim for n in looking):
        raise BadInput(f"head_dim = {head_dim} must divide each width that attends, or be 0 for one head.")
    if any(side % 2 ** (len(sizes) - 1) for side in shape[1:]):
        halves = len(sizes) - 1
        raise BadInput(f"Sides of {shape[1]} × {shape[2]} cannot be halved {halves} times: give fewer widths.")
    return sizes


def _row(numbers: Sequence[float]) -> str:
    return ", ".join(f"{one:g}" for one in numbers)

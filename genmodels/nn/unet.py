r"""Networks that look at noisy data and a time: a U-Net for images, residual layers for points of the plane.

Both are functions ``network(x, u, y)`` of the data x, of the time u in (0, 1] (u = t / T, so that a network knows
nothing of schedules) and, where there are classes, of a label y. Both answer in the shape of x, and 0 before training.

Ronneberger, Fischer & Brox (2015), U-Net. https://arxiv.org/abs/1505.04597
Ho, Jain & Abbeel (2020), Denoising diffusion probabilistic models, appendix B. https://arxiv.org/abs/2006.11239
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels.nn.layers import GroupNorm, silent

__all__ = ["Conditioning", "PointNet", "UNet", "attend", "fine", "time_features"]


def time_features(u: Tensor, n: int) -> Tensor:
    """Cosines and sines of ``1000 u`` at ``n / 2`` frequencies, from 1 down to 1/10000 in geometric steps.

    Vaswani et al. (2017), Attention is all you need, section 3.5. https://arxiv.org/abs/1706.03762

    Args:
        u: Times in (0, 1], shape (B,).
        n: Features, an even number.

    Returns:
        Shape (B, n).
    """
    frequencies = torch.exp(-math.log(10_000) * torch.linspace(0, 1, n // 2, dtype=u.dtype, device=u.device))
    angles = 1000 * u[:, None] * frequencies
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def fine(x: Tensor, n: int) -> Tensor:
    r"""Sines and cosines of :math:`2^{n-1} \pi x` and :math:`2^n \pi x`: neighbouring grey levels lie far apart.

    Kingma et al. (2021), Variational diffusion models, appendix C (there n = 8). https://arxiv.org/abs/2107.00630

    Args:
        x: Images, shape (B, C, H, W).
        n: So that 2 ** n is the number of grey levels in [-1, 1], about.

    Returns:
        Shape (B, 4 C, H, W).
    """
    angles = [2**k * math.pi * x for k in (n - 1, n)]
    return torch.cat([of(angle) for angle in angles for of in (torch.sin, torch.cos)], 1)


class Conditioning(nn.Module):
    """One vector for each example, that says when (the time) and what (the label, where there are classes).

    Label ``classes`` means "not told": it is what classifier-free guidance trains and samples with.
    """

    def __init__(self, width: int, classes: int = 0) -> None:
        super().__init__()
        self.features = 64
        self.time = nn.Sequential(nn.Linear(self.features, width), nn.SiLU(), nn.Linear(width, width))
        self.label = nn.Embedding.from_pretrained(torch.randn(classes + 1, width), freeze=False) if classes else None

    def forward(self, u: Tensor, y: Tensor | None = None) -> Tensor:
        """The vectors after their last nonlinearity, shape (B, width)."""
        c = self.time(time_features(u, self.features))
        if self.label is not None:
            c = c + self.label(y if y is not None else torch.full_like(u, self.label.num_embeddings - 1).long())
        return F.silu(c)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention over positions, shapes (B, N, C). Written out on processors, where the fused kernel is slower."""
    if q.is_cuda:
        return F.scaled_dot_product_attention(q, k, v)
    weights = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(q.shape[2]), dim=2)
    return weights.to(v.dtype) @ v


class Attention(nn.Module):
    """Each position of an image looks at all others, and adds what it saw."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = GroupNorm(groups, channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = silent(nn.Linear(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Shape (B, C, H, W) in and out."""
        h = self.norm(x).permute(0, 2, 3, 1).flatten(1, 2)  # (B, H·W, C): in channels_last this copies nothing
        h = self.out(attend(*self.qkv(h).chunk(3, dim=2)))
        return x + h.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


class Block(nn.Module):
    """Two convolutions around a residual connection; in between, the time says what each channel is to be raised by."""

    def __init__(self, n_in: int, n_out: int, width: int, *, groups: int, dropout: float, attention: bool) -> None:
        super().__init__()
        self.norm1, self.conv1 = GroupNorm(groups, n_in), nn.Conv2d(n_in, n_out, 3, padding=1)
        self.told = nn.Linear(width, n_out)
        self.norm2, self.conv2 = GroupNorm(groups, n_out), silent(nn.Conv2d(n_out, n_out, 3, padding=1))
        self.dropout = nn.Dropout(dropout)
        self.skip = nn.Conv2d(n_in, n_out, 1) if n_in != n_out else nn.Identity()
        self.attention = Attention(n_out, groups) if attention else nn.Identity()

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """Shape (B, n_in, H, W) → (B, n_out, H, W), told ``c``, shape (B, width)."""
        h = self.conv1(F.silu(self.norm1(x))) + self.told(c)[:, :, None, None]
        h = self.conv2(self.dropout(F.silu(self.norm2(h))))
        return self.attention(self.skip(x) + h)


class UNet(nn.Module):
    """Down to coarse grids, across, and up again, with every block of the way down handed to one of the way up.

    The first thing that happens to an image is that each patch × patch square of pixels becomes one position with
    patch² as many channels (space to depth): all convolutions then work at a patch²-th of the positions. The last thing
    is the reverse. Sides that do not divide are padded, and the padding cut off again, so that any size will do.

    Args:
        shape: Of the images, (C, H, W).
        width: Channels at the finest grid; the coarser ones have twice as many.
        levels: How often the grid is halved (a side of one position stays one).
        depth: Blocks at each grid, on the way down and on the way up.
        patch: Side of the squares.
        attention: Whether the blocks of the coarsest grid also attend.
        groups: In which channels are normalized.
        dropout: Probability that a block forgets a feature while training.
        classes: Labels that it may be told; 0: none.
        says: How many things it says of each pixel.
        fourier: Of :func:`fine`, whose sines it also sees; 0: none.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        width: int,
        levels: int,
        depth: int,
        patch: int,
        attention: bool,
        groups: int,
        dropout: float = 0.0,
        classes: int = 0,
        says: int = 1,
        fourier: int = 0,
    ) -> None:
        super().__init__()
        self.patch, self.depth, self.levels, self.fourier = patch, depth, levels, fourier
        told = 4 * width
        common: dict[str, Any] = {"groups": groups, "dropout": dropout}
        widths = [width] + [2 * width] * levels

        def blocks(n_in: int, n_out: int, skip: int, level: int) -> list[nn.Module]:
            """``depth`` blocks at one grid, each of which takes in ``skip`` more channels."""
            attends = attention and level == levels
            sizes = [n_in] + [n_out] * (depth - 1)
            return [Block(n + skip, n_out, told, attention=attends, **common) for n in sizes]

        self.conditioning = Conditioning(told, classes)
        self.stem = nn.Conv2d((5 if fourier else 1) * shape[0] * patch**2, width, 3, padding=1)
        self.downs, self.halves = nn.ModuleList(), nn.ModuleList()
        self.ups, self.doubles = nn.ModuleList(), nn.ModuleList()
        n = width
        for level, w in enumerate(widths):
            if level > 0:
                self.halves.append(nn.Conv2d(n, n, 3, stride=2, padding=1))
            self.downs.extend(blocks(n, w, 0, level))
            n = w
        self.middle = Block(n, n, told, attention=attention, **common)
        for level, w in reversed(list(enumerate(widths))):
            self.ups.extend(blocks(n, w, w, level))
            n = widths[max(0, level - 1)]
            if level > 0:
                self.doubles.append(nn.Conv2d(w, n, 3, padding=1))
        last = nn.Conv2d(n, says * shape[0] * patch**2, 3, padding=1)
        self.head = nn.Sequential(GroupNorm(groups, n), nn.SiLU(), silent(last))

    def forward(self, x: Tensor, u: Tensor, y: Tensor | None = None) -> Tensor:
        """Shape (B, C, H, W) → (B, says · C, H, W); times u in (0, 1], shape (B,); labels y, shape (B,)."""
        height, width = x.shape[2:]
        c = self.conditioning(u, y)
        seen = torch.cat([x, fine(x, self.fourier)], 1) if self.fourier else x
        h = F.pixel_unshuffle(F.pad(seen, (0, -width % self.patch, 0, -height % self.patch)), self.patch)
        h = self.stem(h.contiguous(memory_format=torch.channels_last))
        skips = []
        for i, block in enumerate(self.downs):
            if i > 0 and i % self.depth == 0:
                h = self.halves[i // self.depth - 1](h)
            h = block(h, c)
            skips.append(h)
        h = self.middle(h, c)
        for i, block in enumerate(self.ups):
            if i > 0 and i % self.depth == 0:
                h = self.doubles[i // self.depth - 1](F.interpolate(h, size=skips[-1].shape[2:], mode="nearest"))
            h = block(torch.cat([h, skips.pop()], dim=1), c)
        return F.pixel_shuffle(self.head(h), self.patch)[..., :height, :width].to(x.dtype)


class PointNet(nn.Module):
    """Points of the plane: ``depth`` residual layers of ``hidden`` units, each told the time (and the label).

    Args:
        dim: Numbers of a point.
        hidden: Units of a layer.
        depth: Layers.
        dropout: Probability that a layer forgets a feature while training.
        classes: Labels that it may be told; 0: none.
        says: How many things it says of each number.
    """

    def __init__(
        self, dim: int, *, hidden: int, depth: int, dropout: float = 0.0, classes: int = 0, says: int = 1
    ) -> None:
        super().__init__()
        self.conditioning = Conditioning(hidden, classes)
        self.stem = nn.Linear(dim, hidden)
        self.layers = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(depth))
        self.told = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(depth))
        self.dropout = nn.Dropout(dropout)
        self.head = silent(nn.Linear(hidden, says * dim))

    def forward(self, x: Tensor, u: Tensor, y: Tensor | None = None) -> Tensor:
        """Shape (B, dim) → (B, says · dim); times u in (0, 1], shape (B,); labels y, shape (B,)."""
        c = self.conditioning(u, y)
        h = self.stem(x)
        for layer, told in zip(self.layers, self.told, strict=True):
            h = h + layer(self.dropout(F.silu(h + told(c))))
        return self.head(F.silu(h)).to(x.dtype)

"""The gated PixelCNN: convolutions over what is above, and over what is to the left in the same row; no blind spot."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genmodels.nn.autoregressive import Walk, label_of, table_of

__all__ = ["PixelCNN", "gate"]

OF_SYMBOL = 16  # numbers as which a symbol is seen
FIRST = 3  # pixels that the first layer reaches to each side, as in the paper: 7 × 7


def gate(x: Tensor) -> Tensor:
    """tanh(f) · σ(g) of the two halves of the channels (van den Oord et al. 2016, eq. 2)."""
    f, g = x.chunk(2, 1)
    return f.tanh() * g.sigmoid()


class GatedLayer(nn.Module):
    """One layer of both stacks (figure 2): v sees all rows above a pixel, h those and what is to its left."""

    def __init__(self, channels: int, reach: int, classes: int) -> None:
        super().__init__()
        self.reach = reach
        self.vertical = nn.Conv2d(channels, 2 * channels, (reach + 1, 2 * reach + 1), padding=(0, reach))
        self.horizontal = nn.Conv2d(channels, 2 * channels, (1, reach + 1))
        self.link = nn.Conv2d(2 * channels, 2 * channels, 1)
        self.out = nn.Conv2d(channels, channels, 1)
        self.to_both = table_of(classes, 4 * channels)

    def labels(self, y: Tensor | None) -> tuple[Tensor | float, Tensor | float]:
        """The biases that a label adds to the two stacks, (B, 2 C) each (eq. 4)."""
        of = label_of(self.to_both, y)
        if not isinstance(of, Tensor):
            return of, of
        of_v, of_h = of.chunk(2, 1)
        return of_v, of_h

    def forward(self, v: Tensor, h: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The two stacks one layer on, (B, C, H, W) each."""
        for_v, for_h = (_spread(one) for one in self.labels(y))
        a = self.vertical(F.pad(v, (0, 0, self.reach, 0))) + for_v
        b = self.horizontal(F.pad(h, (self.reach, 0, 0, 0))) + self.link(a) + for_h
        return gate(a), h + self.out(gate(b))


def _spread(of: Tensor | float) -> Tensor | float:
    return of[:, :, None, None] if isinstance(of, Tensor) else of


class PixelCNN(nn.Module):
    """Images of one channel, row by row, without a blind spot.

    Van den Oord et al. (2016), Conditional image generation with PixelCNN decoders, section 2.
    https://arxiv.org/abs/1606.05328

    Nothing is masked: the first layer looks at the image moved down by a row (for the
    vertical stack) and right by a pixel (for the horizontal one), and the others at what is above and to the left.

    A grey level is seen as the number that it is, black as −1; a symbol, which is neither more nor less than another,
    as a vector of its own. Outside the image there is 0 of either.

    Args:
        order: The pixels in the order in which they come, (1, H·W): that of the rows of an image (height, width).
        size: Its height and width.
        outputs: Numbers K said of each pixel.
        channels: Of each stack.
        depth: Gated layers.
        reach: Pixels that each of them sees to each side: 1 is 3 × 3.
        classes: Labels, which move every layer; 0: none.
        symbols: How many values without an order a pixel has, k / (symbols − 1) each; 0: grey levels.
    """

    order: Tensor

    def __init__(
        self,
        order: Tensor,
        size: tuple[int, int],
        outputs: int,
        *,
        channels: int,
        depth: int,
        reach: int,
        classes: int = 0,
        symbols: int = 0,
    ) -> None:
        super().__init__()
        self.register_buffer("order", order[0], persistent=False)
        self.size, self.reach, self.symbols = size, reach, table_of(symbols, OF_SYMBOL)
        seen = OF_SYMBOL if symbols else 1
        self.above = nn.Conv2d(seen, channels, (FIRST, 2 * FIRST + 1))
        self.left = nn.Conv2d(seen, channels, (1, FIRST))
        self.layers: Any = nn.ModuleList(GatedLayer(channels, reach, classes) for _ in range(depth))
        self.head: Any = nn.Sequential(
            nn.ReLU(), nn.Conv2d(channels, channels, 1), nn.ReLU(), nn.Conv2d(channels, outputs, 1)
        )
        self.to(memory_format=torch.channels_last)  # faster, most of all in bfloat16

    def seen(self, x: Tensor) -> Tensor:
        """Pixels in [0, 1], (...), as the first layer sees them: (..., 1), or (..., OF_SYMBOL)."""
        if self.symbols is None:
            return 2 * x.unsqueeze(-1) - 1
        return self.symbols((x * (self.symbols.num_embeddings - 1)).round().long())

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The K numbers of each pixel's law given those before it, (B, D, K), for ``x`` (B, D) in [0, 1]."""
        image = self.seen(x[:, self.order].view(-1, *self.size)).movedim(-1, 1)
        v = self.above(F.pad(image, (FIRST, FIRST, FIRST, 0)))[:, :, :-1]
        h = self.left(F.pad(image, (FIRST, 0, 0, 0)))[..., :-1]
        v, h = (one.contiguous(memory_format=torch.channels_last) for one in (v, h))
        for layer in self.layers:
            v, h = layer(v, h, y)
        return self.head(h).flatten(2).transpose(1, 2)[:, self.order.argsort()]

    def walk(self, n: int, y: Tensor | None = None, k: int = 0) -> Walk:
        """Row by row: the vertical stack of a row once, then the horizontal one pixel by pixel; all layers are kept."""
        (height, width), reach, order = self.size, self.reach, self.order.tolist()
        x = self.above.weight.new_zeros(n, self.above.in_channels, height + FIRST, width + 2 * FIRST)  # 0 around it
        room = self.above.weight.new_zeros(len(self.layers) + 1, n, self.above.out_channels, height + reach, width)
        for r in range(height):
            room[0, :, :, reach + r] = self.above(x[:, :, r : r + FIRST])[:, :, 0]
            given = self._row(room, r, y)
            done = room.new_zeros(*room.shape[:3], reach + width)
            for c in range(width):
                done[0, ..., reach + c] = _at(self.left, x[:, :, FIRST + r, FIRST + c - FIRST : FIRST + c])
                for i, layer in enumerate(self.layers):
                    b = _at(layer.horizontal, done[i, ..., c : c + reach + 1]) + given[i][..., c]
                    done[i + 1, ..., reach + c] = done[i, ..., reach + c] + _at(layer.out, gate(b))
                said = _at(self.head[3], _at(self.head[1], done[-1, ..., reach + c].relu()).relu())
                drawn = yield order[r * width + c], said
                x[:, :, FIRST + r, FIRST + c] = self.seen(drawn)

    def _row(self, room: Tensor, r: int, y: Tensor | None) -> list[Tensor]:
        """The vertical stack of row ``r``, into ``room``; what it gives to the horizontal one in each layer."""
        given = []
        for i, layer in enumerate(self.layers):
            for_v, for_h = layer.labels(y)
            a = layer.vertical(room[i, :, :, r : r + self.reach + 1]) + _spread(for_v)
            room[i + 1, :, :, self.reach + r] = gate(a)[:, :, 0]
            given.append((layer.link(a) + _spread(for_h))[:, :, 0])
        return given


def _at(layer: nn.Conv2d, x: Tensor) -> Tensor:
    """A convolution at one place only: of all that its kernel sees there, (B, C, …)."""
    return F.linear(x.flatten(1), layer.weight.flatten(1), layer.bias)

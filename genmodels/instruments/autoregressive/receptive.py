r"""What a network sees: the gradient of what it expects of one pixel with respect to all others.

The first PixelCNN masked its 3 × 3 kernels, as Van den Oord, Kalchbrenner & Kavukcuoglu (2016), Pixel recurrent neural
networks, https://arxiv.org/abs/1601.06759, describe. What is above to the right then reaches a pixel only from within
45°: stacked, they are blind to the rest (van den Oord et al. 2016, figure 1, https://arxiv.org/abs/1606.05328).
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.autoregressive.bits import guesses
from genmodels.instruments.examples import images_only, some
from genmodels.metrics.evaluate import labels
from genmodels.models.autoregressive import Autoregressive
from genmodels.nn.pixelcnn import PixelCNN

__all__ = ["Masked", "blind_spot", "conclusion", "field"]

Array = npt.NDArray[Any]
EXAMPLES, CHANNELS = 32, 16


class Masked(nn.Sequential):
    """The masked convolutions of the first PixelCNN: kernels of 3 × 3 in which what comes after is 0."""

    def __init__(self, depth: int) -> None:
        super().__init__(*(nn.Conv2d(CHANNELS if i else 1, CHANNELS, 3, padding=1) for i in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, C, H, W); the first layer does not see the pixel itself, the others see it."""
        for i, layer in enumerate(self):
            mask = torch.ones(3, 3).to(x)
            mask[1, 1 + (i > 0) :] = 0
            mask[2] = 0
            assert isinstance(layer, nn.Conv2d)
            x = F.conv2d(x, layer.weight * mask, layer.bias, padding=1).tanh()
        return x


def field(model: Autoregressive, data: Data, row: int, column: int) -> dict[str, Array]:
    """How strongly the expected value of one pixel hangs on each other.

    Of what the network says, that is what the law alone decides: logits, say, may all move together and change nothing.

    Returns:
        "slope", the mean over test images of |∂ E[x_i | x_<i] / ∂ x_j|, (H, W), the sum over channels; and
        "before", whether j comes before in the order, (H, W).

    Raises:
        BadInput: If there is no such pixel.
    """
    images_only(model)
    _, height, width = model.shape
    _inside(row, column, height, width)
    x, y = some(model, data, EXAMPLES)
    x.requires_grad_()
    i = row * width + column
    with torch.enable_grad():
        expected = guesses(model, model.said(x, labels(model, y))[:, i : i + 1])
        (slope,) = torch.autograd.grad(expected.sum(), x)  # an example's hangs on no other's
    place = model.orders[0].argsort().view(model.shape)[0]
    return {
        "slope": slope.abs().mean(0).sum(0).cpu().numpy(),
        "before": (place < place[row, column]).cpu().numpy(),
    }


def blind_spot(depth: int, row: int, column: int, side: int = 15) -> dict[str, Array]:
    """The part of the pixels before one that untrained networks of so many 3 × 3 layers see.

    Returns:
        "masked", of masked convolutions, "gated", of two stacks, and "before", all there is to see: (side, side), bool.

    Raises:
        BadInput: If there is no such pixel, or the depth is not from 1 to 16.
    """
    if not 1 <= depth <= 16 or not 3 <= side <= 64:
        raise BadInput(f"depth = {depth} and side = {side} are not 1 to 16 layers and 3 to 64 pixels.")
    _inside(row, column, side, side)
    order = torch.arange(side * side)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        masked = Masked(depth)
        gated = PixelCNN(order[None], (side, side), 1, channels=CHANNELS, depth=depth, reach=1)
        x = random.rand(8, 1, side, side, rng=random.generator(0)).requires_grad_()
        i = row * side + column
        seen = {}
        for name, said in (("masked", masked(x).sum(1).flatten(1)), ("gated", gated(x.flatten(1))[..., 0])):
            (slope,) = torch.autograd.grad(said[:, i].sum(), x)
            seen[name] = (slope != 0).any(0)[0].numpy()
    return seen | {"before": (order < i).view(side, side).numpy()}


def _inside(row: int, column: int, height: int, width: int) -> None:
    if not 0 <= row < height or not 0 <= column < width:
        raise BadInput(f"There is no pixel in row {row}, column {column}: the image has {height} × {width}.")


def conclusion(seen: Mapping[str, Array]) -> str:
    """How much of what comes before is seen, and in how few pixels half of the slope lies."""
    before, slope = seen["before"], seen["slope"]
    if not before.any():
        return "Nothing comes before this pixel: it hangs on no other."
    share, there = float((slope[before] > 0).mean()), int(before.sum())
    strongest = np.sort(slope[before])[::-1].cumsum()
    if there == 1:
        return f"It {'sees' if share else 'does not see'} the one pixel before."
    if not strongest[-1] > 0:
        return f"It sees none of the {there:,} pixels before."
    half = 1 + int((strongest >= strongest[-1] / 2).argmax())
    have = f"{half:,} of them {'has' if half == 1 else 'have'} half of all the slope"
    return f"It sees {share:.0%} of the {there:,} pixels before; {have}."

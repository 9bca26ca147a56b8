"""The way back of a BiGAN: examples encoded, and generated again from their codes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.instruments.arrays import Array
from genmodels.instruments.examples import own_picture
from genmodels.metrics import floors
from genmodels.models.bigan import BiGAN
from genmodels.text import number

__all__ = ["Back", "back", "conclusion", "read"]


@dataclass(frozen=True)
class Back:
    """Examples there and back."""

    x: Array  # data, (N, *shape); images in [0, 1]
    mean: Array  # G(E(x)), likewise
    z: Array  # the codes E(x), (N, L)
    labels: Array  # (N,)
    error: Array  # mean squared error of each as the networks see it, (N,); never part of a loss


def back(model: BiGAN, data: Data, n: int = 500) -> Back:
    """``n`` random test examples, encoded and generated again."""
    part = floors.chosen(data.test, n, 0)
    return _back(model, data, part.x, part.y)


def read(model: BiGAN, data: Data, pixels: npt.ArrayLike, *, label: int | None = None) -> Back:
    """Somebody's own picture, in grey of 0 to 255, shape (H, W), there and back.

    Raises:
        BadInput: If it is no picture of the model's size, or empty.
    """
    return _back(model, data, own_picture(model, data, pixels), torch.tensor([label or 0]))


@torch.no_grad()
def _back(model: BiGAN, data: Data, examples: torch.Tensor, labels: torch.Tensor) -> Back:
    x = data.prepare(examples, model.inputs, random.generator(0, examples.device)).to(model.device)
    y = labels.to(model.device) if model.classes else None
    z = model.encode(x)
    error = (model.generate(z, y) - x).square().flatten(1).mean(1)
    shown = (x + 1) / 2 if model.is_image else x
    return Back(*(t.cpu().numpy() for t in (shown, model.decode(z, y), z, labels, error)))


def conclusion(way: Back, others: Back | None = None) -> str:
    """How far what comes back is from what went, in a sentence; beside ``others``, or what two of them differ by."""
    error = float(way.error.mean())
    begun = f"What comes back differs by a mean squared error of {number(error)}"
    if others is not None:
        return f"{begun}; what comes back of test examples by {number(others.error.mean())} on average."
    back, apart = (float(np.square(way.x - other).mean()) for other in (way.mean, np.roll(way.x, 1, 0)))
    return f"{begun}, {number(100 * back / apart)} % of what two test examples differ by." if apart else f"{begun}."

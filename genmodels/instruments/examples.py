"""Test examples as a model's networks see them: one by its number, or some drawn at random."""

from typing import Any

from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.metrics import floors

__all__ = ["example", "some"]


def example(model: Any, data: Data, index: int) -> Tensor:
    r"""One test example as the model's loss expects it, shape (1, \*shape)."""
    x = data.test.x[index : index + 1].to(model.device)
    return data.prepare(x, model.inputs, random.generator(index, model.device))


def some(model: Any, data: Data, n: int | None, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """``n`` test examples drawn at random (None: all), as the model's loss expects them, and their labels."""
    part = floors.chosen(data.test, n or len(data.test), seed)
    return data.prepare(part.x.to(model.device), model.inputs, random.generator(0, model.device)), part.y

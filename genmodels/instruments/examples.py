"""Test examples as a model's networks see them: by their number, or drawn at random; and a refusal of points."""

from typing import Any

from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.metrics import floors

__all__ = ["example", "images_only", "some"]


def example(model: Any, data: Data, index: int, n: int = 1) -> Tensor:
    r"""``n`` test examples from number ``index`` on, as the model's loss expects them, shape (n, \*shape).

    Raises:
        BadInput: If they are not all there.
    """
    if not 0 <= index <= index + n <= len(data.test):
        raise BadInput(f"Test examples {index} to {index + n - 1} are not all there: there are {len(data.test)}.")
    x = data.test.x[index : index + n].to(model.device)
    return data.prepare(x, model.inputs, random.generator(index, model.device))


def images_only(model: Any) -> None:
    """Refuse a model of points."""
    if not model.is_image:
        raise BadInput("This is done with images, and this model makes points of the plane.")


def some(model: Any, data: Data, n: int | None, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """``n`` test examples drawn at random (None: all), as the model's loss expects them, and their labels."""
    part = floors.chosen(data.test, n or len(data.test), seed)
    return data.prepare(part.x.to(model.device), model.inputs, random.generator(0, model.device)), part.y

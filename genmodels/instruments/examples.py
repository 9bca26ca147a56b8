"""Test examples as a model's networks see them, one by its number or some drawn at random; and a few to choose from."""

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.metrics import floors

__all__ = ["choices", "example", "some"]


def example(model: Any, data: Data, index: int) -> Tensor:
    r"""One test example as the model's loss expects it, shape (1, \*shape)."""
    x = data.test.x[index : index + 1].to(model.device)
    return data.prepare(x, model.inputs, random.generator(index, model.device))


def some(model: Any, data: Data, n: int | None, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """``n`` test examples drawn at random (None: all), as the model's loss expects them, and their labels."""
    part = floors.chosen(data.test, n or len(data.test), seed)
    return data.prepare(part.x.to(model.device), model.inputs, random.generator(0, model.device)), part.y


def choices(data: Data, *others: int, n: int = 10) -> tuple[list[int], npt.NDArray[np.float32]]:
    """Test images to choose from: the first of each class, or the first ``n``, and after them ``others``.

    Returns:
        Their numbers in the test set, and the images in [0, 1], (·, C, H, W).
    """
    y = data.test.y.cpu().numpy()
    first = [int(np.argmax(y == c)) for c in range(min(n, len(data.classes))) if (y == c).any()]
    numbers = list(dict.fromkeys([*(first or range(min(n, len(y)))), *others]))
    return numbers, data.prepare(data.test.x[numbers], "unit").float().cpu().numpy()

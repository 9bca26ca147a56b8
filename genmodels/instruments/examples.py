"""Examples as a model's networks see them: by their number, drawn at random, or somebody's own; what is refused."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.data.uploads import Frame
from genmodels.errors import BadInput
from genmodels.metrics import floors

__all__ = ["example", "frame", "images_only", "own_picture", "points_only", "some"]

EMPTY = 32  # of 255: no pixel of an empty picture is brighter


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


def points_only(model: Any) -> None:
    """Refuse a model of images."""
    if model.is_image:
        raise BadInput("This is done with points of the plane, and this model makes images.")


def frame(model: Any, data: Data) -> Frame:
    """How the training pictures of a model sit in their frame: somebody's own is to sit in it alike."""
    images_only(model)
    return Frame.of(floors.chosen(data.train, 1000, 0).x[:, 0].cpu().numpy())


def own_picture(model: Any, data: Data, pixels: npt.ArrayLike) -> Tensor:
    """A picture in grey of 0 to 255, shape (H, W), in the data's own grey levels, uint8 (1, C, H, W).

    Raises:
        BadInput: If it is no picture of the model's size, or empty.
    """
    grey = np.asarray(pixels)
    if not model.is_image or model.shape[1:] != grey.shape:
        raise BadInput(f"A picture of {model.shape} is wanted, not one of {grey.shape}.")
    if grey.max(initial=0) < EMPTY:
        raise BadInput("The picture is empty: draw something first.")
    levels = torch.as_tensor(np.rint(grey / 255 * (data.levels - 1)).astype(np.uint8))
    return levels.expand(1, *model.shape).to(model.device)


def some(model: Any, data: Data, n: int | None, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """``n`` test examples drawn at random (None: all), as the model's loss expects them, and their labels."""
    part = floors.chosen(data.test, n or len(data.test), seed)
    return data.prepare(part.x.to(model.device), model.inputs, random.generator(0, model.device)), part.y

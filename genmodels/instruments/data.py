"""What a data set looks like before anything is learned: examples, classes, means; densities of the planes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from genmodels.data.datasets import DATASETS, Data

__all__ = ["Density", "Pictures", "density", "pictures"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Pictures:
    """Images of a data set, in [0, 1].

    Attributes:
        examples: The first training images of each class, (classes, each, C, H, W).
        mean: The mean training image of each class, (classes, C, H, W).
        counts: Images by split and class, (3, classes).
    """

    examples: Array
    mean: Array
    counts: Array


def pictures(data: Data, each: int = 10) -> Pictures:
    """Examples, means and counts by class."""
    x, y = data.train.x, data.train.y
    classes = range(len(data.classes))
    grey = lambda t: t.float().cpu().numpy() / (data.levels - 1)  # noqa: E731
    examples = np.stack([grey(x[y == c][:each]) for c in classes])
    mean = np.stack([grey(x[y == c].float().mean(0)) for c in classes])
    splits = (data.train, data.validation, data.test)
    counts = np.stack([np.bincount(split.y.cpu().numpy(), minlength=len(data.classes)) for split in splits])
    return Pictures(examples, mean, counts)


@dataclass(frozen=True)
class Density:
    """A plane: training points, (N, 2), its exact density on a grid (side, side) from the bottom, and the edges."""

    points: Array
    density: Array | None
    extent: tuple[float, float, float, float]


def density(data: Data, *, n: int = 2000, side: int = 160) -> Density:
    """Points of a plane, and its exact density where it has one."""
    reach = DATASETS[data.name].extent
    centres = (np.arange(side) + 0.5) / side * 2 * reach - reach
    x1, x2 = np.meshgrid(centres, centres)
    grid = torch.as_tensor(np.stack([x1, x2], -1).reshape(-1, 2))
    exact = None if data.log_prob is None else data.log_prob(grid).exp().cpu().numpy().reshape(side, side)
    return Density(data.train.x[:n].cpu().numpy(), exact, (-reach, reach, -reach, reach))

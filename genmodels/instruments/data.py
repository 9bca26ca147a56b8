"""What a data set looks like before anything is learned: examples, classes, means; densities of the planes."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from genmodels import random
from genmodels.data.datasets import DATASETS, Data, load
from genmodels.instruments.arrays import Array, Task, arrays
from genmodels.metrics import floors

__all__ = ["Density", "choices", "density", "entropy", "look", "real"]

EXAMPLES = 10  # of each class


def look(name: str, arguments: dict[str, Any] | None = None) -> Task:
    """What a page shows of the data set ``name``. A task: a worker has the data in memory, the server need not.

    Args:
        name: A key of :data:`~genmodels.data.datasets.DATASETS`.
        arguments: What makes it, see :func:`~genmodels.data.datasets.load`.

    Returns:
        "sizes" of the three splits, (3,). Of images, in [0, 1], also "examples", the first training images of each
        class, (classes, 10, C, H, W); "mean", the mean training image of each class, (classes, C, H, W); and "counts",
        images by split and class, (3, classes). Of a plane what :class:`Density` says, and "entropy", its entropy and
        the standard error of that, (2,), nats; both are empty where the density is not known.

    Raises:
        BadInput: If there is no such data set, or it cannot be had.
    """
    yield 0.0
    data = load(name, arguments)
    sizes = np.array([len(split) for split in (data.train, data.validation, data.test)])
    if not data.levels:
        plane = density(data)
        known = np.empty((0, 0)) if plane.density is None else plane.density
        told = entropy(data)
        return arrays(sizes=sizes, points=plane.points, density=known, extent=plane.extent, entropy=told)
    yield 0.5
    return {"sizes": sizes, **_pictures(data)}


def real(name: str, arguments: dict[str, Any] | None = None, n: int = 16, seed: int = 0) -> Task:
    r"""``n`` test examples of ``name`` drawn at random, "x" of shape (n, \*shape), images in [0, 1]. A task.

    Args:
        name: A key of :data:`~genmodels.data.datasets.DATASETS`.
        arguments: What makes it, see :func:`~genmodels.data.datasets.load`.
        n: How many; all of the test set where it has fewer.
        seed: Same seed, same examples.

    Raises:
        BadInput: If there is no such data set, or it cannot be had.
    """
    yield 0.0
    data = load(name, arguments)
    x = floors.chosen(data.test, n, seed).x
    return arrays(x=data.prepare(x, "unit", random.generator(seed)).float())


def _pictures(data: Data) -> dict[str, Array]:
    """Examples, means and counts by class."""
    x, y = data.train.x, data.train.y
    classes = range(len(data.classes))
    grey = lambda t: t.float().cpu().numpy() / (data.levels - 1)  # noqa: E731
    examples = np.stack([grey(x[y == c][:EXAMPLES]) for c in classes])
    mean = np.stack([grey(x[y == c].float().mean(0)) for c in classes])
    splits = (data.train, data.validation, data.test)
    counts = np.stack([np.bincount(split.y.cpu().numpy(), minlength=len(data.classes)) for split in splits])
    return {"examples": examples, "mean": mean, "counts": counts}


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


def entropy(data: Data) -> tuple[float, ...]:
    """H(p), the mean of −log p over the test points, and its standard error, nats; nothing where p is not known.

    No density q has a smaller mean of −log q over p: it is H(p) + KL(p ‖ q).
    """
    if data.log_prob is None:
        return ()
    surprise = -data.log_prob(data.test.x.double())
    return surprise.mean().item(), surprise.std().item() / math.sqrt(len(surprise))


def choices(data: Data, *others: int, n: int = 10) -> tuple[list[int], npt.NDArray[np.float32]]:
    """Test images to choose from: the first of each class, or the first ``n``, and after them ``others``.

    Returns:
        Their numbers in the test set, and the images in [0, 1], (·, C, H, W).
    """
    y = data.test.y.cpu().numpy()
    first = [int(np.argmax(y == c)) for c in range(min(n, len(data.classes))) if (y == c).any()]
    numbers = list(dict.fromkeys([*(first or range(min(n, len(y)))), *others]))
    return numbers, data.prepare(data.test.x[numbers], "unit").float().cpu().numpy()

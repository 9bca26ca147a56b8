"""Has it learned by heart? The training examples nearest to each sample, and how near real examples are to them."""

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.models.base import GenerativeModel

__all__ = ["neighbours"]

MOST = 256
ROWS = 8192  # training examples that are compared at once


@torch.no_grad()
def neighbours(
    model: GenerativeModel, data: Data, n: int = 8, k: int = 5, seed: int = 0
) -> Generator[float, None, dict[str, npt.NDArray[Any]]]:
    r"""``n`` samples, the ``k`` training examples nearest to each, and the same distances for test examples. A task.

    A model that copies draws samples much nearer to training examples than test examples are. The distance is the root
    mean square over dimensions: of images between 0 and 1, black against white is 1.

    Returns:
        "x", the samples, (n, \*shape); "near", (n, k, \*shape), the nearest first; "distance" of each, (n, k); and
        "test_distance", (n,), of as many test examples to the training example nearest to each.

    Raises:
        BadInput: If ``n`` or ``k`` is not possible.
    """
    if not 1 <= n <= MOST or not 1 <= k <= MOST:
        raise BadInput(f"n = {n} samples and k = {k} neighbours are not possible: each is from 1 to {MOST}.")
    rng = random.generator(seed, model.device)
    x = model.sample(n, rng=rng).float()
    yield 0.2
    some = torch.randperm(len(data.test), generator=random.generator(seed))[:n]
    real = data.prepare(data.test.x[some.to(data.device)], "unit").to(x)
    asked = torch.cat([x, real]).flatten(1)
    best = torch.full((len(asked), k), torch.inf, device=x.device)
    where = torch.zeros(len(asked), k, dtype=torch.long, device=x.device)
    parts = data.train.x.split(ROWS)
    for i, part in enumerate(parts):
        there = data.prepare(part, "unit").to(x).flatten(1)
        distance = torch.cdist(asked, there) / there.shape[1] ** 0.5
        both = torch.cat([best, distance], 1)
        index = torch.cat([where, torch.arange(len(there), device=x.device).expand(len(asked), -1) + i * ROWS], 1)
        best, order = both.topk(k, largest=False)
        where = index.gather(1, order)
        yield 0.2 + 0.8 * (i + 1) / len(parts)
    near = data.prepare(data.train.x[where[: len(x)].flatten().to(data.device)], "unit")
    return {
        "x": _array(x),
        "near": _array(near).reshape(len(x), k, *model.shape),
        "distance": _array(best[: len(x)]),
        "test_distance": _array(best[len(x) :, 0]),
    }


def _array(x: Tensor) -> npt.NDArray[np.float32]:
    return x.float().cpu().numpy()

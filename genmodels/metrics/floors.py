"""What data score against other data of the same law: what a perfect model would get from as many samples.

A data set on disk is in some order (by writer, by class, by how clean they are), so its first examples are not like the
others. Every set here is drawn at random, by a seed.
"""

import functools
import hashlib
import math
from collections.abc import Iterable, Mapping

import torch

from genmodels import random
from genmodels.data.datasets import Data, Split

__all__ = ["DRAWS", "averaged", "chosen", "digest", "draws", "most"]

DRAWS = 5
"""Sets of training examples that a floor is the mean over."""


def chosen(split: Split, n: int, seed: int) -> Split:
    """``n`` examples of ``split``, drawn without replacement; in their order on disk where n is all of them."""
    if n >= len(split):
        return split
    order = torch.randperm(len(split), generator=random.generator(seed))[:n].to(split.x.device)
    return Split(split.x[order], split.y[order])


def most(data: Data) -> int:
    """The most examples that a floor can be told of: all of the test set, and no more than half of the training set."""
    return min(len(data.test), len(data.train) // 2)


def draws(data: Data, n: int, seed: int, k: int = DRAWS) -> list[Split]:
    """Up to ``k`` and at least two sets of ``n`` training examples, none of them in two sets; n is at most ``most``."""
    order = torch.randperm(len(data.train), generator=random.generator(seed)).to(data.train.x.device)
    return [Split(data.train.x[part], data.train.y[part]) for part in order.split(n)[:k] if len(part) == n]


@functools.lru_cache(maxsize=32)
def digest(data: Data) -> str:
    """The SHA-256 of what tells points from others: of each set how many, the mean of its first half, of all.

    Means have four digits, for points differ from processor to processor in their last bits. Of pictures it is "": they
    are not drawn by this library, but files of known hashes.
    """
    if len(data.shape) > 1:
        return ""
    mean = lambda x: round(x.sum(dtype=torch.float64).item() / x.numel(), 4) + 0.0  # noqa: E731
    told = [[len(one), mean(one.x[: len(one) // 2]), mean(one.x)] for one in (data.test, data.train)]
    return hashlib.sha256(str(told).encode()).hexdigest()


def averaged(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each number over the draws, and under its name with ``_se`` the standard error of that mean."""
    rows, means = list(rows), dict[str, float]()
    for name in rows[0]:
        column = torch.tensor([row[name] for row in rows], dtype=torch.float64)
        means |= {name: column.mean().item(), f"{name}_se": column.std().item() / math.sqrt(len(column))}
    return means

"""Has it learned by heart? The training examples nearest to each sample, and how near real examples are to them."""

import functools
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Array, Arrays, Task, arrays
from genmodels.metrics.evaluate import made_as
from genmodels.models.base import GenerativeModel
from genmodels.text import number

__all__ = ["conclusion", "nearest", "neighbours", "training_images"]

MOST = 256
COPY = 1e-3  # root mean square, within which two images are one
ROWS = 8192  # training examples that are compared at once


@torch.no_grad()
def neighbours(model: GenerativeModel, data: Data, n: int = 8, k: int = 5, seed: int = 0) -> Task:
    r"""``n`` samples, the ``k`` training examples nearest to each, and the same distances for test examples. A task.

    A model that copies draws samples much nearer to training examples than test examples are. The distance is the root
    mean square over dimensions: of images between 0 and 1, black against white is 1. Where a model draws pixels black
    or white, examples are compared and shown so.

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
    inputs = "threshold" if made_as(model) == "threshold" else "unit"
    real = data.prepare(data.test.x[some.to(data.device)], inputs).to(x)
    for best in nearest(torch.cat([x, real]), data, k, inputs):
        yield 0.2 + 0.8 * best[0]
    _, distance, index = best
    ours, real = distance.split([len(x), n])
    return arrays(x=x, near=training_images(data, index[: len(x)], inputs), distance=ours, test_distance=real[:, 0])


def conclusion(near: Arrays) -> str:
    """Whether samples are suspiciously near, a sentence; of what :func:`neighbours` returns.

    The share of pairs of a sample and a test example of which the sample is nearer is a half where both are alike,
    give or take twice its standard error (Mann & Whitney 1947).
    """
    ours, real = near["distance"][:, 0], near["test_distance"]
    if not (np.isfinite(ours).all() and np.isfinite(real).all()):
        return "Not every distance is a number: there is nothing to conclude."
    n, m = len(ours), len(real)
    if near["x"].ndim > 2 and (copies := int((ours < COPY).sum())):  # points of a plane lie as near by chance
        return f"{copies} of {n} samples {'is a copy of a training example' if copies == 1 else 'are copies'}."
    pairs = ours[:, None] - real
    share = float((pairs < 0).mean() + (pairs == 0).mean() / 2)
    noise = 2 * ((n + m + 1) / (12 * n * m)) ** 0.5
    told = f"In {number(100 * share)} % of pairs a sample is nearer to the training examples than a test example"
    if share <= 0.5 + noise:
        return f"{told}: no sign of learning by heart."
    return f"{told}: more than chance, for samples may be learned by heart, or smoother than data."


def nearest(x: Tensor, data: Data, k: int, inputs: str = "unit") -> Iterator[tuple[float, Tensor, Tensor]]:
    """The ``k`` training examples nearest to each of ``x``, among more and more of them, at last among all.

    Examples are as ``inputs`` says, "unit" or "threshold"; those from which pixels are drawn stay grey.

    Yields:
        How many of them have been compared, 0 to 1; the root mean square distances, (N, k), the nearest first; and
        which examples they are, (N, k).
    """
    cut, asked = inputs == "threshold" and not data.is_drawn, x.flatten(1)
    scale = 1 if cut else max(1, data.levels - 1)  # examples are kept in grey levels
    best = torch.full((len(x), k), torch.inf, device=x.device)
    where = torch.zeros(len(x), k, dtype=torch.long, device=x.device)
    parts, squares = data.train.x.flatten(1).split(ROWS), _squares(data, cut).split(ROWS)
    for i, (kept, square) in enumerate(zip(parts, squares, strict=True)):
        part = data.prepare(kept, inputs) if cut else kept
        products = asked @ part.to(asked).T / scale
        squared = asked.square().sum(1, keepdim=True) - 2 * products + square.to(asked) / scale**2
        distance = torch.cat([best, (squared.clamp_min(0) / asked.shape[1]).sqrt()], 1)
        index = torch.cat([where, torch.arange(len(part), device=x.device).expand(len(x), -1) + i * ROWS], 1)
        best, order = distance.topk(k, largest=False)
        where = index.gather(1, order)
        yield (i + 1) / len(parts), best, where


@functools.lru_cache(maxsize=8)
def _squares(data: Data, cut: bool) -> Tensor:
    """‖x‖² of each training example as it is kept, or ``cut`` to black or white, shape (N,)."""
    made = lambda part: data.prepare(part, "threshold") if cut else part  # noqa: E731
    return torch.cat([made(part).float().square().sum(1) for part in data.train.x.flatten(1).split(ROWS)])


def training_images(data: Data, index: Tensor, inputs: str = "unit") -> Array:
    r"""Training examples as ``inputs`` says, images in [0, 1], shape (\*index, \*shape)."""
    x = data.prepare(data.train.x[index.flatten().to(data.device)], inputs)
    return x.unflatten(0, index.shape).float().cpu().numpy()

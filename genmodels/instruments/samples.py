"""Samples of any model, as many as asked, with whatever options the model declares."""

import inspect
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from genmodels import random
from genmodels.errors import BadInput
from genmodels.hyperparameters import check
from genmodels.models.base import GenerativeModel

__all__ = ["options", "samples"]

AT_ONCE = 64
MOST = 4096


def options(cls: type[GenerativeModel]) -> Callable[..., Any]:
    """What declares how a model may sample: its ``sample``, or its ``trajectory`` where that is what it hands on to."""
    parameters = inspect.signature(cls.sample).parameters.values()
    open_ended = any(one.kind == inspect.Parameter.VAR_KEYWORD for one in parameters)
    return getattr(cls, "trajectory", cls.sample) if open_ended else cls.sample


def samples(
    model: GenerativeModel, n: int, seed: int = 0, label: int | None = None, how: dict[str, Any] | None = None
) -> Generator[float, None, dict[str, npt.NDArray[Any]]]:
    r"""``n`` samples in data space, "x" of shape (n, \*shape), float32. A task.

    Args:
        model: Whose.
        n: How many, 1 to 4096.
        seed: Same seed, same samples.
        label: Of which class, where the model is conditional.
        how: The model's own options, see :func:`options`.

    Raises:
        BadInput: If anything is not allowed.
    """
    if not 1 <= n <= MOST:
        raise BadInput(f"n = {n} is not a number of samples from 1 to {MOST}.")
    chosen = check(options(type(model)), how or {})
    classes = int(model.config.get("classes", 0))
    if label is not None and not 0 <= label < classes:
        raise BadInput(f"label = {label} is not a class of this model, which has {classes}.")
    rng, parts = random.generator(seed, model.device), []
    for done in range(0, n, AT_ONCE):
        yield done / n
        count = min(AT_ONCE, n - done)
        y = None if label is None else torch.full((count,), label, device=model.device)
        with torch.no_grad():
            parts.append(model.sample(count, y=y, rng=rng, **chosen).float().cpu().numpy())
    return {"x": np.concatenate(parts)}

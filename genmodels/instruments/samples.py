"""Samples of any model, as many as asked, with whatever options the model declares."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from genmodels import random
from genmodels.errors import BadInput
from genmodels.hyperparameters import check
from genmodels.instruments.arrays import Task
from genmodels.models.base import GenerativeModel

__all__ = ["labels", "options", "samples"]

AT_ONCE = 64
MOST = 4096


def options(cls: type[GenerativeModel]) -> Callable[..., Any]:
    """The method that declares how a model may sample: ``sample``, or the ``trajectory`` that it hands on to."""
    parameters = inspect.signature(cls.sample).parameters.values()
    open_ended = any(one.kind == inspect.Parameter.VAR_KEYWORD for one in parameters)
    return getattr(cls, "trajectory", cls.sample) if open_ended else cls.sample


def labels(model: GenerativeModel, n: int, label: int | None) -> torch.Tensor | None:
    """``n`` times the class ``label``, shape (n,), for a conditional model; None where no class is asked for.

    Raises:
        BadInput: If the model has no such class.
    """
    if label is None:
        return None
    classes = int(model.config.get("classes", 0))
    if not 0 <= label < classes:
        raise BadInput(f"label = {label} is not a class of this model, which has {classes}.")
    return torch.full((n,), label, device=model.device)


def samples(
    model: GenerativeModel, n: int, seed: int = 0, label: int | None = None, how: dict[str, Any] | None = None
) -> Task:
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
    y = labels(model, n, label)
    rng, parts = random.generator(seed, model.device), []
    for done in range(0, n, AT_ONCE):
        yield done / n
        count = min(AT_ONCE, n - done)
        with torch.no_grad():
            x = model.sample(count, y=None if y is None else y[:count], rng=rng, **chosen)
        parts.append(x.float().cpu().numpy())
    return {"x": np.concatenate(parts)}

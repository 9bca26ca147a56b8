"""What a worker does before the first run comes, so that the first point of a training is not late."""

import importlib
from collections.abc import Callable
from functools import partial

from genmodels.data import datasets
from genmodels.models import MODELS
from genmodels.models.base import build
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings

__all__ = ["rehearse"]


def rehearse(is_wanted: Callable[[], object] = lambda: False) -> None:
    """Do ahead what a first training waits two seconds for: imports, the default data, an optimizer's first step.

    Args:
        is_wanted: Whether there is something better to do; asked between the parts.
    """
    imports = [partial(importlib.import_module, entry.path.partition(":")[0]) for entry in MODELS.values()]
    parts: list[Callable[[], object]] = [partial(datasets.load, "digits"), _step, _mnist, *imports]
    for part in parts:
        if is_wanted():
            return
        part()


def _mnist() -> None:
    """Load MNIST's training set, which most pages open on: it takes most of a second."""
    len(datasets.load("mnist").train)


def _step() -> None:
    digits = datasets.load("digits")
    model = build({"model": "vae", "shape": list(digits.shape)})
    for _ in fit(Training(model, digits, Settings(steps=2))):
        model.sample(1)

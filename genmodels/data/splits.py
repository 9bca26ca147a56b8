"""The parts of a data set: examples and their labels, at hand, read when they are asked for, or not to be had."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genmodels.errors import BadInput

__all__ = ["FIRST", "LOCK", "Later", "Missing", "Split"]

LOCK = threading.RLock()
"""Held by who loads: whoever asks for the same meanwhile waits for it."""

FIRST = 10_000
"""Points of a plane that were once all that there were to learn from. They still come first: a training that was begun
with them goes on with them alone."""


@dataclass(frozen=True, eq=False)
class Split:
    """Examples ``x``, uint8 (N, C, H, W) or float32 (N, 2), and their labels ``y``, int64 (N,)."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device | str) -> "Split":
        """These examples on ``device``."""
        return Split(self.x.to(device), self.y.to(device))


class Later(Split):
    """Examples that are read when the first is asked for: whoever wants the test set alone reads no other."""

    def __init__(self, read: Callable[[], Split]) -> None:
        vars(self)["_read"] = read

    def __getattr__(self, name: str) -> Any:
        if name not in ("x", "y"):
            raise AttributeError(name)
        with LOCK:
            vars(self).update(vars(self._read()))
        return vars(self)[name]


class Missing(Split):
    """Examples that are not here: whoever asks for one is told so."""

    def __init__(self) -> None: ...

    def __getattr__(self, name: str) -> Any:
        raise BadInput("This model came from elsewhere, without its data: it can be sampled, but nothing be compared.")

    def __len__(self) -> int:
        return len(self.x)

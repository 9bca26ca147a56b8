"""What instruments return: arrays by name, at once or from a task, which says how far it is."""

from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

__all__ = ["Array", "Arrays", "Task", "arrays"]

Array = npt.NDArray[Any]
Arrays = dict[str, Array]
Task = Generator[float, None, Arrays]
"""It yields how far it is, 0 to 1, and returns arrays by name."""


def arrays(**values: Any) -> Arrays:
    """Tensors of any device, arrays, numbers and lists of them as arrays, by name."""
    kept = {name: value.detach().cpu() if isinstance(value, Tensor) else value for name, value in values.items()}
    return {name: np.asarray(value) for name, value in kept.items()}

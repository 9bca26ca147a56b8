"""The moving average of a model's weights, which samples better than the weights themselves."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["average_"]


def average_(average: Mapping[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    """average ← d·average + (1 − d)·weights, in place, after ``step`` steps.

    d rises to ``decay``, d = min(decay, (1 + step) / (10 + step)), so that the first steps are soon forgotten. What is
    no real number (a counter) is copied.
    """
    decay, now = min(decay, (1 + step) / (10 + step)), model.state_dict()
    floating = [k for k, v in now.items() if v.is_floating_point()]
    torch._foreach_lerp_([average[k] for k in floating], [now[k] for k in floating], 1 - decay)
    for k in now.keys() - set(floating):
        average[k].copy_(now[k])

"""The moving average of a model's weights, which samples better than the weights themselves."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from genmodels.nn.adversarial import power_iteration_

__all__ = ["average_"]


def average_(average: Mapping[str, Tensor], model: nn.Module, decay: float, step: int) -> None:
    """average ← d·average + (1 − d)·weights, in place, after ``step`` steps.

    d rises to ``decay``, d = min(decay, (1 + step) / (10 + step)), so that the first steps are soon forgotten. What is
    no real number (a counter) is copied. The vectors of a spectral norm are those of the averaged weight, found by a
    power iteration a step as the model's own are: an average of unit vectors is shorter than 1.
    """
    decay, now = min(decay, (1 + step) / (10 + step)), model.state_dict()
    norms = [k.removesuffix("0._u") for k in now if k.endswith(".parametrizations.weight.0._u")]
    vectors = {f"{norm}0.{name}" for norm in norms for name in ("_u", "_v")}
    floating = [k for k, v in now.items() if v.is_floating_point() and k not in vectors]
    torch._foreach_lerp_([average[k] for k in floating], [now[k] for k in floating], 1 - decay)
    for k in now.keys() - set(floating) - vectors:
        average[k].copy_(now[k])
    for norm in norms:
        power_iteration_(average[f"{norm}original"], average[f"{norm}0._u"], average[f"{norm}0._v"])

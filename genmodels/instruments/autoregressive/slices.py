"""Slices of a density on the plane: p(x₁), and p(x₂ | x₁) where x₁ is known, beside the truth."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels.data.datasets import DATASETS, Data
from genmodels.errors import BadInput
from genmodels.instruments.samples import labels
from genmodels.models.autoregressive import Autoregressive
from genmodels.text import number

__all__ = ["conclusion", "slices"]

FINE = 400


@torch.no_grad()
def slices(model: Autoregressive, data: Data, at: float = 0.0, label: int | None = None) -> dict[str, npt.NDArray[Any]]:
    r"""p(first) and p(second | first = at) as learned, under the first mask, and as they are.

    Args:
        model: Of points.
        data: The plane.
        at: Where the first coordinate is.
        label: Of which class, of a model with labels: the laws are then p(· | y), whose truth is not known.

    Returns:
        "axis" (N,); "first" and "second", densities (N,), learned; "true_first" and "true_second", where the true
        density is known: its integral over the other coordinate, and what is left of it at ``at``, scaled to 1.
        "coordinate" says which comes first, 0 or 1.

    Raises:
        BadInput: If it is a model of images, or it has labels and none of them is asked for.
    """
    y = labels(model, FINE, label)
    if model.is_image or (model.classes and y is None):
        raise BadInput("Coordinates are told apart of points of the plane, of one class where they have labels.")
    half, (first, second) = DATASETS[data.name].extent, model.orders[0].tolist()
    axis = (torch.arange(FINE) + 0.5) / FINE * 2 * half - half

    def points(a: Tensor, b: Tensor) -> Tensor:
        x = torch.stack([a, b], -1)
        return x if first == 0 else x.flip(-1)

    x = points(axis, torch.zeros(FINE)).to(model.device)
    given = points(torch.full((FINE,), float(at)), axis).to(model.device)
    laws = {"axis": axis, "first": model.each(x, y)[:, first].exp(), "second": model.each(given, y)[:, second].exp()}
    if data.log_prob is not None and y is None:
        a, b = torch.meshgrid(axis, axis, indexing="ij")
        cell = 2 * half / FINE
        there = data.log_prob(points(torch.full((FINE,), float(at)), axis)).exp()
        laws["true_first"] = data.log_prob(points(a, b).view(-1, 2)).exp().view(FINE, FINE).sum(1) * cell
        laws["true_second"] = there / (there.sum() * cell).clamp_min(1e-12)
    return {name: law.double().cpu().numpy() for name, law in laws.items()} | {"coordinate": np.array(first)}


def conclusion(laws: Mapping[str, npt.NDArray[Any]]) -> str:
    """How far the two laws are from the true ones: half the area between the curves, 0 alike and 1 apart."""
    step = float(laws["axis"][1] - laws["axis"][0])
    if "true_first" not in laws:
        return "The true density is not known here, so these laws cannot be held against it."
    first, second = (number(float(np.abs(laws[k] - laws[f"true_{k}"]).sum()) * step / 2) for k in ("first", "second"))
    text = f"Half the area between learned and true is {first} for the first coordinate"
    if float(laws["true_second"].sum()) * step < 0.5:
        return text + "; the data never have the first coordinate there, so the second has no true law."
    return text + f" and {second} for the second (0: alike, 1: apart)."

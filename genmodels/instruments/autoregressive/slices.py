"""Of the plane: the law of the first coordinate, and that of the second where the first is known, beside the truth."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels.data.datasets import DATASETS, Data
from genmodels.errors import BadInput
from genmodels.models.autoregressive import Autoregressive

__all__ = ["slices"]

FINE = 400


@torch.no_grad()
def slices(model: Autoregressive, data: Data, at: float = 0.0) -> dict[str, npt.NDArray[Any]]:
    r"""p(first) and p(second | first = at) as learned, under the first mask, and as they are.

    Args:
        model: Of points, without labels.
        data: The plane.
        at: Where the first coordinate is.

    Returns:
        "axis" (N,); "first" and "second", densities (N,), learned; "true_first" and "true_second", where the true
        density is known: its integral over the other coordinate, and what is left of it at ``at``, scaled to 1.
        "coordinate" says which comes first, 0 or 1.

    Raises:
        BadInput: If it is a model of images, or of labels.
    """
    if model.is_image or model.classes:
        raise BadInput("Coordinates are told apart of points of the plane without labels.")
    half, (first, second) = DATASETS[data.name].extent, model.orders[0].tolist()
    axis = (torch.arange(FINE) + 0.5) / FINE * 2 * half - half

    def points(a: Tensor, b: Tensor) -> Tensor:
        x = torch.stack([a, b], -1)
        return x if first == 0 else x.flip(-1)

    x = points(axis, torch.zeros(FINE)).to(model.device)
    given = points(torch.full((FINE,), float(at)), axis).to(model.device)
    found = {"axis": axis, "first": model.each(x)[:, first].exp(), "second": model.each(given)[:, second].exp()}
    if data.log_prob is not None:
        a, b = torch.meshgrid(axis, axis, indexing="ij")
        cell = 2 * half / FINE
        there = data.log_prob(points(torch.full((FINE,), float(at)), axis)).exp()
        found["true_first"] = data.log_prob(points(a, b).view(-1, 2)).exp().view(FINE, FINE).sum(1) * cell
        found["true_second"] = there / (there.sum() * cell).clamp_min(1e-12)
    return {name: one.double().cpu().numpy() for name, one in found.items()} | {"coordinate": np.array(first)}

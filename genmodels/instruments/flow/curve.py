"""The learning curve of a flow of images, in bits per dimension, and what these bits are of."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from genmodels.errors import BadInput
from genmodels.instruments.arrays import Array
from genmodels.instruments.flow.dequantization import MEASURES, bits
from genmodels.models.flow import Flow
from genmodels.text import number

__all__ = ["conclusion", "learned", "measure", "nats"]


def measure(model: Flow) -> str:
    """The one of :data:`MEASURES` that a flow's bits are of: of whole levels, but with Gaussian noise of none.

    With Gaussian noise E[log q(v | x) − log p(v)] is what the density of blurred pixels costs, less the noise's entropy
    of ½ log₂ 2πeσ² bits a pixel.
    """
    whole, blurred = "probability of whole levels", "density less that of the noise"
    name = blurred if model.dequantization == "gaussian" else whole
    assert name in MEASURES
    return name


def learned(model: Flow, rows: Sequence[Mapping[str, float]], until: int | None = None) -> dict[str, Array]:
    """The curve in bits per dimension, read off the log of a training.

    Args:
        model: Of images.
        rows: Of the log, in their order: "step", "loss" in nats, and where it was measured "held-out loss".
        until: The last step that counts; None: all.

    Returns:
        "step" and "bits" of what it trains on, (N,); "held-out step" and "held-out bits", (M,); and where they are of
        whole levels "uniform", the bits of a pixel of which nothing is known.

    Raises:
        BadInput: If the model is one of points.
    """
    if not model.is_image:
        raise BadInput("Points of the plane are real numbers, of which there are no bits per dimension.")
    known = [row for row in rows if until is None or row["step"] <= until]
    whole = model.dequantization != "gaussian"  # beside a density stands no such number
    table = {"uniform": np.array(math.log2(model.grey_levels))} if whole else {}
    for name, loss in (("", "loss"), ("held-out ", "held-out loss")):
        points = [(row["step"], bits(row[loss], model.latent_dim)) for row in known if loss in row]
        table[f"{name}step"], table[f"{name}bits"] = np.array(points, float).reshape(-1, 2).T
    return table


def nats(model: Flow, rows: Sequence[Mapping[str, float]], until: int | None = None) -> float:
    """−log p of an image at the end of that curve, nats, of held-out images where they were measured; else of none."""
    curve = learned(model, rows, until)
    ends = [curve[name][-1] for name in ("held-out bits", "bits") if len(curve[name])]
    return float((ends or [math.log2(model.grey_levels)])[0]) * model.latent_dim * math.log(2)


def conclusion(curve: Mapping[str, Array], dimensions: int) -> str:
    """The cost of an image at the curve's end, in bits and in nats, a sentence."""
    if not len(curve["step"]):
        return "Nothing has been logged yet."
    held = bool(len(curve["held-out bits"]))
    cost = float(curve["held-out bits" if held else "bits"][-1])
    at = int(curve["held-out step" if held else "step"][-1])
    of, nats = "held-out images" if held else "the images it trains on", cost * dimensions * math.log(2)
    text = f"After {at:,} step{'s' if at != 1 else ''} {of} cost {number(cost)} bits per dimension, "
    text += f"{number(nats)} nats each"
    known = f"; pixels of which nothing is known cost {number(float(curve['uniform']))}." if "uniform" in curve else "."
    text += known
    if held and number(best := float(curve["held-out bits"].min())) != number(cost):
        text += (
            f" The least was {number(best)}, at step {int(curve['held-out step'][curve['held-out bits'].argmin()]):,}."
        )
    return text

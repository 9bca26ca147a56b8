"""A figure in words, for those who do not see it."""

import re
from typing import Any

import numpy as np
import plotly.graph_objects as go

__all__ = ["described"]

MANY = 12  # bars of which each is told


def described(figure: go.Figure) -> str:
    """A figure in words: its title, its axes, and of each curve, bar, cloud or map the name and the numbers.

    >>> described(go.Figure(go.Scatter(name="ELBO", x=[1, 2, 3], y=[-200, -90, -100], mode="lines")))
    'ELBO from −200 to −100, highest −90.'
    """
    across, up = figure.layout.xaxis.title.text, figure.layout.yaxis.title.text
    axes = f"{up} against {across}" if across and up else up or across
    parts = [figure.layout.title.text, axes, *map(_told, figure.data)]
    return re.sub(r"<[^>]*>", "", ". ".join(part for part in parts if part) + ".")


def _told(trace: Any) -> str:
    """A curve, a cloud, a set of bars or a map of a figure in words."""
    name = trace.name or ""
    match trace.type:
        case "bar":
            names, values = (trace.y, trace.x) if trace.orientation == "h" else (trace.x, trace.y)
            each = ", ".join(f"{one} {_number(value)}" for one, value in zip(names, values, strict=True))
            return f"{name} {each if len(values) <= MANY else f'{len(values)} bars {_range(values)}'}".strip()
        case "heatmap":
            return f"Map of {trace.colorbar.title.text or name} {_range(trace.z)}"
        case _ if trace.mode == "markers":
            return f"{name}, {len(trace.x)} points".removeprefix(", ")
        case _:
            y = np.asarray(trace.y, float)
            is_function = len(y) > 1 and np.isfinite(y).all() and bool((np.diff(np.asarray(trace.x, float)) >= 0).all())
            return f"{name} {_course(y)}".strip() if is_function else name


def _course(y: Any) -> str:
    """How a curve goes from its first to its last value, and where in between it was further."""
    told = f"from {_number(y[0])} to {_number(y[-1])}"
    if y.min() < min(y[0], y[-1]):
        told += f", lowest {_number(y.min())}"
    if y.max() > max(y[0], y[-1]):
        told += f", highest {_number(y.max())}"
    return told


def _range(values: Any) -> str:
    z = np.asarray(values, float)
    z = z[np.isfinite(z)]
    return f"between {_number(z.min())} and {_number(z.max())}" if z.size else ""


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "−")

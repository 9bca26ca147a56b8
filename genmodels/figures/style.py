"""The visual language: colours, the template of all figures, and what they are made of."""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from genmodels.palette import CLASSES, DATA, LATENT, NEUTRAL, POSTERIOR, RUNS, SAMPLES, rgb

__all__ = [
    "CLASSES",
    "DATA",
    "FAINT",
    "LATENT",
    "NEUTRAL",
    "POSTERIOR",
    "RUNS",
    "SAMPLES",
    "TEMPLATE",
    "Curve",
    "Extent",
    "Points",
    "faded",
    "figure",
    "named",
    "single",
    "thin",
]

NARROW, MARK, LETTER = 260, 45, 6.5  # pixels: of a legend on a phone, of an entry's line, of its letters
FAINT = f"rgba{(*rgb(NEUTRAL), 0.25)}"

Extent = tuple[float, float, float, float]
"""Left, right, bottom and top of a map."""


def _template() -> go.layout.Template:
    axis = {
        "showgrid": True, "gridcolor": FAINT, "zeroline": False, "ticks": "outside", "ticklen": 4,
        "tickcolor": NEUTRAL, "linecolor": NEUTRAL, "showline": True, "automargin": True,
        "title": {"standoff": 6}, "exponentformat": "power", "minexponent": 4,
    }  # fmt: skip
    layout = go.Layout(
        font={"size": 13, "color": NEUTRAL},
        title={"x": 0, "xanchor": "left", "font": {"size": 14}},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=RUNS,
        margin={"l": 48, "r": 12, "t": 34, "b": 40},
        xaxis=axis,
        yaxis=axis,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": {"size": 12}},
        legend_itemsizing="constant",
        hoverlabel={"font": {"size": 12}},
        dragmode="zoom",
    )
    return go.layout.Template(layout=layout)


TEMPLATE = _template()


@dataclass(frozen=True)
class Points:
    """A cloud of points of the plane, (N, 2): its entry in the legend and its colour.

    ``outlined``: each in a white line, so that it is seen on a map of its own colour.
    """

    name: str
    xy: npt.ArrayLike
    color: str
    size: float = 4.0
    opacity: float = 0.55
    outlined: bool = False


@dataclass(frozen=True)
class Curve:
    """A line, or a dashed one: an estimate's exact value, a floor, a held-out set."""

    name: str
    x: npt.ArrayLike
    y: npt.ArrayLike
    color: str
    dashed: bool = False


def figure(title: str, x_title: str, y_title: str, *, height: int) -> go.Figure:
    """An empty figure with its titles."""
    drawn = go.Figure(layout={"template": TEMPLATE, "height": height})
    drawn.update_layout(title=title or None, margin={"l": 48, "r": 12, "t": 34 if title else 12, "b": 40})
    # said on the figure itself too, because a page's theme replaces the axes of a template
    axis = {"showgrid": True, "gridcolor": FAINT, "zeroline": False, "showline": True, "linecolor": NEUTRAL}
    drawn.update_xaxes(title=x_title or None, ticks="outside", tickcolor=NEUTRAL, **axis)
    return drawn.update_yaxes(title=y_title or None, ticks="outside", tickcolor=NEUTRAL, **axis)


def named(drawn: go.Figure, show: bool = True) -> go.Figure:
    """Show the legend or not: between title and chart where it is one line on a phone too, else below the axis.

    Its entries stand in columns, each as wide as the widest.
    """
    names = [trace.name for trace in drawn.data if trace.name and trace.showlegend is not False]
    if show and len(names) * (MARK + LETTER * max(map(len, names), default=0)) > NARROW:
        below = {"y": 0, "yref": "container", "yanchor": "bottom"}
        return drawn.update_layout(showlegend=True, legend=below, height=drawn.layout.height + 50)
    if show and drawn.layout.title.text:
        drawn.update_layout(margin_t=66, title={"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 8}})
    return drawn.update_layout(showlegend=show)


def thin(
    x: npt.ArrayLike, y: npt.ArrayLike, most: int = 1000
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """At most ``most`` points of a curve, keeping its first, its last, and the lowest and highest of each stretch."""
    x, y = np.asarray(x, float), np.asarray(y, float)
    if len(x) <= most:
        return x, y
    edges = np.linspace(1, len(x) - 1, (most - 2) // 2 + 1).astype(int)
    kept = [0, len(x) - 1]
    for start, stop in itertools.pairwise(edges):
        stretch = y[start:stop]
        kept += [start + int(np.argmin(stretch)), start + int(np.argmax(stretch))]
    index = np.unique(kept)
    return x[index], y[index]


def faded(color: str, opacity: float) -> str:
    """``color``, #rrggbb, with an opacity from 0 to 1."""
    red, green, blue = rgb(color)
    return f"rgba({red}, {green}, {blue}, {opacity:g})"


def single(x: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Single precision is plenty for a screen and half the bytes."""
    return np.asarray(x, np.float32)

"""Curves of several trainings at once: their mean, and a band from the lowest to the highest of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from genmodels.figures.style import DATA, faded, figure, named, single

__all__ = ["Band", "bands"]


@dataclass(frozen=True)
class Band:
    """A line and the band about it, each (N,), and its name and colour."""

    name: str
    x: npt.ArrayLike
    y: npt.ArrayLike
    low: npt.ArrayLike
    high: npt.ArrayLike
    color: str


def bands(
    lines: Sequence[Band],
    *,
    x_title: str,
    y_title: str,
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
    floor: tuple[str, float] | None = None,
    height: int = 380,
) -> go.Figure:
    """Lines with their bands over a common axis; ``floor``, by its name, is a dashed line across."""
    drawn = figure(title, x_title, y_title, height=height)
    for line in lines:
        x, low, high = (np.asarray(one, float) for one in (line.x, line.low, line.high))
        edge = {"x": single(np.concatenate([x, x[::-1]])), "y": single(np.concatenate([high, low[::-1]]))}
        shade = {"fill": "toself", "fillcolor": faded(line.color, 0.18), "line": {"width": 0}, "mode": "lines"}
        drawn.add_trace(go.Scatter(**edge, **shade, hoverinfo="skip", showlegend=False, legendgroup=line.name))
    for line in lines:
        style = {"color": line.color, "width": 2}
        marks = {"mode": "lines+markers", "marker": {"size": 4}, "legendgroup": line.name}
        drawn.add_trace(go.Scatter(x=single(line.x), y=single(line.y), name=line.name, line=style, **marks))
    if floor is not None and lines:  # a line of its own: an annotation stands elsewhere on a logarithmic axis
        ends = [float(end(np.asarray(line.x, float))) for line in lines for end in (np.min, np.max)]
        across = {"x": single([min(ends), max(ends)]), "y": single([floor[1]] * 2)}
        drawn.add_trace(
            go.Scatter(**across, name=floor[0], mode="lines", line={"color": DATA, "width": 1.5, "dash": "dash"})
        )
    if log_x:
        drawn.update_xaxes(type="log", dtick="D2")
    if log_y:
        drawn.update_yaxes(type="log", dtick="D2")
    return named(drawn, len(lines) > 0).update_layout(uirevision="kept")  # a reader's zoom outlives what is new

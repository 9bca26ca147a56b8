"""Charts: curves, bars and histograms."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from genmodels.figures.style import DATA, NEUTRAL, RUNS, SAMPLES, Curve, faded, figure, named, single, thin

__all__ = ["bars", "curves", "histogram"]


def curves(
    lines: Sequence[Curve],
    *,
    x_title: str,
    y_title: str,
    title: str = "",
    log_x: bool = False,
    log_y: bool = False,
    marker: float | None = None,
) -> go.Figure:
    """Curves over a common axis; at most 1,000 points of each are sent."""
    drawn = figure(title, x_title, y_title, height=300)
    for line in lines:
        x, y = thin(line.x, line.y)
        style = {"color": line.color, "width": 2, "dash": "dash" if line.dashed else "solid"}
        drawn.add_trace(go.Scatter(x=x, y=single(y), name=line.name, mode="lines", line=style))
    if marker is not None:
        drawn.add_vline(x=marker, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    if log_x:
        drawn.update_xaxes(type="log")
    if log_y:
        drawn.update_yaxes(type="log")
    return named(drawn.update_layout(hovermode="x unified"), len(lines) > 1)


def bars(
    values: Mapping[str, float],
    *,
    y_title: str,
    title: str = "",
    x_title: str = "",
    errors: Mapping[str, float] | None = None,
    color: str | Sequence[str] = SAMPLES,
    floor: tuple[str, float] | None = None,
) -> go.Figure:
    """A bar for each name, with one standard error where known, and a dashed line for the floor or the exact value."""
    drawn = figure(title, x_title, y_title, height=300)
    spread = {"type": "data", "array": [errors.get(k, 0.0) for k in values], "thickness": 1.2} if errors else None
    marker = {"color": color if isinstance(color, str) else list(color)}
    drawn.add_trace(go.Bar(x=list(values), y=list(values.values()), error_y=spread, marker=marker))
    if floor is not None:
        name, height = floor
        drawn.add_hline(y=height, line={"color": DATA, "width": 1.5, "dash": "dash"})
        drawn.add_annotation(  # beside the bars, on none of them
            text=name, x=1, xref="paper", xanchor="left", xshift=4, y=height, yanchor="middle", showarrow=False
        )
        drawn.update_layout(margin_r=max(drawn.layout.margin.r or 0, 8 * len(name)))
    return drawn.update_xaxes(type="category").update_layout(bargap=0.35, showlegend=False)


def histogram(
    samples: Mapping[str, npt.ArrayLike],
    *,
    x_title: str,
    title: str = "",
    colors: Mapping[str, str] | None = None,
    bins: int = 50,
    limits: tuple[float, float] | None = None,
    line: tuple[str, float] | None = None,
) -> go.Figure:
    """Histograms over each other as densities, in the same bins; ``line`` marks a value on the axis by name."""
    arrays = {name: np.asarray(x, float).ravel() for name, x in samples.items()}
    finite = np.concatenate([x[np.isfinite(x)] for x in arrays.values()] or [np.zeros(0)])
    low, high = limits or ((finite.min(), finite.max()) if finite.size else (0.0, 1.0))
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    drawn = figure(title, x_title, "density", height=280)
    for i, (name, x) in enumerate(arrays.items()):
        counts, _ = np.histogram(x, edges)
        heights = counts / max(1, x.size) / np.diff(edges)
        color = (colors or {}).get(name, RUNS[i % len(RUNS)])
        style = {"color": color, "width": 1.5, "shape": "hvh"}
        middle = (edges[:-1] + edges[1:]) / 2
        drawn.add_trace(
            go.Scatter(
                x=single(middle), y=single(heights), name=name, line=style, fill="tozeroy", fillcolor=faded(color, 0.22)
            )
        )
    if line is not None:
        drawn.add_vline(x=line[1], line={"color": NEUTRAL, "width": 1.5, "dash": "dash"}, annotation_text=line[0])
    return named(drawn, len(arrays) > 1)

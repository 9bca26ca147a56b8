"""Arrays → Plotly figures that stand still, in one visual language for light and dark pages.

Blue is the data, vermilion what a model makes, green latent space and prior, purple the posterior (Okabe & Ito's
colours, which colour-blind people can tell apart). A map of something that has a sign diverges around zero. Maps fade
to transparent, so that zero is the page itself. Every axis has a title, and a unit where there is one.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

__all__ = [
    "CLASSES",
    "DATA",
    "LATENT",
    "POSTERIOR",
    "RUNS",
    "SAMPLES",
    "Curve",
    "Points",
    "arrows",
    "bars",
    "curves",
    "density",
    "histogram",
    "mesh",
    "points",
    "signed",
    "thin",
]

DATA, SAMPLES, LATENT, POSTERIOR = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
RUNS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#7F7F7F")
"""Colours of runs drawn over each other, in order."""
CLASSES = (
    "#4E79D9", "#E8742C", "#2FA36B", "#D64550", "#9467BD", "#A0705A", "#E377C2", "#8A8F98", "#BCBD22", "#17BECF",
)  # fmt: skip
"""Colours of the ten labels of a data set."""

NEUTRAL = "#7d838b"  # legible on white and on black
FAINT = "rgba(125, 131, 139, 0.25)"

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
        hoverlabel={"font": {"size": 12}},
        dragmode="zoom",
    )
    return go.layout.Template(layout=layout)


TEMPLATE = _template()


@dataclass(frozen=True)
class Points:
    """A cloud of points of the plane, (N, 2): its entry in the legend and its colour."""

    name: str
    xy: npt.ArrayLike
    color: str
    size: float = 4.0
    opacity: float = 0.55


@dataclass(frozen=True)
class Curve:
    """A line, or a dashed one: an estimate's exact value, a floor, a held-out set."""

    name: str
    x: npt.ArrayLike
    y: npt.ArrayLike
    color: str
    dashed: bool = False


def points(
    clouds: Sequence[Points], *, title: str = "", x_title: str = "x₁", y_title: str = "x₂", extent: Extent | None = None
) -> go.Figure:
    """Clouds of points on a plane whose axes have the same scale."""
    figure = _figure(title, x_title, y_title, height=380)
    for cloud in clouds:
        figure.add_trace(_cloud(cloud))
    return _square(figure, extent)


def density(
    values: npt.ArrayLike,
    extent: Extent,
    *,
    title: str = "",
    unit: str = "density",
    color: str = DATA,
    x_title: str = "x₁",
    y_title: str = "x₂",
    over: Sequence[Points] = (),
) -> go.Figure:
    """A map of something that is never negative, shape (rows from the bottom, columns from the left).

    Args:
        values: What is drawn; it fades from ``color`` to nothing at zero.
        extent: Left, right, bottom and top edge.
        title: Above the map.
        unit: What the colours mean, beside the scale.
        color: Blue for the data's, vermilion for the model's, green for the prior's, purple for the posterior's.
        x_title: Name of the horizontal axis.
        y_title: Name of the vertical axis.
        over: Points drawn over it.
    """
    scale = [[0, _fade(color, 0.0)], [0.5, _fade(color, 0.6)], [1, _fade(color, 1.0)]]
    return _map(values, extent, title, unit, x_title, y_title, over, colorscale=scale, zmin=0)


def signed(
    values: npt.ArrayLike,
    extent: Extent,
    *,
    title: str = "",
    unit: str = "score",
    x_title: str = "x₁",
    y_title: str = "x₂",
    over: Sequence[Points] = (),
    limit: float | None = None,
) -> go.Figure:
    """A map that diverges around zero: a critic's score, or learned minus true. Vermilion is positive, blue negative.

    Args:
        values: Shape (rows from the bottom, columns from the left).
        extent: Left, right, bottom and top edge.
        title: Above the map.
        unit: What the colours mean.
        x_title: Name of the horizontal axis.
        y_title: Name of the vertical axis.
        over: Points drawn over it.
        limit: The value of the strongest colour; the largest size by default.
    """
    z = np.asarray(values, float)
    limit = limit or float(np.nanmax(np.abs(z), initial=0.0)) or 1.0
    scale = [[0, _fade(DATA, 1.0)], [0.5, _fade(NEUTRAL, 0.0)], [1, _fade(SAMPLES, 1.0)]]
    return _map(z, extent, title, unit, x_title, y_title, over, colorscale=scale, zmin=-limit, zmax=limit)


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
    figure = _figure(title, x_title, y_title, height=300)
    for line in lines:
        x, y = thin(line.x, line.y)
        style = {"color": line.color, "width": 2, "dash": "dash" if line.dashed else "solid"}
        figure.add_trace(go.Scatter(x=x, y=_f4(y), name=line.name, mode="lines", line=style))
    if marker is not None:
        figure.add_vline(x=marker, line={"color": NEUTRAL, "width": 1, "dash": "dot"})
    if log_x:
        figure.update_xaxes(type="log")
    if log_y:
        figure.update_yaxes(type="log")
    return _named(figure.update_layout(hovermode="x unified"), len(lines) > 1)


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
    figure = _figure(title, x_title, y_title, height=300)
    spread = {"type": "data", "array": [errors.get(k, 0.0) for k in values], "thickness": 1.2} if errors else None
    marker = {"color": color if isinstance(color, str) else list(color)}
    figure.add_trace(go.Bar(x=list(values), y=list(values.values()), error_y=spread, marker=marker))
    if floor is not None:
        name, height = floor
        figure.add_hline(y=height, line={"color": DATA, "width": 1.5, "dash": "dash"}, annotation_text=name)
    return figure.update_xaxes(type="category").update_layout(bargap=0.35, showlegend=False)


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
    figure = _figure(title, x_title, "density", height=280)
    for i, (name, x) in enumerate(arrays.items()):
        counts, _ = np.histogram(x, edges)
        heights = counts / max(1, x.size) / np.diff(edges)
        color = (colors or {}).get(name, RUNS[i % len(RUNS)])
        style = {"color": color, "width": 1.5, "shape": "hvh"}
        middle = (edges[:-1] + edges[1:]) / 2
        figure.add_trace(
            go.Scatter(
                x=_f4(middle), y=_f4(heights), name=name, line=style, fill="tozeroy", fillcolor=_fade(color, 0.22)
            )
        )
    if line is not None:
        figure.add_vline(x=line[1], line={"color": NEUTRAL, "width": 1.5, "dash": "dash"}, annotation_text=line[0])
    return _named(figure, len(arrays) > 1)


def mesh(
    grid: npt.ArrayLike,
    *,
    title: str = "",
    color: str = LATENT,
    x_title: str = "x₁",
    y_title: str = "x₂",
    over: Sequence[Points] = (),
    extent: Extent | None = None,
) -> go.Figure:
    """A grid of the plane, however warped: shape (rows, columns, 2), each row and each column drawn as a line."""
    g = np.asarray(grid, float)
    gap = np.full((1, 2), np.nan)
    rows = [part for row in g for part in (row, gap)]
    columns = [part for column in g.swapaxes(0, 1) for part in (column, gap)]
    path = np.concatenate([*rows, *columns])
    figure = _figure(title, x_title, y_title, height=380)
    for cloud in over:
        figure.add_trace(_cloud(cloud))
    style = {"color": color, "width": 1}
    figure.add_trace(
        go.Scatter(x=_f4(path[:, 0]), y=_f4(path[:, 1]), mode="lines", line=style, name="grid", hoverinfo="skip")
    )
    return _square(figure, extent)


def arrows(
    figure: go.Figure, at: npt.ArrayLike, along: npt.ArrayLike, *, name: str, color: str = SAMPLES, length: float = 1.0
) -> go.Figure:
    """Draw vectors into a figure of the plane: from each of ``at``, (N, 2), ``length`` times ``along``, (N, 2)."""
    tail = np.asarray(at, float)
    v = length * np.asarray(along, float)
    head, across = tail + v, np.stack([-v[:, 1], v[:, 0]], 1)
    gap = np.full_like(tail, np.nan)
    barbs = [head - 0.3 * v + 0.15 * across, head, head - 0.3 * v - 0.15 * across]
    path = np.stack([tail, head, gap, *barbs, gap], 1).reshape(-1, 2)
    style = {"color": color, "width": 1.4}
    return figure.add_trace(
        go.Scatter(x=_f4(path[:, 0]), y=_f4(path[:, 1]), mode="lines", line=style, name=name, hoverinfo="skip")
    )


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


def _figure(title: str, x_title: str, y_title: str, *, height: int) -> go.Figure:
    figure = go.Figure(layout={"template": TEMPLATE, "height": height})
    figure.update_layout(title=title or None, margin={"l": 48, "r": 12, "t": 34 if title else 12, "b": 40})
    # said on the figure itself too, because a page's theme replaces the axes of a template
    axis = {"showgrid": True, "gridcolor": FAINT, "zeroline": False, "showline": True, "linecolor": NEUTRAL}
    figure.update_xaxes(title=x_title or None, ticks="outside", tickcolor=NEUTRAL, **axis)
    return figure.update_yaxes(title=y_title or None, ticks="outside", tickcolor=NEUTRAL, **axis)


def _square(figure: go.Figure, extent: Extent | None) -> go.Figure:
    """The same scale on both axes."""
    if extent is not None:
        figure.update_xaxes(range=extent[:2]).update_yaxes(range=extent[2:])
    figure.update_xaxes(constrain="domain").update_yaxes(scaleanchor="x", constrain="domain")
    return _named(figure, sum(bool(t.name) for t in figure.data) > 1)


def _named(figure: go.Figure, show: bool) -> go.Figure:
    """Show the legend or not; where it is shown, the title stands above it."""
    if show and figure.layout.title.text:
        figure.update_layout(margin_t=62, title={"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 10}})
    return figure.update_layout(showlegend=show)


def _cloud(cloud: Points) -> go.Scattergl:
    xy = np.asarray(cloud.xy, np.float32).reshape(-1, 2)
    marker = {"color": cloud.color, "size": cloud.size, "opacity": cloud.opacity}
    return go.Scattergl(x=xy[:, 0], y=xy[:, 1], mode="markers", name=cloud.name, marker=marker)


def _map(
    values: npt.ArrayLike,
    extent: Extent,
    title: str,
    unit: str,
    x_title: str,
    y_title: str,
    over: Sequence[Points],
    **style: object,
) -> go.Figure:
    z = np.asarray(values, np.float32)
    xs, ys = (_centres(*ends, n) for ends, n in ((extent[:2], z.shape[1]), (extent[2:], z.shape[0])))
    figure = _figure(title, x_title, y_title, height=380)
    bar = {"title": {"text": unit, "side": "right"}, "thickness": 10, "outlinewidth": 0, "len": 0.9}
    hover = f"{x_title} %{{x:.3g}}<br>{y_title} %{{y:.3g}}<br>{unit} %{{z:.4g}}<extra></extra>"
    figure.add_trace(go.Heatmap(z=z, x=xs, y=ys, colorbar=bar, hovertemplate=hover, zsmooth="best", **style))
    for cloud in over:
        figure.add_trace(_cloud(cloud))
    return _square(figure, extent)


def _centres(low: float, high: float, n: int) -> npt.NDArray[np.float32]:
    """The middles of ``n`` cells between the edges ``low`` and ``high``."""
    return _f4(low + (np.arange(n) + 0.5) * (high - low) / n)


def _fade(color: str, opacity: float) -> str:
    r, g, b = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({r}, {g}, {b}, {opacity:g})"


def _f4(x: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Single precision is plenty for a screen and half the bytes."""
    return np.asarray(x, np.float32)

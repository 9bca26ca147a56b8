"""Figures of the plane: points, maps, warped grids, arrows; both axes have the same scale."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from genmodels.figures.style import DATA, LATENT, NEUTRAL, SAMPLES, Extent, Points, faded, figure, named, single

__all__ = ["arrows", "density", "mesh", "points", "signed"]

MOST_SVG = 1000  # points that need no WebGL, of which a browser has about 16 canvases for the whole page


def points(
    clouds: Sequence[Points], *, title: str = "", x_title: str = "x₁", y_title: str = "x₂", extent: Extent | None = None
) -> go.Figure:
    """Clouds of points on a plane whose axes have the same scale."""
    drawn = figure(title, x_title, y_title, height=380)
    for cloud in clouds:
        drawn.add_trace(_cloud(cloud))
    return _square(drawn, extent)


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
        color: Blue for the data's, orange for the model's, green for the prior's, purple for the posterior's.
        x_title: Name of the horizontal axis.
        y_title: Name of the vertical axis.
        over: Points drawn over it.
    """
    scale = [[0, faded(color, 0.0)], [0.5, faded(color, 0.6)], [1, faded(color, 1.0)]]
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
    """A map that diverges around zero: a critic's score, or learned minus true. Orange is positive, blue negative.

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
    scale = [[0, faded(DATA, 1.0)], [0.5, faded(NEUTRAL, 0.0)], [1, faded(SAMPLES, 1.0)]]
    return _map(z, extent, title, unit, x_title, y_title, over, colorscale=scale, zmin=-limit, zmax=limit)


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
    drawn = figure(title, x_title, y_title, height=380)
    for cloud in over:
        drawn.add_trace(_cloud(cloud))
    style = {"color": color, "width": 1}
    drawn.add_trace(
        go.Scatter(x=single(path[:, 0]), y=single(path[:, 1]), mode="lines", line=style, name="grid", hoverinfo="skip")
    )
    return _square(drawn, extent)


def arrows(
    drawn: go.Figure, at: npt.ArrayLike, along: npt.ArrayLike, *, name: str, color: str = SAMPLES, length: float = 1.0
) -> go.Figure:
    """Draw vectors into a figure of the plane: from each of ``at``, (N, 2), ``length`` times ``along``, (N, 2)."""
    tail = np.asarray(at, float)
    v = length * np.asarray(along, float)
    head, across = tail + v, np.stack([-v[:, 1], v[:, 0]], 1)
    gap = np.full_like(tail, np.nan)
    barbs = [head - 0.3 * v + 0.15 * across, head, head - 0.3 * v - 0.15 * across]
    path = np.stack([tail, head, gap, *barbs, gap], 1).reshape(-1, 2)
    style = {"color": color, "width": 1.4}
    return drawn.add_trace(
        go.Scatter(x=single(path[:, 0]), y=single(path[:, 1]), mode="lines", line=style, name=name, hoverinfo="skip")
    )


def _square(drawn: go.Figure, extent: Extent | None) -> go.Figure:
    """Give both axes of a figure the same scale, and ``extent`` as their ranges."""
    if extent is not None:
        drawn.update_xaxes(range=extent[:2]).update_yaxes(range=extent[2:])
    drawn.update_xaxes(constrain="domain").update_yaxes(scaleanchor="x", constrain="domain")
    return named(drawn, sum(bool(t.name) for t in drawn.data) > 1)


def _cloud(cloud: Points) -> go.Scatter | go.Scattergl:
    xy = np.asarray(cloud.xy, np.float32).reshape(-1, 2)
    marker = {"color": cloud.color, "size": cloud.size, "opacity": cloud.opacity}
    if cloud.outlined:
        marker |= {"opacity": 1.0, "line": {"color": "white", "width": 0.8}}
    kind = go.Scatter if len(xy) <= MOST_SVG else go.Scattergl
    return kind(x=xy[:, 0], y=xy[:, 1], mode="markers", name=cloud.name, marker=marker)


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
    drawn = figure(title, x_title, y_title, height=380)
    bar = {"title": {"text": unit, "side": "right"}, "thickness": 10, "outlinewidth": 0, "len": 0.9}
    hover = f"{x_title} %{{x:.3g}}<br>{y_title} %{{y:.3g}}<br>{unit} %{{z:.4g}}<extra></extra>"
    drawn.add_trace(go.Heatmap(z=z, x=xs, y=ys, colorbar=bar, hovertemplate=hover, zsmooth="best", **style))
    for cloud in over:
        drawn.add_trace(_cloud(cloud))
    return _square(drawn, extent)


def _centres(low: float, high: float, n: int) -> npt.NDArray[np.float32]:
    """The middles of ``n`` cells between the edges ``low`` and ``high``."""
    return single(low + (np.arange(n) + 0.5) * (high - low) / n)

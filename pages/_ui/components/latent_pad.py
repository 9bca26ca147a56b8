"""A two-dimensional latent space under a draggable point that decodes as it moves, in the browser alone."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from genmodels.figures import CLASSES
from genmodels.images import Sprite
from pages._ui.components import component
from pages._ui.server.blobs import address

__all__ = ["Encoded", "latent_pad"]

_mount = component("latent_pad")
FAR = 1e6  # no point of a latent plane


@dataclass(frozen=True)
class Encoded:
    """Points of the latent plane, (N, 2), with the label of each, (N,), and the labels' names."""

    z: npt.ArrayLike
    labels: npt.ArrayLike
    names: Sequence[str]


def latent_pad(
    atlas: Sprite,
    axes: tuple[Sequence[float], Sequence[float]],
    *,
    key: str,
    alt: str,
    points: Encoded | None = None,
    start: tuple[float, float] = (0.0, 0.0),
    report: bool = False,
) -> tuple[float, float]:
    """Show the manifold; drag, or use the arrow keys (with shift: a whole cell).

    Args:
        atlas: Decoded images: columns by rising z₁, rows by falling z₂.
        axes: z₁ of each column and z₂ of each row counted from the bottom, rising: evenly spaced, or
            the normal distribution's quantiles.
        key: Identity: where the point is belongs to it.
        alt: What is decoded, for those who cannot see it.
        points: Encoded examples, drawn over the manifold in the colours of their labels; the reader may hide them.
        start: Where the point is at first; a change moves it.
        report: Rerun the script (or fragment) with the point when it is let go.

    Returns:
        z where the point was let go, where ``report``; otherwise ``start``.
    """
    data = {
        "atlas": address(atlas.image),
        "x_axis": [float(z) for z in axes[0]],
        "y_axis": [float(z) for z in axes[1]],
        "cell": list(atlas.size),
        "alt": alt,
        "start": list(start),
        "points": None if points is None else _points(points),
        "report": report,
    }
    z = _mount(key=key, data=data, on_z_change=lambda: None).get("z")
    try:
        point = (float(z[0]), float(z[1]))
    except (TypeError, ValueError, IndexError, KeyError, OverflowError):  # nothing yet, or nothing that the pad says
        return start
    return point if max(map(abs, point)) < FAR else start


def _points(points: Encoded) -> dict[str, Any]:
    z = np.asarray(points.z, "<f4").reshape(-1, 2)
    labels = np.asarray(points.labels, np.uint8)
    return {
        "z": base64.b64encode(z.tobytes()).decode(),
        "label": base64.b64encode(labels.tobytes()).decode(),
        "names": list(points.names),
        "colors": [CLASSES[i % len(CLASSES)] for i in range(len(points.names))],
    }

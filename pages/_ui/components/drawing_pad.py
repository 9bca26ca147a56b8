"""A pad to draw on, with a mouse, a pen or a finger: a digit for a model to read, or a density for it to learn."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from genmodels.figures import DATA
from pages._ui.components import component

__all__ = ["Drawing", "drawing_pad"]

_mount = component("drawing_pad")
MOST_STROKES, MOST_POINTS = 1000, 20_000


@dataclass(frozen=True)
class Drawing:
    """A drawing: its strokes, and the grey pixels that they make.

    Attributes:
        strokes: Each {"width", "points": [[x, y], …]} in units of the pad's side, x from the left, y from the top.
        pixels: Shape (n, n), uint8, ink is 255.
    """

    strokes: tuple[dict[str, Any], ...]
    pixels: npt.NDArray[np.uint8]


def drawing_pad(
    *,
    key: str,
    alt: str,
    pixels: int = 28,
    digit: bool = True,
    brush: float = 0.09,
    side: int = 280,
    preview: bool = True,
    strokes: Sequence[dict[str, Any]] = (),
    version: int = 0,
) -> Drawing:
    """Show the pad and return what is on it; the script reruns when the pen is lifted.

    It is drawn on with a mouse, a pen, a finger or the keyboard: arrow keys move, space puts the pen down and up.

    Args:
        key: Identity: the drawing belongs to it.
        alt: What is to be drawn, for those who cannot see it.
        pixels: Side of the grey image that is handed over.
        digit: White on black, as MNIST is; otherwise the data's blue on the page, with a grid.
        brush: Width at first, in units of the pad's side; the reader can change it.
        side: Of the pad on the screen, CSS pixels; less where the screen is narrow.
        preview: Show the grey image beside the buttons.
        strokes: A drawing to begin with.
        version: A change of it puts ``strokes`` on the pad in place of what is there.
    """
    data = {
        "alt": alt,
        "pixels": pixels,
        "ink": "white" if digit else DATA,
        "brush": brush,
        "side": side,
        "preview": preview,
        "strokes": list(strokes),
        "version": version,
    }
    told = _mount(key=key, data=data, on_drawing_change=lambda: None).get("drawing")
    if told is None:
        return Drawing(tuple(strokes), np.zeros((pixels, pixels), np.uint8))
    return _checked(told, pixels) or Drawing(tuple(strokes), np.zeros((pixels, pixels), np.uint8))


def _checked(told: Any, pixels: int) -> Drawing | None:
    """A drawing as the browser sent it, made anew; None where that is no drawing."""
    try:
        grey = np.frombuffer(base64.b64decode(told["grey"], validate=True), np.uint8).reshape(pixels, pixels)
        made = [_stroke(one) for one in told["strokes"][:MOST_STROKES]]
    except (TypeError, ValueError, KeyError, OverflowError):
        return None
    return Drawing(tuple(made), grey)


def _stroke(one: Any) -> dict[str, Any]:
    points = [[float(x), float(y)] for x, y in one["points"][:MOST_POINTS]]
    width = float(one["width"])
    if not np.isfinite(points).all() or not 0 < width <= 1:
        raise ValueError("no stroke")
    return {"width": width, "points": points}

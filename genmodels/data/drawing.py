"""What a visitor draws: strokes on a pad, checked, and strung with beads at equal distances."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from genmodels.errors import BadInput

__all__ = ["MOST_POINTS", "MOST_STROKES", "checked", "checked_width", "heart", "strung"]

MOST_STROKES, MOST_POINTS = 100, 10_000


def checked(strokes: Any) -> list[list[list[float]]]:
    """Strokes from outside as lists of points [x, y] with four decimals; strokes without a point are left out.

    Raises:
        BadInput: If there is nothing drawn, or too much, or a point is not in [0, 1]².
    """
    if not isinstance(strokes, list | tuple) or not all(isinstance(stroke, list | tuple) for stroke in strokes):
        raise BadInput("A drawing must be a list of strokes, each a list of points (x, y).")
    points = sum(len(stroke) for stroke in strokes)
    if points == 0:
        raise BadInput("The drawing is empty: draw at least one point.")
    if len(strokes) > MOST_STROKES or points > MOST_POINTS:
        raise BadInput(
            f"The drawing has {len(strokes):,} strokes and {points:,} points: "
            f"it may have {MOST_STROKES:,} strokes and {MOST_POINTS:,} points."
        )
    return [[_point(point) for point in stroke] for stroke in strokes if stroke]


def checked_width(width: Any) -> float:
    """The width of the ink.

    Raises:
        BadInput: If it is not a number from 0.005 to 0.2.
    """
    if _is_number(width) and 0.005 <= width <= 0.2:
        return float(width)
    raise BadInput(f"width = {str(width)[:60]} is not a number from 0.005 to 0.2.")


def strung(lines: Sequence[np.ndarray], spacing: float, most: int) -> tuple[list[np.ndarray], list[float]]:
    """Beads along polylines: the middles of equally long pieces, not longer than ``spacing``.

    Args:
        lines: Each (P, 2). One without a length counts as long as one piece: a dot is a bead.
        spacing: The longest that a piece may be, if that makes about ``most`` of them or fewer.
        most: How many beads there may be, but for one more a line.

    Returns:
        The beads of each line, (beads, 2), and the weight of each of them: its share of the whole length.
    """
    arcs = [np.concatenate([[0.0], np.linalg.norm(np.diff(line, axis=0), axis=1).cumsum()]) for line in lines]
    lengths = [max(float(arc[-1]), spacing) for arc in arcs]
    piece = max(spacing, sum(lengths) / most)
    beads, weights = [], []
    for line, arc, length in zip(lines, arcs, lengths, strict=True):
        n = math.ceil(length / piece)
        places = (np.arange(n) + 0.5) / n * arc[-1]
        beads.append(np.stack([np.interp(places, arc, line[:, axis]) for axis in (0, 1)], 1))
        weights.append(length / sum(lengths) / n)
    return beads, weights


def heart(points: int = 80) -> list[list[list[float]]]:
    """A heart in one stroke: what the pad shows before anybody has drawn."""
    t = np.linspace(0, 2 * math.pi, points)
    x = 16 * np.sin(t) ** 3
    y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    return [np.stack([0.5 + x / 40, 0.53 + y / 40], 1).tolist()]


def _point(point: Any) -> list[float]:
    if isinstance(point, list | tuple) and len(point) == 2 and all(_is_number(c) and 0 <= c <= 1 for c in point):
        return [round(float(c), 4) for c in point]
    raise BadInput(f"The point {str(point)[:60]} of the drawing is not a pair of numbers from 0 to 1.")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)

"""Curves that update in place: no blank frame, and the reader's zoom stays."""

import base64
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from genmodels.figures import thin
from pages._ui.components import component

__all__ = ["Line", "Panel", "Series", "live_chart"]

_mount = component("live_chart")


@dataclass(frozen=True, eq=False)
class Series:
    """One curve: ``name`` is its entry in the legend, shared by all panels; held-out curves are dashed.

    ``low`` and ``high``, where given, are the edges of a band about it; a ``faint`` curve is one of many: thin, and
    without a value of its own above the panel.

    A curve that is drawn for many viewers is best made once: it is put into the browser's form once.
    """

    name: str
    x: npt.ArrayLike
    y: npt.ArrayLike
    color: str
    held_out: bool = False
    low: npt.ArrayLike | None = None
    high: npt.ArrayLike | None = None
    faint: bool = False

    @functools.cached_property
    def encoded(self) -> dict[str, Any]:
        """The curve as the browser is sent it."""
        x, y = thin(self.x, self.y)
        shown = {
            "name": self.name,
            "color": self.color,
            "dashed": self.held_out,
            "faint": self.faint,
            "x": base64.b64encode(x.astype("<f8").tobytes()).decode(),
            "y": _floats(y),
        }
        if self.low is not None and self.high is not None:
            at = np.asarray(self.x, float)
            for edge, values in (("low", self.low), ("high", self.high)):
                shown[edge] = _floats(np.interp(x, at, np.asarray(values, float)))
        return shown


@dataclass(frozen=True)
class Line:
    """A value to hold the curves against, drawn across in its own colour: an estimate's floor, an exact value."""

    value: float
    label: str
    color: str


@dataclass(frozen=True)
class Panel:
    """One pair of axes: what is drawn, in which unit, and how it is read, a line or two."""

    title: str
    unit: str
    series: Sequence[Series]
    lines: Sequence[Line] = field(default_factory=tuple)
    about: str = ""


def live_chart(
    panels: Sequence[Panel],
    *,
    key: str,
    x_title: str = "step",
    marker: float | None = None,
    log_x: bool = False,
    height: int = 240,
    columns: int = 3,
    text: int = 12,
    in_sight: int = 0,
) -> None:
    """Draw curves over a shared horizontal axis, one panel a quantity.

    Drag to zoom (sideways, upwards or a box), shift-drag to pan, ctrl-wheel or pinch to scale, double-click to reset;
    with the keyboard ← → walk along the points, + − 0 zoom. Values under the cursor stand above each panel, exact.

    Args:
        panels: What to draw. Panels and curves may come and go from one call to the next.
        key: Identity: the reader's zoom belongs to it.
        x_title: Name of the horizontal axis.
        marker: Where the time machine stands, on that axis.
        log_x: Whether the horizontal axis starts out logarithmic; the reader can switch.
        height: Of one panel, CSS pixels.
        columns: Panels beside each other, at most; fewer where the screen is narrow.
        text: Height of the letters on the axes, CSS pixels; the others keep their proportion to it.
        in_sight: So many panels are shown until the reader asks for the others; 0: all.
    """
    data = {
        "panels": [_panel(panel) for panel in panels],
        "x_title": x_title,
        "marker": marker,
        "log_x": log_x,
        "height": height,
        "columns": columns,
        "text": text,
        "in_sight": in_sight,
    }
    _mount(key=key, data=data)


def _panel(panel: Panel) -> dict[str, Any]:
    lines = [{"value": line.value, "label": line.label, "color": line.color} for line in panel.lines]
    return {
        "title": panel.title,
        "unit": panel.unit,
        "about": panel.about,
        "series": [one.encoded for one in panel.series],
        "lines": lines,
    }


def _floats(values: npt.ArrayLike) -> str:
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()

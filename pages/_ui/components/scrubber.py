"""A film under the reader's thumb, scrubbed in the browser without asking the server: pictures, or points that move."""

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from genmodels.figures import DATA, SAMPLES
from genmodels.images import Sprite
from pages._ui.components import component
from pages._ui.server.blobs import address

__all__ = ["point_film", "scrubber"]

_mount = component("scrubber")
MOST_FRAMES = 1e9


def scrubber(
    film: Sprite,
    *,
    key: str,
    alt: str,
    captions: Sequence[str] | None = None,
    now: tuple[bytes, str] | None = None,
    scale: float = 1.0,
    fps: float = 12.0,
    start: int | None = None,
    follow: bool = False,
    autoplay: bool = False,
    loop: bool = False,
    report: bool = False,
    controls: bool = True,
) -> int:
    """Show a film of pictures; play, pause, speed, step, slider, arrow keys.

    Args:
        film: The frames (:func:`genmodels.images.sprite`).
        key: Identity: where the reader is belongs to it.
        alt: What the film shows, for those who cannot see it.
        captions: A line under each frame.
        now: One more frame at the end, as a PNG or JPEG, and its caption: it may change often.
        scale: Size on the screen of one pixel of the film, in CSS pixels; less where the screen is narrow.
        fps: Frames a second at single speed.
        start: The frame first shown; the last where ``follow``, otherwise the first.
        follow: Stay at the newest frame as frames are added, until the reader goes back.
        autoplay: Play at once.
        loop: Begin again at the end.
        report: Rerun the script (or fragment) with the frame at which the reader stopped.
        controls: Whether there is anything to press.

    Returns:
        The frame at which the reader stopped, where ``report``; otherwise the one shown first.
    """
    newest = None if now is None else {"sprite": address(now[0]), "caption": now[1]}
    options = {"scale": scale, "autoplay": autoplay, "loop": loop, "controls": controls, "fps": fps}
    return _show(key, _sprite(film, captions), newest, alt, start, follow, report, options)


def point_film(
    points: npt.ArrayLike,
    *,
    key: str,
    alt: str,
    extent: float,
    data: npt.ArrayLike = (),
    under: Sprite | None = None,
    colors: tuple[str, str] = (SAMPLES, DATA),
    captions: Sequence[str] | None = None,
    now: tuple[npt.ArrayLike, str] | None = None,
    side: int = 380,
    fps: float = 6.0,
    start: int | None = None,
    follow: bool = False,
    autoplay: bool = False,
    report: bool = False,
) -> int:
    """Show points of the plane that glide from one frame to the next, over the data and over a map.

    Args:
        points: Where each point is in each frame, shape (T, N, 2): the same noise throughout, or they jump about.
        key: Identity: where the reader is belongs to it.
        alt: What the film shows, for those who cannot see it.
        extent: The square [-extent, extent]² is shown.
        data: Points that stand still beneath, (M, 2).
        under: A map of the square for each frame: a critic's score, a density.
        colors: Of the points, and of the data.
        captions: A line under each frame.
        now: One more frame at the end, (N, 2), and its caption: it may change often.
        side: Of the square on the screen, CSS pixels; less where the screen is narrow.
        fps: Frames a second at single speed.
        start: The frame first shown; the last where ``follow``, otherwise the first.
        follow: Stay at the newest frame as frames are added, until the reader goes back.
        autoplay: Play at once.
        report: Rerun the script (or fragment) with the frame at which the reader stopped.

    Returns:
        The frame at which the reader stopped, where ``report``; otherwise the one shown first.
    """
    frames = np.asarray(points, np.float32)
    drawn = {
        "frames": address(_int16(frames, extent)),
        "cloud": _text(_int16(data, extent)),
        "extent": extent,
        "side": side,
        "color": colors[0],
        "cloud_color": colors[1],
    }
    film = {"points": drawn, "frames": len(frames), "captions": None if captions is None else list(captions)}
    film = ({} if under is None else _sprite(under, captions)) | film
    newest = None if now is None else {"points": _text(_int16(now[0], extent)), "caption": now[1]}
    options = {"fps": fps, "autoplay": autoplay, "controls": True}
    return _show(key, film, newest, alt, start, follow, report, options)


def _show(
    key: str,
    film: dict[str, Any],
    now: dict[str, Any] | None,
    alt: str,
    start: int | None,
    follow: bool,
    report: bool,
    options: dict[str, Any],
) -> int:
    last = film["frames"] - (now is None)
    first = start if start is not None else (last if follow else 0)
    data = {"film": film, "now": now, "alt": alt, "start": first, "follow": follow, "report": report}
    data["held"] = start is not None
    told = _mount(key=key, data=data | options, on_at_change=lambda: None).get("at")
    if told is None:
        return first
    newest, frame = (told.get("newest"), told.get("frame")) if isinstance(told, dict) else (None, None)
    if newest is True:
        return last if follow else first
    return max(0, min(int(frame), last)) if isinstance(frame, int | float) and abs(frame) < MOST_FRAMES else first


def _sprite(film: Sprite, captions: Sequence[str] | None) -> dict[str, Any]:
    width, height = film.size
    shown = {"sprite": address(film.image), "frames": film.frames, "columns": film.columns}
    return shown | {"width": width, "height": height, "captions": None if captions is None else list(captions)}


def _int16(xy: npt.ArrayLike, extent: float) -> bytes:
    """Coordinates as whole numbers, 32,000 for ``extent``: half the bytes, and finer than any screen."""
    whole = np.nan_to_num(np.asarray(xy, np.float32) * (32_000 / extent)).clip(-32_767, 32_767).astype("<i2")
    return whole.tobytes()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()

"""A film under the reader's thumb: frames of one sprite, scrubbed in the browser without asking the server."""

from collections.abc import Sequence

from pages._ui.components import component, data_url

__all__ = ["scrubber"]

_mount = component("scrubber")


def scrubber(
    sprite: bytes,
    frames: int,
    columns: int,
    size: tuple[int, int],
    *,
    key: str,
    alt: str,
    captions: Sequence[str] | None = None,
    scale: float = 1.0,
    fps: float = 12.0,
    start: int | None = None,
    follow: bool = False,
    autoplay: bool = False,
    loop: bool = False,
    report: bool = False,
    controls: bool = True,
) -> int:
    """Show a film; play, pause, speed, step, slider, arrow keys.

    Args:
        sprite: All frames in one PNG or JPEG (:func:`genmodels.pictures.sprite`).
        frames: How many.
        columns: Frames in a row of the sprite.
        size: Width and height of one frame, in its own pixels.
        key: Identity: where the reader is belongs to it.
        alt: What the film shows, for those who cannot see it.
        captions: A line under each frame.
        scale: Size on the screen of one of its pixels, in CSS pixels; less where the screen is narrow.
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
    first = start if start is not None else (frames - 1 if follow else 0)
    data = {
        "sprite": data_url(sprite),
        "frames": frames,
        "columns": columns,
        "width": size[0],
        "height": size[1],
        "alt": alt,
        "captions": None if captions is None else list(captions),
        "scale": scale,
        "fps": fps,
        "start": first,
        "follow": follow and start is None,
        "autoplay": autoplay,
        "loop": loop,
        "report": report,
        "controls": controls,
    }
    result = _mount(key=key, data=data, on_at_change=_nothing)
    told = result.get("at")
    if told is None or told["newest"]:
        return frames - 1 if follow else first
    return min(int(told["frame"]), frames - 1)


def _nothing() -> None:
    """Only the rerun is wanted."""

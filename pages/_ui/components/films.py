"""Several films that play together and over again; a click on one says at which of its frames."""

from collections.abc import Sequence
from dataclasses import dataclass

from genmodels.images import Sprite
from pages._ui.components import component
from pages._ui.server.blobs import address

__all__ = ["Film", "films"]

_mount = component("films")


@dataclass(frozen=True)
class Film:
    """A film of pictures, by a name of its own: what it is called, what it shows, a line for each frame."""

    name: str
    title: str
    alt: str
    sheet: Sprite
    captions: Sequence[str]


def films(shown: Sequence[Film], *, key: str) -> tuple[str, int] | None:
    """Show films on one clock; they stand still for who asks their system for less motion.

    Args:
        shown: The films.
        key: Identity of them all.

    Returns:
        The name of the film that was clicked in this moment, and its frame; None otherwise.
    """
    told = _mount(key=key, data={"films": [_spec(one) for one in shown]}, on_open_change=lambda: None).get("open")
    if not isinstance(told, dict):
        return None
    name, frame = told.get("name"), told.get("frame")
    known = {one.name: one.sheet.frames for one in shown}
    if not isinstance(name, str) or name not in known or type(frame) is not int:
        return None
    return name, max(0, min(frame, known[name] - 1))


def _spec(one: Film) -> dict[str, object]:
    width, height = one.sheet.size
    return {
        "name": one.name,
        "title": one.title,
        "alt": one.alt,
        "sprite": address(one.sheet.image),
        "frames": one.sheet.frames,
        "columns": one.sheet.columns,
        "width": width,
        "height": height,
        "captions": list(one.captions),
    }

"""A picture in crisp pixels that changes in place, with its download; its tiles may be there to be chosen from."""

from collections.abc import Callable, Sequence

import streamlit as st

from pages._ui.components import component
from pages._ui.server.blobs import address

__all__ = ["image_grid"]

_mount = component("image_grid")


def image_grid(
    image: bytes,
    *,
    key: str,
    alt: str,
    caption: str = "",
    scale: float = 2.0,
    download: str = "samples.png",
    choices: Sequence[str] = (),
    chosen: int | None = None,
    choose: Callable[[int], None] | None = None,
) -> None:
    """Show a PNG or JPEG whose every pixel counts.

    Args:
        image: The file's bytes (:func:`genmodels.images.png` of :func:`genmodels.images.tile`).
        key: Identity: a new picture under the same key replaces the old one without a blank frame.
        alt: What it shows, for those who cannot see it.
        caption: A line under it.
        scale: Size on the screen of one of its pixels, in CSS pixels; less where the screen is narrow.
        download: Name of the file that is offered; "" for none.
        choices: What each tile is called, of a picture of tiles in one row of which one is to be chosen.
        chosen: Which of them is.
        choose: Told, before the script runs again, which tile was clicked.
    """

    def told() -> None:
        clicked = st.session_state[key].get("chosen")
        if choose is not None and type(clicked) is int and 0 <= clicked < len(choices):
            choose(clicked)

    data = {"image": address(image), "alt": alt, "caption": caption, "scale": scale, "download": download}
    _mount(key=key, data=data | {"choices": list(choices), "chosen": chosen}, on_chosen_change=told)

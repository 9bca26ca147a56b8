"""What the visitor chooses: a test example, by its number or by a click on one of a row; or a picture of their own."""

import time
from collections.abc import Callable
from string import digits
from typing import Any

import numpy as np
import streamlit as st

from genmodels import images
from genmodels.data import uploads
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Array
from genmodels.instruments.data import choices
from genmodels.instruments.examples import frame
from pages._ui.components.drawing_pad import drawing_pad
from pages._ui.components.image_grid import image_grid
from pages._ui.form import url_widgets
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment

__all__ = ["chosen", "own_picture"]

FINE = 112  # pixels a side of what the pad hands over: it is scaled afterwards


def chosen(moment: Moment, *, key: str, label: str, default: int, scale: float) -> int:
    """The number of the chosen test example, in the URL as ``key``; images are drawn ``scale`` times as large."""
    most = len(moment.data.test) - 1
    default = min(default, most)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        index = url_widgets.number(label, 0, most, default, key=key, width=180)
        if moment.model.is_image:
            numbers, row = seen(_row, moment, other=default)
            image_grid(
                row,
                key=f"{key}-tiles",
                alt=f"Test images to choose from: {label}.",
                scale=scale,
                download="",
                choices=[f"{label}: number {i}" for i in numbers],
                chosen=numbers.index(index) if index in numbers else None,
                choose=lambda tile: st.session_state.update({key: numbers[tile]}),
            )
    return index


def _row(model: Any, data: Data, other: int) -> tuple[list[int], bytes]:
    """The numbers of some test images, and the images in one row."""
    numbers, x = choices(data, other)
    return numbers, images.png(images.tile(x, columns=len(x)))


def own_picture(moment: Moment, read: Callable[[Array], Any]) -> tuple[Any, Any]:
    """A picture that the visitor draws or uploads, read by the model.

    Returns:
        What ``read`` makes of it in grey of 0 to 255, in the size of the data; None while there is none or it cannot be
        read, which is said. And the place to show it in.
    """
    left, right = st.columns([2, 3])
    try:
        with left:
            pixels = _drawn_or_uploaded(moment)
        if pixels is None:
            right.info(
                f"Draw {_one(moment)} on the left, with the mouse, a pen or a finger; or upload a picture of one."
            )
            return None, right
        start = time.perf_counter()
        reading = read(pixels)
        left.caption(f"Read in {1000 * (time.perf_counter() - start):.0f} ms.")
        return reading, right
    except BadInput as error:
        right.warning(str(error))
        return None, right


def _one(moment: Moment) -> str:
    """What the training pictures are of, one of it."""
    names = "".join(moment.data.classes)
    return "a digit" if names and set(names) <= set(digits) else "something like the training pictures"


def _drawn_or_uploaded(moment: Moment) -> Array | None:
    """The picture in grey of 0 to 255, of the data's size; None while there is none."""
    _, *shape = moment.data.shape
    brush = 0.09 if shape[0] > 16 else 0.16  # of few pixels a stroke takes more
    drawing = drawing_pad(
        key=f"pad-{shape[0]}",
        alt=f"Draw {_one(moment)} for the model to read.",
        pixels=FINE,
        brush=brush,
        preview=False,
    )
    file = st.file_uploader(
        "or upload a picture of one, PNG or JPEG", type=["png", "jpg", "jpeg"], key="picture", max_upload_size=8
    )
    like = url_widgets.switch(
        "scale and centre it as the training pictures are",
        True,
        key="framed",
        help="Off: a drawing is read where it stands, and an upload as a whole.",
    )
    if file is not None:
        ink = uploads.ink(file.getvalue(), lambda: st.session_state.get("picture"))  # which ends where the tab has
    elif drawing.pixels.any():
        ink = (drawing.pixels / 255).astype(np.float32)
    else:
        return None
    return uploads.framed(ink, tuple(shape), seen(frame, moment)) if like else uploads.shrunk(ink, tuple(shape))

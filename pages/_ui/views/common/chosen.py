"""A test example that the visitor chooses: by its number, and of images by a click on one of a row."""

from typing import Any

import streamlit as st

from genmodels import images
from genmodels.data.datasets import Data
from genmodels.instruments.data import choices
from pages._ui.components.image_grid import image_grid
from pages._ui.form import url_widgets
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment

__all__ = ["chosen"]


def chosen(moment: Moment, *, key: str, label: str, default: int, scale: float) -> int:
    """Its number, in the URL as ``key``; a pixel of the row of images is ``scale`` pixels of the screen wide."""
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

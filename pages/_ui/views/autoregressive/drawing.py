"""Images as they come into being: the film pixel by pixel, and the ways in which a part can be gone on with."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from genmodels import figures, images
from genmodels.instruments.autoregressive import drawing, slices
from genmodels.text import number
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.autoregressive.bits import of_labels
from pages._ui.views.common.asked import asked
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.film import play
from pages._ui.views.common.shapes import example_of, half_of, label_of, pictures

__all__ = ["completions", "pixel_by_pixel"]

Film = Mapping[str, npt.NDArray[Any]]


def pixel_by_pixel(moment: Moment) -> None:
    """The film of sampling; of points, the two laws that they are drawn from."""
    if not moment.model.is_image:
        _coordinates(moment)
        return
    film = answer(drawing.pixel_by_pixel, moment=moment, key="pixels", at_once=True, **asked(moment, 16, (4, 16, 36)))
    if film is None:
        return
    st.caption(
        f"Each of the {int(film['t'][-1]):,} pixels is drawn from what the network says of it after all those before; "
        f"what is {'black' if moment.model.masks > 1 else 'grey'} is not drawn yet. Space plays, arrow keys step."
        f"{of_labels(moment)}{_of_masks(moment)}"
    )
    _film(film, moment, "pixel-film", 420)
    concluded(drawing.conclusion(film), key="conclusion-pixels")


def _of_masks(moment: Moment) -> str:
    masks = moment.model.masks
    return f" Each is drawn under one of {masks} masks, and its bits are of that one." if masks > 1 else ""


def _film(film: Film, moment: Moment, key: str, width: int) -> None:
    frames = np.stack([images.tile(frame)[..., :3].transpose(2, 0, 1) for frame in film["x"]])
    captions = [f"{t:,} pixels, {number(bits)} bits drawn" for t, bits in zip(film["t"], film["bits"], strict=True)]
    alt, name = "samples pixel by pixel", f"{moment.id}-{key}"
    play(frames, captions, key=key, alt=alt, width=width, name=name, fps=12, autoplay=True)


def completions(moment: Moment) -> None:
    """A test image of which the first part is given, gone on with in many ways."""
    with st.container(horizontal=True, gap="small"):
        example = example_of(moment, key="given_example")
        share = url_widgets.slider("given, % of the pixels", 5, 95, 50, key="given_share", width=260)
        seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="given_seed")
    wanted: dict[str, Any] = {"example": example, "share": share / 100, "seed": seed, "n": 24}
    film = answer(drawing.completed, moment=moment, key="completed", at_once=True, **wanted)
    if film is None:
        return
    left, right = st.columns([1, 4], gap="medium")
    with left:
        words = "the image, and what is given of it"
        pair = np.stack([film["real"], film["x"][0, 0]])
        pictures(pair, 1, key="given", alt=words, caption=words, pixels=130, download="")
    with right:
        _film(film, moment, "completed", 560)
    law = "p(rest | given, y): the model is told the label y" if moment.model.classes else "p(rest | given)"
    st.caption(
        f"{int(film['t'][0])} pixels are given, those that come first in the order *{moment.model.config['order']}*; "
        f"each image goes on from them by itself. Nothing is approximated: these are draws of {law}."
    )
    concluded(drawing.conclusion_of_completions(film), key="conclusion-completed")


def _coordinates(moment: Moment) -> None:
    half, where = half_of(moment), "where the first coordinate is, % of the way"
    with st.container(horizontal=True, gap="small"):
        percent = url_widgets.slider(where, 0, 100, 50, key="slice_at", width=320)
        label = label_of(moment)
    at = round((percent / 50 - 1) * half, 3)
    laws = seen(slices.slices, moment, at=at, label=label)
    masks = moment.model.masks
    first, second = ("x₁", "x₂") if int(laws["coordinate"]) == 0 else ("x₂", "x₁")
    st.caption(
        f"A point is drawn in two steps: {first} from a mixture of Gaussians, then {second} from another, whose "
        f"weights, means and variances a network says from {first}. Their product is the density, exactly"
        + (f", of the first of {masks} masks: p(x) is the mean of all of theirs." if masks > 1 else ".")
        + (" The network is told the class, so all of it is p(x | y)." if moment.model.classes else "")
    )
    titles = {"first": (f"p({first})", first), "second": (f"p({second} | {first} = {number(at)})", second)}
    for (name, (title, axis)), place in zip(titles.items(), st.columns(2), strict=True):
        lines = [figures.Curve("learned", laws["axis"], laws[name], figures.SAMPLES)]
        if f"true_{name}" in laws:
            lines.append(figures.Curve("true", laws["axis"], laws[f"true_{name}"], figures.DATA, dashed=True))
        marker = at if name == "first" else None
        figure = figures.curves(lines, x_title=axis, y_title="density", title=title, marker=marker)
        plot(figure, key=f"slice-{name}", place=place)
    concluded(slices.conclusion(laws), key="conclusion-slices")

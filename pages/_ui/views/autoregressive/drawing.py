"""Images as they come into being: the film pixel by pixel, and the ways in which a part can be gone on with."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from genmodels import figures, images
from genmodels.instruments.autoregressive import drawing, slices
from genmodels.instruments.samples import options
from pages._ui.components.image_grid import image_grid
from pages._ui.components.scrubber import scrubber
from pages._ui.form import url_widgets
from pages._ui.form.form import hyperparameters
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.shapes import half_of, zoom

__all__ = ["completions", "pixel_by_pixel"]

Film = Mapping[str, npt.NDArray[Any]]


def pixel_by_pixel(moment: Moment) -> None:
    """The film of sampling; of points, the two laws that they are drawn from."""
    model = moment.model
    if not model.is_image:
        _coordinates(moment)
        return
    names = ["any", *moment.data.classes][: model.classes + 1]
    with st.container(horizontal=True, gap="small"):
        n = url_widgets.choice("samples", (4, 16, 36), 16, key="film_n")
        seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="film_seed")
        label = url_widgets.choice_of_many("class", names, key="film_label") if model.classes else "any"
    how = hyperparameters(options(type(model)), prefix="film_")
    wanted = {} if label == "any" else {"label": names.index(label) - 1}
    film = answer(drawing.pixel_by_pixel, moment=moment, key="pixels", at_once=True, n=n, seed=seed, how=how, **wanted)
    if film is None:
        return
    st.caption(
        f"Each of the {int(film['t'][-1]):,} pixels is drawn from what the network says of it after all those before; "
        f"what is grey is not drawn yet. An image costs {float(film['bits'][-1]):.1f} bits on average. "
        "Space plays, arrow keys step."
    )
    _film(film, moment, "pixels", 420)


def _film(film: Film, moment: Moment, key: str, width: int) -> None:
    frames = np.stack([images.tile(frame)[..., :3].transpose(2, 0, 1) for frame in film["x"]])
    captions = [f"{t} pixels, {bits:.1f} bits drawn" for t, bits in zip(film["t"], film["bits"], strict=True)]
    scale = zoom(frames.shape, width)
    scrubber(
        images.sprite(frames), key=key, alt="samples pixel by pixel", captions=captions, scale=scale, autoplay=True
    )
    gif = lambda: images.gif(frames, fps=12, scale=max(1, 480 // frames.shape[-1]))  # noqa: E731
    st.download_button("GIF", gif, f"{moment.id}-{key}.gif", key=f"{key}-gif", on_click="ignore")


def completions(moment: Moment) -> None:
    """A test image of which the first part is given, gone on with in many ways."""
    if not moment.model.is_image:
        st.info("Images are completed; this model makes points.")
        return
    with st.container(horizontal=True, gap="small"):
        example = url_widgets.number("test example", 0, len(moment.data.test) - 1, 0, key="given_example")
        share = url_widgets.slider("given, % of the pixels", 5, 95, 50, key="given_share", width=260)
        seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="given_seed")
    wanted = {"example": example, "share": share / 100, "seed": seed, "n": 24}
    film = answer(drawing.completed, moment=moment, key="completed", at_once=True, **wanted)
    if film is None:
        return
    left, right = st.columns([1, 4], gap="medium")
    with left:
        pair = np.stack([film["real"], film["x"][0, 0]])
        image_grid(
            images.png(images.tile(pair, 1)),
            key="given",
            alt="The test image, and what is given of it.",
            caption="the image, and what is given of it",
            scale=zoom(moment.data.shape, 130),
            download="",
        )
    with right:
        _film(film, moment, "completed", 560)
    st.caption(
        f"{int(film['t'][0])} pixels are given, those that come first in the order *{moment.model.config['order']}*; "
        "each image goes on from them by itself. Nothing is approximated: these are draws of p(rest | given). The real "
        f"rest costs {float(film['bits_of_real']):.1f} bits, those drawn here {film['bits_each'].mean():.1f} on "
        "average."
    )


def _coordinates(moment: Moment) -> None:
    half = half_of(moment)
    percent = url_widgets.slider("where the first coordinate is, % of the way", 0, 100, 50, key="slice_at", width=320)
    at = round((percent / 50 - 1) * half, 3)
    found = seen(slices.slices, moment, at=at)
    first, second = ("x₁", "x₂") if int(found["coordinate"]) == 0 else ("x₂", "x₁")
    st.caption(
        f"A point is drawn in two steps: {first} from a mixture of Gaussians, then {second} from another, whose "
        f"weights, means and variances a network says from {first}. Their product is the density, exactly."
    )
    titles = {"first": (f"p({first})", first), "second": (f"p({second} | {first} = {at:g})", second)}
    for (name, (title, axis)), place in zip(titles.items(), st.columns(2), strict=True):
        lines = [figures.Curve("learned", found["axis"], found[name], figures.SAMPLES)]
        if f"true_{name}" in found:
            lines.append(figures.Curve("true", found["axis"], found[f"true_{name}"], figures.DATA, dashed=True))
        marker = at if name == "first" else None
        figure = figures.curves(lines, x_title=axis, y_title="density", title=title, marker=marker)
        plot(figure, key=f"slice-{name}", place=place)

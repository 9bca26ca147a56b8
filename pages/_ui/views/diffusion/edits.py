"""What a diffusion does to a real picture: noise it and draw it again, fill it in, lead it to another."""

from collections.abc import Mapping

import streamlit as st

from genmodels import images
from genmodels.instruments.diffusion import edits
from pages._ui.components.image_grid import image_grid
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.views.common.shapes import zoom
from pages._ui.views.diffusion.film import Array, way_back

__all__ = ["edit"]


def edit(moment: Moment) -> None:
    """A real digit, noised and drawn again, filled in, or led to another."""
    if not moment.model.is_image:
        st.info("Edits are made to pictures; this model makes points.")
        return
    ways = {"Noise and denoise": _redraw, "Fill in": _fill, "Interpolate": _interpolate}
    way = url_widgets.choice("edit", list(ways), "Noise and denoise", key="edit", bare=True)
    ways[way](moment)


def _example(moment: Moment, name: str, key: str, first: int = 0) -> int:
    return url_widgets.number(name, 0, len(moment.data.test) - 1, first, key=key)


def _pair(moment: Moment, film: Mapping[str, Array], names: Mapping[str, str], key: str) -> None:
    """The image at the left, nine ways back at the right."""
    left, right = st.columns([1, 5], gap="medium")
    for part, name in names.items():
        with left:
            image_grid(
                images.png(images.tile(film[part][None])),
                key=f"{key}-{part}",
                alt=name,
                caption=name,
                scale=zoom(moment.data.shape, 130),
                download="",
            )
    with right:
        name = f"{moment.id}-{key}"
        way_back(film, ("x_t", "x_0"), key=f"{key}-film", alt="ways back to data", name=name, width=680)


def _redraw(moment: Moment) -> None:
    with st.container(horizontal=True, gap="small"):
        example = _example(moment, "test example", "edit_example")
        share = url_widgets.slider("noised to t / T, %", 1, 100, 40, key="edit_t", width=300)
        seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="edit_seed")
    t = max(1, round(share / 100 * moment.model.T))
    film = answer(edits.redrawn, moment=moment, key="redraw", at_once=True, example=example, t=t, seed=seed, n=9)
    if film is None:
        return
    st.caption(
        f"Noised to t = {t:,} nine times over and denoised again: with little noise the digit comes back, with more "
        "only its shape or its class, and from pure noise nothing of it."
    )
    _pair(moment, film, {"x": "the digit"}, "redraw")


def _fill(moment: Moment) -> None:
    with st.container(horizontal=True, gap="small"):
        example = _example(moment, "test example", "edit_example")
        hidden = url_widgets.choice("hidden", edits.MASKS, "right", key="edit_hidden")
        resample = url_widgets.slider("repeats of each step", 1, 20, 5, key="resample", width=200)
        seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="edit_seed")
    wanted = {"example": example, "hidden": hidden, "seed": seed, "n": 9, "resample": resample}
    film = answer(edits.filled, moment=moment, key="fill", at_once=True, **wanted)
    if film is None:
        return
    st.caption(
        "What is seen is put back after every step, at that step's noise. With one repeat the new half hardly knows of "
        "the old one; going back and forth lets them agree."
    )
    _pair(moment, film, {"x": "the digit", "seen": "what is seen of it"}, "fill")


def _interpolate(moment: Moment) -> None:
    with st.container(horizontal=True, gap="small"):
        first = _example(moment, "from test example", "edit_example")
        second = _example(moment, "to", "edit_second", 1)
    way = answer(edits.interpolated, moment=moment, key="between", at_once=True, first=first, second=second, n=11)
    if way is None:
        return
    st.caption(
        "Both digits are run up to the noise that they come from; what lies between, on a great circle, is run down. "
        f"The ends come back to {float(way['error']):.3f} of white (root mean square)."
    )
    rows = {"path": "through the noise", "blend": "through the pixels, to compare", "x_T": "the noise itself, x at T"}
    for part, name in rows.items():
        image_grid(
            images.png(images.tile(way[part], 11)),
            key=f"between-{part}",
            alt=f"From one digit to another {name}.",
            caption=name,
            scale=zoom(moment.data.shape, 900 // 11),
            download=f"{part}.png",
        )

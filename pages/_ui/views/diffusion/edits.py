"""What a diffusion does to a real picture: noise it and draw it again, fill it in, lead it to another."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from genmodels.instruments.diffusion import edits
from genmodels.jobs.tasks import TaskFunction
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import example_of, pictures
from pages._ui.views.diffusion.film import way_back

__all__ = ["edit"]


def edit(moment: Moment) -> None:
    """A real picture, noised and drawn again, filled in, or led to another."""
    ways = {"Noise and denoise": _redraw, "Fill in": _fill}
    if not moment.model.needs_label:  # what lies between two pictures has no label
        ways["Interpolate"] = _interpolate
    ways[url_widgets.choice("edit", list(ways), "Noise and denoise", key="edit", bare=True)](moment)


def _ways_back(moment: Moment, task: TaskFunction, names: Mapping[str, str], about: str, **wanted: Any) -> None:
    """The image at the left, nine ways back at the right."""
    key = task.__name__
    film = answer(task, moment=moment, key=key, at_once=True, n=9, **wanted)
    if film is None:
        return
    st.caption(about)
    left, right = st.columns([1, 5], gap="medium")
    with left:
        for part, name in names.items():
            pictures(film[part], 1, key=f"{key}-{part}", alt=name, caption=name, pixels=130, download="")
    with right:
        how = {"alt": "ways back to data", "name": f"{moment.id}-{key}", "width": 680}
        way_back(film, ("x_t", "x_0"), key=f"{key}-film", autoplay=True, **how)
    concluded(edits.conclusion(film), key=f"conclusion-{key}")


def _redraw(moment: Moment) -> None:
    with st.container(horizontal=True, gap="small"):
        example = example_of(moment, key="edit_example")
        share = url_widgets.slider("noised to t / T, %", 1, 100, 40, key="edit_t", width=300)
        seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="edit_seed")
    t = max(1, round(share / 100 * moment.model.T))
    about = (
        f"Noised to t = {t:,} nine times over and denoised again: with little noise the picture comes back, with more "
        "only its shape or its class, and from pure noise "
        + ("only its class, for the model is told the label." if moment.model.hears_label else "nothing of it.")
    )
    _ways_back(moment, edits.redrawn, {"x": "the picture"}, about, example=example, t=t, seed=seed)


def _fill(moment: Moment) -> None:
    with st.container(horizontal=True, gap="small"):
        example = example_of(moment, key="edit_example")
        hidden = url_widgets.choice("hidden", edits.MASKS, "right", key="edit_hidden")
        resample = url_widgets.slider("repeats of each step", 1, 20, 5, key="resample", width=200)
        seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="edit_seed")
    about = (
        "What is seen is put back after every step, at that step's noise. With one repeat the new half hardly knows of "
        "the old one; going back and forth lets them agree."
        + (" The model is told the picture's label." if moment.model.hears_label else "")
    )
    names = {"x": "the picture", "seen": "what is seen of it"}
    wanted: dict[str, int | str] = {"example": example, "seed": seed, "hidden": hidden, "resample": resample}
    _ways_back(moment, edits.filled, names, about, **wanted)


def _interpolate(moment: Moment) -> None:
    with st.container(horizontal=True, gap="small"):
        first = example_of(moment, key="edit_example", label="from test example")
        second = example_of(moment, key="edit_second", label="to test example", default=1)
    way = answer(edits.interpolated, moment=moment, key="between", at_once=True, first=first, second=second, n=11)
    if way is None:
        return
    st.caption(
        "Both pictures are run up to the noise that they come from; what lies between, on a great circle, is run down."
    )
    rows = {"path": "through the noise", "blend": "through the pixels, to compare", "x_T": "the noise itself, x at T"}
    for part, name in rows.items():
        alt, file = f"From one picture to another {name}.", f"{part}.png"
        pictures(way[part], 11, key=f"between-{part}", alt=alt, caption=name, pixels=900 // 11, download=file)
    concluded(edits.conclusion_of_path(way), key="conclusion-between")

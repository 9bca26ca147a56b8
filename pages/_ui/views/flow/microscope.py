"""The flow microscope: points, a square grid and both densities, scrubbed from data to noise and back."""

from typing import Any

import streamlit as st

from genmodels.instruments.flow import microscope as instruments
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import paper
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.film import play

__all__ = ["microscope"]

PANELS = {"points": "data and a square grid", "learned": "density: as the model believes", "true": "as it is"}


def microscope(moment: Moment) -> None:
    """Layer by layer: what happens to space, and to the density in it."""
    asked: dict[str, Any] = {}
    if classes := moment.model.classes:
        asked["label"] = int(url_widgets.number("told label", 0, classes - 1, 0, key="microscope_label"))
    passage = answer(instruments.passage, moment=moment, key="microscope", at_once=True, **asked)
    if passage is None:
        return
    frames = instruments.film(passage, paper())
    shown = [PANELS[name] for name in PANELS if name in passage]
    alt, lines = "data that a flow turns into noise, layer by layer", captions(instruments.layers(moment.model))
    play(frames, lines, key="microscope", alt=alt, width=frames.shape[-1], name=f"{moment.id}-layers", labels=shown)
    st.caption(
        "Scrub: at the left end are the data, at the right end z = f(x), which should be N(0, I). Colour is the "
        "log-determinant so far: **orange** where f has stretched space, so that density there has fallen, **blue** "
        "where it has narrowed it. Between two layers points glide straight; the layers themselves are exact, and so "
        "are the densities at each."
    )
    concluded(instruments.conclusion(passage), key="conclusion-microscope")


def captions(layers: list[str]) -> list[str]:
    """A line under each frame of the film."""
    between = instruments.BETWEEN
    lines = ["the data, x"]
    for k, name in enumerate(layers, 1):
        lines += [f"layer {k} of {len(layers)} · {name}"] * between
    lines[-1] = f"after layer {len(layers)}: z"
    return lines

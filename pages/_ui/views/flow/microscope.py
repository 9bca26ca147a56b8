"""The flow microscope: points, a square grid and both densities, scrubbed from data to noise and back."""

import streamlit as st

from genmodels.instruments.flow import microscope as instruments
from pages._ui.components.scrubber import scrubber
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.views.diffusion.film import packed, paper

__all__ = ["microscope"]

PANELS = {"points": "data and a square grid", "learned": "density: as the model believes", "true": "as it is"}


def microscope(moment: Moment) -> None:
    """Layer by layer: what happens to space, and to the density in it."""
    asked = {}
    if classes := moment.model.classes:
        asked["label"] = int(url_widgets.number("told label", 0, classes - 1, 0, key="microscope_label"))
    found = answer(instruments.passage, moment=moment, key="microscope", at_once=True, **asked)
    if found is None:
        return
    frames = instruments.film(found, paper())
    shown = [name for name in PANELS if name in found]
    labels = "".join(f'<span style="flex:1;text-align:center">{PANELS[name]}</span>' for name in shown)
    st.html(f'<div style="display:flex;max-width:{frames.shape[-1]}px;font-size:0.85rem;opacity:0.75">{labels}</div>')
    scrubber(
        packed(frames),
        key="microscope",
        alt="data that a flow turns into noise, layer by layer",
        fps=6,
        captions=captions(instruments.layers(moment.model)),
    )
    st.caption(
        "Scrub: at the left end are the data, at the right end z = f(x), which should be N(0, I). Colour is the "
        "log-determinant so far: **vermilion** where f has stretched space, so that density there has fallen, **blue** "
        "where it has narrowed it. Between two layers points glide straight; the layers themselves are exact, and so "
        "are the densities at each."
    )
    if "kl" in found:
        kl, error = found["kl"]
        st.metric(
            "KL(true ‖ learned), at every layer the same",
            f"{kl:.3f} ± {error:.3f} nats",
            help="from test points; one standard error. No invertible map changes it.",
        )


def captions(layers: list[str]) -> list[str]:
    """A line under each frame of the film."""
    between = instruments.BETWEEN
    lines = ["the data, x"]
    for k, name in enumerate(layers, 1):
        lines += [f"layer {k} of {len(layers)} · {name}"] * between
    lines[-1] = f"after layer {len(layers)}: z"
    return lines

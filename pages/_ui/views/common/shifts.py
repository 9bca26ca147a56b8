"""Out of distribution: the likelihood of images that are unlike the data, and what it follows instead."""

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments import shifts
from genmodels.models.capabilities import ImportanceWeights, has
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.instruments import Instrument, of_images
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import pictures

__all__ = ["OUT_OF_DISTRIBUTION", "out_of_distribution"]


def out_of_distribution(moment: Moment) -> None:
    """Kinds of images, what each costs, and what a compressor needs for it."""
    n = url_widgets.choice("images of each kind", (50, 100, 300), 50, key="shift_n")
    scored = answer(shifts.shifts, moment=moment, key="shifts", asks="Compare the likelihoods", n=n)
    if scored is None:
        return
    names, bits, likelier = scored["names"].tolist(), scored["bits"], shifts.likelier(scored)
    colors = [figures.DATA, *(figures.SAMPLES if more else figures.NEUTRAL for more in likelier[1:])]
    left, right = st.columns([3, 2], gap="medium")
    means = dict(zip(names, bits.mean(1).tolist(), strict=True))
    errors = dict(zip(names, (bits.std(1, ddof=1) / np.sqrt(bits.shape[1])).tolist(), strict=True))
    title = "What an image costs: less is more likely"
    drawn = figures.bars(means, errors=errors, y_title="bits per dimension", title=title, color=colors)
    axis = "log" if bits.min() > 0 else "linear"
    plot(drawn.update_yaxes(type=axis).update_layout(height=380), key="shift-bits", place=left)
    rows = zip(names, scored["simple"], bits, figures.RUNS * 2, strict=False)
    clouds = [figures.Curve(name, simple, cost, color) for name, simple, cost, color in rows]
    drawn = figures.curves(
        clouds,
        title="The model beside a compressor",
        x_title="bits per dimension that zlib needs",
        y_title="of the model",
    )
    drawn.update_traces(mode="markers", marker_size=5, opacity=0.6)
    drawn.update_yaxes(type=axis).update_layout(height=380, hovermode="closest")
    plot(drawn, key="shift-simple", place=right)
    images = scored["images"]
    caption = "rows: " + ", ".join(names)
    pictures(
        images, images.shape[1], key="shift-images", alt=f"Images of each kind; {caption}.", caption=caption, pixels=48
    )
    exact = not has(moment.model, ImportanceWeights) and moment.model.inputs != "dequantize"
    st.caption(
        f"{'Exact' if exact else 'A bound on −log₂ p(x)'}, ± one standard error; orange is more likely than a test "
        "image, more often than chance has it. Likelihood is learned from neighbouring pixels most of all: an even "
        "ground is easy to foresee whatever it belongs to, so a simple image can cost less than any test picture, as "
        "it does a compressor that knows none (Serrà et al. 2020). And data that vary less lie inside what a model has "
        "spread over: their likelihood is high though no sample looks like them (Nalisnick et al. 2019). What was "
        "never seen, as a white ground, can cost any number of bits."
    )
    concluded(shifts.conclusion(scored), key="conclusion-shifts")


OUT_OF_DISTRIBUTION = Instrument(
    out_of_distribution,
    "When it fails",
    "Does a likelihood tell what is unlike the data?",
    "Guess which of these kinds of images the model finds more likely than its own test images.",
    of_images,
)
"""For whoever knows a likelihood of images."""

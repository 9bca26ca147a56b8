"""Where a diffusion's bits per dimension go."""

import streamlit as st

from genmodels import figures
from genmodels.instruments.arrays import Arrays
from genmodels.instruments.diffusion import bits as instrument
from genmodels.text import number
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded

__all__ = ["bits"]


def bits(moment: Moment) -> None:
    """The parts of the bound in bits per dimension, and what is paid at which noise."""
    n = url_widgets.choice("test images", [16, 64], 16, key="bits_n")
    parts = answer(instrument.bits, moment=moment, key="bits", n=n)
    if parts is None:
        return
    columns = st.columns(6 if parts["label"] else 5)
    names = {"prior": "left of x₀ at T", "steps": "steps", "last": "last step", "least": _least(parts)}
    for place, (name, words) in zip(columns, names.items(), strict=False):
        place.metric(words, f"{number(float(parts[name]))} bits/dim")
    unit = "bits/dim"
    columns[4].metric("infinitely many steps", f"{number(float(parts['continuous']))} {unit}")
    if parts["label"]:
        columns[5].metric("label, which it is told", f"{number(float(parts['label']))} {unit}")
    line = figures.Curve("cost", parts["gamma"], parts["cost"], figures.POSTERIOR)
    title, x_title = "What is paid at which noise", "−log SNR"
    plot(figures.curves([line], x_title=x_title, y_title="bits/dim per unit", title=title), key="bits-by-noise")
    st.caption(
        "The area is the cost of infinitely many steps. ½ ‖ε − ε̂‖² over −log SNR is the same curve whatever the "
        "schedule (Kingma et al. 2021, eq. 17, https://arxiv.org/abs/2107.00630): a schedule says only where it begins "
        "and ends, and where the steps are. What is left of it beyond the left end the last step pays, "
        f"{_width(parts)}: a schedule that ends at log SNR = 13.3 has hardly anything to pay there, of 256 grey "
        f"levels. From one time a cost of {number(float(parts['continuous']))} is estimated with a "
        f"standard deviation of {number(float(parts['scatter']))} bits/dim: a learned schedule makes that small."
    )
    concluded(instrument.conclusion(parts), key="conclusion-bits")


def _least(parts: Arrays) -> str:
    return "of these, knowing x₀" if parts["learned"] else "of these unavoidable"


def _width(parts: Arrays) -> str:
    """How the last step comes to what it pays."""
    if parts["by_level"]:
        return "which asks no network: each grey level is as probable as it explains x₁"
    if parts["learned"]:
        return "with the width that the network says of it"
    return "and the width of that step is fixed, so it pays more"

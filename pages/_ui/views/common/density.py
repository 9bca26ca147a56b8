"""The density on the plane: as learned, as it is, and their difference."""

import streamlit as st

from genmodels import figures
from genmodels.instruments import plane
from genmodels.text import number
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded

__all__ = ["density"]


def density(moment: Moment, *, about: str = "", at_once: bool = True) -> None:
    """Three maps on one scale, and how far the first is from the second.

    Args:
        moment: Of a model that knows its density on the plane.
        about: How the density is computed, a sentence.
        at_once: Compute it without being asked.
    """
    if about:
        st.caption(about)
    maps = answer(plane.density, moment=moment, key="density", asks="Compute the density", at_once=at_once)
    if maps is None:
        return
    extent, learned, true = tuple(maps["extent"].tolist()), maps["learned"], maps.get("true")
    drawn = [figures.density(learned, extent, title="Learned p(x)", color=figures.SAMPLES)]
    if true is not None:
        drawn.append(figures.density(true, extent, title="True density"))
        for figure in drawn:
            figure.update_traces(zmax=float(max(learned.max(), true.max())), selector={"type": "heatmap"})
        drawn.append(figures.signed(learned - true, extent, title="Learned − true", unit="density"))
    for i, (place, figure) in enumerate(zip(st.columns(len(drawn)), drawn, strict=True)):
        plot(figure.update_layout(height=330), key=f"density-{i}", place=place)
    if "kl" in maps:
        kl, error = maps["kl"]
        of = "1,500 test points" + " and as many samples" * (not maps["noise"])
        st.metric(
            "KL(true ‖ learned)", f"{number(kl)} ± {number(error, 2)} nats", help=f"from {of}; one standard error"
        )
    mass = f"Over this square the learned density sums to {number(float(maps['mass']))}."
    if noise := float(maps["noise"]):
        mass += f" It is of samples in which their last noise, of standard deviation {number(noise)}, is left."
        if true is not None:
            mass += f" True is the data's {'with the same noise' if maps['alike'] else 'without that noise'}."
    st.caption(mass)
    concluded(plane.conclusion(maps))

"""The density on the plane: as learned, as it is, and their difference."""

import streamlit as st

from genmodels import figures
from genmodels.instruments import plane
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot

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
    found = answer(plane.density, moment=moment, key="density", at_once=at_once)
    if found is None:
        return
    extent = tuple(found["extent"].tolist())
    maps = [figures.density(found["learned"], extent, title="Learned p(x)", color=figures.SAMPLES)]
    if "true" in found:
        top = float(max(found["learned"].max(), found["true"].max()))
        maps.append(figures.density(found["true"], extent, title="True density"))
        for figure in maps:
            figure.update_traces(zmax=top, selector={"type": "heatmap"})
        gap = found["learned"] - found["true"]
        maps.append(figures.signed(gap, extent, title="Learned − true", unit="density"))
    for i, (place, figure) in enumerate(zip(st.columns(len(maps)), maps, strict=True)):
        plot(figure.update_layout(height=330), key=f"density-{i}", place=place)
    mass = f"Over this square the learned density sums to {float(found['mass']):.3f}."
    if "kl" in found:
        kl, error = found["kl"]
        st.metric(
            "KL(true ‖ learned)", f"{kl:.3f} ± {error:.3f} nats", help="from 1,500 test points; one standard error"
        )
    if noise := float(found["noise"]):
        mass += f" It is of samples in which their last noise, of standard deviation {noise:.3g}, is left."
        if "true" in found:
            mass += f" True is the data's {'with the same noise' if found['alike'] else 'without that noise'}."
    st.caption(mass)

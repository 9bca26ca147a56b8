"""Diffusion on the plane: the score beside the true one, and particles that follow it."""

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.arrays import Arrays
from genmodels.instruments.diffusion import score
from pages._ui.components.scrubber import point_film
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import legend_above, square
from pages._ui.views.diffusion.film import backdrop, lines_under

__all__ = ["of_all_points", "plane"]


def of_all_points(moment: Moment) -> bool:
    """Whether it has learned the score of points without a label."""
    return not (moment.model.is_image or moment.model.needs_label)


def plane(moment: Moment) -> None:
    """The score beside the true one, and particles that follow it."""
    field = answer(score.field, moment=moment, key="field", at_once=True)
    if field is None:
        return
    known = "map" in field
    left, right = st.columns(2, gap="medium")
    with left:
        st.caption(
            "Particles on their way from noise to data"
            + (", over the true density q(xₜ) of noised data, blue." if known else ".")
        )
        point_film(
            field["particles"],
            key="particles",
            alt="particles that become samples",
            extent=float(field["half"]),
            under=backdrop(field.get("map"), len(field["t"]) + 1),
            captions=[*lines_under(field), "t = 0: samples"],
            side=440,
        )
    with right:
        _arrows(moment, field)
    _error(field)
    concluded(score.conclusion(field), key="conclusion-plane")


def _arrows(moment: Moment, field: Arrays) -> None:
    share = url_widgets.slider("t / T, %", 0, 100, 8, key="field_t")
    i = int(np.abs(field["t"] - share / 100 * field["t"][0]).argmin())
    half = float(field["half"])
    extent, title = square(half), f"−ε̂ at t = {field['t'][i]:,}: where the score points"
    if "map" in field:
        figure = figures.density(field["map"][i], extent, title=title, unit="q(xₜ)")
    else:
        figure = figures.points([], title=title, extent=extent)
    reach = 1.6 * half / np.sqrt(len(field["at"]))
    for name, key, color in (("true", "best", figures.DATA), ("learned", "learned", figures.SAMPLES)):
        if key in field:
            along = field[key][i]
            along = along / (1 + np.linalg.norm(along, axis=1, keepdims=True))
            figures.arrows(figure, field["at"], reach * along, name=name, color=color)
    figure.update_traces(line_width=3.5, opacity=0.6, selector={"name": "true"})
    plot(legend_above(figure.update_layout(showlegend=True), 460), key="arrows")
    st.caption(
        "−ε̂ = √(1 − ᾱ) ∇ log q(xₜ). An arrow's length is |ε̂| / (1 + |ε̂|), so that far points stay in sight."
        + (" Arrows and particles are those of the branch that is told no label." if moment.model.classes else "")
    )


def _error(field: Arrays) -> None:
    """The error of ε̂ by time: what the network has not learned, and what nobody can know."""
    lines = [figures.Curve("error of ε̂", field["t"], field["mse"], figures.SAMPLES)]
    if "map" in field:
        lines.append(figures.Curve("of the best possible ε*", field["t"], field["floor"], figures.DATA, dashed=True))
        lines.append(figures.Curve("between the two", field["t"], field["gap"], figures.POSTERIOR))
    figure = figures.curves(lines, x_title="t, steps", y_title="per dimension", title="Squared error of the noise")
    plot(figure, key="field-error")
    st.caption("At a right angle: E‖ε − ε̂‖² = E‖ε − ε*‖² + E‖ε* − ε̂‖². Only the last part can be learned away.")

"""Diffusion on the plane: the score beside the true one, particles that follow it, the density that comes of it."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from genmodels import figures, images
from genmodels.instruments.diffusion import score
from pages._ui.components.scrubber import point_film
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.diffusion.film import Array, lines_under, paper

__all__ = ["plane"]


def plane(moment: Moment) -> None:
    """The score beside the true one, and particles that follow it."""
    if moment.model.is_image:
        st.info("The field and the density are drawn for points of the plane. Choose such data to see them.")
        return
    found = answer(score.field, moment=moment, key="field", at_once=True)
    if found is None:
        return
    known, half = "map" in found, float(found["half"])
    left, right = st.columns(2, gap="medium")
    with left:
        st.caption(
            "Particles on their way from noise to data"
            + (", over the true density q(xₜ) of noised data, blue." if known else ".")
        )
        maps = found["map"] if known else np.ones((len(found["t"]), 2, 2))
        under = score.shades(np.concatenate([maps, maps[-1:]]), figures.DATA if known else paper(), paper())
        captions = [*lines_under(found["t"], found["log_snr"]), "t = 0: samples"]
        particles = found["particles"]
        alt = "particles that become samples"
        film = images.sprite(under)
        point_film(particles, key="particles", alt=alt, extent=half, under=film, captions=captions, side=440)
    with right:
        _arrows(moment, found, known, half)
    _learning(moment, found, known)


def _arrows(moment: Moment, found: Mapping[str, Array], known: bool, half: float) -> None:
    share = url_widgets.slider("t / T, %", 0, 100, 8, key="field_t")
    i = int(np.abs(found["t"] - share / 100 * found["t"][0]).argmin())
    extent = (-half, half, -half, half)
    title = f"−ε̂ at t = {found['t'][i]}: where the score points"
    if known:
        figure = figures.density(found["map"][i], extent, title=title, unit="q(xₜ)")
    else:
        figure = figures.points([], title=title, extent=extent)
    reach = 1.6 * half / np.sqrt(len(found["at"]))
    for name, key, color in (("true", "best", figures.DATA), ("learned", "learned", figures.SAMPLES)):
        if key in found:
            along = found[key][i]
            along = along / (1 + np.linalg.norm(along, axis=1, keepdims=True))
            figures.arrows(figure, found["at"], reach * along, name=name, color=color)
    figure.update_traces(line_width=3.5, opacity=0.6, selector={"name": "true"})
    above = {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 10}}
    figure.update_layout(showlegend=True, height=460, margin_t=62, title=above)
    plot(figure, key="arrows")
    st.caption(
        "−ε̂ = √(1 − ᾱ) ∇ log q(xₜ). An arrow's length is |ε̂| / (1 + |ε̂|), so that far points stay in sight."
        + (" Arrows and particles are those of the branch that is told no label." if moment.model.classes else "")
    )


def _learning(moment: Moment, found: Mapping[str, Array], known: bool) -> None:
    """What the network has not learned, and what nobody can know; the density that follows from it."""
    lines = [figures.Curve("error of ε̂", found["t"], found["mse"], figures.SAMPLES)]
    if known:
        lines.append(figures.Curve("of the best possible ε*", found["t"], found["floor"], figures.DATA, dashed=True))
        lines.append(figures.Curve("between the two", found["t"], found["gap"], figures.POSTERIOR))
    figure = figures.curves(lines, x_title="t, steps", y_title="per dimension", title="Squared error of the noise")
    plot(figure, key="field-error")
    st.caption("At a right angle: E‖ε − ε̂‖² = E‖ε − ε*‖² + E‖ε* − ε̂‖². Only the last part can be learned away.")
    st.markdown("##### The density that the model has learned")
    dense = answer(score.density, moment=moment, key="density")
    if dense is not None:
        _density(dense)


def _density(found: Mapping[str, Array]) -> None:
    half = float(found["half"])
    extent = (-half, half, -half, half)
    places = st.columns(3 if "true" in found else 1)
    learned = figures.density(found["learned"], extent, title="Learned", color=figures.SAMPLES)
    noise = float(found["noise"])
    words = (
        f"The density at t = 1, exact by the probability-flow ODE: of samples with their last noise, of standard "
        f"deviation {noise:.3g}, left in. Over this square it sums to {float(found['mass']):.4f}."
    )
    if "true" in found:
        top = float(found["true"].max())
        learned.update_traces(zmax=top, selector={"type": "heatmap"})
        true = figures.density(found["true"], extent, title="True")
        gap = figures.signed(found["learned"] - found["true"], extent, title="Learned − true", unit="density")
        plot(true, key="true", place=places[1])
        plot(gap, key="density-gap", place=places[2])
        beside = (
            "True is the data's with the same noise" if found["alike"] else "True is the data's, without that noise"
        )
        words += f" {beside}. KL(true ‖ learned) = {float(found['kl']):.3f} ± {float(found['kl_se']):.3f} nats."
    plot(learned, key="learned", place=places[0])
    st.caption(words)

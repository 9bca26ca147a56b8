"""How far the samples are, exactly, at every snapshot of a run."""

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.gan import critics as lab
from genmodels.instruments.gan import modes
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.gan.game import half_of, legend_above, only_planes, said, square

__all__ = ["distances", "history"]


@st.cache_data(max_entries=64, show_spinner=False)
def _transport(moment: Moment) -> lab.Transport:
    return lab.transport(moment.model, moment.data)


def history(moment: Moment) -> dict[str, np.ndarray] | None:
    """What the samples of every snapshot miss; None while it is being computed."""
    return answer(modes.history, key="history", run=moment.id, steps=moment.run.snapshots())


def distances(moment: Moment) -> None:
    """The exact distance at each snapshot, the critic's estimate beside it, and the best plan now."""
    if not only_planes(moment):
        return
    left, right = st.columns([3, 2], gap="medium")
    with left:
        found = history(moment)
        if found is not None:
            _distance_curves(moment, found)
        else:
            st.caption("W₁ of 400 samples of every snapshot to 400 test points, exactly: the best of all assignments.")
    with right:
        _plan(moment)


def _distance_curves(moment: Moment, found: dict[str, np.ndarray]) -> None:
    steps = found["step"]
    lines = [
        figures.Curve("exact W₁", steps, found["w1"], figures.SAMPLES),
        figures.Curve("sliced W₁", steps, found["sliced"], figures.LATENT),
        figures.Curve("floor: data to data", steps, np.full(len(steps), found["floor"][0]), figures.DATA, dashed=True),
    ]
    is_soft = moment.run.plan.model == "wgan" and moment.model.penalty == "gp"
    estimate = found.get("flow", found["estimate"]) if is_soft else found["estimate"]
    has_estimate = bool(np.isfinite(estimate).any())
    if has_estimate:
        name = "the critic's estimate, less 2λP" if is_soft else "the critic's estimate"
        lines.insert(1, figures.Curve(name, steps, estimate, figures.POSTERIOR))
    figure = figures.curves(
        lines, x_title="step", y_title="distance, units of x", title="How far the samples are", marker=moment.step
    )
    plot(legend_above(figure), key="distances")
    mean, spread = found["floor"]
    words = (
        "400 samples of the same noise against the same 400 test points at every step, and the critic on these. Two "
        f"sets of 400 data are themselves {mean:.3f} ± {spread:.3f} apart: nothing can be seen below, and the two "
        "distributions are nearer to each other than the samples, by at most about as much."
    )
    if moment.model.classes:
        words += " The model is conditional: W₁ is the mean over the labels of each class's own."
    if has_estimate:
        words += {
            "clip": " Clipped weights bound the slope by an unknown k: the estimate is at most k·W₁.",
            "gp": " The penalty P is soft: the best critic is steeper than 1 and finds W₁ + W₁²/2λ or more. Less 2λP "
            "its estimate is the length of a flow from the samples to the data, W₁ on a line and little more on "
            "the plane (*Theory*); a lagging one finds less.",
            "spectral": " The critic is nowhere steeper than 1: a lower bound of W₁, often a loose one.",
            "none": " Nothing keeps this critic Lipschitz: its estimate means nothing.",
        }[moment.model.penalty]
    st.caption(words)


def _plan(moment: Moment) -> None:
    found = _transport(moment)
    clouds = [
        figures.Points("data", found.real, figures.DATA, size=4),
        figures.Points("samples", found.fake, figures.SAMPLES, size=4),
    ]
    title = f"The cheapest plan of 400: W₁ = {found.w1:.3f}"
    figure = figures.points(clouds, title=title, extent=square(half_of(moment)))
    figures.arrows(figure, found.fake, found.real - found.fake, name="way", color=figures.NEUTRAL)
    plot(legend_above(figure), key="plan")
    st.caption(
        "The 400 samples and test points of the curves, here at the moment that is shown: each sample is carried to a "
        "test point so that the mean way is as short as can be."
    )
    if moment.run.plan.model == "wgan":
        low, middle, high = np.quantile(found.climb, [0.1, 0.5, 0.9])
        st.caption(
            f"Along these ways the best 1-Lipschitz critic climbs with slope 1 (Gulrajani et al. 2017, proposition 1); "
            f"this one with {said(middle)} in the middle, from {said(low)} to {said(high)} for four in five."
        )

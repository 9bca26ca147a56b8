"""How far are the samples from the data? The exact distance at every snapshot, and the best plan now."""

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.arrays import Arrays
from genmodels.instruments.gan import game, modes
from genmodels.text import number
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import half_of, square

__all__ = ["distances", "history"]

SOFT = (
    " The penalty P is soft: the best critic is steeper than 1 and finds W₁ + W₁²/2λ or more. Less 2λP its estimate is "
    "the length of a flow from the samples to the data, W₁ on a line and little more on the plane (*Theory*); a "
    "lagging one finds less."
)


def history(moment: Moment, asks: str = "Measure every snapshot") -> Arrays | None:
    """What the samples of every snapshot miss; None while it is being computed."""
    return answer(modes.history, key="history", asks=asks, run=moment.id, steps=moment.run.snapshots())


def distances(moment: Moment) -> None:
    """The exact distance at each snapshot, the critic's estimate beside it, and the best plan now."""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        table = history(moment)
        if table is None:
            st.caption("W₁ of 400 samples of every snapshot to 400 test points, exactly: the best of all assignments.")
        else:
            _curves(moment, table)
    with right:
        _plan(moment)
    floor = None if table is None else table["floor"].tolist()
    concluded(seen(game.coverage, moment).conclusion(getattr(moment.model, "penalty", None), floor))


def _curves(moment: Moment, table: Arrays) -> None:
    steps, (mean, spread) = table["step"], table["floor"]
    penalty = getattr(moment.model, "penalty", None)
    is_soft = penalty == "gp"
    lines = [
        figures.Curve("exact W₁", steps, table["w1"], figures.SAMPLES),
        figures.Curve("sliced W₁", steps, table["sliced"], figures.LATENT),
        figures.Curve("floor: data to data", steps, np.full(len(steps), mean), figures.DATA, dashed=True),
    ]
    if penalty is not None:
        name = "the critic's estimate, less 2λP" if is_soft else "the critic's estimate"
        estimate = table.get("flow", table["estimate"]) if is_soft else table["estimate"]
        lines.insert(1, figures.Curve(name, steps, estimate, figures.POSTERIOR))
    title, y_title = "How far the samples are", "distance, units of x"
    plot(figures.curves(lines, x_title="step", y_title=y_title, title=title, marker=moment.step), key="distances")
    st.caption(
        "400 samples of the same noise against the same 400 test points at every step, and the critic on these. Two "
        f"sets of 400 data are {number(mean)} ± {number(spread, 2)} apart: nothing can be seen below, and the two "
        "distributions are nearer to each other than the samples, by at most about as much."
        + " The model is conditional: W₁ is the mean over the labels of each class's own." * bool(moment.model.classes)
        + SOFT * is_soft
    )


def _plan(moment: Moment) -> None:
    plan = seen(game.coverage, moment)
    data = figures.Points("data", plan.real, figures.DATA, size=4)
    samples = figures.Points("samples", plan.fake, figures.SAMPLES, size=4)
    title = f"The cheapest plan of 400: W₁ = {number(plan.w1)}"
    figure = figures.points([data, samples], title=title, extent=square(half_of(moment)))
    plot(figures.arrows(figure, plan.fake, plan.real - plan.fake, name="way", color=figures.NEUTRAL), key="plan")
    st.caption(
        "The 400 samples and test points of the curves, here at the moment that is shown: each sample is carried to a "
        "test point so that the mean way is as short as can be."
    )
    if moment.run.plan.model == "wgan":
        low, middle, high = np.quantile(plan.climb, [0.1, 0.5, 0.9])
        st.caption(
            f"Along these ways the best 1-Lipschitz critic climbs with slope 1 (Gulrajani et al. 2017, proposition 1); "
            f"this one with {number(middle)} in the middle, from {number(low)} to {number(high)} for four in five."
        )

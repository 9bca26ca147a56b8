"""The score function and the reparametrization on the same bound: their scatter, and trainings with either."""

import streamlit as st

from genmodels import figures
from genmodels.instruments.latent import gradients as instruments
from genmodels.runs import store
from genmodels.runs.record import Plan
from genmodels.runs.store import Run
from genmodels.text import number
from pages._ui.shared.answer import answer
from pages._ui.shared.instruments import Instrument
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import example_of
from pages._ui.views.common.side_by_side import Plans, curves, side_by_side

__all__ = ["GRADIENTS"]

TITLES = {
    "reparametrization": "reparametrization",
    "score": "score function",
    "score-baseline": "score function with a baseline",
}
COLORS = dict(zip(TITLES, (figures.POSTERIOR, figures.SAMPLES, figures.DATA), strict=True))
SETTLED = {"objective": "elbo", "estimator": "analytic", "prior": "normal"}  # what a score function's gradient asks for


def gradients(moment: Moment) -> None:
    """One example's gradient by each way, draw by draw; then three trainings that differ in this alone."""
    index = example_of(moment, key="gradient_example")
    estimates = answer(instruments.two_gradients, moment=moment, key="gradient", at_once=True, index=index)
    if estimates is None:
        return
    titles = [TITLES[name] for name in estimates["names"].tolist()]
    left, right = st.columns(2, gap="medium")
    narrow = float(abs(estimates["first"][2]).max())
    which = int(estimates["which"]) + 1
    drawn = figures.histogram(
        dict(zip(titles, estimates["first"], strict=True)),
        x_title=f"∂ / ∂μ{which} of log p(x | z), one draw of z each",
        colors={TITLES[name]: color for name, color in COLORS.items()},
        limits=(-narrow, narrow),
        title="Estimates of one and the same number",
        line=("mean", float(estimates["mean"][0][which - 1])),
    )
    plot(drawn.update_layout(height=340), key="gradient-draws", place=left)
    shares = dict(zip(titles, estimates["needed"].tolist(), strict=True))
    drawn = figures.bars(
        shares, y_title="draws", title="Draws for a scatter as small as the gradient", color=list(COLORS.values())
    )
    plot(drawn.update_yaxes(type="log").update_layout(height=340), key="gradient-variance", place=right)
    rows = [
        f"{title}: {number(float(mean[which - 1]))} ± {number(float(error[which - 1]), 2)}"
        for title, mean, error in zip(titles, estimates["mean"], estimates["error"], strict=True)
    ]
    st.caption(
        f"The mean of {instruments.DRAWS:,} draws each, the same draws for all: {'; '.join(rows)} nats. None is "
        "biased. The score function multiplies the whole of log p(x | z) with noise, however little of it z has "
        "changed; the reparametrization asks the decoder in which direction it would rise. A baseline takes away what "
        "does not depend on z."
    )
    concluded(instruments.conclusion(estimates), key="conclusion-gradients")
    side_by_side(
        _plans(moment.run.plan),
        _one,
        key="gradients",
        all_of_them=f"Train by each of the three, with this run's settings{_but(moment.run.plan)}",
        below=lambda runs: curves(runs, {"elbo": "ELBO, nats"}, key="gradients-elbo"),
    )


def _but(plan: Plan) -> str:
    """Which of the run's hyperparameters the three trainings do not take over."""
    other = [f"{name} = {value}" for name, value in SETTLED.items() if plan.arguments.get(name, value) != value]
    return " but " + ", ".join(other) if other else ""


def _plans(plan: Plan) -> Plans:
    """The run by each gradient."""
    return {
        title: store.like(plan, arguments=SETTLED | {"gradient": name}, title=f"{title}, {plan.data}")
        for name, title in TITLES.items()
    }


def _one(title: str, run: Run) -> None:
    """How far its bound has come."""
    last = [row["elbo"] for row in run.metrics() if "elbo" in row][-1:]
    if last:
        st.metric("ELBO", f"{number(last[0], 4)} nats")


GRADIENTS = Instrument(
    gradients,
    question="How can one differentiate through a draw?",
    before="Guess first: which of the three needs the most draws, and which can be used where z is discrete?",
)

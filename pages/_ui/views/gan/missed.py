"""What do the samples miss of the data? The exact distance, and the modes left out: made to happen, and mended."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Arrays
from genmodels.instruments.gan import game
from genmodels.instruments.gan import modes as instruments
from genmodels.metrics.distances import Modes
from genmodels.runs.store import Run
from genmodels.text import number
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import half_of, square
from pages._ui.views.common.side_by_side import side_by_side
from pages._ui.views.gan.game import panel

__all__ = ["distances", "has_modes", "modes"]

SOFT = (
    " The penalty P is soft: the best critic is steeper than 1 and finds W₁ + W₁²/2λ or more. Less 2λP its estimate is "
    "the length of a flow from the samples to the data, W₁ on a line and little more on the plane (*Theory*); a "
    "lagging one finds less."
)


def history(moment: Moment, asks: str = "Measure every snapshot") -> Arrays | None:
    """The parts of the data that the samples of every snapshot miss; None while it is being computed."""
    return answer(instruments.history, key="history", asks=asks, run=moment.id, steps=moment.run.snapshots())


# How far ---


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


# Which modes ---


def has_modes(moment: Moment) -> bool:
    """There is something to count: modes of the plane, or classes of pictures."""
    return moment.data.plane is None or moment.data.plane.modes is not None


def modes(moment: Moment) -> None:
    """Modes or classes covered, and the share of samples that is close to one, over the training; and the remedies."""
    table = history(moment, f"Count the {'classes' if moment.model.is_image else 'modes'} at every snapshot")
    if table is not None:
        _over_training(moment, table)
    st.markdown("##### Make it happen, and mend it")
    st.caption(
        f"*collapse* trains a GAN on *{moment.data.name}* that chases whatever fools the discriminator now; each of "
        "the others changes what its name says, and the gradient penalty comes with a critic, its loss, its Adam and "
        "three turns of it for each of the generator's. All have the same seed, networks, batches and learning rate, "
        "and are in *Runs*."
    )
    plans = instruments.cases(moment.data.name)
    side_by_side(plans, panel, key="mend", all_of_them="Train all four", each=dict.fromkeys(plans, ""), below=_covered)


def _over_training(moment: Moment, table: Arrays) -> None:
    steps, of, are_digits = table["step"], table["counts"].shape[1], moment.model.is_image
    what, best = "classes" if are_digits else "modes", 100 * float(table["best"])
    n = min(400, len(moment.data.test)) if moment.model.classes else 400  # a label of a test example each
    at = int(np.abs(steps - (steps[-1] if moment.step is None else moment.step)).argmin())
    names = moment.data.classes if are_digits else [str(i + 1) for i in range(of)]
    left, middle, right = st.columns(3)
    near = "The judge is sure: p > 0.95" if are_digits else "Within 3σ of a mode"
    for place, name, most, values, y_title, title in (
        (left, "there are", of, table["covered"], what, f"{what.capitalize()} covered"),
        (middle, "data", best, 100 * table["close"], "% of the samples", near),
    ):
        lines = [
            figures.Curve("samples", steps, values, figures.SAMPLES),
            figures.Curve(name, steps, np.full(len(steps), most), figures.DATA, dashed=True),
        ]
        figure = figures.curves(lines, x_title="step", y_title=y_title, title=title, marker=moment.step)
        plot(figure.update_yaxes(range=[0, 1.08 * most]), key=f"over-training-{y_title}", place=place)
    figure = figures.bars(
        dict(zip(names, table["counts"][at].astype(float).tolist(), strict=True)),
        title=f"Samples of each at step {steps[at]:,}",
        x_title="class, by the judge" if are_digits else "mode",
        y_title=f"samples of {n}",
        floor=("even", n / of if are_digits else n / 100 * best / of),
    )
    plot(figure, key="counts", place=right)
    st.caption(f"Covered: a fifth of its even share of {n} samples or more. Always the same noise.")
    concluded(instruments.conclusion(table, at, what))


def _covered(runs: Mapping[str, Run]) -> None:
    """The modes that each of the runs has covered, over its training so far."""
    lines, last, end = [], dict[str, Modes](), 0
    for (name, run), color in zip(runs.items(), figures.RUNS, strict=False):
        steps = run.snapshots()
        try:
            counts = [seen(instruments.count, Moment.of(run, step)) for step in steps]
        except BadInput:  # no judge of these pictures
            continue
        if counts and counts[0] is not None:
            lines.append(figures.Curve(name, steps, [modes.covered for modes in counts], color))
            last[name], end = counts[-1], max(end, steps[-1])
    if lines:
        of = next(iter(last.values())).of
        lines.append(figures.Curve("there are", [0, end], [of, of], figures.NEUTRAL, dashed=True))
        figure = figures.curves(lines, x_title="step", y_title="covered", title="Covered over the training")
        plot(figure.update_yaxes(range=[0, 1.08 * of]), key="mend-curves")
        concluded(instruments.compared(last), "conclusion-mend")

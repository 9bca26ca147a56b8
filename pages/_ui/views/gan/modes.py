"""Which modes of the data do the samples miss? Counted over the training; then made to happen, and mended."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Arrays
from genmodels.instruments.gan import modes as instruments
from genmodels.metrics.distances import Modes
from genmodels.runs.store import Run
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.side_by_side import side_by_side
from pages._ui.views.gan.distance import history
from pages._ui.views.gan.game import panel

__all__ = ["has_modes", "modes"]


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
        "the others changes one thing. All have the same seed, networks, batches and learning rate, and are in *Runs*."
    )
    plans = instruments.cases(moment.data.name)
    side_by_side(plans, panel, key="mend", all_of_them="Train all four", each=dict.fromkeys(plans, ""), below=_covered)


def _over_training(moment: Moment, table: Arrays) -> None:
    steps, of, are_digits = table["step"], table["counts"].shape[1], moment.model.is_image
    what, best = "classes" if are_digits else "modes", 100 * float(table["best"])
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
        y_title="samples of 400",
        floor=("even", 400 / of if are_digits else 4 * best / of),
    )
    plot(figure, key="counts", place=right)
    st.caption("Covered: a fifth of its even share of 400 samples or more. Always the same noise.")
    concluded(instruments.conclusion(table, at, what))


def _covered(runs: Mapping[str, Run]) -> None:
    """What each of the runs has covered so far, over its training."""
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

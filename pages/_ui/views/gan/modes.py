"""Mode collapse, made to happen and mended: what the samples reach, counted over the training."""

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.errors import BadInput
from genmodels.instruments.gan import modes as lab
from genmodels.metrics.distances import Modes
from genmodels.runs import store
from genmodels.runs.store import Run
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.gan.beside import EVERY, are_going, column, linked, start
from pages._ui.views.gan.distance import history
from pages._ui.views.gan.game import legend_above

__all__ = ["modes"]

LINK = "mend"  # of the link: the runs that collapse and mend
MOST = 4  # of them beside each other


@st.cache_data(max_entries=512, show_spinner=False)
def _count(run: str, step: int, stamp: int) -> Modes | None:
    return lab.count(store.find(run), step)


def modes(moment: Moment) -> None:
    """Modes or classes covered, and the share of samples that is close to one, over the training; and the remedies."""
    data = moment.data
    if data.plane is not None and data.plane.modes is None:
        st.info(
            "Modes can be counted on *eight-gaussians*, *gaussian-grid* and on pictures that a judge knows; these data "
            "have none of their own."
        )
        return
    found = history(moment)
    if found is not None:
        _over_training(moment, found)
    _remedies(moment)


def _over_training(moment: Moment, found: dict[str, np.ndarray]) -> None:
    steps, of, are_digits = found["step"], found["counts"].shape[1], moment.model.is_image
    what = "classes" if are_digits else "modes"
    left, middle, right = st.columns(3)
    covered = [
        figures.Curve("covered", steps, found["covered"], figures.SAMPLES),
        figures.Curve("there are", steps, np.full(len(steps), of), figures.DATA, dashed=True),
    ]
    close = [
        figures.Curve("samples", steps, 100 * found["close"], figures.SAMPLES),
        figures.Curve("data", steps, np.full(len(steps), 100 * found["best"]), figures.DATA, dashed=True),
    ]
    figure = figures.curves(
        covered, y_title=what, title=f"{what.capitalize()} covered", x_title="step", marker=moment.step
    )
    plot(legend_above(figure).update_yaxes(range=[0, 1.08 * of]), key="covered", place=left)
    title = "The judge is sure: p > 0.95" if are_digits else "Within 3σ of a mode"
    figure = figures.curves(close, y_title="% of the samples", title=title, x_title="step", marker=moment.step)
    plot(legend_above(figure).update_yaxes(range=[0, 105]), key="close", place=middle)
    at = int(np.abs(steps - (steps[-1] if moment.step is None else moment.step)).argmin())
    names = moment.data.classes if are_digits else [str(i + 1) for i in range(of)]
    counts = found["counts"][at]
    even = 400 / of if are_digits else 400 * float(found["best"]) / of
    figure = figures.bars(
        dict(zip(names, counts.astype(float).tolist(), strict=True)),
        title=f"Samples of each at step {steps[at]:,}",
        x_title="class, by the judge" if are_digits else "mode",
        y_title="samples of 400",
        floor=("even", even),
    )
    plot(figure, key="counts", place=right)
    st.caption(f"Covered: a fifth of its even share of 400 samples or more. Always the same noise; {what}: {of}.")


# Made to happen, and mended ---


def _remedies(moment: Moment) -> None:
    name = moment.data.name
    st.markdown("##### Make it happen, and mend it")
    st.caption(
        f"The first button trains a GAN on *{name}* that chases whatever fools the discriminator now; each of the "
        "others changes one thing. The same seed, networks, batches and learning rate: ordinary runs, in *Runs* too."
    )
    beside = [run for run in linked(LINK) if run is not None]
    with st.container(horizontal=True, gap="small"):
        for i, (title, plan) in enumerate(lab.cases(name).items()):
            if st.button(title, key=f"mend-{i}", type="secondary" if i else "primary"):
                start(LINK, [plan], beside=[run.id for run in beside][-MOST + 1 :])
        if st.button("All four", key="mend-all"):
            start(LINK, lab.cases(name).values())
    if beside:
        going = are_going(beside)
        st.fragment(_beside, run_every=EVERY if going else None)(going)


def _beside(going: bool) -> None:
    """A column a run, over the count of what each has covered so far."""
    found = linked(LINK)
    there = [run for run in found if run is not None]
    if are_going(there) != going:
        st.rerun(scope="app")
    if len(there) < len(found):
        st.caption("Some of these runs are not there any more.")
    places = st.columns(max(2, len(there)), gap="small")
    for i, (place, run) in enumerate(zip(places, there, strict=False)):
        with place:
            column(run.title, run, run.state(), f"mend-run-{i}")
    _curves(there)


def _curves(there: list[Run]) -> None:
    lines, of = [], 0
    for i, run in enumerate(there):
        rows = []
        for step in run.snapshots():
            stamp = (run.folder(step) / "model.safetensors").stat().st_mtime_ns
            try:
                counted = _count(run.id, step, stamp)
            except BadInput:
                continue
            if counted is not None:
                rows.append((step, counted.covered))
                of = counted.of
        if rows:
            x, y = np.array(rows, float).T
            lines.append(figures.Curve(f"{i + 1}. {run.title}", x, y, figures.RUNS[i % len(figures.RUNS)]))
    if not lines:
        return
    last = max(run.snapshots()[-1] for run in there if run.snapshots())
    lines.append(figures.Curve("there are", np.array([0, last]), np.array([of, of]), figures.NEUTRAL, dashed=True))
    figure = figures.curves(lines, x_title="step", y_title="covered", title="Covered over the training")
    plot(legend_above(figure, 340).update_yaxes(range=[0, 1.08 * of]), key="mend-curves")

"""Tables and figures of the sources: theirs beside ours, what differs, and a small run of it, here and now."""

import functools
import math
import statistics
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.durations import worded
from genmodels.experiments import comparison, declaration, results, writers
from genmodels.experiments.declaration import Experiment, Figure
from genmodels.experiments.measures import MEASURES, measure
from genmodels.experiments.results import Row
from genmodels.export.checkpoint import command
from genmodels.quantities import quantity
from genmodels.runs import store
from genmodels.runs.record import Status
from genmodels.runs.store import find
from pages._ui.form.url_widgets import choice_of_many
from pages._ui.shared.answer import answer
from pages._ui.shared.plot import plot
from pages._ui.views.common.side_by_side import start
from pages._ui.views.experiments.drawn import drawn

__all__ = ["entries"]

EVERY = 2.0  # seconds between two looks at a small run
SMALL, SMALL_K = 200, 20  # examples, and samples of a bound, that a checkpoint is measured on where it is to be small


def entries() -> None:
    """All entries in a list, and the one that is chosen."""
    known = {one.title: one for one in map(_read, declaration.shipped()) if one.source and _shipped(one.name)}
    st.dataframe(
        [
            {
                "entry": one.title,
                "source": one.source.name if one.source else "",
                "where": one.source.place if one.source else "",
                "runs": len(_shipped(one.name)),
            }
            for one in known.values()
        ],
        hide_index=True,
        key="entries",
    )
    one = known[choice_of_many("Entry", list(known), key="entry", width=420)]
    assert one.source is not None
    st.subheader(one.title, anchor=False)
    st.write(one.about)
    rows = _shipped(one.name)
    st.markdown(writers.markdown(writers.summary_table(one, rows)))
    st.caption("Mean ± standard error over the seeds; of one seed, from test examples and samples.")
    if stale := comparison.stale(rows):
        st.warning(f"Of other weights or data than these numbers were measured on: {', '.join(stale)}.")
    st.markdown(f"**What differs.** {one.source.differs}")
    if cut := results.budget(one):
        st.markdown(f"**How many.** {cut}")
    for i, figure in enumerate(one.figures):
        _drawn(figure, rows, key=f"{one.name}-{i}")
    seconds = sum(row.seconds for row in rows)
    runs = "1 run" if len(rows) == 1 else f"{len(rows)} runs"
    seeds = f", seeds {one.seeds}" if one.seeds else ""
    again = "Measured" if all(case.checkpoint for case in one.cases) else "Trained and measured"
    st.caption(f"{runs}{seeds}, {worded(seconds)} of training. {again} again by:")
    st.code(f"python -m genmodels experiment run {one.name}", language="bash", wrap_lines=True)
    if trained := [case.checkpoint for case in one.cases if case.checkpoint]:
        st.caption("The checkpoints were trained by:")
        st.code("\n".join(f"# {name}\n{command(find(name))}" for name in trained), language="bash", wrap_lines=True)
    small(one.name)


def small(name: str) -> None:
    """Run an experiment small, on this server's workers: one seed; checkpoints measured on few examples."""
    one = _small(name)
    what = "1 model" if len(one.cases) == 1 else f"{len(one.cases)} models"
    how = "one seed" if one.seeds else f"{one.how.n} examples and samples"
    if st.button(f"Run it small now: {what}, {how}", type="primary", key=f"run-{name}"):
        plans = {
            case.name + case.data: store.like(case.plan, title=case.plan.title)
            for case in one.cases
            if not case.checkpoint
        }
        if not plans or start(plans):
            st.query_params["small"] = name
    if st.query_params.get("small") == name:
        going = _is_going(results.rows(one))
        st.fragment(_watch, run_every=EVERY if going else None)(name, going)


def _watch(name: str, going: bool) -> None:
    """How far the small run is; then its numbers."""
    one = _small(name)
    rows = results.rows(one)
    if going and not _is_going(rows):
        st.rerun(scope="app")  # nothing is left to be looked at again and again
    for row in rows:
        if row.status != Status.FINISHED:
            st.progress(min(1.0, row.steps / max(1, _total(one, row))), f"{row.name}: {row.status}, step {row.steps:,}")
    open_ones = [row for row in rows if row.status == Status.FINISHED and not row.cells]
    if open_ones:
        how, run = one.how, open_ones[0].run
        answer(measure, key=f"small-{run}", at_once=True, run=run, n=how.n, k=how.k, seed=how.seed)
    st.markdown(writers.markdown(writers.summary_table(one, rows)))


def _small(name: str) -> Experiment:
    """The experiment reduced to one seed and, if it measures checkpoints, to few examples."""
    one = _read(name, 1)
    if not any(case.checkpoint for case in one.cases):
        return one
    return replace(one, how=replace(one.how, n=min(one.how.n, SMALL), k=min(one.how.k, SMALL_K)))


def _is_going(rows: Sequence[Row]) -> bool:
    """Whether anything is still to come: of a training that failed there is not."""
    return not all(row.cells or row.status == Status.FAILED for row in rows)


def _total(one: Experiment, row: Row) -> int:
    return next(case.plan.settings["steps"] for case in one.cases if case.name == row.name)


def _drawn(figure: Figure, rows: Sequence[Row], *, key: str) -> None:
    """A figure of the entry: bars with errors over the seeds, curves, or what its models draw."""
    if figure.draws:
        drawn(figure, {row.run: row.name for row in rows}, key=key)
        return
    if figure.bars:
        one, table = MEASURES[figure.bars], results.summaries(rows, figure.bars)
        values = {name: s.mean for (name, _), s in table.items()}
        errors = {name: s.se if s.n > 1 else s.within for (name, _), s in table.items()}
        known = [s.floor for s in table.values() if not math.isnan(s.floor)]
        floor = ("real data", statistics.fmean(known)) if known else None
        plot(figures.bars(values, errors=errors, y_title=one.title, title=figure.title, floor=floor), key=key)
        return
    lines, seen = [], dict[str, str]()
    for row in rows:
        if figure.curves in row.curves:
            x, y = (np.array(column, float) for column in row.curves[figure.curves])
            color = seen.setdefault(row.name, figures.RUNS[len(seen) % len(figures.RUNS)])
            lines.append(figures.Curve(f"{row.name}, seed {row.seed}", x, y, color))
    axis = quantity(figure.curves.removeprefix("held-out "))
    y_title = f"{axis.title}, {axis.unit}" if axis.unit else axis.title
    plot(figures.curves(lines, title=figure.title, x_title="step", y_title=y_title), key=key)


@functools.lru_cache(maxsize=64)
def _read(name: str, seeds: int | None = None) -> Experiment:
    return declaration.read(name, seeds=seeds)


@functools.lru_cache(maxsize=64)
def _shipped(name: str) -> list[Row]:
    return results.shipped(_read(name))

"""A race as it goes: the measure that all have against what each has spent, the floor under it, and the finish."""

import math
from functools import lru_cache, partial
from typing import Any

import streamlit as st

from genmodels import figures
from genmodels.data.datasets import DATASETS
from genmodels.experiments import writers
from genmodels.experiments.measures import MEASURES
from genmodels.experiments.races import race, standings, tracing
from genmodels.experiments.races.race import Race
from genmodels.experiments.races.standings import Standing
from genmodels.host import ownership
from genmodels.jobs import tasks
from genmodels.models import MODELS
from genmodels.runs import store
from genmodels.runs.record import Status
from pages._ui.form.url_widgets import choice
from pages._ui.shared.plot import plot
from pages._ui.views.experiments.tables import as_files

__all__ = ["counted", "shown"]

EVERY = 2.0  # seconds between two looks
AT_ONCE = 1.5  # new snapshots of a run, on average, that are measured together while it goes on
AXES = {"seconds": "seconds of training", "images": "examples shown"}
SPENT = {"seconds": "seconds", "examples": "images"}  # as pages say, and as records do
RACED = {"sliced_w1": "Sliced W₁ from test points, units of x", "kl": "KL(p ‖ q), exact, nats"}


def counted(label: str, *, key: str) -> str:
    """Whether seconds or examples are counted, as records call them; the choice is in the link."""
    if st.query_params.get(key) == "images":  # as older links say
        st.query_params[key] = "examples"
        st.rerun()
    return SPENT[choice(label, list(SPENT), "seconds", key=key)]


def shown(one: Race) -> None:
    """The race, looked at again and again while anybody learns or something is to be measured."""
    (kind,) = [word for word, name in SPENT.items() if name == one.budget.kind]
    st.subheader(f"{DATASETS[one.data].title}, {one.budget.amount:,.0f} {kind} a run", anchor=False)
    by = counted("Against", key="against")
    now = standings.standing(one.id)
    if not now.lanes:
        st.warning("The runs of this race were deleted: start it again.")
        return
    going = now.is_going or now.open > 0
    st.fragment(_watch, run_every=EVERY if going else None)(one, by, going)


def _watch(one: Race, by: str, going: bool) -> None:
    now = standings.standing(one.id)
    if going != (now.is_going or now.open > 0):
        st.rerun(scope="app")  # only the page can say how often it is looked at
    _progress(one, now)
    if now.open:
        _measure(one, now)
    for measure in RACED:
        figure = _figure(one.id, now.measured, sum(lane.status.is_going for lane in now.lanes), measure, by)
        if figure is not None:
            plot(figure, key=f"race-{measure}")
    st.caption(
        "The line is the mean of the seeds, the band reaches from the lowest to the highest. Each point is measured at "
        f"a snapshot: {tracing.POINTS:,} points that it drew, against as many test points; dashed: what real points "
        "score. Exact divergences are of those whose density is known; a diffusion's is under its last noise."
    )
    if not going:
        _finish(one, now)


def _progress(one: Race, now: Standing) -> None:
    """How many have come to the end, and the button that stops the others."""
    finished = sum(lane.status is Status.FINISHED for lane in now.lanes)
    words = f"{finished} of {len(now.lanes)} runs finished"
    words += f", {now.open} snapshots to be measured" if now.open else ""
    words += f", {now.gone} deleted" if now.gone else ""
    st.progress(now.progress, words)
    failed = sorted({lane.message for lane in now.lanes if lane.status is Status.FAILED})
    for message in failed:
        st.warning(message)
    if not now.is_going:
        return
    runs = one.runs
    for run in runs:
        run.seen()
    if any(ownership.may(run.path) for run in runs) and st.button("Stop the race", key="stop-race"):
        race.stop(one)
        st.rerun(scope="app")


def _measure(one: Race, now: Standing) -> None:
    """Ask for what was not measured, some at a time, unless somebody has: all who look ask the same question."""
    if tracing.is_traced(one.id) or (now.is_going and now.open < AT_ONCE * len(now.lanes)):
        return
    asked = {"race": one.id, "known": now.measured}
    known = tasks.look(tracing.trace, **asked)
    if known is None:
        tasks.ask(tracing.trace, **asked)
    elif known.state().status is Status.FAILED:
        st.warning(known.state().message)
        if st.button("Measure again", key="measure-race"):
            tasks.ask(tracing.trace, **asked)


@lru_cache(maxsize=64)
def _figure(name: str, measured: int, going: int, measure: str, by: str) -> Any:
    """Drawn once for all who look, until more is measured or another has ended; None where there is nothing."""
    now, names = standings.standing(name), list(race.find(name).lanes)
    lines = [
        figures.Band(
            MODELS[one.family].title, one.x, one.mean, one.low, one.high, figures.RUNS[names.index(one.family)]
        )
        for one in standings.bands(now, measure, by)
    ]
    floor = tracing.floor_of(race.find(name)).value
    return (
        figures.bands(
            lines,
            title=MEASURES[measure].title,
            x_title=AXES[by],
            y_title=RACED[measure],
            log_x=True,
            log_y=True,
            floor=("real points", floor) if measure == "sliced_w1" and floor > 0 else None,
        )
        if lines
        else None
    )


def _finish(one: Race, now: Standing) -> None:
    """Who is where at the end: mean and standard error over the seeds, and the runs themselves."""
    ends = {measure: standings.finals(now, measure) for measure in RACED}
    floor = tracing.floor_of(one)
    lines = []
    for family in one.lanes:
        lanes = [lane for lane in now.lanes if lane.family == family]
        line = {
            "family": MODELS[family].title,
            "seeds": str(ends["sliced_w1"][family].n if family in ends["sliced_w1"] else 0),
        }
        line |= {MEASURES[m].title: writers.plus_minus(ends[m].get(family)) for m in RACED}
        points = [lane.points[max(lane.points)] for lane in lanes if lane.points]
        line["seconds of training"] = f"{sum(p['seconds'] for p in points) / len(points):.1f}" if points else "–"
        line["examples"] = f"{sum(p['images'] for p in points) / len(points):,.0f}" if points else "–"
        lines.append(line)
    st.dataframe(lines, hide_index=True, key="race-finish")
    real = "" if math.isnan(floor.value) else f" Real points score {floor.value:.3g}."
    st.caption(f"Mean ± standard error over the seeds, at the last snapshot.{real}")
    with st.container(horizontal=True, gap="small"):
        as_files(lines, f"race-{one.id}", key="race")
        st.download_button(
            "As an experiment",
            partial(writers.toml, one.experiment),
            f"race-{one.id}.toml",
            key="race-toml",
            on_click="ignore",
            help="For the command line: python -m genmodels experiment run FILE.",
        )
    with st.expander("All runs", key="race-runs"):
        for lane in now.lanes:
            run = store.find(lane.run)
            st.page_link(f"pages/models/{lane.family}.py", label=run.title, query_params={"run": lane.run})

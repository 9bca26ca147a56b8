"""Trainings side by side: started with one click, watched together, and kept in the page's URL."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.errors import BadInput
from genmodels.host import ownership
from genmodels.jobs import queue
from genmodels.runs import store
from genmodels.runs.classroom import differences
from genmodels.runs.record import Status
from genmodels.runs.store import Run
from pages._ui.shared.plot import plot
from pages._ui.shared.run_cache import metrics
from pages._ui.views.common.shapes import pictures

__all__ = ["Plans", "curves", "dots", "picture", "side_by_side", "small", "start"]

Plans = Mapping[str, Mapping[str, Any]]
"""By name, the arguments of :func:`genmodels.runs.store.create`."""

EVERY = 2.0  # seconds between two looks at runs that are going
WIDTH = 310  # of a panel, CSS pixels; as many stand in a row as there is room for


def side_by_side(
    plans: Plans,
    panel: Callable[[str, Run], None],
    *,
    key: str,
    all_of_them: str,
    each: Mapping[str, str] | None = None,
    below: Callable[[Mapping[str, Run]], None] | None = None,
    width: int = WIDTH,
) -> bool:
    """Buttons that train what is planned, and a panel for each run that the URL names.

    Args:
        plans: What there is to be compared, by name.
        panel: Draws a run that has a snapshot, under its name and how far it is.
        key: In the URL: the ids of the runs in the order of ``plans``, nothing where one has not been trained.
        all_of_them: What the button says that trains them all.
        each: By name, what is said of the button that trains this one alone; no such buttons otherwise.
        below: Draws what is of all the runs together.
        width: Of a panel, CSS pixels.

    Returns:
        Whether there is any run to be seen.
    """
    with st.container(horizontal=True, gap="small"):
        chosen = list(plans) if st.button(all_of_them, type="primary", key=f"{key}-all") else []
        for i, (name, about) in enumerate((each or {}).items()):
            if st.button(name, key=f"{key}-{i}", help=about or None):
                chosen = [name]
    runs, _ = _linked(plans, key)
    if chosen and (started := start({name: plans[name] for name in chosen})):
        runs |= started
        st.query_params[key] = ",".join(runs[name].id if name in runs else "" for name in plans)
    if st.query_params.get(key, "").strip(","):
        going = _are_going(runs.values())
        st.fragment(_watch, run_every=EVERY if going else None)(plans, panel, key, below, width, going)
    return bool(runs)


def start(plans: Plans) -> dict[str, Run]:
    """The runs of ``plans`` by name, put into the queue; one that was made before is taken again. Refusals are said."""
    runs: dict[str, Run] = {}
    try:
        queue.pool()
        among = store.known()
        known = {name: store.made(store.planned(**plan), among) for name, plan in plans.items()}
        queue.check_room(sum(run is None or not run.state().status.is_well for run in known.values()))
        for name, plan in plans.items():
            run = known[name] or store.create(**plan)
            if not run.state().status.is_well:
                queue.submit(run)
            runs[name] = run
    except BadInput as error:
        st.error(str(error))
    return runs


def _are_going(runs: Iterable[Run]) -> bool:
    return any(run.state().status.is_going for run in runs)


def _linked(plans: Plans, key: str) -> tuple[dict[str, Run], list[str]]:
    """The runs that the URL names, each by the name of its plan, and the names of those that are there no more."""
    runs, gone = dict[str, Run](), list[str]()
    for i, run_id in enumerate(st.query_params.get(key, "").split(",")):
        try:
            run = store.find(run_id) if run_id else None
        except BadInput:
            gone.append(dict(enumerate(plans)).get(i, run_id))
            continue
        if run is not None:  # by its title, where it is of none of these plans
            name = next((name for name in plans if name not in runs and _is_of(run, name, plans)), None)
            runs[name or f"{run.title} · {run.id[-6:]}"] = run
    return runs, gone


def _is_of(run: Run, name: str, plans: Plans) -> bool:
    """Whether the run has what tells the plan of this name from the others of its model."""
    own, wanted = run.plan, plans[name]
    others = [plan["arguments"] for plan in plans.values() if plan["model"] == wanted["model"]]
    telling = [k for k, value in wanted["arguments"].items() if any(one.get(k, value) != value for one in others)]
    return own.model == wanted["model"] and all(own.arguments.get(k) == wanted["arguments"][k] for k in telling)


def _watch(
    plans: Plans,
    panel: Callable[[str, Run], None],
    key: str,
    below: Callable[[Mapping[str, Run]], None] | None,
    width: int,
    going: bool,
) -> None:
    """All panels as they are now; drawn again by itself while a run goes on."""
    runs, gone = _linked(plans, key)
    if _are_going(runs.values()) != going:
        st.rerun(scope="app")  # only the page can say how often it is looked at
    if gone:
        st.caption(f"Not there any more: {', '.join(gone)}.")
    if going and any(ownership.may(run.path) for run in runs.values()) and st.button("Stop all", key=f"{key}-stop"):
        _stop(runs.values())
        st.rerun(scope="app")
    with st.container(horizontal=True, gap="small"):
        for (name, run), settings in zip(runs.items(), differences([run.plan for run in runs.values()]), strict=True):
            with st.container(width=width, gap="xsmall"):
                _titled(name, run, settings)
                if run.snapshots():
                    panel(name, run)
                else:
                    st.caption("Its picture comes with the first snapshot.")
    if below is not None:
        below({name: run for name, run in runs.items() if run.snapshots()})


def _titled(name: str, run: Run, settings: str) -> None:
    """Its name and settings, and how far it is."""
    state = run.state()
    st.page_link(f"pages/models/{run.plan.model}.py", label=f"**{name}**", query_params={"run": run.id})
    st.caption(settings)
    st.progress(state.progress, f"{state.status} · step {state.step:,}")
    if state.status.is_going:
        run.seen()
    elif state.status is Status.FAILED:
        st.warning(state.message)


def _stop(runs: Iterable[Run]) -> None:
    for run in runs:
        if run.state().status.is_going:
            with suppress(BadInput):  # somebody else's, which goes on
                queue.stop(run)


# What panels show ---


def picture(run: Run, key: str, extent: figures.Extent) -> None:
    """What a run drew last: images, or points of the plane within ``extent``."""
    x = run.samples()
    if x is None:
        return
    if x.ndim == 4:
        pictures(x[:16], 4, key=key, alt=f"Samples of {run.title}.", pixels=62, download=f"{run.id}.png")
        return
    small(figures.points((dots(x),), extent=extent), key)


def dots(x: Any) -> figures.Points:
    """Samples as they stand out on a map."""
    return figures.Points("samples", x[:300], figures.SAMPLES, size=5, outlined=True)


def small(figure: Any, key: str, height: int = 290) -> None:
    """A figure in a panel."""
    figure.update_layout(height=height, showlegend=False, margin={"l": 30, "r": 4, "t": 8, "b": 30})
    plot(figure, key=key, displayModeBar=False)


def curves(runs: Mapping[str, Run], terms: Mapping[str, str], *, key: str, title: str = "", height: int = 300) -> None:
    """A curve of each run: of the first of ``terms`` that it logs, whose title of the axis is given with it."""
    lines, axis = [], ""
    for (name, run), color in zip(runs.items(), figures.RUNS, strict=False):
        rows = metrics(run)
        if term := next((term for term in terms if any(term in row for row in rows)), None):
            x, y = np.array([(row["step"], row[term]) for row in rows if term in row]).T
            lines.append(figures.Curve(name, x, y, color))
            axis = terms[term]
    if lines:
        plot(figures.curves(lines, title=title, x_title="step", y_title=axis).update_layout(height=height), key=key)

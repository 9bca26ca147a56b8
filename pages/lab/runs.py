"""Every run, whoever made it: its state, its curves over those of others, and what can be done with it."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import streamlit as st

from genmodels.errors import BadInput
from genmodels.export import checkpoint
from genmodels.figures import RUNS
from genmodels.host import health, ownership
from genmodels.jobs import queue
from genmodels.models import MODELS
from genmodels.quantities import quantity
from genmodels.runs import store
from genmodels.runs.record import CLOCK, Status
from genmodels.runs.store import Run
from pages._ui.components.live_chart import Panel, Series, live_chart
from pages._ui.page.download import taking
from pages._ui.views.common.newest import newest_samples

MOST_CURVES = 8


def main() -> None:
    """The table, then what was chosen in it."""
    st.title("Runs")
    st.caption(
        "A run is a directory: made in this app, on the command line or elsewhere, it is shown here all the same. "
        f"This host has {health.hardware()}."
    )
    if kept := health.keeping():
        st.info(kept)
    listed = [(run, line) for run in store.every() + store.bundled() if (line := row(run))]
    broken = dict(store.damaged())
    listed += [(run, {"name": run.id, "state": "damaged", "message": why}) for run, why in broken.items()]
    if not listed:
        st.info("There are no runs yet. Choose a model and press Train.")
        return
    every, rows = [run for run, _ in listed], [line for _, line in listed]
    chosen = table(every, rows) or every[:1]
    if len(chosen) == 1 and chosen[0] in broken:
        st.warning(f"{broken[chosen[0]]} It cannot be shown; what is left of it can be deleted.")
        with st.popover("Delete", disabled=not ownership.may(chosen[0].path)):
            delete(chosen[0])
        return
    curves([run.id for run in chosen[:MOST_CURVES] if run not in broken])
    if len(chosen) == 1:
        actions(chosen[0])
    elif len(chosen) > MOST_CURVES:
        st.caption(f"The curves of the first {MOST_CURVES} are shown.")


def table(every: list[Run], rows: list[dict[str, object]]) -> list[Run]:
    """Draw it; those that are chosen in it.

    Streamlit knows a choice by the numbers of its rows: where the runs are others, it is another table, in which the
    same runs are chosen as in the one before.
    """
    names = [run.id for run in every]
    n, before = st.session_state.get("listed", (0, []))
    picked = st.session_state.get(f"table-{n}", {"selection": {"rows": []}})
    kept = [before[i] for i in picked["selection"]["rows"] if i < len(before)]
    n += names != before
    st.session_state["listed"] = n, names
    picked = st.dataframe(
        rows,
        key=f"table-{n}",
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={"selection": {"rows": [names.index(name) for name in kept if name in names]}},
        hide_index=True,
        width="stretch",
        column_config={
            "progress": st.column_config.ProgressColumn("progress", format="percent", min_value=0, max_value=1)
        },
    )
    return [every[i] for i in picked["selection"]["rows"] if i < len(every)]


def row(run: Run) -> dict[str, object]:
    """A run as a line of the table; an empty one where it was deleted in this instant."""
    try:
        plan, state = run.plan, run.state()
    except BadInput:
        return {}
    yours = {"by": "you" if ownership.owns(run.path) else ""} if ownership.is_visiting() else {}
    return yours | {
        "name": plan.title,
        "model": MODELS[plan.model].title if plan.model in MODELS else plan.model,
        "data": plan.data,
        "state": str(state.status),
        "progress": state.progress,
        "step": state.step,
        "minutes": round(state.seconds / 60, 1),
        "made": datetime.fromtimestamp(plan.created).strftime("%d %b %H:%M"),
        "message": state.message,
    }


@st.fragment(run_every=2.0)
def curves(names: list[str]) -> None:
    """The logged terms of the chosen runs, a panel a term, a colour a run; held-out curves dashed."""
    runs = {}
    for name in names:
        with suppress(BadInput):  # deleted meanwhile
            runs[name] = store.find(name)
    metrics = {name: run.metrics() for name, run in runs.items()}
    terms = list(
        dict.fromkeys(k for rows in metrics.values() for line in rows[-1:] for k in line if "held-out" not in k)
    )
    titles = [run.plan.title for run in runs.values()]  # of which a legend has each once
    named = {name: f"{t} · {name[-6:]}" if titles.count(t) > 1 else t for name, t in zip(runs, titles, strict=True)}
    panels = []
    for term in [t for t in terms if t not in CLOCK]:
        series = []
        for color, (name, rows) in zip(RUNS, metrics.items(), strict=False):
            for key, held_out in ((term, False), (f"held-out {term}", True)):
                kept = [line for line in rows if key in line]
                if kept:
                    xs, ys = [line["step"] for line in kept], [line[key] for line in kept]
                    series.append(Series(named[name], xs, ys, color, held_out))
        one = quantity(term)
        panels.append(Panel(one.title, one.unit, series, about=one.explained))
    if panels:
        live_chart(panels, key="curves", columns=2, in_sight=4)


def actions(run: Run) -> None:
    """The buttons of one run."""
    plan, state = run.plan, run.state()
    st.subheader(plan.title)
    newest_samples(run)
    st.caption(f"`{run.id}`" + (f" · a fork of `{plan.parent.run}`" if plan.parent else ""))
    if state.message:
        st.info(state.message)
    try:
        st.code(checkpoint.command(run), language="bash", wrap_lines=True)
    except BadInput as error:  # its arguments are not what this version allows
        st.warning(str(error))
    buttons(run, state.status)
    left, middle, right = st.columns(3)
    with left.popover("Fork", width="stretch"):
        fork(run)
    fixed = run.is_bundled or not ownership.may(run.path)
    why = "Only the browser that made this run may do that." if fixed and not run.is_bundled else None
    with middle.popover("Rename", width="stretch", disabled=fixed, help=why):
        title = st.text_input("name", plan.title, key=f"title-{run.id}", max_chars=80)
        if st.button("Rename", key=f"rename-{run.id}"):
            act(run.rename, title)
    with right.popover("Delete", width="stretch", disabled=fixed, help=why):
        delete(run)


def delete(run: Run) -> None:
    """Delete a run, after asking once more."""
    st.write("The run and all its snapshots are removed for good.")
    if st.button("Delete it", key=f"delete-{run.id}"):
        act(run.delete)


def buttons(run: Run, status: Status) -> None:
    """Open, pause, resume, stop, download; what is somebody else's can only be looked at."""
    mine = ownership.may(run.path)
    with st.container(horizontal=True):
        page = f"pages/models/{run.plan.model}.py"
        if st.button("Open", key=f"open-{run.id}", type="primary", icon=":material/open_in_new:"):
            st.switch_page(page, query_params={"run": run.id})
        if mine and status is Status.RUNNING and st.button("Pause", key=f"pause-{run.id}"):
            act(queue.pause, run)
        held = status is Status.PAUSED or not status.is_well
        if mine and held and not run.is_bundled and st.button("Resume", key=f"resume-{run.id}"):
            queue.pool()
            act(queue.resume, run)
        if mine and status.is_going and st.button("Stop", key=f"stop-{run.id}"):
            act(queue.stop, run)
        if st.button("Take home", icon=":material/download:", key=f"home-{run.id}"):
            taking(run)


def fork(run: Run) -> None:
    """Go on from one of its moments in a run of its own."""
    steps = run.snapshots()
    if not steps:
        st.write("It has no snapshots to fork from.")
        return
    step = st.select_slider("from step", steps, value=steps[-1], key=f"fork-{run.id}")
    st.caption("The new run keeps these weights; change its numbers on the model's page.")
    if st.button("Fork and train", key=f"fork-it-{run.id}"):
        queue.pool()
        act(lambda: queue.submit(store.fork(run, step)))


def act(what: Callable[..., object], *arguments: object) -> None:
    """Do it; say why not, where it cannot be done."""
    try:
        what(*arguments)
    except BadInput as error:
        st.error(str(error))
        return
    st.rerun()


main()

"""Runs of players beside each other: started together, watched together, a column each."""

from collections.abc import Iterable
from typing import Any

import streamlit as st

from genmodels import figures, images
from genmodels.errors import BadInput
from genmodels.instruments.gan import game as instruments
from genmodels.jobs import queue
from genmodels.runs import store
from genmodels.runs.record import State, Status
from genmodels.runs.store import Run
from pages._ui.components.image_grid import image_grid
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.gan.game import belief, half_of, real_points, square, zoom

__all__ = ["EVERY", "are_going", "column", "linked", "start"]

EVERY = 2.0  # seconds between two looks at them


@st.cache_data(max_entries=64, show_spinner=False)
def _surface(moment: Moment, half: float) -> instruments.Surface:
    return instruments.surface(moment.model, half, side=60)


def start(link: str, plans: Iterable[dict[str, Any]], *, beside: Iterable[str] = ()) -> None:
    """Make and queue the runs of ``plans``, and put them into the link after those of ``beside``."""
    try:
        queue.pool()
        plans = list(plans)
        queue.check_room(len(plans))
        made = [store.create(**arguments) for arguments in plans]
        for run in made:
            queue.submit(run)
    except BadInput as error:
        st.error(str(error))
        return
    st.query_params[link] = ",".join([*beside, *(run.id for run in made)])
    st.rerun()


def linked(link: str) -> list[Run | None]:
    """The runs that the link names, in its order; None for those that are there no more."""
    found: list[Run | None] = []
    for name in filter(None, st.query_params.get(link, "").split(",")):
        try:
            found.append(store.find(name))
        except BadInput:
            found.append(None)
    return found


def are_going(found: Iterable[Run]) -> bool:
    """Whether one of them is still to be trained."""
    return any(run.state().status.is_going for run in found)


def column(title: str, run: Run, state: State, key: str) -> None:
    """One of them: its name, how far it is, what it draws."""
    st.page_link(f"pages/models/{run.plan.model}.py", label=f"**{title}**", query_params={"run": run.id})
    st.progress(state.progress, f"{state.status} · step {state.step:,}")
    if state.status is Status.FAILED:
        st.warning(state.message)
    x = run.samples() if run.snapshots() else None
    if x is None:
        st.caption("Samples come with the first snapshot.")
        return
    if x.ndim == 4:
        image_grid(
            images.png(images.tile(x[:16])),
            key=key,
            alt=f"Samples of the run with {title}.",
            scale=zoom(x.shape, 52),
            download=f"{run.id}.png",
        )
        return
    moment = Moment.of(run)
    half, fake = half_of(moment), figures.Points("samples", x[:300], figures.SAMPLES, size=3)
    clouds = (real_points(moment), fake)
    if state.status.is_going or moment.model.classes:
        figure = figures.points(clouds, extent=square(half))
    else:
        figure = belief(_surface(moment, half), title="", over=clouds)
        figure.update_traces(showscale=False, selector={"type": "heatmap"})
    figure.update_layout(height=225, showlegend=False, margin={"l": 30, "r": 4, "t": 8, "b": 30})
    plot(figure, key=key, displayModeBar=False)

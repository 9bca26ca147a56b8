"""What takes a while and is no training: asked for, waited for with progress and cancel, shown when it is there."""

from typing import Any

import numpy.typing as npt
import streamlit as st

from genmodels.errors import BadInput
from genmodels.host import ownership
from genmodels.jobs import queue, tasks
from genmodels.runs.record import Status

__all__ = ["answer"]


def answer(name: str, *, key: str, at_once: bool = False, **arguments: Any) -> dict[str, npt.NDArray[Any]] | None:
    """The answer of a task, or None while it is not there: then a button asks for it, or its progress is shown.

    Args:
        name: Of TASKS.
        key: Identity of the widgets.
        at_once: Ask without a button.
        arguments: The task's.
    """
    queue.pool()
    known = tasks.look(name, **arguments)
    if known is None or known.state().status in (Status.CANCELLED, Status.FAILED):
        if known is not None and known.state().status is Status.FAILED:
            st.warning(known.state().message)
        if not (at_once and known is None) and not st.button("Compute it", key=f"{key}-ask", type="primary"):
            return None
        try:
            known = tasks.ask(name, **arguments)
        except BadInput as error:  # of a disk that takes nothing, say
            st.warning(str(error))
            return None
        known.wait(0.5 if at_once else 0.0)
    if not known.is_done:
        _wait(known.id, key)
        return None
    try:
        return known.answer()
    except BadInput as error:
        st.warning(str(error))
        return None


@st.fragment(run_every=0.5)
def _wait(name: str, key: str) -> None:
    task = tasks.Task(tasks.folder() / name)
    state = task.state()
    if not state.status.is_going:
        st.rerun()
    waits = "waiting for a worker" if state.status is Status.QUEUED else "computing"
    st.progress(min(1.0, state.progress), f"{waits} … {state.progress:.0%}")
    if ownership.may(task.path) and st.button("Cancel", key=f"{key}-cancel"):
        task.cancel()
        st.rerun()

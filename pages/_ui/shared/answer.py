"""What takes a while and is no training: asked for, waited for with progress and cancel, shown when it is there."""

from typing import Any

import numpy.typing as npt
import streamlit as st

from genmodels.errors import BadInput
from genmodels.host import ownership
from genmodels.jobs import queue, tasks

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
    if known is None or known.state()["state"] in ("cancelled", "failed"):
        if known is not None and known.state()["state"] == "failed":
            st.warning(known.state()["message"])
        if not (at_once and known is None) and not st.button("Compute it", key=f"{key}-ask", type="primary"):
            return None
        known = tasks.ask(name, **arguments)
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
    if state["state"] not in ("queued", "running"):
        st.rerun()
    waits = "waiting for a worker" if state["state"] == "queued" else "computing"
    st.progress(min(1.0, state["progress"]), f"{waits} … {state['progress']:.0%}")
    if ownership.may(task.path) and st.button("Cancel", key=f"{key}-cancel"):
        task.cancel()
        st.rerun()

"""What takes a while and is no training: asked for, waited for with progress and cancel, shown when it is there."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy.typing as npt
import streamlit as st

from genmodels.errors import BadInput
from genmodels.host import ownership
from genmodels.jobs import queue, tasks
from genmodels.jobs.tasks import TaskFunction
from genmodels.runs.record import Status
from pages._ui.shared.moment import Moment

__all__ = ["answer", "seen"]


def seen(function: Callable[..., Any], moment: Moment, **arguments: Any) -> Any:
    """``function(model, …)`` of a moment at once: computed once for all who look. For what takes no time to speak of.

    Args:
        function: Takes ``model``, and ``data`` if it wants them.
        moment: Whose model and data.
        arguments: What else it takes; whatever can be the key of a dictionary.
    """
    return _seen(function, moment, tuple(sorted(arguments.items())))


@functools.lru_cache(maxsize=256)
def _seen(function: Callable[..., Any], moment: Moment, arguments: tuple[tuple[str, Any], ...]) -> Any:
    wants_data = "data" in inspect.signature(function).parameters
    return function(moment.model, *([moment.data] if wants_data else []), **dict(arguments))


def answer(
    function: TaskFunction,
    *,
    key: str,
    at_once: bool = False,
    asks: str = "Compute it",
    moment: Moment | None = None,
    **arguments: Any,
) -> dict[str, npt.NDArray[Any]] | None:
    """A worker's result, or None while it is not there: then a button asks for it, or its progress is shown.

    Args:
        function: The task, see :mod:`genmodels.jobs.tasks`.
        key: Identity of the widgets.
        at_once: Ask without a button.
        asks: What the button says.
        moment: The run and the step that it is asked about.
        arguments: What else it takes.
    """
    queue.pool()
    if moment is not None:
        arguments |= {"run": moment.id, "step": moment.step}
    known = tasks.look(function, **arguments)
    if known is None or known.state().status in (Status.CANCELLED, Status.FAILED):
        if known is not None and known.state().status is Status.FAILED:
            st.warning(known.state().message)
        if not (at_once and known is None) and not st.button(asks, key=f"{key}-ask", type="primary"):
            return None
        try:
            known = tasks.ask(function, **arguments)
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

"""Computations done here and now, where a page would ask a worker."""

from collections.abc import Generator
from typing import Any

import numpy as np
import streamlit as st

from genmodels.errors import BadInput
from genmodels.jobs import tasks
from pages._ui.shared.moment import Moment


def finish(steps: Generator[float, None, dict[str, Any]]) -> dict[str, Any]:
    """What a task returns at its end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def at_once(
    function: tasks.TaskFunction,
    *,
    key: str,
    at_once: bool = False,
    asks: str = "",
    moment: Moment | None = None,
    **arguments: Any,
) -> dict[str, Any] | None:
    """In place of ``pages._ui.shared.answer.answer``: no worker, no waiting."""
    if moment is not None:
        arguments |= {"run": moment.id, "step": moment.step}
    try:
        found = finish(tasks.steps_of(tasks.named(function), arguments))
    except BadInput as error:  # no MNIST, and no network
        st.warning(str(error))
        return None
    return {one: np.asarray(array) for one, array in found.items()}

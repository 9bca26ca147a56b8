"""Presets labelled with the time that they take on this device: measured here, or not said."""

from collections.abc import Callable

import streamlit as st

from genmodels.durations import worded
from genmodels.errors import BadInput
from genmodels.jobs import tasks
from genmodels.jobs.tasks import Task
from genmodels.models import MODELS
from genmodels.models.base import GenerativeModel, Preset
from genmodels.runs import timing

__all__ = ["labels", "note"]

_measured: dict[str, float] = {}


def labels(cls: type[GenerativeModel]) -> Callable[[str], str]:
    """What the menu shows for a preset's title: with its time, where that has been measured."""
    model = _name(cls)
    known = {preset.title: _seconds(model, preset) for preset in cls.presets}
    said = {title: f"{title} · {worded(seconds)}" for title, seconds in known.items() if seconds is not None}
    return lambda title: said.get(title, title)


def note(cls: type[GenerativeModel], title: str) -> None:
    """Under the menu: how long the chosen preset takes here, timed at once where nobody has; and a button for all."""
    model = _name(cls)
    chosen = [preset for preset in cls.presets if preset.title == title]
    missing = [preset for preset in cls.presets if timing.is_here(preset.data) and _timing(model, preset) is None]
    with st.container(horizontal=True, gap="xsmall", vertical_alignment="center", key="preset-time"):
        if chosen:
            going = _is_going(model, chosen[0])
            st.fragment(_say, run_every=1.0 if going else None)(model, chosen[0], going)
        if missing and st.button(
            "Time all", key="time-presets", type="tertiary", help="A few steps of each preset, timed on this device."
        ):
            _ask(model, missing)
            st.rerun()


def _name(cls: type[GenerativeModel]) -> str:
    return next(name for name, entry in MODELS.items() if entry.path == f"{cls.__module__}:{cls.__qualname__}")


def _timing(model: str, preset: Preset) -> Task | None:
    """The timing of a preset, where it has been asked for."""
    return tasks.look(timing.timed, **timing.question(model, preset))


def _say(model: str, preset: Preset, going: bool) -> None:
    if not timing.is_here(preset.data):
        st.caption(f"{preset.data} is downloaded first.")
        return
    if _timing(model, preset) is None:
        _ask(model, [preset])
    if _is_going(model, preset) != going:
        st.rerun(scope="app")  # the menu says it too
    seconds = _seconds(model, preset)
    if seconds is not None:
        st.caption(f"about {worded(seconds)} on this device, by steps timed here")
    elif going:
        st.caption("timing a few steps …")


def _ask(model: str, presets: list[Preset]) -> None:
    for preset in presets:
        try:
            tasks.ask(timing.timed, **timing.question(model, preset))
        except BadInput:  # a shared host computes only so much at once for a visitor
            return


def _is_going(model: str, preset: Preset) -> bool:
    known = _timing(model, preset)
    return known is not None and known.state().status.is_going


def _seconds(model: str, preset: Preset) -> float | None:
    """As measured; an answer once seen is not read again."""
    known = _timing(model, preset)
    if known is None:
        return None
    path = str(known.path)
    if path not in _measured and known.is_done:
        _measured[path] = float(known.answer()["seconds"])
    return _measured.get(path)

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
    here = {preset.title: timing.is_here(preset.data) for preset in cls.presets}

    def said(title: str) -> str:
        seconds = known.get(title)
        if seconds is not None:
            return f"{title} (about {worded(seconds)} here)"
        return title if here.get(title, True) else f"{title} (needs a download)"

    return said


def note(cls: type[GenerativeModel], title: str) -> None:
    """Under the menu: how long the chosen preset takes here, timed at once where nobody has; and a button for all."""
    model = _name(cls)
    chosen = next((preset for preset in cls.presets if preset.title == title), None)
    here = [preset for preset in cls.presets if timing.is_here(preset.data)]
    missing = [preset for preset in here if _timing(model, preset) is None and preset is not chosen]
    going = sum(_is_going(model, preset) for preset in here)
    with st.container(gap=None, key="preset-time"):
        st.fragment(_say, run_every=1.0 if going else None)(model, chosen, here, going)
        if missing and st.button(
            "Estimate how long each preset takes",
            key="time-presets",
            type="tertiary",
            help="A few steps of each preset, timed on this device.",
        ):
            _ask(model, missing)
            st.rerun()


def _name(cls: type[GenerativeModel]) -> str:
    return next(name for name, entry in MODELS.items() if entry.path == f"{cls.__module__}:{cls.__qualname__}")


def _timing(model: str, preset: Preset) -> Task | None:
    """The timing of a preset, where it has been asked for."""
    return tasks.look(timing.timed, **timing.question(model, preset))


def _say(model: str, chosen: Preset | None, here: list[Preset], going: int) -> None:
    """The time of the chosen preset, and how many of all are still to be timed."""
    if chosen in here and _timing(model, chosen) is None:
        _ask(model, [chosen])
    left = sum(_is_going(model, preset) for preset in here)
    if left != going:
        st.rerun(scope="app")  # the menu says it too
    seconds = None if chosen is None else _seconds(model, chosen)
    if left > 1:
        st.progress(1 - left / len(here), f"Timing a few steps of {left} presets")
    elif chosen is not None and chosen not in here:
        st.caption(f"{chosen.data} is downloaded first.")
    elif seconds is not None:
        st.caption(f"about {worded(seconds)} on this device, by steps timed here")
    elif left:
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

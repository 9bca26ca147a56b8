"""Presets labelled with the time that they take on this device: measured here, or not said."""

import functools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from genmodels.durations import worded
from genmodels.errors import BadInput
from genmodels.jobs import tasks
from genmodels.models import MODELS
from genmodels.models.base import GenerativeModel, Preset
from genmodels.runs import timing

__all__ = ["labels", "note"]

FRESH = 0.5  # seconds for which all visitors are told what one has looked up


class Timing(NamedTuple):
    """The time that a preset takes, if measured; and whether it is being measured."""

    seconds: float | None
    is_going: bool


_measured: dict[tuple[Path, str, str], float] = {}  # the folder of answers, model and preset: seconds


def labels(cls: type[GenerativeModel]) -> Callable[[str], str]:
    """A function from a preset's title to its entry in the menu: with its time, where that has been measured."""
    known = _timings(cls)
    here = {preset.title: timing.is_here(preset.data) for preset in cls.presets}

    def said(title: str) -> str:
        if title in known and (seconds := known[title].seconds) is not None:
            return f"{title} (about {worded(seconds)} here)"
        return title if here.get(title, True) else f"{title} (needs a download)"

    return said


def note(cls: type[GenerativeModel], title: str) -> None:
    """Under the menu: how long the chosen preset takes here, timed at once where nobody has; and a button for all."""
    known = _timings(cls)
    chosen = next((preset for preset in cls.presets if preset.title == title), None)
    here = [preset for preset in cls.presets if timing.is_here(preset.data)]
    missing = [preset for preset in here if preset is not chosen and preset.title not in known]
    going = _going(known, here)
    with st.container(gap=None, key="preset-time"):
        st.fragment(_say, run_every=1.0 if going else None)(cls, chosen, here, going)
        if missing and st.button(
            "Estimate how long each preset takes",
            key="time-presets",
            type="tertiary",
            help="A few steps of each preset, timed on this device.",
        ):
            _ask(cls, missing)
            st.rerun()


def _name(cls: type[GenerativeModel]) -> str:
    return next(name for name, entry in MODELS.items() if entry.path == f"{cls.__module__}:{cls.__qualname__}")


def _timings(cls: type[GenerativeModel]) -> Mapping[str, Timing]:
    """The timings of a model's presets that have been asked for, by title."""
    return _looked_up(_name(cls), tasks.folder(), time.monotonic() // FRESH)


@functools.lru_cache(maxsize=64)
def _looked_up(model: str, folder: Path, now: float) -> Mapping[str, Timing]:
    """An answer once seen is not looked for again."""
    found = {}
    for preset in MODELS[model].cls.presets:
        key = folder, model, preset.title
        if key not in _measured and (task := tasks.look(timing.timed, **timing.question(model, preset))) is not None:
            if task.is_done:
                _measured[key] = float(task.answer()["seconds"])
            else:
                found[preset.title] = Timing(None, task.state().status.is_going)
        if key in _measured:
            found[preset.title] = Timing(_measured[key], False)
    return found


def _going(known: Mapping[str, Timing], here: list[Preset]) -> int:
    return sum(preset.title in known and known[preset.title].is_going for preset in here)


def _say(cls: type[GenerativeModel], chosen: Preset | None, here: list[Preset], going: int) -> None:
    """The time of the chosen preset, and how many of all are still to be timed."""
    if chosen in here and chosen.title not in _timings(cls):
        _ask(cls, [chosen])
    known = _timings(cls)
    left = _going(known, here)
    if left != going:
        st.rerun(scope="app")  # the menu says it too
    seconds = known[chosen.title].seconds if chosen is not None and chosen.title in known else None
    if left > 1:
        st.progress(1 - left / len(here), f"Timing a few steps of {left} presets")
    elif chosen is not None and chosen not in here:
        st.caption(f"{chosen.data} is downloaded first.")
    elif seconds is not None:
        st.caption(f"about {worded(seconds)} on this device, by steps timed here")
    elif left:
        st.caption("timing a few steps …")


def _ask(cls: type[GenerativeModel], presets: list[Preset]) -> None:
    for preset in presets:
        try:
            tasks.ask(timing.timed, **timing.question(_name(cls), preset))
        except BadInput:  # a shared host computes only so much at once for a visitor
            break
    _looked_up.cache_clear()

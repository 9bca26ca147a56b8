"""Samples from the same noise at every snapshot: the time machine that all panels follow."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from genmodels.data import DATASETS
from genmodels.pictures import Sprite, png, sprite, tile
from genmodels.runs import Run
from pages._ui.components.scrubber import point_film, scrubber

__all__ = ["GOING", "film", "standing_at"]

GOING = ("queued", "running", "paused")
POINTS = 400  # of a plane's samples
ALT = "samples of the model, from the same noise throughout"


def standing_at(run: Run) -> int | None:
    """The snapshot at which the reader has stopped the time machine; None: the newest, whichever that is."""
    return st.session_state.get(f"at/{run.id}")


def film(run: Run, state: dict[str, Any]) -> int | None:
    """Show what the model drew at each snapshot and draws now.

    Returns:
        The step that is shown, or None while there is nothing to see.
    """
    steps = [step for step in run.snapshots() if _samples(str(run.path), step) is not None]
    if not steps:
        st.caption("Samples come with the first snapshot.")
        return None
    newest = None if state["state"] not in GOING or state["step"] in steps else run.samples()
    show = _pictures if DATASETS[run.plan["data"]].kind == "images" else _points
    at = show(run, steps, newest, f"step {state['step']:,}, now")
    _go_to(run, steps, at)
    return standing_at(run) or state["step"]


def _pictures(run: Run, steps: Sequence[int], newest: Any, now: str) -> int:
    last = None if newest is None else (png(tile(newest)[..., :3]), now)
    sheet = _sprite(str(run.path), tuple(steps))
    captions = [f"step {step:,}" for step in steps]
    scale = 380 / sheet.size[0]
    return scrubber(
        sheet, key=_key(run), alt=ALT, captions=captions, now=last, scale=scale, fps=4, follow=True, report=True
    )


def _points(run: Run, steps: Sequence[int], newest: Any, now: str) -> int:
    last = None if newest is None else (newest[:POINTS], now)
    points = np.stack([_samples(str(run.path), step)[:POINTS] for step in steps])
    truth, extent = _truth(str(run.path))
    captions = [f"step {step:,}" for step in steps]
    return point_film(
        points,
        key=_key(run),
        alt=ALT,
        extent=extent,
        data=truth,
        captions=captions,
        now=last,
        follow=True,
        report=True,
    )


def _go_to(run: Run, steps: Sequence[int], at: int) -> None:
    """The page follows the time machine: to the snapshot chosen, or to each new one as it comes."""
    chosen = steps[at] if at < len(steps) - 1 else None
    before, known = standing_at(run), st.session_state.get(f"newest/{run.id}", steps[-1])
    st.session_state[f"at/{run.id}"], st.session_state[f"newest/{run.id}"] = chosen, steps[-1]
    if chosen != before or (chosen is None and known != steps[-1]):
        st.rerun(scope="app")


def _key(run: Run) -> str:
    return f"film-{run.id}"


@functools.lru_cache(maxsize=2048)
def _kept(path: str, step: int) -> Any:
    samples = Run(Path(path)).samples(step)
    if samples is None:
        raise FileNotFoundError(path)  # not kept: it may come yet
    return samples


def _samples(path: str, step: int) -> Any:
    """What the model drew at a snapshot, shape (N, ...), read once for all who look; None where it drew nothing."""
    try:
        return _kept(path, step)
    except FileNotFoundError:
        return None


@functools.lru_cache(maxsize=64)
def _sprite(path: str, steps: tuple[int, ...]) -> Sprite:
    """The film so far, drawn once for all who look."""
    return sprite(np.stack([tile(_samples(path, step))[..., :3].transpose(2, 0, 1) for step in steps]))


@functools.lru_cache(maxsize=64)
def _truth(path: str) -> tuple[Any, float]:
    """Points of the data itself, and how far the plane is shown."""
    run = Run(Path(path))
    return run.data().test.x[:1000].numpy(), DATASETS[run.plan["data"]].extent

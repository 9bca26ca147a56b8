"""Samples from the same noise at every snapshot: the time machine that all panels follow."""

import functools
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from genmodels.data.datasets import info
from genmodels.images import Sprite, png, sprite, tile
from genmodels.runs.record import State
from genmodels.runs.store import Run
from genmodels.text import quoted, whole
from pages._ui.components.scrubber import point_film, scrubber
from pages._ui.shared.run_cache import newest_of, snapshots

__all__ = ["film", "keep_up", "open_at_linked", "pick", "standing_at"]

POINTS = 400  # of a plane's samples
PATIENCE = 5.0  # seconds for which the panels show a snapshot before a newer one takes its place; on a busy host more
ALT = "samples of the model, from the same noise throughout"


def standing_at(run: Run) -> int | None:
    """The snapshot at which the reader has stopped the time machine; None: the newest, whichever that is."""
    return st.session_state.get(f"at/{run.id}")


def open_at_linked(run: Run) -> None:
    """Once a visitor and run: the time machine stands where the link says; after that the link says where it stands."""
    key, steps = f"opened/{run.id}", run.snapshots()
    if key not in st.session_state:
        text = st.query_params.get("step")
        st.session_state[key] = step if (step := whole(text)) in steps else None
        if text is not None and st.session_state[key] is None:
            known = ", ".join(f"{step}" for step in steps) or "none yet"
            st.session_state["wrong_step"] = f"The link says step = {quoted(text)}, of which there is no snapshot here:"
            st.session_state["wrong_step"] += f" there are {known}. The newest is shown."
        st.session_state[f"at/{run.id}"] = st.session_state[key]
    at = standing_at(run)
    if at is None:
        st.query_params.pop("step", None)
    elif st.query_params.get("step") != str(at):
        st.query_params["step"] = str(at)
    if wrong := st.session_state.get("wrong_step"):
        st.warning(wrong)


def film(run: Run, state: State) -> int | None:
    """Show what the model drew at each snapshot and draws now.

    Returns:
        The step that is shown, or None while there is nothing to see.
    """
    steps = [step for step in snapshots(run) if _samples(str(run.path), step) is not None]
    if not steps:
        going = state.status.is_going
        st.caption("Samples come with the first snapshot." if going else "It came without snapshots: sample it below.")
        return None
    newest = state.status.is_going and state.step not in steps
    show = _pictures if info(run.plan.data).kind == "images" else _points
    opened = st.session_state.get(f"opened/{run.id}")
    start = steps.index(opened) if opened in steps else None
    at = show(run, steps, newest, f"step {state.step:,}, now", start)
    _go_to(run, steps, at)
    return state.step if standing_at(run) is None else standing_at(run)


def _pictures(run: Run, steps: Sequence[int], newest: bool, now: str, start: int | None) -> int:
    last = (picture, now) if newest and (picture := newest_of(run, _tiled)) else None
    sheet = _sprite(str(run.path), tuple(steps))
    captions = [f"step {step:,}" for step in steps]
    scale = 380 / sheet.size[0]
    return scrubber(
        sheet,
        key=_key(run),
        alt=ALT,
        captions=captions,
        now=last,
        scale=scale,
        fps=4,
        start=start,
        follow=True,
        report=True,
    )


def _points(run: Run, steps: Sequence[int], newest: bool, now: str, start: int | None) -> int:
    last = (cloud[:POINTS], now) if newest and (cloud := newest_of(run, np.asarray)) is not None else None
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
        start=start,
        follow=True,
        report=True,
    )


def pick(run: Run, steps: Sequence[int]) -> int:
    """The snapshot that the panels are to show, from now on."""
    wanted = standing_at(run)
    shown = steps[-1] if wanted is None or wanted not in steps else wanted
    st.session_state[f"panels/{run.id}"] = shown, time.monotonic()
    return shown


def _go_to(run: Run, steps: Sequence[int], at: int) -> None:
    """The page follows the time machine to the snapshot chosen, at once."""
    chosen = steps[at] if at < len(steps) - 1 else None
    if chosen != standing_at(run):
        st.session_state[f"at/{run.id}"] = chosen
        st.session_state.pop("wrong_step", None)
        st.rerun(scope="app")


def keep_up(run: Run) -> None:
    """The page follows the training, for whoever looks at the newest: now and then, not at every snapshot.

    A page that took long to draw is drawn less often, so that many who look cannot keep the host busy with that alone.
    """
    shown, since = st.session_state.get(f"panels/{run.id}", (None, 0.0))
    patience = max(PATIENCE, 20 * st.session_state.get("page seconds", 0.0))
    steps = snapshots(run)
    if steps and standing_at(run) is None and shown != steps[-1] and time.monotonic() - since > patience:
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


def _tiled(samples: Any) -> bytes:
    return png(tile(samples)[..., :3])


@functools.lru_cache(maxsize=64)
def _sprite(path: str, steps: tuple[int, ...]) -> Sprite:
    """The film so far, drawn once for all who look."""
    return sprite(np.stack([tile(_samples(path, step))[..., :3].transpose(2, 0, 1) for step in steps]))


@functools.lru_cache(maxsize=64)
def _truth(path: str) -> tuple[Any, float]:
    """Points of the data itself, and how far the plane is shown."""
    run = Run(Path(path))
    return run.data().test.x[:1000].numpy(), info(run.plan.data).extent

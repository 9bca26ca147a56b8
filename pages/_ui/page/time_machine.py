"""The film of a training, a frame a moment: the time machine that all panels follow, to the nearest with weights."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from genmodels.data.datasets import info
from genmodels.images import png, tile
from genmodels.instruments import codes
from genmodels.runs.record import State
from genmodels.runs.store import Run
from genmodels.text import quoted, whole
from pages._ui.components.image_grid import image_grid
from pages._ui.components.scrubber import point_film, scrubber
from pages._ui.form.lesson import is_shown
from pages._ui.page import frames
from pages._ui.shared.moment import Moment
from pages._ui.shared.run_cache import is_begun, newest_of, snapshots

__all__ = [
    "film",
    "has_weights",
    "nearest",
    "open_at_linked",
    "pace_of_panels",
    "say_where_panels_are",
    "shown",
    "standing_at",
]

POINTS = 400  # of a plane's samples
PATIENCE = 5.0  # seconds between two looks of the panels at a run that goes on; on a busy host more
SIDE, SECONDS = 480, 7.0  # of a film: CSS pixels where there is room, and how long it plays
ALT = "samples of the model, from the same noise throughout"
MAP = "a map of the latent plane: what the decoder makes of each code"


def standing_at(run: Run) -> int | None:
    """The moment at which the reader has stopped the time machine; None: the newest, whichever that is."""
    return st.session_state.get(f"at/{run.id}")


def open_at_linked(run: Run) -> None:
    """Once a visitor and run: the time machine stands where the link says; after that the link says where it stands.

    Where there is no film to move it by, it always stands where the link says.
    """
    key, said, steps = f"opened/{run.id}", f"step of {run.id}", run.frames()
    wrong = st.session_state.setdefault("wrong_in_url", {})
    if key not in st.session_state or not is_shown("film"):
        text = st.query_params.get("step")
        st.session_state[key] = step if (step := whole(text)) in steps else None
        if text is not None and st.session_state[key] is None:
            known = ", ".join(f"{step}" for step in steps) or "none yet"
            wrong[said] = f"The link says step = {quoted(text)}, of which there is no snapshot here: "
            wrong[said] += f"there are {known}. The newest is shown."
        st.session_state[f"at/{run.id}"] = None if (opened := st.session_state[key]) in steps[-1:] else opened
    at = standing_at(run)
    if at is None:
        st.query_params.pop("step", None)
    elif st.query_params.get("step") != str(at):
        st.query_params["step"] = str(at)
    if said in wrong:
        st.warning(wrong[said])


def film(run: Run, state: State) -> int | None:
    """Show the training so far, a frame a moment, and the model as it is now; one that has ended plays by itself.

    Returns:
        The step that is shown, or None while there is nothing to see.
    """
    of, going = frames.placed(run), state.status.is_going
    steps = [step for step in frames.moments(run) if frames.samples(of, step) is not None]
    if not steps and going:
        st.caption("The first picture comes with the first snapshot.")
        return None
    if not steps:
        _still(run)
        return None
    newest = going and state.step not in steps
    show = _pictures if info(run.plan.data).kind == "images" else _points
    opened = st.session_state.get(f"opened/{run.id}")
    start = steps.index(opened) if opened in steps else None
    at = show(run, steps, newest, f"step {state.step:,}, now", start, not going)
    _go_to(run, steps, at)
    return state.step if standing_at(run) is None else standing_at(run)


def _still(run: Run) -> None:
    """Of a run without snapshots: what it drew at its end."""
    if info(run.plan.data).kind == "images" and (picture := newest_of(run, _tiled)):
        image_grid(picture, key=f"still-{run.id}", alt=ALT, scale=2.0, download="")
    elif (cloud := newest_of(run, np.asarray)) is not None:
        point_film(cloud[None, :POINTS], key=f"still-{run.id}", alt=ALT, extent=info(run.plan.data).extent, side=SIDE)
    else:
        st.caption("It came without pictures: sample it below.")


def _pictures(run: Run, steps: Sequence[int], newest: bool, now: str, start: int | None, ended: bool) -> int:
    of = frames.placed(run)
    whole = len(steps) <= frames.MOST and set(steps) <= set(snapshots(run))
    if ended and whole and codes.has_map(Moment.of(run, steps[-1]).model):
        sheet, last, alt = frames.maps(of, tuple(steps)), None, MAP
    else:
        last = (picture, now) if newest and (picture := newest_of(run, _tiled)) else None
        sheet, alt = frames.samples_film(of, tuple(steps)), ALT
    return scrubber(
        sheet,
        key=_key(run),
        alt=alt,
        captions=[f"step {step:,}" for step in steps],
        now=last,
        scale=SIDE / sheet.size[0],
        fps=_pace(steps),
        start=start,
        follow=True,
        autoplay=ended and start is None,
        report=True,
    )


def _points(run: Run, steps: Sequence[int], newest: bool, now: str, start: int | None, ended: bool) -> int:
    of = frames.placed(run)
    last = (cloud[:POINTS], now) if newest and (cloud := newest_of(run, np.asarray)) is not None else None
    points = np.stack([frames.samples(of, step)[:POINTS] for step in steps])
    truth, extent = frames.truth(of)
    asked, under = tuple(steps), None
    if ended and len(steps) <= frames.MOST and (kept := snapshots(run)):  # of the others there are no weights to ask
        asked = tuple(nearest(kept, step) for step in steps)
        under = frames.beliefs(of, asked)
    return point_film(
        points,
        key=_key(run),
        alt=ALT,
        extent=extent,
        data=truth,
        under=under,
        captions=[
            f"step {step:,}" if under is None or one == step else f"step {step:,}, critic at {one:,}"
            for step, one in zip(steps, asked, strict=True)
        ],
        now=last,
        side=SIDE,
        fps=_pace(steps),
        start=start,
        follow=True,
        autoplay=ended and start is None,
        report=True,
    )


def _pace(steps: Sequence[int]) -> float:
    """Frames a second with which a whole training takes some seconds."""
    return float(min(max(len(steps) / SECONDS, 2.0), 12.0))


def has_weights(run: Run) -> bool:
    """Whether there is anything that the panels could be of; of a run that has just begun, with its first point."""
    there = (run.path / "model.safetensors").exists() or bool(run.snapshots())
    return there and (is_begun(run) or not run.state().status.is_going)


def shown(run: Run) -> int | None:
    """The snapshot that the panels show: the nearest to where the reader has stopped; None: the weights as they are."""
    steps = run.snapshots()
    return nearest(steps, standing_at(run)) if steps else None


def say_where_panels_are(run: Run) -> None:
    """In words, where the time machine stands at a moment whose weights were not kept."""
    stands, kept = standing_at(run), snapshots(run)
    if stands is not None and kept and stands not in kept:
        what = "the nearest" if len(kept) > 1 else "the only one"
        said = f"below is step {nearest(kept, stands):,}, {what} with weights"
        st.caption(f"Of step {stands:,} there is the picture alone: {said}.")


def nearest(steps: Sequence[int], wanted: int | None) -> int:
    """Of rising ``steps`` the one nearest to ``wanted``, the later of two; the last where nothing is wanted."""
    return steps[-1] if wanted is None else min(reversed(steps), key=lambda step: abs(step - wanted))


def pace_of_panels(run: Run) -> float | None:
    """Seconds between two looks of the panels at a run that goes on, for whoever looks at the newest; None: no more.

    Panels that took long to draw are drawn less often, so that many who look cannot keep the host busy with that alone.
    """
    if standing_at(run) is not None or not run.state().status.is_going:
        return None
    return max(PATIENCE, 20 * st.session_state.get("panels seconds", 0.0))


def _go_to(run: Run, steps: Sequence[int], at: int) -> None:
    """The page follows the time machine to the moment chosen, at once."""
    chosen = steps[at] if at < len(steps) - 1 else None
    if chosen != standing_at(run):
        st.session_state[f"at/{run.id}"] = chosen
        st.session_state.get("wrong_in_url", {}).pop(f"step of {run.id}", None)
        st.rerun(scope="app")


def _key(run: Run) -> str:
    return f"film-{run.id}"


def _tiled(samples: Any) -> bytes:
    return png(tile(samples)[..., :3])

"""How a race stands: of each family its curve with a band over the seeds, and how far everybody is."""

import functools
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from genmodels.errors import BadInput
from genmodels.experiments.measures import Cell
from genmodels.experiments.races.race import find
from genmodels.experiments.races.tracing import drawn, raced
from genmodels.experiments.results import Summary, summary
from genmodels.runs.record import Status
from genmodels.runs.run import Run

__all__ = ["Band", "Lane", "Standing", "bands", "finals", "standing"]

FRESH = 1.0  # seconds for which what was read of thirty runs stays good, for all who look

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lane:
    """One run of a race as it is now: its state, and what was measured of its snapshots, by step.

    Attributes:
        run: Its id.
        family: A name of MODELS.
        status: Where it is.
        progress: 0 to 1.
        seconds: Of training so far.
        message: What happened to it.
        points: By step, "seconds", "images", "sliced_w1" and, where it is known, "kl".
        open: Snapshots that have not been measured.
    """

    run: str
    family: str
    status: Status
    progress: float
    seconds: float
    message: str
    points: Mapping[int, Mapping[str, float]]
    open: int


@dataclass(frozen=True)
class Standing:
    """A race as it is now."""

    lanes: Sequence[Lane]
    gone: int  # runs that were deleted

    @property
    def is_going(self) -> bool:
        """Whether anybody still learns."""
        return any(lane.status.is_going for lane in self.lanes)

    @property
    def progress(self) -> float:
        """How much of all the training is over, 0 to 1."""
        done = [lane.progress if lane.status.is_going else 1.0 for lane in self.lanes]
        return sum(done) / max(1, len(done))

    @property
    def measured(self) -> int:
        """Snapshots that were measured."""
        return sum(len(lane.points) for lane in self.lanes)

    @property
    def open(self) -> int:
        """Snapshots that were not measured yet."""
        return sum(lane.open for lane in self.lanes)


@dataclass(frozen=True)
class Band:
    """The mean of a measure over the seeds of one family, the lowest and the highest of them, at each snapshot.

    Attributes:
        family: A name of MODELS.
        x: Seconds of training, or images shown, the mean over the seeds, (N,), rising.
        mean: Shape (N,).
        low: Of the seeds, shape (N,).
        high: Of the seeds, shape (N,).
        n: How many seeds, at the end.
    """

    family: str
    x: Floats
    mean: Floats
    low: Floats
    high: Floats
    n: int


def standing(name: str) -> Standing:
    """How the race ``name`` stands; read once for all who look at it.

    Raises:
        BadInput: If there is no such race.
    """
    return _standing(name, time.monotonic() // FRESH)


@functools.lru_cache(maxsize=8)
def _standing(name: str, now: float) -> Standing:
    race, lanes, gone = find(name), list[Lane](), 0
    known = {run.id: run for run in race.runs}
    for family, ids in race.lanes.items():
        for one in ids:
            if one not in known:
                gone += 1
                continue
            with suppress(BadInput):  # deleted in this instant
                lanes.append(_lane(known[one], family))
    return Standing(lanes, gone)


def _lane(run: Run, family: str) -> Lane:
    state, measured = run.state(), raced(run)
    clock = _clock(run.metrics())
    points = {step: clock(step) | values for step, values in measured.items()}
    left = len(set(drawn(run)) - set(measured))
    return Lane(run.id, family, state.status, state.progress, state.seconds, state.message, points, left)


def _clock(rows: Sequence[Mapping[str, float]]) -> Any:
    """Seconds and images at a step, between those that were logged."""
    steps, seconds, images = (np.array([0.0, *(row[name] for row in rows)]) for name in ("step", "seconds", "images"))
    return lambda step: {
        "seconds": float(np.interp(step, steps, seconds)),
        "images": float(np.interp(step, steps, images)),
    }


def bands(now: Standing, measure: str, by: str) -> list[Band]:
    """A band for each family of which the measure is known.

    A snapshot counts once every seed that still learns has come to it: a mean of ever other seeds would jump.

    Args:
        now: The race.
        measure: "sliced_w1" or "kl".
        by: Against "seconds" or "images".
    """
    found = []
    for family in dict.fromkeys(lane.family for lane in now.lanes):
        lanes = [lane for lane in now.lanes if lane.family == family]
        known = {step for lane in lanes for step, values in lane.points.items() if measure in values}
        rows = []
        for step in sorted(known):
            there = [lane.points[step] for lane in lanes if measure in lane.points.get(step, {})]
            late = [lane for lane in lanes if step not in lane.points and (lane.status.is_going or lane.open)]
            if not late:
                values = [one[measure] for one in there]
                x = [one[by] for one in there]
                rows.append((np.mean(x), np.mean(values), min(values), max(values), len(values)))
        if rows:
            x, mean, low, high, n = np.array(rows, float).T
            found.append(Band(family, x, mean, low, high, int(n[-1])))
    return found


def finals(now: Standing, measure: str) -> dict[str, Summary]:
    """The measure of each family at the last snapshot: the mean over those seeds that came to the end."""
    groups: dict[str, list[Cell]] = {}
    for lane in now.lanes:
        if lane.status is Status.FINISHED and lane.points and not lane.open:
            last = lane.points[max(lane.points)]
            if measure in last:
                groups.setdefault(lane.family, []).append(Cell(last[measure], last.get(f"{measure}_se", np.nan)))
    return {family: summary(cells) for family, cells in groups.items()}

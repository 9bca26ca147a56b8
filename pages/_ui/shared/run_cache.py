"""What many look at is read and drawn once: thirty viewers of a run cost its files one reading a change."""

import functools
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from genmodels.errors import BadInput
from genmodels.runs import store
from genmodels.runs.store import Run

__all__ = ["Stamp", "is_begun", "metrics", "newest_of", "others", "snapshots", "stamp"]

Stamp = tuple[str, int, int]
OFFERED = 40  # runs that may be drawn beside one, the newest
FRESH = 5.0  # seconds for which a list of runs stays good, unless one comes or goes


def stamp(path: Path) -> Stamp:
    """A file as it stands: another stamp, another content; zeros where there is none."""
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return str(path), 0, 0
    return str(path), status.st_mtime_ns, status.st_size


def is_begun(run: Run) -> bool:
    """Whether a run has logged anything."""
    return stamp(run.path / "metrics.jsonl")[2] > 0


def metrics(run: Run) -> list[dict[str, float]]:
    """:meth:`Run.metrics`, for reading alone."""
    return _metrics(stamp(run.path / "metrics.jsonl"))


def snapshots(run: Run) -> tuple[int, ...]:
    """:meth:`Run.snapshots`, as they were at most half a second ago."""
    return _snapshots(str(run.path), time.monotonic() // 0.5)


def newest_of(run: Run, draw: Callable[[Any], Any]) -> Any:
    """``draw`` (a function of a module) of what the run drew last, or None before it drew anything."""
    at = stamp(run.path / "samples.npy")
    return _drawn(at, draw) if at[2] else None


def others(run: Run) -> dict[str, tuple[Run, str]]:
    """Other runs of the same model that can be drawn beside it, with their titles, by id."""
    model = run.plan.model
    known = _of_model(model, stamp(store.root()), time.monotonic() // FRESH)
    return {name: one for name, one in known.items() if name != run.id}


@functools.lru_cache(maxsize=256)
def _metrics(file: Stamp) -> list[dict[str, float]]:
    return Run(Path(file[0]).parent).metrics()


@functools.lru_cache(maxsize=256)
def _snapshots(path: str, now: float) -> tuple[int, ...]:
    return tuple(Run(Path(path)).snapshots())


@functools.lru_cache(maxsize=64)
def _drawn(file: Stamp, draw: Callable[[Any], Any]) -> Any:
    samples = Run(Path(file[0]).parent).samples()
    return None if samples is None else draw(samples)


@functools.lru_cache(maxsize=16)
def _of_model(model: str, root: Stamp, now: float) -> dict[str, tuple[Run, str]]:
    known = [*store.every()[:OFFERED], *store.bundled()]
    titled = {}
    for run in known:
        with suppress(BadInput):  # deleted in this instant
            if (plan := run.plan).model == model:
                titled[run.id] = (run, plan.title)
    return titled

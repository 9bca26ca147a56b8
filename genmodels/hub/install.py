"""Where what comes from elsewhere is kept: a run's folder, named after where it came from, whole or not there."""

import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from genmodels.errors import BadInput
from genmodels.files import held, make, sync, written
from genmodels.hub.client import File, Place
from genmodels.runs import disk
from genmodels.runs.record import Plan, State
from genmodels.runs.store import Run, root

__all__ = ["check_room", "keep", "named"]

SPARE = 1 << 30  # bytes that stay free on the disk


def named(place: Place | Path) -> str:
    """The name of its run: readable, and its own."""
    last = PurePosixPath(place.subfolder or place.repo).name if isinstance(place, Place) else place.name
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", last).strip(".")[:80]
    return f"{plain}-{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"


def check_room(place: Place, files: Mapping[str, File]) -> None:
    """Refuse ``files`` for which the disk, or what this host gives of it, has no room.

    Raises:
        BadInput: If it has not.
    """
    total = sum(one.size for one in files.values())
    with written(root()):
        make(root(), durable=False)
    if shutil.disk_usage(root()).free < 2 * total + SPARE or disk.is_full(total):
        raise BadInput(f"{place} has {total / 1e6:,.0f} MB, for which this disk is too full.")


def keep(run: Run, place: object, fill: Callable[[Path], None], plan: Plan, state: State) -> Run:
    """Make the run's folder, or change it for another, at once.

    Args:
        run: The run.
        place: Where it comes from.
        fill: Writes its files into a folder.
        plan: What it says was asked for.
        state: Where it says it is.

    Raises:
        BadInput: If the run is being worked on, or cannot be written.
    """
    if run.path.exists() and run.is_held():
        raise BadInput(f"Run {run.id} is being worked on: stop it first.")
    waiting = root() / ".hub"
    try:
        waiting.mkdir(parents=True, exist_ok=True)
        with held(waiting), tempfile.TemporaryDirectory(dir=waiting) as folder:
            for left in {*waiting.glob("tmp*")} - {Path(folder)}:  # by a pull that was killed
                shutil.rmtree(left, ignore_errors=True)
            new = Path(folder) / "new"
            fill(new)
            plan.write(new)
            replace(state, heartbeat=time.time()).write(new)
            for path in (*new.rglob("*"), new):
                sync(path)
            if run.path.exists():
                run.path.rename(Path(folder) / "old")
            new.rename(run.path)
            sync(run.path.parent)
    except BlockingIOError:
        raise BadInput("Another checkpoint is just being put into its place: pull again.") from None
    except OSError as error:
        raise BadInput(f"{place} could not be kept: {error.strerror}.") from None
    return run

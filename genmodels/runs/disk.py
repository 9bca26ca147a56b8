"""Room on the disk: how much all runs take, and which old ones go where a shared host has no more."""

import os
import time
from contextlib import suppress
from pathlib import Path

from genmodels.errors import BadInput
from genmodels.files import remove
from genmodels.host.limits import NONE, is_shared, limit
from genmodels.runs import store
from genmodels.runs.store import Run

__all__ = ["make", "taken"]


def make() -> None:
    """Nothing, where there is room for one more run; on a shared host old ones go for it, the oldest first.

    Raises:
        BadInput: If there is none.
    """
    for run in _forgotten() if _is_full() else []:
        with suppress(OSError):  # somebody works on it, or has deleted it
            remove(run.path)
        if not _is_full():
            break
    if _is_full():
        mine = "a run of yours" if is_shared() else "a run"
        raise BadInput(f"The disk of this host is nearly full: delete {mine} first.")


def taken(folder: Path) -> int:
    """Bytes of everything in ``folder``."""
    size = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                size += os.lstat(os.path.join(place, name)).st_size
            except FileNotFoundError:  # replaced in this instant
                continue
    return size


def _is_full() -> bool:
    free = os.statvfs(store.root())
    if free.f_bavail * free.f_frsize < limit("MIN_FREE_MB") * 1e6:
        return True
    if sum(1 for _ in store.root().glob("*/run.json")) > limit("MAX_KEPT"):
        return True
    most = limit("MAX_DISK_MB") * 1e6
    return most < NONE and taken(store.root()) > most


def _forgotten() -> list[Run]:
    """Ended runs that no page has shown for long, the longest first; none on one's own machine."""
    patience = limit("KEEP_HOURS") * 3600
    if not is_shared() or patience == NONE:
        return []
    ended = [run for run in store.every() if not run.state().status.is_going]
    since = {run.id: min(run.unseen() or NONE, time.time() - run.state().heartbeat) for run in ended}
    old = [run for run in ended if since[run.id] > patience and not run.is_held()]
    return sorted(old, key=lambda run: -since[run.id])

"""Room on the disk: how much all runs take, and which old ones go where a shared host has no more."""

import os
import time
from contextlib import suppress
from pathlib import Path

from genmodels.errors import BadInput
from genmodels.files import remove
from genmodels.host import ownership
from genmodels.host.limits import NONE, is_shared, limit
from genmodels.runs import store
from genmodels.runs.run import Run

__all__ = ["is_full", "make", "taken"]

LOOKED_AT = 60.0  # seconds since a page has shown a run


def make(new: Run) -> None:
    """Make room for the run ``new``, which is there already: on a shared host old ones go for it, the oldest first.

    Before any other go those that came from the Hub and that nobody looks at: they can be pulled again.
    A visitor has a share of the disk. Where all shares together are more than there is, whoever keeps the most makes
    room: no visitor, and no browser that throws its cookie away again and again, fills the host for the others.

    Raises:
        BadInput: If there is none.
    """
    _check_share()
    for run in _forgotten(new) if is_full() else []:
        _give_up(run)
        if not is_full():
            break
    while is_full() and (greatest := _of_the_greatest_keeper(new)) and _give_up(greatest):
        pass
    if is_full():
        others = ownership.is_visiting() and sum(ownership.owns(run.path) for run in store.every()) < 2  # the new one
        raise BadInput(
            "The disk of this host is full of runs that are being trained or looked at: try again in some minutes."
            if others
            else f"The disk of this host is nearly full: delete a run{' of yours' * is_shared()} first."
        )


def _give_up(run: Run) -> bool:
    """Remove it; False where somebody works on it, or it cannot be removed."""
    with suppress(OSError):
        remove(run.path)
        return True
    return False


def _check_share() -> None:
    """How much of the disk is this visitor's, and is had from where the visitor is."""
    if not ownership.is_visiting():
        return
    runs, who = store.every(), ownership.visitor()
    mine = [run for run in runs if ownership.owns(run.path)]
    if len(mine) > (most := limit("MAX_KEPT_A_VISITOR")):  # the new one is among them
        raise BadInput(f"You keep {len(mine) - 1} runs, and {most:.0f} are a visitor's: delete one of yours first.")
    size, most = sum(taken(run.path) for run in mine) / 1e6, limit("MAX_DISK_MB_A_VISITOR")
    if size > most:
        raise BadInput(f"Your runs take {size:,.0f} MB, and {most:,.0f} are a visitor's: delete one of yours first.")
    here = [run for run in runs if ownership.place(run.path) == who.place] if who.place else []
    if len(here) > (most := limit("MAX_KEPT_AN_ADDRESS")):
        raise BadInput(f"{len(here) - 1} runs are kept {who.where}, and {most:,.0f} may be: delete one of them first.")
    size, most = sum(taken(run.path) for run in here) / 1e6, limit("MAX_DISK_MB_AN_ADDRESS")
    if size > most:
        raise BadInput(f"The runs {who.where} take {size:,.0f} MB, and may {most:,.0f}: delete one of them first.")


def _of_the_greatest_keeper(new: Run) -> Run | None:
    """The oldest ended run but ``new``, that nobody looks at, of who keeps the most; None if nobody keeps two.

    All at one address, or on one wall, count as one: a visitor who drops his cookie keeps what he kept.
    """
    if not is_shared():
        return None
    kept: dict[str, list[Run]] = {}
    for run in store.every():
        if owner := ownership.owner(run.path):
            kept.setdefault(ownership.place(run.path) or owner, []).append(run)
    for own in sorted(kept.values(), key=len, reverse=True):
        ended = [run for run in own if run.id != new.id and not run.state().status.is_going]
        free = [run for run in ended if not 0 < run.unseen() < LOOKED_AT]
        if len(own) > 1 and free:
            return free[-1]
    return None


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


def is_full(more: float = 0.0) -> bool:
    """Whether there is less room than this host wants, or would be with so many bytes more."""
    free = os.statvfs(store.root())
    if free.f_bavail * free.f_frsize - more < limit("MIN_FREE_MB") * 1e6:
        return True
    if sum(1 for _ in store.root().glob("*/run.json")) > limit("MAX_KEPT"):
        return True
    most = limit("MAX_DISK_MB") * 1e6
    return most < NONE and taken(store.root()) + more > most


def _forgotten(new: Run) -> list[Run]:
    """Ended runs but ``new`` that no page has shown for long, the longest first, and of those of the Hub not just now.

    None on one's own machine.
    """
    if not is_shared():
        return []
    patience = limit("KEEP_HOURS") * 3600
    ended = [run for run in store.every() if run.id != new.id and not run.state().status.is_going]
    since = {run.id: min(run.unseen() or NONE, time.time() - run.state().heartbeat) for run in ended}
    again = {run.id for run in ended if (origin := run.plan.origin) and origin.name.startswith("hf://")}
    old = [run for run in ended if since[run.id] > (LOOKED_AT if run.id in again else patience) and not run.is_held()]
    return sorted(old, key=lambda run: (run.id not in again, -since[run.id]))

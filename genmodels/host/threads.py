"""How many threads a computation takes, and how they wait for each other. It imports torch late: see ENVIRONMENT.

Operations of a large network are shared by several threads, which wait for each other after each of them. By default
they wait by asking again and again, for milliseconds: that is fastest where each has a core of its own. Where another
process wants a core, the thread that is waited for lacks it, and a step takes five to twenty times as long as on one
thread. So there are never more threads than free cores (:func:`settle_threads`); where their number is fixed, they
sleep while they wait.
"""

import math
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from genmodels.host.health import cores

__all__ = ["ENVIRONMENT", "Share", "look_again", "looking_again", "settle_threads", "sleep_while_waiting"]

ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"}
"""What a process with a fixed number of threads is to have in its environment before it imports torch: OpenMP reads it.

OpenMP API 5.2, section 21.2.7. https://www.openmp.org/specifications/
"""
SECONDS, FIRST = 1.0, 0.2  # between two looks at what others take; and before the first
SETTLED = 0.25  # of a core: what others may take, all together, without costing a thread
CORES = Path("/proc/stat")

T = TypeVar("T")


def sleep_while_waiting() -> None:
    """Set ENVIRONMENT where the user fixes the number of threads, and not how they wait; before torch is imported."""
    if "OMP_NUM_THREADS" in os.environ:
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)


class Share:
    """The cores that others leave to this process, by the clocks of the cores and its own."""

    def __init__(self) -> None:
        self.cores = os.sched_getaffinity(0)
        self.at, self.seen = self.clocks(), cores()

    def clocks(self) -> tuple[float, float, float]:
        """Seconds on the clock, seconds that the cores have worked, and those of them for this process."""
        names = {f"cpu{core}" for core in self.cores}
        rows = [line.split() for line in CORES.read_text().splitlines()]
        ticks = sum(sum(map(int, (*row[1:4], *row[6:9]))) for row in rows if row and row[0] in names)
        return time.perf_counter(), ticks / os.sysconf("SC_CLK_TCK"), time.process_time()

    def free(self, *, after: float = SECONDS) -> int | None:
        """How many cores others left free at this look and at the last, at least 1; None if that is a moment ago."""
        now = self.clocks()
        passed, worked, own = (a - b for a, b in zip(now, self.at, strict=True))
        if passed < after:
            return None
        self.at = now
        others = max(0.0, worked - own) / passed
        before, self.seen = self.seen, max(1, min(cores(), math.floor(len(self.cores) - others + SETTLED)))
        return min(before, self.seen)


_share: Share | None = None


def settle_threads(*, many: bool) -> None:
    """One thread a free core for ``many`` large operations, and one for others; OMP_NUM_THREADS overrides both.

    Others come and go, so :func:`look_again` counts again. Several threads add in another order than one: who wants a
    training to be the same bit for bit sets OMP_NUM_THREADS=1.
    """
    import torch

    global _share
    _share = None
    if "OMP_NUM_THREADS" in os.environ:
        return
    if not many:
        torch.set_num_threads(1)
    elif CORES.exists():  # Linux; elsewhere PyTorch's own number stays
        _share = Share()
        time.sleep(FIRST)
        look_again(after=FIRST)


def look_again(*, after: float = SECONDS) -> None:
    """Take as many threads as there are free cores, where ``after`` seconds have passed since the last look."""
    if _share is not None and (free := _share.free(after=after)) is not None:
        import torch

        torch.set_num_threads(free)


def looking_again(pieces: Iterable[T]) -> Iterator[T]:
    """Pass on ``pieces`` of work, each begun with as many threads as there are free cores."""
    for piece in pieces:
        yield piece
        look_again()

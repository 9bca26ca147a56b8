"""How often the pages look at what goes on: less often while this process is short of processor time.

Each look is a run of a script on one interpreter. When a class looks at a training, or another program takes the
machine, looks wait for each other and for whoever presses a button. How long one takes by the clock for a second of its
own processor time tells how many want the interpreter at once; the pauses between looks grow until that is bearable.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Pace", "pace"]

WEIGHT = 0.05  # of a look in the running mean
CROWDED, FREE = 4.0, 1.8  # seconds by the clock for one of processor time
STEP, MOST = 1.5, 5.0  # times as long a pause, at each change; and in all
SETTLING = 3.0  # seconds between two changes
GAP = 0.5  # seconds between two visitors whose pauses are changed: each costs a run of the whole page


class Pace:
    """The factor by which pauses between looks are longer than they would be, for all visitors of a process.

    Args:
        clock: Seconds.
        spent: Seconds of processor time of this thread.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, spent: Callable[[], float] = time.thread_time):
        self.clock, self.spent = clock, spent
        self.factor, self.crowd = 1.0, 1.0
        self._changed = self._told = clock()
        self._lock = threading.Lock()

    @contextmanager
    def look(self) -> Iterator[None]:
        """Within it a visitor's page looks."""
        at, own = self.clock(), self.spent()
        yield
        passed, worked = self.clock() - at, self.spent() - own
        with self._lock:
            self.crowd += WEIGHT * (passed / max(worked, 1e-3) - self.crowd)
            self._settle()

    def _settle(self) -> None:
        if self.clock() - self._changed < SETTLING:
            return
        if self.crowd > CROWDED and self.factor < MOST:
            self.factor = min(self.factor * STEP, MOST)
        elif self.crowd < FREE and self.factor > 1:
            self.factor = max(self.factor / STEP, 1.0)
        else:
            return
        self._changed = self.clock()

    def is_due(self, factor: float) -> bool:
        """Whether a visitor whose pauses are ``factor`` times as long is to have others now."""
        with self._lock:
            now = self.clock()
            due = factor != self.factor and now - self._told >= GAP
            self._told = now if due else self._told
        return due


pace = Pace()

"""How often pages look at a training by themselves: less often while many look, so that a click is answered.

Every look runs in the server's one interpreter. Thirty pages that look once a second ask for more of it than a slow
computer has, and whoever presses a button then waits behind them all. So each page looks half as often while all looks
together take more than SHARE of a processor, and twice as often again once they take so little that it can.
"""

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["OFTEN", "SELDOM", "Looks", "looks"]

OFTEN, SELDOM = 1.0, 8.0  # seconds between two looks, the least and the most
SHARE = 0.4  # of a processor, what all looks together may take; Streamlit's own work for them comes on top
WINDOW = 10.0  # seconds over which that is counted, and for which a page stays as it is: the others change too


class Looks:
    """What the looks of all pages of this server have cost lately, in processor time."""

    def __init__(self) -> None:
        self._lock, self._costs = threading.Lock(), deque[tuple[float, float]]()  # when, seconds

    @contextmanager
    def look(self) -> Iterator[None]:
        """Counts what is done within it, in this thread."""
        start = time.thread_time()
        try:
            yield
        finally:
            self.add(time.thread_time() - start, time.monotonic())

    def add(self, seconds: float, now: float) -> None:
        """A look that took so many seconds of a processor has ended ``now``."""
        with self._lock:
            self._costs.append((now, seconds))
            self._forget(now)

    def share(self, now: float) -> float:
        """The part of a processor that all looks of the last WINDOW seconds took."""
        with self._lock:
            self._forget(now)
            return sum(seconds for _, seconds in self._costs) / WINDOW

    def every(self, now: float, every: float, kept: float) -> float:
        """Seconds between two looks from now on, of a page that has looked every ``every`` for ``kept`` seconds.

        The same until WINDOW has passed. Twice as many looks cost twice as much: for them a third of SHARE is due.
        """
        share = self.share(now)
        if kept < WINDOW or SHARE / 3 <= share <= SHARE:
            return every
        return min(2 * every, SELDOM) if share > SHARE else max(every / 2, OFTEN)

    def _forget(self, now: float) -> None:
        while self._costs and self._costs[0][0] < now - WINDOW:
            self._costs.popleft()


looks = Looks()
"""Of this server."""

"""How often pages look at a training by themselves: less often while many look, so that a click is answered.

Every look runs in the server's one interpreter. Thirty pages that look once a second ask for more of it than a slow
computer has, and whoever presses a button then waits behind them all. So the last look of each page tells what one
look of all pages costs, and they look as seldom as that takes SHARE of a processor.
"""

import threading
import time
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

__all__ = ["OFTEN", "PACES", "SHARE", "SOON", "Looks", "looks"]

SOON, OFTEN = 0.5, 1.0  # seconds between two looks, the least: at what is about to begin, and at what goes on
PACES = SOON, OFTEN, 2.0, 4.0, 8.0  # seconds between two looks
SHARE = 0.4  # of a processor, what all looks together may take
WHOLE = 3.5  # times what is counted of a look is what it takes, with Streamlit's own work for it: 2.8 to 3.8 measured
GONE = 3 * PACES[-1]  # seconds without a look after which a page is taken for closed
BUSIER, CALMER = 1.25, 0.25  # times SHARE: between them a page keeps its pace, for a change draws it anew


class Looks:
    """The processor time that the last look of each page of this server has cost."""

    def __init__(self) -> None:
        self._lock, self._last = threading.Lock(), dict[Hashable, tuple[float, float]]()  # who: when, seconds

    @contextmanager
    def look(self, who: Hashable) -> Iterator[None]:
        """Counts what is done within it, in this thread, as ``who``'s last look."""
        start = time.thread_time()
        try:
            yield
        finally:
            self.add(who, time.thread_time() - start, time.monotonic())

    def add(self, who: Hashable, seconds: float, now: float) -> None:
        """A look of ``who`` that took so many seconds of a processor has ended ``now``."""
        with self._lock:
            self._last.pop(who, None)  # the oldest stand first
            self._last[who] = now, seconds
            while next(iter(self._last.values()))[0] < now - GONE:
                del self._last[next(iter(self._last))]

    def once(self, now: float) -> float:
        """Seconds of a processor that one look of all pages takes."""
        with self._lock:
            return WHOLE * sum(seconds for when, seconds in self._last.values() if when >= now - GONE)

    def every(self, now: float, least: float, every: float | None = None) -> float:
        """Seconds between two looks from now on, of a page that is drawn, or that goes on and looks every ``every``."""
        due = self.once(now) / SHARE
        if every is not None and every >= least and (every == least or CALMER * every <= due) and due <= BUSIER * every:
            return every
        return next((pace for pace in PACES if pace >= max(due, least)), PACES[-1])


looks = Looks()
"""Of this server."""

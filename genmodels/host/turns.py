"""Taking turns at what costs the server itself: so many at once of all visitors, one of each visitor.

Of one address at most all places but one are taken, so that another's visitor has never to wait for it alone.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from genmodels.errors import BadInput
from genmodels.host import ownership

__all__ = ["Turns"]

LOOK = 0.05  # seconds between two looks


class Turns:
    """Places for so many at once."""

    def __init__(self, most: Callable[[], float], what: str) -> None:
        """A place for as many as ``most`` says.

        Args:
            most: How many, now.
            what: What one is had for, to say "You have another … already": "file that is being read".
        """
        self.most, self.what = most, what
        self._lock = threading.Lock()
        self._visitors: Counter[str] = Counter()
        self._places: Counter[str] = Counter()

    @contextmanager
    def taken(
        self, who: "ownership.Visitor", patience: float = 0.0, stay: Callable[[], object] = lambda: None
    ) -> Iterator[None]:
        """Hold one of the places; wait for it at most ``patience`` seconds.

        Args:
            who: For whom.
            patience: Seconds.
            stay: Called again and again while it waits; what it raises ends that.

        Raises:
            BadInput: If there is no place; whose limit that is, and what frees it.
        """
        with self._lock:
            if who.token and self._visitors[who.token]:
                raise BadInput(f"You have another {self.what}, and one at a time is a visitor's: wait for it.")
            self._visitors[who.token] += 1
        try:
            end = time.monotonic() + patience
            while not self._enter(who):
                stay()
                if time.monotonic() >= end:
                    raise BadInput(f"Of all visitors together {self.most():.0f} have a {self.what}: try again soon.")
                time.sleep(LOOK)
            try:
                yield
            finally:
                self._leave(self._places, who.address)
        finally:
            self._leave(self._visitors, who.token)

    def _enter(self, who: "ownership.Visitor") -> bool:
        with self._lock:
            full = self._places.total() >= self.most()
            crowded = bool(who.address) and self._places[who.address] >= max(1, self.most() - 1)
            if full or crowded:
                return False
            self._places[who.address] += 1
            return True

    def _leave(self, counts: Counter[str], name: str) -> None:
        with self._lock:
            counts[name] -= 1
            if not counts[name]:
                del counts[name]

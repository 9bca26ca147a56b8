"""What only waits, for a network say: done by a few threads while pages go on, asked for once by all visitors."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from genmodels.errors import BadInput

__all__ = ["Errand", "look", "send"]

_threads = ThreadPoolExecutor(2, thread_name_prefix="errand")
_known: dict[str, "Errand"] = {}
_lock = threading.Lock()


class Errand:
    """One piece of waiting: what is to be done, how far it is, and how it ended.

    Attributes:
        fraction: How far it is, 0 to 1.
        text: What it is doing.
        result: What it brought, once ``done`` is set and nothing went wrong.
        problem: Why it brought nothing, a sentence; "" otherwise.
        ended: When, seconds since 1970; 0 before.
    """

    def __init__(self) -> None:
        self.fraction, self.text, self.problem, self.ended = 0.0, "", "", 0.0
        self.result: Any = None
        self.done = threading.Event()

    def tell(self, fraction: float, text: str = "") -> None:
        """Note how far it is."""
        self.fraction, self.text = min(1.0, fraction), text

    def run(self, act: Callable[["Errand"], Any]) -> None:
        """Do it, in this thread."""
        try:
            self.result = act(self)
        except BadInput as error:
            self.problem = str(error)
        except Exception:
            logging.getLogger(__name__).exception("an errand failed")
            self.problem = "Something went wrong that should not have: the log says what."
        finally:
            self.ended = time.time()
            self.done.set()


def look(key: str) -> Errand | None:
    """The errand ``key``, if anybody sent it."""
    return _known.get(key)


def send(key: str, act: Callable[[Errand], Any], *, fresh: float = 0.0) -> Errand:
    """Have ``act`` done under the name ``key``; one that is under way, or ended ``fresh`` seconds ago or less, is it.

    Args:
        key: What it is for.
        act: Given the errand, to tell how far it is.
        fresh: For how many seconds its result stays good.
    """
    with _lock:
        known = _known.get(key)
        if known and (not known.done.is_set() or time.time() - known.ended <= fresh):
            return known
        errand = _known[key] = Errand()
    _threads.submit(errand.run, act)
    return errand

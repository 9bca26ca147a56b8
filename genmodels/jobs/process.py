"""A process of a server's pool: what it is told at its start, and that it closes when its server ends."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ["hired"]


class _Hired(Protocol):
    closing: bool


W = TypeVar("W", bound=_Hired)


def hired(kind: Callable[..., W], **more: object) -> W:
    """A worker as the command line of this process wants it, whose ``closing`` is set when it is to end.

    Args:
        kind: Makes it of those of ``name``, ``most`` and ``of`` that were given, and of ``more``.
        more: What else it takes.
    """
    parser = argparse.ArgumentParser(description="Works for a queue of runs.", argument_default=argparse.SUPPRESS)
    parser.add_argument("--name", help="of its pulse")
    parser.add_argument("--most", type=int, help="runs that it holds at once")
    parser.add_argument("--of", type=int, help="workers that there are")
    worker = kind(**vars(parser.parse_args()), **more)

    def close(*_: object) -> None:
        worker.closing = True

    signal.signal(signal.SIGTERM, close)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=lambda: close(sys.stdin.buffer.read()), daemon=True).start()
    os.nice(5)  # the server answers first
    return worker

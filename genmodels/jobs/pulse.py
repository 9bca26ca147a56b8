"""A worker's pulse: one small file that says that it lives, and which job it has in its hands.

``runs/.workers/<name>/pulse`` holds the number of the turn and the name of the job; its worker holds that folder, and
touches the file every second from a thread of its own. A folder that nobody holds was left by a worker that died: of
the job that it names, and of no other that it had. Those are the job's deaths, until it makes progress or somebody asks
for it anew.
"""

import contextlib
import os
import shutil
import threading
from contextlib import ExitStack
from pathlib import Path

from genmodels.files import held, inside, is_held, root

__all__ = ["Pulse", "deaths", "folder", "forget", "forgive", "look"]

FILE = "pulse"
SIZE = 128  # bytes of the file: a name has 100 at most
EVERY = 1.0  # seconds between two beats


def folder() -> Path:
    """The folder of the workers' files."""
    return root() / ".workers"


class Pulse:
    """The pulse of this process, until it ends or closes it.

    Args:
        name: Of its folder.
    """

    def __init__(self, name: str) -> None:
        self.path, self._turn, self._closed = inside(folder(), name), 0, threading.Event()
        self.path.mkdir(parents=True, exist_ok=True)
        self._stack = ExitStack()
        self._stack.enter_context(held(self.path))
        self._handle = os.open(self.path / FILE, os.O_RDWR | os.O_CREAT, 0o644)
        self._beats = threading.Thread(target=self._beat, daemon=True)
        self._beats.start()

    def hold(self, name: str = "") -> None:
        """Note that from now on the worker has the job ``name`` in its hands; "": none."""
        self._turn += 1
        os.pwrite(self._handle, f"{self._turn} {name}".ljust(SIZE).encode(), 0)

    def close(self) -> None:
        """End it as it should end: no job is to blame."""
        self._closed.set()
        self._beats.join()
        os.close(self._handle)
        shutil.rmtree(self.path, ignore_errors=True)
        self._stack.close()

    def _beat(self) -> None:
        while not self._closed.wait(EVERY):
            with contextlib.suppress(OSError):
                os.utime(self._handle)


def look(place: Path) -> tuple[int, str, str] | None:
    """When a worker's heart last beat (ns), its turn and the job in its hands; None before its first.

    Args:
        place: The worker's folder in :func:`folder`.
    """
    try:
        path = place / FILE
        turn, _, job = path.read_text().strip().partition(" ")
        return path.stat().st_mtime_ns, turn, job
    except (OSError, ValueError):
        return None


def deaths(job: str) -> int:
    """How many workers have died with ``job`` in their hands."""
    return len(_left_by(job))


def forgive(job: str) -> None:
    """Let a job's deaths of workers count no more."""
    for path in _left_by(job):
        shutil.rmtree(path, ignore_errors=True)


def forget() -> None:
    """No death counts any more: the server starts anew."""
    for path in _left():
        shutil.rmtree(path, ignore_errors=True)


def _left() -> list[Path]:
    """The folders of the dead."""
    return [path.parent for path in folder().glob(f"*/{FILE}") if not is_held(path.parent)]


def _left_by(job: str) -> list[Path]:
    return [path for path in _left() if (seen := look(path)) is not None and seen[2] == job]

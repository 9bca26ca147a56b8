"""A worker on another computer: it has the queue to itself, and what it writes is given back as it comes.

It is the worker of :mod:`genmodels.jobs.worker`, in a temporary folder of runs. What is asked of it and what it gives
back are packs (:mod:`genmodels.jobs.away.packing`): ``runs/<run>/…``, ``tasks/<computation>/…`` and ``measured/…``.
"""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genmodels import __version__
from genmodels.files import held, inside, is_held, write
from genmodels.jobs.away import packing

if TYPE_CHECKING:
    from genmodels.jobs.worker import Worker

__all__ = ["Hand"]

SECONDS = 0.2  # of work between two looks at what is asked
PREFIX = "genmodels-hand-"  # of its folder
OLD = 60.0  # seconds after which a folder that nobody holds was left by a process that was killed


class Hand:
    """The worker, in a process of its own that nothing else uses.

    Args:
        environment: What it is to know of the server's: its limits.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        os.environ.update(environment)
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        _clear()
        self.root = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._stack = ExitStack()
        self._stack.enter_context(held(self.root))
        os.environ["GENMODELS_RUNS"] = str(self.root)
        self._worker: Worker | None = None
        self._was_asked = False
        self._seen: dict[Path, dict[str, packing.Stamp]] = {}
        self._runs: set[str] = set()  # that are trained here
        self._tasks: dict[str, str] = {}  # that are computed here, and the run that each is about

    def _hired(self) -> "Worker":
        """The worker; not before the second call, since torch takes seconds and the first asks who is there."""
        if self._worker is None:
            import torch

            from genmodels.host.limits import limit
            from genmodels.jobs.worker import Worker

            torch.set_num_threads(int(limit("THREADS")))
            self._worker = Worker(most=100_000)
        return self._worker

    def advance(self, content: bytes) -> bytes:
        """Take what is sent, work for a moment, and give back what has changed.

        Raises:
            Damaged: If it is no pack.
        """
        files, letter = packing.unpacked(content)
        self._take(files, letter)
        if self._was_asked:
            self._hired()
        self._was_asked, end = True, time.monotonic() + SECONDS
        while (self._runs or self._tasks) and time.monotonic() < end:
            self._hired().turn()
        return self._news()

    def _take(self, files: Mapping[str, bytes], letter: Mapping[str, Any]) -> None:
        from genmodels.jobs import queue, tasks

        homes = {"runs": self.root, "tasks": tasks.folder()}
        for name in letter.get("runs", []):  # whatever was known of it is old
            self._drop(inside(self.root, name))
        for place, content in files.items():
            kind, name, rest = place.split("/", 2)
            is_copy = kind == "runs" and name in self._runs and rest != "control.json"
            if not is_copy:  # of a run that is trained here, which knows better
                when = {rest: letter.get("times", {}).get(place)}
                packing.put(inside(homes[kind], name), {rest: content}, when)
        for name, seconds in letter.get("seen", {}).items():
            (path := inside(self.root, name) / ".seen").touch()
            os.utime(path, (time.time() - seconds,) * 2)
        for name in letter.get("runs", []):
            self._runs.add(name)
            self._changes(inside(self.root, name), packing.RUN)  # is known
            write(inside(queue.queue(), name), b"", durable=False)
        for name, run in letter.get("tasks", {}).items():
            self._tasks[name] = run
            write(inside(tasks.queue(), name), b"", durable=False)
        for name in letter.get("cancel", []):
            inside(tasks.queue(), name).unlink(missing_ok=True)

    def _news(self) -> bytes:
        from genmodels.jobs import queue, tasks

        files: dict[str, bytes] = {}
        held = {job.name for job in self._worker.jobs} if self._worker else set()
        waiting = {"runs": set(queue.waiting()), "tasks": set(queue.waiting(tasks.queue()))}
        ended = []
        for kind, names, home, what in (
            ("runs", self._runs, self.root, packing.RUN),
            ("tasks", set(self._tasks), tasks.folder(), packing.ANSWER),
        ):
            for name in names:
                path = inside(home, name)
                files |= {f"{kind}/{name}/{file}": new for file, new in self._changes(path, what).items()}
                if name not in waiting[kind] | held:
                    ended.append(f"{kind}/{name}")
        measured = self._changes(self.root / ".measured", packing.MEASURED)
        files |= {f"measured/{name}": new for name, new in measured.items()}
        for one in ended:
            self._forget(*one.split("/"))
        return packing.packed(files, {"ended": ended, "version": __version__})

    def _changes(self, folder: Path, kind: re.Pattern[str]) -> packing.Files:
        return packing.changes(folder, self._seen.setdefault(folder, {}), kind)

    def _forget(self, kind: str, name: str) -> None:
        """Let go of a job that has ended and of its files; those of a run that other computations ask about stay."""
        from genmodels.jobs import tasks

        if kind == "tasks":
            self._drop(inside(tasks.folder(), name))
            name = self._tasks.pop(name)
        else:
            self._runs.discard(name)
        if name and name not in self._runs and name not in self._tasks.values():
            self._drop(inside(self.root, name))

    def _drop(self, path: Path) -> None:
        self._seen.pop(path, None)
        shutil.rmtree(path, ignore_errors=True)


def _clear() -> None:
    """Remove what hands that were killed have left on this computer."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > OLD and not is_held(path):
                shutil.rmtree(path)

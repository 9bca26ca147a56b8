"""One worker process under watch: replaced when it ends, sooner or later; ended when it no longer answers."""

import secrets
import subprocess
import sys
import time
from collections.abc import Callable

from genmodels.durations import worded
from genmodels.jobs import pulse

__all__ = ["EVERY", "Watched"]

EVERY = 0.25  # seconds between two looks
STEADY = 60.0  # seconds after which a worker's end has nothing to do with that of the one before it
LONGEST = 60.0  # seconds between an end and the next start, at most
SILENT, DEAD = 10.0, 60.0  # seconds without a heartbeat until it is said, and until the worker is killed
STARTING = 300.0  # the same, before its first
BUSY = 600.0  # seconds in one turn until it is said
LOOPS = 3  # ends in a row, each soon after the start, that are more than bad luck


class Watched:
    """A worker's process under watch, one of a pool.

    Seconds are counted in looks, so that a computer that slept has not missed any heartbeat.

    Args:
        start: Starts a process whose pulse has the given name.
    """

    def __init__(self, start: Callable[[str], "subprocess.Popen[bytes]"]) -> None:
        self._start, self.ends = start, 0
        self._pulses = pulse.folder()  # of the runs that were this process's then
        self._begin()

    def _begin(self) -> None:
        self.name, self._again = secrets.token_hex(8), 0.0
        self._seen: tuple[int, str, str] | None = None
        self._silent = self._busy = self._lived = 0.0
        self.process = self._start(self.name)
        self._has_ended = False

    def is_alive(self) -> bool:
        """Whether its process is there and answers."""
        return self.process.poll() is None and self._silent < SILENT

    def look(self) -> None:
        """Look after the process, every :data:`EVERY` seconds: replace it, or end it, where that is due."""
        if self.process.poll() is None:
            self._listen()
        elif not self._has_ended:
            self._note_end()
        elif time.monotonic() >= self._again:
            self._begin()

    def trouble(self) -> str:
        """The trouble with the process, a sentence; "" where nothing is."""
        if self.ends >= LOOPS:
            return f"Worker processes end soon after their start, {self.ends} in a row: look at the log of the server."
        if self._silent >= (SILENT if self._seen else STARTING):
            return f"Worker process {self.process.pid} does not answer: it is stopped, or the computer is too busy."
        if self._busy >= BUSY and self._seen and (job := self._seen[2]):
            return f"Worker process {self.process.pid} has been at one step of {job} for {worded(self._busy)}."
        return ""

    def _listen(self) -> None:
        now = pulse.look(self._pulses / self.name)
        self._lived += EVERY
        if self._lived >= STEADY:
            self.ends = 0
        self._silent = self._silent + EVERY if now is None or (self._seen and now[0] == self._seen[0]) else 0.0
        self._busy = self._busy + EVERY if now and self._seen and now[1:] == self._seen[1:] else 0.0
        self._seen = now or self._seen
        if self._silent >= (DEAD if self._seen else STARTING + DEAD):
            print(f"worker {self.process.pid} does not answer; ended", file=sys.stderr, flush=True)
            self.process.kill()

    def _note_end(self) -> None:
        """The first to end is replaced at once; where its successors end soon, each is waited for twice as long."""
        self._has_ended, self.ends = True, self.ends + 1
        wait = min(LONGEST, 2.0 ** (self.ends - 2)) if self.ends > 1 else 0.0
        self._again = time.monotonic() + wait
        if self.process.stdin:
            self.process.stdin.close()
        seen = pulse.look(self._pulses / self.name)
        job = f" with {seen[2]} in its hands" if seen and seen[2] else ""
        text = f"worker {self.process.pid} ended with {self.process.returncode}{job}; replaced in {wait:.0f} s"
        print(text, file=sys.stderr, flush=True)

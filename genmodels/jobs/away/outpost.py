"""What stands where the workers would: it takes what waits in the queue, and has a cluster do it.

One process is enough, which computes nothing. Where the cluster cannot be reached, what waits says so; what was being
trained waits with it, and goes on from what had come back.
"""

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Callable
from pathlib import Path

from genmodels.errors import BadInput, Busy
from genmodels.files import inside
from genmodels.jobs import pulse, tasks
from genmodels.jobs.away.mirror import Mirror
from genmodels.jobs.away.ray_cluster import RayCluster, connect
from genmodels.jobs.process import hired
from genmodels.jobs.queue import queue, set_aside, waiting
from genmodels.runs import store
from genmodels.runs.record import Status
from genmodels.runs.run import Run

__all__ = ["Outpost"]

LOOKS = 0.05  # seconds between two looks at the queue
AGAIN = 5.0  # seconds until a cluster that cannot be reached is tried again
TELLS = 1.0  # seconds between two looks at whether all that waits says why


class Outpost:
    """Sends what waits to a cluster, until :attr:`closing`.

    Args:
        connect: Finds the cluster; raises BadInput where there is none.
        most: Runs that are sent at once.
        name: Of its pulse.
    """

    def __init__(self, *, connect: Callable[[], RayCluster], most: int = 64, name: str = "") -> None:
        self.pulse = pulse.Pulse(name or secrets.token_hex(8))
        self.connect, self.most = connect, most
        self.mirror: Mirror | None = None
        self.closing = False
        self._again = self._looked = self._told = 0.0
        self._why = ""  # why nothing moves, a sentence

    def work(self) -> None:
        """Work until told to close; then have everything saved."""
        while not self.closing:
            try:
                self.turn()
            except BadInput as error:
                self._lose(str(error))
            except OSError as error:  # a disk that takes nothing: it is asked again
                print(f"worker {os.getpid()}: {error}", file=sys.stderr, flush=True)
                time.sleep(1.0)
        if self.mirror:
            self.mirror.close(Status.INTERRUPTED, "The app was stopped; Resume goes on.")
            self.mirror.cluster.close()
        self.pulse.close()

    def turn(self) -> None:
        """A look at the queue, and at what came back.

        Raises:
            BadInput: If the cluster cannot be reached.
        """
        self.pulse.hold()  # no job is to blame for the end of this process
        now = time.monotonic()
        if self.mirror is None:
            if now < self._again:
                time.sleep(LOOKS)
            else:
                self._again = now + AGAIN
                self.mirror, self._why = Mirror(self.connect()), ""
        else:
            if now - self._looked > LOOKS:
                self._adopt(queue(), self._run)
                self._adopt(tasks.queue(), lambda marker: tasks.Task(inside(tasks.folder(), marker.name)))
                self._looked = now
            self.mirror.turn()
            self._why = self.mirror.trouble
        if now - self._told > TELLS:
            self._tell()
            self._told = now

    def _adopt(self, folder: Path, find: Callable[[Path], Run | tasks.Task]) -> None:
        """Take what waits and nobody holds, the oldest first."""
        assert self.mirror is not None
        for name in waiting(folder):
            kind, jobs = "tasks" if folder == tasks.queue() else "runs", self.mirror.jobs
            has_place = kind == "tasks" or sum(job.kind == kind for job in jobs.values()) < self.most
            if f"{kind}/{name}" not in jobs and has_place:
                marker = inside(folder, name)
                try:
                    self.mirror.take(find(marker))
                except Busy:
                    continue
                except (BadInput, OSError) as error:  # deleted, or damaged: not to be tried again and again
                    marker.unlink(missing_ok=True)
                    print(f"{name} is taken from the queue: {error}", file=sys.stderr, flush=True)

    def _run(self, marker: Path) -> Run:
        run = store.find(marker.name)
        run.said()
        return run

    def _lose(self, why: str) -> None:
        """Give up a cluster that cannot be reached: its jobs wait in the queue again."""
        self._why = f"{why} What waits goes on when it is back."
        print(self._why, file=sys.stderr, flush=True)
        if self.mirror:
            self.mirror.let_go(Status.QUEUED, self._why)
            self.mirror.cluster.close()
        self.mirror = None
        self._again = time.monotonic() + AGAIN
        self._tell()

    def _tell(self) -> None:
        """Have every waiting job say why it waits, as long as that is so."""
        for name in waiting(queue()) if self._why else []:
            with contextlib.suppress(BadInput):
                state = (run := store.find(name)).state()
                is_told = state.status is Status.QUEUED and state.message == self._why
                if not is_told and (state.status is Status.QUEUED or not run.is_held()):
                    run.say(durable=False, status=Status.QUEUED, message=self._why)
        set_aside(queue())
        set_aside(tasks.queue())


def main() -> None:
    """An outpost: ends when its server does, having everything saved."""
    hired(Outpost, connect=connect).work()


if __name__ == "__main__":
    main()

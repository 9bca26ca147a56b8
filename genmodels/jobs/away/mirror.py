"""Runs and computations that other computers work on, as they are seen here: their folders follow what happens there.

Whoever mirrors a run holds it here, as a worker would; what people want of it is sent along, and what comes back is
written into its folder. So curves, pause, the time machine and forks work as if it were trained here. A computer that
is lost costs what it had not given back yet, at most the steps since the last save: its runs go on from there on
another one, exactly.
"""

import json
import math
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from genmodels import __version__
from genmodels.errors import BadInput, Busy, Damaged
from genmodels.files import FULL, held, inside, read_json, root
from genmodels.host.limits import limit
from genmodels.jobs import queue, tasks
from genmodels.jobs.away import packing
from genmodels.jobs.away.ray_cluster import Lost, RayCluster, RayHandle
from genmodels.jobs.tasks import Task
from genmodels.runs import store
from genmodels.runs.folder import exact_step
from genmodels.runs.record import Status
from genmodels.runs.run import Run

__all__ = ["Away", "Mirror"]

LOOKS = 0.02  # seconds between two looks at whether something came back
ASKS = 3.0  # seconds without an answer after which the cluster is asked whether it is there
PATIENCE = 20.0  # seconds for which jobs wait for a worker that starts where another is there; and the end of all
QUEUES = {"runs": queue.queue, "tasks": tasks.queue}
MOST_DEATHS = {"runs": 3, "tasks": 2}  # workers that a job may lose, one after the other, before it is given up


@dataclass
class Away:
    """A run or a computation that is mirrored.

    Attributes:
        kind: "runs" or "tasks".
        folder: The run or the task.
        stack: Lets go of it.
        hand: Who works on it; None where it waits.
        told: When what people want of it was changed, as it was last sent.
        begins: The step from which it went on there.
        deaths: Workers in a row that were lost with it.
    """

    kind: str
    folder: Run | Task
    stack: ExitStack
    hand: "Remote | None" = None
    told: int = 0
    begins: int | None = None
    deaths: int = 0

    @property
    def name(self) -> str:
        """The name of the job's folder, the same on both sides."""
        return f"{self.kind}/{self.folder.id}"


@dataclass(eq=False)
class Remote:
    """One worker, as it is known here."""

    handle: RayHandle
    started: float = field(default_factory=time.monotonic)
    asked: float = field(default_factory=time.monotonic)
    has_answered: bool = False


class Mirror:
    """Sends what it takes to a cluster, and follows it there, until it ends.

    Args:
        cluster: The other computers; there are as many workers as it has places for, or the limit ``WORKERS`` says.
    """

    def __init__(self, cluster: RayCluster) -> None:
        self.cluster, self.most = cluster, limit("WORKERS") or math.inf
        self.jobs: dict[str, Away] = {}
        self.hands: list[Remote] = []
        self._trouble = ""  # why a worker could not be had, a sentence
        self._looked = self._began = 0.0
        self._last: dict[str, Any] = {}  # what is said of a run that is ended here; empty before that

    @property
    def is_ready(self) -> bool:
        """Whether a worker has answered."""
        return any(hand.has_answered for hand in self.hands)

    @property
    def trouble(self) -> str:
        """Why there is no worker, a sentence; "" where there is one, or it may just be starting."""
        return "" if self.is_ready else self._trouble

    def take(self, folder: Run | Task) -> None:
        """Hold a run or a computation that waits, and have it worked on.

        Raises:
            Busy: If another process works on it.
        """
        try:
            stack = ExitStack()
            stack.enter_context(held(folder.path))
        except BlockingIOError:
            raise Busy(f"{folder.id} is in the hands of another process.") from None
        job = Away("runs" if isinstance(folder, Run) else "tasks", folder, stack)
        self.jobs[job.name] = job

    def turn(self) -> None:
        """Take what the workers have sent, and send them what is new; takes milliseconds.

        Raises:
            BadInput: If the cluster is gone; a sentence, and nothing is mirrored any more than before.
        """
        self._check_there()
        if not self._last:
            self._staff()
            self._assign()
        moved = False
        for hand in list(self.hands):
            try:
                content = hand.handle.answer()
                if content is not None:
                    self._keep(hand, content)
                    hand.handle.call(self._words(hand))
                    hand.asked, moved = time.monotonic(), True
            except (Lost, Damaged) as error:
                self._lose(hand, str(error))
            except OSError as error:  # what it gave back could not be kept here: it is to be made again
                full = error.errno in FULL
                self._lose(hand, "The disk is full: make room, then resume." if full else f"{error.strerror or error}.")
        if not moved:
            time.sleep(LOOKS)

    def close(self, status: Status, message: str) -> None:
        """Have all that is mirrored saved and ended as ``status``, and let go of it; some seconds."""
        self._last = {"status": status, "message": message}
        for job in self.jobs.values():
            if job.begins is None:  # was not sent yet
                job.hand = None
        end = time.monotonic() + PATIENCE
        with suppress(BadInput):  # the cluster is gone
            while any(job.hand and job.kind == "runs" for job in self.jobs.values()) and time.monotonic() < end:
                self.turn()
        self.let_go(status, message)

    def let_go(self, status: Status, message: str) -> None:
        """Let go of all, as it was last seen, and of the workers."""
        for job in list(self.jobs.values()):
            its = status if job.kind == "runs" else Status.QUEUED
            with suppress(BadInput, OSError):
                job.folder.say(status=its, message=message)
            self._end(job, waits=its is Status.QUEUED)
        for hand in self.hands:
            hand.handle.close()
        self.hands.clear()

    def _end(self, job: Away, *, waits: bool = False) -> None:
        """Let go of it, and take it from the queue, where nothing more is to come of it."""
        del self.jobs[job.name]
        if not waits:
            inside(QUEUES[job.kind](), job.folder.id).unlink(missing_ok=True)  # before anybody else can take it
        job.stack.close()

    # Workers --------------------------------------------------------------------------------------------------------

    def _check_there(self) -> None:
        now = time.monotonic()
        if now - self._looked > ASKS and any(now - hand.asked > ASKS for hand in self.hands):
            self._ask()
            self._looked = time.monotonic()

    def _ask(self) -> None:
        if not self.cluster.is_there():
            raise BadInput(f"{self.cluster.name} does not answer any more.")

    def _staff(self) -> None:
        """Start workers, as many as there are jobs for; at least one, which is warm when the first job comes."""
        wanted = min(max(1, len(self.jobs)), self.most)
        if len(self.hands) < wanted and time.monotonic() - self._began > (5.0 if self._trouble else 0.5):
            self._began = time.monotonic()
            self._ask()
            places = self.cluster.places()
            if not places:
                self._trouble = f"{self.cluster.name} has no processor cores for a worker: a node must give some."
            for _ in range(int(min(wanted, places)) - len(self.hands)):
                hand = Remote(self.cluster.start())
                hand.handle.call(packing.packed({}, {}))
                self.hands.append(hand)

    def _assign(self) -> None:
        """Each job that waits to the worker with the least to do; none to a busy one while another is starting."""
        waiting = [job for job in self.jobs.values() if job.hand is None]
        if not waiting:
            return
        load = {id(hand): 0 for hand in self.hands}
        for job in self.jobs.values():
            if job.hand:
                load[id(job.hand)] += 1
        now = time.monotonic()
        is_starting = any(not hand.has_answered and now - hand.started < PATIENCE for hand in self.hands)
        ready = [hand for hand in self.hands if hand.has_answered]
        for job in waiting:
            if self._is_unwanted(job):
                continue
            hand = min(ready, key=lambda hand: load[id(hand)], default=None)
            if hand is None or (load[id(hand)] and is_starting):
                return
            job.hand, job.told, job.begins = hand, 0, None
            load[id(hand)] += 1

    def _is_unwanted(self, job: Away) -> bool:
        """Whether a job was stopped or cancelled before any worker began with it; ends it then."""
        if isinstance(job.folder, Run) and job.folder.control()["want"] == "stop":
            job.folder.say(status=Status.STOPPED, message="")
        elif isinstance(job.folder, Run) or inside(tasks.queue(), job.folder.id).exists():
            return False
        self._end(job)
        return True

    def _lose(self, hand: Remote, why: str) -> None:
        """A worker is gone: what it had goes on elsewhere from what it has given back."""
        hand.handle.close()
        self.hands.remove(hand)
        if not hand.has_answered:
            self._trouble = why
        self._ask()
        for job in [job for job in self.jobs.values() if job.hand is hand]:
            job.hand = None
            if job.begins is None:  # it was not there yet
                continue
            run = job.folder if isinstance(job.folder, Run) else None
            step = (exact_step(run.path) or 0) if run else 0
            job.deaths = 1 if step > job.begins else job.deaths + 1
            if job.deaths >= MOST_DEATHS[job.kind]:
                job.folder.say(status=Status.FAILED, message=f"Its worker was lost {job.deaths} times: {why}")
                self._end(job)
            elif run:
                said = f"The computer that trained it was lost: it goes on elsewhere from step {step}."
                run.say(status=Status.QUEUED, message=said)

    # What is sent and what comes back -----------------------------------------------------------------------------

    def _words(self, hand: Remote) -> bytes:
        """The message to a worker: new jobs with their folders, and what people want of those that it has."""
        files: dict[str, bytes] = {}
        letter: dict[str, dict[str, object]] = {"runs": {}, "tasks": {}, "seen": {}, "times": {}, "cancel": {}}
        for job in [job for job in self.jobs.values() if job.hand is hand]:
            if isinstance(job.folder, Run):
                files |= self._of_run(job, job.folder, letter)
            elif job.begins is None:
                job.begins = 0
                files |= self._of_task(job.folder, letter, hand)
            elif not inside(tasks.queue(), job.folder.id).exists():
                letter["cancel"][job.folder.id] = True
        return packing.packed(files, letter)

    def _of_run(self, job: Away, run: Run, letter: Mapping[str, dict[str, object]]) -> packing.Files:
        files: packing.Files = {}
        control = run.path / "control.json"
        now = control.stat().st_mtime_ns if control.exists() else 0
        if job.begins is None:
            job.begins, letter["runs"][run.id] = exact_step(run.path) or 0, True
            files = packing.contents(run.path)
        elif now != job.told or self._last:
            wishes = run.control() | ({"want": "stop"} if self._last else {})
            files = {"control.json": json.dumps(wishes).encode()}
        job.told = now
        if (run.path / ".seen").exists():
            letter["seen"][run.id] = run.unseen()
        return {f"runs/{run.id}/{name}": content for name, content in files.items()}

    def _of_task(self, task: Task, letter: Mapping[str, dict[str, object]], hand: Remote) -> packing.Files:
        """The files of a task: its question, and what it needs of the run that it asks about."""
        files = {f"tasks/{task.id}/{name}": new for name, new in packing.contents(task.path).items()}
        question = read_json(task.path / "task.json")
        letter["tasks"][task.id] = name = str(question["arguments"].get("run", ""))
        there = self.jobs.get(f"runs/{name}")
        if name and not (there and there.hand is hand):
            with suppress(BadInput):  # there is no such run, or no such moment: that is said there
                run = store.find(name)
                of_run = packing.contents(run.path, packing.needs(question, run))
                letter["times"] |= {f"runs/{name}/{one}": at for one, at in packing.times(run.path, of_run).items()}
                files |= {f"runs/{name}/{one}": new for one, new in of_run.items()}
        return files

    def _keep(self, hand: Remote, content: bytes) -> None:
        """Write what came back into the folders that it belongs to."""
        files, letter = packing.unpacked(content)
        if (version := letter.get("version")) != __version__:
            raise Lost(f"The nodes of the Ray cluster have genmodels {str(version)[:20]}: they need {__version__}.")
        hand.has_answered, self._trouble = True, ""
        mine = {name: job for name, job in self.jobs.items() if job.hand is hand}
        new: dict[str, packing.Files] = {name: {} for name in mine}
        for place, one in files.items():
            kind, _, rest = place.partition("/")
            name, _, file = rest.partition("/")
            if kind == "measured":
                packing.keep(root() / ".measured", {rest: one}, packing.MEASURED)
            elif f"{kind}/{name}" in new:  # and has not ended here meanwhile
                new[f"{kind}/{name}"][file] = one
        for name, job in mine.items():
            has_ended, marker = name in letter.get("ended", []), inside(QUEUES[job.kind](), job.folder.id)
            is_wanted = job.kind == "runs" or marker.exists()  # and not a computation that was cancelled
            if has_ended:
                marker.unlink(missing_ok=True)  # before its state says so, and somebody asks for it again
            if is_wanted:
                what = packing.RUN if job.kind == "runs" else packing.ANSWER
                packing.keep(job.folder.path, new[name], what, durable=has_ended and job.kind == "runs")
            if has_ended:
                if self._last and job.folder.state().status is Status.STOPPED:
                    job.folder.say(**self._last)
                self._end(job)

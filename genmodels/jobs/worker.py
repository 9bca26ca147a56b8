"""A worker: one process (``python -m genmodels.jobs.worker``) that takes turns over its runs and tasks.

It gives each of its jobs slices of some 50 ms, always the job that has had the least time so far: thirty students press
Train and thirty runs move. A job that fails says why in its run, and harms no other.
"""

import contextlib
import math
import os
import secrets
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from genmodels.durations import worded
from genmodels.errors import BadInput, Busy, TrainingFailed
from genmodels.files import inside, is_held
from genmodels.host import limits
from genmodels.host.limits import limit
from genmodels.jobs import pulse, tasks
from genmodels.jobs.process import hired
from genmodels.jobs.queue import queue, set_aside, waiting
from genmodels.jobs.tasks import TaskJob
from genmodels.jobs.warmup import rehearse
from genmodels.runs import store
from genmodels.runs.record import Status
from genmodels.runs.recorder import Recording
from genmodels.runs.run import Run

__all__ = ["Job", "Worker"]

SLICE = 0.05  # seconds a job runs before the others have their turn
SHARING = 1.0  # seconds between two looks at whether other workers have less to do
STAYS = 30.0  # seconds for which a run that came back is not handed back again
WAITS = 5.0  # seconds in the queue after which a run finds no place by itself
MOST_TASKS = 8  # tasks held at once: they have places of their own, which no run takes
MOST_DEATHS = 3  # workers that a run may take down before it is given up


class Job:
    """A run in a worker's hands (or, with its ``recording``, in those of whoever made that)."""

    def __init__(self, run: Run, recording: Recording | None = None) -> None:
        self.deaths = pulse.deaths(run.id)
        if self.deaths >= MOST_DEATHS:
            raise TrainingFailed(f"Its worker died {self.deaths} times; Resume tries once more.")
        self.name, self.run, self.used, self.due, self._read = run.id, run, 0.0, 0.0, 0
        self.heavy = run.plan.heavy
        self.recording = recording or Recording(run)
        self.steps = self.recording.steps()
        self.wishes = run.control()
        self._begins = self.recording.training.step_
        self.status: Status | None = None  # as it was last said here
        self.since, self.taken = math.inf, time.monotonic()
        run.say(deaths=self.deaths, status=Status.RUNNING, total=self.recording.training.total, pid=os.getpid())

    def ready(self, now: float) -> bool:
        """Whether the run wants to move now; what people said is read first."""
        with contextlib.suppress(FileNotFoundError):
            written = (self.run.path / "control.json").stat().st_mtime_ns
            if written != self._read:
                self._read, self.wishes = written, self.run.control()
        reason = self._why_held()
        if reason is None:
            self._announce(Status.RUNNING, "")
        else:
            self._announce(Status.PAUSED, reason)
        return reason is None and now >= self.due

    def _why_held(self) -> str | None:
        """Why it must not move, in words ("" where somebody asked for it), or None."""
        until = self.wishes.get("until")
        if self.wishes["want"] != "run" or (until is not None and self.recording.training.step_ >= until):
            return ""
        patience = limit("IDLE_SECONDS")
        if self.run.unseen() > patience:
            return f"Paused: nobody has looked at it for {worded(patience)}. Resume goes on."
        return None

    def _announce(self, status: Status, message: str) -> None:
        if status is not self.status:
            if status is Status.PAUSED or self.status:
                self.recording.save(status=status, message=message)
            self.status, self.since = status, time.monotonic()

    def advance(self, seconds: float) -> bool:
        """Run for about so many seconds; False at the end of the training."""
        if lr := self.wishes.get("lr"):
            self.recording.training.lr = lr
        start = time.monotonic()
        until, delay = self.wishes.get("until"), self.wishes.get("delay", 0.0)
        self.recording.training.closely = bool(delay) or until is not None
        for done in self.steps:
            spent = time.monotonic() - start
            self.due = time.monotonic() + delay
            self._forgive()
            if spent > seconds or delay or done.step == until:
                self.used += spent
                return True
        return False

    def _forgive(self) -> None:
        """A run that was saved further on than where its workers died makes progress: what was counts no more."""
        if self.deaths and self.recording.saved_step > self._begins:
            pulse.forgive(self.name)
            self.deaths = 0
            self.run.say(deaths=0)

    def over(self) -> str | None:
        """Why the run must end now, in words ("" where somebody asked for it), or None."""
        if self.wishes["want"] == "stop":
            return ""
        most = limit("MAX_SECONDS")
        if self.recording.training.seconds > most:
            return f"Stopped: this host gives a run {most:.0f} seconds. Download it, and go on elsewhere."
        if time.monotonic() - self.taken > (held := limit("HELD_SECONDS")):
            return f"Stopped: it has held a place of this host for {worded(held)}. Resume goes on."
        training, most = self.recording.training, limit("MAX_STEPS")
        if training.total > most and training.step_ >= most:
            return f"Stopped: this host gives a run {most:,.0f} steps. Download it, and go on elsewhere."
        idle, paused = limit("IDLE_SECONDS"), time.monotonic() - self.since  # a computer that sleeps counts no second
        if self.status is Status.PAUSED and self.run.unseen() > 2 * idle and paused > idle:
            return f"Stopped: nobody has looked at it for {worded(self.run.unseen())}. Resume goes on."
        return None

    def fail(self, error: Exception) -> None:
        """Say in the run what happened, where it has not been said."""
        if not self.recording.failed:
            self.recording.fail(error)

    def hand_back(self) -> None:
        """Let go of the run, as it is, for whichever worker has the least to do."""
        inside(queue(), self.name).touch()  # it waits from now on, and the busy leave it to others
        self.recording.close(Status.QUEUED)
        if self.recording.failed:  # it could not be saved, and has said so: nobody is to take it up
            inside(queue(), self.name).unlink(missing_ok=True)

    def close(self, status: Status | None = None, message: str = "") -> None:
        """Let go of the run, and take it from the queue."""
        inside(queue(), self.name).unlink(missing_ok=True)  # before anybody else can take it
        self.recording.close(status, message)


class Worker:
    """Takes turns over the runs and tasks that it holds, until :attr:`closing`.

    Args:
        most: Jobs that it holds at once.
        of: Workers that there are.
        name: Of its pulse; one of its own otherwise.
    """

    def __init__(self, *, most: int = 64, of: int = 1, name: str = "") -> None:
        self.pulse = pulse.Pulse(name or secrets.token_hex(8))
        self.jobs: list[Job | TaskJob] = []
        self.most, self.of, self.closing = most, of, False
        self._looked, self._shared = 0.0, time.monotonic()
        self._returned: dict[str, float] = {}  # runs handed back, and when

    def work(self) -> None:
        """Work until told to close; then save everything."""
        while not self.closing:
            try:
                self.turn()
            except OSError as error:  # a disk that takes nothing: it is asked again
                print(f"worker {os.getpid()}: {error}", file=sys.stderr, flush=True)
                time.sleep(1.0)
        for job in list(self.jobs):
            self._end(job, Status.INTERRUPTED, "The app was stopped; Resume goes on.")
        self.pulse.close()

    def turn(self) -> None:
        """One slice for the job that has had the least time."""
        now = time.monotonic()
        if now - self._looked > 0.05:
            self._adopt(queue(), self._run)
            self._adopt(tasks.queue(), self._task)
            self._looked = now
        if now - self._shared > SHARING:
            self._give_back(now)
            self._share()
            set_aside(queue())
            set_aside(tasks.queue())
            self._shared = now
        for job in list(self.jobs):
            if (reason := job.over()) is not None:
                self._end(job, Status.STOPPED, reason)
        ready = [job for job in list(self.jobs) if self._safely(job, partial(job.ready, now))]
        if not ready:
            self.pulse.hold()
            time.sleep(0.01)
            return
        job = min(ready, key=lambda job: job.used)
        if not self._safely(job, partial(job.advance, SLICE)):
            self._end(job)

    def _safely(self, job: Job | TaskJob, call: Callable[[], bool]) -> bool:
        """``call()``; a job that fails says why, and ends without harm to the others."""
        self.pulse.hold(job.name)
        try:
            return call()
        except Exception as error:
            print(f"{job.name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            job.fail(error)
            self._end(job)
            return False

    def _end(self, job: Job | TaskJob, status: Status | None = None, message: str = "") -> None:
        if job in self.jobs:
            self.jobs.remove(job)
            job.close(status, message)

    def _adopt(self, folder: Path, take: Callable[[Path], Job | TaskJob | None]) -> None:
        """Take what waits and nobody holds, oldest first; the busier, the longer this worker leaves it to others."""
        mine = {job.name for job in self.jobs}
        for name in waiting(folder):
            marker = inside(folder, name)
            busy = sum(job.status is not Status.PAUSED for job in self.jobs)  # those just taken too
            with contextlib.suppress(FileNotFoundError):
                age = time.time() - marker.stat().st_mtime  # below 0 where a clock was put back
                mature = not 0 <= age < min(2.0, 0.1 * busy)
                if mature and name not in mine and self._has_place(folder) and (job := take(marker)):
                    job.used = min((other.used for other in self.jobs), default=0.0)
                    self.jobs.append(job)

    def _has_place(self, folder: Path) -> bool:
        of_runs = sum(isinstance(job, Job) for job in self.jobs)
        return of_runs < self.most if folder == queue() else len(self.jobs) - of_runs < MOST_TASKS

    def _share(self) -> None:
        """Hand a run back where this worker moves more than its share of all that are in the queue."""
        mine = [job for job in self.jobs if isinstance(job, Job) and job.status is Status.RUNNING]
        stays = {name for name, when in self._returned.items() if time.monotonic() - when < STAYS}  # nobody took them
        # of heavy ones the others may have as many as they are allowed
        light = [job for job in mine if not job.heavy and job.name not in stays]
        if light and len(mine) > math.ceil(len(waiting(queue())) / self.of):
            self._returned[light[-1].name] = time.monotonic()
            self.jobs.remove(light[-1])
            light[-1].hand_back()

    def _give_back(self, now: float) -> None:
        """End what has been paused for long, where another run has waited for a place that nobody gives it."""
        held = [job for job in self.jobs if isinstance(job, Job) and job.status is Status.PAUSED]
        paused = [job for job in held if now - job.since > limit("PLACE_SECONDS")]
        if not paused or not any(self._waits(name) for name in waiting(queue())):
            return
        job = min(paused, key=lambda job: job.since)
        self._end(job, Status.STOPPED, "It was paused while others waited, and its place went to them. Resume goes on.")

    def _waits(self, name: str) -> bool:
        """Whether a run has been in the queue for longer than the busiest workers leave it to each other."""
        with contextlib.suppress(FileNotFoundError, BadInput):
            return time.time() - inside(queue(), name).stat().st_mtime > WAITS and not store.find(name).is_held()
        return False

    def _run(self, marker: Path) -> Job | None:
        try:
            run = store.find(marker.name)
            heavy = sum(job.heavy for job in self.jobs)
            if run.is_held() or (run.plan.heavy and heavy >= limit("MAX_HEAVY")):
                return None
            self.pulse.hold(run.id)
            return Job(run)
        except Busy:
            return None
        except Exception as error:  # deleted, damaged, or given up: not to be tried again and again
            marker.unlink(missing_ok=True)
            print(f"{marker.name} is taken from the queue: {error}", file=sys.stderr, flush=True)
            if isinstance(error, TrainingFailed):
                pulse.forgive(run.id)
                run.say(status=Status.FAILED, message=str(error), deaths=0)
            return None

    def _task(self, marker: Path) -> TaskJob | None:
        task = tasks.Task(inside(tasks.folder(), marker.name))
        try:
            if is_held(task.path):  # another worker has it: to try for it costs a moment, at every turn
                return None
            self.pulse.hold(task.id)
            return TaskJob(task)
        except BlockingIOError:
            return None
        except Busy:  # it is done: only its marker was left
            marker.unlink(missing_ok=True)
            return None
        except Exception as error:
            marker.unlink(missing_ok=True)
            pulse.forgive(task.id)
            with contextlib.suppress(BadInput):
                task.say(status=Status.FAILED, message=str(error))
            return None


def main() -> None:
    """A worker: ends when its server does, having saved everything."""
    worker = hired(Worker)
    limits.spare_the_server(on_cpu=not os.environ.get("CUDA_VISIBLE_DEVICES"))
    torch.set_num_threads(int(limit("THREADS")))
    rehearse(lambda: waiting(queue()) or waiting(tasks.queue()))
    worker.work()


if __name__ == "__main__":
    main()

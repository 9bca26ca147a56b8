"""The queue: a few worker processes that take turns over all runs. The server never trains.

A worker is ``python -m genmodels.jobs``: one process a GPU, or one a CPU core, torch imported before the first click.
What waits is a file in ``runs/.queue/``; a worker takes it by taking the run's lock, and gives each of its jobs slices
of some 50 ms, always the job that has had the least time so far: thirty students press Train and thirty runs move.
Everything is said through files, so pages, tabs, command lines and a restarted server agree, and a worker that is
killed takes nothing with it: the lock is freed, and the next worker goes on from the last save.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from genmodels import runs, tasks
from genmodels.errors import BadInput, Busy, TrainingFailed
from genmodels.files import inside, write
from genmodels.runs import Run
from genmodels.tasks import TaskJob

if TYPE_CHECKING:
    from genmodels.recording import Recording

__all__ = ["Pool", "Worker", "pause", "place", "pool", "resume", "set_lr", "slow", "step", "stop", "submit"]

SLICE = 0.05  # seconds a job runs before the others have their turn
MOST_DEATHS = 3  # workers that a run may take down before it is given up


def limit(name: str, default: float) -> float:
    """A limit of this host, from the environment variable ``GENMODELS_<name>``."""
    return float(os.environ.get(f"GENMODELS_{name}", default))


# What people say ------------------------------------------------------------------------------------------------------


def queue() -> Path:
    """Where the waiting and the running have a file each, named by the run."""
    return runs.root() / ".queue"


def submit(run: Run) -> None:
    """Put a run in the queue, new or to be resumed.

    Raises:
        BadInput: If the host's limits do not allow it.
    """
    total = run.plan["settings"]["steps"]
    if total > limit("MAX_STEPS", 1e12):
        raise BadInput(f"{total} steps are more than the {limit('MAX_STEPS', 0):.0f} that this host allows.")
    free = os.statvfs(runs.root())
    if free.f_bavail * free.f_frsize < limit("MIN_FREE_MB", 200) * 1e6:
        raise BadInput("The disk of this host is nearly full: delete a run first.")
    run.want(want="run", until=None)
    if run.id not in waiting():
        run.say(state="queued", message="", deaths=0)
        write(inside(queue(), run.id), b"", durable=False)


def waiting(folder: Path | None = None) -> list[str]:
    """The names of all that wait or run, the oldest first."""
    try:
        entries = [entry for entry in os.scandir(folder or queue()) if entry.name[0] != "."]
        files = [(entry.stat().st_mtime, entry.name) for entry in entries]
    except FileNotFoundError:
        return []
    return [name for _, name in sorted(files)]


def place(run: Run) -> int | None:
    """How many wait before it, or None if it does not wait."""
    ahead = 0
    for name in waiting():
        if name == run.id:
            return ahead if run.state()["state"] == "queued" else None
        ahead += runs.find(name).state()["state"] == "queued"
    return None


def pause(run: Run) -> None:
    """Hold it where it is."""
    run.want(want="pause", until=None)


def resume(run: Run) -> None:
    """Go on, wherever it was held, stopped or interrupted."""
    run.want(want="run", until=None)
    submit(run)


def step(run: Run, n: int = 1) -> None:
    """Take ``n`` more steps, then pause."""
    run.want(want="run", until=int(run.state()["step"]) + n)


def slow(run: Run, delay: float) -> None:
    """Slow motion: ``delay`` seconds a step; 0 for full speed."""
    run.want(delay=max(0.0, min(10.0, delay)))


def set_lr(run: Run, lr: float) -> None:
    """Change the learning rate while it runs."""
    from genmodels.hyperparameters import declared
    from genmodels.train import Settings

    run.want(lr=declared(Settings)["lr"].check(lr))


def stop(run: Run) -> None:
    """End it here and keep it; it can be resumed."""
    run.want(want="stop")
    if not run.is_held():
        inside(queue(), run.id).unlink(missing_ok=True)
        run.say(state="stopped", message="")


# The worker -----------------------------------------------------------------------------------------------------------


class Job:
    """A run in a worker's hands (or, with its ``recording``, in those of whoever made that)."""

    def __init__(self, run: Run, recording: "Recording | None" = None) -> None:
        from genmodels.recording import Recording

        before = run.state()
        deaths = before.get("deaths", 0) + (before["state"] == "interrupted")
        if deaths >= MOST_DEATHS:
            raise TrainingFailed(f"Its worker died {deaths} times; Resume tries once more.")
        self.name, self.run, self.used, self.due, self._read = run.id, run, 0.0, 0.0, 0
        self.heavy = run.plan.get("heavy", False)
        self.recording = recording or Recording(run)
        self.steps = self.recording.steps()
        self.wishes = run.control()
        self.state = ""
        run.say(deaths=deaths, state="running", total=self.recording.training.total, pid=os.getpid())

    def ready(self, now: float) -> bool:
        """Whether it wants to move now; what people said is read first."""
        with contextlib.suppress(FileNotFoundError):
            written = (self.run.path / "control.json").stat().st_mtime_ns
            if written != self._read:
                self._read, self.wishes = written, self.run.control()
        reason = self._why_held()
        if reason is None:
            self._announce("running", "")
        else:
            self._announce("paused", reason)
        return reason is None and now >= self.due

    def _why_held(self) -> str | None:
        """Why it must not move, in words ("" where somebody asked for it), or None."""
        until = self.wishes.get("until")
        if self.wishes["want"] != "run" or (until is not None and self.recording.training.step_ >= until):
            return ""
        patience = limit("IDLE_SECONDS", 0)
        if patience and self.run.unseen() > patience:
            return f"Paused: nobody has looked at it for {patience / 60:.0f} minutes. Resume goes on."
        return None

    def _announce(self, state: str, message: str) -> None:
        if state != self.state:
            if state == "paused" or self.state:
                self.recording.save(state=state, message=message)
            self.state = state

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
            if spent > seconds or delay or done.step == until:
                self.used += spent
                return True
        return False

    def over(self) -> str | None:
        """Why it must end now, in words ("" where somebody asked for it), or None."""
        if self.wishes["want"] == "stop":
            return ""
        most = limit("MAX_SECONDS", 1e12)
        if self.recording.training.seconds > most:
            return f"Stopped: this host gives a run {most:.0f} seconds. Download it, and go on elsewhere."
        return None

    def fail(self, error: Exception) -> None:
        """Say in the run what happened, where it has not been said."""
        if not self.recording.failed:
            self.recording.fail(error)

    def close(self, state: str | None = None, message: str = "") -> None:
        """Let go of it, and take it from the queue."""
        self.recording.close(state, message)
        inside(queue(), self.name).unlink(missing_ok=True)


class Worker:
    """Takes turns over the runs and tasks that it holds, until :attr:`closing`."""

    def __init__(self, *, most: int = 64) -> None:
        self.jobs: list[Job | TaskJob] = []
        self.most, self.closing, self._looked = most, False, 0.0

    def work(self) -> None:
        """Until told to close; then save everything."""
        while not self.closing:
            self.turn()
        for job in list(self.jobs):
            self._end(job, "interrupted", "The app was stopped; Resume goes on.")

    def turn(self) -> None:
        """One slice for the job that has had the least time."""
        now = time.monotonic()
        if now - self._looked > 0.05:
            self._adopt(queue(), self._run)
            self._adopt(tasks.queue(), self._task)
            self._looked = now
        for job in list(self.jobs):
            if (reason := job.over()) is not None:
                self._end(job, "stopped", reason)
        ready = [job for job in list(self.jobs) if self._safely(job, partial(job.ready, now))]
        if not ready:
            time.sleep(0.01)
            return
        job = min(ready, key=lambda job: job.used)
        if not self._safely(job, partial(job.advance, SLICE)):
            self._end(job)

    def _safely(self, job: Job | TaskJob, call: Callable[[], bool]) -> bool:
        """``call()``; a job that fails says why, and ends without harm to the others."""
        try:
            return call()
        except Exception as error:
            print(f"{job.name}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            job.fail(error)
            self._end(job)
            return False

    def _end(self, job: Job | TaskJob, state: str | None = None, message: str = "") -> None:
        if job in self.jobs:
            self.jobs.remove(job)
            job.close(state, message)

    def _adopt(self, folder: Path, take: Callable[[Path], Job | TaskJob | None]) -> None:
        """Take what waits and nobody holds, oldest first; the busier, the longer this worker leaves it to others."""
        mine = {job.name for job in self.jobs}
        busy = sum(job.state == "running" for job in self.jobs)
        for name in waiting(folder):
            marker = inside(folder, name)
            with contextlib.suppress(FileNotFoundError):
                mature = time.time() - marker.stat().st_mtime >= min(2.0, 0.2 * busy)
                if mature and name not in mine and len(self.jobs) < self.most and (job := take(marker)):
                    job.used = min((other.used for other in self.jobs), default=0.0)
                    self.jobs.append(job)

    def _run(self, marker: Path) -> Job | None:
        try:
            run = runs.find(marker.name)
            heavy = sum(job.heavy for job in self.jobs)
            if run.is_held() or (run.plan.get("heavy") and heavy >= limit("MAX_HEAVY", 2)):
                return None
            return Job(run)
        except Busy:
            return None
        except Exception as error:  # deleted, damaged, or given up: not to be tried again and again
            marker.unlink(missing_ok=True)
            if isinstance(error, TrainingFailed):
                run.say(state="failed", message=str(error), deaths=0)
            return None

    def _task(self, marker: Path) -> TaskJob | None:
        task = tasks.Task(inside(tasks.folder(), marker.name))
        try:
            return TaskJob(task)
        except BlockingIOError:
            return None
        except Exception as error:
            marker.unlink(missing_ok=True)
            with contextlib.suppress(BadInput):
                task.say(state="failed", message=str(error))
            return None


# The pool -------------------------------------------------------------------------------------------------------------


class Pool:
    """The worker processes of a server; one that dies is replaced, and its runs go on in the new one."""

    def __init__(self, workers: int | None = None) -> None:
        self.size = workers or int(limit("WORKERS", 0)) or len(devices())
        self._recover()
        self.processes = [self._start(i) for i in range(self.size)]
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._keep_alive, daemon=True)
        self._watch.start()

    def _start(self, i: int) -> subprocess.Popen[bytes]:
        most = max(1, -(-int(limit("MAX_RUNS", 64)) // self.size))
        environment = os.environ | {"OMP_NUM_THREADS": f"{limit('THREADS', 1):.0f}"}
        if (device := devices()[i % len(devices())]) is not None:
            environment["CUDA_VISIBLE_DEVICES"] = device
        command = [sys.executable, "-m", "genmodels.jobs", "--most", str(most)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, cwd=Path(__file__).parents[1])

    def _keep_alive(self) -> None:
        while not self._closing.wait(0.25):
            for i, process in enumerate(self.processes):
                if process.poll() is not None:
                    print(
                        f"worker {process.pid} ended with {process.returncode}; replaced", file=sys.stderr, flush=True
                    )
                    if process.stdin:
                        process.stdin.close()
                    self.processes[i] = self._start(i)

    def _recover(self) -> None:
        """After a restart: what was being trained waits for somebody to resume it, what was queued goes on waiting."""
        for name in waiting():
            with contextlib.suppress(BadInput):
                if runs.find(name).state()["state"] == "queued":
                    continue
            inside(queue(), name).unlink(missing_ok=True)

    def close(self) -> None:
        """End all workers; they save what they hold."""
        self._closing.set()
        self._watch.join()
        for process in self.processes:
            if process.stdin:
                process.stdin.close()
        for process in self.processes:
            process.wait(60)


_pool: Pool | None = None
_lock = threading.Lock()


def pool() -> Pool:
    """This server's pool, started at the first call."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = Pool()
        return _pool


def devices() -> list[str | None]:
    """What a worker each is started for: the GPUs by number, or None for each CPU core (without importing torch)."""
    gpus: list[str | None] = [p.name.removeprefix("nvidia") for p in sorted(Path("/dev").glob("nvidia[0-9]*"))]
    return gpus or [None] * len(os.sched_getaffinity(0))


def main() -> None:
    """A worker: ends when its server does, having saved everything."""
    parser = argparse.ArgumentParser(prog="python -m genmodels.jobs", description="A worker of the queue of runs.")
    parser.add_argument("--most", type=int, default=64, help="runs that it holds at once")
    worker = Worker(most=parser.parse_args().most)

    def close(*_: object) -> None:
        worker.closing = True

    signal.signal(signal.SIGTERM, close)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=lambda: close(sys.stdin.buffer.read()), daemon=True).start()
    os.nice(5)  # the server answers first

    import torch

    torch.set_num_threads(int(limit("THREADS", 1)))
    import genmodels.recording  # noqa: F401  (before the first click)

    worker.work()


if __name__ == "__main__":
    main()

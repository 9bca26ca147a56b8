"""The queue: a few worker processes that take turns over all runs. The server never trains.

A worker is ``python -m genmodels.jobs.worker``: one process a GPU, or one a CPU core, torch imported before the first
click.
What waits is a file in ``runs/.queue/``; a worker takes it by taking the run's lock, and gives each of its jobs slices
of some 50 ms, always the job that has had the least time so far: thirty students press Train and thirty runs move.
Everything is said through files, so pages, tabs, command lines and a restarted server agree, and a worker that is
killed takes nothing with it: the lock is freed, and the next worker goes on from the last save.
"""

import contextlib
import math
import os
import re
import secrets
import subprocess
import sys
import threading
from functools import partial
from itertools import takewhile
from pathlib import Path

from genmodels.errors import BadInput
from genmodels.files import inside, is_held, remove, write, written
from genmodels.host import allocator, limits, ownership, threads
from genmodels.host.health import cores
from genmodels.host.limits import limit
from genmodels.jobs import pulse, shares
from genmodels.jobs.watchdog import EVERY, Watched
from genmodels.runs import disk, store
from genmodels.runs.record import Status
from genmodels.runs.run import Run
from genmodels.text import quoted

MANY = 100_000  # runs at once, where nothing limits them
ASIDE = ".aside"  # in a queue: what was in its way

__all__ = [
    "Pool",
    "alive",
    "check_room",
    "pause",
    "place",
    "pool",
    "resume",
    "served",
    "set_lr",
    "slow",
    "step",
    "stop",
    "submit",
    "told",
    "waiting",
]


# What people say ------------------------------------------------------------------------------------------------------


def queue() -> Path:
    """The folder in which each run that waits or runs has a file, named by the run."""
    return store.root() / ".queue"


def submit(run: Run) -> None:
    """Put a run in the queue, new or to be resumed; a visitor's new run that is refused is not kept.

    Raises:
        BadInput: If the host's limits do not allow it, or it is somebody else's.
    """
    ownership.check(run.path, "train")
    try:
        _check_budget(run)
        ways = shares.check([name for name in waiting() if name != run.id], 1)
        disk.make(run)
    except BadInput:
        if ownership.is_visiting() and not (run.path / "control.json").exists():  # made a moment ago, never begun
            with contextlib.suppress(OSError):
                remove(run.path)
        raise
    with written(run.path):
        for other in ways:
            _take_out(other, "Others wait, fewer from where they are: its place went to them. Resume asks again.")
        run.want(want="run", until=None)
        pulse.forgive(run.id)
        if run.id not in waiting():
            run.say(status=Status.QUEUED, message="", deaths=0)
            write(inside(queue(), run.id), b"", durable=False)


def _check_budget(run: Run) -> None:
    """Steps and batch; what so many epochs are in steps is known to the worker, which looks again."""
    from genmodels.training.settings import Settings

    settings = Settings.of(run.plan.settings)
    if (total := settings.steps) > limit("MAX_STEPS"):
        raise BadInput(f"{total} steps are more than the {limit('MAX_STEPS'):.0f} that this host allows.")
    if (batch := settings.batch_size) > limit("MAX_BATCH"):
        raise BadInput(f"batch_size = {batch} is more than the {limit('MAX_BATCH'):.0f} that this host allows.")


def check_room(n: int) -> None:
    """Refuse ``n`` more runs where whoever acts now may not train so many at once; asked before they are made.

    Raises:
        BadInput: If there is no place for all of them.
    """
    shares.check(waiting(), n)


def waiting(folder: Path | None = None) -> list[str]:
    """The names of all that wait or run, the oldest first."""
    files = []
    for entry in _entries(folder or queue()):
        with contextlib.suppress(OSError):  # taken from the queue in this instant
            if _is_marker(entry):
                files.append((entry.stat().st_mtime, entry.name))
    return [name for _, name in sorted(files)]


def set_aside(folder: Path) -> None:
    """Move what is in a queue and can name nothing (some other program put it there) out of the way, and say so."""
    for entry in _entries(folder):
        with contextlib.suppress(OSError):
            if not _is_marker(entry):
                aside = folder / ASIDE
                aside.mkdir(exist_ok=True)
                os.replace(entry.path, aside / f"{secrets.token_hex(4)}-{entry.name}"[:200])
                print(f"{quoted(entry.name)} in {folder} names nothing: it is in {aside}", file=sys.stderr, flush=True)


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if not entry.name.startswith(".")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_marker(entry: "os.DirEntry[str]") -> bool:
    try:
        inside(Path(), entry.name)
    except BadInput:
        return False
    return entry.is_file(follow_symlinks=False)


def place(run: Run) -> int | None:
    """How many jobs wait before the run, or None if it does not wait."""
    ahead = 0
    for name in waiting():
        if name == run.id:
            return ahead if run.state().status is Status.QUEUED else None
        with contextlib.suppress(BadInput):  # deleted a moment ago, or damaged
            ahead += store.find(name).state().status is Status.QUEUED
    return None


def pause(run: Run) -> None:
    """Pause the run: it stays in the queue, where it is."""
    ownership.check(run.path, "pause")
    run.want(want="pause", until=None)


def resume(run: Run) -> None:
    """Go on with a run, wherever it was paused, stopped or interrupted."""
    submit(run)


def step(run: Run, n: int = 1) -> None:
    """Take ``n`` more steps, then pause."""
    ownership.check(run.path, "step")
    run.want(want="run", until=run.state().step + n)


def slow(run: Run, delay: float) -> None:
    """Slow motion: ``delay`` seconds a step; 0 for full speed."""
    ownership.check(run.path, "slow down")
    run.want(delay=max(0.0, min(10.0, delay)))


def set_lr(run: Run, lr: float) -> None:
    """Change the learning rate while it runs."""
    from genmodels.hyperparameters import declared
    from genmodels.training.settings import Settings

    ownership.check(run.path, "adjust")
    run.want(lr=declared(Settings)["lr"].check(lr))


def stop(run: Run) -> None:
    """End a run here and keep it; it can be resumed."""
    ownership.check(run.path, "stop")
    _take_out(run)


def _take_out(run: Run, message: str = "") -> None:
    run.want(want="stop")
    if not run.is_held():
        inside(queue(), run.id).unlink(missing_ok=True)
        run.say(status=Status.STOPPED, message=message)


# The pool -------------------------------------------------------------------------------------------------------------


TOLD = re.compile(  # what a worker is told of the server's environment: nothing that is not known to be harmless
    r"PATH|HOME|USER|LANG|TMPDIR|TEMP|TMP|SYSTEMROOT|XDG_CACHE_HOME|LD_LIBRARY_PATH|PYTHONPATH|PYTHONUNBUFFERED"
    r"|VIRTUAL_ENV|SPACE_ID|GLIBC_TUNABLES|NVIDIA_(VISIBLE_DEVICES|DRIVER_CAPABILITIES)"
    r"|(GENMODELS|RAY|LC|OMP|MKL|ONEDNN|ATEN|KMP|CUDA|TORCH|PYTORCH|TORCHINDUCTOR)_\w+"
)
SECRET = ("TOKEN", "SECRET", "PASSWORD", "KEY", "CREDENTIAL")


class Pool:
    """The worker processes of a server; one that dies or hangs is replaced, and its runs go on in the new one."""

    def __init__(self, workers: int | None = None) -> None:
        limits.check()
        self.root = store.root()
        self.size = 1 if limits.is_on_ray() else workers or int(limit("WORKERS")) or len(devices())
        self._recover()
        self.workers = [Watched(partial(self._start, i)) for i in range(self.size)]
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._keep_alive, daemon=True)
        self._watch.start()

    def _start(self, i: int, name: str) -> subprocess.Popen[bytes]:
        most = max(1, math.ceil(min(limit("MAX_RUNS"), MANY) / self.size))
        environment = allocator.ENVIRONMENT | threads.ENVIRONMENT | told()
        environment["OMP_NUM_THREADS"] = f"{limit('THREADS'):.0f}"
        environment["GENMODELS_RUNS"] = str(self.root)
        options = ["--name", name, "--most", str(most)]
        if limits.is_on_ray():
            command = [sys.executable, "-m", "genmodels.jobs.away.outpost", *options]
        else:
            command = [sys.executable, "-m", "genmodels.jobs.worker", *options, "--of", str(self.size)]
            if (device := devices()[i % len(devices())]) is not None:
                environment["CUDA_VISIBLE_DEVICES"] = device
        return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment, cwd=Path(__file__).parents[2])

    def _keep_alive(self) -> None:
        while not self._closing.wait(EVERY):
            for worker in self.workers:
                try:
                    worker.look()
                except OSError as error:  # no process or no file can be had: later perhaps
                    print(f"a worker cannot be looked after: {error}", file=sys.stderr, flush=True)

    def _recover(self) -> None:
        """After a restart: what was being trained waits for somebody to resume it, what was queued goes on waiting."""
        pulse.forget()
        for name in waiting():
            with contextlib.suppress(BadInput):
                run = store.find(name)
                if run.is_held() or run.state().status is Status.QUEUED:  # held: by a worker of another server
                    continue
            inside(queue(), name).unlink(missing_ok=True)

    def close(self) -> None:
        """End all workers; they save what they hold."""
        self._closing.set()
        self._watch.join()
        processes = [worker.process for worker in self.workers]
        for process in processes:
            if process.stdin:
                process.stdin.close()
        for process in processes:
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:  # stopped, or in an endless step
                process.kill()
                process.wait()


def served() -> bool:
    """Whether some server's workers, of this process or of another, look after this folder of runs."""
    is_ours = _pool is not None and _pool.root == store.root()
    return is_ours or any(is_held(path) for path in pulse.folder().glob("*"))


_pool: Pool | None = None
_lock = threading.Lock()


def pool() -> Pool:
    """This server's pool, started at the first call."""
    global _pool
    with _lock:
        if _pool is None:
            _pool = Pool()
        return _pool


def alive() -> int | None:
    """How many worker processes this server has; None before it has started them."""
    return None if _pool is None else sum(worker.is_alive() for worker in _pool.workers)


def troubles() -> list[str]:
    """The troubles of this server's workers, a sentence each."""
    return [] if _pool is None else [said for worker in _pool.workers if (said := worker.trouble())]


def told() -> dict[str, str]:
    """The environment variables that a worker is started with."""
    known = {name: value for name, value in os.environ.items() if TOLD.fullmatch(name)}
    return {name: value for name, value in known.items() if not any(word in name for word in SECRET)}


def devices() -> list[str | None]:
    """The devices, one for each worker: the GPUs as CUDA names them, or None for each CPU core (torch is not imported).

    CUDA counts those that it may see, from 0, whatever number a node in /dev has: in a container that is the host's.
    """
    n, said = len(list(Path("/dev").glob("nvidia[0-9]*"))), os.environ.get("CUDA_VISIBLE_DEVICES")
    named = map(str, range(n)) if said is None else (one.strip() for one in said.split(","))
    gpus: list[str | None] = [*takewhile(lambda one: one[:1] not in ("", "-"), named)] if n else []
    return gpus or [None] * cores()

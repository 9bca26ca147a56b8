"""Tasks: what takes longer than a page may wait and is not a training. A worker does it, with progress and cancel.

A task is a generator function that yields how far it is (0 to 1) and returns arrays by name. One that takes a ``model``
(and its ``data``) is asked about a run: it is given those of that run at that step. It is a function of what it takes,
so what two visitors ask alike is computed once: the answer lies in ``runs/.tasks/<hash of the question>/``. The code of
the library and the run's weights are part of the question: of other code or other weights it is another one.
"""

import hashlib
import importlib
import inspect
import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch

from genmodels.errors import BadInput, Busy
from genmodels.files import FULL, by_age, code, held, inside, is_held, read_json, remove, write, write_json, written
from genmodels.host import ownership
from genmodels.host.limits import limit
from genmodels.jobs import pulse
from genmodels.runs import disk, store
from genmodels.runs.record import Record, Status
from genmodels.text import quoted

__all__ = ["Task", "TaskFunction", "TaskJob", "ask", "look", "named", "queue"]

Arrays = dict[str, npt.NDArray[Any]]
TaskFunction = Callable[..., Generator[float, None, Arrays]]

HOMES = (
    "genmodels.instruments.",
    "genmodels.runs.timing",
    "genmodels.experiments.measures",
    "genmodels.experiments.misprints",
    "genmodels.experiments.races.",
    "genmodels.experiments.faults",
)
"""Where the functions of tasks live: no question can name another."""

KEPT, KEPT_BYTES = 300, 2_000_000_000  # answers kept; the oldest go first
MOST_DEATHS = 2


def folder() -> Path:
    """The folder of questions and answers."""
    return store.root() / ".tasks"


def queue() -> Path:
    """The folder in which each waiting task has a file."""
    return folder() / ".queue"


@dataclass(frozen=True, kw_only=True)
class Progress(Record):
    """state.json of a task.

    Attributes:
        status: Queued, running, finished, failed or cancelled.
        progress: 0 to 1.
        message: Why there is no answer, a sentence.
        deaths: Workers that died of it.
    """

    FILE = "state.json"
    KEYS: ClassVar[Mapping[str, str]] = {"status": "state"}

    status: Status
    progress: float = 0.0
    message: str = ""
    deaths: int = 0


class Task:
    """One question and, in time, its answer; seen through its files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """The hash of the question."""
        return self.path.name

    def state(self) -> Progress:
        """How far the task is."""
        state = Progress.read(self.path)
        if state.status.is_going and not inside(queue(), self.id).exists():
            state = Progress.read(self.path)  # it may have ended between the two looks
            if state.status.is_going and not is_held(self.path):
                return replace(state, status=Status.FAILED, message="It was interrupted: compute it again.")
        return state

    def say(self, **what: Any) -> None:
        """Change fields of its :class:`Progress`."""
        old = Progress.read(self.path) if (self.path / Progress.FILE).exists() else Progress(status=Status.QUEUED)
        replace(old, **what).write(self.path, durable=False)

    @property
    def is_done(self) -> bool:
        """Whether the answer is there."""
        return self.state().status is Status.FINISHED

    def wait(self, seconds: float) -> bool:
        """Whether the answer comes within so many seconds."""
        end = time.monotonic() + seconds
        while not self.is_done and time.monotonic() < end:
            time.sleep(0.02)
        return self.is_done

    def answer(self) -> Arrays:
        """The arrays, once finished.

        Raises:
            BadInput: If there is no answer, with the reason.
        """
        if not self.is_done:
            raise BadInput(self.state().message or "This has not been computed yet.")
        with np.load(self.path / "answer.npz") as file:
            return {name: file[name] for name in file.files}

    def cancel(self) -> None:
        """Cancel the task: nobody wants it any more.

        Raises:
            BadInput: If somebody else has asked for it.
        """
        ownership.check(self.path, "cancel")
        if self.state().status.is_going:
            self.say(status=Status.CANCELLED, message="Cancelled.")
        inside(queue(), self.id).unlink(missing_ok=True)


def ask(function: TaskFunction, **arguments: Any) -> Task:
    """Ask for what ``function`` computes of ``arguments``; where it was asked before, this is that task.

    Args:
        function: A public generator function of a module in HOMES.
        arguments: JSON. Of one that takes a model of a run: ``run``, its id, ``step``, and what else it takes.

    Raises:
        BadInput: If it cannot be written down, or too many wait from where whoever acts now is.
    """
    task = look(function, **arguments)
    if task is None or task.state().status in (Status.FAILED, Status.CANCELLED):
        _forget_old()
        _let_go()
        _check_place()
        task = Task(_path(function, arguments))
        with written(task.path):
            ownership.sign(task.path)
            write_json(task.path / "task.json", {"task": named(function), "arguments": arguments}, durable=False)
            pulse.forgive(task.id)
            task.say(status=Status.QUEUED, progress=0.0, message="", deaths=0)
            write(inside(queue(), task.id), b"", durable=False)
    return task


def look(function: TaskFunction, **arguments: Any) -> Task | None:
    """The task of this question where it has been asked before, else None."""
    task = Task(_path(function, arguments))
    return task if (task.path / "state.json").exists() else None


def named(function: TaskFunction) -> str:
    """The name of a task on disk: "module:function".

    >>> from genmodels.instruments.samples import samples
    >>> named(samples)
    'genmodels.instruments.samples:samples'
    """
    return f"{function.__module__}:{function.__name__}"


def function_of(name: str) -> TaskFunction:
    """The function of a task, by the name that :func:`named` gave it.

    Raises:
        BadInput: If it is no task.
    """
    home, _, function = name.partition(":")
    if home.startswith(HOMES):
        with suppress(ModuleNotFoundError):
            module = importlib.import_module(home)
            if function in module.__all__:
                return getattr(module, function)
    raise BadInput(f"There is no computation {quoted(name)}.")


def steps_of(name: str, arguments: dict[str, Any]) -> Generator[float, None, Arrays]:
    """Run a task: yields how far it is, step by step; then its arrays."""
    function, values = function_of(name), dict(arguments)
    takes = inspect.signature(function).parameters
    if "run" in values and "run" not in takes:
        run, step = store.find(values.pop("run")), values.pop("step", None)
        yield 0.0
        values["model"] = run.model(step)
        if "data" in takes:
            values["data"] = run.data()
    return (yield from function(**values))


def _path(function: TaskFunction, arguments: dict[str, Any]) -> Path:
    weights = store.stamp(arguments["run"], arguments.get("step")) if "run" in arguments else ()
    question = {"task": named(function), "arguments": arguments, "code": code(), "weights": weights}
    return inside(folder(), hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:32])


def _forget_old() -> None:
    kept = 0
    for i, path in enumerate(reversed(by_age(folder().glob("*/state.json") if folder().exists() else ()))):
        kept += disk.taken(path.parent)
        if i >= KEPT or kept > KEPT_BYTES:
            with suppress(OSError):  # a worker is at it, or another has removed it
                remove(path.parent)


def _let_go() -> None:
    """Cancel the oldest that a visitor waits for, so that with one more it is no more than the host allows."""
    mine = by_age(path for path in _waiting() if ownership.owns(path))
    while mine and len(mine) >= limit("MAX_TASKS_A_VISITOR"):
        Task(mine.pop(0)).cancel()


def _check_place() -> None:
    """Refuse more tasks than one network address may have waiting: a browser that drops its cookie keeps it."""
    who, most = ownership.visitor(), limit("MAX_TASKS_AN_ADDRESS")
    if who.place and sum(ownership.place(path) == who.place for path in _waiting()) >= most:
        raise BadInput(f"{most:.0f} computations {who.where} wait already: wait until one of them is done.")


def _waiting() -> list[Path]:
    return [folder() / marker.name for marker in queue().glob("[0-9a-f]*")]


class TaskJob:
    """A task in a worker's hands; it takes turns with the runs."""

    heavy = False
    status = Status.RUNNING

    def __init__(self, task: Task) -> None:
        self.name, self.task, self.used, self.spent, self._said = task.id, task, 0.0, 0.0, 0.0
        self._stack = ExitStack()
        self._stack.enter_context(held(task.path))
        before = task.state()
        if not before.status.is_going:  # done by another worker a moment ago, or cancelled
            self._stack.close()
            raise Busy(f"Task {task.id} is {before.status}.")
        deaths = pulse.deaths(task.id)
        if deaths >= MOST_DEATHS:
            self._stack.close()
            raise RuntimeError(f"Its worker died {deaths} times.")
        question = read_json(task.path / "task.json")
        self.steps = steps_of(question["task"], question["arguments"])
        task.say(status=Status.RUNNING, deaths=deaths)

    def ready(self, now: float) -> bool:
        """A task is always ready."""
        return True

    def over(self) -> str | None:
        """Why the task must end now, or None."""
        if self.spent > limit("MAX_TASK_SECONDS"):
            return f"Stopped: this host gives a computation {limit('MAX_TASK_SECONDS'):.0f} seconds."
        return None if inside(queue(), self.name).exists() else "Cancelled."

    def advance(self, seconds: float) -> bool:
        """Go on for about so many seconds; False when it is done."""
        start = time.monotonic()
        spent = 0.0
        while spent < seconds:
            try:
                with torch.enable_grad():  # what a task leaves switched off is no other job's
                    progress = next(self.steps)
            except StopIteration as end:
                buffer = BytesIO()
                np.savez(buffer, **end.value)
                write(self.task.path / "answer.npz", buffer.getvalue(), durable=False)
                self.task.say(status=Status.FINISHED, progress=1.0)
                inside(queue(), self.name).unlink(missing_ok=True)
                return False
            spent = time.monotonic() - start
            if time.monotonic() - self._said > 0.2:
                self.task.say(progress=progress)
                self._said = time.monotonic()
        self.used += spent
        self.spent += spent
        return True

    def fail(self, error: Exception) -> None:
        """Write down that the task failed, and why."""
        text = str(error) if isinstance(error, BadInput) else f"{type(error).__name__}: {error}"
        if isinstance(error, OSError) and error.errno in FULL:
            text = "The disk is full: make room, then compute it again."
        with suppress(OSError):  # out of the queue and unfinished, it counts as interrupted
            self.task.say(status=Status.FAILED, message=text)

    def close(self, status: Status | None = None, message: str = "") -> None:
        """Let go of the task; interrupted, it waits for the next worker."""
        self.steps.close()
        if status is Status.INTERRUPTED:
            self.task.say(status=Status.QUEUED)
        elif status is Status.STOPPED and message != "Cancelled.":
            self.task.say(status=Status.FAILED, message=message)
        if status is not Status.INTERRUPTED:  # before anybody else can take it
            inside(queue(), self.name).unlink(missing_ok=True)
        self._stack.close()

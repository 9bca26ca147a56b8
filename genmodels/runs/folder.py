"""A run's folder as everybody reads it, whatever state it was left in: no torch, nothing kept in memory.

What a loss of power or a killed copy has damaged is skipped or told from the files beside it. The plan alone is nowhere
else: a folder without it is no run, and one whose plan cannot be read is shown as damaged.
"""

import json
import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from genmodels.errors import BadInput, Damaged
from genmodels.files import is_held, read_array, read_json, write_json
from genmodels.runs.record import CLOCK, MOST, Plan, State, Status

__all__ = ["EXACT", "Folder", "exact_step"]

EXACT = "trainer.safetensors"
MOST_SAMPLES = 64 << 20  # bytes of a file of samples


class Folder:
    """One run, seen through its files. Nothing is kept in memory, so that every reader sees the same."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """The run's id: the name of its folder."""
        return self.path.name

    @property
    def plan(self) -> Plan:
        """The run's plan, as it was asked for."""
        return Plan.read(self.path)

    @property
    def title(self) -> str:
        """The name that people see."""
        return self.plan.title

    def damage(self) -> str:
        """Why the run cannot be used, a sentence; "" where it can."""
        try:
            Plan.read(self.path), self.said()
        except BadInput as error:
            return str(error)
        return ""

    # Where it is --------------------------------------------------------------------------------------------------

    def said(self) -> State:
        """The state that the run last wrote down; where that file is damaged, the one of its exact state.

        Raises:
            Damaged: If nothing says so.
        """
        try:
            return State.read(self.path)
        except BadInput:
            plan = Plan.read(self.path)  # of a run that is gone, this says so
            if plan.origin:
                raise Damaged(f"Run {self.id} is damaged: pull it again from {plan.origin.name}.") from None
        step = exact_step(self.path)
        if step is None:
            step = plan.parent.step if plan.parent else 0
        message = f"{State.FILE} was damaged; Resume goes on from step {step}, the last one saved."
        return State(status=Status.INTERRUPTED, step=step, message=message)

    def state(self) -> State:
        """The run's state now: one that says it runs though nobody works on it was interrupted."""
        state = self.said()
        if state.status.is_held and not self.is_held():
            state = self.said()  # it may have ended between the two looks
            if state.status.is_held:
                message = f"Its worker ended at step {state.step} or later; Resume goes on."
                return replace(state, status=Status.INTERRUPTED, message=message)
        return state

    def say(self, *, durable: bool = True, **what: Any) -> None:
        """Change fields of its :class:`genmodels.runs.record.State`."""
        is_new = not (self.path / Plan.FILE).exists() and not (self.path / State.FILE).exists()
        old = State(status=Status.STOPPED) if is_new else self.said()
        replace(old, **what, heartbeat=time.time()).write(self.path, durable=durable)

    def is_held(self) -> bool:
        """Whether some process is working on the run."""
        return is_held(self.path)

    # What people want of it ---------------------------------------------------------------------------------------

    def control(self) -> dict[str, Any]:
        """The wishes of people for the run: ``want``, ``until``, ``delay``, ``lr``; what makes no sense is left out."""
        with suppress(BadInput):
            raw = read_json(self.path / "control.json")
            if isinstance(raw, dict):
                return {"want": "run"} | {name: raw[name] for name, fits in WISHES.items() if fits(raw.get(name))}
        return {"want": "run"}

    def want(self, **wishes: Any) -> None:
        """Ask something of the run: ``want`` = run | pause | stop, ``until`` a step, ``delay`` seconds a step, ``lr``.

        Raises:
            BadInput: If it is gone.
        """
        if not self.path.is_dir():
            raise BadInput(f"Run {self.id} is gone: it was deleted.")
        write_json(self.path / "control.json", self.control() | wishes, durable=False)

    def seen(self) -> None:
        """Note that a page is showing the run."""
        with suppress(OSError):  # deleted a moment ago; or nothing can be written here, and so nothing is trained
            if self.path.is_dir():
                (self.path / ".seen").touch()

    def unseen(self) -> float:
        """Seconds since a page has last shown it; 0 where none ever has (a command line's run)."""
        try:
            return max(0.0, time.time() - (self.path / ".seen").stat().st_mtime)
        except OSError:
            return 0.0

    # What it has learned ------------------------------------------------------------------------------------------

    def metrics(self) -> list[dict[str, float]]:
        """The logged steps so far; a line still being written is left for next time, a damaged one for good."""
        try:
            lines = (self.path / "metrics.jsonl").read_bytes().split(b"\n")[:-1]
        except OSError:
            return []
        return [row for line in lines if (row := _row(line)) is not None]

    def snapshots(self) -> list[int]:
        """The steps that can be gone back to, rising; where it finished, its newest weights are the last of them."""
        return self._moments("model.safetensors")

    def frames(self) -> list[int]:
        """The steps of its film, rising: :meth:`snapshots`, and those of which only what it drew was kept."""
        return self._moments("model.safetensors", "samples.npy")

    def _moments(self, *files: str) -> list[int]:
        """The steps in whose folder there is one of these files, and the last where it finished; rising."""
        steps = set()
        with suppress(OSError), os.scandir(self.path / "snapshots") as entries:
            for entry in entries:
                name = entry.name
                is_step = name.isascii() and name.isdigit() and len(name) < 16 and name == str(int(name))
                if is_step and any(_filled(entry, file) for file in files):
                    steps.add(int(name))
        with suppress(BadInput):  # just deleted
            if (state := self.said()).status is Status.FINISHED:
                steps.add(state.step)
        return sorted(steps)

    def folder(self, step: int | None = None) -> Path:
        """The folder of the weights at ``step`` (None: the newest).

        Raises:
            BadInput: If there is no snapshot of that step, or only what the model drew at it.
        """
        if step is None:
            has_newest = (self.path / "model.safetensors").exists()
            return self.path if has_newest else self.folder(max(self.snapshots(), default=0))
        if step not in (steps := self.snapshots()):
            drew = step in self.frames()
            what, known = ("only what it drew at", "weights it has of") if drew else ("no snapshot of", "it has")
            raise BadInput(f"Run {self.id} has {what} step {step}: {known} {steps or 'none yet'}.")
        past = self.path / "snapshots" / str(step)
        return past if past.exists() else self.path

    def samples(self, step: int | None = None) -> npt.NDArray[np.float32] | None:
        """The model's samples at ``step`` (None: newest), from always the same noise; None where there is nothing."""
        alone = self.path / "snapshots" / str(step) / "samples.npy"  # its weights may not have been kept
        path = alone if step is not None and alone.exists() else self.folder(step) / "samples.npy"
        try:
            x: npt.NDArray[Any] = read_array(path) if path.stat().st_size <= MOST_SAMPLES else np.empty(0)
        except (BadInput, OSError):
            return None
        if x.ndim == 4 and x.shape[1] not in (1, 3):
            return None
        if x.ndim == 4 and x.size and x.dtype == np.uint8:  # grey levels of images, as a checkpoint keeps them
            return x.astype(np.float32) / np.float32(255)
        return x.astype(np.float32) if x.ndim in (2, 4) and x.dtype.kind == "f" and x.size else None


def exact_step(folder: Path) -> int | None:
    """The step of the exact state in a run's ``folder``; None where there is none.

    Raises:
        Damaged: If it is not what it should be.
    """
    if not (folder / EXACT).exists():
        return None
    try:
        with safe_open(folder / EXACT, framework="np") as file:
            return int(json.loads(file.metadata()["numbers"])["step"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise Damaged(f"{folder / EXACT} is damaged: fork the run from its last snapshot to go on.") from None


def _filled(folder: os.DirEntry[str], file: str) -> bool:
    """Whether the folder holds this file, and something in it."""
    try:
        return os.stat(f"{folder.path}/{file}").st_size > 0
    except OSError:
        return False


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e300


WISHES: dict[str, Any] = {
    "want": lambda value: value in ("run", "pause", "stop"),
    "until": lambda value: type(value) is int,
    "delay": lambda value: _is_number(value) and 0 <= value <= 10,
    "lr": lambda value: _is_number(value) and 0 < value <= 1,
}
"""What people may want, and which values make sense."""


def _row(line: bytes) -> dict[str, float] | None:
    """A line of metrics.jsonl: terms, NaN where a training failed, and when they were; None where it is damaged."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or not all(type(value) is float or _is_number(value) for value in row.values()):
        return None
    timed = all(_is_number(row.get(name)) and row[name] >= 0 for name in CLOCK)
    return row if timed and type(row["step"]) is int and row["step"] <= MOST else None

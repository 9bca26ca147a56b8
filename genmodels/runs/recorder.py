"""A training written down as it happens: the one writer of a run's directory.

Whatever happens (the end, a stop, a NaN, a full disk, a crash in a model), the run keeps what it had and says in words
what happened. Killed without warning, it loses at most the steps since the last save, and does them again exactly.
"""

import copy
import json
import os
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from genmodels import random
from genmodels.errors import BadInput, Busy, Damaged, TrainingFailed
from genmodels.files import FULL, append, held, sync, tidy, write
from genmodels.models.base import half, load
from genmodels.runs.folder import EXACT, exact_step
from genmodels.runs.record import Status
from genmodels.runs.run import Run
from genmodels.training import exact
from genmodels.training.loop import Step, fit

__all__ = ["Recording", "moments"]

MOST_SNAPSHOTS, MOST_BYTES = 32, 200_000_000
PREVIEW = {True: 16, False: 1000}  # images, or points of the plane
RESERVE = 1 << 16  # bytes set aside in a run, given up when the disk is full so that the reason can still be written


def moments(total: int, most: int = MOST_SNAPSHOTS) -> list[int]:
    """The steps of which a snapshot is kept: the first, the last, and geometrically between, ``most`` at the most."""
    between = [round(total ** (i / max(1, most - 2))) for i in range(most - 1)]
    return sorted({0, *between, total})


def _is_whole(folder: Path) -> bool:
    """Whether there are weights that can be read: a loss of power may have emptied them."""
    try:
        load(folder)
    except BadInput:
        return False
    return True


class Recording:
    """Trains ``run`` from where it was to its end, and writes it down.

    Args:
        run: The run; this process becomes the one that writes it, until :meth:`close`.
        device: Where to train; the plan's device otherwise.
        rank: Which of ``world`` processes this is; only process 0 writes.
        world: How many processes train this run together.
        save_every: Seconds between two saves of the exact state.

    Raises:
        Busy: If another process is training it.
    """

    def __init__(
        self, run: Run, *, device: str | None = None, rank: int = 0, world: int = 1, save_every: float = 15.0
    ) -> None:
        self.run, self.writes, self.save_every, self.failed = run, rank == 0, save_every, False
        self._stack = ExitStack()
        if self.writes:
            try:
                self._stack.enter_context(held(run.path))
            except BlockingIOError:
                raise Busy(f"Run {run.id} is being trained by another process.") from None
        try:
            self.training = run.training(device=device, rank=rank, world=world)
            self._restore()
        except BaseException as error:
            self.fail(error)
            raise
        size = sum(v.numel() * 2 for v in self.training.weights().values())
        self._moments = set(moments(self.training.total, max(3, min(MOST_SNAPSHOTS, MOST_BYTES // max(size, 1)))))
        self._watched = copy.deepcopy(self.training.model).eval()  # what previews are drawn from
        self._watched.precision = self.training.precision
        self._saved = self._shown = time.monotonic()
        self._cost = 0.0
        self.saved_step = self.training.step_  # the step of the exact state on the disk
        self._young: list[Path] = []  # snapshots that may not be on the disk yet

    def steps(self) -> Iterator[Step]:
        """Train to the end; pausing is not asking for the next step.

        Raises:
            TrainingFailed: If it cannot go on; the run says why, and keeps what it had.
        """
        try:
            self._begin()
            for step in fit(self.training):
                self._write(step)
                yield step
            self.save(status=Status.FINISHED, message="")
        except Exception as error:
            self.fail(error)
            if isinstance(error, OSError):
                raise TrainingFailed(self.run.state().message) from error
            raise

    def save(self, **said: Any) -> None:
        """Write the exact state, the newest weights, and where the run is (``said``: beside, of its State)."""
        if not self.writes:
            return
        start = time.monotonic()
        self._refuse_nan()
        tensors, numbers = exact.state(self.training)
        self._settle()
        write(self.run.path / EXACT, save(tensors, {"numbers": json.dumps(numbers)}))
        self._show(durable="status" in said)
        self.run.say(step=self.training.step_, seconds=self.training.seconds, **said)
        self._saved, self.saved_step = time.monotonic(), self.training.step_
        self._cost = self._saved - start

    def close(self, status: Status | None = None, message: str = "") -> None:
        """Let go of the run, saving it first as ``status`` where it did not end by itself."""
        try:
            if status is not None and self.writes:
                self.save(status=status, message=message)
        except (OSError, TrainingFailed) as error:
            self.fail(error)
        finally:
            self._stack.close()

    # Writing ------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        if not self.writes:
            return
        training = self.training
        for folder in (self.run.path, *self.run.path.glob("snapshots/*")):
            tidy(folder)
        write(self.run.path / ".reserve", bytes(RESERVE))
        self._forget_after(training.step_)
        begin = self.run.path / "snapshots" / str(training.step_)
        if not _is_whole(begin):
            if training.step_ in self._moments:
                self._snapshot()
        elif self.run.samples(training.step_) is None:  # a fork's own beginning
            self._preview(begin)
            self._young.append(begin)
        now: dict[str, Any] = {"step": training.step_, "total": training.total, "precision": training.precision}
        self.run.say(status=Status.RUNNING, pid=os.getpid(), message="", started=time.time(), **now)

    def _write(self, step: Step) -> None:
        if not self.writes:
            return
        if step.terms is not None:
            line = {"step": step.step, "epoch": step.epoch, "images": step.images, "seconds": round(step.seconds, 4)}
            append(self.run.path / "metrics.jsonl", (json.dumps(line | step.terms) + "\n").encode())
        if step.step in self._moments:
            self._snapshot()
        now = time.monotonic()
        if now - self._saved > max(self.save_every, 30 * self._cost):
            self.save()
        elif now - self._shown > max(1.0, 10 * self._cost) or self.training.closely:
            self._refuse_nan()
            self._show()
            self.run.say(durable=False, step=step.step, epoch=step.epoch, seconds=step.seconds)

    def _snapshot(self) -> None:
        self._refuse_nan()
        folder = self.run.path / "snapshots" / str(self.training.step_)
        self._preview(folder)
        self.training.model.save(folder, weights=half(self.training.weights()), durable=False)
        self._young.append(folder)

    def _settle(self) -> None:
        """Sync curve and snapshots to disk before the exact state that relies on them: resumed, it makes none again."""
        for folder in self._young:
            for file in folder.iterdir():
                sync(file)
            sync(folder)
            sync(folder.parent)
        self._young.clear()
        if (curve := self.run.path / "metrics.jsonl").exists():
            sync(curve)

    def _show(self, *, durable: bool = False) -> None:
        """The newest weights and samples, for whoever is watching."""
        self._preview(self.run.path, durable=durable)
        self.training.model.save(self.run.path, weights=self.training.weights(), durable=durable)
        self._shown = time.monotonic()

    def _preview(self, folder: Path, *, durable: bool = False) -> None:
        """Samples from the same noise every time; of a model with labels, of each label in turn."""
        model, n = self._watched, PREVIEW[self._watched.is_image]
        model.load_state_dict(self.training.weights())
        y = torch.arange(n, device=model.device) % classes if (classes := model.config.get("classes", 0)) else None
        x = model.sample(n, y=y, rng=random.generator(0, model.device))
        buffer = BytesIO()
        np.save(buffer, x.clamp(-60_000, 60_000).cpu().numpy().astype(np.float16))
        write(folder / "samples.npy", buffer.getvalue(), durable=durable)

    def _refuse_nan(self) -> None:
        """Weights that are not finite are never written."""
        state = self.training.model.state_dict()
        bad = [name for name, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
        if bad:
            self.training.check()  # names the term and the step, where a term shows it
            raise TrainingFailed(f"The weights {bad[0]} are no longer finite at step {self.training.step_}.")

    def _forget_after(self, step: int) -> None:
        """Drop the lines of metrics.jsonl that are about to be made again, and those that are damaged."""
        kept = [row for row in self.run.metrics() if row["step"] <= step]
        write(self.run.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in kept).encode())

    def _restore(self) -> None:
        if exact_step(self.run.path) is None:
            return
        try:
            with safe_open(self.run.path / EXACT, framework="pt") as file:
                numbers = json.loads(file.metadata()["numbers"])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            exact.restore(self.training, tensors, numbers)
            if not 0 <= self.training.step_ <= self.training.total:
                raise ValueError(self.training.step_)
        except (SafetensorError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError):
            raise Damaged(
                f"{EXACT} of run {self.run.id} is damaged, or of another training than run.json: fork the run from its "
                "last snapshot to go on."
            ) from None

    def fail(self, error: BaseException) -> None:
        """Say in the run what happened, even on a full disk."""
        self.failed = True
        if not self.writes:
            return
        try:
            self._say_why(error)
        except OSError as refused:  # a disk that takes nothing at all: whoever reads the log is told
            print(f"{self.run.id}: {error} (and this could not be kept: {refused})", file=sys.stderr, flush=True)

    def _say_why(self, error: BaseException) -> None:
        (self.run.path / ".reserve").unlink(missing_ok=True)
        kept = max(self.run.snapshots(), default=None)
        tail = "" if kept is None else f" The snapshots up to step {kept} are kept."
        match error:
            case TrainingFailed() | BadInput():
                message = str(error)
            case OSError(errno=code) if code in FULL:
                message = "The disk is full: make room, then resume."
            case OSError():
                message = f"The system refused {Path(str(error.filename or 'a file')).name}: {error.strerror or error}."
            case torch.OutOfMemoryError() | MemoryError():
                message = "The device is out of memory: use a smaller batch or a smaller model."
            case RuntimeError() if "can't allocate memory" in str(error):  # torch's words on the CPU
                message = "The device is out of memory: use a smaller batch or a smaller model."
            case _:
                message = f"The model's code failed with {type(error).__name__}: {error}"
                write(self.run.path / "error.log", "".join(traceback.format_exception(error)).encode(), durable=False)
        self.run.say(status=Status.FAILED, message=message + tail, durable=False)

"""A run is a directory, written by one process and read by many.

::

    runs/<id>/
      run.json             the plan: model, arguments, data, settings, versions, parent; only its title may change
      state.json           where it is: queued, running, paused, finished, stopped, failed; step, heartbeat, message
      control.json         what people want: run, pause or stop; until which step; how slowly; which learning rate
      metrics.jsonl        one line a logged step: step, epoch, seconds, images, every term
      snapshots/<step>/    config.json, model.safetensors (half precision): any past moment can be asked anything;
                           samples.npy: what it drew from always the same noise; a shipped run lacks its last step's
      config.json, model.safetensors, samples.npy    the newest weights: what the Hub gets
      trainer.safetensors  the exact state, to go on bit for bit

Whoever writes holds the lock on ``.lock``; the system releases it when that process ends, however it ends. So a run
that says "running" while nobody holds its lock was interrupted, and anybody may take it up again.
"""

import json
import math
import platform
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from genmodels import __version__
from genmodels.data import datasets
from genmodels.data.mnist import Progress
from genmodels.errors import BadInput
from genmodels.files import inside, is_held, read_json, root, write_json
from genmodels.host import ownership
from genmodels.models.base import GenerativeModel, build, check_size, half, load
from genmodels.text import titled
from genmodels.training import distributed
from genmodels.training.loop import Training
from genmodels.training.settings import Settings

__all__ = ["CHECKPOINTS", "Run", "bundled", "create", "every", "find", "fork", "root"]

CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"


class Run:
    """One run, seen through its files. Nothing is kept in memory, so that every reader sees the same."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.path.name

    @property
    def plan(self) -> dict[str, Any]:
        """run.json: what was asked for."""
        return read_json(self.path / "run.json")

    @property
    def is_bundled(self) -> bool:
        """Whether it ships with the library."""
        return self.path.parent == CHECKPOINTS

    @property
    def title(self) -> str:
        """The name that people see."""
        return self.plan["title"]

    def rename(self, title: str) -> None:
        """Give it another name for people.

        Raises:
            BadInput: If it is somebody else's.
        """
        ownership.check(self.path, "rename")
        write_json(self.path / "run.json", self.plan | {"title": titled(title)})

    def state(self) -> dict[str, Any]:
        """state.json; a run that nobody is working on though it says so is "interrupted"."""
        state = read_json(self.path / "state.json")
        if state["state"] in ("running", "paused") and not self.is_held():
            state = read_json(self.path / "state.json")  # it may have ended between the two looks
            if state["state"] in ("running", "paused"):
                message = f"Its worker ended at step {state['step']} or later; Resume goes on."
                state |= {"state": "interrupted", "message": message}
        return state

    def say(self, *, durable: bool = True, **what: Any) -> None:
        """Update state.json."""
        state = read_json(self.path / "state.json") if (self.path / "state.json").exists() else {}
        write_json(self.path / "state.json", state | what | {"heartbeat": time.time()}, durable=durable)

    def control(self) -> dict[str, Any]:
        """What people want of it."""
        try:
            return read_json(self.path / "control.json")
        except BadInput:
            return {"want": "run"}

    def want(self, **wishes: Any) -> None:
        """Ask for something: ``want`` = run | pause | stop, ``until`` a step, ``delay`` seconds a step, ``lr``."""
        write_json(self.path / "control.json", self.control() | wishes, durable=False)

    def metrics(self) -> list[dict[str, float]]:
        """The logged steps so far; a line still being written is left for next time."""
        try:
            lines = (self.path / "metrics.jsonl").read_text().split("\n")[:-1]
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in lines]

    def snapshots(self) -> list[int]:
        """The steps that can be gone back to, rising; where it finished, its newest weights are the last of them."""
        steps = {int(p.parent.name) for p in (self.path / "snapshots").glob("[0-9]*/model.safetensors")}
        with suppress(BadInput):  # just deleted
            if (state := read_json(self.path / "state.json"))["state"] == "finished":
                steps.add(state["step"])
        return sorted(steps)

    def folder(self, step: int | None = None) -> Path:
        """Where the weights at ``step`` are (None: the newest).

        Raises:
            BadInput: If there is no snapshot of that step.
        """
        if step is None:
            return self.path if (self.path / "model.safetensors").exists() else self.folder(0)
        if step not in self.snapshots():
            raise BadInput(f"Run {self.id} has no snapshot of step {step}: it has {self.snapshots() or 'none yet'}.")
        past = self.path / "snapshots" / str(step)
        return past if past.exists() else self.path

    def model(self, step: int | None = None, *, device: torch.device | str = "cpu") -> GenerativeModel:
        """The model as it was at ``step`` (None: the newest)."""
        return load(self.folder(step), device=device)

    def samples(self, step: int | None = None) -> npt.NDArray[np.float32] | None:
        """What the model drew at ``step`` (None: newest) from always the same noise; None before it drew anything."""
        path = self.folder(step) / "samples.npy"
        return np.load(path).astype(np.float32) if path.exists() else None

    def data(self, device: torch.device | str = "cpu", *, progress: Progress | None = None) -> datasets.Data:
        """The data it learns from, downloaded first where need be."""
        plan = self.plan
        return datasets.load(plan["data"], plan.get("data_arguments"), device=device, progress=progress)

    def training(self, *, device: torch.device | str | None = None, rank: int = 0, world: int = 1) -> Training:
        """The training as planned, at its very beginning."""
        plan = self.plan
        settings = Settings.of(plan["settings"])
        device = distributed.device(str(device or plan["device"]))
        data = self.data(device, progress=lambda done, text: self.say(durable=False, message=f"{text}: {done:.0%}"))
        torch.manual_seed(settings.seed)  # the initial weights
        model = build({"model": plan["model"], "shape": list(data.shape), **plan["arguments"]})
        if parent := plan.get("parent"):
            model.load_state_dict(load(self.folder(parent["step"])).state_dict())
        training = Training(model, data, settings, device=device, rank=rank, world=world)
        training.step_ = parent["step"] if parent else 0
        return training

    def seen(self) -> None:
        """A page is showing it."""
        (self.path / ".seen").touch()

    def unseen(self) -> float:
        """Seconds since a page has last shown it; 0 where none ever has (a command line's run)."""
        try:
            return time.time() - (self.path / ".seen").stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def is_held(self) -> bool:
        """Whether some process is working on it."""
        return is_held(self.path)

    def delete(self) -> None:
        """Remove it and everything it holds.

        Raises:
            BadInput: If it is still being worked on, or somebody else's.
        """
        ownership.check(self.path, "delete")
        if self.is_bundled:
            raise BadInput(f"{self.id} ships with the app and stays: fork it to change something.")
        if self.is_held():
            raise BadInput(f"Run {self.id} is still being trained: stop it first.")
        shutil.rmtree(self.path)


def create(
    model: str,
    data: str,
    *,
    arguments: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    data_arguments: dict[str, Any] | None = None,
    title: str = "",
    device: str = "auto",
    folder: Path | None = None,
    parent: dict[str, Any] | None = None,
) -> Run:
    """Make a new run; everything is checked before anything is written.

    Args:
        model: A name of MODELS.
        data: A name of DATASETS.
        arguments: The model's hyperparameters, where they are not the defaults.
        settings: The training's, where they are not the model's ``defaults`` or the common ones.
        data_arguments: What the data set needs to be made again (the strokes of a drawing).
        title: A name for people.
        device: Where it is to be trained; "auto" is the GPU where there is one.
        folder: Where to put it; a new folder of :func:`root` otherwise.
        parent: {"run", "step"} of the run that this is a fork of.

    Raises:
        BadInput: If anything is wrong.
    """
    data_arguments = datasets.checked(data, data_arguments)
    shape = datasets.DATASETS[data].shape
    config = {"model": model, "shape": list(shape), **(arguments or {})}
    check_size(config)
    built = build(config)
    chosen = Settings.of({**built.defaults, **(settings or {})})
    if (classes := built.config.get("classes", 0)) not in (0, has := len(datasets.DATASETS[data].classes)):
        raise BadInput(f"classes = {classes} does not suit {data}, which has {has}: it is that many, or 0 for none.")
    name = f"{model}-{data}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    run = Run(folder or inside(root(), name))
    if run.path.exists() and any(run.path.iterdir()):
        raise BadInput(f"{run.path} is not empty: choose a new folder for a new run.")
    plan = {
        "title": titled(title or f"{model} on {data}"),
        "model": model,
        "arguments": {name: value for name, value in built.config.items() if name != "shape"},
        "data": data,
        "data_arguments": data_arguments,
        "settings": asdict(chosen),
        "device": device,
        "heavy": math.prod(shape) >= 784 and any(isinstance(part, nn.Conv2d) for part in built.modules()),
        "parent": parent,
        "created": time.time(),
        "versions": {"genmodels": __version__, "torch": torch.__version__, "python": platform.python_version()},
    }
    run.path.mkdir(parents=True, exist_ok=True)
    ownership.sign(run.path)
    run.say(state="stopped", step=parent["step"] if parent else 0, message="Not started yet.")
    write_json(run.path / "run.json", plan)
    return run


def fork(
    parent: Run,
    step: int,
    *,
    arguments: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    title: str = "",
) -> Run:
    """A new run that goes on from ``step`` of ``parent`` with something changed.

    Raises:
        BadInput: If there is no such snapshot, the change needs other weights than the parent has, or no step is left.
    """
    old, plan, changed = load(parent.folder(step)), parent.plan, settings or {}
    arguments = plan["arguments"] | (arguments or {})
    settings = plan["settings"] | changed
    if "steps" not in changed:
        total = parent.state().get("total") or parent.training().total
        settings["steps"] = 0 if "epochs" in changed else total if step < total else step + total
    config = {"model": plan["model"], "shape": list(old.shape), **arguments}
    check_size(config)
    new = build(config)
    if {k: v.shape for k, v in old.state_dict().items()} != {k: v.shape for k, v in new.state_dict().items()}:
        raise BadInput("A fork keeps its parent's weights: change only what leaves the networks as they are.")
    if (total := settings["steps"] or Training(new, parent.data(), Settings.of(settings)).total) <= step:
        raise BadInput(f"{total} steps would end before step {step}, where the fork begins: give it more.")
    run = create(
        plan["model"],
        plan["data"],
        arguments=arguments,
        settings=settings,
        data_arguments=plan.get("data_arguments"),
        title=title or f"{plan['title']}, fork at {step}",
        device=plan["device"],
        parent={"run": parent.id, "step": step},
    )
    new.load_state_dict(old.state_dict())
    new.save(run.path / "snapshots" / str(step), weights=half(new.state_dict()))
    return run


def find(name: str) -> Run:
    """The run ``name`` in the runs' folder, or the checkpoint of that name that ships with the library.

    Raises:
        BadInput: If the name could leave the folder, or there is no such run.
    """
    for folder in (root(), CHECKPOINTS):
        run = Run(inside(folder, name))
        if (run.path / "run.json").exists():
            return run
    raise BadInput(f"There is no run {name!r}: `python -m genmodels runs` lists them.")


def bundled() -> list[Run]:
    """The finished runs that ship with the library, to look at and to fork; those with a past to be seen come first."""
    folders = [path.parent for path in sorted(CHECKPOINTS.glob("*/run.json"))]
    return [Run(path) for path in sorted(folders, key=lambda path: not (path / "snapshots").is_dir())]


def every() -> list[Run]:
    """All runs, the newest first."""
    runs = [Run(path.parent) for path in root().glob("*/run.json")]
    return sorted(runs, key=lambda run: run.plan["created"], reverse=True)

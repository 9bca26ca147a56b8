"""All runs: made, forked, found. A run is a directory, written by one process and read by many.

::

    runs/<id>/
      run.json, state.json    what was asked for, and where it is: see :mod:`genmodels.runs.record`
      control.json         what people want: run, pause or stop; until which step; how slowly; which learning rate
      metrics.jsonl        one line a logged step: step, epoch, seconds, images, every term
      snapshots/<step>/    config.json, model.safetensors (half precision): any past moment can be asked anything;
                           samples.npy: what it drew from always the same noise. A shipped run lacks its last step's,
                           and of many steps the weights; images are bytes in it, 255 for 1
      config.json, model.safetensors, samples.npy    the newest weights: what the Hub gets
      trainer.safetensors  the exact state, to go on bit for bit

Whoever writes holds the lock on ``.lock``; the system releases it when that process ends, however it ends. So a run
that says "running" while nobody holds its lock was interrupted, and anybody may take it up again.
"""

import functools
import json
import math
import platform
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from genmodels import __version__
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.files import CHECKPOINTS, inside, make, root, written
from genmodels.host import ownership
from genmodels.host.limits import limit
from genmodels.models.base import GenerativeModel, build, half, load, outline
from genmodels.runs.record import Parent, Plan, Status
from genmodels.runs.run import Run
from genmodels.text import quoted, titled
from genmodels.training.batches import check_rows
from genmodels.training.loop import Training
from genmodels.training.settings import Settings

__all__ = [
    "CHECKPOINTS",
    "Known",
    "Run",
    "asked",
    "bundled",
    "check_size",
    "create",
    "damaged",
    "every",
    "find",
    "fork",
    "known",
    "like",
    "made",
    "planned",
    "root",
    "stamp",
]

Known = dict[str, list[Run]]

HELD = (Status.STOPPED, Status.INTERRUPTED)
"""Of a run that can be gone on with, and that nobody trains."""


def stamp(run: str, step: int | None = None) -> tuple[int, ...]:
    """Since when the weights of a run at a step are there, and their size: others are another model. () without any."""
    try:
        status = (find(run).folder(step) / "model.safetensors").stat()
    except (BadInput, OSError):
        return ()
    return status.st_mtime_ns, status.st_size


def create(
    model: str, data: str, *, folder: Path | None = None, start: GenerativeModel | None = None, **asked: Any
) -> Run:
    """Make a new run; everything is checked before anything is written.

    Args:
        model: A name of MODELS.
        data: A name of DATASETS.
        folder: Where to put it; a new folder of :func:`root` otherwise.
        start: Whose weights to begin with, of a fork.
        asked: What else there is to be said of it: see :func:`planned`.

    Raises:
        BadInput: If anything is wrong.
    """
    plan = planned(model, data, **asked)
    parent = plan.parent
    name = f"{model}-{data}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    run = Run(folder or inside(root(), name))
    if run.path.exists() and any(run.path.iterdir()):
        raise BadInput(f"{run.path} is not empty: choose a new folder for a new run.")
    with written(run.path):
        make(run.path)
        ownership.sign(run.path)
        run.say(status=Status.STOPPED, step=parent.step if parent else 0, message="Not started yet.")
        if parent and start is not None:
            built = build({"model": model, "shape": list(start.shape), **plan.arguments})
            built.label_shares = start.label_shares
            built.save(run.path / "snapshots" / str(parent.step), weights=half(start.state_dict()))
        plan.write(run.path)  # last: from now on it is a run
    return run


def planned(
    model: str,
    data: str,
    *,
    arguments: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    data_arguments: dict[str, Any] | None = None,
    title: str = "",
    device: str = "auto",
    parent: Parent | None = None,
) -> Plan:
    """The plan of the run that :func:`create` would make of this: checked, and every default filled in.

    Args:
        model: A name of MODELS.
        data: A name of DATASETS.
        arguments: The model's hyperparameters, where they are not the defaults.
        settings: The training's, where they are not the model's ``defaults`` or the common ones.
        data_arguments: What the data set needs to be made again (the strokes of a drawing).
        title: A name for people.
        device: Where it is to be trained; "auto" is the GPU where there is one.
        parent: What it is a fork of.

    Raises:
        BadInput: If anything is wrong.
    """
    data_arguments = datasets.checked(data, data_arguments)
    of_data = datasets.DATASETS[data]
    shape = of_data.shape
    config = {"model": model, "shape": list(shape), **(arguments or {})}
    built = _outlined(json.dumps(config, sort_keys=True, default=repr))
    _check_size(built)
    built.check_levels(2 if of_data.grey else of_data.levels)  # drawn in black and white, whatever grey they are of
    chosen = Settings.of({**built.defaults, **(settings or {})})
    check_rows(built, chosen.batch_size)
    if (classes := built.config.get("classes", 0)) not in (0, has := len(of_data.classes)):
        raise BadInput(f"classes = {classes} does not suit {data}, which has {has}: it is that many, or 0 for none.")
    return Plan(
        title=titled(title or f"{model} on {data}"),
        model=model,
        arguments={name: value for name, value in built.config.items() if name != "shape"},
        data=data,
        data_arguments=data_arguments,
        settings=asdict(chosen),
        device=device,
        heavy=math.prod(shape) >= 784 and any(isinstance(part, nn.Conv2d) for part in built.modules()),
        parent=parent,
        created=time.time(),
        versions={"genmodels": __version__, "torch": str(torch.__version__), "python": platform.python_version()},
    )


def like(
    plan: Plan, *, arguments: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **asked: Any
) -> dict[str, Any]:
    """What :func:`create` takes to make a run that is asked for as in ``plan``, but for what is changed.

    Args:
        plan: Of another run. Its device and its parent are not taken over.
        arguments: Hyperparameters of the model that are others.
        settings: Of the training.
        asked: What else :func:`planned` takes, in the place of the plan's.
    """
    shared = {"model": plan.model, "data": plan.data, "data_arguments": plan.data_arguments}
    changed = {"arguments": plan.arguments | (arguments or {}), "settings": plan.settings | (settings or {})}
    return shared | changed | asked


def known() -> Known:
    """All runs, by what they were asked for (:func:`asked`); those that are furthest first."""
    order = (Status.FINISHED, Status.RUNNING, Status.PAUSED, Status.QUEUED, *HELD)
    runs: dict[str, list[tuple[int, Run]]] = {}
    for run in every():
        with suppress(BadInput):  # deleted in this instant
            status = run.state().status
            place = order.index(status) if status in order else len(order)
            runs.setdefault(asked(run.plan), []).append((place, run))
    return {what: [run for _, run in sorted(found, key=lambda one: one[0])] for what, found in runs.items()}


def made(plan: Plan, among: Known) -> Run | None:
    """The run of this very plan that is done, else on its way, else may be gone on with; None where there is none."""
    for run in among.get(asked(plan), []):
        if (status := run.state().status).is_well or (status in HELD and ownership.may(run.path)):
            return run
    return None


def asked(plan: Plan) -> str:
    """All that makes a run what it is: two plans of the same text train the same, whatever their titles."""
    what = (plan.model, plan.arguments, plan.data, plan.data_arguments, plan.settings, plan.device)
    return json.dumps([*what, plan.parent and asdict(plan.parent)], sort_keys=True)


def check_size(config: Mapping[str, Any]) -> None:
    """Refuse a model larger than this host allows, as ``config`` describes it; it is not built for that.

    Raises:
        BadInput: If it is, or ``config`` describes no model.
    """
    _check_size(outline(config))


@functools.lru_cache(maxsize=64)
def _outlined(config: str) -> GenerativeModel:
    """:func:`outline`, once for a class that presses Train on the same settings."""
    return outline(json.loads(config))


def _check_size(model: GenerativeModel) -> None:
    parameters, most = sum(v.numel() for v in model.state_dict().values()), limit("MAX_PARAMETERS")
    if parameters > most:
        raise BadInput(
            f"This model has {parameters / 1e6:,.1f} million parameters: this host allows {most / 1e6:,.1f} million."
        )


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
    old, plan, given = load(parent.folder(step)), parent.plan, settings or {}
    arguments = plan.arguments | (arguments or {})
    settings = plan.settings | given
    if "steps" not in given:
        total = parent.state().total or parent.training().total
        settings["steps"] = 0 if "epochs" in given else total if step < total else step + total
    config = {"model": plan.model, "shape": list(old.shape), **arguments}
    check_size(config)
    new = build(config)
    if {k: v.shape for k, v in old.state_dict().items()} != {k: v.shape for k, v in new.state_dict().items()}:
        raise BadInput("A fork keeps its parent's weights: you can change anything but the networks' architecture.")
    if (total := settings["steps"] or Training(new, parent.data(), Settings.of(settings)).total) <= step:
        raise BadInput(f"{total} steps would end before step {step}, where the fork begins: give it more.")
    asked = like(plan, arguments=arguments, settings=settings, title=title or f"{plan.title}, fork at {step}")
    return create(**asked, device=plan.device, parent=Parent(run=parent.id, step=step), start=old)


def find(name: str) -> Run:
    """The run ``name`` in the runs' folder, or the checkpoint of that name that ships with the library.

    Raises:
        BadInput: If the name could leave the folder, or there is no such run.
    """
    for folder in (root(), CHECKPOINTS):
        run = Run(inside(folder, name))
        if (run.path / "run.json").exists():
            return run
    raise BadInput(f"There is no run {quoted(name)}: `python -m genmodels runs` lists them.")


def bundled() -> list[Run]:
    """The finished runs that ship with the library, to look at and to fork; those with a past to be seen come first."""
    folders = [path.parent for path in sorted(CHECKPOINTS.glob("*/run.json"))]
    return [Run(path) for path in sorted(folders, key=lambda path: not (path / "snapshots").is_dir())]


def every() -> list[Run]:
    """All runs that can be used, the newest first."""
    made: dict[str, float] = {}
    runs = [Run(path.parent) for path in root().glob("*/run.json")]
    for run in runs:
        with suppress(BadInput):
            run.said()
            made[run.id] = run.plan.created
    return sorted((run for run in runs if run.id in made), key=lambda run: made[run.id], reverse=True)


def damaged() -> list[tuple[Run, str]]:
    """All runs that cannot be used, each with a sentence that says why."""
    runs = [Run(path.parent) for path in sorted(root().glob("*/run.json"))]
    return [(run, why) for run in runs if (why := run.damage())]

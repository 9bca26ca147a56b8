"""A run as one self-contained Python script, and as a notebook: both train it again with this library, and say how.

Both are made of the same cells. They hold the run's data, arguments, settings and seed as they are, so on the same kind
of device they end with the run's own weights, bit for bit; a fork begins with the training of its parents.
"""

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from genmodels.data.datasets import ELSEWHERE
from genmodels.errors import BadInput
from genmodels.hyperparameters import declared
from genmodels.models import MODELS, model_class
from genmodels.runs import store
from genmodels.runs.record import Plan, Status
from genmodels.runs.run import Run
from genmodels.training.settings import Settings

__all__ = ["Cell", "cells", "hindrance", "notebook", "script"]

WIDTH = 100  # of the text, characters


@dataclass(frozen=True)
class Cell:
    """A piece: words, or code.

    Attributes:
        text: Its lines.
        is_code: Whether it is code.
    """

    text: str
    is_code: bool = True


def script(run: Run) -> str:
    """The run as one Python script.

    Raises:
        BadInput: If nothing can train it again.
    """
    parts = [one.text if one.is_code else _commented(one.text) for one in cells(run)]
    return "\n\n".join(parts) + "\n"


def notebook(run: Run) -> str:
    """The run as a Jupyter notebook (nbformat 4.5).

    Raises:
        BadInput: If nothing can train it again.
    """
    written: list[dict[str, Any]] = []
    for i, one in enumerate(cells(run)):
        lines = one.text.splitlines(keepends=True)
        common = {"id": f"cell-{i}", "metadata": {}, "source": lines}
        code: dict[str, Any] = {"cell_type": "code", "execution_count": None, "outputs": []}
        written.append(common | (code if one.is_code else {"cell_type": "markdown"}))
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    what = {"nbformat": 4, "nbformat_minor": 5, "metadata": kernel, "cells": written}
    return json.dumps(what, indent=1, ensure_ascii=False) + "\n"


def cells(run: Run) -> list[Cell]:
    """The cells that a script and a notebook of the run consist of.

    Raises:
        BadInput: If nothing can train it again.
    """
    line = _line_of(run)
    plan, cls = run.plan, model_class(run.plan.model)
    parts = [Cell(_title(line), False), Cell(_imports(cls)), Cell(_words("Data", DATA), False), Cell(_data(plan))]
    parts.append(Cell(_words("Model and training", _about_training(line)), False))
    parts.append(Cell(TRAINED.format(model=cls.__name__)))
    for i, one in enumerate(line):
        fork = line[i + 1].plan.parent if i + 1 < len(line) else None
        until = fork.step if fork else None
        parts.append(Cell(_stage(_settled(one), cls, until=until)))
    parts += [Cell(_words("Samples", "Drawn from always the same noise."), False), Cell(SAMPLES.format(id=run.id))]
    parts += [Cell(_words("Measures", "On the test set, each with its unit; _se is a standard error."), False)]
    return [*parts, Cell(MEASURES)]


def hindrance(run: Run) -> str:
    """Why nothing can train the run again, a sentence; "" otherwise."""
    try:
        _line_of(run)
    except BadInput as error:
        return str(error)
    return ""


def _line_of(run: Run) -> list[Run]:
    """The run after all that it is a fork of, the eldest first."""
    line = [run]
    while parent := line[0].plan.parent:
        if parent.run in {one.id for one in line}:
            raise BadInput(f"Run {run.id} cannot be a fork of itself: its run.json was changed by hand.")
        try:
            line.insert(0, store.find(parent.run))
        except BadInput:
            raise BadInput(
                f"Run {run.id} is a fork of {parent.run}, which is gone: nothing can train it again."
            ) from None
    if any(one.plan.data == ELSEWHERE for one in line):
        raise BadInput(f"Run {run.id} came from elsewhere, without its data: nothing here can train it again.")
    return line


# The cells ------------------------------------------------------------------------------------------------------------

DATA = "The training, validation and test sets stay on the device; a batch is an index into them."

TRAINED = '''\
def trained(settings, *, start=None, step=0, until=None, **arguments):
    """A {model} with these arguments, trained to the end, or until a step.

    Args:
        settings: How to train.
        start: Weights to begin with; None: new ones, from the seed.
        step: The step at which they were.
        until: The step to stop at.
    """
    torch.manual_seed(settings.seed)  # the initial weights
    model = {model}(data.shape, **arguments)
    if start is not None:
        model.load_state_dict(half(start))  # as a snapshot keeps them
    training = Training(model, data, settings, device=device)
    training.step_ = step
    for now in fit(training) if step != until else ():
        if now.terms:
            terms = "  ".join(f"{{name}} {{value:.4g}}" for name, value in now.terms.items())
            print(f"step {{now.step:,}} of {{now.total:,}}  {{now.seconds:.1f}} s  {{terms}}")
        if now.step == until:
            break
    model.load_state_dict(training.weights())  # the moving average, where there is one
    return model.eval()'''

SAMPLES = """\
folder = Path({id!r})
model.save(folder)  # config.json and model.safetensors; genmodels.models.base.load(folder) reads them back
x = model.sample(64, rng=random.generator(0, device)).cpu().numpy()
if model.is_image:
    (folder / "samples.png").write_bytes(pictures.png(pictures.tile(x)))
else:
    np.save(folder / "samples.npy", x)
print(f"{{len(x)}} samples of shape {{x.shape[1:]}} are in {{folder}}")"""

MEASURES = """\
for name, value in measures(model, data, n=1000, k=100, seed=0).items():
    print(f"{name}: {value:.6g}")"""


def _title(line: Sequence[Run]) -> str:
    run, plan = line[-1], line[-1].plan
    made = {name: plan.versions.get(name, "?") for name in ("genmodels", "torch", "python")}
    as_it_was = "it ends with the same weights, bit for bit."
    if (state := run.state()).status is not Status.FINISHED:
        as_it_was = f"it passes the weights of step {state.step:,}, where this run stands, and goes on to the end."
    if any(one.control().get("lr", lr := Settings.of(one.plan.settings).lr) != lr for one in line):
        as_it_was = "it ends near it: the learning rate was changed by hand meanwhile, which is not repeated here."
    return _words(
        plan.title,
        f"{MODELS[plan.model].title} on {plan.data}: this trains the run {run.id} again, from its data, "
        "arguments, settings and seed. On the same kind of device, with the same versions and as many threads, "
        f"{as_it_was}",
        f"Made with genmodels {made['genmodels']}, torch {made['torch']} and Python {made['python']}. Run it in the "
        "folder of the library, or where the library is on Python's path. It writes into a folder named after the run.",
        top=True,
    )


def _imports(cls: type) -> str:
    return f"""\
from pathlib import Path

import numpy as np
import torch

from genmodels.data import datasets
from genmodels import images as pictures
from genmodels import random
from genmodels.metrics.evaluate import measures
from {cls.__module__} import {cls.__name__}
from genmodels.models.base import half
from genmodels.training.settings import Settings
from genmodels.training.loop import Training, fit"""


def _data(plan: Plan) -> str:
    device = {"auto": '"cuda" if torch.cuda.is_available() else "cpu"'}.get(plan.device, repr(plan.device))
    arguments = f", {plan.data_arguments!r}" if plan.data_arguments and plan.data == "drawing" else ""
    return f"device = {device}\ndata = datasets.load({plan.data!r}{arguments}, device=device)"


def _about_training(line: Sequence[Run]) -> str:
    if len(line) == 1:
        return "What is not named has its default. Everything random comes from the seed."
    return "It is a fork: each training goes on with the weights that the one before it had at some step."


def _settled(run: Run) -> Plan:
    """The run's plan, with the number format that "auto" came to where it was trained: elsewhere it may be another."""
    plan, known = run.plan, run.state().precision
    if not known or plan.settings.get("precision", "auto") != "auto":
        return plan
    return replace(plan, settings=plan.settings | {"precision": known})


def _stage(plan: Plan, cls: type, *, until: int | None) -> str:
    """The lines of a script that train the run, or one that it is a fork of."""
    usual, known = asdict(Settings()), declared(cls)
    settings = {k: v for k, v in asdict(Settings.of(plan.settings)).items() if v != usual[k]}
    values = {name: known[name].check(value) for name, value in plan.arguments.items()}
    arguments = {name: value for name, value in values.items() if value != known[name].default}
    parent = plan.parent
    going = {"step": parent.step} if parent else {}
    going |= {"until": until} if until is not None else {}
    start = ["    start=model.state_dict(),"] if parent else []
    words = [f"    {name}={value!r}," for name, value in {**going, **arguments}.items()]
    said = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    return "\n".join(["model = trained(", f"    Settings({said}),", *start, *words, ")"])


def _words(title: str, *paragraphs: str, top: bool = False) -> str:
    """A heading and what follows it, as Markdown."""
    return "\n\n".join([f"{'#' if top else '##'} {title}", *(textwrap.fill(one, WIDTH) for one in paragraphs)])


def _commented(text: str) -> str:
    """Markdown as a comment of Python."""
    lines = [line.lstrip("#").strip() if line.startswith("#") else line for line in text.splitlines()]
    return "\n".join(f"# {line}".rstrip() for line in lines)

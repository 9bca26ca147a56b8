"""What the command line does, one function a command; :mod:`genmodels.cli.parser` has its options. Torch comes late."""

import inspect
import io
import json
import re
import time
from argparse import Namespace as Arguments
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genmodels.cli.terminal import Progress, table
from genmodels.errors import BadInput
from genmodels.host.threads import settle_threads
from genmodels.hyperparameters import check, declared
from genmodels.models import MODELS, model_class
from genmodels.runs.record import Plan, Status
from genmodels.text import quoted

if TYPE_CHECKING:
    from torch import Tensor

    from genmodels.models.base import GenerativeModel, Preset
    from genmodels.runs.store import Run

__all__ = ["datasets", "evaluate", "fork", "models", "resume", "runs", "sample", "train"]

CHUNK = 500  # samples drawn at once

# Lists ----------------------------------------------------------------------------------------------------------------


def models(arguments: Arguments) -> None:
    """List the models, or the hyperparameters and the presets of one."""
    if arguments.model is None:
        rows = [{"name": k, "family": one.family, "title": one.title, "idea": one.idea} for k, one in MODELS.items()]
        return show(rows, arguments.json)
    cls = model_class(arguments.model)
    knobs = [
        {"name": one.name, "default": one.default, "allowed": one.allowed, "what": one.help}
        for one in declared(cls).values()
    ]
    presets = [
        {"preset": slug(one.title), "data": one.data, "model": one.model, "training": one.training}
        for one in cls.presets
    ]
    if arguments.json:
        print(json.dumps({"hyperparameters": knobs, "presets": presets, "training": cls.defaults}))
    else:
        show(knobs)
        print()
        show(presets)


def datasets(arguments: Arguments) -> None:
    """List the data sets."""
    from genmodels.data.datasets import DATASETS

    rows = [{"name": name, "kind": one.kind, "shape": one.shape, "about": one.about} for name, one in DATASETS.items()]
    show(rows, arguments.json)


def runs(arguments: Arguments) -> None:
    """List the runs, the newest first."""
    from genmodels.runs.store import damaged, every

    rows: list[dict[str, Any]] = []
    for run in every():
        with suppress(BadInput):  # deleted in this instant
            rows.append({"run": run.id, "state": (state := run.state()).status, "step": state.step, "title": run.title})
    rows += [{"run": run.id, "state": "damaged", "step": 0, "title": why} for run, why in damaged()]
    show(rows, arguments.json)


def show(rows: Sequence[Mapping[str, Any]], as_json: bool = False) -> None:
    """Print rows as a table, or as JSON for machines."""
    print(json.dumps(rows) if as_json else table([{name: as_cell(v) for name, v in row.items()} for row in rows]))


def as_cell(value: Any) -> Any:
    """A value as a cell of a table.

    >>> as_cell((1, 28, 28)), as_cell({"beta": 2}), as_cell(0.5)
    ('1,28,28', 'beta=2', 0.5)
    """
    if isinstance(value, dict):
        return " ".join(f"{name}={as_cell(one)}" for name, one in value.items())
    return ",".join(map(str, value)) if isinstance(value, tuple) else value


def slug(title: str) -> str:
    """A title as one word of a command line.

    >>> slug("2-D VAE on MNIST")
    '2-d-vae-on-mnist'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")


# Training -------------------------------------------------------------------------------------------------------------


def train(arguments: Arguments) -> int:
    """Train a model on data: a new run, which the app shows too."""
    from genmodels.data.datasets import load
    from genmodels.runs import store

    (name, what), out = asked(arguments), arguments.out and Path(arguments.out)
    if out and out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file: --out takes the folder of the new run.")

    def make() -> "Run":
        load(name, progress=Progress().of)
        return store.create(arguments.model, name, folder=out, **what)

    return trained(make, arguments.device)


def asked(arguments: Arguments) -> tuple[str, dict[str, Any]]:
    """The data of the run that ``train`` makes, and what :func:`store.planned` is told of it; names are checked."""
    cls, changes = model_class(arguments.model), given(arguments)
    preset = preset_of(cls, arguments.preset)
    check(cls, model := {**preset.model, **pairs(arguments.set)})
    settings = {**preset.training, **({"steps": 0} if "epochs" in changes else {}), **changes}
    what = {"arguments": model, "settings": settings, "title": arguments.title, "device": arguments.device}
    return arguments.data or preset.data, what


def resume(arguments: Arguments) -> int:
    """Go on with a run that was paused, stopped or interrupted, exactly where it was."""
    run = run_of(arguments.run)
    if run.state().status is Status.FINISHED:
        raise BadInput(
            f"Run {run.id} is finished: `python -m genmodels fork {run.id} --step N --steps M` goes beyond it."
        )
    return trained(lambda: run, arguments.device or run.plan.device)


def fork(arguments: Arguments) -> int:
    """Start a new run from a snapshot of another one, with something changed."""
    from genmodels.runs import store

    parent = run_of(arguments.run)
    changes = {"arguments": pairs(arguments.set), "settings": given(arguments), "title": arguments.title}
    make = lambda: store.fork(parent, arguments.step, **changes)  # noqa: E731
    return trained(make, arguments.device or parent.plan.device)


def trained(make: Callable[[], "Run"], device: str) -> int:
    """Train the run that ``make`` gives, in as many processes as there are, and print how it ended."""
    from genmodels.cli.foreground import conduct
    from genmodels.runs.store import Run
    from genmodels.training.distributed import joined

    with joined() as processes:
        place = processes.place(device)
        run = Run(Path(processes.decide(lambda: str(make().path))))
        signal = conduct(run, processes, place)
        if processes.rank == 0:
            measures = {name: value for row in run.metrics() for name, value in row.items()}
            print(json.dumps({"run": run.id, "path": str(run.path), "state": run.state().status, **measures}))
    return 128 + signal if signal else 0


def pairs(words: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE words as a dictionary.

    >>> pairs(["beta=2", "prior=vamp"])
    {'beta': '2', 'prior': 'vamp'}
    """
    values = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise BadInput(f"--set {word} is not NAME=VALUE, as in --set latent_dim=2.")
        values[name] = value
    return values


def given(arguments: Arguments) -> dict[str, Any]:
    """The settings of a training that were given, checked."""
    from genmodels.training.settings import Settings

    return {k: one.check(vars(arguments)[k]) for k, one in declared(Settings).items() if k in vars(arguments)}


def preset_of(cls: "type[GenerativeModel]", name: str | None) -> "Preset":
    """The preset of that name; without one, the defaults on the digits."""
    from genmodels.models.base import Preset

    known = {slug(one.title): one for one in cls.presets}
    if name is None:
        return Preset("defaults", "digits")
    if slug(name) not in known:
        raise BadInput(f"There is no preset {quoted(name)} of this model: it may be {', '.join(known) or 'none'}.")
    return known[slug(name)]


# Sampling and measuring -----------------------------------------------------------------------------------------------


def sample(arguments: Arguments) -> None:
    """Draw samples, float32, (n, C, H, W) in [0, 1] or (n, 2), into a .npy file, or into one picture, a .png."""
    import numpy as np

    from genmodels import files, images, random
    from genmodels.models.base import load
    from genmodels.training.distributed import device

    settle_threads(many=True)
    out = Path(arguments.out)
    if out.suffix not in (".npy", ".png") or not out.parent.is_dir():
        raise BadInput(f"--out {out} cannot be written: it is a .npy or .png file in a folder that exists.")
    model = load(folder_of(arguments), device=device(arguments.device))
    if out.suffix == ".png" and not model.is_image:
        raise BadInput(f"--out {out} would be a picture, but these samples are points of the plane: use .npy.")
    how, labels = manner(model, arguments), classes(model, arguments)
    rng, progress, parts = random.generator(arguments.seed, model.device), Progress(), []
    start = time.perf_counter()
    for done in range(0, arguments.n, CHUNK):
        n = min(CHUNK, arguments.n - done)
        parts.append(model.sample(n, y=labels and labels(n), rng=rng, **how).cpu().numpy())
        progress.of((done + n) / arguments.n, f"{done + n} samples")
    x = np.concatenate(parts)
    content = io.BytesIO()
    np.save(content, x)
    files.write(out, content.getvalue() if out.suffix == ".npy" else images.png(images.tile(x)))
    seconds = round(time.perf_counter() - start, 3)
    print(json.dumps({"out": str(out), "shape": x.shape, "seed": arguments.seed, "seconds": seconds}))


def evaluate(arguments: Arguments) -> None:
    """Measure a model on the test set: one JSON object."""
    from genmodels.data.datasets import load as load_data
    from genmodels.metrics.evaluate import measures
    from genmodels.models.base import load
    from genmodels.training.distributed import device

    settle_threads(many=True)
    place, folder = device(arguments.device), folder_of(arguments)
    model = load(folder, device=place)
    (name, what), progress = data_of(folder, arguments.data), Progress()
    loaded = load_data(name, what, device=place, progress=progress.of)
    measured = measures(model, loaded, n=arguments.n, k=arguments.k, seed=arguments.seed, progress=progress.of)
    print(json.dumps({"model": model.name, "data": name, "seed": arguments.seed, **measured}))


def manner(model: "GenerativeModel", arguments: Arguments) -> dict[str, Any]:
    """How ``model`` is to sample: what its ``sample`` declares, or (a DDPM's) what its ``trajectory`` does."""
    from genmodels.instruments.samples import options

    values = pairs(arguments.set)
    checked = check(options(type(model)), values)
    if arguments.draw and "draw" not in inspect.signature(type(model).sample).parameters:
        raise BadInput(f"--draw is for models that draw x from p(x | z): a {model.name} gives x itself.")
    return {name: checked[name] for name in values} | ({"draw": True} if arguments.draw else {})


def classes(model: "GenerativeModel", arguments: Arguments) -> "Callable[[int], Tensor] | None":
    """The labels of n samples, where a label is asked for."""
    import torch

    most, label = int(model.config.get("classes", 0)), arguments.label
    if label is None:
        return None
    if not 0 <= label < most:
        allowed = f"from 0 to {most - 1}" if most else "not for this model, which was trained without labels"
        raise BadInput(f"--label {label} is not allowed: it is {allowed}.")
    return lambda n: torch.full((n,), label, device=model.device)


# Where things are -----------------------------------------------------------------------------------------------------


def run_of(name: str) -> "Run":
    """The run of that name: see :func:`genmodels.hub.checkpoints.resolve`.

    Raises:
        BadInput: If there is none.
    """
    from genmodels.hub.checkpoints import resolve
    from genmodels.runs.store import Run

    path = resolve(name, Progress().of)
    if not (path / "run.json").exists():
        raise BadInput(f"{name} is no run: it holds one moment only, without run.json.")
    return Run(path)


def folder_of(arguments: Arguments) -> Path:
    """The folder of the weights that are meant: a run's, at ``--step``, or any other with a model in it.

    Raises:
        BadInput: If there is none.
    """
    from genmodels.hub.checkpoints import resolve
    from genmodels.runs.store import Run

    path, step = resolve(arguments.source, Progress().of), arguments.step
    if (path / "run.json").exists():
        return Run(path).folder(step)
    if step is not None:
        raise BadInput(f"--step {step} is for runs: {path} holds one moment only.")
    return path


def data_of(folder: Path, name: str | None) -> tuple[str, dict[str, Any]]:
    """The data set that a model in ``folder`` learned from, and its arguments: ``name``, or what its run says.

    Raises:
        BadInput: If nothing says which.
    """
    if name is not None:
        return name, {}
    for path in (folder, *folder.resolve().parents[:2]):  # a snapshot lies two folders below its run
        if (path / "run.json").exists():
            return (plan := Plan.read(path)).data, plan.data_arguments
    raise BadInput(f"{folder} does not say what its model learned from: give --data, one that `datasets` lists.")

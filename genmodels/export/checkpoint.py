"""A finished run made small enough to ship: weights in half precision, its curve, its card; not its exact state."""

import json
import math
import shlex
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genmodels.data import datasets
from genmodels.data.datasets import ELSEWHERE
from genmodels.errors import BadInput
from genmodels.export.model_card import card
from genmodels.files import CHECKPOINTS, read_json, write, write_json
from genmodels.hyperparameters import declared
from genmodels.models import model_class
from genmodels.models.base import half
from genmodels.runs.record import State, Status
from genmodels.runs.store import Run, find
from genmodels.training.settings import Settings

__all__ = ["command", "describe", "export", "thinned", "zipped"]

ROWS = 120  # of a shipped curve, beside those that hold what was measured on held-out examples


def export(run: Run, folder: Path, measures: Mapping[str, Any], *, snapshots: int = 0, frames: int = 0) -> Run:
    """Write ``run`` into ``folder`` as a checkpoint: a run like any other, that can be looked at, sampled and forked.

    Args:
        run: A finished run.
        folder: Where to; it must be new or empty.
        measures: What was measured of it, by name with its unit.
        snapshots: How many of its moments can be gone back to, evenly chosen among those it has, the last one included.
        frames: Of how many there is what it drew, chosen likewise; of a fork also what its parents drew before.

    Raises:
        BadInput: If the run is not finished, or the folder is not empty.
    """
    if run.state().status is not Status.FINISHED:
        raise BadInput(f"Run {run.id} is {run.state().status}: only a finished run becomes a checkpoint.")
    if folder.exists() and any(folder.iterdir()):
        raise BadInput(f"{folder} is not empty: choose a new folder.")
    plan, ended = replace(run.plan, title=folder.name), run.state()
    ship = Run(folder)
    model = run.model()
    model.save(folder, weights=half(model.state_dict()))
    film = _film(run)
    whole = _even(run.snapshots(), snapshots)
    for step in whole | _even(sorted(film), frames):
        past = folder / "snapshots" / str(step)
        past.mkdir(parents=True, exist_ok=True)
        _pack(film[step].samples(step), past)
        for name in ("config.json", "model.safetensors") if step in whole else ():
            shutil.copyfile(run.folder(step) / name, past / name)
    _pack(run.samples(), folder)
    rows = "".join(json.dumps(row) + "\n" for row in thinned(run.metrics()))
    write(folder / "metrics.jsonl", rows.encode())
    told = ("status", "step", "total", "seconds", "message")
    state = State(**{name: getattr(ended, name) for name in told})
    state.write(folder)
    plan.write(folder)
    describe(ship, command(run), measures)
    return ship


def describe(ship: Run, line: str, measures: Mapping[str, Any]) -> None:
    """Write what was measured of a checkpoint into it: measures.json for machines, its card for people.

    Args:
        ship: The checkpoint.
        line: The command line that makes it again.
        measures: What was measured of it, by name with its unit.
    """
    plan, folder = ship.plan, ship.path
    place = f"checkpoints/{folder.name}" if folder.parent == CHECKPOINTS else str(folder)
    use = f"from genmodels.models.base import load\n\nmodel = load({json.dumps(place)})"
    write_json(folder / "measures.json", {"command": line, "seed": Settings.of(plan.settings).seed} | dict(measures))
    write(folder / "README.md", card(plan, ship.state(), folder, line, measures, use).encode())


def _even(steps: Sequence[int], n: int) -> set[int]:
    """``n`` of ``steps`` evenly chosen, the last one included; without that, which is the run itself."""
    return {steps[round(i * (len(steps) - 1) / (n - 1))] for i in range(n - 1)} - {*steps[-1:]}


def _film(run: Run) -> dict[int, Run]:
    """Every moment of the run's film, and whose it is: of a fork those before it are its parents'."""
    film: dict[int, Run] = {}
    known: set[str] = set()
    before = math.inf
    while run.id not in known:
        known.add(run.id)
        film = {step: run for step in run.frames() if step < before} | film
        if run.plan.parent is None:
            break
        with suppress(BadInput):  # where the parent is gone, it begins with the fork
            before, run = min(before, run.plan.parent.step), find(run.plan.parent.run)
    return film


def _pack(samples: npt.NDArray[np.float32] | None, folder: Path) -> None:
    """A model's samples as a file: images as bytes, a half of what half precision takes; points in half precision."""
    if samples is None:
        return
    buffer = BytesIO()
    packed = np.rint(samples.clip(0, 1) * 255).astype(np.uint8) if samples.ndim == 4 else samples.astype(np.float16)
    np.save(buffer, packed)
    write(folder / "samples.npy", buffer.getvalue(), durable=False)


def thinned(rows: list[dict[str, float]], most: int = ROWS) -> list[dict[str, float]]:
    """About ``most`` rows, evenly chosen, and all that hold what was measured on held-out examples; in six digits."""
    even = {round(i * (len(rows) - 1) / (most - 1)) for i in range(most)}
    kept = (row for i, row in enumerate(rows) if i in even or any(name.startswith("held-out") for name in row))
    return [{k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()} for row in kept]


def zipped(run: Run, extra: Mapping[str, bytes] | None = None) -> bytes:
    """The run as one zip to take home, and ``extra`` files: all but its exact state, which only the worker needs."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(run.path.rglob("*")):
            name = path.relative_to(run.path)
            if (
                path.is_file()
                and not path.is_symlink()
                and path.name != "trainer.safetensors"
                and not any(p[0] == "." for p in name.parts)
            ):
                file.write(path, Path(run.id) / name)
        for extra_name, content in (extra or {}).items():
            file.writestr(f"{run.id}/{extra_name}", content)
    return buffer.getvalue()


def command(run: Run, *, after: frozenset[str] = frozenset()) -> str:
    """The command line that makes this run again; of a fork a line for each of its parents, and then its own.

    Args:
        run: The run.
        after: Forks whose lines follow; a parent among them, which was written by hand, counts as gone.
    """
    plan = run.plan
    if plan.data == ELSEWHERE:
        return f"python -m genmodels pull {shlex.quote(plan.origin.name if plan.origin else run.id)}"
    if run.is_bundled and (run.path / "measures.json").exists():
        return str(read_json(run.path / "measures.json")["command"])  # its parents are not here
    cls = model_class(plan.model)
    usual, known = asdict(Settings.of(cls.defaults)), declared(cls)
    defaults = {name: one.default for name, one in known.items()}
    before, words = "", f"python -m genmodels train {plan.model} --data {plan.data}"
    if parent := plan.parent:
        words = f"python -m genmodels fork RUN --step {parent.step}"  # RUN: what the line before has made
        with suppress(BadInput):  # where the parent is gone, all that is not usual is said
            if parent.run in (forks := after | {run.id}):
                raise BadInput(f"Run {run.id} cannot be a fork of itself.")
            eldest = find(parent.run)
            before, usual, defaults = command(eldest, after=forks) + "\n", eldest.plan.settings, eldest.plan.arguments
    for name, value in plan.arguments.items():
        one = known.get(name)  # none of what a newer version has beside: it is said as it is
        if one is None or one.check(value) != one.check(defaults.get(name, one.default)):
            text = ",".join(map(str, value)) if isinstance(value, list | tuple) else value
            words += f" --set {name}={text}"
    for name, value in plan.settings.items():
        if name not in usual or value != usual[name]:
            words += f" --{name.replace('_', '-')} {value}"
    if plan.data == "drawing" and plan.data_arguments != datasets.checked("drawing", None):
        words += "  # of the heart: no command holds this run's drawing, the script that it can be taken home as does"
    return before + words

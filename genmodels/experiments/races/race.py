"""A race: families learn the same points of the plane with the same budget, several seeds each.

It is an experiment that is made of a form, and each of its runs is an ordinary run in the queue. What was asked for
and which runs it is made of is in ``runs/.races/<id>.json``.
"""

import functools
import hashlib
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from genmodels.data.datasets import DATASETS, load
from genmodels.errors import BadInput, Damaged
from genmodels.experiments import declaration, places
from genmodels.experiments.declaration import Experiment
from genmodels.files import inside, read_json, remove, root, write_json
from genmodels.jobs import queue
from genmodels.models import MODELS, model_class
from genmodels.models.base import Preset, build
from genmodels.runs import store, timing
from genmodels.runs.run import Run
from genmodels.text import quoted
from genmodels.training.loop import Training
from genmodels.training.settings import Settings

__all__ = ["MOST_SEEDS", "Budget", "Race", "declared", "entrant", "entrants", "find", "paces", "start", "stop"]

KEPT = 200  # races, the newest
MOST_SEEDS = 10


@dataclass(frozen=True)
class Budget:
    """The budget of each run of a race: ``amount`` of "seconds" of training, or of "images" that it is shown."""

    kind: str
    amount: float

    def steps(self, seconds: float, images: float) -> int:
        """How many training steps that is, where one takes so many seconds and is shown so many images.

        >>> Budget("seconds", 10).steps(0.004, 512), Budget("images", 1e6).steps(0.004, 512)
        (2500, 1953)
        """
        return max(1, round(self.amount / (seconds if self.kind == "seconds" else images)))


@dataclass(frozen=True)
class Race:
    """A race that was begun.

    Attributes:
        id: Names it in a link.
        data: What is learned.
        budget: Of each run.
        lanes: The ids of each entrant's runs, a seed each.
        experiment: What was declared, as in a file of an experiment.
    """

    id: str
    data: str
    budget: Budget
    lanes: Mapping[str, Sequence[str]]
    experiment: Mapping[str, Any]

    @property
    def runs(self) -> list[Run]:
        """All its runs that are still there."""
        found = []
        for name in (one for lane in self.lanes.values() for one in lane):
            with suppress(BadInput):
                found.append(store.find(name))
        return found


# Who may enter, and what a budget is in steps -------------------------------------------------------------------------


def entrant(model: str, data: str) -> Preset | None:
    """The settings with which a family races on ``data``: those known to work on it, or else on another plane."""
    known = [one for one in getattr(model_class(model), "presets", ()) if DATASETS[one.data].kind == "plane"]
    return next((one for one in known if one.data == data), known[0] if known else None)


@functools.cache
def entrants() -> tuple[str, ...]:
    """The families that can learn a plane, by their names in MODELS."""
    return tuple(name for name in MODELS if entrant(name, "two-moons"))


def paces(data: str, where: str) -> Generator[float, None, dict[str, npt.NDArray[Any]]]:
    """Time a few steps of every family on ``data``. A task; ``where`` makes it another one on another device.

    Returns:
        Of a step of each of :func:`entrants`, in their order: the "seconds" that it takes, and the "images" shown.
    """
    seconds, images, names = list[float](), list[int](), entrants()
    for i, name in enumerate(names):
        preset = entrant(name, data)
        assert preset is not None
        built = build({"model": name, "shape": list(DATASETS[data].shape), **preset.model})
        settings = Settings.of({**built.defaults, **preset.training})
        training = Training(built, load(data), settings, device="cuda" if torch.cuda.is_available() else "cpu")
        seconds.append((yield from timing.stepping(training, i / len(names), 1 / len(names)))[0])
        images.append(training.batches.size * len(training.turns))
    return {"seconds": np.array(seconds), "images": np.array(images)}


def declared(data: str, families: Mapping[str, int], seeds: int, budget: Budget) -> dict[str, Any]:
    """The experiment that a race is; ``families``: by name, how many steps the budget buys.

    Raises:
        BadInput: If nobody enters, or one who cannot, or there are too many seeds.
    """
    if not families:
        raise BadInput("Nobody races: choose one family at least.")
    if not 1 <= seeds <= MOST_SEEDS:
        raise BadInput(f"seeds = {seeds} is not a number of seeds from 1 to {MOST_SEEDS}.")
    models = []
    for name, steps in families.items():
        if DATASETS[data].kind != "plane" or (preset := entrant(name, data)) is None:
            raise BadInput(f"{quoted(name)} does not race on {quoted(data)}: {', '.join(entrants())} do, on planes.")
        training = {key: value for key, value in preset.training.items() if key != "epochs"}
        settings = training | {"steps": steps}
        models.append({"name": name, "model": name, "arguments": dict(preset.model), "settings": settings})
    each = f"{budget.amount:g} {budget.kind}"
    return {
        "title": f"A race on {data}",
        "about": f"{len(families)} families with {each} a run, {seeds} seeds each.",
        "data": [data],
        "seeds": seeds,
        "measures": ["kl", "sliced_w1", "w1"],
        "models": models,
    }


# A race begins, is found and ends -------------------------------------------------------------------------------------


def start(data: str, families: Mapping[str, int], seeds: int, budget: Budget) -> Race:
    """Put all its runs into the queue, a seed of everybody before the next; what was trained before is not again.

    Raises:
        BadInput: If it is not allowed, or the queue has no room for so many.
    """
    raw = declared(data, families, seeds, budget)
    experiment = declaration.parsed(raw, "race")
    runs = _runs(experiment)
    lanes: dict[str, list[str]] = {}
    for case, run in zip(experiment.cases, runs, strict=True):
        lanes.setdefault(case.name, []).append(run.id)
    content = {"data": data, "budget": asdict(budget), "lanes": lanes, "experiment": raw}
    name = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
    write_json(_path(name), content, durable=False)
    _forget_old()
    for run in runs:
        if not run.state().status.is_well:
            queue.submit(run)
    return find(name)


def _runs(experiment: Experiment) -> list[Run]:
    among = store.known()
    known = [store.made(case.plan, among) for case in experiment.cases]
    queue.check_room(sum(run is None or not run.state().status.is_well for run in known))
    return [places.taken(case.plan, among) for case in experiment.cases]


def find(name: str) -> Race:
    """The race of this id.

    Raises:
        BadInput: If there is none, or its file is damaged.
    """
    path = _path(name)
    if not path.exists():
        raise BadInput(f"There is no race {quoted(name)} any more: start it again.")
    raw = read_json(path)
    try:
        lanes = {str(who): tuple(map(str, ids)) for who, ids in raw["lanes"].items()}
        budget = Budget(str(raw["budget"]["kind"]), float(raw["budget"]["amount"]))
        if (data := raw["data"]) in DATASETS:
            return Race(name, data, budget, lanes, raw["experiment"])
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    raise Damaged(f"{path} is damaged: it holds no race.")


def stop(race: Race) -> None:
    """Stop what is still running; what was learned is kept. Somebody else's runs go on."""
    for run in race.runs:
        with suppress(BadInput):
            if run.state().status.is_going:
                queue.stop(run)


def _path(name: str) -> Path:
    return inside(root() / ".races", name).with_suffix(".json")


def _forget_old() -> None:
    files = sorted((root() / ".races").glob("*.json"), key=lambda path: -path.stat().st_mtime)
    for path in files[KEPT:]:
        path.unlink(missing_ok=True)
        with suppress(OSError):  # never measured, or just being
            remove(path.with_suffix(""))

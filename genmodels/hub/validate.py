"""What a run from elsewhere says of itself, made anew from what was checked: no word of it is believed, or markup."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

import torch

from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.files import read_json
from genmodels.host import apart
from genmodels.host.apart import Bounds
from genmodels.hub.client import CONFIG, WEIGHTS, Place
from genmodels.models.base import build, load
from genmodels.runs.record import CLOCK, Plan, State, Status
from genmodels.text import titled
from genmodels.training.settings import Settings

__all__ = ["measures_of", "plan_of", "state_of", "text"]


LOOKING = Bounds(cpu=60, seconds=120.0, memory=300_000_000)  # numpy and a piece of a file at a time
MOST_STEPS = 10**12


def plan_of(raw: Any, config: Any, place: Place) -> Plan:
    """run.json made anew from what was checked of it."""
    try:
        if not isinstance(raw, dict) or not isinstance(raw.get("settings", {}), dict):
            raise BadInput("run.json is not the plan of a run")
        with torch.device("meta"):
            built = build(config)
        settings = asdict(Settings.of(raw.get("settings", {})))
        data_arguments: dict[str, Any] = {"shape": list(built.shape)}
        if raw.get("data") != datasets.ELSEWHERE or not built.is_image:
            data_arguments = datasets.checked(raw.get("data", ""), raw.get("data_arguments"))
            if tuple(datasets.DATASETS[raw["data"]].shape) != tuple(built.shape):
                raise BadInput(f"its model has the shape {list(built.shape)}, which {raw['data']} has not")
    except BadInput as error:
        raise BadInput(f"{place} does not fit this version of genmodels: {error}") from None
    made, versions = raw.get("created"), raw.get("versions")
    known = versions if isinstance(versions, dict) else {}
    return Plan(
        title=titled(text(raw.get("title")) or PurePosixPath(place.subfolder or place.repo).name),
        model=built.name,
        arguments={name: value for name, value in built.config.items() if name != "shape"},
        data=raw["data"],
        data_arguments=data_arguments,
        settings=settings,
        heavy=raw.get("heavy") is True,
        created=float(made) if _is_number(made) and 0 <= made < 1e11 else 0.0,
        versions={name: text(known.get(name))[:40] for name in ("genmodels", "torch", "python")},
    )


def measures_of(raw: Any, place: Place) -> dict[str, Any]:
    """measures.json made anew: numbers and short texts by name."""
    if not isinstance(raw, dict) or not all(_is_number(v) or isinstance(v, str) for v in raw.values()):
        raise BadInput(f"{place}: measures.json holds something other than numbers by name.")
    return {text(name): value if _is_number(value) else text(value, 1000) for name, value in raw.items()}


def state_of(here: Mapping[str, Path], config: Any, place: Place) -> State:
    """state.json made anew, once all files are what a run's are."""
    try:
        shape = list(config["shape"])
        drawn = [str(path) for name, path in here.items() if name.endswith("samples.npy")]
        apart.call("samples", what="samples.npy", bounds=LOOKING, paths=drawn, shape=shape)  # at once: a film has many
        learned = {name: path for name, path in here.items() if name.endswith(WEIGHTS)}
        for name, path in learned.items():
            if _of_the_weights(read_json(path.parent / CONFIG)) != _of_the_weights(config):
                raise BadInput(f"{name} is of another model than the rest")
        apart.call("weights", what=WEIGHTS, bounds=LOOKING, paths=[str(path) for path in learned.values()])
        for path in learned.values():
            load(path.parent)
        state = read_json(here["state.json"]) if "state.json" in here else {}
        numbers = {name: state.get(name, 0) for name in ("step", "total", "seconds")}
        curve = here["metrics.jsonl"].read_text() if "metrics.jsonl" in here else ""
        rows = [json.loads(line) for line in curve.splitlines()]
    except (BadInput, ValueError, AttributeError, RecursionError) as error:
        reason = str(error) if isinstance(error, BadInput) else "a file is not what its name says"
        raise BadInput(f"{place} is not a whole checkpoint: {reason.removesuffix('.')}.") from None
    if not all(_is_number(n) and 0 <= n <= MOST_STEPS for n in numbers.values()):
        raise BadInput(f"{place} is not a whole checkpoint: state.json lacks its numbers.")
    for row in rows:
        named = isinstance(row, dict) and row.keys() >= set(CLOCK) and all(k == text(k, 60) for k in row)
        if not named or not all(_is_number(value) for value in row.values()):
            raise BadInput(f"{place} is not a whole checkpoint: metrics.jsonl holds something other than numbers.")
    if "measures.json" in here:
        measures_of(read_json(here["measures.json"]), place)
    step, total, seconds = int(numbers["step"]), int(numbers["total"]), float(numbers["seconds"])
    return State(status=Status.FINISHED, step=step, total=total, seconds=seconds, message=f"From {place}.")


def _of_the_weights(config: Any) -> Any:
    """The part of a configuration that decides the weights: without label shares, which an older run may lack."""
    return {k: v for k, v in config.items() if k != "label_shares"} if isinstance(config, dict) else config


def _is_number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and abs(value) < 1e300  # not NaN, and an integer that a float can hold


def text(value: Any, most: int = 80) -> str:
    """Foreign text on one line, without control characters and at most ``most`` long; "" of what is no text."""
    return "".join(c for c in " ".join(value.split()) if c.isprintable())[:most] if isinstance(value, str) else ""

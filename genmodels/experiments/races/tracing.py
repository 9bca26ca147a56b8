"""What is measured of a race while its families learn.

What all of them can be compared by are the points that they draw: every snapshot of a run keeps some, of always the
same noise, and their sliced W₁ from test points is measured at each. Where a model has an exact density so is
KL(p ‖ q), at every fourth. It is kept in ``runs/.measured/<run>-race-<hash>``.
"""

import functools
import hashlib
import json
import math
from collections.abc import Generator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.experiments.measures import Cell
from genmodels.experiments.races.race import Race, find
from genmodels.files import code, held, inside, is_held, read_json, root, write_json
from genmodels.metrics import evaluate, floors
from genmodels.metrics.distances import sliced_wasserstein1
from genmodels.models.capabilities import Density, has
from genmodels.runs.recorder import moments
from genmodels.runs.run import Run

__all__ = ["POINTS", "drawn", "floor_of", "is_traced", "raced", "reference", "trace"]

POINTS = 1000  # that a snapshot keeps, and that are drawn of the test set
EVERY = 4  # the exact divergence costs more: at every fourth snapshot, counted from the last


def trace(race: str, known: int) -> Generator[float, None, dict[str, npt.NDArray[Any]]]:
    """Measure every snapshot of a race's runs that has not been measured. A task; one at a time of a race.

    Args:
        race: Its id.
        known: How many have been: with more of them it is another question.

    Returns:
        "measured": how many are now.
    """
    one = find(race)
    with ExitStack() as stack:
        while is_traced(race) or not _alone(one, stack):
            yield 0.0
        return (yield from _measuring(one, known))


def is_traced(race: str) -> bool:
    """Whether somebody is measuring the race ``race`` now: with each snapshot `known` rises, and it is no new task."""
    return is_held(_place(race))


def _alone(one: Race, stack: ExitStack) -> bool:
    place = _place(one.id)
    place.mkdir(exist_ok=True)
    with suppress(BlockingIOError):
        stack.enter_context(held(place))
        return True
    return False


def _place(race: str) -> Path:
    return inside(root() / ".races", race)


def _measuring(one: Race, known: int) -> Generator[float, None, dict[str, npt.NDArray[Any]]]:
    open_ones = [(run, step) for run in one.runs for step in sorted(set(drawn(run)) - set(raced(run)))]
    data = reference(one)
    for i, (run, step) in enumerate(open_ones):
        yield i / len(open_ones)
        points = raced(run) | {step: _measured(run, step, data)}
        content = {"floor": list(_floor(data)), "points": {str(at): values for at, values in points.items()}}
        with suppress(BadInput):  # deleted in this instant
            write_json(_file(run), content, durable=False)
    return {"measured": np.array(known + len(open_ones))}


def raced(run: Run) -> dict[int, dict[str, float]]:
    """The measures of a run's snapshots so far, by step: "sliced_w1", perhaps "kl"; none where it drew no numbers."""
    with suppress(BadInput, KeyError, ValueError, AttributeError):
        return {int(step): values for step, values in read_json(_file(run))["points"].items()}
    return {}


def floor_of(race: Race) -> Cell:
    """The score of real points against other real points, as measured with a run's first snapshot."""
    for run in race.runs:
        with suppress(BadInput, KeyError, ValueError, TypeError):
            value, se = read_json(_file(run))["floor"]
            return Cell(value, se)
    return Cell(math.nan)


def drawn(run: Run) -> list[int]:
    """The steps of which a snapshot says what the run drew, but for the very beginning, which has no budget spent."""
    return [step for step in run.frames() if step]


def _measured(run: Run, step: int, data: Data) -> dict[str, float]:
    values: dict[str, float] = {}
    with suppress(BadInput):
        drawn = run.samples(step)
        if drawn is not None and drawn.ndim == 2 and np.isfinite(drawn).all():
            x = torch.from_numpy(drawn)
            values["sliced_w1"] = _sliced(data.test.x[: len(x)], x)
        if step in set(moments(run.said().total)[::-EVERY]):
            values |= _divergence(run, step, data)
    return values


def _divergence(run: Run, step: int, data: Data) -> dict[str, float]:
    """KL(p ‖ q) in nats where the model knows its density exactly."""
    model: Any = run.model(step)
    if not has(model, Density):
        return {}
    told = evaluate.kl_from_truth(model, data, None, random.generator(0, model.device))
    kl, se = told["kl_from_truth_nats"], told["kl_from_truth_nats_se"]
    return {"kl": kl, "kl_se": se} if math.isfinite(kl) else {}


def _sliced(real: Tensor, x: Tensor) -> float:
    n = min(len(real), len(x))
    return sliced_wasserstein1(real[:n], x[:n], rng=random.generator(0))


def reference(race: Race) -> Data:
    """The data with the test points that all are held against."""
    data = next((run.data() for run in race.runs), None)
    if data is None:
        raise BadInput("The runs of this race were deleted.")
    return replace(data, test=floors.chosen(data.test, POINTS, 0))


@functools.lru_cache(maxsize=8)
def _floor(data: Data) -> tuple[float, float]:
    told = floors.averaged({"w1": _sliced(data.test.x, part.x)} for part in floors.draws(data, POINTS, 0))
    return told["w1"], told["w1_se"]


def _file(run: Run) -> Path:
    version = hashlib.sha256(json.dumps([POINTS, EVERY, code()]).encode()).hexdigest()[:8]
    return inside(root() / ".measured", f"{run.id[:80]}-race-{version}")

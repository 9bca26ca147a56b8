"""A small experiment, done at some place, and its table."""

import tomllib
from collections.abc import Generator
from typing import Any

from genmodels.experiments import declaration, results, running
from genmodels.experiments.declaration import Experiment
from genmodels.experiments.places import Place

TOY = """
title = "Toy"
data = ["two-moons"]
seeds = 2
measures = ["kl", "sliced_w1", "parameters"]
[settings]
steps = 6
batch_size = 16
[[models]]
name = "flow"
model = "flow"
arguments = { hidden = 8 }
vary = { depth = [1, 2] }
[measuring]
n = 60
[[figures]]
title = "Loss"
curves = "loss"
"""


def declared(**changes: object) -> Experiment:
    """The experiment, with other values of some keys."""
    return declaration.parsed({**tomllib.loads(TOY), **changes}, "toy")


def done(experiment: Experiment, place: Place) -> list[running.News]:
    """Do it there, to its end."""
    return list(running.advance(experiment, place))


def table(experiment: Experiment) -> dict[tuple[str, int], object]:
    """What came of each run, to the last bit: how it ended, after how many steps, its numbers and its curve."""
    rows = results.rows(experiment)
    clocks = {"seconds"}
    return {
        (row.name, row.seed): (
            row.status,
            row.steps,
            {name: (cell.value, cell.se, cell.floor) for name, cell in row.cells.items()},
            {name: curve for name, curve in row.curves.items() if name not in clocks},
        )
        for row in rows
    }


def finish(steps: Generator[float, None, dict[str, Any]]) -> dict[str, Any]:
    """What a task returns at its end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value

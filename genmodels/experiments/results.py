"""What came of an experiment: one row a run, and of those that differ by their seed alone mean and errors."""

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from genmodels import __version__
from genmodels.errors import BadInput, Damaged
from genmodels.experiments.declaration import Case, Experiment
from genmodels.experiments.measures import Cell, How, cells, kept, likelihood_of, weights_of
from genmodels.experiments.running import digest_of, run_of
from genmodels.files import read_json
from genmodels.runs import store
from genmodels.runs.record import Status
from genmodels.runs.run import Run

__all__ = [
    "SEEDS",
    "Row",
    "Summary",
    "budget",
    "found",
    "is_of",
    "loaded",
    "outdated",
    "renewed",
    "row_of",
    "rows",
    "shipped",
    "summaries",
    "told",
]

SEEDS = 10  # that a table of trainings deserves
POINTS = 60  # of a curve that is kept with the results


@dataclass(frozen=True)
class Row:
    """One run as a row of a table.

    Attributes:
        name: What tables call it; of all seeds the same.
        data: What it learned.
        model: A name of MODELS.
        seed: Of its training.
        run: Its id; "" before there is one.
        status: Where it is: "planned" before there is a run.
        steps: Training steps it took.
        seconds: Of training.
        cells: What was measured, by name.
        likelihood: "exact", "bound" or "none"; "" where nothing was measured.
        base: Of what the likelihood is.
        examples: Test examples that it was measured on, and samples.
        curves: What the training logged, by term: the steps, and the values.
        weights: The SHA-256 of the weights that were measured; "" where nothing was.
        digest: Of the data that they were held against (:func:`genmodels.metrics.floors.digest`); "" of pictures.
    """

    name: str
    data: str
    model: str
    seed: int
    run: str = ""
    status: str = "planned"
    steps: int = 0
    seconds: float = 0.0
    cells: Mapping[str, Cell] = field(default_factory=dict)
    likelihood: str = ""
    base: str = ""
    examples: int = 0
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]] = field(default_factory=dict)
    weights: str = ""
    digest: str = ""


@dataclass(frozen=True)
class Summary:
    """Mean of ``n`` runs that differ by their seed alone; NaN for what so few do not tell.

    Attributes:
        mean: Over the seeds.
        sd: Standard deviation over the seeds.
        se: Standard error of the mean, from the seeds.
        n: How many.
        within: Standard error of one run's number, from test examples and samples; the mean over the runs.
        floor: What real data score against real data.
    """

    mean: float
    sd: float
    se: float
    n: int
    within: float
    floor: float


def rows(experiment: Experiment) -> list[Row]:
    """The experiment as it stands, in the order of its models."""
    among = store.known()
    return [_row(case, run_of(case, among), experiment) for case in experiment.cases]


def _row(case: Case, run: Run | None, experiment: Experiment) -> Row:
    if run is None:
        return Row(case.name, case.data, case.plan.model, case.seed)
    terms = {figure.curves for figure in experiment.figures if figure.curves}
    curves = {term: _curve(run.metrics(), term) for term in sorted(terms)}
    row = row_of(run, experiment.how, case.name)
    return replace(
        row,
        cells={name: cell for name, cell in row.cells.items() if name in experiment.measures},
        curves={term: curve for term, curve in curves.items() if curve[0]},
    )


def row_of(run: Run, how: How, name: str) -> Row:
    """A run as a row called ``name``, with all that was measured of it, and without curves."""
    plan, state = run.plan, run.state()
    measured = kept(run, how) if state.status is Status.FINISHED else None
    seed, likely = int(plan.settings.get("seed", 0)), likelihood_of(measured)[::2] if measured else ("", "")
    told = (name, plan.data, plan.model, seed, run.id, str(state.status), state.step, state.seconds)
    weights, digest = (weights_of(run), measured.get("digest", "")) if measured else ("", "")
    examples = (measured or {}).get("examples", 0)
    return Row(*told, cells(measured or {}), *likely, examples, weights=weights, digest=digest)


def _curve(logged: Sequence[Mapping[str, float]], term: str) -> tuple[list[float], list[float]]:
    known = [(row["step"], float(f"{row[term]:.5g}")) for row in logged if term in row]
    few = known[:: max(1, math.ceil(len(known) / POINTS))]
    return [step for step, _ in few], [value for _, value in few]


def summaries(table: Sequence[Row], measure: str) -> dict[tuple[str, str], Summary]:
    """By name and data, the mean of the measure over the seeds, of those rows in which it is known."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for row in table:
        if measure in row.cells:
            groups.setdefault((row.name, row.data), []).append(row.cells[measure])
    return {key: summary(group) for key, group in groups.items()}


def summary(group: Sequence[Cell]) -> Summary:
    """Mean, deviation and standard error of one measure of several runs.

    >>> summary([Cell(1.0, 0.1), Cell(3.0, 0.3)])
    Summary(mean=2.0, sd=1.4142135623730951, se=1.0, n=2, within=0.2, floor=nan)
    """
    values = [cell.value for cell in group]
    sd = statistics.stdev(values) if len(values) > 1 else math.nan
    mean = lambda numbers: statistics.fmean(numbers)  # noqa: E731
    within, floor = mean([cell.se for cell in group]), mean([cell.floor for cell in group])
    return Summary(mean(values), sd, sd / math.sqrt(len(values)), len(values), within, floor)


def budget(experiment: Experiment) -> str:
    """A note that the results rest on few seeds; "" where every model has :data:`SEEDS` of them."""
    shipped = dict.fromkeys(f"{case.checkpoint} (seed {case.seed})" for case in experiment.cases if case.checkpoint)
    words = []
    if shipped:
        which = "the checkpoint that ships" if len(shipped) == 1 else "the checkpoints that ship"
        words.append(f"The numbers are those of one training each, {which}: {', '.join(shipped)}.")
    if 0 < len(experiment.seeds) < SEEDS:
        words.append(f"Of each model there are {len(experiment.seeds)} trainings.")
    return f"{' '.join(words)} A table of trainings deserves {SEEDS} of each model." if words else ""


# As JSON --------------------------------------------------------------------------------------------------------------


def told(experiment: Experiment, table: Sequence[Row]) -> dict[str, Any]:
    """The results as a JSON object: what is shipped beside an experiment."""
    return {
        "experiment": experiment.name,
        "command": f"python -m genmodels experiment run {experiment.name}",
        "seeds": experiment.seeds,
        "measuring": asdict(experiment.how),
        "made": time.strftime("%Y-%m-%d", time.gmtime()),
        "version": __version__,
        "training_seconds": round(sum(row.seconds for row in table), 1),
        "rows": [_plain(asdict(row)) for row in table],
    }


def _plain(value: Any) -> Any:
    """NaN, which is no JSON, left out; six digits, but of whole numbers all."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items() if not (isinstance(v, float) and math.isnan(v))}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return float(f"{value:.6g}") if isinstance(value, float) and not value.is_integer() else value


def loaded(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """The results in a file that :func:`told` was written to.

    Raises:
        BadInput: If it is not there.
        Damaged: If it is not what it should be.
    """
    raw = read_json(path)
    with suppress(KeyError, TypeError, AttributeError):
        return raw, [
            Row(**{**one, "cells": {name: Cell(**cell) for name, cell in one["cells"].items()}}) for one in raw["rows"]
        ]
    raise Damaged(f"{path} is damaged: it holds no results of an experiment.")


def outdated(experiment: Experiment) -> list[Run]:
    """Checkpoints of an experiment without shipped numbers, or with numbers of earlier weights or other data."""
    known = {row.run: row for row in shipped(experiment)}
    runs = [store.find(case.checkpoint) for case in experiment.cases if case.checkpoint]
    return [run for run in runs if run.id not in known or not is_of(known[run.id], run)]


def is_of(row: Row, run: Run) -> bool:
    """Whether the row's numbers are of the run's weights as they are now, and of its data as they are made here."""
    return row.weights == weights_of(run) and row.digest == digest_of(run)


def renewed(experiment: Experiment) -> list[Row]:
    """The rows that ship, but those that are :func:`outdated` or missing as they are measured here."""
    again = {run.id for run in outdated(experiment)}
    old = {(row.name, row.data, row.seed): row for row in shipped(experiment) if row.run not in again}
    return [old.get((row.name, row.data, row.seed), row) for row in rows(experiment)]


def found(experiment: Experiment) -> list[Row]:
    """The rows of the runs that are here; where none is finished, those that ship beside the experiment."""
    here = rows(experiment)
    return here if any(row.cells for row in here) else shipped(experiment) or here


def shipped(experiment: Experiment) -> list[Row]:
    """The rows that ship beside the experiment; none where it has none."""
    with suppress(BadInput):
        return loaded(experiment.path.with_suffix(".json"))[1] if experiment.path else []
    return []

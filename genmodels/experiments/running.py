"""An experiment done: what is not there yet is trained, what is not measured yet is measured. Nothing is done twice."""

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from genmodels.data.datasets import info
from genmodels.durations import worded
from genmodels.errors import BadInput
from genmodels.experiments.declaration import Case, Experiment
from genmodels.experiments.measures import kept, measure
from genmodels.experiments.places import Place
from genmodels.metrics.floors import digest
from genmodels.runs import store
from genmodels.runs.record import Status
from genmodels.runs.run import Run
from genmodels.runs.store import Known, known

Steps = Generator[float, None, None]

__all__ = ["News", "advance", "digest_of", "measuring", "missing", "run_of"]


@dataclass(frozen=True)
class News:
    """How far an experiment is: ``fraction`` of the trainings, then of the measurements, and a line of ``text``."""

    fraction: float
    text: str


def run_of(case: Case, among: Known) -> Run | None:
    """The run of a case that is furthest on, or None where there is none."""
    if case.checkpoint:
        return store.find(case.checkpoint)
    return next(iter(among.get(store.asked(case.plan), [])), None)


def missing(experiment: Experiment) -> tuple[list[Case], list[Run]]:
    """The cases that must still be trained, and the finished runs that must still be measured.

    A training that failed is not tried again: its run says why.
    """
    among, untrained, unmeasured = known(), list[Case](), list[Run]()
    for case in experiment.cases:
        run = run_of(case, among)
        status = run.state().status if run else None
        if run is not None and status is Status.FINISHED:
            if kept(run, experiment.how) is None:
                unmeasured.append(run)
        elif status is not Status.FAILED:
            untrained.append(case)
    return untrained, unmeasured


def advance(experiment: Experiment, place: Place) -> Generator[News, None, None]:
    """Do what is missing; whoever stops asking stops it, and what was done is kept.

    Raises:
        BadInput: If the place cannot train, or what was trained cannot be measured.
    """
    untrained, _ = missing(experiment)
    plans = [case.plan for case in untrained if not case.checkpoint]
    if plans:
        yield from _told(place.train(plans), f"training {len(plans)} of {len(experiment.cases)} runs")
    if any(case.checkpoint for case in missing(experiment)[0]):
        raise BadInput("A checkpoint of this experiment is not finished: it cannot be measured.")
    yield from measuring(missing(experiment)[1], experiment)


def measuring(runs: Sequence[Run], experiment: Experiment) -> Generator[News, None, None]:
    """Measure those of the finished runs that were not yet, as the experiment says, or were on other data."""
    unmeasured = [run for run in runs if not _is_of_its_data(kept(run, experiment.how), run)]
    what = "1 run" if len(unmeasured) == 1 else f"{len(unmeasured)} runs"
    yield from _told(_measured(unmeasured, experiment), f"measuring {what} of {experiment.name}")


def digest_of(run: Run) -> str:
    """What tells the run's data from others of their name; pictures, which have no digest, are not loaded for it."""
    return "" if info(run.plan.data).kind == "images" else digest(run.data())


def _is_of_its_data(table: dict[str, Any] | None, run: Run) -> bool:
    """Whether the run was measured, on its data as they are made now."""
    return table is not None and table.get("digest", "") == digest_of(run)


def _measured(runs: Sequence[Run], experiment: Experiment) -> Steps:
    how = experiment.how
    for i, run in enumerate(runs):
        for done in measure(run.id, how.n, how.k, how.seed):
            yield (i + done) / len(runs)
        yield (i + 1) / len(runs)


def _told(steps: Steps, what: str) -> Iterator[News]:
    """Each fraction with the time that is left, as the time so far tells it."""
    start, first = time.monotonic(), None
    with closing(steps):
        for done in steps:
            first = done if first is None else first
            spent, gained = time.monotonic() - start, done - first
            left = f", {worded(spent * (1 - done) / gained)} left" if gained > 0.01 and done < 1 else ""
            yield News(done, what + left)

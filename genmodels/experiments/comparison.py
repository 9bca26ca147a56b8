"""All that learned the same data, in one table: each measured alike, so that no number depends on the others."""

import functools
import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from genmodels.data.datasets import DATASETS
from genmodels.errors import BadInput
from genmodels.experiments.declaration import FOLDER
from genmodels.experiments.measures import MEASURES, Cell, How, cells, likelihood_of, suits
from genmodels.experiments.results import Row, is_of, loaded, row_of, summary
from genmodels.files import read_json
from genmodels.runs import classroom, store
from genmodels.runs.record import Status
from genmodels.runs.run import Run

__all__ = [
    "HOW",
    "NOTES",
    "Group",
    "apart",
    "columns",
    "compared",
    "data_of",
    "measured_floor",
    "missing",
    "named",
    "over_seeds",
    "stale",
]

HOW = How()
"""How everything is measured that is compared."""

OF_CARD = "as its card says"  # the state of a row that was not measured like the others
STALE = "of earlier weights or data"  # whose checkpoint was trained again, or whose data changed, after it was measured
NOTES = (OF_CARD, STALE)
"""What is said of a row that was not measured like the others, as it is now."""

MOST = 40  # runs, the newest, beside the checkpoints


def data_of() -> list[str]:
    """The data of which there is something finished, in the order of the registry."""
    known = {run.plan.data for run in _finished()}
    return [name for name in DATASETS if name in known]


def compared(data: str) -> list[Row]:
    """Every finished run of ``data`` that is here, and every checkpoint; what was not measured yet has no cells."""
    return [_row(run) for run in _finished() if run.plan.data == data]


@dataclass(frozen=True)
class Group:
    """Runs that differ by their seed alone.

    Attributes:
        row: All of them as one: of each measure the mean, and its standard error over the seeds; of one seed that of
            test examples and samples.
        of: Their own rows, one a seed.
        n: How many of them were measured.
    """

    row: Row
    of: Sequence[Row]
    n: int


def over_seeds(table: Sequence[Row]) -> list[Group]:
    """The rows of runs in groups that differ by the seed alone; of one seed twice the first counts."""
    plans = [store.find(row.run).plan for row in table]
    return [_group([table[i] for i in group]) for group in classroom.seeds(plans)]


def _group(rows: Sequence[Row]) -> Group:
    of = list({row.seed: row for row in reversed(rows)}.values())[::-1]
    first, found = next((row for row in of if row.cells), of[0]), dict[str, Cell]()
    for name in first.cells:
        one = summary([row.cells[name] for row in of if name in row.cells])
        found[name] = Cell(one.mean, one.se if one.n > 1 else one.within, one.floor)
    name = first.name.removesuffix(f", seed {first.seed}") if len(of) > 1 else first.name
    status = next((row.status for row in of if row.status in NOTES), first.status)
    return Group(replace(first, name=name, cells=found, status=status), of, sum(bool(row.cells) for row in of))


def columns(data: str) -> list[str]:
    """The measures that such data have."""
    return [name for name in MEASURES if suits(name, DATASETS[data], data)]


def missing(table: Sequence[Row]) -> list[Row]:
    """The rows that were not measured yet, or not like the others, or whose weights or data are others by now."""
    return [row for row in table if not row.cells or row.status in NOTES]


def stale(table: Sequence[Row]) -> list[str]:
    """The names of those rows whose checkpoint ships with other weights, or is of other data, than were measured."""
    shipped = {run.id: run for run in store.bundled()}
    return [row.name for row in table if (run := shipped.get(row.run)) and not is_of(row, run)]


def named(rows: Sequence[Row]) -> dict[str, str]:
    """The ids by name; two of one name are told apart by the end of their ids."""
    names = [row.name for row in rows]
    return {
        row.name if names.count(row.name) == 1 else f"{row.name} · {row.run[-6:]}": row.run for row in rows if row.run
    }


def measured_floor(table: Sequence[Row], name: str) -> Cell | None:
    """The score of real data against as many real data, from the rows; None where it was not measured."""
    for row in table:
        if row.status != OF_CARD and (cell := row.cells.get(name)) and not math.isnan(cell.floor):
            return Cell(cell.floor, cell.floor_se)
    return None


def apart(one: Run, other: Run) -> list[tuple[str, str, str]]:
    """The settings in which two runs differ, no others: the name of each, and both values; "–" where it has none."""
    both = [_settings(run) for run in (one, other)]
    names = dict.fromkeys([*both[0], *both[1]])
    values = [(name, *(settings.get(name, "–") for settings in both)) for name in names]
    return [(name, left, right) for name, left, right in values if left != right]


def _settings(run: Run) -> dict[str, str]:
    plan = run.plan
    of_data = {f"data: {name}": value for name, value in plan.data_arguments.items()}  # a drawing's width is no model's
    known = {"model": plan.model, "data": plan.data, **of_data, **plan.arguments, **plan.settings}
    return {name: str(value) for name, value in known.items()}


def _finished() -> list[Run]:
    runs = []
    for run in [*store.bundled(), *store.every()[:MOST]]:
        with suppress(BadInput):  # deleted in this instant
            if run.state().status is Status.FINISHED and run.plan.data in DATASETS:
                runs.append(run)
    return runs


def _row(run: Run) -> Row:
    row = row_of(run, HOW, run.title)
    if row.cells or not run.is_bundled:
        return row
    known = _shipped(FOLDER / f"checkpoints-{run.plan.data}.json").get(run.id)
    if known is None:
        return _of_card(row, run.path / "measures.json")
    return known if is_of(known, run) else replace(known, status=STALE)


def _of_card(row: Row, path: Path) -> Row:
    """The row with what the card of its checkpoint says: like the others where it is of as many samples."""
    with suppress(BadInput):
        card = read_json(path)
        samples = card.get("samples", card["examples"])
        status = row.status if samples == HOW.n else OF_CARD
        known = cells(card) | {"seconds": Cell(row.seconds)}
        return replace(row, cells=known, likelihood=likelihood_of(card)[0], examples=samples, status=status)
    return row


@functools.lru_cache(maxsize=16)
def _shipped(path: Path) -> dict[str, Row]:
    """The rows that were measured of checkpoints before they shipped, by the checkpoint's name."""
    with suppress(BadInput):
        return {row.run: row for row in loaded(path)[1]}
    return {}

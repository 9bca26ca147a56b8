"""What the command line does with experiments: run one, show what came of it, list and reproduce those that ship."""

import contextlib
import sys
from argparse import Namespace as Arguments
from collections.abc import Callable
from typing import TYPE_CHECKING

from genmodels.cli.commands import show
from genmodels.cli.terminal import Progress
from genmodels.errors import BadInput
from genmodels.files import write
from genmodels.text import quoted

if TYPE_CHECKING:
    from genmodels.experiments.places import Place

__all__ = ["ACTS", "experiment", "listed"]


def experiment(arguments: Arguments) -> int | None:
    """Train, measure and tabulate what a small file declares: models × data × settings × seeds."""
    return arguments.experiment(arguments)


def run(arguments: Arguments) -> int:
    """Train and measure what is missing, then print the table; Ctrl-C stops it, and the next call goes on."""
    from genmodels.cli.foreground import stopping
    from genmodels.data.datasets import load
    from genmodels.experiments import declaration, results, running
    from genmodels.experiments.writers import FORMATS

    place = _place(arguments)
    one = declaration.read(arguments.file, seeds=arguments.seeds)
    progress, number = Progress(), 0
    if arguments.on in ("workers", "here"):
        for data in sorted({case.data for case in one.cases}):
            load(data, progress=progress.of)
    with stopping() as asked, contextlib.closing(running.advance(one, place)) as steps:
        for news in steps:
            progress.of(news.fraction, news.text)
            if number := asked():
                break
    progress.end()
    rows = results.rows(one)
    print(FORMATS[arguments.format](one, rows), end="")
    failed = [row for row in rows if row.status == "failed"]
    for row in failed:
        print(f"{row.run} failed: `python -m genmodels runs` says why.", file=sys.stderr)
    return 128 + number if number else int(bool(failed))


def _place(arguments: Arguments) -> "Place":
    """The place where an experiment is to be trained, from the options.

    Raises:
        BadInput: If an option is for another place.
    """
    from genmodels.experiments.places import PLACES

    of_place = {"hf-jobs": ("flavor", "to"), "ray": ("address",)}
    for place, names in of_place.items():
        for name in names:
            if place != arguments.on and getattr(arguments, name):
                raise BadInput(f"--{name} is for --on {place}, and this is --on {arguments.on}.")
    chosen = {name: value for name in of_place.get(arguments.on, ()) if (value := getattr(arguments, name))}
    return PLACES[arguments.on](**chosen)


def shown(arguments: Arguments) -> None:
    """Print what came of an experiment so far; nothing is trained and nothing is measured."""
    from genmodels.experiments import declaration, results
    from genmodels.experiments.writers import FORMATS

    one = declaration.read(arguments.file, seeds=arguments.seeds)
    print(FORMATS[arguments.format](one, results.found(one)), end="")


def reproduced(arguments: Arguments) -> None:
    """Print the sources' tables beside ours, and why they differ; nothing is trained and nothing is measured."""
    from genmodels.experiments import comparison, declaration, results
    from genmodels.experiments.writers import entry

    known = {one.name: one for one in map(declaration.read, declaration.shipped()) if one.source}
    if arguments.name and arguments.name not in known:
        raise BadInput(f"There is no entry {quoted(arguments.name)}: it may be {', '.join(known)}.")
    for one in [known[arguments.name]] if arguments.name else known.values():
        rows = results.shipped(one)
        print(entry(one, rows))
        for stale in comparison.stale(rows):
            print(f"{stale} has other weights or data than its numbers were measured on.", file=sys.stderr)


def refreshed(arguments: Arguments) -> int:
    """Measure again what ships of checkpoints that have other weights or data by now, and write it; the rest stays."""
    from genmodels.cli.foreground import stopping
    from genmodels.experiments import declaration, results, running
    from genmodels.experiments.writers import FORMATS

    progress = Progress()
    for one in map(declaration.read, arguments.names or declaration.shipped()):
        if not (again := results.outdated(one)):
            continue
        with stopping() as asked, contextlib.closing(running.measuring(again, one)) as steps:
            for news in steps:
                progress.of(news.fraction, news.text)
                if number := asked():
                    progress.end()
                    return 128 + number
        progress.end()
        rows = results.renewed(one)
        if open_ones := [row.name for row in rows if not row.cells]:
            raise BadInput(f"{one.name} is not whole: {quoted(open_ones[0])} is to be trained, by `experiment run`.")
        assert one.path is not None
        write(one.path.with_suffix(".json"), FORMATS["json"](one, rows).encode())
        print(f"{one.name}: {', '.join(run.id for run in again)}")
    return 0


def listed(arguments: Arguments) -> None:
    """List the experiments that ship with the library."""
    from genmodels.experiments import declaration

    known = [declaration.read(name) for name in declaration.shipped()]
    show(
        [{"name": one.name, "runs": len(one.cases), "seeds": len(one.seeds), "title": one.title} for one in known],
        arguments.json,
    )


def measured(arguments: Arguments) -> None:
    """List what can be measured."""
    from genmodels.experiments.measures import MEASURES

    rows = [
        {
            "name": name,
            "unit": one.unit or "–",
            "better": one.better or "–",
            "needs": one.needs or "–",
            "what": one.about,
        }
        for name, one in MEASURES.items()
    ]
    show(rows, arguments.json)


ACTS: dict[str, Callable[[Arguments], int | None]] = {
    "run": run,
    "show": shown,
    "reproduce": reproduced,
    "refresh": refreshed,
    "list": listed,
    "measures": measured,
}

"""What the command line does with checkpoints: list, pull, push, export."""

import json
from argparse import Namespace as Arguments
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genmodels.cli.commands import run_of, show
from genmodels.cli.terminal import Progress
from genmodels.errors import BadInput
from genmodels.hub.client import Place, repository
from genmodels.runs.record import Status

if TYPE_CHECKING:
    from genmodels.runs.store import Run

__all__ = ["checkpoints", "export", "pull", "push"]


def checkpoints(arguments: Arguments) -> None:
    """List the checkpoints that ship with the library, and those on the Hub (no weights are downloaded)."""
    from genmodels.export.model_card import headline
    from genmodels.files import read_json
    from genmodels.hub.checkpoints import available
    from genmodels.runs.store import bundled

    rows = []
    for run in bundled():
        size = sum(path.stat().st_size for path in run.path.rglob("*") if path.is_file())
        path = run.path / "measures.json"
        measure = headline(read_json(path) if path.exists() else {})
        rows.append(row(run.id, run.plan.model, run.plan.data, measure, size, run.plan.created))
    place = Place.parse(arguments.place) if arguments.place else repository()
    if place:
        listing, cards = available(place)
        for one in cards:
            text = one.problem or headline(one.measures)
            rows.append(row(str(one.place), one.model, one.data, text, one.size, one.created))
        if not listing.live and not arguments.json:
            print(f"The Hub cannot be reached: {place} as seen {day(listing.seen)}.")
    show(rows, arguments.json)


def row(name: str, model: str, data: str, measure: str, size: int, created: float) -> dict[str, Any]:
    """A checkpoint as a row of the list."""
    values = {"checkpoint": name, "model": model, "data": data, "measure": measure}
    return values | {"MB": round(size / 1e6, 1), "made": day(created)}


def day(seconds: float) -> str:
    """The date of a time since 1970.

    >>> day(0)
    '1970-01-01'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def pull(arguments: Arguments) -> None:
    """Fetch a checkpoint from the Hub, or a pipeline of diffusers: a run like any other, which the app shows too."""
    from genmodels.hub import checkpoints, import_diffusers

    if import_diffusers.is_folder(arguments.name):
        run = import_diffusers.adopt(Path(arguments.name))
    else:
        run = checkpoints.pull(place_of(arguments.name), Progress().of)
    print(json.dumps(came(run)))


def came(run: "Run") -> dict[str, Any]:
    """A run from elsewhere as a JSON object: its id and folder here, and its origin."""
    origin = run.plan.origin
    return {"run": run.id, "path": str(run.path)} | (asdict(origin) if origin else {})


def place_of(name: str) -> Place:
    """A place on the Hub; a bare name is a folder of the default repository.

    Raises:
        BadInput: If it is none.
    """
    default = repository()
    if "/" in name or default is None:
        return Place.parse(name)
    return Place.parse(f"{default}/{name}")


def push(arguments: Arguments) -> None:
    """Send finished runs, or all bundled checkpoints, to the Hub, each with its model card."""
    from genmodels.hub.push import push
    from genmodels.runs.store import bundled

    place = Place.parse(arguments.to) if arguments.to else repository()
    if place is None:
        raise BadInput("Nothing says where to: give --to hf://owner/repo, or set GENMODELS_HUB_REPO.")
    chosen = [run_of(name) for name in arguments.run] + (bundled() if arguments.bundled else [])
    how: dict[str, Any] = {"private": arguments.private, "dry_run": arguments.dry_run, "progress": Progress().of}
    sent = push(chosen, place, measuring(arguments), snapshots=arguments.snapshots, frames=arguments.frames, **how)
    for one in sent:
        print(f"{one.path}  {'removed' if one.size is None else f'{one.size:,} bytes'}")
    total = sum(one.size or 0 for one in sent)
    print(json.dumps({"to": str(place), "files": len(sent), "bytes": total, "sent": not arguments.dry_run}))


def export(arguments: Arguments) -> None:
    """Take a run along: a checkpoint small enough to ship, a pipeline of diffusers, a script, a notebook, figures."""
    from genmodels.export import code, diffusers, media
    from genmodels.files import write

    run, folder = run_of(arguments.run), Path(arguments.folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} is not empty: choose a new folder.")
    match arguments.to:
        case "checkpoint":
            return ship(run, folder, arguments)
        case "diffusers":
            diffusers.export(run.model(), folder)
        case "script":
            write(folder / f"{run.id}.py", code.script(run).encode())
        case "notebook":
            write(folder / f"{run.id}.ipynb", code.notebook(run).encode())
        case _:
            for name, content in media.pictures_of(run).items():
                write(folder / name, content)
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    print(json.dumps({"run": run.id, "folder": str(folder), "files": files}))


def ship(run: "Run", folder: Path, arguments: Arguments) -> None:
    """Make a finished run a checkpoint: half precision, its curve, its measures, its model card."""
    from genmodels.export.checkpoint import export

    if run.state().status is not Status.FINISHED:
        raise BadInput(f"Run {run.id} must be finished to become a checkpoint: it is {run.state().status}.")
    snapshots = min(arguments.snapshots, len(run.snapshots()))
    made = export(run, folder, measuring(arguments)(run), snapshots=snapshots, frames=arguments.frames)
    counted = {"snapshots": len(made.snapshots()), "frames": len(made.frames())}
    print(json.dumps({"run": run.id, "folder": str(made.path)} | counted))


def measuring(arguments: Arguments) -> "Callable[[Run], dict[str, Any]]":
    """A function that measures a run on the test set, as ``evaluate`` does."""

    def measure(run: "Run") -> dict[str, Any]:
        from genmodels.data.datasets import ELSEWHERE
        from genmodels.host.threads import settle_threads
        from genmodels.metrics.evaluate import measures
        from genmodels.training.distributed import device

        if run.plan.data == ELSEWHERE:
            return {}  # there is nothing to measure it by
        settle_threads(many=True)
        place, progress = device(arguments.device), Progress()
        loaded = run.data(place, progress=progress.of)
        how: dict[str, Any] = {"n": arguments.n, "k": arguments.k, "seed": arguments.seed, "progress": progress.of}
        return measures(run.model(device=place), loaded, **how)

    return measure

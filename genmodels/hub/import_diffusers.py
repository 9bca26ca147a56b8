"""Pipelines of diffusers, in a folder here or on the Hub, as runs: nothing of one is believed before it is checked."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from genmodels.data.datasets import ELSEWHERE
from genmodels.data.mnist import Progress
from genmodels.errors import BadInput
from genmodels.export import diffusers
from genmodels.files import read_json
from genmodels.hub import client
from genmodels.hub.client import MOST_JSON, MOST_WEIGHTS, File, Listing, Place
from genmodels.hub.install import check_room, keep, named
from genmodels.hub.validate import plan_of
from genmodels.models.base import weigh
from genmodels.runs.record import Origin, State, Status
from genmodels.runs.store import Run, root

__all__ = ["adopt", "date_of", "fetched", "is_folder", "is_pipeline", "size_of"]

CONFIGS = ("index", "unet", "scheduler")


def is_folder(name: str) -> bool:
    """Whether ``name`` is a folder of this computer with a pipeline in it."""
    try:
        return (Path(name) / diffusers.INDEX).is_file()
    except (OSError, ValueError):  # no name of a file
        return False


def adopt(folder: Path) -> Run:
    """The run that a pipeline folder of diffusers on this computer becomes: see :mod:`genmodels.export.diffusers`.

    Raises:
        BadInput: One sentence for whatever is wrong with it.
    """
    folder = folder.resolve()
    names = diffusers.files_of({str(path.relative_to(folder)) for path in folder.glob("*/*")})
    for name in names.values():
        if not (folder / name).is_file() or (name != names["weights"] and (folder / name).stat().st_size > MOST_JSON):
            raise BadInput(f"{folder} is no pipeline of diffusers: {name} is missing, or too large.")
    try:
        config = diffusers.config_of(*(read_json(folder / names[one]) for one in CONFIGS))
    except BadInput as error:
        raise BadInput(f"{folder} cannot be used: {error}") from None
    weights, run = folder / names["weights"], Run(root() / named(folder))
    client.check_size(folder, File(weights.stat().st_size), config, weigh)
    with weights.open("rb") as stream:
        origin = Origin(name=folder.name, commit=hashlib.file_digest(stream, "sha256").hexdigest())
    if (run.path / "run.json").exists() and run.plan.origin == origin:
        return run
    return _adopted(run, config, weights, folder, weights.stat().st_mtime, origin)


def _adopted(
    run: Run, config: Mapping[str, Any], weights: Path, place: Place | Path, made: float, origin: Origin
) -> Run:
    """Keep a pipeline as a run."""
    try:
        model = diffusers.model_of(config, weights)
    except BadInput as error:
        raise BadInput(f"{place} cannot be used: {error}") from None
    name = PurePosixPath(place.subfolder or place.repo).name if isinstance(place, Place) else place.name
    raw = {"title": name, "data": ELSEWHERE, "created": made}
    plan = plan_of(raw, {"model": model.name, **model.config}, Place("a/pipeline"))
    state = State(status=Status.FINISHED, message=f"From {origin.name}.")
    return keep(run, place, model.save, replace(plan, origin=origin), state)


# On the Hub -----------------------------------------------------------------------------------------------------------


def is_pipeline(listing: Listing, place: Place) -> bool:
    """Whether ``place`` holds a pipeline of diffusers rather than a run."""
    return place.path(diffusers.INDEX) in listing.files and place.path("run.json") not in listing.files


def size_of(listing: Listing, place: Place) -> int:
    """The bytes of a pipeline that can be used here.

    Raises:
        BadInput: If it cannot.
    """
    names = _files(listing, place)
    client.check_size(place, listing.files[place.path(names["weights"])], _config(listing, place), weigh)
    return sum(listing.files[place.path(name)].size for name in names.values())


def date_of(listing: Listing) -> float:
    """The time of a repository's last change, seconds since 1970."""
    return datetime.fromisoformat(listing.date).timestamp() if listing.date else time.time()


def fetched(run: Run, listing: Listing, place: Place, origin: Origin, progress: Progress | None = None) -> Run:
    """The run that the pipeline in ``place`` becomes.

    Raises:
        BadInput: One sentence for whatever is wrong with it; nothing is changed then.
    """
    size_of(listing, place)
    path = place.path(_files(listing, place)["weights"])
    total, came = listing.files[path].size, 0
    check_room(place, {path: listing.files[path]})

    def count(n: int) -> None:
        nonlocal came
        came = min(came + n, total)
        if progress:
            progress(came / total, f"{came / 1e6:,.1f} of {total / 1e6:,.1f} MB")

    weights = client.file(listing, path, MOST_WEIGHTS, count)
    return _adopted(run, _config(listing, place), weights, place, date_of(listing), origin)


def _files(listing: Listing, place: Place) -> dict[str, str]:
    start = place.path("")
    names = diffusers.files_of({path[len(start) :] for path in listing.files if path.startswith(start)})
    for name in names.values():
        if place.path(name) not in listing.files:
            raise BadInput(f"{place} is a pipeline of diffusers without {name}, and nothing else is read.")
    return names


def _config(listing: Listing, place: Place) -> dict[str, Any]:
    names = _files(listing, place)
    said = [client.json_of(listing, place.path(names[one])) for one in CONFIGS]
    try:
        return diffusers.config_of(*said)
    except BadInput as error:
        raise BadInput(f"{place} cannot be used: {error}") from None

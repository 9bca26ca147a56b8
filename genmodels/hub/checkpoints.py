"""Checkpoints by one name everywhere: a run's id, a bundled one, a folder, or ``hf://owner/repo[@revision][/subfolder]``.

One that is pulled from the Hub becomes a run like any other, which every page shows: only the files in ``ALLOWED`` are
taken, all of them are checked while they lie in the client's cache, and a run's folder appears whole or not at all.
"""

import re
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from genmodels.data.datasets import ELSEWHERE
from genmodels.data.mnist import Progress
from genmodels.errors import BadInput
from genmodels.export import diffusers
from genmodels.hub import client, import_diffusers
from genmodels.hub.client import CONFIG, MOST_JSON, WEIGHTS, File, Listing, Place
from genmodels.hub.install import check_room, keep, named
from genmodels.hub.validate import measures_of, plan_of, state_of
from genmodels.models.base import weigh
from genmodels.runs.record import Origin
from genmodels.runs.store import CHECKPOINTS, Run, root
from genmodels.text import quoted

__all__ = ["ALLOWED", "Card", "available", "pull", "pulled", "resolve", "wanted"]

ALLOWED = {
    CONFIG: MOST_JSON,
    WEIGHTS: client.MOST_WEIGHTS,
    "run.json": MOST_JSON,
    "state.json": MOST_JSON,
    "measures.json": MOST_JSON,
    "README.md": MOST_JSON,
    "metrics.jsonl": 64 << 20,
    "samples.npy": 64 << 20,
}
"""A checkpoint's files, and the most bytes of each; ``snapshots/<step>/`` holds the first two, samples, or all."""

SNAPSHOT = re.compile(r"snapshots/(0|[1-9][0-9]{0,11})")
OF_A_SNAPSHOT = (CONFIG, WEIGHTS, "samples.npy")
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".dill")
MOST_BYTES, MOST_SNAPSHOTS = 4 << 30, 100
MOST_LISTED = 200


def resolve(name: str, progress: Progress | None = None) -> Path:
    """The folder of the run, or of the weights, that ``name`` means; what was pulled once is here without a network.

    Raises:
        BadInput: If there is none.
    """
    if name.startswith("hf://"):
        place = Place.parse(name)
        if run := pulled(place):
            return run.path
        files = client.look(place).files
        whole = place.path("run.json") in files or place.path(diffusers.INDEX) in files
        return pull(place, progress).path if whole else client.fetch(place, weigh)
    for path in (root() / name, CHECKPOINTS / name, Path(name)) if _may_be_a_file(name) else ():
        if (path / "run.json").exists():
            return path
        if (path / diffusers.INDEX).exists():
            return import_diffusers.adopt(path).path
        if (path / CONFIG).exists():
            return path
    bundled = ", ".join(sorted(path.parent.name for path in CHECKPOINTS.glob("*/run.json"))) or "none"
    raise BadInput(
        f"There is no run {quoted(name)}: `python -m genmodels runs` lists them; the bundled checkpoints: {bundled}."
    )


def _may_be_a_file(name: str) -> bool:
    """Whether a system can be asked for it: no part of it is too long, or holds a NUL."""
    return "\0" not in name and len(name) < 4096 and all(len(part.encode()) <= 255 for part in Path(name).parts)


def pulled(place: Place) -> Run | None:
    """The run that ``place`` was pulled to, if it was."""
    run = Run(root() / named(place))
    return run if (run.path / "run.json").exists() else None


# What there is --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Card:
    """A checkpoint before it is pulled.

    Attributes:
        place: Where it is.
        title: Its name for people.
        model: A name of MODELS.
        data: A name of DATASETS.
        measures: What was measured of it.
        size: Bytes of all its files.
        created: When it was made, seconds since 1970.
        problem: Why it cannot be pulled, a sentence; "" otherwise.
    """

    place: Place
    title: str
    model: str = ""
    data: str = ""
    measures: dict[str, Any] = field(default_factory=dict)
    size: int = 0
    created: float = 0.0
    problem: str = ""


def available(place: Place) -> tuple[Listing, list[Card]]:
    """The checkpoints in ``place`` and below it, without their weights.

    Raises:
        BadInput: If there is no such repository, or the Hub cannot be reached and has not been before.
    """
    listing = client.look(place)
    paths = [PurePosixPath(path) for path in listing.files]
    ours = [p.parent for p in paths if p.name == WEIGHTS and str(p.parent / CONFIG) in listing.files]
    theirs = [p.parent for p in paths if p.name == diffusers.INDEX]
    folders = sorted({str(p) for p in ours + theirs if "snapshots" not in p.parts})
    inside = [f for f in folders if not place.subfolder or f"{f}/".startswith(f"{place.subfolder}/")]
    places = [replace(place, subfolder="" if folder == "." else folder) for folder in inside[:MOST_LISTED]]
    with ThreadPoolExecutor(8) as threads:
        return listing, list(threads.map(lambda one: _card(listing, one), places))


def _card(listing: Listing, place: Place) -> Card:
    title = place.subfolder or place.repo
    try:
        Place.parse(str(place))
        if import_diffusers.is_pipeline(listing, place):
            return Card(
                place,
                title,
                "ddpm",
                ELSEWHERE,
                {},
                import_diffusers.size_of(listing, place),
                import_diffusers.date_of(listing),
            )
        files = wanted(listing, place)
        config, raw = (client.json_of(listing, place.path(name)) for name in (CONFIG, "run.json"))
        plan, measures = plan_of(raw, config, place), {}
        if "measures.json" in files:
            measures = measures_of(client.json_of(listing, place.path("measures.json")), place)
        size = sum(one.size for one in files.values())
        return Card(place, plan.title or title, plan.model, plan.data, measures, size, plan.created)
    except BadInput as error:
        return Card(place, title, problem=str(error))


# Pulling --------------------------------------------------------------------------------------------------------------


def pull(place: Place, progress: Progress | None = None) -> Run:
    """The run that ``place`` becomes here: as the Hub has it now, or as last seen where that cannot be reached.

    Raises:
        BadInput: One sentence for whatever is wrong with it; no run is changed then.
    """
    listing = client.look(place)
    run = Run(root() / named(place))
    if pulled(place) and (known := run.plan.origin) and known.commit == listing.commit:
        return run
    origin = Origin(name=str(place), commit=listing.commit)
    if import_diffusers.is_pipeline(listing, place):
        return import_diffusers.fetched(run, listing, place, origin, progress)
    files = wanted(listing, place)
    check_room(place, files)
    config, raw = (client.json_of(listing, place.path(name)) for name in (CONFIG, "run.json"))
    for name in (name for name in files if name.endswith(WEIGHTS)):
        client.check_size(place, files[name], config, weigh)
    plan = replace(plan_of(raw, config, place), origin=origin)
    here = _fetched(listing, place, files, progress)
    state = state_of(here, config, place)

    def fill(folder: Path) -> None:
        for name, path in here.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / name)

    return keep(run, place, fill, plan, state)


def _fetched(listing: Listing, place: Place, files: Mapping[str, File], progress: Progress | None) -> dict[str, Path]:
    """All files, where the client keeps them."""
    total, before, came = sum(one.size for one in files.values()), 0, 0

    def count(n: int) -> None:
        nonlocal came
        came = min(came + n, total)
        if progress:
            progress(came / total, f"{came / 1e6:,.1f} of {total / 1e6:,.1f} MB")

    here = {}
    for name in sorted(files):
        here[name] = client.file(listing, place.path(name), ALLOWED[PurePosixPath(name).name], count)
        before += files[name].size
        count(before - came)  # a file that the client had under another name came without a word
    return here


def wanted(listing: Listing, place: Place) -> dict[str, File]:
    """The files of a checkpoint, by their path within it.

    Raises:
        BadInput: If it is none, holds pickles, or is too large.
    """
    start = place.path("")
    own = {path[len(start) :]: one for path, one in listing.files.items() if path.startswith(start)}
    files = {}
    for name, one in own.items():
        folder, _, last = name.rpartition("/")
        snapshot = SNAPSHOT.fullmatch(folder)
        if (not folder or snapshot) and last.lower().endswith(PICKLES):
            raise BadInput(f"{place} holds {last[:60]}, which could run code when it is read: only safetensors is.")
        if (last in OF_A_SNAPSHOT) if snapshot else (name in ALLOWED):
            if one.size > ALLOWED[last]:
                most = ALLOWED[last] / 1e6
                raise BadInput(f"{place}: {name} has {one.size / 1e6:,.1f} MB, at most {most:,.1f} MB are allowed.")
            files[name] = one
    for name in (CONFIG, WEIGHTS, "run.json"):
        if name not in files:
            raise BadInput(f"{place} holds no checkpoint of genmodels: {name} is missing.")
    moments = {PurePosixPath(name).parent for name in files}
    if sum(one.size for one in files.values()) > MOST_BYTES or len(moments) > MOST_SNAPSHOTS:
        raise BadInput(f"{place} is larger than {MOST_BYTES / 1e9:.0f} GB or {MOST_SNAPSHOTS} snapshots.")
    return files

"""Checkpoints by one name everywhere: a run's id, a bundled one, a folder, or ``hf://owner/repo[@revision][/subfolder]``.

One that is pulled from the Hub becomes a run like any other, which every page shows: only the files in ``ALLOWED`` are
taken, all of them are checked while they lie in the client's cache, and a run's folder appears whole or not at all.
"""

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeGuard

import numpy as np
import torch

from genmodels import data as datasets
from genmodels import hub
from genmodels.errors import BadInput
from genmodels.files import held, read_json, write_json
from genmodels.hub import CONFIG, MOST_JSON, WEIGHTS, File, Listing, Place
from genmodels.idx import Progress
from genmodels.models.base import GenerativeModel, build, load, weigh
from genmodels.runs import CHECKPOINTS, Run, root
from genmodels.train import Settings

__all__ = ["ALLOWED", "Card", "available", "pull", "pulled", "resolve", "wanted"]

ALLOWED = {
    CONFIG: MOST_JSON,
    WEIGHTS: hub.MOST_WEIGHTS,
    "run.json": MOST_JSON,
    "state.json": MOST_JSON,
    "measures.json": MOST_JSON,
    "README.md": MOST_JSON,
    "metrics.jsonl": 64 << 20,
    "samples.npy": 64 << 20,
}
"""What a checkpoint consists of, and the most bytes of each; ``snapshots/<step>/`` holds the first two and samples."""

SNAPSHOT = re.compile(r"snapshots/(0|[1-9][0-9]{0,11})")
OF_A_SNAPSHOT = (CONFIG, WEIGHTS, "samples.npy")
PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".dill")
MOST_BYTES, MOST_SNAPSHOTS = 4 << 30, 100
MOST_LISTED = 200
NO_MARKUP = str.maketrans("", "", "[]<>`$|\\*")  # a title is shown as Markdown
SPARE = 1 << 30  # bytes that stay free on the disk


def resolve(name: str, progress: Progress | None = None) -> Path:
    """The folder of the run, or of the weights, that ``name`` means; what was pulled once is here without a network.

    Raises:
        BadInput: If there is none.
    """
    if name.startswith("hf://"):
        place = Place.parse(name)
        if run := pulled(place):
            return run.path
        listing = hub.look(place)
        return pull(place, progress).path if place.path("run.json") in listing.files else hub.fetch(place, weigh)
    for path in (root() / name, CHECKPOINTS / name, Path(name)):
        if (path / "run.json").exists() or (path / CONFIG).exists():
            return path
    bundled = ", ".join(sorted(path.parent.name for path in CHECKPOINTS.glob("*/run.json"))) or "none"
    raise BadInput(
        f"There is no run {name!r}: `python -m genmodels runs` lists them; the bundled checkpoints: {bundled}."
    )


def pulled(place: Place) -> Run | None:
    """The run that ``place`` was pulled to, if it was."""
    run = Run(root() / _id(place))
    return run if (run.path / "run.json").exists() else None


def _id(place: Place) -> str:
    """The name of its run: readable, and its own."""
    last = PurePosixPath(place.subfolder or place.repo).name.strip(".")[:80]
    return f"{last}-{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"


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
    listing = hub.look(place)
    parts = [PurePosixPath(path).parent for path in listing.files if PurePosixPath(path).name == WEIGHTS]
    folders = sorted(str(p) for p in parts if "snapshots" not in p.parts and str(p / CONFIG) in listing.files)
    inside = [f for f in folders if not place.subfolder or f"{f}/".startswith(f"{place.subfolder}/")]
    places = [replace(place, subfolder="" if folder == "." else folder) for folder in inside[:MOST_LISTED]]
    with ThreadPoolExecutor(8) as threads:
        return listing, list(threads.map(lambda one: _card(listing, one), places))


def _card(listing: Listing, place: Place) -> Card:
    title = place.subfolder or place.repo
    try:
        Place.parse(str(place))
        files = wanted(listing, place)
        config, raw = (hub.json_of(listing, place.path(name)) for name in (CONFIG, "run.json"))
        plan, measures = _plan(raw, config, place), {}
        if "measures.json" in files:
            measures = _measures(hub.json_of(listing, place.path("measures.json")), place)
        size = sum(one.size for one in files.values())
        return Card(place, plan["title"] or title, plan["model"], plan["data"], measures, size, plan["created"])
    except BadInput as error:
        return Card(place, title, problem=str(error))


# Pulling --------------------------------------------------------------------------------------------------------------


def pull(place: Place, progress: Progress | None = None) -> Run:
    """The run that ``place`` becomes here: as the Hub has it now, or as last seen where that cannot be reached.

    Raises:
        BadInput: One sentence for whatever is wrong with it; no run is changed then.
    """
    listing = hub.look(place)
    run, files = Run(root() / _id(place)), wanted(listing, place)
    if pulled(place) and run.plan["origin"]["commit"] == listing.commit:
        return run
    total = sum(one.size for one in files.values())
    if shutil.disk_usage(_existing(root())).free < 2 * total + SPARE:
        raise BadInput(f"{place} has {total / 1e6:,.0f} MB, for which this disk is too full.")
    config, raw = (hub.json_of(listing, place.path(name)) for name in (CONFIG, "run.json"))
    for name in (name for name in files if name.endswith(WEIGHTS)):
        hub.check_size(place, files[name], config, weigh)
    plan = _plan(raw, config, place) | {"origin": {"name": str(place), "commit": listing.commit}}
    here = _fetched(listing, place, files, progress)
    state = _checked(here, config, place)
    try:
        _keep(run, here, {"run.json": plan, "state.json": state})
    except BlockingIOError:
        raise BadInput("Another checkpoint is just being put into its place: pull again.") from None
    except OSError as error:
        raise BadInput(f"{place} could not be kept: {error.strerror}.") from None
    return run


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
        here[name] = hub.file(listing, place.path(name), ALLOWED[PurePosixPath(name).name], count)
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
    found = {}
    for name, one in own.items():
        folder, _, last = name.rpartition("/")
        snapshot = SNAPSHOT.fullmatch(folder)
        if (not folder or snapshot) and last.lower().endswith(PICKLES):
            raise BadInput(f"{place} holds {last[:60]}, which could run code when it is read: only safetensors is.")
        if (last in OF_A_SNAPSHOT) if snapshot else (name in ALLOWED):
            if one.size > ALLOWED[last]:
                most = ALLOWED[last] / 1e6
                raise BadInput(f"{place}: {name} has {one.size / 1e6:,.1f} MB, at most {most:,.1f} MB are allowed.")
            found[name] = one
    for name in (CONFIG, WEIGHTS, "run.json"):
        if name not in found:
            raise BadInput(f"{place} holds no checkpoint of genmodels: {name} is missing.")
    if sum(one.size for one in found.values()) > MOST_BYTES or len(found) > 3 * MOST_SNAPSHOTS:
        raise BadInput(f"{place} is larger than {MOST_BYTES / 1e9:.0f} GB or {MOST_SNAPSHOTS} snapshots.")
    return found


def _plan(raw: Any, config: Any, place: Place) -> dict[str, Any]:
    """run.json made anew from what was checked of it."""
    try:
        if not isinstance(raw, dict) or not isinstance(raw.get("settings", {}), dict):
            raise BadInput("run.json is not the plan of a run")
        with torch.device("meta"):
            built = build(config)
        data_arguments = datasets.checked(raw.get("data", ""), raw.get("data_arguments"))
        settings = asdict(Settings.of(raw.get("settings", {})))
        if tuple(datasets.DATASETS[raw["data"]].shape) != tuple(built.shape):
            raise BadInput(f"its model has the shape {list(built.shape)}, which {raw['data']} has not")
    except BadInput as error:
        raise BadInput(f"{place} does not fit this version of genmodels: {error}") from None
    made, versions = raw.get("created"), raw.get("versions")
    known = versions if isinstance(versions, dict) else {}
    return {
        "title": _text(raw.get("title")).translate(NO_MARKUP).strip()
        or PurePosixPath(place.subfolder or place.repo).name,
        "model": built.name,
        "arguments": {name: value for name, value in built.config.items() if name != "shape"},
        "data": raw["data"],
        "data_arguments": data_arguments,
        "settings": settings,
        "device": "auto",
        "heavy": raw.get("heavy") is True,
        "parent": None,
        "created": float(made) if _is_number(made) and 0 <= made < 1e11 else 0.0,
        "versions": {name: _text(known.get(name))[:40] for name in ("genmodels", "torch", "python")},
    }


def _measures(raw: Any, place: Place) -> dict[str, Any]:
    if not isinstance(raw, dict) or not all(_is_number(v) or isinstance(v, str) for v in raw.values()):
        raise BadInput(f"{place}: measures.json holds something other than numbers by name.")
    return {_text(name): value if _is_number(value) else _text(value, 1000) for name, value in raw.items()}


def _checked(here: Mapping[str, Path], config: Any, place: Place) -> dict[str, Any]:
    """state.json made anew, once all files are what a run's are."""
    try:
        for name in (name for name in here if name.endswith(WEIGHTS)):
            if read_json(here[name].parent / CONFIG) != config:
                raise BadInput(f"{name} is of another model than the rest")
            model = load(here[name].parent)
            if (samples := here.get(f"{name.removesuffix(WEIGHTS)}samples.npy")) is not None:
                _check_samples(samples, model)
        state = read_json(here["state.json"]) if "state.json" in here else {}
        numbers = {name: state.get(name, 0) for name in ("step", "total", "seconds")}
        text = here["metrics.jsonl"].read_text() if "metrics.jsonl" in here else ""
        rows = [json.loads(line) for line in text.splitlines()]
    except (BadInput, ValueError, AttributeError, RecursionError) as error:
        reason = str(error) if isinstance(error, BadInput) else "a file is not what its name says"
        raise BadInput(f"{place} is not a whole checkpoint: {reason.removesuffix('.')}.") from None
    if not all(_is_number(n) and n >= 0 for n in numbers.values()):
        raise BadInput(f"{place} is not a whole checkpoint: state.json lacks its numbers.")
    for row in rows:
        named = isinstance(row, dict) and "step" in row and all(k == _text(k, 60) for k in row)
        if not named or not all(_is_number(value) for value in row.values()):
            raise BadInput(f"{place} is not a whole checkpoint: metrics.jsonl holds something other than numbers.")
    if "measures.json" in here:
        _measures(read_json(here["measures.json"]), place)
    steps = {"step": int(numbers["step"]), "total": int(numbers["total"]), "seconds": float(numbers["seconds"])}
    return {"state": "finished", **steps, "message": f"From {place}."}


def _check_samples(path: Path, model: GenerativeModel) -> None:
    samples = np.load(path, mmap_mode="r")
    if samples.shape[1:] != tuple(model.shape) or samples.dtype.kind != "f":
        raise BadInput("samples.npy holds no samples of its model")


def _keep(run: Run, here: Mapping[str, Path], written: Mapping[str, Any]) -> None:
    """Make the run's folder, or change it for another, at once."""
    if run.path.exists() and run.is_held():
        raise BadInput(f"Run {run.id} is being worked on: stop it first.")
    waiting = root() / ".hub"
    waiting.mkdir(parents=True, exist_ok=True)
    with held(waiting), tempfile.TemporaryDirectory(dir=waiting) as folder:
        new = Path(folder) / "new"
        for name, path in here.items():
            (new / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, new / name)
        for name, value in written.items():
            write_json(new / name, value)
        if run.path.exists():
            run.path.rename(Path(folder) / "old")
        new.rename(run.path)


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.parents) if one.exists())


def _is_number(value: Any) -> TypeGuard[float]:
    return type(value) in (int, float) and abs(value) < 1e300  # not NaN, and an integer that a float can hold


def _text(value: Any, most: int = 80) -> str:
    """On one line, without control characters."""
    return "".join(c for c in " ".join(value.split()) if c.isprintable())[:most] if isinstance(value, str) else ""

"""To the Hub: finished runs with weights, curve, samples, measures and a model card, a folder of a repository each."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from genmodels.data.mnist import Progress
from genmodels.errors import BadInput
from genmodels.export import checkpoint
from genmodels.export.model_card import Row, card, collection
from genmodels.files import read_json
from genmodels.hub.checkpoints import ALLOWED, OF_A_SNAPSHOT, Card, available
from genmodels.hub.client import Place
from genmodels.hub.errors import asked
from genmodels.runs.record import Plan, Status
from genmodels.runs.store import Run

__all__ = ["Sent", "push"]


@dataclass(frozen=True)
class Sent:
    """A file that was, or would be, written (or removed: no size)."""

    path: str
    size: int | None


def push(
    chosen: Sequence[Run],
    place: Place,
    measures: Callable[[Run], dict[str, Any]],
    *,
    snapshots: int = 12,
    frames: int = 60,
    private: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> list[Sent]:
    """Write ``chosen`` to the Hub in one commit, and a README.md that lists all checkpoints of the repository.

    Args:
        chosen: Finished runs, or bundled checkpoints.
        place: The repository. A single run goes to its very subfolder, several each to a folder of their own below.
        measures: What is measured of a run that is no checkpoint yet.
        snapshots: How many past moments of such a run go along.
        frames: Of how many what it drew does.
        private: Whether a repository that must be made is for those alone who may write it.
        dry_run: Write nothing, only say what would be.
        progress: Told how far it is.

    Raises:
        BadInput: If a run is not finished, or the Hub does not accept it.
    """
    from huggingface_hub import HfApi

    if not chosen:
        raise BadInput("Nothing was named that could be sent: name a run, or say --bundled.")
    with tempfile.TemporaryDirectory() as folder:
        homes = [_home(run, place, len(chosen)) for run in chosen]
        contents: dict[str, bytes | Path] = {}
        rows = []
        for run, home in zip(chosen, homes, strict=True):
            ready = _exported(run, Path(folder) / PurePosixPath(home.subfolder).name, measures, snapshots, frames)
            numbers = _measured(ready)
            contents |= {home.path(name): one for name, one in _contents(ready, home, numbers).items()}
            rows.append((home.subfolder, ready.plan, numbers))
        if not dry_run:
            asked(
                lambda: HfApi(library_name="genmodels").create_repo(place.repo, private=private or None, exist_ok=True),
                place,
            )
        old, others = _there(place, homes, dry_run)
        gone = [path for path in old if path not in contents]
        every = sorted([*others, *rows], key=lambda row: row[0])
        contents["README.md"] = collection(place.repo, every).encode()
        sent = [
            Sent(path, len(one) if isinstance(one, bytes) else one.stat().st_size) for path, one in contents.items()
        ]
        if not dry_run:
            if progress:
                progress(0.1, f"sending {sum(one.size or 0 for one in sent) / 1e6:,.1f} MB")
            _commit(place, contents, gone, "Add " + ", ".join(home.subfolder for home in homes))
            if progress:
                progress(1.0, "sent")
    return sent + [Sent(path, None) for path in gone]


def _commit(place: Place, contents: Mapping[str, bytes | Path], gone: Sequence[str], title: str) -> None:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

    def act() -> None:  # the client changes the operations: each attempt needs its own
        add = [CommitOperationAdd(path, one if isinstance(one, bytes) else str(one)) for path, one in contents.items()]
        HfApi(library_name="genmodels").create_commit(
            place.repo,
            [*add, *(CommitOperationDelete(path) for path in gone)],
            commit_message=title[:200],
            revision=place.revision or None,
        )

    asked(act, place)


def _home(run: Run, place: Place, many: int) -> Place:
    """The place in the repository that a run is pushed to."""
    if many == 1 and place.subfolder:
        return place
    home = replace(place, subfolder=place.path(run.path.name))
    Place.parse(str(home))
    return home


def _exported(run: Run, folder: Path, measures: Callable[[Run], dict[str, Any]], snapshots: int, frames: int) -> Run:
    """The run as a checkpoint; one that is one already stays where it is."""
    if (status := run.state().status) is not Status.FINISHED:
        raise BadInput(f"Run {run.id} is {status}: only a finished run is sent.")
    if (run.path / "measures.json").exists():
        return run
    return checkpoint.export(run, folder, measures(run), snapshots=min(snapshots, len(run.snapshots())), frames=frames)


def _measured(run: Run) -> dict[str, Any]:
    return {
        name: v
        for name, v in read_json(run.path / "measures.json").items()
        if not isinstance(v, str) and name != "seed"
    }


def _contents(run: Run, home: Place, measures: Mapping[str, Any]) -> dict[str, bytes | Path]:
    """The files of a run to push, by name: only those that a pull would take, and a card that says how to."""
    names = [name for name in ALLOWED if (run.path / name).exists()]
    steps = [f"snapshots/{step}/{name}" for step in run.frames() for name in OF_A_SNAPSHOT]
    files: dict[str, bytes | Path] = {
        name: run.path / name for name in names + [name for name in steps if (run.path / name).exists()]
    }
    revision = f', revision="{home.revision}"' if home.revision else ""
    load = f'from_pretrained("{home.repo}"{revision}, subfolder="{home.subfolder}")'
    use = f"from genmodels.hub.pretrained import from_pretrained\n\nmodel = {load}"
    files["README.md"] = card(run.plan, run.state(), run.path, checkpoint.command(run), measures, use).encode()
    return files


def _there(place: Place, homes: Sequence[Place], forgiving: bool) -> tuple[list[str], list[Row]]:
    """The repository's files in ``homes``, and its other checkpoints; both empty if ``forgiving`` and there is none."""
    try:
        listing, cards = available(replace(place, subfolder=""))
    except BadInput:
        if forgiving:
            return [], []
        raise
    folders = {home.subfolder for home in homes}
    names = [*ALLOWED, "snapshots/"]
    old = [
        path
        for path in listing.files
        for folder in folders
        if path.startswith(f"{folder}/") and path[len(folder) + 1 :].startswith(tuple(names))
    ]
    return old, [_row(one) for one in cards if not one.problem and one.place.subfolder not in {"", *folders}]


def _row(one: Card) -> Row:
    return one.place.subfolder, Plan(model=one.model, data=one.data, title=one.title), one.measures

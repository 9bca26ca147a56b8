"""Whatever lies in a run's folder, everything that reads it works or says in a sentence what is wrong.

A few hundred folders a test run; ``GENMODELS_FUZZ=20000 make test ARGS="tests/test_fuzz_runs.py"`` tries more, and
``GENMODELS_FUZZ_SEED`` others.
"""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from genmodels import files
from genmodels.cli.parser import main
from genmodels.errors import BadInput, TrainingFailed
from genmodels.export import checkpoint, code
from genmodels.jobs import queue
from genmodels.runs import classroom, disk, store
from genmodels.runs.recorder import Recording
from genmodels.runs.store import Run

TIMES = int(os.environ.get("GENMODELS_FUZZ", "300"))
SEED = int(os.environ.get("GENMODELS_FUZZ_SEED", "0"))

VALUES: tuple[object, ...] = (
    None, True, -1, 0, 7, 2**70, 10**400, 1e308, -0.5, float("nan"), float("inf"), "", "x" * 5000, "../..", "vae",
    "a b", "\0", "\ud800", "[x](//y)", [], [[]], [1, 8, 8], {}, {"a": {}}, {"run": "self", "step": 3},
)  # fmt: skip
BYTES = (
    b"",
    b"\0" * 64,
    b"{",
    b"null",
    b"[]",
    b"7",
    b"\xff\xfe",
    b"[" * 100_000,
    b"PK\x03\x04",
    b"\x93NUMPY",
    b"9" * 5000,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, and a fork of it that was interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENMODELS_RUNS", str(folder))
        arguments = {"hidden": 16, "depth": 1, "latent_dim": 1}
        run = store.create("vae", "eight-gaussians", arguments=arguments, settings={"steps": 4, "batch_size": 16})
        recording = Recording(run)
        for _ in recording.steps():
            pass
        recording.close()
        child = Recording(store.fork(run, 4))
        next(child.steps())
        child.save()
        child.close()
        run.want(want="run", lr=1e-3)
    return folder


def harm(dice: random.Random, folder: Path, out: Path) -> str:
    """Change something in ``folder``, and say what."""
    paths = [path for path in sorted(folder.rglob("*")) if path.name != ".lock"]
    path = dice.choice(paths)
    name = str(path.relative_to(folder))
    is_file = path.is_file() and not path.is_symlink()
    if is_file and path.suffix in (".json", ".jsonl") and dice.random() < 0.6:
        return f"{name}: {_in_json(dice, path)}"
    ways: dict[str, Callable[[], object]] = {
        "gone": lambda: None,
        "a folder": path.mkdir,
        "a link to nothing": lambda: path.symlink_to("nowhere"),
        "a link to itself": lambda: path.symlink_to(path),
        "a link out": lambda: path.symlink_to(out),
    }
    if is_file and dice.random() < 0.6:
        content = path.read_bytes()
        at = dice.randrange(len(content) + 1)
        other = dice.choice([content[:at], content[:at] + dice.randbytes(9) + content[at + 9 :], dice.choice(BYTES)])
        path.write_bytes(other)
        return f"{name}: {len(content)} bytes, other from {at}"
    how = dice.choice(list(ways))
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    ways[how]()
    return f"{name}: {how}"


def _in_json(dice: random.Random, path: Path) -> str:
    """One value of a JSON file is another, or not there, or one more is."""
    text = path.read_text(errors="replace")
    lines = text.splitlines() if path.suffix == ".jsonl" else [text]
    at = dice.randrange(len(lines)) if lines else 0
    try:
        table = json.loads(lines[at]) if lines else {}
    except (ValueError, RecursionError):
        table = {}
    table = table if isinstance(table, dict) else {}
    inner = dice.choice([table, *(one for one in table.values() if isinstance(one, dict))])
    key, value = dice.choice([*inner, "more"]), dice.choice(VALUES)
    if dice.random() < 0.2:
        inner.pop(key, None)
    else:
        inner[key] = value
    text = json.dumps(table) + "\n" if path.suffix == ".jsonl" else json.dumps(table)
    path.write_text("\n".join([*lines[:at], text, *lines[at + 1 :]]))
    return f"{key} = {str(value)[:40]!r}"


def readings(run: Run) -> dict[str, Callable[[], object]]:
    """What pages, workers and the command line do with a run, each alone."""
    return {
        "the plan": lambda: run.plan,
        "the state": run.state,
        "its damage": run.damage,
        "the wishes": run.control,
        "the curve": run.metrics,
        "the past": run.snapshots,
        "the newest samples": run.samples,
        "samples of the past": lambda: [run.samples(step) for step in run.snapshots()],
        "the newest weights": run.model,
        "weights of the past": lambda: [run.model(step) for step in run.snapshots()],
        "the command": lambda: checkpoint.command(run),
        "the script": lambda: code.cells(run),
        "the zip": lambda: checkpoint.zipped(run),
        "whose it is": lambda: classroom.differences([run.plan, run.plan]),
        "a fork": lambda: store.fork(run, run.snapshots()[-1], settings={"steps": 9}) if run.snapshots() else None,
        "the queue": lambda: (queue.submit(run), queue.place(run), queue.pause(run), queue.stop(run)),
        "a name": lambda: run.rename("another"),
        "a checkpoint": lambda: checkpoint.export(run, files.root() / "shipped", {"x": 1.0}),
    }


def go_on(run: Run) -> None:
    """As a worker does."""
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()


def outside(folder: Path, run: Path) -> dict[Path, int]:
    """Everything in ``folder`` that is not of this run, and its time of change."""
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and run not in path.parents}


@pytest.mark.timeout(max(300, TIMES))
def test_no_folder_is_too_strange(whole: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    """Every reader of every folder: an answer, or a sentence; and nothing is written outside of the runs' folder."""
    dice = random.Random(SEED)
    sentence = (BadInput, TrainingFailed)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_text("as it was")
    for n in range(TIMES):
        place = tmp_path / "runs"
        shutil.copytree(whole, place, symlinks=True)
        monkeypatch.setenv("GENMODELS_RUNS", str(place))
        run = store.Run(dice.choice(sorted(path for path in place.iterdir() if path.name[0] != ".")))
        done = [harm(dice, run.path, elsewhere / "kept") for _ in range(dice.randint(1, 3)) if any(run.path.iterdir())]
        what = f"GENMODELS_FUZZ_SEED={SEED}, folder {n}: {'; '.join(done)}"
        before = outside(place, run.path)
        some = dice.sample(list(readings(run).items()), 6)
        for name, read in some:
            try:
                read()
            except sentence as error:
                assert str(error)  # noqa: PT017
            except Exception as error:
                pytest.fail(f"{name} of {what}: {type(error).__name__}: {error}")
        try:
            if run.damage() == "" and dice.random() < 0.3:
                go_on(run)
        except sentence:
            pass
        except Exception as error:
            pytest.fail(f"Going on with {what}: {type(error).__name__}: {error}")
        assert {one.id for one in store.every()}.isdisjoint(one.id for one, _ in store.damaged()), what
        assert main(["runs", "--json"]) == 0, what
        assert {path: time for path, time in outside(place, run.path).items() if path in before} == before, what
        disk.taken(place)
        try:
            run.delete()
        except sentence:
            pass
        except Exception as error:
            pytest.fail(f"Deleting {what}: {type(error).__name__}: {error}")
        shutil.rmtree(place)
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere"}
    assert (elsewhere / "kept").read_text() == "as it was"
    capsys.readouterr()

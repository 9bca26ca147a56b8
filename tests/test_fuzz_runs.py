"""Whatever lies in a run's folder, everything that reads it works or says in a sentence what is wrong."""

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
from tests.fuzz import SEED, other_json, outside, spoiled, times

TIMES = times(300)


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
        text, what = other_json(dice, path.read_text(errors="replace"), lines=path.suffix == ".jsonl")
        path.write_text(text)
        return f"{name}: {what}"
    ways: dict[str, Callable[[], object]] = {
        "gone": lambda: None,
        "a folder": path.mkdir,
        "a link to nothing": lambda: path.symlink_to("nowhere"),
        "a link to itself": lambda: path.symlink_to(path),
        "a link out": lambda: path.symlink_to(out),
    }
    if is_file and dice.random() < 0.6:
        content = path.read_bytes()
        path.write_bytes(spoiled(dice, content))
        return f"{name}: {len(content)} bytes spoiled"
    how = dice.choice(list(ways))
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    ways[how]()
    return f"{name}: {how}"


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

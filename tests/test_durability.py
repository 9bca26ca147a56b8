"""A run outlives kill -9 and a loss of power at any of its system calls; its deletion leaves all of it or nothing."""

import os
import random
import sys
from pathlib import Path

import pytest
import torch

from genmodels import files
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.models import MODELS, Entry
from genmodels.models.base import GenerativeModel
from genmodels.runs import store
from genmodels.runs.record import Status
from genmodels.runs.recorder import Recording
from genmodels.runs.store import Run
from tests.crash import Operation, killed, lost, played, recorded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the recorder reads /proc")

STEPS = 6


class Drift(GenerativeModel):
    """Two numbers that follow the mean of the data, with noise: a training as short as can be, that a seed decides."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.mean = torch.nn.Parameter(torch.zeros(2))

    def loss(self, x, y=None, *, player="model", rng=None):
        noise = torch.randn(x.shape, generator=rng)
        return {"loss": (x + noise - self.mean).square().mean(), "distance": (x.mean(0) - self.mean).norm()}

    def sample(self, n, *, y=None, rng=None):
        return self.mean.detach() + torch.randn(n, 2, generator=rng)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    MODELS["drift"] = Entry("Drift", "Test", "", f"{__name__}:Drift")
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Drift.__module__])
    there = tmp_path / "runs"
    there.mkdir()
    monkeypatch.setenv("GENMODELS_RUNS", str(there))
    return there


def new() -> Run:
    return store.create("drift", "eight-gaussians", settings={"steps": STEPS, "batch_size": 64, "ema": 0.5})


def train(run: Run, **kwargs) -> None:
    recording = Recording(run, **kwargs)
    for _ in recording.steps():
        recording._cost = 0.0  # save_every alone decides
    recording.close()


def curve(run: Run) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in run.metrics()]


def same(one: Run, other: Run) -> bool:
    """Equal curves, in the order of their terms too, equal steps to go back to, equal weights, bit for bit."""
    if [list(row) for row in curve(one)] != [list(row) for row in curve(other)] or curve(one) != curve(other):
        return False
    if one.snapshots() != other.snapshots():
        return False
    steps = [None, *one.snapshots()]
    pairs = [(one.model(step).state_dict(), other.model(step).state_dict()) for step in steps]
    return all(torch.equal(a[name], b[name]) for a, b in pairs for name in a)


def read(run: Run) -> None:
    """As pages do: whatever is damaged is so in a sentence."""
    state, steps = run.state(), [row["step"] for row in run.metrics()]
    assert steps == sorted(set(steps))
    run.samples() if run.snapshots() else None
    for step in run.snapshots():
        try:
            run.model(step)
        except BadInput:
            assert state.status is not Status.FINISHED, "what is said to be finished is whole"


@pytest.fixture
def written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, list[Operation], int]:
    """A run, what was done to make and train it, and how much of that made it."""
    datasets.load("eight-gaussians")
    with recorded(monkeypatch, folder) as done:
        run = new()
        made = len(done)
        train(run, save_every=0.0)
    assert {kind for kind, _, _ in done} >= {"write", "sync", "rename", "mkdir"}
    assert len([1 for kind, path, _ in done if kind == "rename" and path.name.startswith(".trainer")]) > 2
    return run, done, made


def crashes(operations: list[Operation], target: Path, seed: int):
    """The folder as every crash could have left it, after each operation in some ways."""
    dice = random.Random(seed)
    ways = {
        "killed": killed,
        "all that was not synced is lost": lost,
        "some of it is": lambda node, place: lost(node, place, dice=dice),
        "some other": lambda node, place: lost(node, place, dice=dice),
    }
    for n in range(len(operations) + 1):
        for way, leave in ways.items():
            place = target / f"{n}-{way.replace(' ', '-')}"
            leave(played(operations[:n]), place)
            yield n, way, place


def test_a_run_can_be_read_and_resumed_after_any_crash(written, tmp_path, monkeypatch):
    """Every prefix of what it did, killed or without power: weights, curve and past of a run never interrupted."""
    whole, operations, made = written
    dice = random.Random(1)
    for n, way, place in crashes(operations, tmp_path / "after", 0):
        monkeypatch.setenv("GENMODELS_RUNS", str(place))
        found = store.every()
        assert not store.damaged(), (n, way)
        assert len(found) == 1 or n < made, (n, way)
        for run in found:
            read(run)
            if n >= made and (n == len(operations) or dice.random() < 0.25):
                if run.state().status is not Status.FINISHED:
                    train(run)
                assert same(run, whole), (n, way)


def test_a_run_that_is_deleted_is_whole_or_gone(written, tmp_path, folder, monkeypatch):
    whole, before, _ = written
    with recorded(monkeypatch, folder) as done:
        run = Run(whole.path)
        kept = {path.relative_to(folder): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
        run.delete()
    assert not store.every()
    assert not [path for path in folder.rglob("*") if path.is_file()], "nothing of it is left"
    assert len(done) > len(kept)
    for n, way, place in crashes_of(before, done, tmp_path / "after"):
        monkeypatch.setenv("GENMODELS_RUNS", str(place))
        assert not store.damaged(), (n, way)
        for one in store.every():
            left = {path.relative_to(place): path.read_bytes() for path in one.path.rglob("*") if path.is_file()}
            assert {name: left.get(name) for name in kept if name.name[0] != "."} == {
                name: content for name, content in kept.items() if name.name[0] != "."
            }, (n, way)


def crashes_of(before: list[Operation], operations: list[Operation], target: Path):
    """The same of ``operations`` upon what ``before`` has left, all of which is on the disk."""
    for n in range(len(operations) + 1):
        for seed in range(3):
            disk = settled(before)
            played(operations[:n], disk)
            place = target / f"{n}-{seed}"
            lost(disk, place, dice=random.Random(seed) if seed else None)
            yield n, seed, place


def settled(operations: list[Operation]):
    disk = played(operations)
    queue = [disk]
    for node in queue:
        node.synced, node.kept = node.content, dict(node.names)
        queue += node.names.values()
    return disk


def test_a_reader_of_a_run_that_is_deleted_makes_nothing_of_it(folder):
    """Looking whether it is held, or saying what one wants of it, does not bring its folder back."""
    run = new()
    run.delete()
    assert not run.is_held()
    run.seen()
    with pytest.raises(BadInput, match="gone"):
        run.want(want="pause")
    with pytest.raises(BadInput, match="gone"):
        run.delete()
    assert not run.path.exists()


def test_what_is_held_is_not_removed_and_what_is_removed_cannot_be_held(folder):
    run = new()
    with files.held(run.path):
        with pytest.raises(BadInput, match="still being trained"):
            run.delete()
        assert run.is_held()
    assert run.plan.model == "drift"
    run.delete()
    with pytest.raises(FileNotFoundError), files.held(run.path):
        pass


def test_one_who_waited_for_a_folder_that_was_removed_does_not_get_it(folder, monkeypatch):
    """It had opened the lock before, and gets it of a folder that is elsewhere now."""
    run, true = new(), files.fcntl.flock

    def meanwhile(handle: int, how: int) -> None:
        monkeypatch.setattr(files.fcntl, "flock", true)
        run.path.rename(run.path.with_name("elsewhere"))
        true(handle, how)

    monkeypatch.setattr(files.fcntl, "flock", meanwhile)
    with pytest.raises(FileNotFoundError), files.held(run.path):
        pass


@pytest.mark.parametrize("harm", ["empty", "cut off", "garbage", "gone"])
@pytest.mark.parametrize("exact", [True, False])
def test_newest_weights_are_made_again(folder, harm, exact):
    """From the exact state they are what they were; without it they are those of the last snapshot, halved."""
    run = new()
    train(run)
    before, past = run.model().state_dict(), run.model(run.snapshots()[-2]).state_dict()
    path = run.path / "model.safetensors"
    if harm == "gone":
        path.unlink()
        path.write_bytes(b"")
    else:
        path.write_bytes({"empty": b"", "cut off": path.read_bytes()[:-3], "garbage": b"\xff" * 99}[harm])
    if not exact:
        (run.path / "trainer.safetensors").unlink()
        last = run.path / "snapshots" / str(STEPS) / "model.safetensors"
        past = run.model(STEPS).state_dict() if last.exists() else past
    after = run.model().state_dict()
    for name in before:
        assert torch.equal(after[name], before[name] if exact else past[name])
    assert run.model().state_dict().keys() == before.keys()


def test_half_written_files_of_killed_writers_are_removed(folder):
    run = new()
    old, young = run.path / ".model.safetensors.abcdefgh", run.path / ".control.json.abcdefgh"
    for path in (old, young):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    train(run)
    assert not old.exists()
    assert young.exists(), "somebody may be writing it"

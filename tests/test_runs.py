"""A run is a directory: made, recorded, read, resumed, forked, and never lost."""

import itertools
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from genmodels.data import datasets
from genmodels.errors import BadInput, Busy, Damaged, TrainingFailed
from genmodels.export.checkpoint import command, export, thinned
from genmodels.models import MODELS, Entry
from genmodels.models.base import GenerativeModel, load
from genmodels.random import generator as seeded
from genmodels.runs import recorder, store
from genmodels.runs import run as runs_run
from genmodels.runs.record import Parent, Status
from genmodels.runs.recorder import Recording, moments
from genmodels.runs.store import Run

SMALL = {"hidden": 16, "depth": 1}
SHORT = {"steps": 40, "batch_size": 32}


class Broken(GenerativeModel):
    """A model whose loss is its weight, which becomes NaN at the seventh step."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.calls = 0

    def loss(self, x, y=None, *, player="model", rng=None):
        self.calls += self.training
        factor = float("nan") if self.calls == 7 else 1.0
        return {"loss": (self.weight * factor).sum(), "elbo": -(self.weight * factor).sum()}

    def sample(self, n, *, y=None, rng=None):
        return self.weight.detach().expand(n, *self.shape)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))


def new(**kwargs) -> Run:
    kwargs = {"arguments": SMALL, "settings": SHORT} | kwargs
    return store.create("vae", "digits", **kwargs)


def train(run: Run, steps: int | None = None, **kwargs) -> Recording:
    """Train ``run`` to the end, or as if killed after so many steps."""
    recording = Recording(run, **kwargs)
    for step in recording.steps():
        if step.step == steps:
            break
    return recording


def weights(run: Run) -> dict[str, torch.Tensor]:
    return run.model().state_dict()


def rewritten(run: Run, change: Callable[[dict[str, torch.Tensor], dict[str, Any]], object]) -> None:
    """Its exact state with something changed."""
    path = run.path / "trainer.safetensors"
    with safe_open(path, framework="pt") as file:
        tensors, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    change(tensors, numbers := json.loads(metadata["numbers"]))
    save_file(tensors, path, metadata | {"numbers": json.dumps(numbers)})


def turned(tensors: dict[str, torch.Tensor], numbers: dict[str, Any]) -> None:
    name = next(name for name, x in tensors.items() if name.startswith("model/") and len({*x.shape}) == x.ndim == 2)
    tensors[name] = tensors[name].T.contiguous()


@pytest.mark.parametrize(
    "change",
    [
        turned,
        lambda tensors, numbers: tensors.update(rng=tensors["rng"].float()),
        lambda tensors, numbers: tensors.pop(next(name for name in tensors if name.endswith("exp_avg_sq"))),
        lambda tensors, numbers: numbers.update(lr=None),
        lambda tensors, numbers: numbers.update(terms=5),
        lambda tensors, numbers: numbers.update(examples=0),
        lambda tensors, numbers: numbers.update(step=-3),
        lambda tensors, numbers: numbers.update(step=10**9),
        lambda tensors, numbers: numbers.update(step=float("inf")),
    ],
)
def test_an_exact_state_that_does_not_fit_is_named(change):
    """What is asked for in vain is one sentence, and nothing is trained over it."""
    run = new()
    train(run, 20).close(Status.STOPPED)
    rewritten(run, change)
    before = (run.path / "metrics.jsonl").read_bytes()
    with pytest.raises(
        BadInput, match=r"trainer\.safetensors.* is damaged.*: fork the run from its last snapshot"
    ) as told:
        Recording(Run(run.path))
    assert "\n" not in str(told.value)
    assert (run.path / "metrics.jsonl").read_bytes() == before


def test_an_exact_state_of_another_model_is_named():
    run = new()
    train(run, 20).close(Status.STOPPED)
    replace(run.plan, arguments=run.plan.arguments | {"hidden": 32}).write(run.path)
    with pytest.raises(BadInput, match="of another training than run"):
        Recording(Run(run.path))


def test_a_line_that_lacks_its_time_is_damaged():
    run = new()
    train(run).close()
    whole = run.metrics()
    bad = [
        {name: value for name, value in whole[-1].items() if name != lost} for lost in ("epoch", "images", "seconds")
    ]
    bad += [whole[-1] | {"loss": 10**400}, whole[-1] | {"epoch": 10**400}, whole[-1] | {"seconds": float("nan")}]
    with (run.path / "metrics.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in bad)
        file.write(json.dumps(last := whole[-1] | {"loss": float("inf")}) + "\n")  # it failed, and says how
    assert Run(run.path).metrics() == [*whole, last]


def test_a_folder_that_no_run_has_made_is_no_snapshot():
    run = new()
    train(run).close()
    steps = run.snapshots()
    shutil.copytree(run.path / "snapshots" / "0", run.path / "snapshots" / "0001")
    assert run.snapshots() == steps
    np.save(run.path / "samples.npy", np.zeros((16, 5, 8, 8), np.float16))
    assert run.samples() is None


def test_weights_that_are_not_finite_are_damaged_and_made_again():
    """Of a finished run, from what lies beside them; where nothing does, it is a sentence."""
    run = new()
    train(run).close()
    weights = load_file(path := run.path / "model.safetensors")
    save_file({name: value * float("nan") for name, value in weights.items()}, path)
    with pytest.raises(Damaged, match=r"are not all finite: \w"):
        load(run.path)
    assert all(v.isfinite().all() for v in run.model().state_dict().values())


def test_a_batch_of_one_is_refused_where_networks_normalize_over_it(tmp_path: Path):
    for model in ("gan", "bigan"):
        with pytest.raises(BadInput, match="batch_size = 1 does not suit"):
            store.create(model, "digits", settings={"batch_size": 1, "steps": 2}, folder=tmp_path / model)
        assert not (tmp_path / model).exists()
    train(new(settings={"batch_size": 1, "steps": 2})).close()


def test_a_run_is_its_files():
    run = new(title="first")
    assert run.state().status == "stopped"
    train(run).close()
    assert run.state().status == "finished"
    assert [row["step"] for row in run.metrics()][:3] == [1, 2, 3]
    assert run.metrics()[-1]["step"] == 40
    assert {"epoch", "images", "seconds", "loss", "elbo", "held-out elbo"} <= run.metrics()[-1].keys()
    assert run.snapshots()[0] == 0
    assert run.snapshots()[-1] == 40
    assert run.model(0).sample(1).shape == (1, 1, 8, 8)
    assert all(run.samples(step).shape == (16, 1, 8, 8) for step in run.snapshots())
    assert torch.equal(torch.from_numpy(run.samples()).half(), run.model().sample(16, rng=seeded(0)).half())
    with pytest.raises(BadInput, match="no snapshot of step 7777"):
        run.model(7777)
    assert store.find(run.id).plan.title == "first"
    assert [r.id for r in store.every()] == [run.id]
    assert "--set hidden=16" in command(run)
    assert "--steps 40" in command(run)
    run.rename("  a <b>name</b>\n of two lines ")
    assert run.plan.title == "a bname/b of two lines"  # nothing that a page could take for markup
    run.delete()
    assert store.every() == []


def test_snapshots_span_the_whole_training_whatever_its_length():
    for total in (1, 2, 10, 1000, 1_000_000):
        steps = moments(total)
        assert steps[0] == 0
        assert steps[-1] == total
        assert len(steps) <= 32
    assert len(moments(10**6)) == 32
    assert len(moments(10**6, 5)) <= 5


@pytest.mark.parametrize(
    "settings", [SHORT, SHORT | {"ema": 0.9}, SHORT | {"precision": "bfloat16", "decay": "cosine"}]
)
def test_resumed_is_bit_for_bit_never_interrupted(settings):
    whole, broken = new(settings=settings), new(settings=settings)
    train(whole).close()
    for stop in (5, 13, 37):
        train(broken, stop).close("stopped")
        assert broken.state().status == "stopped"
    train(broken).close()
    assert weights(whole).keys() == weights(broken).keys()
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(broken)[name]), name
    strip = lambda rows: [{k: v for k, v in row.items() if k != "seconds"} for row in rows]  # noqa: E731
    assert strip(whole.metrics()) == strip(broken.metrics())
    assert whole.snapshots() == broken.snapshots()


def test_a_run_killed_without_a_save_does_its_steps_again():
    whole, killed = new(), new()
    train(whole).close()
    train(killed, 11).close("stopped")
    lost = train(killed, 29)  # no close: as if killed, 18 steps after the last save
    assert killed.metrics()[-1]["step"] == 29
    lost.close()
    train(killed).close()
    steps = [row["step"] for row in killed.metrics()]
    assert steps == sorted(set(steps)) == [row["step"] for row in whole.metrics()]
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(killed)[name]), name


def test_a_line_half_written_is_forgotten():
    run = new()
    train(run, 20).close("stopped")
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 21, "elb')
    assert run.metrics()[-1]["step"] == 20
    train(run).close()
    assert [row["step"] for row in run.metrics()] == list(range(1, 41))


def test_one_process_writes():
    run = new()
    first = train(run, 3)
    assert run.is_held()
    with pytest.raises(Busy, match="another process"):
        Recording(run)
    with pytest.raises(BadInput, match="stop it first"):
        run.delete()
    assert run.state().status == "running"
    first.close()
    assert run.state().status == "interrupted"


def test_a_nan_stops_the_run_and_names_the_term_and_the_step(monkeypatch):
    monkeypatch.setitem(MODELS, "broken", Entry("Broken", "Tests", "", f"{__name__}:Broken"))
    run = store.create("broken", "digits", settings={"steps": 5000, "batch_size": 8, "lr": 0.01})
    with pytest.raises(TrainingFailed, match="elbo became nan at step 7"):
        train(run)
    state = run.state()
    assert state.status == "failed"
    assert "step 7" in state.message
    assert "are kept" in state.message
    assert all(torch.isfinite(v).all() for step in run.snapshots() for v in run.model(step).state_dict().values())


def test_weights_that_are_not_finite_are_not_shown_either(monkeypatch):
    every_two = SimpleNamespace(monotonic=itertools.count(0.0, 2.0).__next__, time=time.time)
    monkeypatch.setattr(recorder, "time", every_two)  # whoever watches is shown every step
    run = new(settings=SHORT | {"steps": 40_000})
    recording = Recording(run, save_every=math.inf)
    steps = recording.steps()
    next(step for step in steps if step.step == 70)
    next(recording.training.model.parameters()).data.fill_(float("nan"))
    with pytest.raises(TrainingFailed, match="became nan at step 71"):
        next(steps)
    recording.close()
    assert run.state().status == "failed"
    assert np.isfinite(run.samples()).all()
    assert all(v.isfinite().all() for v in run.model().state_dict().values())


def test_a_model_that_raises_fails_in_words(monkeypatch):
    run = new()
    recording = Recording(run)
    steps = recording.steps()
    next(steps)
    monkeypatch.setattr(recording.training.model, "loss", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        next(steps)
    recording.close()
    assert run.state().status == "failed"
    assert "ZeroDivisionError" in run.state().message
    assert "Traceback" in (run.path / "error.log").read_text()


def test_a_fork_goes_on_from_its_parent():
    parent = new()
    train(parent).close()
    step = parent.snapshots()[-3]
    child = store.fork(parent, step, arguments={"beta": 4.0})
    assert child.plan.parent == Parent(run=parent.id, step=step)
    for name, value in child.model(step).state_dict().items():
        assert torch.equal(value, parent.model(step).state_dict()[name]), name
    train(child).close()
    np.testing.assert_allclose(child.samples(step), parent.samples(step), atol=0.02)  # its film begins where it does
    assert child.metrics()[0]["step"] == step + 1
    assert child.metrics()[-1]["step"] == 40
    late = store.fork(parent, 40)
    assert late.training().total == 80
    with pytest.raises(BadInput, match="keeps its parent's weights"):
        store.fork(parent, step, arguments={"hidden": 32})


def test_a_run_like_another_differs_in_what_is_changed_alone():
    plan = store.create("vae", "digits", arguments=SMALL | {"beta": 2.0}, settings=SHORT | {"seed": 3}).plan
    other = store.create(**store.like(plan, arguments={"beta": 1.0}, settings={"steps": 7}, title="other")).plan
    assert other.arguments == plan.arguments | {"beta": 1.0}
    assert other.settings == plan.settings | {"steps": 7}
    assert (other.title, other.data, other.model) == ("other", plan.data, plan.model)
    with pytest.raises(TypeError, match="setings"):
        store.create(**store.like(plan, setings={"steps": 7}))


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "a/b", "..", ".", "", ".queue", "x" * 101, "a\x00b", "ü"])
def test_a_name_cannot_leave_the_folder(name):
    with pytest.raises(BadInput):
        store.find(name)


def test_bad_input_writes_nothing(tmp_path: Path):
    for bad in (
        {"arguments": {"hiden": 3}},
        {"arguments": {"hidden": -3}},
        {"settings": {"lr": "fast"}},
        {"settings": {"seed": 1.5}},
    ):
        with pytest.raises(BadInput):
            new(**bad)
    with pytest.raises(BadInput, match="no model"):
        store.create("../vae", "digits")
    with pytest.raises(BadInput):
        store.create("vae", "../digits")
    assert not store.root().exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(BadInput, match="not empty"):
        new(folder=tmp_path / "full")


def test_readers_never_see_half_a_file():
    """A reader that looks as fast as it can while a training is written never meets a broken file."""
    run = new(settings=SHORT | {"steps": 60})
    code = f"""
import os
os.environ["GENMODELS_RUNS"] = {str(store.root())!r}
from genmodels.runs import store as runs
from genmodels.random import generator as seeded
from genmodels.runs.recorder import Recording
recording = Recording(runs.find({run.id!r}), save_every=0)
for _ in recording.steps():
    pass
recording.close()
"""
    process = subprocess.Popen([sys.executable, "-c", code])
    looks = 0
    while process.poll() is None:
        state = run.state()
        rows = run.metrics()
        assert state.status in ("stopped", "running", "finished", "interrupted")
        assert [row["step"] for row in rows] == sorted({row["step"] for row in rows})
        if run.snapshots():
            run.model()
        looks += 1
    assert process.returncode == 0
    assert looks > 20
    assert run.state().status == "finished"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_full_disk_stops_the_run_in_words(tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs here: {mounted.stderr.strip()}")
    try:
        run = new(folder=disk / "run", arguments={"hidden": 256, "depth": 2}, settings=SHORT | {"steps": 4000})
        with pytest.raises(TrainingFailed, match="disk is full"):
            train(run, save_every=0)
        state = run.state()
        assert state.status == "failed"
        assert "disk is full" in state.message
        assert run.snapshots()
        for step in run.snapshots():
            assert run.model(step).sample(1).isfinite().all()
        assert not list(run.path.rglob(".model*"))
    finally:
        subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("name", ["ddpm", "gan"])
def test_a_model_with_labels_shows_each_in_turn(name: str):
    run = store.create(name, "digits", arguments={"classes": 10}, settings={"steps": 1})
    train(run).close()
    y = torch.arange(16) % 10
    expected = run.model().sample(16, y=y, rng=seeded(0))
    torch.testing.assert_close(torch.from_numpy(run.samples()), expected, atol=2e-3, rtol=0)


def test_metrics_are_plain_json_lines():
    run = new(settings={"steps": 3})
    train(run).close()
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 3]
    assert time.time() - run.state().heartbeat < 60


def test_the_command_says_what_is_not_usual():
    plain = store.create("ddpm", "two-moons")
    assert command(plain) == "python -m genmodels train ddpm --data two-moons"
    drawn = store.create("ddpm", "two-moons", arguments={"schedule": "drawn", "knots": (5, 0, -5)})
    assert command(drawn).endswith("--set schedule=drawn --set knots=5.0,0.0,-5.0")


def test_the_command_of_a_drawing_says_that_it_lacks_it():
    assert command(store.create("vae", "drawing")) == "python -m genmodels train vae --data drawing"
    line = {"strokes": [[[0.2, 0.2], [0.8, 0.7]]], "width": 0.05}
    words, _, said = command(store.create("vae", "drawing", data_arguments=line)).partition("  # ")
    assert words == "python -m genmodels train vae --data drawing"
    assert "no command holds this run's drawing" in said


def test_a_fork_needs_no_data_to_be_made(monkeypatch: pytest.MonkeyPatch):
    """A server does not read MNIST for that: the worker will. A fork not begun can be forked too."""
    with monkeypatch.context() as patch:
        patch.setattr(datasets, "load", lambda *_, **__: pytest.fail("no data are needed"))
        child = store.fork(store.find("vae-mnist-20d"), 18400)
    assert child.plan.settings["steps"] == 2 * 18400
    own = new()
    train(own).close()
    again = store.fork(store.fork(own, 40), 40)
    assert again.plan.settings["steps"] > 40


def test_the_command_of_a_fork_begins_with_that_of_its_parent():
    run = new()
    train(run).close()
    child = store.fork(run, 40, settings={"steps": 60, "lr": 1e-4})
    first, second = command(child).splitlines()
    assert first == command(run)
    assert second == "python -m genmodels fork RUN --step 40 --steps 60 --lr 0.0001"
    run.delete()
    assert run.snapshots() == []
    assert command(child).startswith("python -m genmodels fork RUN --step 40 --set hidden=16 ")


def test_a_shipped_curve_keeps_its_ends_and_all_that_was_held_out():
    rows = [{"step": i, "elbo": -100 / 3} | ({"held-out elbo": 1.0} if i % 70 == 7 else {}) for i in range(1000)]
    kept = thinned(rows, 100)
    assert (kept[0]["step"], kept[-1]["step"]) == (0, 999)
    assert {row["step"] for row in kept if "held-out elbo" in row} == set(range(7, 1000, 70))
    assert 100 <= len(kept) <= 115
    assert kept[0]["elbo"] == -33.3333
    assert len(thinned(rows[:5], 100)) == 5


def test_a_finished_run_becomes_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for module in (store, runs_run):
        monkeypatch.setattr(module, "CHECKPOINTS", tmp_path / "checkpoints")
    run = new()
    folder = tmp_path / "checkpoints" / "vae-digits-tiny"
    with pytest.raises(BadInput, match="only a finished run"):
        export(run, folder, {})
    train(run).close()
    export(run, folder, {"elbo_nats": -20.25}, snapshots=3)
    ship = store.find("vae-digits-tiny")
    assert [r.id for r in store.bundled()] == ["vae-digits-tiny"]
    assert ship.state().status == "finished"
    assert ship.snapshots() == [0, ship.snapshots()[1], 40]
    assert not (folder / "snapshots" / "40").exists(), "the last moment is there once"
    assert (ship.samples(40) == ship.samples()).all()
    for name, value in run.model().state_dict().items():
        assert torch.equal(value.half().float(), ship.model().state_dict()[name])
    assert ship.metrics() == thinned(run.metrics(), len(run.metrics()))
    text = (folder / "README.md").read_text()
    assert command(run) in text
    assert "elbo_nats | -20.25" in text
    assert json.loads((folder / "measures.json").read_text())["seed"] == 0
    with pytest.raises(BadInput, match="ships with the app"):
        ship.delete()
    child = store.fork(ship, 40, settings={"lr": 1e-4})
    train(child).close()
    assert child.metrics()[0]["step"] == 41


def test_a_checkpoint_has_the_whole_film_and_the_weights_of_some_moments(tmp_path: Path) -> None:
    run = new()
    train(run).close()
    ship = export(run, tmp_path / "ship", {}, snapshots=2, frames=100)
    assert ship.snapshots() == [0, 40]
    assert ship.frames() == run.frames() == run.snapshots()
    for step in run.snapshots():
        assert np.abs(ship.samples(step) - run.samples(step)).max() <= 0.5 / 255 + 1e-6, "grey levels as bytes"
    alone = tmp_path / "ship" / "snapshots" / str(step := ship.frames()[1])
    assert [path.name for path in alone.iterdir()] == ["samples.npy"]
    assert (alone / "samples.npy").stat().st_size < 16 * 64 + 200, "a byte a pixel"
    for ask in (ship.model, lambda step: store.fork(ship, step)):
        with pytest.raises(BadInput, match=rf"only what it drew at step {step}: weights it has of \[0, 40\]"):
            ask(step)
    assert len(export(run, tmp_path / "short", {}, snapshots=0, frames=3).frames()) == 3
    again = export(ship, tmp_path / "again", {}, frames=100)
    assert all((again.samples(step) == ship.samples(step)).all() for step in run.snapshots()), "packed once"
    (alone / "samples.npy").write_bytes(b"\x93NUMPY" + bytes(40))
    assert ship.samples(step) is None
    (alone / "samples.npy").write_bytes(b"")
    assert step not in ship.frames()


def test_points_of_the_plane_keep_half_precision_in_a_film(tmp_path: Path) -> None:
    run = store.create("vae", "two-moons", settings={"steps": 12, "batch_size": 16})
    train(run).close()
    ship = export(run, tmp_path / "ship", {}, frames=9)
    assert len(ship.frames()) == 9
    assert ship.snapshots() == [12]
    assert all((ship.samples(step) == run.samples(step)).all() for step in ship.frames())


def test_the_film_of_a_fork_begins_with_its_parents(tmp_path: Path) -> None:
    parent = new()
    train(parent).close()
    middle = parent.snapshots()[-3]
    child = store.fork(parent, middle, settings={"steps": 60, "lr": 1e-4})
    train(child).close()
    ship = export(child, tmp_path / "ship", {}, snapshots=100, frames=100)
    before = [step for step in parent.snapshots() if step < middle]
    assert ship.frames() == sorted({*before, *child.snapshots()})
    assert ship.snapshots() == child.snapshots(), "a parent's weights may be of other arguments"
    assert np.abs(ship.samples(before[-1]) - parent.samples(before[-1])).max() <= 0.5 / 255 + 1e-6
    parent.delete()
    assert export(child, tmp_path / "alone", {}, snapshots=100, frames=100).frames() == child.snapshots()
    replace(child.plan, parent=Parent(run=child.id, step=middle)).write(child.path)
    assert export(child, tmp_path / "own", {}, frames=100).frames() == child.snapshots(), "its own parent, by hand"

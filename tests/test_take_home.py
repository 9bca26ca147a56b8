"""A run as a script and as a notebook that train it again, bit for bit; and its figures and films."""

import ast
import io
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import nbformat
import numpy as np
import pytest
import torch
from PIL import Image

from genmodels.cli.parser import main
from genmodels.errors import BadInput
from genmodels.export import code as take_home
from genmodels.export import media
from genmodels.models.base import load
from genmodels.runs import store
from genmodels.runs.store import Run

ROOT = Path(__file__).resolve().parents[1]
Captured = pytest.CaptureFixture[str]
TRAININGS = {
    "vae on digits": ["vae", "--set", "latent_dim=3", "--set", "hidden=32", "--batch-size", "64", "--steps", "5"],
    "wgan on a plane": ["wgan", "--data", "two-moons", "--set", "hidden=16", "--steps", "3", "--ema", "0.9"],
    "ddpm with dropout": ["ddpm", "--set", "width=8", "--set", "depth=1", "--set", "dropout=0.2", "--steps", "4"],
    "a drawn schedule": ["ddpm", "--data", "ring", "--set", "schedule=drawn", "--set", "knots=8,0,-8", "--steps", "3"],
}


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))


def trained(*words: str, title: str = "") -> Run:
    """A run of the command line."""
    before = set(store.root().glob("*/run.json"))
    assert main(["train", *words, "--seed", "11", "--device", "cpu", "--title", title]) == 0
    (new,) = set(store.root().glob("*/run.json")) - before
    return Run(new.parent)


def executed(text: str, folder: Path) -> str:
    """What a script prints, in a process of its own."""
    folder.mkdir(parents=True)
    (folder / "script.py").write_text(text)
    surroundings = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", "script.py"]
    done = subprocess.run(
        command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def assert_same(run: Run, folder: Path) -> None:
    ours, again = load(run.path).state_dict(), load(folder / run.id).state_dict()
    assert ours.keys() == again.keys()
    assert all(torch.equal(ours[key], again[key]) for key in ours)


@pytest.mark.parametrize("name", TRAININGS)
def test_the_script_trains_the_run_again_bit_for_bit(name: str, tmp_path: Path) -> None:
    run = trained(*TRAININGS[name], title='A "title"\n# with # marks')
    printed = executed(take_home.script(run), tmp_path / "home")
    assert_same(run, tmp_path / "home")
    assert f'precision="{run.state().precision}"'.replace('"', "'") in take_home.script(run)  # what auto came to
    assert "step 3 of" in printed
    assert "examples: " in printed  # measured
    samples = tmp_path / "home" / run.id / ("samples.png" if run.model().is_image else "samples.npy")
    assert samples.exists()


@pytest.mark.parametrize("step", ["0", "2"])
def test_a_fork_begins_with_the_training_of_its_parent(step: str, tmp_path: Path) -> None:
    parent = trained("vae", "--set", "latent_dim=2", "--set", "hidden=16", "--steps", "4", "--ema", "0.5")
    assert main(["fork", parent.id, "--step", step, "--steps", "5", "--lr", "0.01", "--set", "beta=2"]) == 0
    (run,) = [run for run in store.every() if run.plan.parent]
    executed(take_home.script(run), tmp_path / "home")
    assert_same(run, tmp_path / "home")
    parent.delete()
    with pytest.raises(BadInput, match="which is gone"):
        take_home.script(run)
    assert "train.py" not in str(zipfile.ZipFile(io.BytesIO(media.zipped(run))).namelist())


def test_the_notebook_is_one_and_holds_the_same_cells() -> None:
    run = store.find("vae-digits-2d")
    read = nbformat.reads(take_home.notebook(run), as_version=4)
    nbformat.validate(read)
    assert read.nbformat_minor == 5
    code = "\n".join(cell.source for cell in read.cells if cell.cell_type == "code")
    assert ast.dump(ast.parse(code)) == ast.dump(ast.parse(take_home.script(run)))
    words = " ".join(cell.source for cell in read.cells if cell.cell_type == "markdown")
    assert run.id in words
    assert "## Measures" in words


@pytest.mark.parametrize("run", [run.id for run in store.bundled() if run.plan.parent is None])
def test_every_checkpoint_has_its_script(run: str) -> None:
    text = take_home.script(store.find(run))
    tree = ast.parse(text)
    assert max(map(len, text.splitlines())) <= 160
    names = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    assert {"trained", "Settings", "measures"} <= names


@pytest.mark.parametrize("run", [run.id for run in store.bundled() if run.plan.parent is not None])
def test_a_checkpoint_that_is_a_fork_says_why_it_has_none(run: str) -> None:
    with pytest.raises(BadInput, match=f"is a fork of {store.find(run).plan.parent.run}, which is gone"):
        take_home.script(store.find(run))


def test_the_strokes_of_a_drawing_go_along() -> None:
    strokes = {"strokes": [[[0.2, 0.2], [0.8, 0.7]]], "width": 0.05}
    run = store.create("vae", "drawing", data_arguments=strokes, settings={"steps": 2})
    call = next(line for line in take_home.script(run).splitlines() if line.startswith("data = "))
    arguments: Any = ast.parse(call).body[0]
    assert ast.literal_eval(arguments.value.args[1]) == run.plan.data_arguments


@pytest.mark.parametrize(
    "title", ["a\nimport evil", "a\r\nimport evil", "a\x0cimport evil", '"""; import evil', "a\u2028import evil"]
)
def test_a_title_is_never_code(title: str) -> None:
    run = store.create("vae", "digits", settings={"steps": 2})
    replace(run.plan, title=title, versions=dict.fromkeys(run.plan.versions, title)).write(run.path)
    for line in take_home.script(run).split("\n"):
        assert "evil" not in line or line.startswith("#")
    tree = ast.parse(take_home.script(run))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert imported == {"numpy", "torch"}


def test_a_learning_rate_changed_by_hand_is_told() -> None:
    run = trained("vae", "--steps", "2")
    assert "changed by hand" not in take_home.script(run)
    child = store.fork(run, 2)
    run.want(lr=0.5)
    for one in (run, child):
        said = " ".join(take_home.script(one).replace("#", " ").split())
        assert "changed by hand" in said
        assert "bit for bit" not in said


def test_a_run_that_was_stopped_is_said_to_be_trained_further() -> None:
    run = trained("vae", "--steps", "2")
    run.say(status="stopped", step=1)
    said = " ".join(take_home.script(run).replace("#", " ").split())
    assert "passes the weights of step 1, where this run stands, and goes on to the end" in said
    assert "bit for bit" not in said


def test_on_the_command_line(tmp_path: Path, capsys: Captured) -> None:
    for kind, ending in (("script", "py"), ("notebook", "ipynb")):
        folder = tmp_path / kind
        assert main(["export", "vae-digits-2d", str(folder), "--to", kind]) == 0
        assert [path.name for path in folder.iterdir()] == [f"vae-digits-2d.{ending}"]
        assert main(["export", "vae-digits-2d", str(folder), "--to", kind]) == 2
    assert "a new folder" in capsys.readouterr().err
    assert main(["export", "vae-digits-2d", str(tmp_path / "figures"), "--to", "figures"]) == 0
    there = {path.name for path in (tmp_path / "figures").iterdir()}
    assert there == {"curves.svg", "samples.png", "training.gif"}


# Figures --------------------------------------------------------------------------------------------------------------


def test_the_zip_holds_everything() -> None:
    run = store.find("vae-digits-2d")
    with zipfile.ZipFile(io.BytesIO(media.zipped(run))) as file:
        assert file.testzip() is None
        names = {name.removeprefix(f"{run.id}/") for name in file.namelist()}
    figures = {"figures/curves.svg", "figures/samples.png", "figures/training.gif"}
    assert {"config.json", "model.safetensors", "metrics.jsonl", "train.py", "train.ipynb", *figures} <= names


@pytest.mark.parametrize("name", ["vae-digits-2d", "wgan-eight-gaussians"])
def test_the_film_has_a_frame_for_each_moment(name: str) -> None:
    run = store.find(name)
    with Image.open(io.BytesIO(media.film(run))) as picture:
        assert getattr(picture, "n_frames") in range(2, len(run.frames()) + 2)  # noqa: B009  (alike frames are one)
        assert min(picture.size) >= 200
        assert picture.info["loop"] == 0
    with Image.open(io.BytesIO(media.pictures_of(run)["samples.png"])) as picture:
        assert len(np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)) > 2


def test_the_manifold_over_the_training() -> None:
    run = store.find("vae-digits-2d")
    with Image.open(io.BytesIO(media.manifold(run, n=4))) as picture:
        assert getattr(picture, "n_frames") > 2  # noqa: B009
        picture.seek(getattr(picture, "n_frames") - 1)  # noqa: B009
        last = np.asarray(picture.convert("L"), float)
    assert last.std() > 20
    with pytest.raises(BadInput, match="encoder of images to two numbers"):
        media.manifold(store.find("wgan-eight-gaussians"))


def test_the_curves_are_a_picture_of_the_numbers() -> None:
    rows = [{"step": k, "seconds": 1.0, "loss <&>": 10.0 - k, "held-out loss <&>": 12.0 - k} for k in (1, 2, 3)]
    rows.append({"step": 4, "seconds": 2.0, "kl": 1.0, "loss <&>": float("nan")})
    root = ElementTree.fromstring(media.curves(rows, 'a <title> & "more"'))
    tag = "{http://www.w3.org/2000/svg}"
    lines = [line for line in root.iter(f"{tag}polyline") if line.get("points")]
    assert len(lines) == 3  # the loss, held out, and one point of kl
    first, held_out = ([tuple(map(float, p.split(","))) for p in str(one.get("points")).split()] for one in lines[:2])
    assert len(first) == 3
    assert [x for x, _ in first] == sorted(x for x, _ in first)
    assert [y for _, y in first] == sorted(y for _, y in first)  # it falls: y grows downwards
    assert all(b[1] < a[1] for a, b in zip(first, held_out, strict=True))  # the higher curve is above
    assert "loss <&>" in "".join(root.itertext())


def test_nothing_yet() -> None:
    run = store.create("vae", "digits", settings={"steps": 2})
    assert media.pictures_of(run) == {}
    with pytest.raises(BadInput, match="no samples yet"):
        media.film(run)
    replace(run.plan, data="elsewhere").write(run.path)
    assert "without its data" in take_home.hindrance(run)

"""The command line: what it prints, how it ends, and that what it makes is a run like any other."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genmodels.cli.parser import main
from genmodels.data import datasets
from genmodels.files import held
from genmodels.hyperparameters import declared
from genmodels.models import MODELS
from genmodels.runs import store
from genmodels.runs.record import Parent
from genmodels.runs.store import Run
from genmodels.training.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
SMALL = ["--set", "hidden=16", "--set", "depth=1"]
COMMAND = [sys.executable, "-m", "genmodels"]


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def trained(capsys: pytest.CaptureFixture[str], *words: str) -> Run:
    assert main(["train", "vae", *SMALL, "--steps", "12", *words]) == 0
    return Run(Path(last_line(capsys)["path"]))


def started(*words: str) -> subprocess.Popen[str]:
    """A command in a process of its own."""
    return subprocess.Popen(
        [*COMMAND, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )  # fmt: skip


# Lists ----------------------------------------------------------------------------------------------------------------


def test_help_comes_without_torch() -> None:
    done = subprocess.run([*COMMAND, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    for command in ("models", "datasets", "runs", "train", "resume", "fork", "sample", "evaluate"):
        assert f"    {command} " in done.stdout
    code = "import sys, genmodels.cli.parser; genmodels.cli.parser.main(['models']); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)


def test_models_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["name", *MODELS]
    assert main(["models", "--json"]) == 0
    assert [row["name"] for row in last_line(capsys)] == list(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_the_declaration_of_a_model_is_listed(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", name]) == 0
    text = capsys.readouterr().out
    assert main(["models", name, "--json"]) == 0
    rows = {row["name"]: row for row in last_line(capsys)["hyperparameters"]}
    assert list(rows) == list(declared(MODELS[name].cls))
    for one in declared(MODELS[name].cls).values():
        assert rows[one.name]["allowed"] == one.allowed
        assert one.help in text


def test_data_sets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "--json"]) == 0
    rows = {row["name"]: row for row in last_line(capsys)}
    assert list(rows) == list(datasets.DATASETS)
    assert rows["digits"]["shape"] == [1, 8, 8]


def test_runs_are_listed_the_newest_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs"]) == 0
    assert capsys.readouterr().out.strip() == ""
    first, second = trained(capsys), trained(capsys, "--title", "the second")
    assert main(["runs", "--json"]) == 0
    rows = last_line(capsys)
    assert [row["run"] for row in rows] == [second.id, first.id]
    assert rows[0] == {"run": second.id, "state": "finished", "step": 12, "title": "the second"}
    assert main(["runs"]) == 0
    assert len({line.index("finished") for line in capsys.readouterr().out.splitlines()[1:]}) == 1  # aligned


# Training -------------------------------------------------------------------------------------------------------------


def test_training_makes_a_run_and_says_how_it_ended(capsys: pytest.CaptureFixture[str], runs: Path) -> None:
    assert main(["train", "vae", *SMALL, "--steps", "12", "--batch-size", "64", "--lr", "2e-3", "--seed", "3"]) == 0
    captured = capsys.readouterr()
    (line,) = captured.out.splitlines()
    said = json.loads(line)
    run = Run(Path(said["path"]))
    assert run.path.parent == runs
    assert said["run"] == run.id
    assert said["state"] == run.state().status == "finished"
    assert said["step"] == 12
    assert said["loss"] == run.metrics()[-1]["loss"]
    assert "held-out loss" in said
    assert run.plan.arguments["hidden"] == 16
    assert run.plan.data == "digits"
    assert {"batch_size": 64, "lr": 2e-3, "seed": 3}.items() <= run.plan.settings.items()
    assert "step 12/12" in captured.err
    assert "\r" not in captured.err


def test_every_setting_of_a_training_has_its_option(capsys: pytest.CaptureFixture[str]) -> None:
    given = {
        "epochs": 3.0, "steps": 5, "batch_size": 32, "lr": 0.01, "warmup": 2, "decay": "cosine", "ema": 0.5,
        "clip_norm": 1.0, "precision": "float32", "compile": False, "seed": 7,
    }  # fmt: skip
    assert set(given) == set(declared(Settings))
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    assert main(["train", "vae", *SMALL, *words]) == 0
    assert Run(Path(last_line(capsys)["path"])).plan.settings == given


def test_epochs_that_are_given_count(capsys: pytest.CaptureFixture[str]) -> None:
    """Also over the number of steps of a preset."""
    assert main(["train", "vae", *SMALL, "--epochs", "0.5", "--batch-size", "100"]) == 0
    assert last_line(capsys)["step"] == 7  # of 14 in an epoch of 1,437 digits


def test_a_preset_is_a_start_that_options_overrule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "vae", "--json"]) == 0
    preset = next(row for row in last_line(capsys)["presets"] if row["data"] == "digits")
    words = ["--preset", preset["preset"], "--steps", "3", "--set", "hidden=20"]
    assert main(["train", "vae", *words]) == 0
    plan = Run(Path(last_line(capsys)["path"])).plan
    assert plan.data == "digits"
    assert {**preset["model"], "hidden": 20}.items() <= plan.arguments.items()
    assert {**preset["training"], "steps": 3}.items() <= plan.settings.items()


def test_the_run_goes_where_it_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = trained(capsys, "--out", str(tmp_path / "my run"))
    assert run.path == tmp_path / "my run"
    assert main(["sample", str(run.path), "--out", str(tmp_path / "x.npy"), "-n", "2"]) == 0


def test_the_same_seed_gives_the_same_run(capsys: pytest.CaptureFixture[str]) -> None:
    first, again, other = (trained(capsys, "--seed", seed) for seed in "112")
    losses = [[row["loss"] for row in run.metrics()] for run in (first, again, other)]
    assert losses[0] == losses[1] != losses[2]


BAD = [
    ([], "COMMAND"),
    (["trian"], "invalid choice: 'trian' (choose from 'app'"),
    (["train"], "MODEL"),
    (["train", "vea"], "There is no model 'vea': it may be vae"),
    (["train", "vae", "--epoks", "3"], "--epoks is not allowed here: did you mean --epochs?"),
    (["train", "vae", "--lr", "2"], "lr = '2' is not a number from 1e-07 to 1"),
    (["train", "vae", "--lr", "fast"], "lr = 'fast' is not a number"),
    (["train", "vae", "--batch-size", "0"], "batch_size = '0' is not a whole number from 1 to 65536"),
    (["train", "vae", "--batch-size", "-3"], "batch_size = '-3'"),
    (["train", "vae", "--set", "latent_dim"], "--set latent_dim is not NAME=VALUE"),
    (["train", "vae", "--set", "latentdim=2"], "'latentdim' is not a hyperparameter here: did you mean latent_dim?"),
    (["train", "vae", "--set", "latent_dim=0"], "latent_dim = '0' is not a whole number from 1 to 64"),
    (["train", "vae", "--set", "prior=vampire"], "prior = 'vampire' is not one of normal, mixture, vamp, flow"),
    (["train", "gan", "--set", "classes=7"], "classes = 7 does not suit digits, which has 10: it is that many, or 0"),
    (["train", "vae", "--data", "mnits"], "There is no data set 'mnits': it may be mnist"),
    (["train", "vae", "--device", "tpu"], "invalid choice: 'tpu' (choose from 'auto', 'cpu', 'cuda')"),
    (["train", "vae", "--preset", "none such"], "There is no preset 'none such' of this model: it may be "),
    (["train", "vae", "--out", __file__], "is a file: --out takes the folder of the new run"),
    (["train", "vae", "--out", str(Path(__file__).parent)], "is not empty"),
    (["resume", "nothing"], "There is no run 'nothing'"),
    (["resume", "../../etc"], "There is no run '../../etc'"),
    (["fork", "nothing", "--step", "3"], "There is no run 'nothing'"),
    (["fork", "nothing", "--step", "x"], "argument --step: x is not a whole number from 0"),
    (["sample", "nothing", "--out", "x.npy"], "There is no run 'nothing'"),
    (["sample", "nothing", "--out", "x.gif"], "--out x.gif cannot be written: it is a .npy or .png file"),
    (["sample", "nothing", "--out", "/no/such/x.npy"], "in a folder that exists"),
    (["sample", "nothing"], "--out"),
    (["sample", "nothing", "--out", "x.npy", "-n", "0"], "argument -n: 0 is not a whole number from 1"),
    (["evaluate", "nothing"], "There is no run 'nothing'"),
    (["runs", "--jsn"], "--jsn is not allowed here: did you mean --json?"),
]


@pytest.mark.parametrize(("words", "message"), BAD, ids=[" ".join(words)[:40] for words, _ in BAD])
def test_bad_input_is_one_sentence_and_leaves_nothing(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], runs: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert message.lower() in line.lower()
    assert not runs.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_not_there_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main(["train", "vae", "--device", "cuda"]) == 2
    assert "device = cuda, but torch finds no GPU here: use cpu or auto" in capsys.readouterr().err


def test_a_training_that_breaks_says_why_and_keeps_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "vae", *SMALL, "--data", "eight-gaussians", "--set", "sigma=1e-30", "--steps", "50"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines()[-1].startswith("The term reconstruction became -inf at step 1.")
    (run,) = store.every()
    assert run.state().status == "failed"
    assert run.snapshots() == [0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_run_which_is_kept_and_goes_on_exactly(
    number: signal.Signals, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["train", "vae", *SMALL, "--steps", "700", "--batch-size", "16"]
    assert main([*words, "--out", str(tmp_path / "whole")]) == 0
    whole = Run(tmp_path / "whole")
    run = Run(tmp_path / "run")
    process = started(*words, "--out", str(run.path))
    deadline = time.monotonic() + 120
    while not run.metrics() and time.monotonic() < deadline:
        time.sleep(0.01)
    run.want(delay=0.05)  # so that it is not over before it is stopped
    time.sleep(0.5)
    process.send_signal(number)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    assert json.loads(out.splitlines()[-1])["state"] == "stopped"
    assert run.state().status == "stopped"
    assert 0 < run.state().step < 700
    run.want(delay=0)
    capsys.readouterr()
    assert main(["resume", str(run.path)]) == 0
    assert last_line(capsys)["state"] == "finished"
    terms = [[{k: v for k, v in row.items() if k != "seconds"} for row in one.metrics()] for one in (whole, run)]
    assert terms[0] == terms[1]
    assert (whole.path / "model.safetensors").read_bytes() == (run.path / "model.safetensors").read_bytes()
    assert main(["resume", str(run.path)]) == 2
    assert "is finished: `python -m genmodels fork" in capsys.readouterr().err


def test_the_app_can_stop_a_run_of_the_command_line(tmp_path: Path) -> None:
    run = Run(tmp_path / "run")
    words = ["train", "vae", *SMALL, "--steps", "1000000", "--out", str(run.path)]
    process = started(*words)
    deadline = time.monotonic() + 120
    while len(run.metrics()) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    run.want(want="stop")
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert json.loads(out)["state"] == run.state().status == "stopped"


def test_a_resume_that_is_refused_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever trains the run goes on as it was told."""
    run = store.create("vae", "digits", arguments={"hidden": 16, "depth": 1}, settings={"steps": 12})
    run.want(want="pause")
    before = [(run.path / name).read_bytes() for name in ("control.json", "state.json")]
    with held(run.path):
        assert main(["resume", str(run.path)]) == 2
    assert "is being trained by another process" in capsys.readouterr().err
    assert [(run.path / name).read_bytes() for name in ("control.json", "state.json")] == before
    assert main(["resume", str(run.path)]) == 0
    assert last_line(capsys)["state"] == "finished"


def test_a_fork_changes_one_thing(capsys: pytest.CaptureFixture[str]) -> None:
    parent = trained(capsys)
    assert main(["fork", parent.id, "--step", "4", "--set", "beta=4", "--steps", "20", "--lr", "1e-4"]) == 0
    child = Run(Path(last_line(capsys)["path"]))
    assert child.plan.parent == Parent(run=parent.id, step=4)
    assert child.plan.arguments == parent.plan.arguments | {"beta": 4.0}
    assert child.plan.settings == parent.plan.settings | {"steps": 20, "lr": 1e-4}
    assert [child.metrics()[0]["step"], child.metrics()[-1]["step"]] == [5, 20]
    assert main(["fork", parent.id, "--step", "4"]) == 0
    assert last_line(capsys)["step"] == 12
    for words, message in (
        (["--step", "99"], "has no snapshot of step 99: it has"),
        (["--step", "4", "--steps", "4"], "4 steps would end before step 4, where the fork begins"),
        (["--step", "4", "--set", "hidden=32"], "A fork keeps its parent's weights"),
    ):
        before = len(store.every())
        assert main(["fork", parent.id, *words]) == 2
        assert message in capsys.readouterr().err
        assert len(store.every()) == before


# Sampling and measuring -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "data", "shapes"),
    [
        ("vae-digits-2d", "mnist", r"(1, 8, 8), but mnist has (1, 28, 28)"),
        ("flow-two-moons", "digits", r"(2,), but digits has (1, 8, 8)"),
        ("gan-digits", "two-moons", r"(1, 8, 8), but two-moons has (2,)"),
    ],
)
def test_data_of_another_shape_are_refused(
    model: str, data: str, shapes: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", model, "--data", data, "-n", "20"]) == 2
    assert f"The model is for data of shape {shapes}." in capsys.readouterr().err


@pytest.mark.parametrize("port", ["-1", "0", "99999999", "http"])
def test_a_port_is_one(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["app", f"--port={port}"]) == 2
    assert "is not a whole number from 1 to 65535" in capsys.readouterr().err


def test_samples_are_an_array_in_data_space(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = trained(capsys)

    def drawn(*words: str) -> np.ndarray:
        assert main(["sample", run.id, "--out", str(tmp_path / "x.npy"), "-n", "1030", *words]) == 0
        assert last_line(capsys)["shape"] == [1030, 1, 8, 8]
        return np.load(tmp_path / "x.npy")

    x = drawn()
    assert x.dtype == np.float32
    assert x.shape == (1030, 1, 8, 8)
    assert x.min() >= 0
    assert x.max() <= 1
    assert np.array_equal(x, drawn("--seed", "0"))
    assert not np.array_equal(x, drawn("--seed", "1"))
    assert len(np.unique(x.reshape(1030, -1), axis=0)) == 1030  # no chunk is a copy of another
    assert set(np.unique(drawn("--draw"))) == {0.0, 1.0}  # of a Bernoulli decoder
    assert not np.array_equal(x, drawn("--step", "0"))


def test_samples_are_a_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = trained(capsys)
    assert main(["sample", str(run.path), "--out", str(tmp_path / "grid.png"), "-n", "9"]) == 0
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size == (26, 26)  # 3 × 8 and two gaps


def test_points_are_an_array_and_no_picture(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = trained(capsys, "--data", "two-moons")
    assert main(["sample", run.id, "--out", str(tmp_path / "x.npy"), "-n", "3"]) == 0
    assert np.load(tmp_path / "x.npy").shape == (3, 2)
    capsys.readouterr()
    for words, message in (
        (["--out", str(tmp_path / "x.png")], "would be a picture, but these samples are points of the plane"),
        (["--out", str(tmp_path / "y.npy"), "--label", "1"], "not for this model, which was trained without labels"),
        (["--out", str(tmp_path / "y.npy"), "--set", "steps=3"], "'steps' is not a hyperparameter here"),
        (["--out", str(tmp_path / "y.npy"), "--step", "99"], "has no snapshot of step 99"),
    ):
        assert main(["sample", run.id, *words]) == 2
        assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.glob("?.*")] == ["x.npy"]


def drawn(path: Path, name: str, *words: str) -> np.ndarray:
    assert main(["sample", name, "--out", str(path / "x.npy"), "-n", "6", *words]) == 0
    return np.load(path / "x.npy")


def test_how_a_ddpm_samples_is_set(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["train", "ddpm", "--data", "two-moons", "--steps", "3"]) == 0
    name = last_line(capsys)["run"]
    few = drawn(tmp_path, name, "--set", "sampler=ddim", "--set", "steps=3")
    assert np.array_equal(few, drawn(tmp_path, name, "--set", "sampler=ddim", "--set", "steps=3"))
    assert not np.array_equal(few, drawn(tmp_path, name, "--set", "sampler=ddim", "--set", "steps=5"))
    capsys.readouterr()
    assert main(["sample", name, "--out", str(tmp_path / "x.npy"), "--set", "sampler=dim"]) == 2
    assert "sampler = 'dim' is not one of " in capsys.readouterr().err
    assert main(["sample", name, "--out", str(tmp_path / "x.npy"), "--draw"]) == 2
    assert "--draw is for models that draw x from p(x | z)" in capsys.readouterr().err


def test_a_label_is_asked_for_where_the_model_learned_them(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["train", "gan", "--set", "classes=10", "--set", "hidden=8", "--steps", "3"]) == 0
    name = last_line(capsys)["run"]
    three, four = drawn(tmp_path, name, "--label", "3"), drawn(tmp_path, name, "--label", "4")
    assert not np.array_equal(three, four)
    assert np.array_equal(three, drawn(tmp_path, name, "--label", "3"))
    capsys.readouterr()
    assert main(["sample", name, "--out", str(tmp_path / "x.npy"), "--label", "10"]) == 2
    assert "--label 10 is not allowed: it is from 0 to 9" in capsys.readouterr().err


def test_any_folder_with_a_model_can_be_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    run = trained(capsys, "--data", "two-moons")
    moment = run.folder(4)
    assert main(["sample", str(moment), "--out", str(tmp_path / "x.npy")]) == 0
    assert main(["evaluate", str(moment), "-n", "50", "-k", "0"]) == 0  # its run says what it learned from
    alone = tmp_path / "alone"
    run.model().save(alone)
    capsys.readouterr()
    assert main(["evaluate", str(alone), "-n", "50", "-k", "0"]) == 2
    assert "does not say what its model learned from: give --data" in capsys.readouterr().err
    assert main(["evaluate", str(alone), "-n", "50", "-k", "0", "--data", "two-moons"]) == 0
    assert last_line(capsys)["data"] == "two-moons"
    assert main(["sample", str(alone), "--step", "4", "--out", str(tmp_path / "x.npy")]) == 2
    assert "--step 4 is for runs" in capsys.readouterr().err


def test_a_model_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(capsys, "--data", "eight-gaussians")
    assert main(["evaluate", run.id, "-n", "100", "-k", "10"]) == 0
    found = last_line(capsys)
    assert found["elbo_nats"] <= found["iwae_10_nats"] + 0.05 <= found["log_prob_nats"] + 0.1
    assert 0 < found["w1_floor"] < found["w1"]
    assert found["modes"] == 8
    assert found["examples"] == 100


# Several processes ----------------------------------------------------------------------------------------------------


def test_two_processes_learn_what_one_learns(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """torchrun on the CPU: the same curve at the same global batch, but for the order of sums."""
    words = ["train", "vae", *SMALL, "--steps", "24", "--batch-size", "64", "--precision", "float32", "--device", "cpu"]
    assert main([*words, "--out", str(tmp_path / "one")]) == 0
    torchrun = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        "-m",
        "genmodels",
    ]
    done = subprocess.run(
        [*torchrun, *words, "--out", str(tmp_path / "two")], cwd=ROOT, capture_output=True, text=True, timeout=250,
        env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert json.loads(line)["state"] == "finished"
    one, two = Run(tmp_path / "one").metrics(), Run(tmp_path / "two").metrics()
    assert [row["step"] for row in one] == [row["step"] for row in two]
    for a, b in zip(one, two, strict=True):
        assert a.keys() == b.keys()
        for name in a.keys() - {"seconds"}:
            assert b[name] == pytest.approx(a[name], rel=1e-4, abs=1e-6), name
    assert Run(tmp_path / "two").state().status == "finished"

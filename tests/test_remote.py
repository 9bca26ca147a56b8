"""Trainings on Hugging Face Jobs, by the real client, against a small Hub on loopback."""

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from genmodels.cli.parser import main
from genmodels.data import mnist as idx
from genmodels.errors import BadInput
from genmodels.hub import remote_jobs
from genmodels.hub.client import Place
from genmodels.runs import store
from tests.fake_hub import FakeHub, Fault, known_alone, serving

TOKEN = "hf_secret_of_a_test"
TRAIN = ["train", "vae", "--set", "latent_dim=2", "--steps", "3", "--seed", "5", "--on", "hf-jobs"]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def served() -> Iterator[FakeHub]:
    with serving() as one:
        yield one


@pytest.fixture
def there(served: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    """An empty Hub, a client that knows it and nothing else, and somebody who is logged in."""
    known_alone(served, tmp_path / "hf", monkeypatch)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return served


def pushed(there: FakeHub, subfolder: str) -> None:
    """What the job leaves on the Hub: here one of the checkpoints that ship."""
    run = store.Run(store.CHECKPOINTS / "vae-digits-2d")
    names = ("config.json", "model.safetensors", "run.json", "state.json", "metrics.jsonl", "measures.json")
    there.put("ada/lab", {f"{subfolder}/{name}": (run.path / name).read_bytes() for name in names})


# What is asked for ----------------------------------------------------------------------------------------------------


def test_the_request(there: FakeHub) -> None:
    words = ["vae", "--data", "digits", "--set=latent_dim=2"]
    job = remote_jobs.submit(words, Place("ada/lab", subfolder="mine"), flavor="a10g-small", timeout="90m")
    (asked,) = there.jobs.values()
    assert (asked["flavor"], asked["dockerImage"], asked["timeoutSeconds"]) == ("a10g-small", "python:3.12", 5400)
    assert asked["secrets"] == {"HF_TOKEN": TOKEN}
    assert asked["environment"] == {"GENMODELS_PLACE": "hf://ada/lab/mine"}
    python, dash_c, program, client, repo, commit, source, place, *rest = asked["command"]
    assert (python, dash_c, program, repo, place) == (
        "python",
        "-c",
        remote_jobs.PROGRAM,
        "ada/lab",
        "hf://ada/lab/mine",
    )
    assert client.startswith("huggingface-hub==")
    assert rest == words
    assert there.repos["ada/lab"][commit][source] == remote_jobs.archive()
    assert TOKEN not in json.dumps({name: value for name, value in asked.items() if name != "secrets"})
    assert job.name == "ada/" + next(iter(there.jobs))
    assert job.place == Place("ada/lab", subfolder="mine")


def test_the_same_source_is_sent_once(there: FakeHub) -> None:
    for _ in range(2):
        remote_jobs.submit(["vae"], Place("ada/lab", subfolder="mine"), flavor="cpu-basic")
    assert there.asked_for("POST /api/models/ada/lab/commit/") == 1
    first, second = (job["command"][5:7] for job in there.jobs.values())
    assert first == second


def test_the_source_is_the_library_and_nothing_else() -> None:
    content = remote_jobs.archive()
    assert content == remote_jobs.archive()
    with tarfile.open(fileobj=io.BytesIO(content)) as files:
        names = files.getnames()
        needed = files.extractfile("requirements.txt")
        assert needed is not None
        lines = needed.read().decode()
    assert {"genmodels/cli/parser.py", "genmodels/models/vae.py", "checkpoints/features-digits/config.json"} <= set(
        names
    )
    mnist = [*idx.MNIST.iterdir()]
    assert {f"genmodels/data/_mnist/{path.name}" for path in mnist} <= set(names)
    kinds = ("requirements.txt", "genmodels/", "checkpoints/features-")
    assert all(name.startswith(kinds) and "__pycache__" not in name for name in names)
    assert "torch==" in lines
    assert "streamlit==" not in lines
    assert len(content) - sum(path.stat().st_size for path in mnist) < 4e6


def test_where_a_run_goes(there: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert remote_jobs.place_for("hf://ada/lab/x/mine", "vae", "digits") == Place("ada/lab", subfolder="x/mine")
    assert remote_jobs.place_for("hf://ada/lab", "vae", "digits").subfolder.startswith("vae-digits-")
    own = remote_jobs.place_for(None, "vae", "digits")
    assert own.repo == "ada/genmodels"
    monkeypatch.setenv("GENMODELS_HUB_REPO", "school/lab/2026")
    assert str(remote_jobs.place_for(None, "vae", "digits")).startswith("hf://school/lab/2026/vae-digits-")
    with pytest.raises(BadInput, match="main branch"):
        remote_jobs.place_for("hf://ada/lab@v2", "vae", "digits")


# The command ----------------------------------------------------------------------------------------------------------


def test_a_training_there_comes_back_as_a_run(there: FakeHub, capsys: Captured) -> None:
    there.lines = ["===== Job started =====", "step 1", f"a token {TOKEN}\x1b[31m", "25%\r50%\rdone"]
    there.stages = ["SCHEDULING", "RUNNING", "RUNNING", "COMPLETED"]
    pushed(there, "mine")
    assert main([*TRAIN, "--flavor", "a10g-small", "--to", "hf://ada/lab/mine", "--title", "a b"]) == 0
    (asked,) = there.jobs.values()
    assert asked["command"][8:] == [
        "vae",
        "--data",
        "digits",
        "--title=a b",
        "--set=latent_dim=2",
        "--steps=3",
        "--seed=5",
    ]
    said = capsys.readouterr()
    assert "$1.00 an hour" in said.err
    assert "step 1\n" in said.err
    assert "done\n" in said.err
    assert TOKEN not in said.err + said.out
    assert "\x1b" not in said.err
    run = store.find(json.loads(said.out.splitlines()[-1])["run"])
    assert run.state().status == "finished"
    assert TOKEN not in "".join(path.read_text() for path in run.path.glob("*.json*"))


def test_a_job_that_fails(there: FakeHub, capsys: Captured) -> None:
    there.lines, there.stages = ["Traceback"], ["RUNNING", "ERROR"]
    assert main([*TRAIN, "--to", "hf://ada/lab/mine"]) == 1
    said = capsys.readouterr().err
    assert "ended as ERROR (exit code 1)" in said
    assert f"{there.url}/jobs/ada/" in said
    assert not list(store.root().glob("*/run.json"))


def test_ctrl_c_leaves_it_running_and_one_can_come_back(
    there: FakeHub, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(job: remote_jobs.Job) -> Iterator[str]:
        yield "step 1"
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(remote_jobs, "follow", interrupted)
        assert main([*TRAIN, "--to", "hf://ada/lab/mine"]) == 130
    said = capsys.readouterr().err
    name = said.split("genmodels follow ")[1].split("`")[0]
    assert there.asked_for("cancel") == 0
    there.lines, there.stages = ["step 2"], ["COMPLETED"]
    pushed(there, "mine")
    assert main(["follow", name]) == 0
    said_now = capsys.readouterr()
    assert "step 2" in said_now.err
    assert store.find(json.loads(said_now.out.splitlines()[-1])["run"]).plan.origin.name == "hf://ada/lab/mine"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--flavor", "abacus"], "There is no flavor 'abacus': it may be cpu-basic, a10g-small."),
        (["--set", "latent_dims=2"], "did you mean latent_dim?"),
        (["--lr", "-1"], "lr = '-1' is not"),
        (["--data", "imagenet"], "There is no data set"),
        (["--timeout", "forever"], "write it as in 45m"),
        (["--out", "here"], "--out is for trainings on this computer"),
    ],
)
def test_what_is_wrong_is_said_before_it_costs(
    there: FakeHub, words: list[str], sentence: str, capsys: Captured
) -> None:
    assert main([*TRAIN, "--to", "hf://ada/lab/mine", *words]) == 2
    assert sentence in capsys.readouterr().err
    assert not there.jobs


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("flow --data mnist-static", "black or white pixels"),
        ("gan --batch-size 1", "batch_size"),
        ("vae --set model=gan", "is not a hyperparameter here"),
        ("vae --set classes=3", "is not a hyperparameter here"),
    ],
)
def test_what_is_refused_here_is_not_sent_there(there: FakeHub, words: str, sentence: str, capsys: Captured) -> None:
    there.stages = ["ERROR"]  # of a job that is sent all the same
    assert main(["train", *words.split(), "--on", "hf-jobs", "--to", "hf://ada/lab/mine"]) == 2
    assert sentence in capsys.readouterr().err
    assert not there.jobs


def test_nobody_is_logged_in(there: FakeHub, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    assert main([*TRAIN, "--to", "hf://ada/lab/mine"]) == 2
    assert "set HF_TOKEN or run `hf auth login`" in capsys.readouterr().err
    assert not there.log


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(402, "no credit left"), (401, "does not let this token"), (403, "does not let this token"), (429, "too often")],
)
def test_the_hub_says_no(there: FakeHub, status: int, sentence: str, capsys: Captured) -> None:
    there.faults = [Fault("POST /api/jobs/ada", status)]
    assert main([*TRAIN, "--to", "hf://ada/lab/mine"]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert said.count("\n") == 1
    assert TOKEN not in said


def test_a_hub_in_trouble_is_asked_again(there: FakeHub) -> None:
    there.faults = [Fault("POST /api/jobs/ada", 503, times=2)]
    remote_jobs.submit(["vae"], Place("ada/lab", subfolder="mine"), flavor="cpu-basic")
    assert len(there.jobs) == 1


@pytest.mark.parametrize("words", ["--flavor a10g-small", "--to hf://a/b", "--timeout 1h", "--image x", "--private"])
def test_what_is_of_a_rented_computer_is_for_jobs(words: str, capsys: Captured) -> None:
    assert main(["train", "vae", *words.split()]) == 2
    assert f"{words.split()[0]}: for --on hf-jobs" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["ada", "ada/../x", "/1", "ada/", "ada/00000000000000000000beef"])
def test_jobs_that_are_not_there(there: FakeHub, name: str) -> None:
    with pytest.raises(BadInput, match=r"is no job|refused|is not on the Hub"):
        remote_jobs.find(name)


# What the job does ----------------------------------------------------------------------------------------------------


def test_the_job_itself_trains_and_pushes(there: FakeHub, tmp_path: Path, capsys: Captured) -> None:
    """Its very command, in a process of its own, with nothing but the archive; what is installed is there already."""
    place = Place("ada/lab", subfolder="mine")
    words = ["vae", "--data", "digits", "--set=latent_dim=2", "--steps=3", "--set=hidden=16"]
    remote_jobs.submit(words, place, flavor="cpu-basic")
    (asked,) = there.jobs.values()
    stub = tmp_path / "stub"
    (stub / "pip").mkdir(parents=True)
    (stub / "pip/__init__.py").touch()
    (stub / "pip/__main__.py").write_text("import sys; print('pip', *sys.argv[1:])")
    for module in ("streamlit", "plotly"):  # they are not installed there
        (stub / f"{module}.py").write_text("raise ImportError('not there')")
    work = tmp_path / "work"
    work.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "OMP_NUM_THREADS") if name in os.environ}
    surroundings = kept | {
        **asked["environment"], **asked["secrets"], "HF_ENDPOINT": there.url, "HF_HOME": str(tmp_path / "job-hf"),
        "HF_HUB_DISABLE_XET": "1", "PYTHONPATH": str(stub), "HOME": str(work),
    }  # fmt: skip
    command = [sys.executable, *asked["command"][1:]]
    done = subprocess.run(command, cwd=work, env=surroundings, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "pip install" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert {"mine/model.safetensors", "mine/run.json", "mine/README.md", "README.md"} <= set(there.files("ada/lab"))
    assert not any(TOKEN.encode() in content for content in there.files("ada/lab").values())
    there.stages = ["COMPLETED"]
    assert main(["follow", f"ada/{next(iter(there.jobs))}"]) == 0
    run = store.find(json.loads(capsys.readouterr().out.splitlines()[-1])["run"])
    assert run.state().total == 3
    assert run.model().config["latent_dim"] == 2

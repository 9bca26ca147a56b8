"""A disk that is full, read-only or somebody else's, and runs that are damaged: a sentence each, on the command line
and on the pages; and what works goes on working."""

import errno
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from genmodels.cli.parser import main
from genmodels.errors import BadInput, Damaged
from genmodels.export import checkpoint
from genmodels.export import code as take_home
from genmodels.jobs import queue
from genmodels.runs import store
from genmodels.runs.record import Origin, Parent, Status
from genmodels.runs.recorder import Recording
from genmodels.runs.store import Run
from genmodels.training import exact
from genmodels.training.loop import Training
from genmodels.training.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
TINY = ["--set", "hidden=16", "--set", "depth=1", "--steps", "3", "--batch-size", "16", "--device", "cpu"]


def new() -> Run:
    return store.create("vae", "digits", arguments={"hidden": 16, "depth": 1}, settings={"steps": 12, "batch_size": 16})


def train(run: Run, until: int | None = None) -> None:
    recording = Recording(run)
    for step in recording.steps():
        if step.step == until:
            recording.save()
            break
    recording.close()


def refused(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Nothing can be written any more."""

    def no(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code), "/runs/a-file")

    monkeypatch.setattr(tempfile, "mkstemp", no)
    monkeypatch.setattr(os, "mkdir", no)
    monkeypatch.setattr(Path, "touch", no)


# The command line -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "vae", *TINY, "--out", "/proc/a-run"], "cannot be written"),
        (["train", "vae", *TINY, "--out", "x" * 300], "File name too long"),
        (["train", "vae", *TINY, "--out", "/dev/null/x"], "cannot be written"),
        (["sample", "vae-digits-2d", "-n", "1", "--out", "/proc/x.npy"], "cannot be used"),
        (["export", "vae-digits-2d", "/proc/x/y", "-n", "10", "-k", "0"], "cannot be used"),
    ],
    ids=lambda words: " ".join(words)[:40] if isinstance(words, list) else "",
)
def test_a_place_that_cannot_be_used_is_named_in_one_sentence(words, said, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    text = capsys.readouterr().err
    last = text.strip().splitlines()[-1]
    assert said in last
    assert "Traceback" not in text
    assert len(last) < 300


@pytest.mark.parametrize(("code", "said"), [(errno.EROFS, "Read-only file system"), (errno.ENOSPC, "The disk is full")])
def test_a_disk_that_takes_nothing_is_said_in_one_sentence(code, said, capsys, monkeypatch) -> None:
    run = new()
    train(run, until=3)
    refused(monkeypatch, code)
    for words in (["train", "vae", *TINY], ["resume", run.id], ["fork", run.id, "--step", "0"]):
        assert main(words) in (1, 2)
        text = capsys.readouterr().err
        assert said in text
        assert "Traceback" not in text
    assert main(["runs"]) == 0, "what only reads goes on"


def test_a_system_without_its_locks_is_told_in_one_sentence() -> None:
    """Windows: the command line, the app and the library end with it."""
    for what in ("genmodels.cli.parser", "genmodels.files", "genmodels.host.ownership"):
        code = f"import sys; sys.platform = 'win32'; sys.modules['fcntl'] = None; import {what}"
        done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("genmodels runs on Linux and macOS; on Windows use it within WSL")
        assert len(done.stderr.strip().splitlines()) == 1


# Damaged runs ---------------------------------------------------------------------------------------------------------


def broken() -> Run:
    """As an older version's delete that was killed half-way, or a loss of power, left it."""
    run = new()
    (run.path / "run.json").write_bytes(b"")
    return run


def test_a_damaged_run_is_listed_and_harms_no_other(capsys) -> None:
    whole, gone = new(), broken()
    assert [one.id for one in store.every()] == [whole.id]
    assert [(one.id, why) for one, why in store.damaged()] == [(gone.id, f"{gone.path / 'run.json'} is not JSON.")]
    assert main(["runs", "--json"]) == 0
    rows = {row["run"]: row["state"] for row in json.loads(capsys.readouterr().out)}
    assert rows == {whole.id: "stopped", gone.id: "damaged"}
    gone.delete()
    assert store.damaged() == []


def test_where_a_run_is_its_exact_state_says_too() -> None:
    run = new()
    train(run, until=5)
    for harm in (b"", b"{", b'{"state": "somewhere"}', None):
        (run.path / "state.json").unlink(missing_ok=True)
        if harm is not None:
            (run.path / "state.json").write_bytes(harm)
        assert (run.state().status, run.state().step) == (Status.INTERRUPTED, 5)
        assert "Resume goes on from step 5" in run.state().message
    train(run)
    assert run.state().status is Status.FINISHED


def test_a_damaged_run_that_came_from_elsewhere_is_to_be_pulled_again() -> None:
    run = new()
    replace(run.plan, origin=Origin(name="hf://ada/lab", commit="c")).write(run.path)
    (run.path / "state.json").write_bytes(b"")
    with pytest.raises(Damaged, match="pull it again from hf://ada/lab"):
        run.state()


def test_a_damaged_exact_state_is_named_and_the_past_can_be_forked() -> None:
    run = new()
    train(run, until=5)
    path = run.path / "trainer.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(Damaged, match="fork the run from its last snapshot"):
        Recording(run)
    assert run.state().status is Status.FAILED
    train(store.fork(run, run.snapshots()[-1]))


def test_a_damaged_line_of_a_curve_is_left_out() -> None:
    run = new()
    train(run)
    path = run.path / "metrics.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "\0\0\0", '{"step": "x"}', "[]", lines[1]]) + "\n" + '{"step": 3')
    assert [row["step"] for row in run.metrics()] == [1, 2]


def test_the_page_of_runs_shows_what_is_damaged_and_can_delete_it() -> None:
    whole, gone = new(), broken()
    test = AppTest.from_file(str(ROOT / "pages" / "lab" / "runs.py"), default_timeout=120).run()
    assert not test.exception
    table = test.dataframe[0].value
    assert (
        dict(zip(table["name"], table["state"], strict=True)).items()
        >= {
            whole.title: "stopped",
            gone.id: "damaged",
        }.items()
    )
    assert "is not JSON" in table[table["name"] == gone.id]["message"].iloc[0]


@pytest.mark.parametrize("harm", ["damaged", "read-only"])
def test_a_models_page_opens_whatever_the_disk_is_like(harm, monkeypatch) -> None:
    run = new()
    train(run)
    broken()
    if harm == "damaged":
        (run.path / "run.json").write_bytes(b"{")
    else:
        refused(monkeypatch, errno.EROFS)
    monkeypatch.setattr(queue, "pool", lambda: None)
    test = AppTest.from_file(str(ROOT / "pages" / "models" / "vae.py"), default_timeout=120)
    test.query_params["run"] = run.id
    test.run()
    assert not test.exception
    warned = [one.value for one in test.warning]
    assert any("is not JSON" in text for text in warned) == (harm == "damaged")
    if harm == "read-only":
        test.button(key="train").click().run()
        assert not test.exception
        assert any("cannot be written" in one.value for one in test.error)


# A run that is its own parent -----------------------------------------------------------------------------------------


@pytest.mark.timeout(60)
def test_a_run_that_is_its_own_parent_is_said_to_be(tmp_path, capsys) -> None:
    one, other = new(), new()
    for run, parent in ((one, other), (other, one)):
        replace(run.plan, parent=Parent(run=parent.id, step=0)).write(run.path)
    with pytest.raises(BadInput, match="cannot be a fork of itself"):
        take_home.cells(one)
    assert main(["export", one.id, str(tmp_path / "out"), "--to", "script"]) == 2
    assert "cannot be a fork of itself" in capsys.readouterr().err
    assert checkpoint.command(one).count("fork RUN") == 2


# A curve after a resume -----------------------------------------------------------------------------------------------


def test_terms_keep_their_order_through_a_resume(digits) -> None:
    """They are saved between two logged steps, by name; the line that is logged next has them as every other has."""
    run, settings = new(), Settings(steps=2000, batch_size=16)

    def training() -> Training:
        torch.manual_seed(0)
        return Training(run.training().model, digits, settings)

    first, second = training(), training()
    while first.step_ < 10 or first.is_logged(first.step_):
        first.step()
    assert first.pending
    names = list(first.pending[0])
    assert names != sorted(names), "an order that sorting would change"
    exact.restore(second, *exact.state(first))
    assert list(second.pending[0]) == names

"""Where an experiment is trained does not show in its table: this process, this computer's workers."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from genmodels.cli.parser import main
from genmodels.experiments import running
from genmodels.experiments.places import PLACES, Here, Queue, Ray
from genmodels.jobs import queue
from genmodels.jobs.queue import Pool
from genmodels.runs import store
from genmodels.runs.record import Status
from tests.toy import TOY, declared, done, table

LONG = {"steps": 60, "batch_size": 16}


@pytest.fixture
def pool(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """The workers of an app."""
    pool = Pool(2)
    monkeypatch.setattr(queue, "_pool", pool)
    yield pool
    pool.close()


def until(true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.02)


# The workers of this computer -----------------------------------------------------------------------------------------


def test_the_workers_table_is_that_of_this_process_stopped_gone_on_with_and_extended_by_seeds(
    pool: Pool, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = declared(seeds=1, settings=LONG), declared(seeds=2, settings=LONG)
    steps = running.advance(one, Queue())
    next(steps)
    for run in store.every():
        queue.slow(run, 0.1)
    until(lambda: max(run.state().step for run in store.every()) > 2)
    steps.close()
    until(lambda: not any(run.is_held() for run in store.every()))
    assert {run.state().status for run in store.every()} == {Status.STOPPED}
    assert any(0 < run.state().step < LONG["steps"] for run in store.every())
    assert queue.waiting() == []
    for run in store.every():
        queue.slow(run, 0)
    assert done(one, Queue())[-1].fraction == 1
    first = {run.id for run in store.every()}
    assert len(first) == 2
    done(two, Queue())
    assert {run.id for run in store.every()} > first
    assert queue.alive() == 2
    there = table(two)
    assert {status for status, *_ in there.values()} == {"finished"}
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "here"))
    done(two, Here())
    assert table(two) == there


def test_a_worker_that_dies_ends_no_experiment(pool: Pool) -> None:
    one = declared(seeds=1, settings=LONG)
    steps = running.advance(one, Queue())
    next(steps)
    for run in store.every():
        queue.slow(run, 0.1)
    until(lambda: all(run.state().step > 2 for run in store.every()))
    for worker in pool.workers:
        os.kill(worker.process.pid, signal.SIGKILL)
    for run in store.every():
        queue.slow(run, 0)
    news = list(steps)
    assert news[-1].text.startswith("measuring")
    assert {run.state().status for run in store.every()} == {Status.FINISHED}


def test_without_an_app_there_are_workers_for_as_long_as_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    pools = []

    class Own(Pool):
        def __init__(self) -> None:
            super().__init__(1)
            pools.append(self)

    monkeypatch.setattr(queue, "_pool", SimpleNamespace(root=Path("elsewhere")))  # of an app with other runs
    monkeypatch.setattr(queue, "Pool", Own)
    one = declared(seeds=1)
    done(one, Queue())
    assert {run.state().status for run in store.every()} == {Status.FINISHED}
    assert [worker.process.poll() for pool in pools for worker in pool.workers] == [0]


# What is said ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--on", "here", "--flavor", "x"], "--flavor is for --on hf-jobs"),
        (["--to", "a/b"], "--to is for --on hf-jobs"),
        (["--address", "a:1"], "--address is for --on ray"),
        (["--on", "moon"], "moon"),
    ],
)
def test_an_option_of_another_place_is_refused(words: list[str], says: str, tmp_path: Path, runs: Path, capsys) -> None:
    path = tmp_path / "toy.toml"
    path.write_text(TOY)
    assert main(["experiment", "run", str(path), *words]) == 2
    assert says in capsys.readouterr().err
    assert not runs.exists()


def test_every_place_is_reached_from_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "toy.toml"
    path.write_text(TOY)
    for name in PLACES:
        with pytest.raises(SystemExit, match="0"):
            main(["experiment", "run", str(path), "--on", name, "--help"])


def test_ray_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, runs: Path, capsys
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    path = tmp_path / "toy.toml"
    path.write_text(TOY)
    assert main(["experiment", "run", str(path), "--on", "ray"]) == 2
    assert "pip install 'genmodels[ray]'" in capsys.readouterr().err
    assert not runs.exists()
    assert isinstance(PLACES["ray"](), Ray)

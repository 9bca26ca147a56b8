"""Tasks: asked, shared, cancelled, failed in words, and done by a worker beside its runs."""

import time
from pathlib import Path

import numpy as np
import pytest

from genmodels.errors import BadInput
from genmodels.jobs import queue, tasks
from genmodels.jobs.tasks import ask
from genmodels.jobs.worker import Worker
from genmodels.runs import store
from genmodels.runs.record import Status


def squares(n: int, seconds: float = 0.0):
    """The first squares, one a step."""
    found = []
    for i in range(n):
        time.sleep(seconds)
        found.append(i * i)
        yield (i + 1) / n
    return {"squares": np.array(found)}


def refuses(n: int):
    """A task that says what was wrong."""
    yield 0.0
    raise BadInput(f"n = {n} is too much.")


@pytest.fixture(autouse=True)
def _tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    for name in ("squares", "refuses"):
        monkeypatch.setitem(tasks.TASKS, name, f"{__name__}:{name}")


def work(worker: Worker, done, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        worker.turn()


def test_an_answer_is_computed_once():
    worker = Worker()
    task = ask("squares", n=5)
    assert task.state().status == "queued"
    with pytest.raises(BadInput, match="not been computed"):
        task.answer()
    work(worker, lambda: task.is_done)
    assert task.answer()["squares"].tolist() == [0, 1, 4, 9, 16]
    again = ask("squares", n=5)
    assert again.id == task.id
    assert again.is_done
    assert ask("squares", n=6).id != task.id
    assert not list(tasks.queue().glob(task.id))


def test_it_shows_progress_and_can_be_cancelled():
    worker = Worker()
    task = ask("squares", n=1000, seconds=0.01)
    work(worker, lambda: task.state().progress > 0)
    assert task.state().status == "running"
    task.cancel()
    worker.turn()
    assert task.state().status == "cancelled"
    assert worker.jobs == []
    assert ask("squares", n=1000, seconds=0.01).state().status == "queued"


def test_a_failure_is_said_in_words_and_can_be_asked_again():
    worker = Worker()
    task = ask("refuses", n=7)
    work(worker, lambda: task.state().status == "failed")
    assert task.state().message == "n = 7 is too much."
    with pytest.raises(BadInput, match="n = 7 is too much"):
        task.answer()
    assert ask("refuses", n=7).state().status == "queued"
    with pytest.raises(BadInput, match="no task"):
        ask("../../etc")


def test_it_takes_turns_with_a_run():
    worker = Worker()
    run = store.create("vae", "digits", arguments={"hidden": 16, "depth": 1}, settings={"steps": 100_000})
    queue.submit(run)
    task = ask("squares", n=100, seconds=0.005)
    work(worker, lambda: task.is_done)
    work(worker, lambda: run.metrics())
    assert run.state().status == "running"
    worker.closing = True
    worker.work()


def test_a_closed_worker_leaves_it_to_the_next():
    worker = Worker()
    task = ask("squares", n=1000, seconds=0.01)
    work(worker, lambda: task.state().status == "running")
    worker.closing = True
    worker.work()
    assert task.state().status == "queued"
    task.cancel()


def test_old_answers_go(monkeypatch):
    monkeypatch.setattr(tasks, "KEPT", 2)
    worker = Worker()
    for n in range(1, 6):
        task = ask("squares", n=n)
        work(worker, lambda task=task: task.is_done)
    assert len(list(tasks.folder().glob("*/answer.npz"))) == 3


def test_a_marker_left_behind_does_not_begin_it_again():
    worker = Worker()
    task = ask("squares", n=3)
    work(worker, lambda: task.is_done)
    (tasks.queue() / task.id).touch()
    work(Worker(), lambda: not list(tasks.queue().glob(task.id)))
    assert task.is_done
    assert task.answer()["squares"].tolist() == [0, 1, 4]


def test_one_that_was_lost_can_be_asked_again():
    task = ask("squares", n=4)
    task.say(status=Status.RUNNING)
    (tasks.queue() / task.id).unlink()
    assert task.state().status == "failed"
    assert "interrupted" in task.state().message
    again = ask("squares", n=4)
    work(Worker(), lambda: again.is_done)

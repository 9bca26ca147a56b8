"""Tasks: asked, shared, cancelled, failed in words, and done by a worker beside its runs."""

import errno
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from genmodels.errors import BadInput
from genmodels.files import held
from genmodels.instruments.samples import samples
from genmodels.jobs import queue, tasks
from genmodels.jobs.tasks import ask
from genmodels.jobs.worker import Worker
from genmodels.runs import store

__all__ = ["fills", "refuses", "squares", "switches"]


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


def fills():
    """A task whose answer finds no room."""
    yield 0.0
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(autouse=True)
def _tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(tasks, "HOMES", (*tasks.HOMES, __name__))


def work(worker: Worker, done, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        worker.turn()


def test_an_answer_is_computed_once():
    worker = Worker()
    task = ask(squares, n=5)
    assert task.state().status == "queued"
    with pytest.raises(BadInput, match="not been computed"):
        task.answer()
    work(worker, lambda: task.is_done)
    assert task.answer()["squares"].tolist() == [0, 1, 4, 9, 16]
    again = ask(squares, n=5)
    assert again.id == task.id
    assert again.is_done
    assert ask(squares, n=6).id != task.id
    assert not list(tasks.queue().glob(task.id))


def test_an_answer_of_other_code_is_computed_again(monkeypatch: pytest.MonkeyPatch):
    worker = Worker()
    old = ask(squares, n=5)
    work(worker, lambda: old.is_done)
    monkeypatch.setattr(tasks, "code", lambda: "0" * 64)
    assert tasks.look(squares, n=5) is None
    new = ask(squares, n=5)
    assert new.id != old.id
    assert not new.is_done
    work(worker, lambda: new.is_done)


def test_it_shows_progress_and_can_be_cancelled():
    worker = Worker()
    task = ask(squares, n=1000, seconds=0.01)
    work(worker, lambda: task.state().progress > 0)
    assert task.state().status == "running"
    task.cancel()
    worker.turn()
    assert task.state().status == "cancelled"
    assert worker.jobs == []
    assert ask(squares, n=1000, seconds=0.01).state().status == "queued"


def test_a_failure_is_said_in_words_and_can_be_asked_again():
    worker = Worker()
    task = ask(refuses, n=7)
    work(worker, lambda: task.state().status == "failed")
    assert task.state().message == "n = 7 is too much."
    with pytest.raises(BadInput, match="n = 7 is too much"):
        task.answer()
    assert ask(refuses, n=7).state().status == "queued"


@pytest.mark.parametrize(
    "name", ["../../etc", "os:system", "genmodels.runs.store:create", "genmodels.instruments.samples:np", "", ":"]
)
def test_no_question_names_another_function(name: str):
    with pytest.raises(BadInput, match="There is no computation"):
        tasks.function_of(name)


def test_every_instrument_that_takes_a_while_can_be_asked_for():
    from genmodels.instruments import codes, neighbours, plane
    from genmodels.instruments.diffusion import bound, denoising, edits, score
    from genmodels.instruments.gan import modes, turns
    from genmodels.instruments.samples import samples
    from genmodels.instruments.vae import bound as vae_bound
    from genmodels.instruments.vae import geometry, true_posterior
    from genmodels.runs import timing

    everything = (
        *(samples, timing.timed, geometry.aggregate, vae_bound.ladder, plane.density, neighbours.neighbours),
        *(codes.geodesic, geometry.gap, true_posterior.true_posterior, modes.history, turns.play),
        *(denoising.denoised, denoising.compared, denoising.judged, bound.every_term, score.field),
        *(edits.redrawn, edits.filled, edits.interpolated),
    )
    for function in everything:
        assert tasks.function_of(tasks.named(function)) is function


def test_what_takes_a_model_is_given_that_of_the_run(monkeypatch: pytest.MonkeyPatch):
    def weight(model, data, times: int):
        yield 0.5
        return {"mean": np.array(times * sum(float(p.detach().sum()) for p in model.parameters())), "n": len(data.test)}

    monkeypatch.setattr(tasks, "function_of", lambda name: weight)
    steps = tasks.steps_of("weight", {"run": "vae-digits-2d", "step": 380, "times": 2})
    progress = []
    while True:
        try:
            progress.append(next(steps))
        except StopIteration as end:
            found = end.value
            break
    assert progress == [0.0, 0.5]
    run = store.find("vae-digits-2d")
    assert found["mean"] == 2 * sum(float(p.detach().sum()) for p in run.model(380).parameters())
    assert found["n"] == len(run.data().test)


def switches(n: int):
    """A task that yields with gradients switched off."""
    with torch.no_grad():
        for i in range(n):
            yield (i + 1) / n
    return {"done": np.array(n)}


def test_what_a_task_switches_off_is_no_other_jobs():
    """A training beside it has its gradients."""
    worker = Worker()
    task = ask(switches, n=50)
    run = store.create("vae", "digits", arguments={"hidden": 16, "depth": 1}, settings={"steps": 5})
    queue.submit(run)
    work(worker, lambda: task.is_done and run.state().status == "finished")
    assert torch.is_grad_enabled()


def test_of_other_weights_in_the_same_folder_it_is_another_question(tmp_path: Path):
    """A run may be replaced under its id by another checkpoint; of one that stays the answer stays."""
    worker, run = Worker(), store.find("vae-digits-2d")
    copied = shutil.copytree(run.path, store.root() / "mine")
    question = {"run": "mine", "step": None, "n": 2, "seed": 0}
    first = ask(samples, **question)
    work(worker, lambda: first.is_done)
    assert tasks.look(samples, **question).is_done
    weights = load_file(copied / "model.safetensors")
    save_file({name: value * 0 for name, value in weights.items()}, copied / "model.safetensors")
    assert tasks.look(samples, **question) is None
    second = ask(samples, **question)
    work(worker, lambda: second.is_done)
    assert (first.answer()["x"] != second.answer()["x"]).any()


def test_it_takes_turns_with_a_run():
    worker = Worker()
    run = store.create("vae", "digits", arguments={"hidden": 16, "depth": 1}, settings={"steps": 100_000})
    queue.submit(run)
    task = ask(squares, n=100, seconds=0.005)
    work(worker, lambda: task.is_done)
    work(worker, lambda: run.metrics())
    assert run.state().status == "running"
    worker.closing = True
    worker.work()


def test_a_worker_does_not_try_for_what_another_has(monkeypatch: pytest.MonkeyPatch):
    """To try for a lock takes a few naps, and the turns of a worker's runs are no longer than those."""
    task = ask(squares, n=3)
    with held(task.path):
        monkeypatch.setattr(tasks, "held", lambda path: pytest.fail("it was tried for"))
        Worker().turn()
        assert (tasks.queue() / task.id).exists()
        assert task.state().status == "queued"
    task.cancel()


def test_a_closed_worker_leaves_it_to_the_next():
    worker = Worker()
    task = ask(squares, n=1000, seconds=0.01)
    work(worker, lambda: task.state().status == "running")
    worker.closing = True
    worker.work()
    assert task.state().status == "queued"
    task.cancel()


def test_old_answers_go(monkeypatch):
    monkeypatch.setattr(tasks, "KEPT", 2)
    worker = Worker()
    for n in range(1, 6):
        task = ask(squares, n=n)
        work(worker, lambda task=task: task.is_done)
    assert len(list(tasks.folder().glob("*/answer.npz"))) == 3


def test_a_marker_left_behind_does_not_begin_it_again():
    worker = Worker()
    task = ask(squares, n=3)
    work(worker, lambda: task.is_done)
    (tasks.queue() / task.id).touch()
    work(Worker(), lambda: not list(tasks.queue().glob(task.id)))
    assert task.is_done
    assert task.answer()["squares"].tolist() == [0, 1, 4]


def test_one_that_was_lost_can_be_asked_again():
    task = ask(squares, n=4)
    task.say(status="running")
    (tasks.queue() / task.id).unlink()
    assert task.state().status == "failed"
    assert "interrupted" in task.state().message
    again = ask(squares, n=4)
    work(Worker(), lambda: again.is_done)


def test_a_full_disk_is_told_in_a_sentence_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch):
    worker = Worker()
    task = ask(fills)
    work(worker, lambda: not task.state().status.is_going)
    with pytest.raises(BadInput, match="The disk is full: make room, then compute it again"):
        task.answer()
    again = ask(fills)
    (job,) = [worker._task(marker) for marker in tasks.queue().glob("[0-9a-f]*")]
    worker.jobs.append(job)

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(tasks.Task, "say", refused)
        for _ in range(3):
            worker.turn()
    assert not worker.jobs
    assert again.state().status == "failed"
    assert "compute it again" in again.state().message

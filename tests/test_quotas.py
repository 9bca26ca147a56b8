"""One visitor of a shared host takes no more than a share: of the disk, the places, the walls, the codes."""

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from genmodels.errors import BadInput
from genmodels.host import limits, ownership
from genmodels.jobs import queue
from genmodels.jobs.worker import Job, Worker
from genmodels.runs import classroom, disk, store
from genmodels.runs.store import Run

ADA, EVE = "ada" * 14, "eve" * 14


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """On a shared host, say who acts."""
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.setenv("GENMODELS_SHARED", "1")
    monkeypatch.setenv("GENMODELS_MIN_FREE_MB", "0")
    classroom._wrong.clear()
    return lambda who: monkeypatch.setattr(ownership, "_who", lambda: who)


def new(**settings: float) -> Run:
    return store.create("vae", "digits", arguments={"hidden": 16, "depth": 1}, settings={"steps": 100_000} | settings)


def begun() -> Run:
    """A run that was in the queue, and has ended."""
    run = new()
    queue.submit(run)
    queue.stop(run)
    return run


def test_runs_kept_are_counted_a_visitor(acts: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_KEPT_A_VISITOR", "2")
    acts(EVE)
    first, _ = begun(), begun()
    refused = new()
    with pytest.raises(BadInput, match=r"You keep 2 runs, and 2 are a visitor's: delete one of yours first"):
        queue.submit(refused)
    assert not refused.path.exists()
    acts(ADA)
    begun()  # another is not told to delete runs that he has not
    acts(EVE)
    first.delete()
    begun()


def test_bytes_are_counted_a_visitor(acts: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_DISK_MB_A_VISITOR", "1")
    acts(EVE)
    (begun().path / "samples.npy").write_bytes(bytes(2_000_000))
    with pytest.raises(BadInput, match=r"Your runs take 2 MB, and 1 are a visitor's: delete one of yours first"):
        begun()
    acts(ADA)
    begun()


def test_a_full_host_takes_from_whoever_keeps_the_most(
    acts: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    acts(EVE)
    hers = [begun() for _ in range(5)]
    acts(ADA)
    mine = [begun() for _ in range(2)]
    monkeypatch.setenv("GENMODELS_MAX_KEPT", "7")
    acts("bob" * 14)
    begun()
    assert len([run for run in hers if run.path.exists()]) == 4
    assert all(run.path.exists() for run in mine)
    for run in store.every():
        run.seen()
    monkeypatch.setenv("GENMODELS_MAX_KEPT", "6")
    acts("new" * 14)
    with pytest.raises(BadInput, match="full of runs that are being trained or looked at"):
        disk.make(mine[0])


def test_a_full_host_never_takes_the_run_that_asks(
    acts: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    acts(ADA)
    mine = [new() for _ in range(3)]
    for run in mine:
        queue.submit(run)
    monkeypatch.setenv("GENMODELS_MAX_KEPT", "3")
    fourth = new()
    with pytest.raises(BadInput, match="delete a run of yours first"):
        disk.make(fourth)
    assert all(run.path.exists() for run in (*mine, fourth))


def test_what_many_runs_need_is_asked_before_the_first_is_made(
    acts: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    acts(EVE)
    most = int(limits.limit("MAX_RUNS_A_VISITOR"))
    assert most >= 5  # the largest button of the pages, five runs beside each other
    queue.check_room(most)
    with pytest.raises(BadInput, match="a visitor's: train fewer"):
        queue.check_room(most + 1)
    queue.submit(new())
    with pytest.raises(BadInput, match="You have 1 runs that wait or run"):
        queue.check_room(most)
    monkeypatch.setenv("GENMODELS_MAX_WAITING", "3")
    with pytest.raises(BadInput, match="wait until some have ended"):
        queue.check_room(3)


# Places ---------------------------------------------------------------------------------------------------------------


def turned(worker: Worker, until: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end
        worker.turn()


def test_a_paused_run_gives_its_place_to_one_that_waits_and_only_then(
    acts: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_PLACE_SECONDS", "0.2")
    monkeypatch.setattr("genmodels.jobs.worker.WAITS", 0.2)
    acts(EVE)
    held, worker = new(), Worker(most=1)
    try:
        queue.submit(held)
        turned(worker, lambda: held.state().status == "running")
        queue.pause(held)
        turned(worker, lambda: held.state().status == "paused")
        end = time.monotonic() + 2.5
        turned(worker, lambda: time.monotonic() > end)
        assert held.state().status == "paused"  # nobody waits for its place
        acts(ADA)
        honest = new()
        queue.submit(honest)
        turned(worker, lambda: honest.state().status == "running")
        assert held.state().status == "stopped"
        assert "its place went to them. Resume goes on" in held.state().message
    finally:
        for job in list(worker.jobs):
            worker._end(job, "stopped")


def test_tasks_have_places_that_no_run_takes(acts: Callable[[str | None], None]) -> None:
    worker = Worker(most=1)
    acts(EVE)
    run = new()
    job = Job(run)
    worker.jobs.append(job)
    assert not worker._has_place(queue.queue())
    assert worker._has_place(Path(os.devnull))
    worker._end(job, "stopped")


def test_slow_motion_is_bounded_on_the_clock(
    acts: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    acts(EVE)
    job = Job(new())
    assert job.over() is None
    monkeypatch.setenv("GENMODELS_HELD_SECONDS", "0.01")
    time.sleep(0.02)
    assert "has held a place" in str(job.over())
    job.close("stopped")


# Walls ----------------------------------------------------------------------------------------------------------------


def test_walls_are_counted_a_visitor(acts: Callable[[str | None], None]) -> None:
    acts(EVE)
    classroom.build(), classroom.build()
    with pytest.raises(BadInput, match=r"You have built 2 walls, and 2 are a visitor's: join [A-Z]{5}, or wait 6 h"):
        classroom.build()
    acts(ADA)
    classroom.build()


def test_an_empty_wall_makes_room_for_a_new_one(
    acts: Callable[[str | None], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classroom, "MOST_WALLS", 1)
    acts(EVE)
    old = classroom.build()
    acts(ADA)
    with pytest.raises(BadInput, match="walls stand already"):
        classroom.build()
    monkeypatch.setattr(classroom, "EMPTY_SECONDS", -1.0)
    classroom.build()
    assert not old.path.exists()


def test_guessing_a_walls_code_is_throttled(acts: Callable[[str | None], None]) -> None:
    acts(ADA)
    code = classroom.build().code
    acts(EVE)
    for _ in range(classroom.MOST_GUESSES):
        with pytest.raises(BadInput, match="never built"):
            classroom.find("ABCDE" if code != "ABCDE" else "ABCDF")
    with pytest.raises(BadInput, match="wait a minute"):
        classroom.find(code)  # a right one tells as little as a wrong one
    assert classroom.find(code, joined=code).code == code  # who has joined guesses nothing
    acts(ADA)
    assert classroom.find(code).code == code


def test_looking_for_a_wall_that_one_had_joined_and_that_came_down_is_no_guess(
    acts: Callable[[str | None], None],
) -> None:
    acts(ADA)
    gone, code = classroom.build().code, classroom.build().code
    shutil.rmtree(classroom.folder() / gone)
    for _ in range(classroom.MOST_GUESSES + 1):
        with pytest.raises(BadInput, match="never built"):
            classroom.find(gone, joined=gone)
    assert classroom.find(code).code == code


# What a worker is told ------------------------------------------------------------------------------------------------


def test_a_worker_is_told_only_what_is_known_to_be_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "DATABASE_URL", "GENMODELS_API_TOKEN", "AWS_SECRET_ACCESS_KEY", "own_key", "CUDA_KEY"):
        monkeypatch.setenv(name, "s3cr3t")
    monkeypatch.setenv("GENMODELS_DATA", "/data")
    assert "s3cr3t" not in queue.told().values()
    assert queue.told()["GENMODELS_DATA"] == "/data"
    assert queue.told()["PATH"] == os.environ["PATH"]

"""Workers that die, hang or are stopped: who is blamed, when they are replaced, and what is said of it."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from genmodels.host import health
from genmodels.jobs import pulse, watchdog
from genmodels.jobs import queue as jobs
from genmodels.jobs.queue import Pool
from genmodels.jobs.watchdog import DEAD, EVERY, LONGEST, LOOPS, SILENT, Watched
from genmodels.jobs.worker import MOST_DEATHS, Job, Worker
from genmodels.runs import store
from genmodels.runs.record import Status
from genmodels.runs.store import Run

SMALL = {"hidden": 16, "depth": 1}


def new(**settings: object) -> Run:
    return store.create("vae", "digits", arguments=SMALL, settings={"steps": 100_000, "batch_size": 32} | settings)


def until(true: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for something that must come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited in vain for {what}"
        time.sleep(0.02)


@pytest.fixture
def worker() -> Iterator[Worker]:
    one = Worker()
    yield one
    one.closing = True
    one.work()


def died(*jobs_held: str) -> None:
    """A worker each dies with such a job in its hands."""
    code = "import os, sys\nfrom genmodels.jobs.pulse import Pulse\n"
    code += "for i, name in enumerate(sys.argv[1:]): Pulse(f'dead{os.getpid()}{i}').hold(name)\nos.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code, *jobs_held], check=False)
    assert done.returncode == -signal.SIGKILL


# Who is blamed --------------------------------------------------------------------------------------------------------


def test_the_job_in_its_hands_is_blamed_and_no_other(worker: Worker) -> None:
    """A run that takes a worker down each time is given up; one that was in the same workers goes on."""
    guilty, innocent = new(), new()
    for run in (guilty, innocent):
        jobs.submit(run)
        run.say(status=Status.RUNNING)  # as the dead worker left it
    died(*[guilty.id] * MOST_DEATHS)
    end = time.monotonic() + 60
    while innocent.state().step < 3 and time.monotonic() < end:
        worker.turn()
    assert guilty.state().status is Status.FAILED
    assert f"died {MOST_DEATHS} times" in guilty.state().message
    assert innocent.state().status is Status.RUNNING
    assert innocent.state().deaths == 0
    assert jobs.waiting() == [innocent.id]


def test_a_death_counts_until_the_run_makes_progress() -> None:
    run = new()
    died(*[run.id] * (MOST_DEATHS - 1))
    job = Job(run)
    assert run.state().deaths == pulse.deaths(run.id) == MOST_DEATHS - 1
    job.advance(0.0)
    assert pulse.deaths(run.id) == MOST_DEATHS - 1, "steps that would be lost are no progress"
    job.recording.save()
    job.advance(0.0)
    assert run.state().deaths == pulse.deaths(run.id) == 0
    job.close(Status.STOPPED)


def test_whoever_resumes_a_run_gives_it_another_chance(worker: Worker) -> None:
    run = new()
    died(*[run.id] * MOST_DEATHS)
    jobs.submit(run)
    assert pulse.deaths(run.id) == 0
    end = time.monotonic() + 60
    while run.state().step < 1 and time.monotonic() < end:
        worker.turn()
    assert run.state().status is Status.RUNNING


def test_a_worker_that_lives_or_ends_as_it_should_blames_nobody() -> None:
    one = pulse.Pulse("one")
    one.hold("some-run")
    assert pulse.deaths("some-run") == 0
    one.close()
    assert pulse.deaths("some-run") == 0
    assert pulse.look(pulse.folder() / "one") is None


def test_a_restarted_server_blames_nobody_for_what_was() -> None:
    died("some-run")
    assert pulse.deaths("some-run") == 1
    pulse.forget()
    assert pulse.deaths("some-run") == 0
    assert not list(pulse.folder().iterdir())


# What is in the queue -------------------------------------------------------------------------------------------------


def test_what_names_nothing_is_set_aside_and_named(worker: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    """A file with a space in its name, a folder, a link: the runs behind them are trained."""
    run = new()
    jobs.submit(run)
    queue = jobs.queue()
    for name in ("a b", "x" * 150, "ключ"):
        (queue / name).touch()
    (queue / "folder").mkdir()
    (queue / "link").symlink_to(queue / "a b")
    assert jobs.waiting() == [run.id]
    worker._shared = 0.0
    end = time.monotonic() + 60
    while run.state().step < 1 and time.monotonic() < end:
        worker.turn()
    assert run.state().status is Status.RUNNING
    assert {path.name for path in queue.iterdir()} == {run.id, ".aside"}
    assert len(list((queue / ".aside").iterdir())) == 5
    assert "'a b'" in capfd.readouterr().err


def test_an_entry_of_no_run_is_dropped_and_named(worker: Worker, capfd: pytest.CaptureFixture[str]) -> None:
    jobs.queue().mkdir(parents=True)
    (jobs.queue() / "no-such-run").touch()
    worker.turn()
    assert jobs.waiting() == []
    assert "There is no run 'no-such-run'" in capfd.readouterr().err


def test_a_place_in_the_queue_is_told_though_a_run_before_it_is_gone() -> None:
    gone, run = new(), new()
    for one in (gone, run):
        jobs.submit(one)
        time.sleep(0.02)
    assert jobs.place(run) == 1
    gone.delete()
    assert jobs.place(run) == 0


def test_what_came_into_the_queue_by_a_clock_that_was_put_back_is_taken(worker: Worker) -> None:
    """Its file is an hour in the future; a busy worker leaves to others what has only just come."""
    busy, ahead = new(), new()
    jobs.submit(busy)
    while not worker.jobs:
        worker.turn()
    jobs.submit(ahead)
    later = time.time() + 3600
    os.utime(jobs.queue() / ahead.id, (later, later))
    worker._looked = 0.0
    worker.turn()
    assert {job.name for job in worker.jobs} == {busy.id, ahead.id}


def test_a_disk_that_takes_nothing_does_not_end_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    one, turns = Worker(), []

    def turn() -> None:
        turns.append(1)
        one.closing = len(turns) > 1
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(one, "turn", turn)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    one.work()
    assert len(turns) == 2


# The watch ------------------------------------------------------------------------------------------------------------


class Clock:
    """A time that stands still."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    one = Clock()
    monkeypatch.setattr(watchdog, "time", one)
    return one


def ended() -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(["true"])
    process.wait()
    return process


def test_each_end_in_a_row_is_waited_for_twice_as_long(clock: Clock) -> None:
    starts: list[float] = []

    def start(_: str) -> "subprocess.Popen[bytes]":
        starts.append(clock.now)
        return ended()

    one = Watched(start)
    while len(starts) < 12:
        one.look()
        clock.now += EVERY
    waits = [b - a for a, b in itertools.pairwise(starts)]
    for i, wait in enumerate(waits):
        meant = min(LONGEST, 2.0 ** (i - 1)) if i else 0.0
        assert meant <= wait <= meant + 3 * EVERY
    assert "end soon after their start" in one.trouble()
    assert not one.is_alive()


def test_a_worker_that_lives_long_ends_the_row(clock: Clock) -> None:
    one = Watched(lambda _: ended())
    while one.ends < LOOPS:
        one.look()
        clock.now += EVERY
    sleeper = subprocess.Popen(["sleep", "60"])
    one._start = lambda _: sleeper
    try:
        while one.process is not sleeper:
            one.look()
            clock.now += EVERY
        assert one.trouble()
        for _ in range(int(watchdog.STEADY / EVERY)):
            one.look()
        assert one.trouble() == ""
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_stopped_worker_is_seen_said_and_replaced() -> None:
    """SIGSTOP: its heart stops. Time is counted in looks, of which a test may take many at once."""
    code = "import sys\nfrom genmodels.jobs.pulse import Pulse\nPulse(sys.argv[1]).hold('a-run')\nsys.stdin.read()"
    start = lambda name: subprocess.Popen([sys.executable, "-c", code, name], stdin=subprocess.PIPE)  # noqa: E731
    one = Watched(start)
    try:
        end = time.monotonic() + 60
        while (one._seen is None or one._seen[2] != "a-run") and time.monotonic() < end:
            time.sleep(0.05)
            one.look()
        first = one.process
        assert one.is_alive()
        assert one.trouble() == ""
        os.kill(first.pid, signal.SIGSTOP)
        for _ in range(int(SILENT / EVERY) + 2):
            one.look()
        assert not one.is_alive()
        assert f"{first.pid} does not answer" in one.trouble()
        well, says = health.health(int(one.is_alive()), [one.trouble()])
        assert not well
        assert "does not answer" in says["status"]
        for _ in range(int(DEAD / EVERY) + 2):
            one.look()
        assert first.wait(10) == -signal.SIGKILL
        one.look()
        one.look()
        assert one.process is not first
        assert pulse.deaths("a-run") == 1
    finally:
        one.process.kill()
        one.process.wait()
        for process in (first, one.process):
            assert process.stdin is not None
            process.stdin.close()


def test_a_worker_that_does_not_come_out_of_a_step_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = subprocess.Popen(["sleep", "60"])
    one, beats = Watched(lambda _: sleeper), iter(range(10**9))
    monkeypatch.setattr(pulse, "look", lambda _: (next(beats), "7", "a-run"))
    try:
        for _ in range(int(watchdog.BUSY / EVERY) + 2):
            one.look()
        assert "at one step of a-run for 10 min" in one.trouble()
    finally:
        sleeper.kill()
        sleeper.wait()


def test_a_pool_ends_though_a_worker_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = subprocess.Popen.wait
    monkeypatch.setattr(subprocess.Popen, "wait", lambda self, timeout=None: wait(self, timeout and 1.0))
    pool = Pool(1)
    process = pool.workers[0].process
    os.kill(process.pid, signal.SIGSTOP)
    pool.close()
    assert process.returncode == -signal.SIGKILL


def test_workers_stay_with_the_runs_that_they_were_started_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where this process turns to another folder of runs, none is taken for silent."""
    pool, home = Pool(1), pulse.folder()
    try:
        one = pool.workers[0]
        monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "elsewhere"))
        until(lambda: one._seen, "its first beat")
        first = one.process
        first.kill()
        until(lambda: one.process is not first and (home / one.name / pulse.FILE).exists(), "its successor's pulse")
        assert not pulse.folder().exists()
    finally:
        pool.close()


def test_the_folder_of_workers_is_no_run() -> None:
    pulse.Pulse("one").hold("x")
    assert store.every() == []
    assert store.damaged() == []

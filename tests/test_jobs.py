"""The queue: real worker processes that take turns, are told what to do, die, and lose nothing."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genmodels.errors import BadInput
from genmodels.jobs import queue
from genmodels.jobs.queue import Pool
from genmodels.jobs.worker import MOST_DEATHS, Job, Worker
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from genmodels.runs.store import Run

SMALL = {"hidden": 16, "depth": 1}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def pool() -> Iterator[Pool]:
    pool = Pool(2)
    yield pool
    pool.close()


def new(steps: int = 100_000, **kwargs) -> Run:
    return store.create("vae", "digits", arguments=SMALL, settings={"steps": steps, "batch_size": 32} | kwargs)


def until(true: Callable[[], object], what: str, seconds: float = 60) -> None:
    """Wait for something that must come."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)


def is_(run: Run, *states: str) -> Callable[[], bool]:
    return lambda: run.state().status in states


def at(run: Run) -> int:
    return run.state().step


def test_thirty_runs_all_move(pool):
    thirty = [new() for _ in range(30)]
    for run in thirty:
        queue.submit(run)
    until(lambda: all(len(run.metrics()) >= 3 for run in thirty), "thirty runs to move")
    assert len({run.state().pid for run in thirty}) == 2
    for run in thirty:
        queue.stop(run)
    for run in thirty:
        until(is_(run, "stopped"), "the stop")
    steps = sorted(at(run) for run in thirty)
    assert steps[0] > 0
    assert queue.waiting() == []


def test_what_people_say_while_it_runs(pool):
    run = new()
    queue.submit(run)
    until(lambda: at(run) > 5, "the first steps")
    queue.pause(run)
    until(is_(run, "paused"), "the pause")
    here = at(run)
    queue.step(run)
    until(lambda: at(run) == here + 1, "one step")
    queue.step(run, 3)
    until(lambda: at(run) == here + 4, "three steps")
    until(is_(run, "paused"), "the pause after the steps")
    queue.set_lr(run, 1e-5)
    with pytest.raises(BadInput, match="lr = 7"):
        queue.set_lr(run, 7)
    queue.slow(run, 0.2)
    queue.resume(run)
    until(is_(run, "running"), "the resume")
    start, first = time.monotonic(), run.metrics()[-1]["step"]
    until(lambda: run.metrics()[-1]["step"] > first, "a slow step", 30)
    queue.slow(run, 0.0)
    until(lambda: at(run) > here + 50, "full speed")
    assert time.monotonic() - start > 0.15
    queue.stop(run)
    until(is_(run, "stopped"), "the stop")
    here = at(run)
    queue.resume(run)
    until(lambda: at(run) > here, "the run to go on after a stop")
    queue.stop(run)
    until(is_(run, "stopped"), "the second stop")
    assert Recording(run).training.lr == 1e-5


def test_a_run_ends_finished_and_leaves_the_queue(pool):
    run = new(steps=30)
    queue.submit(run)
    until(is_(run, "finished"), "the end")
    until(lambda: queue.waiting() == [], "the queue to empty")
    assert run.metrics()[-1]["step"] == 30


def test_a_waiting_run_is_told_its_place_and_can_be_stopped():
    first, second = new(), new()
    queue.submit(first)
    time.sleep(0.02)
    queue.submit(second)
    assert (queue.place(first), queue.place(second)) == (0, 1)
    queue.stop(first)
    assert first.state().status == "stopped"
    assert (queue.place(first), queue.place(second)) == (None, 0)


def test_workers_killed_at_random_moments_cost_nothing():
    """kill -9, many times: the run is readable at every moment, and ends bit for bit as if nothing had happened."""
    steps = 4000  # more than a fast machine takes before the third kill, 1.2 s after the beginning at the latest
    whole = new(steps=steps)
    recording = Recording(whole)
    for _ in recording.steps():
        pass
    recording.close()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    run, dice, kills = new(steps=steps), random.Random(0), 0
    worker = """
import sys
from genmodels.runs import recorder as recording
from genmodels.jobs import worker
worker.MOST_DEATHS = 10**6
old = recording.Recording.__init__
def eager(self, run, **kwargs):
    old(self, run, **kwargs | {"save_every": 0.02})
recording.Recording.__init__ = eager
one = worker.Worker()
print("ready", flush=True)
one.work()
"""
    queue.submit(run)
    while run.state().status != "finished":
        process = subprocess.Popen([sys.executable, "-c", worker], stdout=subprocess.PIPE, env=environment)
        assert process.stdout is not None
        process.stdout.readline()
        if kills < 8:
            time.sleep(dice.random() * 0.4)
            process.send_signal(signal.SIGKILL)
            kills += 1
        else:
            until(is_(run, "finished"), "the end after the last kill")
            process.kill()
        process.wait()
        process.stdout.close()
        assert run.state().status in ("queued", "interrupted", "finished")
        steps = [row["step"] for row in run.metrics()]
        assert steps == sorted(set(steps))
        for step in run.snapshots():
            run.model(step)
    assert kills >= 3
    for name, value in whole.model().state_dict().items():
        assert torch.equal(value, run.model().state_dict()[name]), name
    strip = lambda r: [{k: v for k, v in row.items() if k != "seconds"} for row in r.metrics()]  # noqa: E731
    assert strip(whole) == strip(run)


def test_a_worker_that_dies_is_replaced_and_takes_no_other_run_down(pool):
    two = [new(), new()]
    for run in two:
        queue.submit(run)
    until(lambda: all(at(run) > 0 for run in two), "both to run")
    pids = [run.state().pid for run in two]
    assert len(set(pids)) == 2
    os.kill(pids[0], signal.SIGKILL)
    until(lambda: two[0].state().pid != pids[0], "a new worker to take the run")
    until(is_(two[0], "running"), "the run to go on")
    assert two[1].state().pid == pids[1]
    assert two[0].state().deaths == 1


def test_a_run_that_kills_its_workers_is_given_up(pool):
    run = new()
    queue.submit(run)
    for death in range(MOST_DEATHS):
        until(lambda death=death: run.state().deaths == death and run.state().status == "running", "the run")
        os.kill(run.state().pid, signal.SIGKILL)
    until(is_(run, "failed"), "the run to be given up")
    assert "died 3 times" in run.state().message


def test_a_restarted_server_finds_its_runs(pool):
    run, other = new(), new()
    queue.submit(run)
    until(lambda: at(run) > 0, "the first step")
    pool.close()
    assert run.state().status == "interrupted"
    here = at(run)
    queue.submit(other)
    second = Pool(1)
    try:
        until(lambda: at(other) > 0, "what was queued to be taken")
        assert run.state().status == "interrupted"
        queue.resume(run)
        until(lambda: at(run) > here, "the run to go on")
    finally:
        second.close()


def test_workers_end_when_the_server_is_killed():
    run = new()
    code = "import time\nfrom genmodels.jobs import queue\nqueue.Pool(1)\nprint('up', flush=True)\ntime.sleep(600)"
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert server.stdout is not None
    server.stdout.readline()
    queue.submit(run)
    until(lambda: at(run) > 0, "the first step")
    pid = run.state().pid
    server.kill()
    server.wait()
    server.stdout.close()
    until(lambda: not Path(f"/proc/{pid}").exists(), "the worker to end")
    assert run.state().status == "interrupted"


def test_the_hosts_limits_are_said(monkeypatch):
    run = new(steps=5000)
    monkeypatch.setenv("GENMODELS_MAX_STEPS", "4000")
    with pytest.raises(BadInput, match="5000 steps are more than the 4000"):
        queue.submit(run)
    monkeypatch.setenv("GENMODELS_MAX_STEPS", "6000")
    monkeypatch.setenv("GENMODELS_MIN_FREE_MB", "1e12")
    with pytest.raises(BadInput, match="nearly full"):
        queue.submit(run)


def test_a_run_is_stopped_at_the_hosts_seconds_and_paused_when_nobody_looks(monkeypatch):
    monkeypatch.setenv("GENMODELS_MAX_SECONDS", "0.2")
    run, watched = new(), new()
    worker = Worker()
    queue.submit(run)
    while run.state().status in ("queued", "running"):
        worker.turn()
    assert run.state().status == "stopped"
    assert "0 seconds" in run.state().message
    monkeypatch.delenv("GENMODELS_MAX_SECONDS")
    monkeypatch.setenv("GENMODELS_IDLE_SECONDS", "60")
    watched.seen()
    os.utime(watched.path / ".seen", (1, 1))
    queue.submit(watched)
    while watched.state().status in ("queued", "running"):
        worker.turn()
    assert "nobody has looked" in watched.state().message
    watched.seen()
    while watched.state().status == "paused":
        worker.turn()
    assert watched.state().status == "running"
    worker.closing = True
    worker.work()
    assert watched.state().status == "interrupted"


def test_a_worker_hands_back_what_is_more_than_its_share(monkeypatch):
    """It took all while the other was not looking; each run goes on from the step at which it was let go."""
    monkeypatch.setattr("genmodels.jobs.worker.SHARING", 0.0)
    greedy, other = Worker(of=1), Worker(of=2)
    four = [new() for _ in range(4)]
    for run in four:
        queue.submit(run)
    while len(greedy.jobs) < 4 or not all(at(run) for run in four):
        greedy.turn()
    greedy.of = 2
    while len(greedy.jobs) > 2:
        greedy.turn()
    handed = [run for run in four if run.state().status == "queued"]
    assert len(handed) == 2
    steps = [at(run) for run in handed]
    assert min(steps) > 0
    while not all(at(run) > step for run, step in zip(handed, steps, strict=True)):
        other.turn()
    for _ in range(10):
        greedy.turn()
        other.turn()
    assert len(greedy.jobs) == len(other.jobs) == 2
    for worker in (greedy, other):
        worker.closing = True
        worker.work()


def test_what_nobody_takes_is_not_handed_back_again(monkeypatch):
    monkeypatch.setattr("genmodels.jobs.worker.SHARING", 0.0)
    handed: list[str] = []
    let_go = Job.hand_back
    monkeypatch.setattr(Job, "hand_back", lambda job: (handed.append(job.name), let_go(job)))
    alone = Worker(of=2)
    four = [new() for _ in range(4)]
    for run in four:
        queue.submit(run)
    while len(alone.jobs) < 4 or len(handed) < 4:  # each in its turn, in the hope that another worker takes it
        alone.turn()
    steps, end = [at(run) for run in four], time.monotonic() + 1.0
    while time.monotonic() < end:
        alone.turn()
    assert len(alone.jobs) == 4
    assert len(handed) == len(set(handed)) == 4, "what came back stays"
    alone.closing = True
    alone.work()
    assert all(at(run) > step for run, step in zip(four, steps, strict=True))


def test_a_run_that_cannot_be_saved_is_not_handed_on(monkeypatch):
    """The disk is full at the moment of handing it back: it says so, waits for nobody, and keeps what it had."""
    monkeypatch.setattr("genmodels.jobs.worker.SHARING", 0.0)
    worker, two = Worker(of=1), [new(), new()]
    for run in two:
        queue.submit(run)
    while len(worker.jobs) < 2 or not all(at(run) for run in two):
        worker.turn()

    def full(self, **state):
        raise OSError(errno.ENOSPC, "No space left on device")

    worker.of = 2
    with monkeypatch.context() as disk:
        disk.setattr(Recording, "save", full)
        while len(worker.jobs) > 1:
            worker.turn()
    (failed,) = [run for run in two if run.id not in {job.name for job in worker.jobs}]
    assert failed.state().status == "failed"
    assert failed.state().message.startswith("The disk is full: make room, then resume. The snapshots up to step ")
    assert not failed.is_held()
    assert failed.id not in os.listdir(queue.queue())
    worker.closing = True
    worker.work()
    queue.resume(failed)
    again = Worker()
    until(lambda: again.turn() or at(failed) > max(failed.snapshots()[:-1], default=0), "the run to go on")
    again.closing = True
    again.work()


def test_heavy_runs_are_limited_in_number(monkeypatch):
    monkeypatch.setenv("GENMODELS_MAX_HEAVY", "1")
    heavy = [new(), new()]
    for run in heavy:
        replace(run.plan, heavy=True).write(run.path)
        queue.submit(run)
    light = new()
    queue.submit(light)
    worker = Worker()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        worker.turn()
    assert {job.name for job in worker.jobs} == {heavy[0].id, light.id}
    assert heavy[1].state().status == "queued"
    worker.closing = True
    worker.work()


def test_a_second_server_leaves_the_first_ones_trainings_in_the_queue(pool: Pool) -> None:
    run, queued = new(), new()
    queue.submit(run)
    until(is_(run, "running"), "the start")
    queue.submit(queued)
    queue.pause(run)
    until(is_(run, "paused"), "the pause")
    other = Pool(1)
    try:
        assert run.id in queue.waiting()
    finally:
        other.close()


@pytest.mark.parametrize(
    ("nodes", "said", "expected"),
    [
        ("0 1", None, ["0", "1"]),
        ("3", None, ["0"]),  # of a host's four the last, which CUDA counts from 0
        ("0 1 2 3", "2", ["2"]),
        ("0 1", "1, GPU-8932f937", ["1", "GPU-8932f937"]),
        ("0 1", "", [None, None]),
        ("0 1", "-1", [None, None]),
        ("", "0", [None, None]),
        ("", None, [None, None]),
    ],
)
def test_a_worker_is_started_for_each_gpu_that_cuda_may_see(
    nodes: str, said: str | None, expected: list[str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "cores", lambda: 2)
    monkeypatch.setattr(Path, "glob", lambda self, pattern: (self / f"nvidia{n}" for n in nodes.split()))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if said is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    assert queue.devices() == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [("WORKERS", "inf"), ("WORKERS", "1.5"), ("THREADS", "inf"), ("THREADS", "0"), ("THREADS", "0.5")],
)
def test_workers_and_threads_are_whole_numbers(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"GENMODELS_{name}", value)
    with pytest.raises(BadInput, match=f"GENMODELS_{name} = '{value}' is not a whole number from [01] up"):
        Pool(1)


def test_no_limit_of_runs_is_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_RUNS", "inf")
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **how: started.append(command))
    monkeypatch.setattr(Pool, "__init__", lambda self: self.__dict__.update(size=2, root=store.root()))
    Pool()._start(0, "name")
    assert int(started[0][started[0].index("--most") + 1]) >= 10_000

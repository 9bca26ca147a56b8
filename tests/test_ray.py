"""A Ray cluster as a place for runs: the same bits, whatever is lost on the way."""

import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genmodels.cli.parser import main
from genmodels.errors import BadInput
from genmodels.experiments import running
from genmodels.experiments.places import Queue, Ray, taken
from genmodels.instruments.samples import samples
from genmodels.jobs import queue, tasks
from genmodels.jobs.queue import Pool
from genmodels.runs import store
from genmodels.runs.record import Status
from tests.toy import TOY, declared, done, finish, table

pytest.importorskip("ray", reason="Ray is not installed: pip install 'genmodels[ray]'")

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own: nothing of ours warns here that does not elsewhere

STORE = 80 << 20  # bytes of shared memory, the least that Ray takes
SOON = {  # a node that is killed is missed after a second or two
    "health_check_initial_delay_ms": 0,
    "health_check_period_ms": 500,
    "health_check_timeout_ms": 1000,
    "health_check_failure_threshold": 3,
}
SMALL = {"hidden": 16, "depth": 1}
STEPS = 300
ENDS = 120.0  # seconds: what belongs to a node that was killed looks for it now and then, and ends by itself
WAITS = 250.0  # seconds: on a busy computer each process of Ray takes its time to start


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test starts has ended with it: Ray's processes, too."""
    mark = f"GENMODELS_OF_TEST={secrets.token_hex(8)}"
    monkeypatch.setenv(*mark.split("="))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # on a busy computer a worker would otherwise wait for its turn
    yield
    if Path("/proc/self/environ").exists():
        end = time.monotonic() + ENDS
        while (left := _marked(mark)) and time.monotonic() < end:
            time.sleep(0.1)
        assert not left


def _marked(mark: str) -> list[str]:
    marked = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark.encode() in (path / "environ").read_bytes():
                marked.append((path / "cmdline").read_text())
    return marked


@contextmanager
def started(**head: Any) -> Iterator[Any]:
    """A cluster of this computer, of a node that is its head; ended in any case."""
    import ray
    from ray.cluster_utils import Cluster

    how = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False, "_system_config": SOON}
    cluster = Cluster(initialize_head=True, head_node_args=how | head)
    try:
        yield cluster
    finally:
        ray.shutdown()  # where a test has failed in between
        cluster.shutdown()


def until(true: Callable[[], object], what: str, seconds: float = WAITS) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(0.02)


def ask_until(steps: Iterator[Any], true: Callable[[], object], what: str, seconds: float = WAITS) -> None:
    """Have an experiment go on until something is so."""
    end = time.monotonic() + seconds
    for _ in steps:
        if true():
            return
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
    raise AssertionError(f"it ended before {what}")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def test_the_table_is_bit_for_bit_that_of_local_workers_though_a_node_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("genmodels.jobs.away.mirror.PATIENCE", 100.0)  # two runs, each on a node of its own
    one = declared(seeds=1, settings={"steps": STEPS, "batch_size": 16})
    every = store.every
    for case in one.cases:
        queue.slow(taken(case.plan, {}), 0.05)  # before it begins
    with started() as cluster:
        node = cluster.add_node(num_cpus=1, object_store_memory=STORE)
        steps = running.advance(one, Ray(cluster.address))
        ask_until(steps, lambda: all(run.state().step > 5 for run in every()), "some steps of each")
        for run in every():
            run.want(want="pause")
        ask_until(steps, lambda: all(run.state().status is Status.PAUSED for run in every()), "the pause")
        saved = {run.id: run.state().step for run in every()}
        assert all(0 < step < STEPS for step in saved.values())
        cluster.remove_node(node, allow_graceful=False)
        ask_until(steps, lambda: any("was lost" in run.state().message for run in every()), "the news of the loss")
        (lost,) = (run for run in every() if "was lost" in run.state().message)
        assert f"from step {saved[lost.id]}." in lost.state().message
        for run in every():
            run.want(want="run", delay=0.0)
        list(steps)
    assert len(every()) == 2
    assert all(len(run.snapshots()) > 3 for run in every())
    there = table(one)
    assert {status for status, *_ in there.values()} == {"finished"}
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "here"))
    monkeypatch.setenv("GENMODELS_WORKERS", "1")
    done(one, Queue())
    assert table(one) == there


def test_the_command_line_starts_a_cluster_of_this_computer_for_as_long_as_it_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    path = tmp_path / "toy.toml"
    path.write_text(TOY)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("genmodels.jobs.away.ray_cluster.STORE", STORE)
    monkeypatch.setattr("genmodels.jobs.away.ray_cluster.cores", lambda: 1)
    assert main(["experiment", "run", str(path), "--on", "ray", "--seeds", "1", "--format", "csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert {run.state().status for run in store.every()} == {Status.FINISHED}


def test_an_app_whose_runs_are_trained_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves, pause, a computation, a fork; the cluster goes away, and comes back."""
    port = free_port()
    monkeypatch.setenv("GENMODELS_ON", "ray")
    pool = None
    run = store.create("vae", "digits", arguments=SMALL, settings={"steps": 100_000, "batch_size": 32})
    try:
        with started(gcs_server_port=port) as cluster:
            monkeypatch.setenv("RAY_ADDRESS", cluster.address)
            pool = Pool(2)
            assert pool.size == 1  # which computes nothing
            queue.submit(run)
            until(lambda: len(run.metrics()) >= 3, "a curve")
            assert run.state().status is Status.RUNNING
            queue.pause(run)
            until(lambda: run.state().status is Status.PAUSED, "the pause")
            step = run.state().step
            queue.step(run, 3)
            until(lambda: run.state().step == step + 3 and run.state().status is Status.PAUSED, "three steps")
            moment = run.snapshots()[-1]
            task = tasks.ask(samples, run=run.id, step=moment, n=4, seed=1)
            assert task.wait(30), task.state()
            told = tasks.steps_of(tasks.named(samples), {"run": run.id, "step": moment, "n": 4, "seed": 1})
            assert all(np.array_equal(task.answer()[name], value) for name, value in finish(told).items())
            fork = store.fork(run, moment, settings={"lr": 1e-4, "steps": moment + 20})
            queue.submit(fork)
            until(lambda: fork.state().status is Status.FINISHED, "the fork")
            assert fork.state().step == moment + 20
            queue.submit(run)
            until(lambda: run.state().step > step + 3, "the next steps")
            cluster.shutdown()
        until(lambda: "does not answer" in run.state().message, "the news")
        assert run.state().status is Status.QUEUED
        assert "goes on when it is back" in run.state().message
        before = len(run.metrics())
        with started(gcs_server_port=port):
            until(lambda: run.state().status is Status.RUNNING and len(run.metrics()) > before, "its return")
            assert run.state().message == ""
            queue.stop(run)
            until(lambda: run.state().status is Status.STOPPED, "the stop")
            until(lambda: not queue.waiting(), "the empty queue")
            pool.close()
    finally:
        if pool:
            pool.close()


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:PORT", "does not answer"),
        ("ray://127.0.0.1:PORT", "is no address"),
        ("no-such-host.invalid:6379", "does not answer"),
        ("127.0.0.1", "is no address"),
        ("http://127.0.0.1:8265", "is no address"),
        ("127.0.0.1:99999", "does not answer"),
    ],
)
def test_an_address_that_does_not_answer_is_told_in_a_sentence_and_nothing_is_written(
    address: str, says: str, tmp_path: Path, runs: Path, capsys
) -> None:
    path = tmp_path / "toy.toml"
    path.write_text(TOY)
    start, address = time.monotonic(), address.replace("PORT", str(free_port()))
    assert main(["experiment", "run", str(path), "--on", "ray", "--address", address]) == 2
    assert time.monotonic() - start < 8
    told = capsys.readouterr().err.strip()
    assert says in told
    assert "\n" not in told
    assert not runs.exists()


def test_something_else_at_the_address_is_told_soon(runs: Path) -> None:
    def listen() -> None:
        there, _ = server.accept()
        with there:
            while there.recv(99):  # and says nothing
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=listen, daemon=True).start()
        start = time.monotonic()
        with pytest.raises(BadInput, match="does not answer"):
            done(declared(seeds=1), Ray(f"127.0.0.1:{server.getsockname()[1]}"))
        assert time.monotonic() - start < 8
    assert not runs.exists()

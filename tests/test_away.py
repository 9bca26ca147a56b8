"""Runs in the hands of other computers, which are pretended: what is lost on the way, and what comes of it."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genmodels.errors import BadInput, Damaged
from genmodels.host import health
from genmodels.instruments.samples import samples
from genmodels.jobs import queue, tasks
from genmodels.jobs.away import packing
from genmodels.jobs.away.hand import Hand
from genmodels.jobs.away.mirror import Mirror
from genmodels.jobs.away.outpost import Outpost
from genmodels.jobs.away.ray_cluster import Lost
from genmodels.runs import store
from genmodels.runs.record import Status
from genmodels.runs.recorder import Recording
from genmodels.runs.run import Run
from tests.toy import finish

SMALL = {"hidden": 16, "depth": 1}


class Pretended:
    """Another computer, in this process: it has a folder of runs of its own."""

    def __init__(self) -> None:
        with self._there("."):
            self.hand = Hand({})
            self.root = str(self.hand.root)
        self.content = b""
        self.is_lost = False

    @contextmanager
    def _there(self, root: str) -> Iterator[None]:
        here = os.environ["GENMODELS_RUNS"]
        os.environ["GENMODELS_RUNS"] = root
        try:
            yield
        finally:
            os.environ["GENMODELS_RUNS"] = here

    def call(self, content: bytes) -> None:
        self.content = content

    def answer(self) -> bytes | None:
        if self.is_lost:
            raise Lost("Its node is gone.")
        with self._there(self.root):
            return self.hand.advance(self.content)

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)


class Computers:
    """A cluster of them."""

    name = "The cluster"

    def __init__(self, n: int = 1) -> None:
        self.n, self.all, self.answers = n, list[Pretended](), True

    def places(self) -> int:
        return self.n

    def start(self) -> Pretended:
        self.all.append(Pretended())
        return self.all[-1]

    def is_there(self) -> bool:
        return self.answers

    def close(self) -> None:
        pass


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Computers]:
    monkeypatch.setattr("genmodels.jobs.away.hand.SECONDS", 0.02)
    monkeypatch.setattr("genmodels.jobs.away.mirror.LOOKS", 0.0)
    cluster = Computers()
    yield cluster
    for one in cluster.all:
        one.close()


def new(steps: int = 60, **settings: Any) -> Run:
    made = store.create("vae", "digits", arguments=SMALL, settings={"steps": steps, "batch_size": 32} | settings)
    made.want(want="run")
    made.say(status=Status.QUEUED, message="")
    return made


def follow(mirror: Any, true: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "in vain"
        mirror.turn()


def trained_here(plan: Any) -> Run:
    run = store.create(plan.model, plan.data, arguments=plan.arguments, settings=plan.settings)
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    return run


def weights(run: Run) -> dict[str, bytes]:
    """All weights and pictures, of now and of the past, to the last bit."""
    kinds = ("model.safetensors", "samples.npy")
    return {str(p.relative_to(run.path)): p.read_bytes() for kind in kinds for p in run.path.rglob(kind)}


def curve(run: Run) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in run.metrics()]


def test_a_run_is_the_same_wherever_it_was_and_whatever_was_lost(cluster: Computers) -> None:
    cluster.n, run = 2, new()
    mirror = Mirror(cluster)
    mirror.take(run)
    assert run.is_held()
    run.want(delay=0.01)
    follow(mirror, lambda: run.state().step > 3)
    run.want(want="pause", delay=0)
    follow(mirror, lambda: run.state().status is Status.PAUSED)
    saved = run.state().step
    assert 3 < saved < 60
    next(hand for hand in cluster.all if hand.hand._runs).is_lost = True
    follow(mirror, lambda: "was lost" in run.state().message)
    assert f"from step {saved}." in run.state().message
    run.want(want="run")
    follow(mirror, lambda: not mirror.jobs)
    assert not run.is_held()
    assert run.state().status is Status.FINISHED
    assert run.state().message == ""
    other = trained_here(run.plan)
    assert weights(run) == weights(other)
    assert curve(run) == curve(other)
    assert not any(Path(hand.root, run.id).exists() for hand in cluster.all)  # nothing stays there


def test_what_people_want_is_sent_along(cluster: Computers) -> None:
    run, mirror = new(100_000), Mirror(cluster)
    mirror.take(run)
    follow(mirror, lambda: run.state().step > 3)
    run.want(want="pause")
    follow(mirror, lambda: run.state().status is Status.PAUSED)
    step = run.state().step
    queue.step(run, 3)
    follow(mirror, lambda: run.state().step == step + 3 and run.state().status is Status.PAUSED)
    run.want(want="stop")
    follow(mirror, lambda: not mirror.jobs)
    assert run.state().status is Status.STOPPED
    stopped = new()
    stopped.want(want="stop")
    mirror.take(stopped)
    follow(mirror, lambda: not mirror.jobs)
    assert stopped.state().status is Status.STOPPED
    assert stopped.state().step == 0


def test_a_run_whose_worker_is_lost_again_and_again_fails(cluster: Computers) -> None:
    cluster.n, run, mirror = 1, new(), Mirror(cluster)
    mirror.take(run)
    run.want(want="pause")
    for _ in range(3):
        follow(mirror, lambda: run.state().status is Status.PAUSED)
        cluster.all[-1].is_lost = True
        follow(mirror, lambda: run.state().status is not Status.PAUSED)
    assert run.state().status is Status.FAILED
    assert "lost 3 times" in run.state().message


def test_a_computation_is_answered_there_as_here_and_a_cancelled_one_ends(cluster: Computers) -> None:
    run, mirror = trained_here(store.planned("vae", "digits", arguments=SMALL, settings={"steps": 5})), Mirror(cluster)
    for step in (0, 5):
        task = tasks.ask(samples, run=run.id, step=step, n=4, seed=1)
        mirror.take(task)
        follow(mirror, lambda: not mirror.jobs)
        here = finish(tasks.steps_of(tasks.named(samples), {"run": run.id, "step": step, "n": 4, "seed": 1}))
        assert all(np.array_equal(task.answer()[name], value) for name, value in here.items())
    assert not any(path.is_dir() for path in Path(cluster.all[0].root).glob("[!.]*"))
    lost = tasks.ask(samples, run=run.id, step=99, n=4, seed=1)
    mirror.take(lost)
    follow(mirror, lambda: not mirror.jobs)
    assert "no snapshot of step 99" in lost.state().message
    unwanted = tasks.ask(samples, run=run.id, step=5, n=5, seed=1)
    mirror.take(unwanted)
    unwanted.cancel()
    follow(mirror, lambda: not mirror.jobs)
    assert unwanted.state().status is Status.CANCELLED


def test_a_measurement_made_there_is_known_here(cluster: Computers) -> None:
    from genmodels.experiments import measures

    mirror = Mirror(cluster)
    task = tasks.ask(measures.measure, run="flow-two-moons", n=60, k=0, seed=0)
    mirror.take(task)
    follow(mirror, lambda: not mirror.jobs)
    assert task.is_done, task.state().message
    assert measures.kept(store.find("flow-two-moons"), measures.How(60, 0, 0)) is not None


def test_the_end_saves_all(cluster: Computers) -> None:
    run, mirror = new(100_000), Mirror(cluster)
    mirror.take(run)
    follow(mirror, lambda: run.state().step > 3)
    mirror.close(Status.INTERRUPTED, "The app was stopped.")
    assert run.state().status is Status.INTERRUPTED
    assert run.state().message == "The app was stopped."
    assert Recording(run).training.step_ == run.state().step > 3
    assert not mirror.hands


def test_an_app_waits_for_its_cluster_says_so_and_goes_on(cluster: Computers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genmodels.jobs.away.outpost.AGAIN", 0.0)
    monkeypatch.setattr("genmodels.jobs.away.outpost.TELLS", 0.0)
    monkeypatch.setattr("genmodels.jobs.away.mirror.ASKS", 0.0)

    def connect() -> Computers:
        if not cluster.answers:
            raise BadInput("The cluster does not answer.")
        return cluster

    outpost = Outpost(connect=connect)

    def turn() -> None:
        try:
            outpost.turn()
        except BadInput as error:
            outpost._lose(str(error))

    outpost_turn = type("Turns", (), {"turn": staticmethod(turn)})()
    cluster.answers, run = False, new(100_000)
    queue.submit(run)
    follow(outpost_turn, lambda: "does not answer" in run.state().message)
    assert run.state().status is Status.QUEUED
    assert "goes on when it is back" in run.state().message
    cluster.answers = True
    follow(outpost_turn, lambda: run.state().step > 3)
    assert run.state().message == ""
    queue.pause(run)
    follow(outpost_turn, lambda: run.state().status is Status.PAUSED)
    step, cluster.answers = run.state().step, False
    follow(outpost_turn, lambda: run.state().status is Status.QUEUED)
    assert "does not answer any more" in run.state().message
    assert not run.is_held()
    cluster.answers = True
    follow(outpost_turn, lambda: run.state().status is Status.PAUSED)
    assert run.state().step == step
    queue.stop(run)
    follow(outpost_turn, lambda: run.state().status is Status.STOPPED)
    assert queue.waiting() == []
    outpost.closing = True
    outpost.work()


def test_a_place_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_ON", "moon")
    with pytest.raises(BadInput, match="GENMODELS_ON = 'moon'"):
        queue.Pool()
    well, says = health.health(None)
    assert not well
    assert "it is here, or ray" in says["status"]


# What comes back ------------------------------------------------------------------------------------------------------


def test_a_worker_that_speaks_nonsense_is_given_up(cluster: Computers, monkeypatch: pytest.MonkeyPatch) -> None:
    run, mirror = new(), Mirror(cluster)
    mirror.take(run)
    run.want(delay=0.05)
    plan = (run.path / "run.json").read_bytes()
    evil = packing.packed({f"runs/{run.id}/run.json": b"{}"}, {"version": "0.1.0"})
    follow(mirror, lambda: run.state().step > 3)
    monkeypatch.setattr(cluster.all[0], "answer", lambda: evil)
    follow(mirror, lambda: len(cluster.all) == 2)
    run.want(delay=0)
    follow(mirror, lambda: not mirror.jobs)
    assert (run.path / "run.json").read_bytes() == plan
    assert run.state().status is Status.FINISHED


def test_nodes_of_another_version_are_named(cluster: Computers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genmodels.jobs.away.hand.__version__", "0.0.1")
    run, mirror = new(), Mirror(cluster)
    mirror.take(run)
    follow(mirror, lambda: mirror.trouble)
    assert "have genmodels 0.0.1" in mirror.trouble
    assert run.state().status is Status.QUEUED


@pytest.mark.parametrize(
    "name",
    ["run.json", "../x", "/etc/x", "snapshots/../state.json", "snapshots/1/x", ".lock", "control.json", "state.json\n"],
)
def test_what_no_worker_writes_is_not_kept(name: str, tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="no worker writes"):
        packing.keep(tmp_path / "run", {"metrics.jsonl": b"", name: b"x"}, packing.RUN)
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "state", [b"", b"[]", b'{"state": "great"}', b'{"state": "running", "step": -1}', b"[" * 10_000]
)
def test_a_state_that_is_none_is_not_kept(state: bytes, tmp_path: Path) -> None:
    with pytest.raises(Damaged):
        packing.keep(tmp_path / "run", {"state.json": state}, packing.RUN)
    assert not (tmp_path / "run").exists()


def test_a_pack_is_taken_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"runs/a/state.json": b"1", "runs/a/snapshots/0/samples.npy": bytes(1000)}
    pack = packing.packed(files, {"ended": ["runs/a"]})
    assert packing.unpacked(pack) == (files, {"ended": ["runs/a"]})
    for broken in (b"", b"PK", pack[:-30], pack[: len(pack) // 2], packing.packed({}, [])):
        with pytest.raises(Damaged):
            packing.unpacked(broken)
    monkeypatch.setattr(packing, "MOST_BYTES", 900)
    with pytest.raises(Damaged, match="more than"):
        packing.unpacked(pack)


def test_a_compressed_pack_is_refused() -> None:
    """It may be a thousand times as large as it came."""
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as pack:
        pack.writestr("letter.json", "{}")
    with pytest.raises(Damaged):
        packing.unpacked(buffer.getvalue())

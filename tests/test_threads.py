"""Threads: as many as the model deserves and others leave free; and they sleep while they wait."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from genmodels.files import root
from genmodels.host import health, threads
from genmodels.jobs import queue

ROOT = Path(__file__).resolve().parent.parent
SHOW = """
import os, runpy, sys
import genmodels.cli.parser as cli

cli.main = lambda: print(os.environ.get("OMP_WAIT_POLICY"), "torch" in sys.modules)
sys.argv = ["genmodels", "models"]
runpy.run_module("genmodels", run_name="__main__")
"""


class Cores:
    """What the kernel tells: clocks of two cores, which others and this process move."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.seconds, self.own, self.others, self.taken = path, 0.0, 0.0, 0.0, list[int]()
        self.write()
        monkeypatch.setattr(threads, "CORES", path)
        monkeypatch.setattr(threads, "_share", None)
        monkeypatch.setattr(health, "CGROUP", path.parent)  # no quota
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
        monkeypatch.setattr(time, "perf_counter", lambda: self.seconds)
        monkeypatch.setattr(time, "process_time", lambda: self.own)
        monkeypatch.setattr(time, "sleep", self.passes)
        monkeypatch.setattr(torch, "set_num_threads", self.taken.append)
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def write(self) -> None:
        worked = round((self.own + self.others) * os.sysconf("SC_CLK_TCK"))
        idle = round(10_000 - worked / 2)
        rows = [
            "cpu 1 2 3",
            f"cpu0 {worked} 0 0 {idle} 7 0 0 0 5 5",
            f"cpu1 0 0 0 {idle} 7 0 0 0 0 0",
            "cpu2 99 9 9 9 9",
            "intr 1",
        ]
        self.path.write_text("\n".join(rows))

    def passes(self, seconds: float, others: float = 0.0, own: float = 0.0) -> None:
        """So many seconds, in which others and this process took so many cores."""
        self.seconds, self.others, self.own = (
            self.seconds + seconds,
            self.others + others * seconds,
            self.own + own * seconds,
        )
        self.write()


def test_threads_follow_the_cores_that_are_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cores = Cores(tmp_path / "stat", monkeypatch)
    threads.settle_threads(many=True)
    assert cores.taken == [2]
    history = [(2.0, 0.0), (1.0, 0.9), (1.0, 1.0), (1.0, 0.0), (2.0, 0.0), (1.6, 0.2), (0.7, 1.3)]
    for (own, others), expected in zip(history, [2, 1, 1, 1, 2, 2, 1], strict=True):
        cores.passes(1.5, others, own)
        threads.look_again()
        assert cores.taken[-1] == expected, (own, others)


def test_a_look_within_a_second_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cores = Cores(tmp_path / "stat", monkeypatch)
    threads.settle_threads(many=True)
    for _ in range(4):
        cores.passes(0.2, others=2.0)
        threads.look_again()
    assert cores.taken == [2]
    pieces = threads.looking_again([1, 2])
    cores.passes(0.3, others=2.0)
    assert list(pieces) == [1, 2]
    assert cores.taken == [2, 1]


@pytest.mark.parametrize(("many", "given", "expected"), [(False, None, [1]), (False, "3", []), (True, "3", [])])
def test_small_models_take_one_and_the_user_is_obeyed(
    many: bool, given: str | None, expected: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = Cores(tmp_path / "stat", monkeypatch)
    threads.settle_threads(many=True)  # what an earlier computation said no longer counts
    cores.taken.clear()
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    threads.settle_threads(many=many)
    cores.passes(5.0)
    threads.look_again()
    assert cores.taken == expected


@pytest.mark.skipif(not threads.CORES.exists(), reason="the kernel tells the cores' clocks on Linux")
def test_the_kernels_own_clocks_are_read() -> None:
    share = threads.Share()
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    passed, worked, own = (b - a for a, b in zip(share.at, share.clocks(), strict=True))
    assert own >= 0.3
    assert 0.25 <= worked <= 1.1 * passed * len(share.cores) + 0.1  # ticks of a hundredth of a second, on each core


@pytest.mark.parametrize(
    ("number", "set_by_user", "expected"), [("2", None, "PASSIVE"), ("2", "ACTIVE", "ACTIVE"), (None, None, "None")]
)
def test_a_fixed_number_of_threads_sleeps_and_torch_is_told_in_time(
    number: str | None, set_by_user: str | None, expected: str
) -> None:
    told = (*threads.ENVIRONMENT, "OMP_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in told}
    environment |= {} if number is None else {"OMP_NUM_THREADS": number}
    environment |= {} if set_by_user is None else {"OMP_WAIT_POLICY": set_by_user}
    done = subprocess.run([sys.executable, "-c", SHOW], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [expected, "False"], done.stderr


def test_workers_are_started_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[dict[str, str]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **how: found.append(how["env"]))
    for name in threads.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    pool = queue.Pool.__new__(queue.Pool)
    pool.size, pool.root = 1, root()
    pool._start(0, "first")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    pool._start(0, "first")
    assert [one["OMP_WAIT_POLICY"] for one in found] == ["PASSIVE", "ACTIVE"]

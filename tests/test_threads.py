"""Threads: as many as the model deserves, whatever else runs now; and they sleep while they wait."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from genmodels.host import threads
from genmodels.jobs import queue

ROOT = Path(__file__).resolve().parent.parent
SHOW = """
import os, runpy, sys
import genmodels.cli.parser as cli

cli.main = lambda: print(os.environ["OMP_WAIT_POLICY"], "torch" in sys.modules)
sys.argv = ["genmodels", "models"]
runpy.run_module("genmodels", run_name="__main__")
"""


@pytest.mark.parametrize(("many", "given", "expected"), [(True, None, []), (False, None, [1]), (False, "3", [])])
@pytest.mark.parametrize("load", [0.0, 50.0])
def test_they_hang_on_the_model_alone(
    many: bool, given: str | None, expected: list[int], load: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", taken.append)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, load, load))
    monkeypatch.delenv("OMP_NUM_THREADS")
    if given is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", given)
    threads.settle_threads(many=many)
    assert taken == expected


@pytest.mark.parametrize(("set_by_user", "expected"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_the_command_line_sets_it_before_torch_reads_it(set_by_user: str | None, expected: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    environment |= {} if set_by_user is None else {"OMP_WAIT_POLICY": set_by_user}
    done = subprocess.run([sys.executable, "-c", SHOW], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [expected, "False"], done.stderr


def test_workers_are_started_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[dict[str, str]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **how: found.append(how["env"]))
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    pool = queue.Pool.__new__(queue.Pool)
    pool.size = 1
    pool._start(0, "first")
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    pool._start(0, "first")
    assert [one["OMP_WAIT_POLICY"] for one in found] == ["PASSIVE", "ACTIVE"]

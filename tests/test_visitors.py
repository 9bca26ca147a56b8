"""Thirty sessions and two tabs watch one run: real websocket sessions against a real server."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.interaction import healthy, served
from benchmarks.visitors import Visitor
from genmodels import jobs, runs


def steps(visitor: Visitor) -> list[int]:
    """The steps that a visitor has been shown."""
    found = (re.search(r"step ([\d,]+)", text) for text in visitor.texts)
    return [int(one[1].replace(",", "")) for one in found if one]


def watch(visitor: Visitor) -> bool:
    """Whether the visitor sees the run move on."""
    visitor.open()
    return visitor.listen(150, lambda one: len(set(steps(one))) >= 2)


@pytest.mark.timeout(300)
def test_thirty_sessions_watch_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    with served(tmp_path, GENMODELS_WORKERS="1", OMP_NUM_THREADS="1") as (url, _):
        healthy(url)
        first = Visitor(url, "")
        first.open()
        assert first.listen(60, lambda visitor: visitor.finished > 0), "the first page, which starts the workers"
        arguments = {"hidden": 16, "depth": 1}
        run = runs.create("vae", "two-moons", arguments=arguments, settings={"steps": 10_000_000})
        jobs.submit(run)
        visitors = [Visitor(url, "vae", f"run={run.id}") for _ in range(30)]
        with ThreadPoolExecutor(30) as all_at_once:
            saw = list(all_at_once.map(watch, visitors))
        assert all(saw), f"{saw.count(False)} of 30 saw no progress"
        assert not any(visitor.errors for visitor in visitors)
        for visitor in visitors:
            assert steps(visitor) == sorted(steps(visitor))
            visitor.close()
        again = Visitor(url, "vae", f"run={run.id}")
        again.open()
        assert again.listen(60, lambda visitor: bool(visitor.texts)), "the run is found again"
        assert "running" in again.texts[-1]
        again.close()
        first.close()
        jobs.stop(run)

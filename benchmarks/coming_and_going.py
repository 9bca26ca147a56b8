"""Visitors who come, look, use a widget and leave: whether the server's memory and open files stay as they are."""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.interaction import healthy, megabytes, served
from benchmarks.visitors import Visitor

PAGES = ("vae", "ddpm", "gan", "data", "runs", "")
BLOCKS = 20
EVERY = 2.0  # seconds between two looks
MEMORY, FILES = 30.0, 10.0  # MB and descriptors an hour: what a growth that is certain may be


def growth(times: npt.ArrayLike, values: npt.ArrayLike, blocks: int = BLOCKS) -> tuple[float, float]:
    """The slope of ``values`` over ``times``, by least squares, and its standard error.

    What is measured every two seconds hangs on what it was before, so single values would make the error too small: the
    line goes through the means of so many blocks (batch means; Law, Simulation Modeling and Analysis, 5th ed., 9.5.3).
    """
    means = lambda one: np.array([part.mean() for part in np.array_split(np.asarray(one, float), blocks)])  # noqa: E731
    t, y = means(times), means(values)
    d = t - t.mean()
    slope = float(d @ y / (d @ d))
    left = y - y.mean() - slope * d
    return slope, float(np.sqrt(left @ left / (blocks - 2) / (d @ d)))


async def visit(url: str, seed: int) -> list[str]:
    """A visit: come, look, use a widget where there is one, leave; returns what went wrong."""
    dice = random.Random(seed)
    async with Visitor(url, dice.choice(PAGES), "run=vae-digits-2d" if dice.random() < 0.3 else "") as one:
        if not await one.until(lambda v: v.finished, 120):
            return [f"no page for visitor {seed}"]
        for _ in range(dice.randint(0, 3)):
            await asyncio.sleep(dice.uniform(0.5, 3))
            if one.has("more-training") and not one.has("seed"):
                await one.set("more-training", bool_value=True)
            elif one.has("seed"):
                await one.set("seed", int_value=dice.randrange(1000))
        return list(one.errors)


async def keep_coming(url: str, end: float, first: int, step: int) -> tuple[int, list[str]]:
    """Visits one after the other until ``end``: how many, and what went wrong."""
    seed, wrong = first, []
    while time.monotonic() < end:
        wrong += await visit(url, seed)
        seed += step
    return (seed - first) // step, wrong


async def watch(server: int, end: float) -> npt.NDArray[np.float64]:
    """Rows of seconds, megabytes, open files."""
    start, rows = time.monotonic(), []
    while (now := time.monotonic()) < end:
        files = len(list(Path(f"/proc/{server}/fd").iterdir()))
        rows.append((now - start, megabytes(server), files))
        await asyncio.sleep(EVERY)
    return np.array(rows)


async def trial(url: str, server: int, seconds: float, at_once: int) -> tuple[npt.NDArray[np.float64], int, list[str]]:
    """Measurements of the server under visitors, how many came, and what went wrong."""
    end = time.monotonic() + seconds
    watching = asyncio.create_task(watch(server, end))
    came = await asyncio.gather(*(keep_coming(url, end, i, at_once) for i in range(at_once)))
    return await watching, sum(n for n, _ in came), [one for _, wrong in came for one in wrong]


def main() -> int:
    """Print the slopes; 1 where one is certainly more than it may be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=240.0, help="3600 for the whole hour")
    parser.add_argument("--at-once", type=int, default=12, help="visitors at any time")
    asked = parser.parse_args()
    if asked.seconds < (least := 2 * BLOCKS * EVERY):
        parser.error(f"--seconds {asked.seconds:g} are too few for a slope: {least:g} at least")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name, served(Path(name)) as (url, process):
        healthy(url)
        warm = asyncio.run(trial(url, process.pid, max(20.0, asked.seconds / 4), asked.at_once))  # imports, caches
        seen, came, wrong = asyncio.run(trial(url, process.pid, asked.seconds, asked.at_once))
    print(f"{warm[1]} visitors before, then {came} in {asked.seconds:.0f} s; {len(warm[2] + wrong)} met an error")
    print("\n".join(sorted(set(warm[2] + wrong))[:10]))
    bad = bool(wrong)
    for column, what, unit, most in ((1, "memory", "MB", MEMORY), (2, "open files", "", FILES)):
        slope, error = (3600 * one for one in growth(seen[:, 0], seen[:, column]))
        too_much = slope - 2 * error > most
        print(f"{what:12s} {seen[0, column]:.0f} to {seen[-1, column]:.0f} {unit}", end=": ")
        print(f"slope {slope:+.1f} ± {error:.1f} {unit} an hour (at most {most:g}){' TOO MUCH' * too_much}")
        bad |= too_much
    return bad


if __name__ == "__main__":
    sys.exit(main())

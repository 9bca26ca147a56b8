"""A class on this machine: all watch a live run, ten press Train at once, one drags the latent."""

import argparse
import asyncio
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from benchmarks.interaction import DRAG, FLAGS, cpu_seconds, healthy, megabytes, opened, ready, served
from benchmarks.visitors import Visitor

CLASS, TRAINERS = 30, 10  # of how many, how many train at once
WATCH = 25.0  # seconds
Found = dict[str, tuple[float, float, str]]


async def attend(url: str, server: int, folder: Path, pupils: int) -> Found:
    """Everything, by name: (what was measured, its bound, the unit)."""
    found: Found = {}
    seated, go = threading.Event(), threading.Event()
    with_drag = asyncio.create_task(asyncio.to_thread(drag, url, seated, go))
    assert await asyncio.to_thread(seated.wait, 90), "the browser does not find the latent"
    async with AsyncExitStack() as stack:
        teacher = await stack.enter_async_context(Visitor(url, "vae", "epochs=1000"))
        assert await teacher.until(lambda v: v.finished and v.has("train"), 120), "no page"
        assert await asyncio.to_thread(ready, server), "the workers do not start"
        await teacher.press("train")
        assert await teacher.until(lambda v: any("running" in text for text in v.texts), 60), "no run"
        others = [await stack.enter_async_context(Visitor(url, "vae", teacher.query)) for _ in range(pupils - 1)]
        everybody = [teacher, *others]
        opening = [one.until(lambda v: v.finished and v.has("beta"), 120) for one in everybody]
        assert all(await asyncio.gather(*opening)), "somebody is not let in"
        go.set()
        await watch(everybody, found, server)
        await train(others[:TRAINERS], found, folder)
        drags = sorted(await with_drag)
        found["drag of the latent to its picture, 95 %"] = drags[int(0.95 * len(drags))], 50.0, "ms"
        answers = sorted(one for visitor in everybody for one in visitor.answers)
        found[f"a widget's round trip, 95 % of {len(answers)}"] = answers[int(0.95 * len(answers))], 1.0, "s"
        lost = [error for visitor in everybody for error in visitor.errors]
        print("\n".join(sorted(set(lost))), end="\n" if lost else "")
        found["sessions lost, or shown an error"] = sum(bool(one.errors) for one in everybody), 0.0, ""
        found[f"memory of the server, {pupils} sessions"] = megabytes(server), 1500.0, "MB"
    return found


async def watch(everybody: list[Visitor], found: Found, server: int) -> None:
    """All look at one run, and each uses a widget now and then."""
    for one in everybody:
        one.fragments.clear()
    start, spent, before = time.perf_counter(), cpu_seconds(server), [len(one.texts) for one in everybody]
    await asyncio.gather(*(fiddle(one, start + WATCH, seed) for seed, one in enumerate(everybody)))
    seconds, spent = time.perf_counter() - start, cpu_seconds(server) - spent
    runs = sorted(one for visitor in everybody for one in visitor.fragments)
    found["a fragment's run, asked for to shown, p50"] = 1000 * statistics.median(runs), 100.0, "ms"
    found["the server's processor time a run of a fragment"] = 1000 * spent / len(runs), 20.0, "ms"
    seen = min(len(set(one.texts[n:])) for one, n in zip(everybody, before, strict=True))
    found["seconds between two looks, the slowest visitor"] = seconds / max(seen, 1), 2.0, "s"


async def fiddle(visitor: Visitor, end: float, seed: int) -> None:
    """A student: every few seconds a number in the form, or another instrument."""
    rng = random.Random(seed)
    while (pause := rng.uniform(4, 8)) < end - time.perf_counter():
        await asyncio.sleep(pause)
        await visitor.set("beta", double_value=rng.randrange(1, 100) / 10)
    await asyncio.sleep(max(0.0, end - time.perf_counter()))


async def train(pupils: list[Visitor], found: Found, folder: Path) -> None:
    """Ten press Train in the same moment; after a while all ten must have come equally far."""
    for one in pupils:
        one.texts.clear()
    start = time.perf_counter()
    await asyncio.gather(*(one.press("train") for one in pupils))
    assert all(await asyncio.gather(*(one.until(moves, 60) for one in pupils))), "a run does not move"
    found["Train pressed by ten at once: the last one's first point"] = time.perf_counter() - start, 5.0, "s"
    told = sum(any(re.search(r"queued, \d+ before it|running", text) for text in one.texts) for one in pupils)
    found["of the ten, not told their place"] = len(pupils) - told, 0.0, ""
    await asyncio.sleep(15)
    taken = []
    for one in pupils:
        name = re.search(r"run=([\w.-]+)", one.query)
        assert name
        lines = (folder / "runs" / name[1] / "metrics.jsonl").read_text().splitlines()
        taken.append(int(re.search(r'"step": (\d+)', lines[-1])[1]))  # type: ignore[index]
    print("steps of the ten:", *sorted(taken))
    found["the queue's fairness: most steps to fewest, of ten alike"] = max(taken) / max(min(taken), 1), 2.5, "x"


def moves(visitor: Visitor) -> bool:
    """Whether a visitor has seen a step of the run."""
    return any(re.search(r"running.*examples/s", text) for text in visitor.texts)


def drag(url: str, seated: threading.Event, go: threading.Event) -> list[float]:
    """A browser, there before the others, drags the latent of the checkpoint that ships, once they are there too."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page: Any = browser.new_page()
        page.set_default_timeout(90_000)
        opened(page, f"{url}/vae?run=vae-digits-2d&instrument=Manifold")
        pad = page.locator("[class*='st-key-latent-map']").first
        pad.locator("canvas").nth(1).wait_for()
        seated.set()
        go.wait(120)
        times = pad.evaluate(DRAG)
        browser.close()
    return times


@contextmanager
def busy() -> Iterator[None]:
    """Another program takes what it can get of a core."""
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        other.kill()
        other.wait()


def main() -> int:
    """Print the table; 1 where a bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=CLASS, help=f"how many, {TRAINERS + 1} at least")
    parser.add_argument("--busy", action="store_true", help="beside another process that keeps a core busy")
    asked = parser.parse_args()
    with busy() if asked.busy else nullcontext(), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with served(folder) as (url, process):
            healthy(url)
            found = asyncio.run(attend(url, process.pid, folder, asked.sessions))
    for what, (value, bound, unit) in found.items():
        print(f"{what:60s} {value:9.2f} {unit:3s} (at most {bound:g}){'' if value <= bound else '   TOO MUCH'}")
    return any(value > bound for value, bound, _ in found.values())


if __name__ == "__main__":
    sys.exit(main())

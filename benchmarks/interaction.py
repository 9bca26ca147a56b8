"""What a visitor feels: the first page, any page, a table, Train to the first point, a drag to its picture, memory."""

import argparse
import asyncio
import math
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.visitors import Visitor

ROOT = Path(__file__).parents[1]
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PAGES = ("", "vae", "data", "runs")
DRAG = """async (host) => {
    // one move a frame; a move is drawn when the big picture's canvas has changed
    const find = (root) => [...root.querySelectorAll('canvas')].concat(
        ...[...root.querySelectorAll('*')].filter((e) => e.shadowRoot).map((e) => find(e.shadowRoot)));
    const [map, picture] = find(host);
    const box = map.getBoundingClientRect(), context = picture.getContext('2d'), times = [];
    const print = () => context.getImageData(0, 0, picture.width, picture.height).data.join();
    const send = (kind, x, y) => map.dispatchEvent(new PointerEvent(kind, {
        clientX: x, clientY: y, pointerId: 1, isPrimary: true, bubbles: true, composed: true, buttons: 1, button: 0}));
    send('pointerdown', box.x + 5, box.y + 5);
    for (let i = 1; i <= 60; i++) {
        const before = print(), start = performance.now();
        send('pointermove', box.x + 5 + i * (box.width - 10) / 60, box.y + 5 + i * (box.height - 10) / 60);
        while (print() === before && performance.now() - start < 500) await new Promise(requestAnimationFrame);
        times.push(performance.now() - start);
    }
    send('pointerup', box.x + 5, box.y + 5);
    return times;
}"""


@contextmanager
def served(folder: Path, *, script: str = "app.py", **environment: str) -> Any:
    """The app, or another ``script``, on a port of its own: (url, process)."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script, f"--server.port={port}", "--server.headless=true"]
    ours = os.environ | {"GENMODELS_RUNS": str(folder / "runs")} | environment
    process = subprocess.Popen([*command, "--server.address=127.0.0.1"], cwd=ROOT, env=ours, stdout=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(60)


def healthy(url: str) -> None:
    """Wait for the server to answer."""
    while True:
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.01)


def opened(page: Any, url: str) -> float:
    """Seconds until the page at ``url`` shows its title and has stopped running."""
    start = time.perf_counter()
    page.goto(url)
    page.locator("h1").first.wait_for(timeout=60_000)
    page.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=60_000)
    return time.perf_counter() - start


def tabled(page: Any, url: str) -> float:
    """Seconds until the page at ``url`` has stopped running and its table is drawn."""
    start = time.perf_counter()
    opened(page, url)
    page.locator("[data-testid=stDataFrame] canvas").first.wait_for(timeout=60_000)
    return time.perf_counter() - start


def megabytes(pid: int, what: str = "Rss") -> float:
    """The memory of a process in megabytes.

    Of pages that several processes map (PyTorch's libraries, which every worker maps too), Rss counts the whole and Pss
    its share.
    """
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(rf"^{what}:\s+(\d+)", text, re.M)[1]) / 1024  # type: ignore[index]


def imported() -> float:
    """The memory of a process that has imported Streamlit and PyTorch, whose build with CUDA takes far more, in MB."""
    code = "import os, streamlit, torch; from benchmarks.interaction import megabytes; print(megabytes(os.getpid()))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def cpu_seconds(pid: int) -> float:
    """The processor time that a process has had, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """The processes that a process has started: a server's workers."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def ready(server: int, seconds: float = 60.0) -> bool:
    """Whether the workers have done what they do before the first click: then they are idle."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        before = {pid: cpu_seconds(pid) for pid in children(server)}
        time.sleep(1)
        if len(before) >= min(2, os.cpu_count() or 1) and all(cpu_seconds(p) - t < 0.15 for p, t in before.items()):
            return True
    return False


def measure(browser: Any, folder: Path) -> dict[str, tuple[float, float, str]]:
    """Everything, by name: (what was measured, its bound, the unit)."""
    found: dict[str, tuple[float, float, str]] = {}
    times = []
    for _ in range(4):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "genmodels", "--help"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    found["python -m genmodels --help"] = statistics.median(times[1:]), 1.0, "s"
    for attempt in range(2):  # the first start reads everything from the disk
        start = time.perf_counter()
        with served(folder) as (url, _):
            healthy(url)
            page = browser.new_page()
            opened(page, url)
            found["streamlit run to the first page, warm"] = time.perf_counter() - start, 3.0, "s"
            page.close()
            time.sleep(5 * attempt)
    with served(folder) as (url, process):
        healthy(url)
        page = browser.new_page()
        opened(page, url)
        start = time.perf_counter()
        ready(process.pid)  # torch is imported, and the workers rehearse, while the first page is read
        found["from the first page to workers that are ready"] = time.perf_counter() - start, math.inf, "s"
        slowest = max(opened(page, f"{url}/{name}") for name in PAGES for _ in range(2))
        found["the slowest page"] = slowest, 2.0, "s"
        for which in ("first", "second"):
            seconds = tabled(page, f"{url}/compare?data=mnist")
            found[f"Compare, all checkpoints of MNIST, {which} time"] = seconds, 2.0, "s"
        opened(page, f"{url}/vae?epochs=1000")
        start = time.perf_counter()
        page.locator(".st-key-train button").first.click()
        page.get_by_text(re.compile(r"epoch \d")).first.wait_for(timeout=60_000)
        found["Train to the first point"] = time.perf_counter() - start, 1.5, "s"
        pad = page.locator("[class*='st-key-latent-map']").first
        pad.locator("canvas").nth(1).wait_for(timeout=60_000)
        time.sleep(2)
        drags = sorted(pad.evaluate(DRAG))
        found["drag to picture while it trains, 95 %"] = drags[int(0.95 * len(drags))], 50.0, "ms"
        others = [browser.new_page() for _ in range(9)]
        for other in others:
            opened(other, f"{url}/vae")
        found["memory of the server, ten sessions"] = megabytes(process.pid), 500.0, "MB"
        found["of a process that imports Streamlit and PyTorch"] = imported(), math.inf, "MB"
        found["its share of it, where workers map it too"] = megabytes(process.pid, "Pss"), math.inf, "MB"
        for other in others:
            other.close()
        page.locator(".st-key-stop button").first.click()
        page.close()
        time.sleep(1)
        with ThreadPoolExecutor(1) as thread:  # the browser's driver has a loop of its own in this one
            found |= thread.submit(lambda: asyncio.run(look(url, process.pid))).result()
    return found


async def look(url: str, server: int) -> dict[str, tuple[float, float, str]]:
    """The cost of a look at a training for the server, and of MNIST for a worker."""
    found: dict[str, tuple[float, float, str]] = {}
    async with Visitor(url, "vae", "epochs=4000") as one:
        await one.until(lambda v: v.finished and v.has("train"), 60)
        await one.press("train")
        await one.until(lambda v: v.finished >= 4, 60)  # by now there are snapshots that were followed
        async with Visitor(url, "vae", f"{one.query}&step=0") as other:  # stands still: only its fragment runs
            await one.close()
            await other.until(lambda v: v.finished and len(v.fragments) >= 3, 60)
            other.fragments.clear()
            spent, before = cpu_seconds(server), other.finished
            await other.until(lambda v: len(v.fragments) >= 30, 60)
            assert other.finished == before, "the whole page ran"
            share = 1000 * (cpu_seconds(server) - spent) / len(other.fragments)
            found["a fragment's run, asked for to shown, p50"] = 1000 * statistics.median(other.fragments), 20.0, "ms"
            found["the server's processor time for it"] = share, 20.0, "ms"
            await other.press("stop")
    async with Visitor(url, "vae", "data=mnist&epochs=1000&hidden=512&batch_size=128") as one:
        await one.until(lambda v: v.finished and v.has("train"), 60)
        await one.press("train")
        await one.until(lambda v: any("examples/s" in text for text in v.texts), 120)
        await asyncio.sleep(8)  # a snapshot, a save and the held-out terms among it
        found["memory of the larger worker, VAE on MNIST"] = max(map(megabytes, children(server))), 1500.0, "MB"
        await one.press("stop")
    return found


def main() -> int:
    """Print the table; 1 where a bound does not hold."""
    from playwright.sync_api import sync_playwright

    argparse.ArgumentParser(description=__doc__).parse_args()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        found = measure(browser, Path(folder))
        browser.close()
    for name, (value, bound, unit) in found.items():
        print(f"{name:45s} {value:9.2f} {unit:3s} (at most {bound:g}){'' if value <= bound else '   TOO MUCH'}")
    return any(value > bound for value, bound, _ in found.values())


if __name__ == "__main__":
    sys.exit(main())

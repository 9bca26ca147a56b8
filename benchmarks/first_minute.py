"""The first minute of a visitor whose browser has seen nothing: the first page, its films, every family's picture."""

import argparse
import math
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.interaction import FLAGS, cpu_seconds, healthy, ready, served
from genmodels.models import MODELS
from genmodels.runs.shipped import pieces

FIRST, FILM, PICTURE = 3.0, 3.0, 2.0  # seconds
VISITORS = ("first", "later")  # of each page, since the server began
STILL = "[data-testid=stApp][data-test-script-state=notRunning]"
DRAWN = ".st-key-stage canvas[aria-label]:not([aria-label*='being loaded'])"
MOVES = """(caption) => new Promise((done) => {
    let first = caption.textContent;
    const look = () => {
        if (first && caption.textContent !== first) return done();
        first ||= caption.textContent;
        requestAnimationFrame(look);
    };
    look();
})"""


def interactive(page: Any) -> None:
    """Its title is there, and nothing of it is still to come."""
    page.locator("h1").first.wait_for()
    page.locator(STILL).wait_for()


def moving(page: Any) -> None:
    """A film of the first page has gone on to its next frame."""
    page.locator(".st-key-films button.film .faint").first.evaluate(MOVES)


def pictured(page: Any) -> None:
    """The picture of a model's page is drawn."""
    page.locator(DRAWN).first.wait_for()


def visit(playwright: Any, url: str, *seen: Callable[[Any], None]) -> tuple[list[float], float]:
    """A browser that is new opens ``url``.

    Returns:
        The seconds from then until each of ``seen``, in this order, and the megabytes that were sent.
    """
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
    page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.set_default_timeout(60_000)
    sent: list[float] = []
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.on("Network.loadingFinished", lambda event: sent.append(event["encodedDataLength"]))
    network.on(
        "Network.webSocketFrameReceived", lambda event: sent.append(0.75 * len(event["response"]["payloadData"]))
    )
    start = time.perf_counter()
    page.goto(url, wait_until="commit")
    seconds = []
    for look in seen:
        look(page)
        seconds.append(time.perf_counter() - start)
    browser.close()
    return seconds, sum(sent) / 1e6


def measure(playwright: Any, folder: Path) -> list[tuple[str, float, float, str]]:
    """What, how much, at most, unit."""
    rows = []
    with served(folder) as (url, process):
        healthy(url)
        for which in VISITORS:
            (there, film), sent = visit(playwright, url, interactive, moving)
            rows += [(f"the first page, {which} visitor: interactive", there, FIRST, "s")]
            rows += [(f"the first page, {which} visitor: its film moves", film, FILM, "s")]
            rows += [(f"the first page, {which} visitor: sent", sent, math.inf, "MB")]
            ready(process.pid)  # torch is imported, and the workers rehearse, while the first page is read
        shipped = {piece.model for piece in pieces()}  # the others show no picture before they are trained
        for name in [name for name in MODELS if name in shipped]:
            for which in VISITORS:
                spent = cpu_seconds(process.pid)
                (seconds,), sent = visit(playwright, f"{url}/{name}", pictured)
                spent = cpu_seconds(process.pid) - spent
                rows += [(f"{name}, {which} visitor: its picture", seconds, PICTURE, "s")]
                rows += [(f"{name}, {which} visitor: processor time of the server", spent, math.inf, "s")]
                rows += [(f"{name}, {which} visitor: sent", sent, math.inf, "MB")]
    return rows


def main() -> int:
    """Print the table; 1 where a bound does not hold."""
    from playwright.sync_api import sync_playwright

    argparse.ArgumentParser(description=__doc__).parse_args()
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        rows = measure(playwright, Path(folder))
    for name, value, bound, unit in rows:
        at_most = "" if bound == math.inf else f" (at most {bound:g})"
        print(f"{name:55s} {value:7.2f} {unit:2s}{at_most}{'' if value <= bound else '   TOO MUCH'}")
    return any(value > bound for _, value, bound, _ in rows)


if __name__ == "__main__":
    sys.exit(main())

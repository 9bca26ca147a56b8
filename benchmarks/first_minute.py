"""The first minute of a visitor whose browser has seen nothing: the first page, its films, every family's picture.

A picture is opened twice: by a click from the first page, which is how visitors come, and by a link in a browser that
has seen nothing. Such a browser first loads Streamlit itself; how long that takes is measured in the same run, of a
page with nothing but a title.
"""

import argparse
import math
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.interaction import FLAGS, cpu_seconds, healthy, ready, served
from genmodels.models import MODELS
from genmodels.runs.shipped import pieces

FIRST, FILM, PICTURE = 3.0, 3.0, 2.0  # seconds; of a picture by a link, more than an empty page takes
EMPTY = "import streamlit as st\nst.title('Nothing')\n"
LOOKS = 3  # at the empty page
VISITORS = ("first", "later")  # of each page, since the server began
STILL = "[data-testid=stApp][data-test-script-state=notRunning]"
DRAWN = ".st-key-stage [data-stale=false] canvas[aria-label]:not([aria-label*='being loaded'])"  # not the last page's
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
    """Wait until a page's title is there, and nothing of it is still to come."""
    page.locator("h1").first.wait_for()
    page.locator(STILL).wait_for()


def moving(page: Any) -> None:
    """A film of the first page has gone on to its next frame."""
    page.locator(".st-key-films button.film .faint").first.evaluate(MOVES)


def pictured(page: Any) -> None:
    """The picture of a model's page is drawn."""
    page.locator(DRAWN).first.wait_for()


@contextmanager
def opened(playwright: Any) -> Iterator[Any]:
    """A page of a browser that is new."""
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
    page = browser.new_context(viewport={"width": 1400, "height": 900}).new_page()
    page.set_default_timeout(60_000)
    try:
        yield page
    finally:
        browser.close()


def visit(playwright: Any, url: str, *seen: Callable[[Any], None]) -> tuple[list[float], float]:
    """A browser that is new opens ``url``.

    Returns:
        The seconds from then until each of ``seen``, in this order, and the megabytes that were sent.
    """
    sent: list[float] = []
    with opened(playwright) as page:
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
    return seconds, sum(sent) / 1e6


def clicked(page: Any, name: str) -> float:
    """Seconds from a click on a family's link, wherever the page is, until its picture is drawn."""
    page.wait_for_timeout(3000)  # as long as somebody looks at least; what was on the page has settled
    link = page.locator(f"[data-testid=stSidebarNavLink][href$='/{name}']").first
    start = time.perf_counter()
    link.click()
    page.get_by_role("heading", name=MODELS[name].title, level=1).wait_for()
    pictured(page)
    return time.perf_counter() - start


def measure(playwright: Any, folder: Path) -> list[tuple[str, float, float, str]]:
    """Rows of results: what was measured, its value, the most that it may be, the unit."""
    rows = []
    script = folder / "empty.py"
    script.write_text(EMPTY)
    with served(folder, script=str(script)) as (url, _):
        healthy(url)
        empty = statistics.median(visit(playwright, url, interactive)[0][0] for _ in range(LOOKS))
    rows += [("an empty page of Streamlit", empty, math.inf, "s")]
    shipped = {piece.model for piece in pieces()}  # the others show no picture before they are trained
    families = [name for name in MODELS if name in shipped]
    with served(folder) as (url, process):
        healthy(url)
        for which in VISITORS:
            (there, film), sent = visit(playwright, url, interactive, moving)
            rows += [(f"the first page, {which} visitor: interactive", there, FIRST, "s")]
            rows += [(f"the first page, {which} visitor: its film moves", film, FILM, "s")]
            rows += [(f"the first page, {which} visitor: sent", sent, math.inf, "MB")]
            ready(process.pid)  # torch is imported, and the workers rehearse, while the first page is read
        with opened(playwright) as page:
            page.goto(url)
            moving(page)
            for name in families:
                spent = cpu_seconds(process.pid)
                rows += [(f"{name}, by a click: its picture", clicked(page, name), PICTURE, "s")]
                spent = cpu_seconds(process.pid) - spent
                rows += [(f"{name}, by a click: processor time of the server", spent, math.inf, "s")]
        for name in families:
            (seconds,), sent = visit(playwright, f"{url}/{name}", pictured)
            rows += [(f"{name}, by a link: its picture", seconds, empty + PICTURE, "s")]
            rows += [(f"{name}, by a link: sent", sent, math.inf, "MB")]
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

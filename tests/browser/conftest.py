"""A browser (Debian's Chromium) and servers of our own for it to look at."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

collect_ignore = ["apps"]  # scripts for the servers, not modules

ROOT = Path(__file__).parents[2]
PATIENCE = 45_000  # milliseconds: a machine that tests much else at once is slow
expect.set_options(timeout=PATIENCE)

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
SERVER = [
    "--server.headless=true", "--server.fileWatcherType=none", "--server.address=127.0.0.1",
    "--browser.gatherUsageStats=false",
]  # fmt: skip


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser for the tests of a file; its event loop ends with them, for other files have loops of their own."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """Start a server for a script of this repository; the same script in the same environment is served once."""
    running: dict[tuple[str, ...], tuple[subprocess.Popen[bytes], str]] = {}

    def start(script: str, **environment: str) -> str:
        which = script, *sorted(f"{name}={value}" for name, value in environment.items())
        if which not in running:
            running[which] = _start(script, tmp_path_factory.mktemp("server"), environment)
        return running[which][1]

    yield start
    for process, _ in running.values():
        process.terminate()
        process.wait(30)


def _start(script: str, folder: Path, more: dict[str, str]) -> tuple[subprocess.Popen[bytes], str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "log"
    command = [sys.executable, "-m", "streamlit", "run", script, f"--server.port={port}", *SERVER]
    ours = {"GENMODELS_RUNS": str(folder / "runs"), "GENMODELS_WORKERS": "1", "OMP_NUM_THREADS": "1"}
    environment = os.environ | ours | {"PYTHONPATH": str(ROOT)} | more
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file, stderr=file)
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 60
    while not _is_healthy(url):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"{script} is not served:\n{log.read_text()}")
        time.sleep(0.05)
    return process, url


def _is_healthy(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_stcore/health", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A page on which any error of the browser's console fails the test."""
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    yield page
    assert not errors

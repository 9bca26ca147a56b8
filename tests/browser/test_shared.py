"""A host that many share, in two browsers: each drives its own runs and looks on at the other's."""

import json
import re
import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Request, expect

PICTURE = Path(__file__).parents[2] / "docs" / "screenshot.png"
FIRST = 60_000  # the first model's page waits for torch


@pytest.fixture
def url(serve: Callable[..., str]) -> str:
    return serve("app.py", GENMODELS_SHARED="1")


def test_a_run_obeys_the_browser_that_made_it_and_no_other(chromium: Browser, url: str) -> None:
    ada, eve = chromium.new_context(), chromium.new_context()
    mine, theirs = ada.new_page(), eve.new_page()
    mine.goto(f"{url}/vae?steps=100000")
    stop = mine.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Stop", exact=True)
    mine.locator("[data-testid=stApp][data-test-script-state=notRunning]").wait_for(timeout=FIRST)
    mine.get_by_role("button", name="Train", exact=True).click(timeout=FIRST)
    expect(stop).to_be_visible(timeout=FIRST)
    assert "genmodels" not in mine.evaluate("document.cookie")  # no script of the page can read the token
    (token,) = (one["value"] for one in ada.cookies() if one["name"] == "genmodels_visitor")
    assert len(token) > 32

    theirs.goto(mine.url)
    expect(theirs.get_by_text("made in another browser")).to_be_visible(timeout=FIRST)
    expect(theirs.get_by_text("examples/s")).to_be_visible(timeout=FIRST)  # they look on
    for name in ("stop", "pause", "adjust"):
        expect(theirs.locator(f".st-key-{name}")).to_have_count(0)

    mine.reload()
    expect(stop).to_be_visible(timeout=FIRST)
    stop.click()
    expect(mine.get_by_text(re.compile("^stopped"))).to_be_visible(timeout=FIRST)
    assert_healthy(url)
    ada.close()
    eve.close()


def assert_healthy(url: str) -> None:
    with urllib.request.urlopen(f"{url}/healthz", timeout=30) as answer:
        says = json.load(answer)
    assert says == {"status": "ok", "version": says["version"], "runs": 1, "workers": 1}


def test_the_host_says_what_it_has(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    page.goto(f"{url}/runs")
    expect(page.get_by_text(re.compile(r"This host has \d+ CPU cores, \d+ GB of memory"))).to_be_visible(timeout=FIRST)


def test_what_a_stranger_writes_fetches_nothing_from_elsewhere(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{url}/vae?step=![](//evil.example/a.png)&run=https://evil.example&hide=[a](https://evil.example)")
    expect(page.get_by_text("is not a name")).to_be_visible(timeout=FIRST)
    expect(page.locator("a[href*='evil']")).to_have_count(0)
    assert not [one for one in asked if "evil.example" in one.partition("?")[0]]
    blocked = page.evaluate(
        "new Promise(done => { addEventListener('securitypolicyviolation', e => done(e.effectiveDirective)); "
        "new Image().src = 'https://evil.example/b.png'; })"
    )
    assert blocked == "img-src"


def test_an_upload_that_is_refused_is_said_in_words(context: BrowserContext, url: str) -> None:
    page = context.new_page()
    refused = page.get_by_role("alert").filter(has_text="or another of yours is: choose the file again in a moment")

    def upload() -> Request:
        """From the page opened anew: what is read there is a picture of its own."""
        page.goto(f"{url}/?page=vae&run=vae-digits-2d&instrument=Draw+a+digit&hide=form,train,film,curves")
        page.locator(".stFileUploader input").wait_for(state="attached", timeout=FIRST)
        with page.expect_request(re.compile("upload_file")) as sent:
            page.locator(".stFileUploader input").set_input_files(PICTURE)
        return sent.value

    with on_its_way(upload()):
        upload()
        expect(refused).to_be_visible(timeout=FIRST)
        box = refused.bounding_box()
        assert box is not None
        assert box["width"] > 100  # seen, and not only heard
    upload()
    expect(page.get_by_text("Read in")).to_be_visible(timeout=FIRST)
    expect(refused).to_have_count(0)


@contextmanager
def on_its_way(request: Request) -> Iterator[None]:
    """Another upload like it, of the same visitor, which has begun and does not end."""
    where = urlsplit(request.url)
    headers = {name: value for name, value in request.all_headers().items() if not name.startswith(":")}
    headers |= {"content-length": "100000", "host": where.netloc}
    lines = [f"PUT {where.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", "--"]
    with socket.create_connection((where.hostname, where.port)) as connection:
        connection.sendall("\r\n".join(lines).encode())
        connection.settimeout(1.0)
        with pytest.raises(TimeoutError):  # it is not answered: the server waits for the rest
            connection.recv(1)
        yield

"""What is large has an address: a browser gets exactly that, keeps it, and nobody fills the server with it."""

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from genmodels.images import png
from pages._ui.server import blobs

PICTURE = png(np.zeros((2, 2), np.uint8))


@pytest.fixture
def browser(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    monkeypatch.setattr(blobs, "_kept", {})
    return TestClient(Starlette(routes=[blobs.ROUTE]))


@pytest.mark.parametrize(
    ("content", "kind"),
    [(PICTURE, "image/png"), (b"\xff\xd8\xff..", "image/jpeg"), (b"<b>", "application/octet-stream")],
)
def test_an_address_leads_to_its_content_alone(browser: TestClient, content: bytes, kind: str) -> None:
    answer = browser.get(blobs.address(content))
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, content, kind)
    assert "immutable" in answer.headers["cache-control"]
    assert blobs.address(content) == blobs.address(bytes(bytearray(content)))


@pytest.mark.parametrize("name", ["", "nothing", "0" * 64, "..%2F..%2Fapp.py", "%00"])
def test_what_was_never_shown_is_not_found(browser: TestClient, name: str) -> None:
    blobs.address(PICTURE)
    assert browser.get(f"blobs/{name}").status_code == 404


def test_what_was_not_shown_longest_goes_first(browser: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blobs, "KEPT", 25)
    first, second, third = (bytes([k]) * 10 for k in range(3))
    addresses = [blobs.address(first), blobs.address(second)]
    blobs.address(first)  # shown again
    addresses.append(blobs.address(third))
    assert [browser.get(one).status_code for one in addresses] == [200, 404, 200]
    monkeypatch.setattr(blobs, "KEPT", 5)
    assert browser.get(blobs.address(second)).status_code == 200  # larger than all room: it is shown all the same

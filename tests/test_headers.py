"""What every answer of the server says to the browser, and what of Streamlit's own is not for strangers."""

import asyncio
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from genmodels.errors import BadInput
from pages._ui.server import headers
from pages._ui.server.cookie import Cookie
from pages._ui.server.headers import Headers

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPACE_ID", "GENMODELS_SHARED", headers.FRAMES):
        monkeypatch.delenv(name, raising=False)


def get(path: str = "/", *, scheme: str = "http", **said: str) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer of an app that knows every path."""
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in said.items()]
    scope = {"type": "http", "method": "GET", "path": path, "scheme": scheme, "headers": pairs}
    answer = Headers(Cookie(app))(scope, None, send)  # type: ignore[arg-type]
    with ThreadPoolExecutor(1) as thread:  # this one may have a loop of its own, a browser's
        thread.submit(asyncio.run, answer).result()
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_a_page_may_load_nothing_from_elsewhere() -> None:
    _, found = get(host="lab.example:8501")
    assert found["x-content-type-options"] == "nosniff"
    rules = dict(part.split(" ", 1) for part in found["content-security-policy"].split("; "))
    assert rules["connect-src"].endswith("ws://lab.example:8501 wss://lab.example:8501")
    assert rules["object-src"] == "'none'"
    assert "'unsafe-inline'" not in rules["script-src"]
    own = re.compile(
        r"'(self|none|unsafe-eval|unsafe-inline|sha256-[A-Za-z0-9+/=]+)'|data:|blob:|wss?://lab.example:8501"
    )
    for name, sources in rules.items():
        assert all(own.fullmatch(source) for source in sources.split()), name
    for hostile in ("evil.example; script-src *", "a b", "*", "x" * 300):
        assert get(host=hostile)[1]["content-security-policy"].count(";") == len(rules) - 1
        assert hostile not in get(host=hostile)[1]["content-security-policy"].split()


def test_who_may_frame_the_pages_is_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert headers.frames() == "'self'"
    monkeypatch.setenv("SPACE_ID", "ada/lab")
    assert headers.frames() == "'self' https://huggingface.co"
    monkeypatch.setenv(headers.FRAMES, "https://school.example https://*.lab.example:8443")
    assert headers.frames() == "'self' https://school.example https://*.lab.example:8443"
    for wrong in ("school.example", "https://a.b; script-src *", "*", "'none'", "https://a.b/c"):
        monkeypatch.setenv(headers.FRAMES, wrong)
        with pytest.raises(BadInput, match="no origin"):
            Headers(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/metrics/", "//_stcore/metrics", "/_stcore/agent/mcp"])
def test_the_servers_own_figures_are_not_for_strangers(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert get(path)[0] == 200
    monkeypatch.setenv("GENMODELS_SHARED", "1")
    assert get(path)[0] == 404
    assert get("/_stcore/health")[0] == get("/vae")[0] == 200


@pytest.mark.parametrize(
    ("scheme", "said", "safe"),
    [
        ("http", {}, False),
        ("https", {}, True),
        ("http", {"x_forwarded_proto": "https"}, True),
        ("http", {"x_forwarded_proto": "https, http"}, True),
        ("https", {"x_forwarded_proto": "http"}, False),
    ],
)
def test_the_cookie_is_secure_wherever_the_browser_speaks_tls(
    scheme: str, said: dict[str, str], safe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENMODELS_SHARED", "1")
    cookie = get(scheme=scheme, accept="text/html", **said)[1]["set-cookie"]
    assert ("; Secure" in cookie) == safe
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


@pytest.mark.parametrize(("shared", "shown"), [("1", "type"), ("0", "full")])
def test_an_error_on_a_shared_host_shows_its_kind_alone_however_the_app_is_started(shared: str, shown: str) -> None:
    code = "import app; from streamlit import config; print(config.get_option('client.showErrorDetails'))"
    environment = os.environ | {"GENMODELS_SHARED": shared}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.stdout.split()[-1:] == [shown], done.stderr

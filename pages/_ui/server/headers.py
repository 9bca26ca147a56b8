"""What every answer says to the browser: nothing from elsewhere is loaded, and who may frame the pages."""

import base64
import functools
import hashlib
import os
import re
from pathlib import Path

import streamlit
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from genmodels.errors import BadInput
from genmodels.host.limits import is_shared, is_space
from genmodels.text import quoted

__all__ = ["Headers", "frames", "policy"]

FRAMES = "GENMODELS_FRAMES"  # origins whose pages may show the app in a frame
ORIGIN = re.compile(r"https?://(\*\.)?[A-Za-z0-9.-]+(:\d{1,5})?")
INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
PRIVATE = ("/_stcore/metrics", "/_stcore/agent")  # of Streamlit's: for the owner of the machine
FIXED = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
}


def frames() -> str:
    """Who may frame the pages, as the policy says it: ``$GENMODELS_FRAMES``, or the app alone; of a Space the Hub too.

    Raises:
        BadInput: If the variable holds something other than origins.
    """
    said = os.environ.get(FRAMES, "").split()
    for one in said:
        if not ORIGIN.fullmatch(one):
            raise BadInput(f"{FRAMES}: {quoted(one)} is no origin, as in https://lab.example; spaces separate several.")
    return " ".join(["'self'", *(said or ["https://huggingface.co"] * is_space())])


def policy(host: str) -> str:
    """The content security policy.

    Styles are written by scripts; Plotly's maps compile their shaders' drivers; a component's script is a blob.

    Args:
        host: By which the browser knows this server: some know of its own origin HTTP alone, not WebSockets.
    """
    sockets = f" ws://{host} wss://{host}" if re.fullmatch(r"[A-Za-z0-9.:\[\]-]{1,255}", host) else ""
    parts = {
        "default-src": "'self'",
        "script-src": "'self' blob: 'unsafe-eval' " + _own_scripts(),
        "style-src": "'self' 'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "media-src": "'self' data: blob:",
        "font-src": "'self' data:",
        "connect-src": f"'self' data: blob:{sockets}",
        "worker-src": "'self' blob:",
        "object-src": "'none'",
        "base-uri": "'self'",
        "form-action": "'self'",
        "frame-ancestors": frames(),
    }
    return "; ".join(f"{name} {value.strip()}" for name, value in parts.items())


@functools.cache
def _own_scripts() -> str:
    """The scripts that stand in Streamlit's page itself, by their hashes."""
    page = (Path(streamlit.__file__).parent / "static" / "index.html").read_bytes()
    found = [base64.b64encode(hashlib.sha256(one).digest()).decode() for one in INLINE.findall(page)]
    return " ".join(f"'sha256-{one}'" for one in found)


class Headers:
    """Gives every answer its headers; what of Streamlit is for the owner is not found on a shared host."""

    def __init__(self, app: ASGIApp) -> None:
        frames()  # wrong, it is said before anybody opens a page
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does, and say more."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        said = FIXED | {"content-security-policy": policy(HTTPConnection(scope).headers.get("host", ""))}

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in said.items():
                    headers[name] = value
            await send(message)

        private = is_shared() and f"/{scope['path'].strip('/')}/".startswith(tuple(f"{path}/" for path in PRIVATE))
        await (PlainTextResponse("Not found", 404) if private else self.app)(scope, receive, guarded)

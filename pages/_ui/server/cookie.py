"""Whose browser this is, on a host that many share: a random token in a cookie, which no script of a page can read."""

import re
import secrets

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime.scriptrunner import get_script_run_ctx

from genmodels.host.limits import is_shared, is_space

__all__ = ["COOKIE", "Cookie", "acting"]

COOKIE = "genmodels_visitor"
YEAR = 365 * 24 * 3600
TOKEN = re.compile(r"[A-Za-z0-9_-]{32,64}")


def acting() -> str | None:
    """The token of the browser for which a page runs here; None outside of a page's run.

    A browser that takes no cookies has one for as long as its tab is open.
    """
    if get_script_run_ctx(suppress_warning=True) is None:
        return None
    token = st.context.cookies.get(COOKIE, "")
    return token if TOKEN.fullmatch(token) else st.session_state.setdefault("visitor", secrets.token_urlsafe(32))


class Cookie:
    """Gives every browser that opens a page of a shared host its token.

    A Space is shown within a page of another site: only a cookie of that pair of sites (Partitioned) reaches it there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does, with the cookie where a page is asked for without one."""

        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                safe = "; Secure" if is_space() or _is_encrypted(HTTPConnection(scope)) else ""
                where = "SameSite=None; Partitioned" if is_space() else "SameSite=Lax"
                value = f"{COOKIE}={secrets.token_urlsafe(32)}; Path=/; Max-Age={YEAR}; HttpOnly; {where}{safe}"
                headers = MutableHeaders(scope=message)
                headers.append("set-cookie", value)
                headers["cache-control"] = "private, no-cache"  # no proxy hands it to another browser
            await send(message)

        await self.app(scope, receive, signed if self._is_new(scope) else send)

    def _is_new(self, scope: Scope) -> bool:
        if scope["type"] != "http" or scope["method"] != "GET" or not is_shared():
            return False
        request = HTTPConnection(scope)
        return "text/html" in request.headers.get("accept", "") and not TOKEN.fullmatch(request.cookies.get(COOKIE, ""))


def _is_encrypted(request: HTTPConnection) -> bool:
    """Whether the browser speaks TLS, with this server or with the proxy before it."""
    said = request.headers.get("x-forwarded-proto", request.scope.get("scheme", ""))
    return said.partition(",")[0].strip().lower() in ("https", "wss")

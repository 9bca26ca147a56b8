"""Whose browser this is, on a host that many share: a random token in a cookie, which no script of a page can read."""

import os
import re
import secrets
from collections.abc import Mapping

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.runtime.scriptrunner import get_script_run_ctx

from genmodels.host.limits import is_shared, is_space
from genmodels.host.ownership import Visitor, known

__all__ = ["COOKIE", "PROXIES", "Cookie", "acting", "address", "asking", "coming_from"]

COOKIE = "genmodels_visitor"
YEAR = 365 * 24 * 3600
TOKEN = re.compile(r"[A-Za-z0-9_-]{32,64}")


def acting() -> str | None:
    """The token of the browser for which a page runs here; None outside of a page's run.

    A browser that takes no cookies has one for as long as its tab is open.
    """
    if get_script_run_ctx(suppress_warning=True) is None:
        return None
    return _token(st.context.cookies) or st.session_state.setdefault("visitor", secrets.token_urlsafe(32))


def _token(cookies: Mapping[str, str]) -> str:
    token = cookies.get(COOKIE, "")
    return token if TOKEN.fullmatch(token) else ""


def asking(request: HTTPConnection, otherwise: str) -> Visitor:
    """Who asks for something outside of a page: by the cookie, or ``otherwise`` by the number of a session, say."""
    return known(_token(request.cookies) or otherwise, address(request.client.host if request.client else None))


PROXIES = "FORWARDED_ALLOW_IPS"
"""The variable that names the proxies, by address or network, whose X-Forwarded-For the server (uvicorn) believes."""


def coming_from() -> tuple[str, str]:
    """The network address of the browser for which a page runs here, and the code of the wall that it has joined."""
    if get_script_run_ctx(suppress_warning=True) is None:
        return "", ""
    return address(st.context.ip_address), st.session_state.get("room", "")


def address(said: str | None) -> str:
    """The browser's address as the server has it; "" where it is that of a proxy.

    The proxies of a Space are not known, unless somebody names them: all visitors would seem to be at one address.
    """
    return "" if is_space() and not os.environ.get(PROXIES) else said or ""


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
        return "text/html" in request.headers.get("accept", "") and not _token(request.cookies)


def _is_encrypted(request: HTTPConnection) -> bool:
    """Whether the browser speaks TLS, with this server or with the proxy before it."""
    said = request.headers.get("x-forwarded-proto", request.scope.get("scheme", ""))
    return said.partition(",")[0].strip().lower() in ("https", "wss")

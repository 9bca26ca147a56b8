"""Uploads on a shared host: so many on their way at once, of a visitor one; and a session keeps its last ones alone."""

import re

import streamlit as st
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

from genmodels.errors import BadInput
from genmodels.host.limits import is_shared, limit
from genmodels.host.turns import Turns
from pages._ui.server import cookie

__all__ = ["KEPT", "Uploads"]

KEPT = 2  # files of a session; Streamlit holds them in memory as long as the session lasts
PATH = re.compile(r"/_stcore/upload_file/(?P<session>[^/]+)/[^/]+/?")


class Uploads:
    """Stands before Streamlit's uploads, where anybody may send as many files as he likes."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.turns = Turns(lambda: limit("MAX_UPLOADS"), "upload on its way")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the app does, or 429 with a sentence."""
        sent = PATH.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "PUT" else None
        if not sent or not is_shared():
            await self.app(scope, receive, send)
            return
        try:
            with self.turns.taken(cookie.asking(HTTPConnection(scope), sent["session"])):
                await self.app(scope, receive, send)
        except BadInput as error:
            await PlainTextResponse(str(error), 429, {"Retry-After": "5"})(scope, receive, send)
        else:
            _forget(sent["session"])


def _forget(session: str) -> None:
    """Keep the last files of a session alone."""
    manager = st.runtime.get_instance().uploaded_file_mgr
    if isinstance(manager, MemoryUploadedFileManager):
        for file in list(manager.file_storage.get(session, {}))[:-KEPT]:
            manager.remove_file(session, file)

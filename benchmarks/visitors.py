"""A visitor without a browser: Streamlit's own websocket messages, so that thirty of them fit on two cores."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

__all__ = ["Visitor"]


@dataclass
class Visitor:
    """One session on a page; it does what the browser would: asks for the page, and for its fragments when due."""

    url: str
    page: str
    query: str = ""
    texts: list[str] = field(default_factory=list)  # of the progress line, as they come
    errors: list[str] = field(default_factory=list)
    socket: ClientConnection | None = None
    due: dict[str, tuple[float, float]] = field(default_factory=dict)  # fragment: (when next, how often)
    finished: int = 0
    stack: ExitStack = field(default_factory=ExitStack)

    def open(self) -> None:
        """Connect and ask for the page."""
        address = self.url.replace("http", "ws") + "/_stcore/stream"
        connection = connect(
            address, subprotocols=[Subprotocol("streamlit")], max_size=None, open_timeout=60, ping_interval=None
        )
        self.socket = self.stack.enter_context(connection)
        self.ask()

    def ask(self, fragment: str = "") -> None:
        """Ask for a run of the page, or of one fragment of it."""
        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.page_name = self.page
        message.rerun_script.fragment_id = fragment
        assert self.socket is not None
        self.socket.send(message.SerializeToString())

    def listen(self, seconds: float, until: Callable[["Visitor"], bool] = lambda _: False) -> bool:
        """Take what comes for so long, or until something is seen; whether it was."""
        end = time.monotonic() + seconds
        assert self.socket is not None
        while time.monotonic() < end:
            if until(self):
                return True
            now = time.monotonic()
            for fragment, (when, every) in self.due.items():
                if now >= when:
                    self.due[fragment] = (now + every, every)
                    self.ask(fragment)
            try:
                content = self.socket.recv(timeout=0.05)
            except TimeoutError:
                continue
            self.take(ForwardMsg.FromString(content))
        return until(self)

    def take(self, message: ForwardMsg) -> None:
        """Keep what matters of a message."""
        kind = message.WhichOneof("type")
        if kind == "auto_rerun":
            every = message.auto_rerun.interval
            self.due[message.auto_rerun.fragment_id] = (time.monotonic() + every, every)
        elif kind == "script_finished":
            self.finished += 1
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            if element.WhichOneof("type") == "progress":
                self.texts.append(element.progress.text)
            if element.WhichOneof("type") == "exception":
                self.errors.append(element.exception.message)

    def close(self) -> None:
        """Leave."""
        self.stack.close()

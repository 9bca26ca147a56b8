"""A visitor without a browser: Streamlit's own websocket messages, so that thirty of them fit on two cores."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

__all__ = ["Visitor"]

WIDGET = "$$ID-"  # how Streamlit's names of widgets begin; their key is what comes after the second dash

KEPT = 200  # long messages that the server need not send again


@dataclass
class Visitor:
    """One session on a page; it does what the browser would: asks for the page, and for its fragments when due.

    Args:
        url: Of the server.
        page: The page's path, without the slash.
        query: Of the page's URL, without the question mark.

    Attributes:
        texts: Of the progress line, as they came.
        errors: Exceptions that the page showed, and what went wrong with the connection.
        fragments: Seconds from the asking for each run of a fragment by the clock to its end.
        answers: Seconds from each use of a widget to the end of the run that it caused, of its fragment or the page.
        finished: Runs of the whole page that have ended.
    """

    url: str
    page: str
    query: str = ""
    texts: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    fragments: list[float] = field(default_factory=list)
    answers: list[float] = field(default_factory=list)
    finished: int = 0
    bytes: int = 0
    _widgets: dict[str, str] = field(default_factory=dict)  # key: the widget's name
    _within: dict[str, str] = field(default_factory=dict)  # a widget's name: its fragment, "" for the page
    _ended: Counter[str] = field(default_factory=Counter)  # fragment: its runs alone that have ended
    _states: dict[str, WidgetState] = field(default_factory=dict)
    _timers: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _asked: dict[str, float] = field(default_factory=dict)  # fragment: when
    _kept: dict[str, None] = field(default_factory=dict)  # hashes of long messages, the oldest first
    _hash: str = ""
    _running: list[str] | None = None  # the fragments of the run that has begun and not ended, none for the whole page
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    _socket: ClientConnection | None = None

    async def __aenter__(self) -> "Visitor":
        """Connect, ask for the page, and keep listening."""
        address = self.url.replace("http", "ws") + "/_stcore/stream"
        protocols = [Subprotocol("streamlit")]
        connection = connect(address, subprotocols=protocols, max_size=None, open_timeout=60, ping_interval=None)
        self._socket = await self._stack.enter_async_context(connection)
        await self._ask()
        self._listener = asyncio.create_task(self._listen())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the visitor's connection."""
        await self.close()

    async def close(self) -> None:
        """Leave, as who closes the tab."""
        for task in (self._listener, *self._timers.values()):
            task.cancel()
        await self._stack.aclose()

    async def until(self, true: Callable[["Visitor"], Any], seconds: float) -> bool:
        """Whether something comes to be within so many seconds."""
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: true(self))
            return True
        except TimeoutError:
            return bool(true(self))

    async def press(self, key: str, seconds: float = 60.0) -> float:
        """Press the button ``key``: how long the page took to answer; also in ``answers``."""
        return await self._use(WidgetState(id=self._widgets[key], trigger_value=True), seconds)

    async def set(self, key: str, seconds: float = 60.0, **value: Any) -> float:
        """Set the widget ``key``, as in ``int_value=3``: how long the page took; also in ``answers``."""
        state = self._states[key] = WidgetState(id=self._widgets[key], **value)
        return await self._use(state, seconds)

    def has(self, key: str) -> bool:
        """Whether the page shows a widget of this key."""
        return key in self._widgets

    # What a browser does ------------------------------------------------------------------------------------------

    async def _use(self, state: WidgetState, seconds: float) -> float:
        fragment = self._within[state.id]
        start, before = time.perf_counter(), self.finished + self._ended[fragment]
        await self._ask(fragment, extra=state)
        if not await self.until(lambda v: v.finished + v._ended[fragment] > before, seconds):
            self.errors.append(f"no answer to {state.id} within {seconds:g} s")
        self.answers.append(time.perf_counter() - start)
        return self.answers[-1]

    async def _ask(self, fragment: str = "", extra: WidgetState | None = None) -> None:
        message = BackMsg()
        ask = message.rerun_script
        ask.query_string, ask.page_script_hash, ask.fragment_id = self.query, self._hash, fragment
        ask.page_name = "" if self._hash else self.page
        ask.is_auto_rerun = bool(fragment) and extra is None
        ask.cached_message_hashes.extend(self._kept)
        kept = {state.id: state for state in self._states.values()}
        if extra is not None:
            kept[extra.id] = extra
        ask.widget_states.widgets.extend(kept.values())
        assert self._socket is not None
        await self._socket.send(message.SerializeToString())

    async def _tick(self, fragment: str, every: float) -> None:
        """Ask for a fragment again and again, as the page said."""
        while True:
            await asyncio.sleep(every)
            self._asked.setdefault(fragment, time.perf_counter())
            await self._ask(fragment)

    async def _listen(self) -> None:
        assert self._socket is not None
        try:
            async for content in self._socket:
                assert isinstance(content, bytes)
                self.bytes += len(content)
                self._take(ForwardMsg.FromString(content))
                async with self._news:
                    self._news.notify_all()
        except Exception as error:  # what a listener raises nobody would see
            self.errors.append(f"{type(error).__name__}: {error}")
            return
        self.errors.append("the server closed the connection")

    def _take(self, message: ForwardMsg) -> None:
        """Keep what matters of a message; what was sent before comes as its hash."""
        if message.metadata.cacheable:
            self._kept[message.hash] = None
            while len(self._kept) > KEPT:
                del self._kept[next(iter(self._kept))]
        match message.WhichOneof("type"):
            case "navigation":  # which page it is: what new_session says is the router
                self._hash = message.navigation.page_script_hash
            case "new_session":
                self._begin(list(message.metadata.run.fragment_ids))
            case "auto_rerun":
                fragment, every = message.auto_rerun.fragment_id, message.auto_rerun.interval
                self._stop([fragment])
                self._timers[fragment] = asyncio.create_task(self._tick(fragment, every))
            case "stop_auto_rerun":
                self._stop(message.stop_auto_rerun.fragment_ids)
            case "page_info_changed":
                self.query = message.page_info_changed.query_string
            case "script_finished":
                self._end(message)
            case "delta" if message.delta.WhichOneof("type") == "new_element":
                self._see(message.delta.new_element, message.delta.fragment_id)

    def _stop(self, fragments: Any) -> None:
        for fragment in fragments:
            if fragment in self._timers:
                self._timers.pop(fragment).cancel()

    def _begin(self, fragments: list[str]) -> None:
        """A run begins. Streamlit keeps the end of a run to itself when the thread of the next is there already."""
        if fragments and self._running is not None:
            self._count(self._running)
        self._running = fragments
        if not fragments:
            self._stop(list(self._timers))

    def _count(self, fragments: list[str]) -> None:
        self.finished += not fragments
        self._ended.update(fragments)

    def _end(self, message: ForwardMsg) -> None:
        self._running = None
        fragments = list(message.metadata.run.fragment_ids)
        if message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN:
            return
        self._count(fragments)
        if not fragments:
            self._asked.clear()  # it ran them too
        for fragment in fragments:
            if fragment in self._asked:
                self.fragments.append(time.perf_counter() - self._asked.pop(fragment))

    def _see(self, element: Any, fragment: str) -> None:
        kind = element.WhichOneof("type")
        shown = getattr(element, kind)
        name = getattr(shown, "id", "")
        if name.startswith(WIDGET):
            self._widgets[name.removeprefix(WIDGET).partition("-")[2]] = name
            self._within[name] = fragment
        if kind == "progress":
            self.texts.append(shown.text)
        elif kind == "exception":
            self.errors.append(shown.message)

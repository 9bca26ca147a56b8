"""A visitor who drops his cookie is a new one, at the same address: what is limited is counted there, too."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from genmodels.errors import BadInput
from genmodels.export import checkpoint
from genmodels.host import apart, ownership
from genmodels.host.ownership import Visitor
from genmodels.host.turns import Turns
from genmodels.instruments.samples import samples
from genmodels.jobs import queue, tasks
from genmodels.runs import classroom, disk, store
from genmodels.runs.store import Run
from pages._ui.page import download
from pages._ui.server import cookie
from pages._ui.server.uploads import KEPT, Uploads

HOME, SCHOOL = "203.0.113.7", "198.51.100.1"
Acts = Callable[..., None]


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch) -> Acts:
    """On a shared host, say who acts: a browser, where it is, and the wall that it has joined."""
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.setenv("GENMODELS_SHARED", "1")
    monkeypatch.setenv("GENMODELS_MIN_FREE_MB", "0")
    classroom._wrong.clear()

    def act(who: str, address: str = "", wall: str = "") -> None:
        monkeypatch.setattr(ownership, "_who", lambda: who)
        monkeypatch.setattr(ownership, "_where", lambda: (address, wall))

    return act


def new() -> Run:
    return store.create("vae", "digits", arguments={"hidden": 16, "depth": 1}, settings={"steps": 1000})


def queued() -> Run:
    run = new()
    queue.submit(run)
    return run


def fill(acts: Acts, address: str, most: int = 200) -> int:
    """As a browser does that drops its cookie before each run, until it is refused."""
    for n in range(most):
        acts(f"{address}-{n}", address)
        try:
            queued()
        except BadInput:
            return n
    return most


# Whose it is ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", True),  # a household has as many as it likes
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
    ],
)
def test_an_address_is_that_of_a_household(one: str, other: str, same: bool) -> None:
    assert (ownership.network(one) == ownership.network(other)) == same


def test_no_address_is_written_and_its_hash_needs_this_hosts_key(acts: Acts, monkeypatch, tmp_path: Path) -> None:
    acts("ada", HOME)
    run = new()
    place = ownership.place(run.path)
    assert len(place) == 64
    files = [path for path in store.root().rglob("*") if path.is_file()]
    assert not any(HOME.encode() in path.read_bytes() for path in files)
    assert (store.root() / ownership.KEY).stat().st_mode & 0o077 == 0
    assert not any(name in checkpoint.zipped(run) for name in (ownership.PLACE.encode(), place.encode()))
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "another"))
    assert ownership.place(new().path) not in ("", place)


def test_the_owner_of_the_machine_has_no_place(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    acts("ada", HOME)
    monkeypatch.setattr(ownership, "_who", lambda: None)
    assert ownership.visitor() == Visitor()
    assert ownership.place(new().path) == ""


def test_of_a_space_the_address_is_known_once_its_proxies_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    monkeypatch.delenv(cookie.PROXIES, raising=False)
    assert cookie.address(HOME) == HOME
    assert cookie.address(None) == ""  # this computer, as Streamlit has it
    monkeypatch.setenv("SPACE_ID", "ada/lab")
    assert cookie.address("10.1.2.3") == ""
    monkeypatch.setenv(cookie.PROXIES, "10.0.0.0/8")
    assert cookie.address(HOME) == HOME


def test_the_server_believes_the_proxies_that_are_named_and_no_other() -> None:
    """What uvicorn does with the variable that docs/deploy.md names."""
    from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

    def seen(peer: str, forwarded: str, trusted: str) -> str:
        found: list[str] = []

        async def app(scope: dict[str, tuple[str, int]], receive: object, send: object) -> None:
            found.append(scope["client"][0])

        scope = {"type": "websocket", "client": (peer, 1), "headers": [(b"x-forwarded-for", forwarded.encode())]}
        asyncio.run(ProxyHeadersMiddleware(app, trusted)(scope, None, None))  # type: ignore[arg-type]
        return found[0]

    assert seen("10.0.0.2", f"1.2.3.4, {HOME}", "10.0.0.0/8") == HOME  # not what the visitor wrote
    assert seen(HOME, "1.2.3.4", "10.0.0.0/8") == HOME


# Runs -----------------------------------------------------------------------------------------------------------------


def test_a_browser_that_drops_its_cookie_does_not_fill_the_queue(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_WAITING", "12")
    monkeypatch.setenv("GENMODELS_MAX_RUNS_AN_ADDRESS", "8")
    assert fill(acts, HOME) == 8
    acts("once more", HOME)
    with pytest.raises(BadInput, match=r"8 runs wait or run from your network address.* 8 may: wait until one of them"):
        queued()
    acts("ada", SCHOOL)
    queued()


def test_places_that_are_all_taken_are_shared_evenly(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_WAITING", "12")
    assert fill(acts, HOME) == 12
    before = [store.find(name) for name in queue.waiting()]
    assert fill(acts, SCHOOL) == 6
    assert len(queue.waiting()) == 12
    gone = [run for run in before if run.state().status == "stopped"]
    assert [run.id for run in gone] == [run.id for run in before[6:]]  # the newest go
    assert all("its place went to them. Resume asks again" in run.state().message for run in gone)
    assert fill(acts, "192.0.2.9") == 4
    held = [ownership.place(store.root() / name) for name in queue.waiting()]
    assert sorted(held.count(place) for place in set(held)) == [4, 4, 4]


def test_what_has_begun_makes_no_way(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_WAITING", "2")
    acts("eve", HOME)
    for run in (queued(), queued()):
        run.say(status="running")
    acts("ada", SCHOOL)
    refused = new()
    with pytest.raises(BadInput, match="2 runs wait or run already, of all visitors: wait until some have ended"):
        queue.submit(refused)
    assert not refused.path.exists()


def test_a_class_on_a_wall_counts_as_one_and_not_with_its_school(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_RUNS_AN_ADDRESS", "3")
    assert fill(acts, SCHOOL) == 3
    for n in range(3):
        acts(f"pupil {n}", SCHOOL, "ABCDE")
        queued()
    acts("pupil 3", HOME, "ABCDE")  # ill, and at home
    with pytest.raises(BadInput, match="3 runs wait or run on your wall, and 3 may"):
        queued()
    acts("pupil 3", HOME)
    queued()


def test_what_is_kept_is_counted_at_an_address(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_KEPT_AN_ADDRESS", "4")
    assert fill(acts, HOME) == 4
    acts("another", HOME)
    with pytest.raises(BadInput, match=r"4 runs are kept from your network address.* 4 may be: delete one of them"):
        queued()
    acts("ada", SCHOOL)
    (queued().path / "samples.npy").write_bytes(bytes(3_000_000))
    monkeypatch.setenv("GENMODELS_MAX_DISK_MB_AN_ADDRESS", "2")
    acts("bob", SCHOOL)
    with pytest.raises(
        BadInput, match=r"The runs from your network address.* take 3 MB, and may 2: delete one of them"
    ):
        queued()


def test_a_full_disk_takes_from_the_address_that_keeps_the_most(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(acts, HOME, 4)  # each of another cookie
    acts("ada", SCHOOL)
    mine = [queued(), queued()]
    for run in store.every():
        run.say(status="stopped")
    monkeypatch.setenv("GENMODELS_MAX_KEPT", "5")
    disk.make(mine[-1])
    assert all(run.path.exists() for run in mine)
    assert len(store.every()) == 5


# Computations, walls, files -------------------------------------------------------------------------------------------


def test_computations_are_counted_at_an_address(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_TASKS_AN_ADDRESS", "3")
    for seed in range(3):
        acts(f"{seed}", HOME)
        tasks.ask(samples, run="vae-digits-2d", n=1, seed=seed)
    acts("3", HOME)
    with pytest.raises(BadInput, match=r"3 computations from your network address.* wait already: wait until one"):
        tasks.ask(samples, run="vae-digits-2d", n=1, seed=3)
    assert tasks.ask(samples, run="vae-digits-2d", n=1, seed=2).state().status == "queued"  # somebody has asked it
    acts("3", SCHOOL)
    tasks.ask(samples, run="vae-digits-2d", n=1, seed=3)


def test_walls_are_counted_at_the_address_whatever_wall_one_is_on(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_WALLS_AN_ADDRESS", "2")
    acts("0", HOME)
    code = classroom.build().code
    acts("1", HOME, code)
    code = classroom.build().code
    acts("2", HOME, code)
    with pytest.raises(BadInput, match="2 walls were built from your network address"):
        classroom.build()
    acts("2", SCHOOL, code)
    classroom.build()


def test_guesses_of_codes_are_counted_at_an_address(acts: Acts) -> None:
    acts("ada", SCHOOL)
    code = classroom.build().code
    wrong = "ABCDE" if code != "ABCDE" else "ABCDF"
    for n in range(classroom.MOST_GUESSES_AN_ADDRESS):
        acts(f"eve {n}", HOME)
        with pytest.raises(BadInput, match="never built"):
            classroom.find(wrong)
    acts("eve once more", HOME)
    with pytest.raises(BadInput, match="wait a minute"):
        classroom.find(code)
    acts("ada", SCHOOL)
    assert classroom.find(code).code == code


def test_turns_are_one_a_visitor_and_at_an_address_all_but_one() -> None:
    turns = Turns(lambda: 3, "thing")
    with ExitStack() as busy:
        busy.enter_context(turns.taken(Visitor("a", "home")))
        with pytest.raises(BadInput, match="You have another thing, and one at a time is a visitor's"):
            turns.taken(Visitor("a", "school")).__enter__()
        busy.enter_context(turns.taken(Visitor("b", "home")))
        with pytest.raises(BadInput, match="Of all visitors together 3 have a thing"):
            turns.taken(Visitor("c", "home")).__enter__()
        busy.enter_context(turns.taken(Visitor("c", "school")))
        with pytest.raises(BadInput, match="Of all visitors together"):
            turns.taken(Visitor("d", "elsewhere")).__enter__()
    with ExitStack() as unknown:
        for _ in range(3):  # of the owner of the machine nothing is known
            unknown.enter_context(turns.taken(Visitor()))
    with turns.taken(Visitor("a", "home")):
        pass


def test_who_waits_for_a_turn_gets_it_or_goes_away() -> None:
    turns, gone = Turns(lambda: 1, "thing"), threading.Event()
    held = turns.taken(Visitor("a"))
    held.__enter__()
    threading.Timer(0.2, lambda: held.__exit__(None, None, None)).start()
    with turns.taken(Visitor("b"), patience=30.0):
        pass

    def stay() -> None:
        raise KeyboardInterrupt if gone.is_set() else SystemExit

    with turns.taken(Visitor("a")), pytest.raises(SystemExit):
        turns.taken(Visitor("b"), patience=30.0, stay=stay).__enter__()
    with turns.taken(Visitor("b")):  # it has left nothing behind
        pass


def test_a_visitor_has_one_file_decoded_at_a_time(acts: Acts) -> None:
    acts("eve", HOME)
    with apart._turns.taken(ownership.visitor()), pytest.raises(BadInput, match="You have another file that is being"):
        apart.call("picture", b"", what="The picture")
    with pytest.raises(BadInput, match="not a picture"):
        apart.call("picture", b"", what="The picture")


# Uploads --------------------------------------------------------------------------------------------------------------


async def put(app: Uploads, session: str, token: str = "", client: str = HOME) -> tuple[int, str]:
    """Send a file to Streamlit's address for them."""
    sent: list[dict[str, bytes | int]] = []

    async def send(message: dict[str, bytes | int]) -> None:
        sent.append(message)

    headers = [(b"cookie", f"{cookie.COOKIE}={token}".encode())] if token else []
    path = f"/_stcore/upload_file/{session}/{time.monotonic_ns()}"
    scope = {"type": "http", "method": "PUT", "path": path, "headers": headers, "client": (client, 1)}
    await app(scope, None, send)  # type: ignore[arg-type]
    return int(sent[0]["status"]), bytes(sent[1].get("body", b"")).decode() if len(sent) > 1 else ""


def test_uploads_on_their_way_are_counted(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_UPLOADS", "3")
    monkeypatch.setattr(st.runtime, "get_instance", lambda: SimpleNamespace(uploaded_file_mgr=None))
    release = asyncio.Event()

    async def slow(scope: object, receive: object, send: Callable[..., object]) -> None:
        await release.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[misc]

    async def trial() -> list[tuple[int, str]]:
        app, (a, b, c) = Uploads(slow), ("a" * 43, "b" * 43, "c" * 43)
        way = [asyncio.create_task(put(app, "1", a)), asyncio.create_task(put(app, "2", b))]
        await asyncio.sleep(0)
        refused = [await put(app, "1", a), await put(app, "3", c)]  # the same visitor, the same address
        way.append(asyncio.create_task(put(app, "4", c, SCHOOL)))
        await asyncio.sleep(0)
        refused.append(await put(app, "5", client="192.0.2.1"))
        release.set()
        assert [(await one)[0] for one in way] == [204, 204, 204]
        assert (await put(app, "1", a))[0] == 204
        return refused

    refused = asyncio.run(trial())
    assert [status for status, _ in refused] == [429, 429, 429]
    assert refused[0][1] == "You have another upload on its way, and one at a time is a visitor's: wait for it."
    assert all("Of all visitors together 3 have a" in said for _, said in refused[1:])


def test_a_session_keeps_its_last_uploads_alone(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = MemoryUploadedFileManager("/")
    monkeypatch.setattr(st.runtime, "get_instance", lambda: SimpleNamespace(uploaded_file_mgr=manager))

    async def app(scope: dict[str, str], receive: object, send: Callable[..., object]) -> None:
        _, session, file = scope["path"].rsplit("/", 2)
        manager.add_file(session, UploadedFileRec(file, file, "image/png", bytes(100)))
        await send({"type": "http.response.start", "status": 204, "headers": []})  # type: ignore[misc]

    middleware = Uploads(app)  # type: ignore[arg-type]
    for _ in range(20):
        assert asyncio.run(put(middleware, "one"))[0] == 204
        assert asyncio.run(put(middleware, "two"))[0] == 204
    assert {name: len(files) for name, files in manager.file_storage.items()} == {"one": KEPT, "two": KEPT}


# Taking home ----------------------------------------------------------------------------------------------------------


def test_of_what_is_taken_home_one_is_made_at_a_time(acts: Acts, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made when no page runs: for whom was known when the button was drawn."""
    monkeypatch.setattr(download, "PATIENCE", 0.0)
    drawn: list[Callable[[], bytes]] = []
    monkeypatch.setattr(st, "download_button", lambda label, data, *_, **__: drawn.append(data))

    def button(make: Callable[[], bytes]) -> Callable[[], bytes]:
        download._button("Everything, as a zip", SimpleNamespace(id="run"), "zip", make)  # type: ignore[arg-type]
        return drawn.pop()

    acts("ada", SCHOOL)
    honest = button(lambda: b"a zip")
    acts("eve", HOME)
    again = button(lambda: b"another zip")

    def slow() -> bytes:
        assert honest() == b"a zip"
        with pytest.raises(BadInput, match="You have another file to take home that is being made"):
            again()
        return b"the first"

    first = button(slow)
    monkeypatch.setattr(ownership, "_who", lambda: None)
    assert first() == b"the first"
    assert again() == b"another zip"

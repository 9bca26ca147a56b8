"""Whatever a websocket says to a running server, it goes on serving others, and no page shows a traceback or a path."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.fuzz import SEED, spoiled, times, word

ROOT = Path(__file__).resolve().parents[1]
TIMES = times(150)
PAGES = ("", "data", "runs", "compare", "wall", "checkpoints")
MEMORY = 300e6  # bytes by which the server may grow
PATIENCE = 120.0
LONG = 52_000_000  # bytes: more than a message may have
FLAGS = ("clear_cache", "stop_script", "load_git_info", "app_heartbeat", "set_run_on_save")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
INSIDE = ("Traceback", str(ROOT), "site-packages", ".py")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int, Path]]:
    """A shared host without workers that train: its port, its process, its folder."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--server.headless=true", "--server.fileWatcherType=none", "--browser.gatherUsageStats=false"]
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}", *options]
    ours = {"GENMODELS_RUNS": str(folder / "runs"), "GENMODELS_SHARED": "1", "GENMODELS_WORKERS": "1"}
    ours |= {"HOME": str(folder), "GENMODELS_MIN_FREE_MB": "0", "HF_ENDPOINT": "http://127.0.0.1:9"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | ours, stdout=log, stderr=log, start_new_session=True
        )
    try:
        end = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5)
                break
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail((folder / "log").read_text())
            time.sleep(0.1)
        yield f"ws://127.0.0.1:{port}/_stcore/stream", process.pid, folder
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def opened(url: str) -> ClientConnection:
    return connect(url, subprotocols=[Subprotocol("streamlit")], max_size=None, open_timeout=PATIENCE, close_timeout=1)


def shown(link: ClientConnection, seconds: float = PATIENCE) -> list[Any]:
    """The elements of a run of the script, up to its end."""
    found, end = [], time.monotonic() + seconds
    while True:
        message = ForwardMsg.FromString(bytes(link.recv(timeout=max(0.1, end - time.monotonic()))))
        if message.WhichOneof("type") == "delta" and message.delta.WhichOneof("type") == "new_element":
            found.append(message.delta.new_element)
        if message.WhichOneof("type") == "script_finished":
            return found


def page(name: str = "") -> BackMsg:
    message = BackMsg()
    message.rerun_script.page_name = name
    return message


def widgets(elements: list[Any]) -> list[str]:
    """The names of the widgets among them."""
    names = (getattr(getattr(one, one.WhichOneof("type")), "id", "") for one in elements)
    return [name for name in names if isinstance(name, str) and name]


def forged(dice: random.Random, known: list[str]) -> bytes:
    """A message that no browser sends."""
    message = page(dice.choice([*PAGES, word(dice).replace("\0", "")]))
    ask = message.rerun_script
    kind = dice.randrange(8)
    if kind == 0:
        return spoiled(dice, message.SerializeToString())
    if kind == 1:
        return dice.randbytes(dice.choice((0, 1, 9, 5000)))
    if kind == 2:
        message = BackMsg()
        flag = dice.choice([*FLAGS, "debug_disconnect_websocket", "debug_shutdown_runtime", "deferred", "skills"])
        if flag == "deferred":
            message.backend_operation_request.deferred_file.file_id = word(dice)
        elif flag == "skills":
            message.backend_operation_request.install_skills.SetInParent()
        else:
            setattr(message, flag, True)
        return message.SerializeToString()
    if kind == 3:
        ask.fragment_id, ask.is_auto_rerun = word(dice).encode(errors="replace").decode(), dice.random() < 0.5
        ask.page_script_hash = dice.choice(["", "0" * 32, "x"])
    if kind == 4:
        ask.query_string = f"run={word(dice)}&view={word(dice)}&page={word(dice)}".encode(errors="replace").decode()
    for _ in range(dice.randint(1, 5)):
        state = ask.widget_states.widgets.add()
        state.id = dice.choice([*known, "$$ID-0-none", "", "x" * 300]) if known else "x"
        text = word(dice)
        match dice.randrange(9):
            case 0:
                state.string_value = text
            case 1:
                state.int_value = dice.choice([0, -1, 2**62, 10**6])
            case 2:
                state.double_value = dice.choice([0.0, float("nan"), float("inf"), 1e308])
            case 3:
                state.trigger_value = True
            case 4:
                state.bool_value = True
            case 5:
                state.json_value = dice.choice(
                    ["{", "null", "[]", "{}", '{"grey": 7}', "[" * 5000, json.dumps({"value": text})]
                )
            case 6:
                state.double_array_value.data.extend(dice.choice([[], [float("nan")] * 3, [1.0] * 5000]))
            case 7:
                state.string_array_value.data.extend([text] * dice.choice((0, 1, 500)))
            case 8:
                state.bytes_value = dice.randbytes(100)
    return message.SerializeToString()


def health(url: str) -> str:
    """What the server says of itself: all is well, or, where other programs take the processors, workers are slow."""
    at = url.replace("ws", "http").replace("/_stcore/stream", "/healthz")
    try:
        answer = urllib.request.urlopen(at, timeout=PATIENCE)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        return str(json.loads(answer.read())["status"])


def memory(process: int) -> float:
    """Resident bytes."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return 1024 * float(next(line for line in lines if line.startswith("VmRSS")).split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")
@pytest.mark.timeout(max(300, 2 * TIMES))
def test_no_message_is_too_strange(server: tuple[str, int, Path]) -> None:
    """The errors that Streamlit itself shows of a value of the wrong kind name their kind alone."""
    url, process, folder = server
    dice = random.Random(SEED)
    known: list[str] = []
    for name in PAGES:  # everything is imported, and all widgets are known
        with closing(opened(url)) as link:
            link.send(page(name).SerializeToString())
            known += widgets(shown(link))
    assert len(known) > 10
    before, link = memory(process), opened(url)
    for n in range(TIMES):
        what = f"GENMODELS_FUZZ_SEED={SEED}, message {n}"
        content = bytes(LONG) if n == TIMES // 2 else forged(dice, known)
        try:
            link.send(content)
            if n % 5 == 0:
                for one in shown(link):
                    if one.WhichOneof("type") == "exception":
                        said = one.exception.message + "".join(one.exception.stack_trace)
                        assert not any(word in said for word in INSIDE), f"{what}: {said}"
        except (ConnectionClosed, TimeoutError):
            pass
        if n % 5 == 0:
            link.close()
            link = opened(url)
        if n % 50 == 0:
            with closing(opened(url)) as honest:
                honest.send(page().SerializeToString())
                heads = [one.heading.body for one in shown(honest) if one.WhichOneof("type") == "heading"]
                assert heads, what
    link.close()
    assert "too busy" in (said := health(url)) or said == "ok"
    assert memory(process) - before < MEMORY
    assert {path.name for path in folder.iterdir()} <= {"runs", "log", ".streamlit", ".cache"}

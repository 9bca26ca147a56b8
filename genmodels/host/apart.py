"""What strangers send is decoded in a process of its own, with little memory and time, that can be killed.

A decoder's work is not bounded by the bytes it is given, and a library's loop cannot be interrupted: a process can.
The server writes the bytes to ``python -m genmodels.host.apart NAME``, which bounds itself before it reads them,
answers with one line of JSON and bytes, and is killed where it takes too long or whoever asked has gone. It never
imports torch: it starts in a twentieth of a second.
"""

import contextlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genmodels.errors import BadInput
from genmodels.host import ownership
from genmodels.host.turns import Turns

__all__ = ["DOES", "Bounds", "call"]

DOES = {
    "picture": "genmodels.data.decoding:picture",
    "samples": "genmodels.data.decoding:samples",
    "weights": "genmodels.data.decoding:weights",
}
"""What can be asked: a function of the bytes and of JSON arguments, that returns JSON and bytes."""

MOST_ANSWER = 4_000_000  # bytes
LOOK = 0.05  # seconds between two looks at whether it has been answered, or nobody waits any more
AT_ONCE = 2  # processes
PATIENCE = 20.0  # seconds for which one more waits for its turn
_turns = Turns(lambda: AT_ONCE, "file that is being read")


@dataclass(frozen=True)
class Bounds:
    """The limits of a process: seconds of a processor, seconds on the clock, bytes of memory that are its own."""

    cpu: int = 2
    seconds: float = 15.0
    memory: int = 120_000_000


def call(
    name: str,
    content: bytes = b"",
    *,
    what: str,
    bounds: Bounds = Bounds(),
    stay: Callable[[], object] = lambda: None,
    **arguments: Any,
) -> tuple[dict[str, Any], bytes]:
    """The answer of the function ``name`` of ``DOES`` to ``content`` and ``arguments``.

    Args:
        name: Which.
        content: What a stranger sent.
        what: What that is, to begin a sentence with: "The picture".
        bounds: What it may take.
        stay: Called again and again while it works; what it raises ends it.
        arguments: More, JSON.

    Raises:
        BadInput: If the function refuses it, it takes more than ``bounds``, the visitor has another that is read, or
            too many others are asked.
    """
    command = [sys.executable, "-m", "genmodels.host.apart", name, str(bounds.cpu), str(bounds.memory)]
    question = json.dumps(arguments).encode() + b"\n" + content
    with _turns.taken(ownership.visitor(), PATIENCE, stay), tempfile.TemporaryFile() as answer:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=answer,
            stderr=subprocess.DEVNULL,
            env={k: v for k, v in os.environ.items() if k in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")},
            cwd=Path(__file__).parents[2],
        )
        try:
            _wait(process, question, bounds.seconds, stay)
        finally:  # whatever happened, nothing of it goes on
            process.kill()
            process.wait()
        answer.seek(0)
        said, _, body = answer.read().partition(b"\n")
    if process.returncode != 0:
        raise BadInput(f"{what} takes more time or memory to read than this host gives it: make it smaller.")
    told = json.loads(said)
    if "wrong" in told:
        raise BadInput(told["wrong"])
    return told, body


def _wait(process: subprocess.Popen[bytes], question: bytes, seconds: float, stay: Callable[[], object]) -> None:
    """Until it has ended, or has had its time."""
    writer = threading.Thread(target=_give, args=(process, question), daemon=True)
    writer.start()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stay()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LOOK)
            return


def _give(process: subprocess.Popen[bytes], question: bytes) -> None:
    """All of the question; a process that has ended takes no more."""
    assert process.stdin
    with contextlib.suppress(BrokenPipeError, ValueError), process.stdin:
        process.stdin.write(question)


# In the process of its own ----------------------------------------------------------------------------------------


def bound(cpu: int, memory: int) -> None:
    """From now on this process has so many seconds of a processor and bytes, writes a short answer, no other file.

    Linux holds all of it; macOS has no bound of this kind on memory, Windows none at all: there time alone is bounded.
    """
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("900")  # it goes before anything else does
    with contextlib.suppress(ImportError):
        import resource

        os.nice(2)  # the server answers first
        for which, most in (
            (resource.RLIMIT_CPU, cpu),
            (resource.RLIMIT_DATA, memory),
            (resource.RLIMIT_FSIZE, MOST_ANSWER),
            (resource.RLIMIT_CORE, 0),
        ):
            resource.setrlimit(which, (most, most))


def main() -> int:
    """Answer one question: from stdin, to stdout."""
    name, cpu, memory = sys.argv[1:]
    bound(int(cpu), int(memory))
    module, function = DOES[name].split(":")
    does = getattr(importlib.import_module(module), function)
    arguments = json.loads(sys.stdin.buffer.readline())
    try:
        told, body = does(sys.stdin.buffer.read(), **arguments)
    except BadInput as error:
        told, body = {"wrong": str(error)}, b""
    except MemoryError:
        return 1
    sys.stdout.buffer.write(json.dumps(told).encode() + b"\n" + body)
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())

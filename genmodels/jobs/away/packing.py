"""Folders of runs and computations on their way to another computer and back: packed, checked, kept in the right order.

A pack is a zip without compression (weights do not shrink). What comes back is believed as little as anything from
outside: only files that a worker writes, under their names, of a size that they may have, and a state that is one.
Everything else in them is checked by whoever reads them, as always: nothing is unpickled.
"""

import inspect
import json
import os
import re
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genmodels.errors import BadInput, Damaged
from genmodels.files import inside, make, write
from genmodels.runs.folder import EXACT
from genmodels.runs.record import State
from genmodels.text import quoted

if TYPE_CHECKING:
    from genmodels.runs.run import Run

__all__ = ["ANSWER", "MEASURED", "RUN", "changes", "contents", "keep", "needs", "packed", "put", "times", "unpacked"]

LETTER = "letter.json"
"""The file of a pack that says what is to be done with the others."""

RUN = re.compile(
    r"state\.json|metrics\.jsonl|config\.json|model\.safetensors|samples\.npy|trainer\.safetensors|error\.log"
    r"|snapshots/(0|[1-9][0-9]{0,14})/(config\.json|model\.safetensors|samples\.npy)"
)
"""What a worker writes in a run's folder: the plan and what people want of the run are not among it."""

ANSWER = re.compile(r"state\.json|answer\.npz")
"""What a worker writes in the folder of a computation."""

MEASURED = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
"""What measuring writes in its folder."""

MOST_FILES, MOST_BYTES = 20_000, 8 << 30
ORDER = ("snapshots/", "metrics.jsonl", "config.json", "model.safetensors", "samples.npy", "answer.npz", EXACT)

Files = dict[str, bytes]
Stamp = tuple[int, int, int]


def packed(files: Mapping[str, bytes], letter: Any) -> bytes:
    """``files`` by name, and the letter (JSON), as one pack."""
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as pack:
        for name, content in {**files, LETTER: json.dumps(letter).encode()}.items():
            pack.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def unpacked(content: bytes) -> tuple[Files, dict[str, Any]]:
    """The files of a pack by name, which nobody has checked yet, and its letter.

    Raises:
        Damaged: If it is no pack, or more than one may be.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as pack:
            entries = pack.infolist()
            is_large = len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES
            is_plain = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
            files = {entry.filename: pack.read(entry) for entry in entries if is_plain and not is_large}
        letter = json.loads(files.pop(LETTER)) if files else {}
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, RecursionError):
        is_plain = False
    if not is_plain or not isinstance(letter, dict) or not isinstance(letter.get("ended", []), list):
        raise Damaged("What came back is not packed as it should be.")
    if is_large:
        raise Damaged("What came back is more than a run has.")
    return files, letter


def contents(folder: Path, wanted: Callable[[str], bool] = lambda name: True) -> Files:
    """The files of a folder that are wanted, by their path in it; never links, and hidden ones."""
    files = Files()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        is_seen = path.is_file() and not path.is_symlink() and not any(part[0] == "." for part in name.parts)
        if is_seen and wanted(str(name)):
            files[str(name)] = path.read_bytes()
    return files


def needs(question: Mapping[str, Any], run: "Run") -> Callable[[str], bool]:
    """Which files of a run, by their path in its folder, a computation must have that is about it.

    Those of one moment, or all where it looks at many; never what a training goes on from.

    Raises:
        BadInput: If there is no such computation.
    """
    from genmodels.jobs.tasks import function_of  # with which torch comes: a worker that starts need not wait for it

    takes, past = inspect.signature(function_of(question["task"])).parameters, ""
    with suppress(BadInput):  # whoever computes it says that there is no such moment
        past = str(run.folder(question["arguments"].get("step")).relative_to(run.path)) + "/"
    return lambda file: file != EXACT and ("run" in takes or "/" not in file or file.startswith(past))


def changes(folder: Path, seen: dict[str, Stamp], kind: re.Pattern[str]) -> Files:
    """The files of ``kind`` that are new or other than last time; ``seen`` remembers them."""
    files = Files()
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if kind.fullmatch(name) and path.is_file():
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)  # each write is another file, but to a curve
            if seen.get(name) != stamp:
                seen[name], files[name] = stamp, path.read_bytes()
    return files


def keep(folder: Path, files: Mapping[str, bytes], kind: re.Pattern[str], *, durable: bool = False) -> None:
    """Write what came back into ``folder``: what a training goes on from is late, the state last.

    Args:
        folder: Of a run, or of a computation.
        files: By their path in it.
        kind: What may be among them.
        durable: Whether all of it must outlive a loss of power; what a training goes on from always does.

    Raises:
        Damaged: If one of them may not be there, or the state is none; nothing is written then.
    """
    for name in files:
        if not kind.fullmatch(name):
            raise Damaged(f"{quoted(name)} came back, which no worker writes.")
    if kind is RUN and State.FILE in files:
        try:
            State.of(json.loads(files[State.FILE]), folder / State.FILE)
        except (ValueError, RecursionError):
            raise Damaged(f"{State.FILE} of {folder.name} came back damaged.") from None
    for name in sorted(files, key=_rank):
        write(folder / name, files[name], durable=durable or EXACT in files or name.startswith("snapshots/"))


def put(folder: Path, files: Mapping[str, bytes], times: Mapping[str, int]) -> None:
    """Write what was sent into ``folder``, with the times of change that it had (which tell weights apart)."""
    for name, content in files.items():
        path = folder
        for part in name.split("/"):
            path = inside(path, part)
        make(path.parent, durable=False)
        write(path, content, durable=False)
        if type(when := times.get(name)) is int:
            os.utime(path, ns=(when, when))


def times(folder: Path, files: Mapping[str, bytes]) -> dict[str, int]:
    """When each of ``files`` in ``folder`` was changed, as :func:`put` takes it."""
    return {name: (folder / name).stat().st_mtime_ns for name in files}


def _rank(name: str) -> int:
    return next((i for i, start in enumerate(ORDER) if name.startswith(start)), len(ORDER))

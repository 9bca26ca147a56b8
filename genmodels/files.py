"""Files that a reader never sees half written, and names that never leave their folder.

What is *durable* outlives a loss of power, too: the file's content is on the disk before its name is, and its name
before anything that relies on it. Everything that the library keeps is written by the few functions here.

Locks are those of the system (flock), by hand: the FileLock of filelock, which comes with torch, is an exclusive one
alone, and a reader that asks whether somebody writes must not be taken for a writer.
"""

import errno
import fcntl
import functools
import hashlib
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genmodels.errors import BadInput, Damaged
from genmodels.text import quoted

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = [
    "BUNDLE",
    "CHECKPOINTS",
    "FULL",
    "append",
    "by_age",
    "cache",
    "code",
    "held",
    "inside",
    "is_held",
    "make",
    "read_array",
    "read_json",
    "remove",
    "root",
    "sync",
    "tidy",
    "write",
    "write_json",
    "written",
]

FULL = (errno.ENOSPC, errno.EDQUOT)
LOCK = ".lock"
TRASH = ".trash"  # a folder goes there at once, and from there in its time
SMALL, SETTLED = 1 << 16, 50_000_000  # bytes of a text that is kept; nanoseconds after which its stamp tells a change


def _bundle() -> Path:
    package = Path(__file__).resolve().parent
    return package / "bundle" if (package / "bundle").is_dir() else package.parent


BUNDLE = _bundle()
"""What ships beside the library: app.py, pages/, checkpoints/. In a checkout its top; in a package, a folder of it."""
CHECKPOINTS = BUNDLE / "checkpoints"


def sync(path: Path) -> None:
    """Wait until the disk has a file's content, or a folder's list of names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make(folder: Path, *, durable: bool = True) -> None:
    """Make a folder, and those that it lies in, where they are not there."""
    new = [one for one in (folder, *folder.parents) if not one.exists()] if durable else []
    folder.mkdir(parents=True, exist_ok=True)
    for one in new:
        sync(one.parent)


def write(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write ``content`` to ``path`` atomically: temporary file, rename; where it must be ``durable``, each synced."""
    make(path.parent, durable=durable)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Turn a refusal of the disk, in what is written within, into one sentence for people.

    Raises:
        BadInput: With the system's reason.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise BadInput("The disk is full: make room, then try again.") from None
        place = quoted(str(path))
        raise BadInput(f"{place} cannot be written ({error.strerror or error}): choose a folder that can.") from None


def append(path: Path, content: bytes) -> None:
    """Add to the end of ``path``; a process that is killed meanwhile leaves a part of it."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def remove(folder: Path) -> None:
    """Remove a folder: its name is gone at once, whoever reads in it; then everything that it held.

    Raises:
        FileNotFoundError: If it is not there.
        BlockingIOError: If a process holds it.
    """
    trash = folder.parent / TRASH
    with held(folder):
        trash.mkdir(exist_ok=True)
        folder.rename(trash / f"{folder.name}-{secrets.token_hex(4)}")
        sync(trash)
        sync(folder.parent)  # now: a run whose name comes back after a loss of power is a whole one
    for gone in trash.iterdir():  # also what a process that was killed has left
        shutil.rmtree(gone, ignore_errors=True)


def tidy(folder: Path, *, older: float = 60.0) -> None:
    """Remove what writers that were killed, more than so many seconds ago, have left half written in ``folder``."""
    for path in folder.glob(".*.????????"):
        try:
            if time.time() - path.stat().st_mtime > older:
                path.unlink()
        except OSError:
            continue


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write ``value`` as JSON, atomically."""
    write(path, (json.dumps(value, indent=2) + "\n").encode(), durable=durable)


def read_json(path: Path) -> Any:
    """The JSON in ``path``.

    Raises:
        BadInput: If it is missing.
        Damaged: If it cannot be read, or is not JSON.
    """
    try:
        return json.loads(_text(path))
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"{path} does not exist.") from None
    except OSError as error:
        raise Damaged(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):  # no text, no JSON, a number of too many digits, or too deep
        raise Damaged(f"{path} is not JSON.") from None


def _text(path: Path) -> str:
    """The text in a file, read once a change for all who look: every opening of a file hands Python's lock on.

    A clock of some milliseconds stamps the files, so what has just been written may change again under the same stamp,
    and is not kept.
    """
    status = os.stat(path)
    if status.st_size > SMALL or time.time_ns() - status.st_mtime_ns < SETTLED:
        return path.read_text()
    return _kept(str(path), status.st_ino, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=512)
def _kept(path: str, *stamp: int) -> str:
    return Path(path).read_text()


def read_array(path: Path) -> "npt.NDArray[Any]":
    """The array in the .npy file ``path``; never objects, which would have to be unpickled.

    Raises:
        BadInput: If it is missing.
        Damaged: If it cannot be read, or is no such file.
    """
    import numpy as np

    try:
        with path.open("rb") as file:
            return np.lib.format.read_array(file)  # pickles are refused
    except (FileNotFoundError, NotADirectoryError):
        raise BadInput(f"{path} does not exist.") from None
    except Exception as error:  # its head is parsed as Python: that fails in many ways
        raise Damaged(f"{path} is not a readable .npy file ({type(error).__name__}).") from None


def by_age(paths: Iterable[Path]) -> list[Path]:
    """Sort ``paths`` by when they were last written, the oldest first, without those that are removed meanwhile."""
    times: dict[Path, float] = {}
    for path in paths:
        with suppress(OSError):
            times[path] = path.stat().st_mtime
    return sorted(times, key=times.__getitem__)


@functools.cache
def code() -> str:
    """The SHA-256 of the library's source, as it was when this process first asked; other code gives other answers."""
    package, digest = Path(__file__).resolve().parent, hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def cache() -> Path:
    """The folder of the user's cache that is ours: ``$XDG_CACHE_HOME/genmodels``, or ``~/.cache/genmodels``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "genmodels"


def root() -> Path:
    """The folder of all runs: ``$GENMODELS_RUNS``, or ``runs`` where the program was started."""
    return _resolved(os.environ.get("GENMODELS_RUNS") or "runs", os.getcwd())


@functools.lru_cache(maxsize=64)
def _resolved(name: str, where: str) -> Path:
    """A page asks for it a hundred times, and each link on the way to it is a call of the system."""
    return Path(where, os.path.expanduser(name)).resolve()


def inside(folder: Path, name: str) -> Path:
    """The path of ``name`` directly inside ``folder``.

    Raises:
        BadInput: If ``name`` is anything but a plain file name (letters, digits, ".", "_", "-", not starting with ".").
    """
    plain = 0 < len(name) <= 100 and name[0] != "." and all(c.isascii() and (c.isalnum() or c in "._-") for c in name)
    if not plain:
        raise BadInput(f"{quoted(name)} is not a name: use letters, digits, dots, dashes and underscores, 100 at most.")
    return folder / name


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Be the one process that writes in ``folder``; the system lets go of it however the process ends.

    Raises:
        BlockingIOError: If another process holds it.
        FileNotFoundError: If it is not there, or is just being removed.
    """
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        for wait in (0.01, 0.02, 0.04, None):  # a reader holds it for an instant to see whether it is free
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if wait is None:
                    raise
                time.sleep(wait)
        if not os.path.samestat(os.fstat(handle), os.stat(folder / LOCK)):
            raise FileNotFoundError(errno.ENOENT, "It was removed meanwhile", str(folder))
        yield
    finally:
        os.close(handle)


def is_held(folder: Path) -> bool:
    """Whether some process holds ``folder``; nothing is written for that.

    A reader's lock is a shared one, so that two readers do not take each other for a writer.
    """
    try:
        handle = os.open(folder / LOCK, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):  # nobody ever held it, or it is gone
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False

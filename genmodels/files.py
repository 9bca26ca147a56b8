"""Files that a reader never sees half written, and names that never leave their folder."""

import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from genmodels.errors import BadInput
from genmodels.text import quoted

__all__ = ["held", "inside", "is_held", "read_json", "root", "write", "write_json"]


def write(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write ``content`` to ``path`` atomically: temporary file, fsync (where it must be ``durable``), rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
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


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write ``value`` as JSON, atomically."""
    write(path, (json.dumps(value, indent=2) + "\n").encode(), durable=durable)


def read_json(path: Path) -> Any:
    """The JSON in ``path``.

    Raises:
        BadInput: If it is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise BadInput(f"{path} does not exist.") from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise BadInput(f"{path} is not JSON.") from None


def root() -> Path:
    """The folder of all runs: ``$GENMODELS_RUNS``, or ``runs`` where the program was started."""
    return Path(os.environ.get("GENMODELS_RUNS", "runs")).resolve()


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
    """
    with (folder / ".lock").open("w") as file:
        for wait in (0.01, 0.02, 0.04, None):  # a reader holds it for an instant to see whether it is free
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if wait is None:
                    raise
                time.sleep(wait)
        yield


def is_held(folder: Path) -> bool:
    """Whether some process holds ``folder``."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False

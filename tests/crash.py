"""A disk that remembers: what a library did to its files, and what any crash in the middle of it would have left.

After Pillai et al. (2014), "All File Systems Are Not Created Equal" (ALICE), and SQLite's own crash tests. The model is
as unkind as POSIX allows: a file that was not synced may be empty, cut off or whole; a name, a rename or a removal that
was not synced with its folder may have happened or not, folder by folder.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from genmodels import files
from genmodels.runs import recorder

Operation = tuple[str, Path, object]


@dataclass
class Node:
    """A file (with content) or a folder (with names), as it is now and as it is on the disk for sure."""

    content: bytes | None = None
    synced: bytes | None = None
    names: dict[str, "Node"] = field(default_factory=dict)
    kept: dict[str, "Node"] = field(default_factory=dict)


@contextmanager
def recorded(monkeypatch: pytest.MonkeyPatch, root: Path) -> Iterator[list[Operation]]:
    """The operations below ``root``, in their order: write, sync, rename, mkdir, remove."""
    done: list[Operation] = []
    true = {name: getattr(os, name) for name in ("replace", "rename", "fsync", "mkdir", "unlink", "rmdir")}
    append = files.append

    def full(path: object, folder: int | None = None) -> Path:
        base = Path(os.readlink(f"/proc/self/fd/{folder}")) if folder is not None else Path.cwd()
        return base / os.fsdecode(path)  # type: ignore[arg-type]

    def note(kind: str, path: Path, what: object = None) -> None:
        if path.is_relative_to(root):
            done.append((kind, path.relative_to(root), what))

    def fsync(handle: int) -> None:
        true["fsync"](handle)
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if path.is_file():
            note("write", path, path.read_bytes())
        note("sync", path)

    def move(source: object, target: object) -> None:
        path = full(source)
        if path.is_file():
            note("write", path, path.read_bytes())
        true["rename"](source, target)
        note("rename", path, full(target).relative_to(root))

    def mkdir(path: object, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        true["mkdir"](path, mode, dir_fd=dir_fd)
        note("mkdir", full(path, dir_fd))

    def gone(name: str) -> Callable[..., None]:
        def remove(path: object, *, dir_fd: int | None = None) -> None:
            place = full(path, dir_fd)
            true[name](path, dir_fd=dir_fd)
            note("remove", place)

        return remove

    def add(path: Path, content: bytes) -> None:
        append(path, content)
        note("write", path, path.read_bytes())

    with monkeypatch.context() as patch:
        for name, fake in (("fsync", fsync), ("replace", move), ("rename", move), ("mkdir", mkdir)):
            patch.setattr(os, name, fake)
        patch.setattr(os, "unlink", gone("unlink"))
        patch.setattr(os, "rmdir", gone("rmdir"))
        patch.setattr(files, "append", add)
        patch.setattr(recorder, "append", add)
        yield done


def played(operations: list[Operation], start: Node | None = None) -> Node:
    """The disk after these operations."""
    root = start or Node()
    for kind, path, what in operations:
        folder, name = _folder(root, path.parent), path.name
        if kind == "write":
            node = folder.names.setdefault(name, Node())
            assert isinstance(what, bytes)
            node.content = what
        elif kind == "mkdir":
            folder.names[name] = Node()
        elif kind == "rename":
            assert isinstance(what, Path)
            _folder(root, what.parent).names[what.name] = folder.names.pop(name)
        elif kind == "remove":
            folder.names.pop(name, None)
        else:
            node = folder.names[name] if name else root
            node.synced, node.kept = node.content, dict(node.names)
    return root


def _folder(root: Node, path: Path) -> Node:
    for name in path.parts:
        root = root.names.setdefault(name, Node())
    return root


def killed(node: Node, target: Path) -> None:
    """What is there after the process was killed: everything that it did."""
    left(node, target, names=lambda node: node.names, content=lambda node: node.content or b"")


def lost(node: Node, target: Path, *, dice: random.Random | None = None) -> None:
    """What is there after a loss of power: nothing that was not synced, or by the dice some of it."""

    def names(node: Node) -> dict[str, Node]:
        return node.kept if dice is None else dice.choice([node.kept, node.names])

    def content(node: Node) -> bytes:
        now = node.content or b""
        if node.synced == now:
            return now
        old = node.synced or b""
        return old if dice is None else dice.choice([old, now, now[: max(len(old), len(now) // 2)]])

    left(node, target, names=names, content=content)


def left(
    node: Node, target: Path, *, names: Callable[[Node], dict[str, Node]], content: Callable[[Node], bytes]
) -> None:
    """Write what a crash has left into the folder ``target``."""
    target.mkdir(parents=True, exist_ok=True)
    for name, child in names(node).items():
        if child.content is None:
            left(child, target / name, names=names, content=content)
        else:
            (target / name).write_bytes(content(child))

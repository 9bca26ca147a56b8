"""What a run says of itself: its plan (run.json) and its state (state.json), read and written here alone.

A run may have been written by an older version, a newer one or a process that was cut off. What an older one did not
know has a default; what a newer one knows beside is kept as it is; anything else raises :class:`Damaged`, which names
the file and the key. Without torch: lists and first pages need it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Self

from genmodels.errors import Damaged
from genmodels.files import read_json, write_json
from genmodels.text import quoted

__all__ = ["CLOCK", "MOST", "Origin", "Parent", "Plan", "Record", "State", "Status"]

CLOCK = ("step", "epoch", "images", "seconds")
"""What a line of metrics.jsonl holds beside the terms: how far the training was."""

MOST = 2**53  # whole numbers up to it are exact in every reader of JSON


class Status(StrEnum):
    """The state of a run or of a computation."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    CANCELLED = "cancelled"  # of a computation: nobody wants it any more

    @property
    def is_going(self) -> bool:
        """Whether a run waits for a worker or is in the hands of one."""
        return self in (Status.QUEUED, Status.RUNNING, Status.PAUSED)

    @property
    def is_well(self) -> bool:
        """Whether it is done, or on its way."""
        return self.is_going or self is Status.FINISHED

    @property
    def is_held(self) -> bool:
        """Whether a run says that a process works on it."""
        return self in (Status.RUNNING, Status.PAUSED)


@dataclass(frozen=True, kw_only=True)
class Parent:
    """The run and snapshot that a fork goes on from.

    Attributes:
        run: The parent's name.
        step: The parent's snapshot from which the run goes on.
    """

    run: str
    step: int


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The source of a run that was not made here.

    Attributes:
        name: ``hf://owner/repo[/subfolder]``, or the name of a folder.
        commit: Of the repository, or the SHA-256 of the weights.
    """

    name: str
    commit: str


@dataclass(frozen=True, kw_only=True)
class Record:
    """A JSON object with declared keys in a file of its own; each field of a subclass is a key."""

    FILE: ClassVar[str]
    KEYS: ClassVar[Mapping[str, str]] = {}  # keys that have another name than their field

    more: dict[str, Any] = field(default_factory=dict)  # what a newer version wrote beside, kept as it is

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The record in ``folder``.

        Raises:
            BadInput: If the file is not there.
            Damaged: If it is not what it should be.
        """
        return cls.of(read_json(folder / cls.FILE), folder / cls.FILE)

    @classmethod
    def of(cls, raw: Any, path: Path) -> Self:
        """The record that the JSON value ``raw`` of the file ``path`` is.

        Raises:
            Damaged: If it is none.
        """
        return _checked(cls, raw, path)

    def write(self, folder: Path, *, durable: bool = True) -> None:
        """Write it into ``folder``, atomically."""
        write_json(folder / self.FILE, self.json(), durable=durable)

    def json(self) -> dict[str, Any]:
        """The record as a JSON object."""
        values = {self.KEYS.get(one.name, one.name): getattr(self, one.name) for one in fields(self)}
        return values.pop("more") | {key: _plain(value) for key, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Plan(Record):
    """run.json: what was asked for. Only the title may change.

    Attributes:
        title: A name for people.
        model: A name of MODELS.
        arguments: The model's hyperparameters, all of them.
        data: A name of DATASETS.
        data_arguments: What the data set needs to be made again.
        settings: How to train: the fields of :class:`genmodels.training.settings.Settings`.
        device: Where to train; "auto" is the GPU where there is one.
        heavy: Whether it is an image network, of which a worker moves few at once.
        parent: What it is a fork of.
        origin: Where it comes from, if it was not made here.
        created: Seconds since 1970.
        versions: Of genmodels, torch and python that made it.
    """

    FILE = "run.json"

    title: str = "untitled"
    model: str
    arguments: dict[str, Any] = field(default_factory=dict)
    data: str
    data_arguments: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    device: str = "auto"
    heavy: bool = False
    parent: Parent | None = None
    origin: Origin | None = None
    created: float = 0.0
    versions: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class State(Record):
    """state.json: how far a run is, and what happened to it.

    Attributes:
        status: What it is doing.
        step: Training steps that were taken.
        total: Steps at its end; 0 before they are known.
        epoch: Passes over the training set.
        seconds: Of training so far.
        message: What happened, a sentence for people.
        deaths: Workers that died with it in their hands.
        pid: The process that trains it, or last did.
        started: When that began to, seconds since 1970.
        heartbeat: When this was written, seconds since 1970.
        precision: The number format of its networks, as "auto" came out where it began; "" before it has.
    """

    FILE = "state.json"
    KEYS: ClassVar[Mapping[str, str]] = {"status": "state"}

    status: Status
    step: int = 0
    total: int = 0
    epoch: float = 0.0
    seconds: float = 0.0
    message: str = ""
    deaths: int = 0
    pid: int | None = None
    started: float = 0.0
    heartbeat: float = 0.0
    precision: str = ""

    @property
    def progress(self) -> float:
        """How much of the training is done, 0 to 1; 0 where the total is not known."""
        return min(1.0, self.step / self.total) if self.total else 0.0


def _plain(value: Any) -> Any:
    return asdict(value) if isinstance(value, Parent | Origin) else value


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= MOST


def _is_number(value: Any) -> bool:
    return _is_count(value) or (type(value) is float and math.isfinite(value) and value >= 0)


KINDS: Mapping[Any, tuple[str, Callable[[Any], bool]]] = {
    str: ("a text", lambda value: type(value) is str),
    bool: ("true or false", lambda value: type(value) is bool),
    int: ("a whole number from 0 up", _is_count),
    int | None: ("a whole number from 0 up", _is_count),
    float: ("a number from 0 up", _is_number),
    dict[str, Any]: ("an object", lambda value: type(value) is dict),
    Status: (f"one of {', '.join(Status)}", lambda value: type(value) is str and value in set(Status)),
}
"""The types of fields that are one value of JSON: in words, and what fits."""

PARTS: Mapping[Any, Any] = {Parent | None: Parent, Origin | None: Origin}
"""The types of fields that are an object with fields of its own."""


def _checked(cls: Any, raw: Any, path: Path) -> Any:
    """The JSON value ``raw`` as the dataclass ``cls``; null is as good as missing."""
    if type(raw) is not dict:
        raise Damaged(f"{path} is damaged: it holds no object where one should be.")
    keys: Mapping[str, str] = getattr(cls, "KEYS", {})
    values, rest = {}, dict(raw)
    for one in fields(cls):
        key = keys.get(one.name, one.name)
        if one.name == "more":
            continue
        if (value := rest.pop(key, None)) is not None:
            values[one.name] = _value(one.type, key, value, path)
        elif one.default is MISSING and one.default_factory is MISSING:
            raise Damaged(f"{path} is damaged: it has no {key}.")
    return cls(**values, more=rest) if issubclass(cls, Record) else cls(**values)


def _value(kind: Any, key: str, value: Any, path: Path) -> Any:
    if kind in PARTS:
        return _checked(PARTS[kind], value, path)
    words, fits = KINDS[kind]
    if not fits(value):
        raise Damaged(f"{path} is damaged: {key} = {quoted(value)} is not {words}.")
    return Status(value) if kind is Status else value

"""Walls: in a class, those who have a wall's code see each other's runs beside each other.

A wall is a folder ``runs/.walls/<code>/`` with one file, which names the runs on it, by whom and when. "Whom" is a
nickname, and nothing else is kept about people. A wall comes down after ``GENMODELS_WALL_HOURS``; its runs stay.
"""

import json
import math
import secrets
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genmodels.errors import BadInput
from genmodels.files import held, inside, read_json, remove, write_json
from genmodels.host import ownership
from genmodels.host.limits import limit
from genmodels.host.ownership import Visitor
from genmodels.runs import store
from genmodels.runs.record import Plan
from genmodels.runs.run import Run
from genmodels.text import quoted

__all__ = ["Entry", "Spread", "TooManyGuesses", "Wall", "build", "differences", "find", "nickname", "seeds", "spread"]

LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ"  # none that is taken for another, or for a digit
LENGTH, MOST_NAME = 5, 24
MOST_WALLS, MOST_ENTRIES = 200, 300
EMPTY_SECONDS = 600.0  # for which a wall may stand empty where there are too many
MOST_GUESSES = 10  # wrong codes of one visitor in a minute
MOST_GUESSES_AN_ADDRESS = 60  # a class that mistypes is at one
MOST_WRONG = 200  # of all together
_wrong: deque[tuple[float, Visitor]] = deque(maxlen=MOST_WRONG)  # the last ones, when and whose

Table = Sequence[dict[str, float]]
Floats = npt.NDArray[np.float64]


class TooManyGuesses(BadInput):
    """So many wrong codes were tried that no code is looked up for a while: it may well be that of a wall."""


@dataclass(frozen=True)
class Entry:
    """A run on a wall: its id, the nickname of whoever trains it, and when it came, seconds since 1970."""

    run: str
    who: str
    at: float


class Wall:
    """One wall, seen through its file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def code(self) -> str:
        """The code that opens the wall to whoever knows it."""
        return self.path.name

    def age(self) -> float:
        """Seconds since it was built."""
        return time.time() - self._read()["created"]

    def left(self) -> float:
        """Seconds until it comes down."""
        return self._read()["created"] + 3600 * limit("WALL_HOURS") - time.time()

    def entries(self) -> list[tuple[Run, Entry]]:
        """The runs on it that still exist and can be used, the newest first."""
        entries = []
        for entry in (Entry(**one) for one in reversed(self._read()["entries"])):
            with suppress(BadInput):  # deleted meanwhile
                if not (run := store.find(entry.run)).damage():
                    entries.append((run, entry))
        return entries

    def enter(self, run: Run, who: str) -> None:
        """Put a run on it; the oldest makes room where there are too many.

        Raises:
            BadInput: If the wall has come down.
        """
        with _alone(self.path):
            wall = self._read()
            entry = asdict(Entry(run.id, nickname(who), time.time()))
            others = [one for one in wall["entries"] if one["run"] != run.id]
            write_json(self.path / "wall.json", wall | {"entries": [*others, entry][-MOST_ENTRIES:]}, durable=False)

    def _read(self) -> dict[str, Any]:
        try:
            return read_json(self.path / "wall.json")
        except BadInput:
            raise BadInput(f"The wall {self.code} has come down: build another.") from None


def folder() -> Path:
    """The folder that holds the walls."""
    return store.root() / ".walls"


def build() -> Wall:
    """A new wall under a new code; those that are too old come down.

    Raises:
        BadInput: If there are too many.
    """
    standing = [wall for wall in _all() if not _fell(wall)]
    mine = [wall for wall in standing if ownership.owns(wall.path)]
    if len(mine) >= (most := limit("MAX_WALLS_A_VISITOR")):
        hours = min(wall.left() for wall in mine) / 3600
        raise BadInput(
            f"You have built {len(mine)} walls, and {most:.0f} are a visitor's: join {mine[0].code}"
            + (f", or wait {math.ceil(hours)} hours until one has come down." if math.isfinite(hours) else ".")
        )
    here, most = ownership.visitor().address, limit("MAX_WALLS_AN_ADDRESS")
    if here and sum(ownership.place(wall.path) == here for wall in standing) >= most:
        raise BadInput(
            f"{most:.0f} walls were built from your network address, which a school's computers share, and no more may "
            "stand: join one of them, or wait until one has come down."
        )
    if len(standing) >= MOST_WALLS:
        _take_down_an_empty_one(standing)
    while True:
        wall = Wall(inside(folder(), "".join(secrets.choice(LETTERS) for _ in range(LENGTH))))
        try:
            wall.path.mkdir(parents=True)
        except FileExistsError:
            continue
        ownership.sign(wall.path, by_address=True)
        write_json(wall.path / "wall.json", {"created": time.time(), "entries": []}, durable=False)
        return wall


def _take_down_an_empty_one(standing: Sequence[Wall]) -> None:
    """Delete the oldest wall that has stayed empty for some minutes, to make room.

    Raises:
        BadInput: If there is none.
    """
    empty = [wall for wall in standing if wall.age() > EMPTY_SECONDS and not wall.entries()]
    if not empty:
        raise BadInput(f"{MOST_WALLS} walls stand already: wait until one has come down.")
    _take_down(max(empty, key=Wall.age))


def find(code: str, joined: str = "") -> Wall:
    """The wall of this code, in whatever case it is written; who guesses codes is soon asked to wait.

    Args:
        code: The code.
        joined: That of the wall which whoever asks was let onto before: to look for it again is no guess.

    Raises:
        TooManyGuesses: If too many wrong ones were tried.
        BadInput: If it is no code, or that of no wall that stands.
    """
    name = code.strip().upper()
    if len(name) != LENGTH or not set(name) <= set(LETTERS):
        raise BadInput(f"{quoted(code)} is no code of a wall: a code is {LENGTH} letters, without I, L and O.")
    wall = Wall(inside(folder(), name))
    if name != joined:
        _check_guesses()
    if not (wall.path / "wall.json").exists() or _fell(wall):
        if name != joined:
            _wrong.append((time.monotonic(), ownership.visitor()))
        raise BadInput(f"There is no wall {name}: it was never built, or has come down.")
    return wall


def _check_guesses() -> None:
    """So many wrong codes a minute, of one visitor, of one address and of all together."""
    recent = [who for at, who in list(_wrong) if time.monotonic() - at < 60]
    me = ownership.visitor()
    mine, here = sum(who.token == me.token for who in recent), sum(who.address == me.address for who in recent)
    many = mine >= MOST_GUESSES or len(recent) >= MOST_WRONG or (me.address and here >= MOST_GUESSES_AN_ADDRESS)
    if ownership.is_visiting() and many:
        raise TooManyGuesses(
            "Too many codes that lead to no wall were tried: wait a minute, then write yours with care."
        )


def nickname(text: str) -> str:
    """A name for people on one line, at most 24 characters; it may hold anything, so a page must show it as text."""
    kept = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return kept[:MOST_NAME].strip() or "somebody"


def _all() -> list[Wall]:
    return [Wall(path.parent) for path in folder().glob("*/wall.json")]


def _fell(wall: Wall) -> bool:
    """Whether its time is over; it is taken down then."""
    try:
        if wall.left() > 0:
            return False
    except BadInput:
        return True
    _take_down(wall)
    return True


def _take_down(wall: Wall) -> None:
    """Delete a wall; one that somebody writes on at this moment stays, and goes the next time."""
    with suppress(OSError):
        remove(wall.path)


@contextmanager
def _alone(path: Path, patience: float = 10.0) -> Iterator[None]:
    """Hold a wall's folder as its only writer; others are waited for."""
    end = time.monotonic() + patience
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(held(path))
                break
            except FileNotFoundError:
                raise BadInput(f"The wall {path.name} has come down: build another.") from None
            except BlockingIOError:
                if time.monotonic() > end:
                    raise BadInput(f"The wall {path.name} is too busy: try again.") from None
        yield


# What is shown of the runs on it --------------------------------------------------------------------------------------


def seeds(plans: Sequence[Plan]) -> list[list[int]]:
    """The indices of ``plans`` in groups whose members differ in the seed alone; in the order of their first."""
    groups: dict[str, list[int]] = {}
    for i, plan in enumerate(plans):
        told = {name: plan.json().get(name) for name in ("model", "data", "data_arguments", "arguments", "parent")}
        settings = {name: value for name, value in plan.settings.items() if name != "seed"}
        groups.setdefault(json.dumps(told | {"settings": settings}, sort_keys=True), []).append(i)
    return list(groups.values())


def differences(plans: Sequence[Plan]) -> list[str]:
    """The differences between plans, for each in a few words: model and data, and the hyperparameters that vary."""
    flat = [plan.arguments | {k: v for k, v in plan.settings.items() if k != "seed"} for plan in plans]
    kinds = [f"{plan.model} on {plan.data}" for plan in plans]
    names = []
    for kind, one in zip(kinds, flat, strict=True):
        alike = [other for its, other in zip(kinds, flat, strict=True) if its == kind]
        varied = [name for name in one if len({json.dumps(other.get(name)) for other in alike}) > 1]
        names.append(", ".join([kind, *(f"{name} {one[name]}" for name in varied[:4])]))
    return names


@dataclass(frozen=True)
class Spread:
    """A term of several runs at ``steps``: its mean and its range, each (N,)."""

    steps: Floats
    mean: Floats
    low: Floats
    high: Floats


def spread(tables: Sequence[Table], term: str) -> Spread | None:
    """Mean and range of ``term`` over runs, at every step up to which all have come; None before all have begun.

    Between two logged steps a curve is straight, as it is drawn.

    Args:
        tables: The metrics of each run.
        term: A name in them.
    """
    curves = [np.array([(row["step"], row[term]) for row in table if term in row]).reshape(-1, 2) for table in tables]
    if not curves or min(map(len, curves)) == 0:
        return None
    first, last = max(curve[0, 0] for curve in curves), min(curve[-1, 0] for curve in curves)
    steps = np.unique(np.concatenate([curve[:, 0] for curve in curves]))
    steps = steps[(steps >= first) & (steps <= last)]
    if not len(steps):
        return None
    values = np.stack([np.interp(steps, curve[:, 0], curve[:, 1]) for curve in curves])
    return Spread(steps, values.mean(0), values.min(0), values.max(0))

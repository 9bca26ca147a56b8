"""One declaration per hyperparameter: the annotated signature of the function that uses it.

A model's constructor (or any other function) is declared like this::

    def __init__(self, shape, *, latent_dim: Annotated[int, Between(1, 64, "dimensions of z")] = 2): ...

and :func:`declared` reads it back. The command line, the form on a page, and the validation of a URL,
of a file from the Hub and of a resumed run are all derived from that one line. What counts only
beside certain values of others says so there too::

    sigma: Annotated[float, Between(0, 10, "standard deviation"), Where(lambda decoder: decoder == "gaussian")] = 0.0

and what a part of it declares is handed on to that part: ``**of_network: Annotated[Any, Also(network)]``.
"""

import difflib
import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from genmodels.errors import BadInput
from genmodels.text import quoted

__all__ = [
    "IMAGES",
    "POINTS",
    "Also",
    "Between",
    "Hyperparameter",
    "Numbers",
    "Only",
    "Switch",
    "Where",
    "check",
    "declared",
]


@dataclass(frozen=True)
class Between:
    """A number in the closed interval [low, high]; ``log`` asks a form for a logarithmic scale."""

    low: float
    high: float
    help: str
    log: bool = False


@dataclass(frozen=True)
class Only:
    """A rule: the value is one of a few words."""

    options: tuple[str, ...]
    help: str


@dataclass(frozen=True)
class Switch:
    """A rule: the value is true or false."""

    help: str


@dataclass(frozen=True)
class Numbers:
    """A row of ``fewest`` to ``most`` numbers, each in [low, high]; text separates them by commas."""

    fewest: int
    most: int
    low: float
    high: float
    help: str


@dataclass(frozen=True)
class Where:
    """A rule under which a hyperparameter counts: a function of the others, by name; ``kind`` is that of the data."""

    holds: Callable[..., bool]


@dataclass(frozen=True)
class Also:
    """A rule for ``**rest``: it takes what another function declares, and hands it on."""

    function: Callable[..., Any]


IMAGES, POINTS = Where(lambda kind: kind == "images"), Where(lambda kind: kind == "plane")


@dataclass(frozen=True)
class Hyperparameter:
    """One declared hyperparameter: its name, its type, its default, what it may be and where it counts."""

    name: str
    type: type
    default: Any
    rule: Between | Only | Switch | Numbers
    where: Where | None = None

    @property
    def help(self) -> str:
        """One line that says what it does."""
        return self.rule.help

    @property
    def allowed(self) -> str:
        """The values that the rule allows, in words."""
        match self.rule:
            case Between(low, high):
                noun = "a whole number" if self.type is int else "a number"
                return f"{noun} from {low:g} to {high:g}"
            case Only(options):
                return "one of " + ", ".join(options)
            case Numbers(fewest, most, low, high):
                return f"a row of {fewest} to {most} numbers from {low:g} to {high:g}"
            case _:
                return "true or false"

    def counts(self, values: Mapping[str, Any]) -> bool:
        """Whether this hyperparameter has an effect, given ``values`` of the others and the ``kind`` of the data."""
        return self.where is None or self.where.holds(*map(values.get, inspect.signature(self.where.holds).parameters))

    def check(self, value: Any) -> Any:
        """Return ``value`` (a JSON value, or text from a command line or a URL) as the declared type.

        Raises:
            BadInput: If it is not what the declaration allows.
        """
        match self.rule:
            case Between(low, high):
                number = _number(value, self.type)
                if number is not None and low <= number <= high:
                    return number
            case Only(options):
                if isinstance(value, str) and value in options:
                    return value
            case Switch():
                if isinstance(value, bool):
                    return value
                if isinstance(value, str) and value.lower() in _WORDS:
                    return _WORDS[value.lower()]
            case Numbers(fewest, most, low, high):
                row = value.split(",") if isinstance(value, str) else value
                if isinstance(row, list | tuple) and fewest <= len(row) <= most:
                    numbers = tuple(_number(one, float) for one in row)
                    if all(number is not None and low <= number <= high for number in numbers):
                        return numbers
        raise BadInput(f"{self.name} = {quoted(value)} is not {self.allowed}.")


_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _number(value: Any, kind: type) -> int | float | None:
    """``value`` as an int or a finite float, or None where it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number) or (kind is int and number != int(number)):
        return None
    return int(number) if kind is int else number


def declared(function: Callable[..., Any]) -> dict[str, Hyperparameter]:
    """The hyperparameters that ``function`` (or a class's constructor) declares, in order."""
    return _declared(function)


@functools.cache
def _declared(function: Callable[..., Any]) -> dict[str, Hyperparameter]:
    target = function.__init__ if inspect.isclass(function) else function
    hints = get_type_hints(inspect.unwrap(target), include_extras=True)
    known = dict[str, Hyperparameter]()
    for name, parameter in inspect.signature(target).parameters.items():
        hint = hints.get(name)
        if get_origin(hint) is Annotated:
            kind, *rest = get_args(hint)
            if isinstance(rest[0], Also):
                known |= _declared(rest[0].function)
                continue
            known[name] = Hyperparameter(name, kind, parameter.default, *rest)
    return known


def check(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Check ``values`` against what ``function`` declares; what is not given takes its default.

    Raises:
        BadInput: If a name is not declared (the nearest declared one is suggested) or a value not allowed.
    """
    known = declared(function)
    for name in values:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise BadInput(
                f"{quoted(name)} is not a hyperparameter here: {hint}it may be {', '.join(known) or 'none'}."
            )
    return {name: one.check(values[name]) if name in values else one.default for name, one in known.items()}

"""What the TOML of an experiment may be: each reader refuses, in one sentence, what is not what it should be."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from genmodels.errors import BadInput
from genmodels.text import quoted

__all__ = ["known", "several", "table", "text"]


def known(raw: Mapping[str, Any], what: str, keys: Sequence[str]) -> None:
    """Refuse a key that is none of ``keys``, which are those of ``what``."""
    for key in raw:
        if key not in keys:
            near = difflib.get_close_matches(key, keys, 1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise BadInput(f"{quoted(key)} is not a key of {what}: {hint}it may be {', '.join(keys)}.")


def text(raw: Mapping[str, Any], key: str, default: str) -> str:
    """The text under ``key``."""
    value = raw.get(key, default)
    if not isinstance(value, str) or len(value) > 2000:
        raise BadInput(f"{key} = {quoted(value)} is not a text.")
    return value


def table(raw: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The names and values under ``key``; none where it is not there."""
    value = raw.get(key, {})
    if not isinstance(value, dict):
        raise BadInput(f"{key} = {quoted(value)} is not a table of names and values.")
    return value


def several(raw: Mapping[str, Any], key: str, kind: type | None, *, fewest: int = 1) -> list[Any]:
    """The list under ``key``, each of ``kind`` (None: of any), so many at least."""
    value = raw.get(key, [])
    if not isinstance(value, list) or len(value) < fewest or (kind and not all(isinstance(v, kind) for v in value)):
        what = "texts" if kind is str else "tables" if kind is dict else "values"
        raise BadInput(f"{key} is missing, or is not a list of {what}: an experiment needs it.")
    return value

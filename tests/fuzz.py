"""What strangers send, by the hundred: how often it is tried, from which seed, and ways to spoil what was whole.

A few hundred trials of each kind in a test run; ``GENMODELS_FUZZ=20000 make test ARGS="-k fuzz"`` tries more, and
``GENMODELS_FUZZ_SEED`` others. What fails names the seed and the trial.
"""

import json
import os
import random
from pathlib import Path

SEED = int(os.environ.get("GENMODELS_FUZZ_SEED", "0"))

VALUES: tuple[object, ...] = (
    None, True, -1, 0, 7, 2**70, 10**400, 1e308, -0.5, float("nan"), float("inf"), "", "x" * 5000, "../..", "vae",
    "a b", "\0", "\ud800", "[x](//y)", [], [[]], [1, 8, 8], {}, {"a": {}}, {"run": "self", "step": 3},
)  # fmt: skip
BYTES = (
    b"",
    b"\0" * 64,
    b"{",
    b"null",
    b"[]",
    b"7",
    b"\xff\xfe",
    b"[" * 100_000,
    b"PK\x03\x04",
    b"\x93NUMPY",
    b"9" * 5000,
)
PIECES = ["", "..", "../" * 9, "/etc/passwd", "/proc/self/x", "\0", "\n", "\u202e", "ü" * 90, "x" * 300, "9" * 5000]
PIECES += ["-1", "1e999", "nan", "[a](https://b)", "![](//b)", "<img src=x>", "`", "$x$", "%s%n", "{0.__class__}", "²"]
PIECES += ["__import__('os')", "hf://a/b", "hf://../..", "vae", "digits", "vae-digits-2d", "--", "--set", "a=b", "٣"]
PIECES += ["hidden=1e9", "--steps", "--out", "-n", "--json", "true"]


def times(usual: int) -> int:
    """How many trials: ``usual``, or as many as the environment says."""
    return int(os.environ.get("GENMODELS_FUZZ", usual))


def word(dice: random.Random) -> str:
    """What no form would send."""
    return "".join(dice.choice(PIECES) for _ in range(dice.choice((1, 1, 1, 2, 3))))


def spoiled(dice: random.Random, content: bytes) -> bytes:
    """Bytes that are cut off, or other in a place, or doubled there, or something else altogether."""
    at, more = dice.randrange(len(content) + 1), dice.randint(1, 9)
    ways = [
        content[:at],
        content[:at] + dice.randbytes(more) + content[at + more :],
        content[:at] + bytes([0xFF] * more) + content[at + more :],
        content[:at] + content[max(0, at - 200) :],
        dice.choice(BYTES),
    ]
    return dice.choice(ways)


def other_json(dice: random.Random, text: str, *, lines: bool = False) -> tuple[str, str]:
    """JSON in which one value is another, or not there, or one more is; and what was done.

    Args:
        dice: What is drawn.
        text: One table, or one a line.
        lines: Whether it is one a line.
    """
    rows = text.splitlines() if lines else [text]
    at = dice.randrange(len(rows)) if rows else 0
    try:
        table = json.loads(rows[at]) if rows else {}
    except (ValueError, RecursionError):
        table = {}
    table = table if isinstance(table, dict) else {}
    inner = dice.choice([table, *(one for one in table.values() if isinstance(one, dict))])
    key, value = dice.choice([*inner, "more"]), dice.choice(VALUES)
    if dice.random() < 0.2:
        inner.pop(key, None)
    else:
        inner[key] = value
    text = json.dumps(table) + "\n" if lines else json.dumps(table)
    return "\n".join([*rows[:at], text, *rows[at + 1 :]]), f"{key} = {str(value)[:40]!r}"


def outside(folder: Path, but: Path) -> dict[Path, int]:
    """Every file in ``folder`` that is not in ``but``, and when it was changed."""
    return {path: path.lstat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and but not in path.parents}

"""What stands in a sentence or a heading: numbers as people read them, and text from outside, made fit for Markdown."""

import math
import re
from typing import Any

__all__ = ["number", "quoted", "titled", "whole"]

MARKUP = "[]<>`$|\\*"
MOST_QUOTED, MOST_TITLE, MOST_DIGITS = 60, 80, 18
APART = (("](", "] ("), ("][", "] ["), ("]:", "] :"), ("://", ": //"), ("www.", "www ."), ("<", "‹"), ("`", "'"))


RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float, digits: int = 3) -> str:
    """A number as people read it: three significant digits, a real minus sign, powers of ten; whole numbers in full.

    >>> [number(x) for x in (-18.5995, 2.43e-9, 0.0003, 12345, 1843.7, 1e9)]
    ['−18.6', '2.43×10⁻⁹', '0.0003', '12,345', '1,840', '10⁹']
    """
    size = abs(value)
    if not math.isfinite(value):
        return "–"
    if size and (size >= 1e7 or size < 1e-4):
        front, power = f"{value:.{digits - 1}e}".split("e")
        front = front.rstrip("0").rstrip(".") if "." in front else front
        times = {"1": "", "-1": "−"}.get(front, front.replace("-", "−") + "×")
        return f"{times}10{str(int(power)).translate(RAISED)}"
    if value == int(value):
        return f"{int(value):,}".replace("-", "−")
    rounded = float(f"{value:.{digits}g}")
    text = f"{rounded:,.0f}" if abs(rounded) >= 10 ** (digits - 1) else f"{rounded:.{digits}g}"
    return text.replace("-", "−")


def titled(text: str) -> str:
    r"""A title: one line, at most 80 characters, nothing that Markdown, HTML or TeX would take for more than text.

    >>> titled("  my\n run <b>bold</b> [click](https://a.b) ")
    'my run bbold/b click(https: //a.b)'
    """
    kept = "".join(c for c in " ".join(text.split()) if c.isprintable() and c not in MARKUP)
    return _no_link(kept[:MOST_TITLE])[:MOST_TITLE].strip() or "untitled"


def quoted(value: Any) -> str:
    """A value as somebody gave it, in quotation marks, at most 60 characters, with no link, picture or tag in it.

    >>> quoted([1, 2]), quoted("![x](https://a.b)")
    ('[1, 2]', "'![x] (https: //a.b)'")
    """
    try:
        text = repr(value[: MOST_QUOTED + 1] if isinstance(value, str) else value)
    except (ValueError, RecursionError):  # an integer of thousands of digits, lists a thousand deep
        text = f"a {type(value).__name__}"
    if len(text) > MOST_QUOTED:
        text = text[: MOST_QUOTED - 3] + "…"
    return _no_link(text)


def _no_link(text: str) -> str:
    for markup, plain in APART:
        text = text.replace(markup, plain)
    return text


def whole(text: str | None) -> int | None:
    """The whole number, 0 or more, that ``text`` spells in decimal digits, 18 at most; None where it spells none.

    >>> whole("070"), whole("-1"), whole("²"), whole("9" * 5000)
    (70, None, None, None)
    """
    return int(text) if text is not None and re.fullmatch(rf"[0-9]{{1,{MOST_DIGITS}}}", text) else None

"""Text from outside, made fit to stand in a sentence or a heading: pages show both as Markdown."""

from typing import Any

__all__ = ["quoted", "titled"]

MARKUP = "[]<>`$|\\*"
MOST_QUOTED, MOST_TITLE = 60, 80


def titled(text: str) -> str:
    r"""A title: one line, at most 80 characters, nothing that Markdown, HTML or TeX would take for more than text.

    >>> titled("  my\n run <b>bold</b> [click](https://a.b) ")
    'my run bbold/b click(https://a.b)'
    """
    kept = "".join(c for c in " ".join(text.split()) if c.isprintable() and c not in MARKUP)
    return kept[:MOST_TITLE].strip() or "untitled"


def quoted(value: Any) -> str:
    """A value as somebody gave it, in quotation marks, at most 60 characters, with no link, picture or tag in it.

    >>> quoted([1, 2]), quoted("![x](https://a.b)")
    ('[1, 2]', "'![x] (https://a.b)'")
    """
    text = repr(value)
    if len(text) > MOST_QUOTED:
        text = text[: MOST_QUOTED - 3] + "…"
    return text.replace("](", "] (").replace("<", "‹").replace("][", "] [").replace("]:", "] :")

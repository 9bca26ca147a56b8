"""One colour for one quantity: of its letter in an equation, its name in the code beside it, and its points in a plot.

The colours are those of :mod:`genmodels.palette`, as far darker on white and lighter on black as letters need to be
read: style.css declares them by the same names.
"""

import functools
import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape

__all__ = [
    "CODES",
    "DENSITIES",
    "DEQUANTIZED",
    "NOISED",
    "SYMBOLS",
    "Symbol",
    "Symbols",
    "coloured",
    "highlighted",
    "legend",
]


@dataclass(frozen=True)
class Symbol:
    """A quantity: what it is, its ink (``ink-…`` in style.css, a colour that CSS and KaTeX know), its names in code."""

    means: str
    ink: str
    names: frozenset[str]


Symbols = Mapping[str, Symbol]
"""Quantities by their letter in LaTeX."""

SYMBOLS: Symbols = {
    "x": Symbol("the data", "blue", frozenset({"x", "x_0", "x_t", "real"})),
    "z": Symbol("latent codes, from which examples are made", "green", frozenset({"z"})),
    "q": Symbol("what the codes of an example may be", "purple", frozenset({"q", "log_q"})),
    "G": Symbol("what the model draws", "orange", frozenset({"fake"})),
}
CODES = {letter: one for letter, one in SYMBOLS.items() if letter != "q"}
"""Where an example has one code, and q is at most an index."""
DENSITIES: Symbols = CODES | {"q": Symbol("the density of what the model draws", "orange", frozenset())}
"""Where q is the model's density, which is compared with that of the data."""
DEQUANTIZED: Symbols = CODES | {"q": Symbol("the noise on grey levels", "purple", frozenset({"log_q"}))}
"""Of a flow, which has no posterior."""
NOISED: Symbols = {"x": SYMBOLS["x"], "q": Symbol("the law of the noised data", "purple", frozenset({"q"}))}
"""Of a diffusion, where z is fresh noise."""

NO_LETTERS = r"\\(?:text|mathrm|mathcal|mathbf|operatorname|begin|end)\s*\{[^{}]*\}|\\[A-Za-z]+|<[^<>]*>"
PART = re.compile(rf"{NO_LETTERS}|(?P<letter>[A-Za-z])")
KEYWORDS = {*keyword.kwlist, "match", "case"}
TOKEN = re.compile(r"""(?P<comment>\#.*)|"[^"\n]*"|'[^'\n]*'|(?P<name>[A-Za-z_]\w*)""")


def coloured(latex: str, symbols: Symbols = SYMBOLS) -> str:
    r"""LaTeX in which each symbol has its ink; words, commands and the ``<name>`` of a number stay as they are.

    >>> print(coloured(r"\log p(x \mid z) = <log p(x|z)>"))
    \log p({\textcolor{blue}{x}} \mid {\textcolor{green}{z}}) = <log p(x|z)>
    """

    def ink(part: re.Match[str]) -> str:
        one = symbols.get(part["letter"] or "")
        return rf"{{\textcolor{{{one.ink}}}{{{part[0]}}}}}" if one else part[0]

    return PART.sub(ink, latex)


def highlighted(code: str, symbols: Symbols = SYMBOLS) -> str:
    """Python as HTML, in which each symbol has its ink; keywords are bold, comments faint.

    >>> highlighted("return z  # a < b")
    '<b>return</b> <i class="ink-green">z</i>  <i class="ink-comment"># a &lt; b</i>'
    """
    return _highlighted(code, tuple((name, one.ink) for one in symbols.values() for name in sorted(one.names)))


@functools.lru_cache(maxsize=512)
def _highlighted(code: str, inks: tuple[tuple[str, str], ...]) -> str:
    known = dict(inks)

    def mark(part: re.Match[str]) -> str:
        if part["comment"]:
            return f'<i class="ink-comment">{part[0]}</i>'
        if part["name"] in KEYWORDS:
            return f"<b>{part[0]}</b>"
        return f'<i class="ink-{known[part[0]]}">{part[0]}</i>' if part["name"] in known else part[0]

    return TOKEN.sub(mark, escape(code, quote=False))


def legend(equations: Iterable[str], symbols: Symbols = SYMBOLS) -> str:
    """HTML that says what the coloured letters of some LaTeX are; empty where there is none of them."""
    met = {part["letter"] for latex in equations for part in PART.finditer(latex)}
    said = [
        f'<i class="ink-{one.ink}">{escape(letter)}</i> {escape(one.means)}'
        for letter, one in symbols.items()
        if letter in met
    ]
    return " · ".join(said)

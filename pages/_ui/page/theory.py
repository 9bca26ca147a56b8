r"""The theory panel: equations beside the source of the functions that compute them, with a model's numbers in them.

A family declares its theory as text, by the function that computes what it says. ``VAE.elbo`` has this::

    A bound instead, for any q
    $$ \log p(x) \ge E_q[\log p(x \mid z)] - KL(q(z \mid x) \,\|\, p(z)) $$
    $$ KL = <kl> \\ \text{ELBO} = <elbo> $$
    The gap is the KL to the true posterior. Kingma & Welling (2014), eqs. 1-3.

A title; the equation in LaTeX, in the letters of the code, its lines aligned at ``&``; what it comes to, line by line,
if that is known; and words, with the reference. ``<name>`` stands for the number of that name; a line whose number a
model does not have is left out.
"""

import ast
import functools
import inspect
import math
import re
import textwrap
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from pages._ui.page.symbols import SYMBOLS, Symbols, coloured, highlighted, legend
from pages._ui.shared.plot import plot

__all__ = ["Equations", "Picture", "measured", "number", "show", "source"]

ROOT = Path(__file__).resolve().parents[3]
PARSING = threading.Lock()  # two threads at it at once end in "AST constructor recursion depth mismatch" (Python 3.11)
NAME = re.compile(r"<([^<>\s][^<>]*)>")

Equations = Mapping[Callable[..., Any], str]
"""What a function of genmodels computes, in the form above."""


@dataclass(frozen=True)
class Picture:
    """A figure between equations, the words beside it, and the identity of its widget."""

    figure: go.Figure
    words: str
    key: str


def show(theory: Iterable[Equations | Picture], numbers: Mapping[str, float | str], symbols: Symbols = SYMBOLS) -> None:
    """Draw a theory from top to bottom: each equation beside its code, or above it where the screen is narrow.

    Args:
        theory: Equations, and pictures between them.
        numbers: What they are shown with, by name; text is shown as it is, units and all.
        symbols: What has a colour in equations and code.
    """
    theory = tuple(theory)
    texts = [text for part in theory if not isinstance(part, Picture) for text in part.values()]
    if letters := legend((text.split("$$")[1] for text in texts), symbols):
        st.html(f'<p class="symbols">{letters}</p>')
    said = {name: value if isinstance(value, str) else number(value) for name, value in numbers.items()}
    for part in theory:
        if isinstance(part, Picture):
            left, right = st.columns([3, 2], gap="medium")
            plot(part.figure, key=part.key, place=left)
            right.markdown(part.words)
        else:
            for function, text in part.items():
                _equation(function, text, said, symbols)


def _equation(function: Callable[..., Any], text: str, said: Mapping[str, str], symbols: Symbols) -> None:
    title, latex, *rows, words = (" ".join(part.split()) for part in text.split("$$"))
    fill = lambda line: NAME.sub(lambda found: said[found[1]], line)  # noqa: E731
    known = [row for row in "".join(rows).split(r"\\") if said.keys() >= set(NAME.findall(row))]
    left, right = st.columns([2, 3], gap="medium")
    left.markdown(f"##### {title}")
    left.latex(_lines(fill(coloured(latex, symbols))))
    if any(known):
        rows = [re.sub(r"(=|\\ge) <", r"&\1 <", coloured(row.strip(), symbols)) for row in known]
        left.latex(_lines(fill(r" \\ ".join(rows))))
    left.caption(fill(words))
    where, code = source(function)
    right.caption(f"`{where}`")
    right.html(f'<pre class="source"><code>{highlighted(code, symbols)}</code></pre>')


def number(value: float) -> str:
    """A number as LaTeX: five significant digits, powers of ten where they are shorter."""
    text = f"{value:.5g}"
    if "e" not in text:
        return text
    digits, power = text.split("e")
    return rf"{digits} \cdot 10^{{{int(power)}}}"


def measured(value: float, error: float = 0.0, unit: str = "nats") -> str:
    r"""A number with its unit as LaTeX; one with a standard error is as long as the error's two digits.

    >>> print(measured(-93.21641, 0.0312))
    -93.216 \pm 0.031 \text{ nats}
    """
    text = number(value)
    if error:
        digits = max(0, 1 - math.floor(math.log10(error)))
        text = rf"{value:.{digits}f} \pm {error:.{digits}f}"
    return rf"{text} \text{{ {unit}}}" if unit else text


@functools.cache
def source(function: Callable[..., Any]) -> tuple[str, str]:
    """Where a function stands ("genmodels/models/vae.py:120") and its code, to be read beside its equation.

    The body is what runs, to the letter; the docstring, which the page says in other words, and the types are left out.
    """
    plain = inspect.unwrap(function)
    lines, start = inspect.getsourcelines(plain)
    path = Path(inspect.getsourcefile(plain) or "?")
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path(path.name)
    code = textwrap.dedent("".join(lines))
    with PARSING:
        (node,) = ast.parse(code).body
    assert isinstance(node, ast.FunctionDef)
    head = node.returns.end_lineno if node.returns else node.lineno
    if ast.get_docstring(node):
        head = node.body[0].end_lineno
    body = "\n".join(code.splitlines()[head:])
    return f"{shown}:{start}", f"{_signature(node)}\n{body}".rstrip()


def _signature(node: ast.FunctionDef) -> str:
    """The first lines of a function without types: ``def elbo(self, x, samples=1, *, rng=None):``."""
    for one in ast.walk(node.args):
        if isinstance(one, ast.arg):
            one.annotation = None
    node.returns, node.body = None, [ast.Pass()]
    return ast.unparse(node).removesuffix("\n    pass")


def _lines(latex: str) -> str:
    """LaTeX of one line as it is; lines aligned at their ``&``, or centred."""
    kind = "aligned" if "&" in latex else "gathered"
    return latex if kind == "gathered" and r"\\" not in latex else rf"\begin{{{kind}}} {latex} \end{{{kind}}}"

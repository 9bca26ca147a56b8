"""An equation beside the source of the function that computes it, with this batch's numbers."""

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["equation", "number", "source"]

ROOT = Path(__file__).resolve().parents[3]


def equation(
    title: str,
    latex: str,
    function: Callable[..., Any],
    *,
    values: Mapping[str, float | str] | None = None,
    about: str = "",
) -> None:
    """One equation and its code, side by side; one above the other where the screen is narrow.

    Args:
        title: What the equation says, in a few words.
        latex: The equation, in the letters of the code.
        function: What computes it: a function or method of genmodels, shown as it is.
        values: Numbers of this batch, by symbol (LaTeX); text is shown as it is, units and all.
        about: A sentence or two, with the source and the equation's number there.
    """
    left, right = st.columns([2, 3], gap="medium")
    with left:
        st.markdown(f"##### {title}")
        st.latex(latex)
        if values:
            st.latex(_aligned(values))
        if about:
            st.caption(about)
    with right:
        where, code = source(function)
        st.caption(f"`{where}`")
        st.code(code, language="python", wrap_lines=True)


def source(function: Callable[..., Any]) -> tuple[str, str]:
    """Where a function stands ("genmodels/models/vae.py:120") and its code, without the docstring."""
    plain = inspect.unwrap(function)
    lines, start = inspect.getsourcelines(plain)
    path = Path(inspect.getsourcefile(plain) or "?")
    shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else Path(path.name)
    return f"{shown}:{start}", _without_docstring(textwrap.dedent("".join(lines))).rstrip()


def number(value: float) -> str:
    """A number as LaTeX: five significant digits, powers of ten where they are shorter."""
    text = f"{value:.5g}"
    if "e" not in text:
        return text
    digits, power = text.split("e")
    return rf"{digits} \cdot 10^{{{int(power)}}}"


def _aligned(values: Mapping[str, float | str]) -> str:
    rows = [f"{symbol} &= {one if isinstance(one, str) else number(one)}" for symbol, one in values.items()]
    return r"\begin{aligned}" + r" \\ ".join(rows) + r"\end{aligned}"


def _without_docstring(code: str) -> str:
    """``code`` of one function or class without its docstring, which the page says in other words."""
    node = ast.parse(code).body[0]
    assert isinstance(node, ast.FunctionDef | ast.ClassDef)
    first = node.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    if not is_docstring or len(node.body) == 1:
        return code
    lines = code.splitlines(keepends=True)
    return "".join(lines[: first.lineno - 1] + lines[first.end_lineno :])

"""Browser components: each a Python function beside the JavaScript and CSS that draw it.

A component draws into a shadow root and keeps its own state there (zoom, position, strokes), so that new data update
it in place. Listeners are bound once; :file:`base.js` calls ``update`` at every change of data or theme. A callback
that does nothing asks for the rerun alone.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["component"]

HERE = Path(__file__).parent


def component(name: str) -> Callable[..., Any]:
    """Register the component drawn by ``name``.js and ``name``.css; the result mounts it.

    The JavaScript defines a class ``View`` with ``constructor(root)``, ``update(data)`` and, where it holds on to
    something outside its root, ``destroy()``.
    """
    source = {kind: _read(f"base.{kind}") + _read(f"{name}.{kind}") for kind in ("js", "css")}
    return st.components.v2.component(f"genmodels.{name}", js=source["js"], css=source["css"])


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")

"""Browser components: each a Python function beside the JavaScript and CSS that draw it.

A component draws into a shadow root and keeps its own state there (zoom, position, strokes), so that new data update
it in place. Listeners are bound once; :file:`base.js` calls ``update`` at every change of data or theme.
"""

import base64
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

__all__ = ["component", "data_url"]

HERE = Path(__file__).parent


def component(name: str) -> Callable[..., Any]:
    """Register the component drawn by ``name``.js and ``name``.css; the result mounts it.

    The JavaScript defines a class ``View`` with ``constructor(root)``, ``update(data)`` and, where it holds on to
    something outside its root, ``destroy()``.
    """
    source = {kind: _read(f"base.{kind}") + _read(f"{name}.{kind}") for kind in ("js", "css")}
    return st.components.v2.component(f"genmodels.{name}", js=source["js"], css=source["css"])


@functools.lru_cache(maxsize=64)
def data_url(content: bytes) -> str:
    """PNG or JPEG bytes as a URL that a browser draws without asking the server."""
    kind = "png" if content.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")

"""What may wait for a page's first picture: charts, whose script costs a browser more than all the rest of the page."""

import streamlit as st

from pages._ui.components import component

__all__ = ["comes_later"]

_mount = component("later")


def comes_later(key: str) -> bool:
    """Whether this part of the page is to be left out for now: its fragment runs again when the browser is idle.

    That is so once a visit, before the first charts. A browser that runs Plotly's script does nothing else meanwhile,
    on a slow computer for seconds, and pictures that came before are drawn after it. Who has no browser does not wait.

    Args:
        key: Of the part, which is a fragment.
    """
    if st.session_state.get("has_arrived") or st.context.url is None:
        return False
    with st.container(key=f"later-{key}"):
        _mount(key=f"later-mark-{key}", on_idle_change=_arrived)
    return True


def _arrived() -> None:
    st.session_state["has_arrived"] = True

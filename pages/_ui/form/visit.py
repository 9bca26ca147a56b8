"""A visit of a page: what the page before left of its link is forgotten, and the page knows that it was entered."""

import streamlit as st

__all__ = ["begin", "has_just_begun"]

PAGE, BEGUN = "visit of", "visit begun"


def begin(page: str) -> None:
    """Before ``page``, by its part of the address, is drawn: a visit begins where another was drawn before.

    Streamlit keeps what a widget of one name was on whichever page it comes next: a link that names no tab would open
    on the last page's.
    """
    if st.session_state.get(PAGE) == page:
        return
    st.session_state[PAGE], st.session_state[BEGUN] = page, True
    for left in ("wrong_in_url", "view"):
        st.session_state.pop(left, None)


def has_just_begun() -> bool:
    """Whether the page was entered since this was asked last."""
    return bool(st.session_state.pop(BEGUN, False))

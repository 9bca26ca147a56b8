"""What an instrument comes to."""

import streamlit as st

__all__ = ["concluded"]


def concluded(sentence: str, key: str = "conclusion") -> None:
    """One sentence with this model's numbers, under what the instrument shows; a second has a ``key`` of its own."""
    st.container(key=key).markdown(sentence)

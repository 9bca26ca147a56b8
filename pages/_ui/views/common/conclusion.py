"""What an instrument comes to."""

import streamlit as st

__all__ = ["concluded"]


def concluded(sentence: str) -> None:
    """One sentence with this model's numbers, under what the instrument shows."""
    st.container(key="conclusion").markdown(sentence)

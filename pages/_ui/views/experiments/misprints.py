"""What the sources have wrong, with the experiment that tells: guess first, then see."""

import math

import streamlit as st

from genmodels.experiments.misprints import MISPRINTS, told
from genmodels.text import number
from pages._ui.shared.answer import answer

__all__ = ["misprints"]


def misprints() -> None:
    """Each line, the right one, and one number computed both ways."""
    st.subheader(f"Five sources, {len(MISPRINTS)} of their mistakes, each with an experiment", anchor=False)
    st.caption("Every one of these was printed. Find what is wrong with a line before you look at the right one.")
    numbers = answer(told, key="misprints", at_once=True)
    for i, one in enumerate(MISPRINTS):
        with st.container(border=True):
            st.markdown(f"**{one.source}**")
            st.latex(one.line)
            if not st.toggle("What is right", key=f"misprint-{i}"):
                continue
            st.latex(one.correct)
            st.write(one.why)
            if numbers is not None:
                st.caption(f"The experiment: {one.asks}.")
                texts = {"wrong": "As printed", "right": "Corrected", "truth": "What it must be"}
                for place, (name, label) in zip(st.columns(3), texts.items(), strict=True):
                    place.metric(label, _worded(float(numbers[name][i])))


def _worded(value: float) -> str:
    return number(value, 4) if math.isfinite(value) else "over 10³⁰⁸"

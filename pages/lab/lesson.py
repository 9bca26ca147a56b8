"""Lesson: an hour with a class, view by view, each with what to look for; then everybody trains."""

from pathlib import Path

import streamlit as st

from genmodels.models import MODELS
from pages._ui.classroom.hour import HOUR, page_of, query
from pages._ui.form.url_widgets import switch

LAB = Path(__file__).parent
AFTER = {
    "wall": "Build a wall first: its code on the board brings every training of the class onto one screen.",
    "race": "Which family learns fastest? Vote, then let them start together.",
    "compare": "Which is better, and by which measure? The field's own, on the same digits.",
}

st.title("Lesson")
st.caption(
    f"An hour with a class in {len(HOUR)} views, each with a question over it and the way to the next. A view of your "
    "own, with your words: *Link to this view*, on any model's page."
)
large = switch("For a projector", False, key="large", help="Each view alone, in large letters.")
for n, step in enumerate(HOUR, 1):
    with st.container(border=True, gap="xsmall", key=f"card-{n}"):
        st.page_link(page_of(n), label=f"**{n}. {step.title}**", query_params=query(n, large=large))
        st.write(f"*{MODELS[step.page].title}.* {step.words}")
st.subheader("Together", anchor=False)
for column, (name, about) in zip(st.columns(len(AFTER)), AFTER.items(), strict=True):
    with column, st.container(border=True, gap="xsmall", height="stretch", key=f"card-{name}"):
        st.page_link(LAB / f"{name}.py", label=f"**{name.capitalize()}**")
        st.write(about)

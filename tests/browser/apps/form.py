"""The form of a model alone, and what it makes of its values."""

import dataclasses

import streamlit as st

from genmodels.models import model_class
from pages._ui.form.choose import choose

st.title("Form")
left, right = st.columns([1, 2])
with left:
    chosen = choose(model_class("vae"))
with right:
    st.json(dataclasses.asdict(chosen))

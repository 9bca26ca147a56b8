"""Home: what there is to see."""

import streamlit as st

st.title("genmodels")

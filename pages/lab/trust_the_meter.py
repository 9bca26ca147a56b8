"""Trust the meter: a known fault goes into real pictures, and every measure says whether it sees it."""

import streamlit as st

from genmodels.metrics.judge import judges
from pages._ui.form.url_widgets import choice
from pages._ui.views.experiments.meters import equations, faults_seen, number_of_samples

st.title("Trust the meter")
st.caption(
    "A measure of samples is worth what it sees. Here real pictures stand in for samples, with a fault of a known "
    "size, and beside it stands what as many real pictures score without any."
)
WHAT = {"Faults": faults_seen, "Number of samples": number_of_samples, "Equations": equations}
with st.container(horizontal=True, gap="small"):
    data = choice("Data", judges(), judges()[0], key="data")
    what = choice("What", list(WHAT), "Faults", key="what")
WHAT[what](data)

"""The live panel of one model."""

import streamlit as st

from genmodels.jobs import queue
from genmodels.models import model_class
from pages._ui.form.choose import choose
from pages._ui.page.shown import current, refill, start_of
from pages._ui.page.train_panel import learning_curves, stage

queue.pool()
st.set_page_config(layout="wide")
st.title("Live")
run = current("vae")
start = start_of("vae", run)
refill("vae", start)
left, right = st.columns([1, 4], gap="medium")
with left:
    chosen = choose(model_class("vae"), start=start)
with right:
    moment = stage("vae", chosen, run)
    if run is not None:
        learning_curves(run)
    st.text("nothing yet" if moment is None else f"every panel shows step {moment.step}")

"""The live panel of one model."""

import streamlit as st

from genmodels.jobs import queue
from genmodels.models import model_class
from pages._ui.form.form import choose
from pages._ui.page.train_panel import live

queue.pool()
st.set_page_config(layout="wide")
st.title("Live")
left, right = st.columns([1, 4], gap="medium")
with left:
    chosen = choose(model_class("vae"))
with right:
    moment = live("vae", chosen, units={"loss": "nats", "kl": "nats", "reconstruction": "nats"})
    st.text("nothing yet" if moment is None else f"every panel shows step {moment.step}")

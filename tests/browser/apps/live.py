"""The live panel of one model."""

import streamlit as st

from genmodels.jobs import queue
from genmodels.models import model_class
from genmodels.runs.store import Run
from pages._ui.form.choose import choose
from pages._ui.page.shown import current, refill, start_of
from pages._ui.page.time_machine import has_weights, pace_of_panels, shown
from pages._ui.page.train_panel import learning_curves, stage
from pages._ui.server import blobs


def panels(run: Run) -> None:
    st.text(f"every panel shows step {shown(run)}")


def live() -> None:
    queue.pool()
    st.set_page_config(layout="wide")
    st.title("Live")
    run = current("vae")
    start = start_of("vae", run)
    refill("vae", start, run)
    left, right = st.columns([1, 4], gap="medium")
    with left:
        chosen = choose(model_class("vae"), start=start)
    with right:
        run = stage("vae", chosen, run)
        if run is not None:
            learning_curves(run)
        if run is not None and has_weights(run):
            st.fragment(panels, run_every=pace_of_panels(run))(run)
        else:
            st.text("nothing yet")


if st.runtime.exists():
    live()
else:
    app = st.App(__file__, routes=[blobs.ROUTE])

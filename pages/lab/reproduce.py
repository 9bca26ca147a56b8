"""Reproduce: the sources' tables beside ours, each to be run again, and their misprints, each with its experiment."""

import streamlit as st

from pages._ui.form.url_widgets import choice
from pages._ui.views.experiments.misprints import misprints
from pages._ui.views.experiments.reproduction import entries

st.title("Reproduce")
st.caption("The tables and figures of the reports and lectures that these models come from: their numbers and ours.")
WHAT = {"Tables and figures": entries, "Misprints": misprints}
WHAT[choice("What", list(WHAT), "Tables and figures", key="what", bare=True)]()

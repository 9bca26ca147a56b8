"""The normalizing flow: bend noise into data by steps that can be undone, and know the density of everything."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.flow import theory
from pages._ui.views.flow.instruments import INSTRUMENTS

st.title(MODELS["flow"].title)
st.write(
    "An invertible network f turns each example x into noise z, and noise back into examples. How much it stretches "
    "space at x says how dense the data are there: exactly, without a bound."
)
page(
    "flow",
    objective=r"\log p(x) = \log N(f(x); 0, I) + \log \left| \det \frac{\partial f}{\partial x} \right|",
    first=("coupling", "couplings", "mixing"),
    units={"loss": "nats", "bpd of noised images": "bits/dim"},
    panels=("bpd", "loss"),
    explore=INSTRUMENTS,
    theory=theory.theory,
)

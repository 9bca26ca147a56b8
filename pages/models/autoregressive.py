"""The autoregressive model: draw an image pixel by pixel, and know exactly what each pixel costs."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.autoregressive import theory
from pages._ui.views.autoregressive.instruments import INSTRUMENTS

st.title(MODELS["autoregressive"].title)
st.write(
    "A network is shown the pixels before and says how probable each value of the next one is; the product of all "
    "these is the probability of the image. It is exact, so it is what every bound can be held against."
)
page(
    "autoregressive",
    objective=theory.raised,
    first=("network", "pixels", "order", "classes"),
    opens="autoregressive-mnist-pixelcnn",
    units={"loss": "nats", "bpd": "bits per pixel"},
    panels=("loss", "bpd"),
    explore=INSTRUMENTS,
    theory=theory.theory,
)

"""The autoregressive model: draw an image pixel by pixel, and know exactly what each pixel costs."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.autoregressive import bits, drawing, theory

st.title(MODELS["autoregressive"].title)
st.write(
    "A network is shown the pixels before and says how probable each value of the next one is; the product of all "
    "these is the probability of the image. It is exact, so it is what every bound can be held against."
)
st.latex(r"\log p(x) = \sum_{i=1}^{D} \log p(x_i \mid x_1, \ldots, x_{i-1})")
page(
    "autoregressive",
    first=("network", "pixels", "order", "classes"),
    units={"loss": "nats", "bpd": "bits per pixel"},
    panels=("loss", "bpd"),
    explore={
        "Pixel by pixel": drawing.pixel_by_pixel,
        "Complete": drawing.completions,
        "Where the bits are": bits.where,
        "What it sees": bits.sight,
        "Orders": bits.compared,
    },
    theory=theory.theory,
)

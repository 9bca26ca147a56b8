"""The VQ-VAE: pictures in a few words of a learned dictionary, and a prior that knows which words follow which."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.vq.instruments import INSTRUMENTS
from pages._ui.views.vq.theory import loss, theory

st.title(MODELS["vqvae"].title)
st.write(
    "The encoder's vectors are replaced by the nearest of K learned ones, so that the code of a picture is a small map "
    "of whole numbers. An autoregressive model learns which maps occur, and draws new ones."
)
page(
    "vqvae",
    objective=loss,
    first=("codes", "codebook", "commitment"),
    opens="vqvae-mnist",
    panels=("reconstruction", "perplexity", "codes in use", "code nll"),
    explore=INSTRUMENTS,
    theory=theory,
    covered=("Latent map", "Dimensions"),
)

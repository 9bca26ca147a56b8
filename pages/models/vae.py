"""The variational autoencoder: train one, walk through its latent space, and see what its bound is made of."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.vae import theory
from pages._ui.views.vae.instruments import INSTRUMENTS

st.title(MODELS["vae"].title)
st.write(
    "An encoder turns each example into a small cloud of codes z, a decoder turns codes back into examples; "
    "both learn by raising one bound on the likelihood of the data."
)
page(
    "vae",
    objective=theory.raised,
    first=("latent_dim", "prior", "beta"),
    units={"loss": "nats"},
    panels=("elbo", "reconstruction", "kl"),
    explore=INSTRUMENTS,
    theory=theory.theory,
    covered=("Density", "Latent map", "Path", "Dimensions"),
)

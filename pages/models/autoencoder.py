"""The autoencoder: through a few numbers and back, as a VAE; and what it lacks to draw something new."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.latent import autoencoder
from pages._ui.views.latent.instruments import AUTOENCODER

st.title(MODELS["autoencoder"].title)
st.write(
    "An encoder squeezes each example into a few numbers, a decoder restores it from them; both learn from what comes "
    "back alone. It compresses as a VAE does, and yet nothing says which numbers to draw."
)
page(
    "autoencoder",
    objective=r"\mathcal L = \text{error}\big(x, D(E(x))\big) + \lambda \, \|E(x)\|_1",
    first=("latent_dim", "sparsity", "hidden"),
    panels=("reconstruction", "squared error", "code size"),
    explore=AUTOENCODER,
    theory=autoencoder.theory,
)

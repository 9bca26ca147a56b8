"""The variational autoencoder: train one, walk through its latent space, and see what its bound is made of."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.vae import latent_space, theory

st.title(MODELS["vae"].title)
st.write(
    "An encoder turns each example into a small cloud of codes z, a decoder turns codes back into examples; "
    "both learn by raising one bound on the likelihood of the data."
)
page(
    "vae",
    objective=(
        r"\log p(x) \;\ge\; \underbrace{E_{q(z \mid x)}[\log p(x \mid z)]}_{\text{reconstruction}}"
        r" - \underbrace{KL(q(z \mid x) \,\|\, p(z))}_{\text{KL}} \;=\; \text{ELBO}"
    ),
    first=("latent_dim", "prior", "beta"),
    units={"loss": "nats"},
    panels=("elbo", "reconstruction", "kl"),
    explore=latent_space.VIEWS,
    theory=theory.theory,
    covered=latent_space.COVERED,
)

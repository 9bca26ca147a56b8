"""PPCA and factor analysis: a VAE in which everything is exact, and where its subspace and its noise come from."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.latent import theory
from pages._ui.views.latent.instruments import PPCA

st.title(MODELS["ppca"].title)
st.write(
    "A few Gaussian numbers z, a matrix and noise: what a VAE is when its decoder is linear. Then the posterior, the "
    "likelihood and even the best parameters are known exactly, and every estimate can be held against them."
)
page(
    "ppca",
    objective=r"\log p(x) = \log N(x;\; \mu,\; W W^T + \Psi)",
    first=("latent_dim", "noise", "learn"),
    units={"loss": "nats"},
    panels=("loss", "nll"),
    explore=PPCA,
    theory=theory.theory,
    covered=("Density",),
)

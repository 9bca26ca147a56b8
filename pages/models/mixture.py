"""The mixture of Gaussians: say who is responsible for each example, fit each to its own, and see the bound climb."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.latent import theory
from pages._ui.views.latent.instruments import MIXTURE

st.title(MODELS["mixture"].title)
st.write(
    "Each example is from one of K Gaussians, and nobody says from which: the simplest latent variable. Its posterior "
    "is exact, so learning can be seen whole: responsibilities, then a better fit, then responsibilities again."
)
page(
    "mixture",
    objective=r"\log p(x) = \log \sum_{k=1}^{K} \pi_k \, N(x; \mu_k, \Sigma_k)",
    first=("components", "covariance", "learn"),
    units={"loss": "nats"},
    panels=("loss", "nll"),
    explore=MIXTURE,
    theory=theory.theory,
    covered=("Density",),
)

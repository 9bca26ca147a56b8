"""The Wasserstein GAN: a critic that measures a distance, the exact distance beside it, and what keeps it honest."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.gan import theory
from pages._ui.views.gan.instruments import shared

st.title(MODELS["wgan"].title)
st.write(
    "A critic f that nowhere climbs faster than 1 measures how far the samples must be carried to become the data; "
    "the generator goes up the critic's slope."
)
page(
    "wgan",
    objective=r"W(p, q) = \sup_{\|f\|_L \le 1} E_{x \sim p}[f(x)] - E_z[f(G(z))]",
    first=("penalty", "penalty_weight", "n_critic"),
    panels=("wasserstein", "gradient norm", "critic_loss", "generator_loss"),
    explore=shared("critic", "Estimate and exact", "Does the critic measure the distance?"),
    theory=theory.wgan,
    covered=("Latent map", "Path"),
)

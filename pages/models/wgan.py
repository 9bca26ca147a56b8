"""The Wasserstein GAN: a critic that measures a distance, the exact distance beside it, and what keeps it honest."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page import page
from pages._ui.views import gan, gan_distance, gan_lab, gan_modes, gan_play, gan_theory

st.title(MODELS["wgan"].title)
st.write(
    "A critic f that nowhere climbs faster than 1 measures how far the samples must be carried to become the data; "
    "the generator goes up the critic's slope."
)
st.latex(r"W(p, q) = \sup_{\|f\|_L \le 1} E_{x \sim p}[f(x)] - E_z[f(G(z))]")
page(
    "wgan",
    first=("penalty", "penalty_weight", "n_critic", "latent_dim"),
    units={"wasserstein": "units of x", "gradient norm": "score per unit of x"},
    panels=("wasserstein", "critic_loss", "generator_loss", "gradient norm"),
    explore={
        "On the plane": gan.plane,
        "Turn by turn": gan_play.game,
        "Estimate and exact": gan_distance.distances,
        "Critic lab": gan_lab.critics,
        "Mode collapse": gan_modes.modes,
        "Latent": gan.latent,
    },
    theory=gan_theory.wgan,
)

"""The GAN: watch two networks play, see what the discriminator believes and where it pushes, and collapse it."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.gan import game, theory
from pages._ui.views.gan.instruments import shared

st.title(MODELS["gan"].title)
st.write(
    "A generator turns noise z into examples; a discriminator learns to tell them from data; "
    "the generator learns from whatever gives it away."
)
page(
    "gan",
    objective=game.losses,
    first=("objective", "latent_dim", "d_steps"),
    panels=("discriminator_loss", "generator_loss", "D(real)", "D(fake)"),
    explore=shared("discriminator"),
    theory=theory.gan,
    covered=("Latent map", "Path"),
)

"""The ladder VAE: layers of latents above each other, and what each of them has to say."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.latent import ladder
from pages._ui.views.latent.instruments import LADDER

st.title(MODELS["ladder"].title)
st.write(
    "A VAE with its latents in layers: the one at the top says roughly what there is, and each one below settles what "
    "those above have left open. Encoder and decoder go down the same ladder."
)
page(
    "ladder",
    objective=ladder.raised,
    first=("layers", "merge", "latent_dim"),
    opens="ladder-mnist",
    units={"loss": "nats"},
    panels=("elbo", "kl_1", "kl_2", "kl_3"),
    explore=LADDER,
    theory=ladder.theory,
    covered=("Latent map", "Dimensions"),
)

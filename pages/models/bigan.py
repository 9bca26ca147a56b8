"""The bidirectional GAN: an encoder learned without a reconstruction loss, tried on test digits and on yours."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.gan import game, theory
from pages._ui.views.gan.instruments import BIGAN

st.title(MODELS["bigan"].title)
st.write(
    "An encoder E learns beside the generator G, and the discriminator tells pairs of example and code apart. "
    "The two kinds of pair can only look alike where E and G undo each other."
)
page(
    "bigan",
    objective=game.losses_of_pairs,
    first=("latent_dim", "hidden", "d_steps"),
    opens="bigan-mnist",
    units={"reconstruction": "squared error"},
    panels=("reconstruction", "discriminator_loss", "generator_loss", "D(real)", "D(fake)"),
    explore=BIGAN,
    theory=theory.bigan,
    covered=("Latent map", "Path"),
)

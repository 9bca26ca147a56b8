"""The bidirectional GAN: an encoder learned without a reconstruction loss, tried on test digits and on yours."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.shared.instruments import Instrument, of_images
from pages._ui.views.gan import bigan, game, theory
from pages._ui.views.gan.instruments import shared

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
    explore={
        "There and back": Instrument(
            bigan.there_and_back,
            "Play",
            "Do E and G undo each other, although no loss ever compared the two?",
            "Look for pairs of which the second is another example of the same kind.",
        ),
        "Draw a digit": Instrument(
            bigan.drawn,
            "Play",
            "What does it make of your digit?",
            "Draw one: what comes back is what the generator makes of the code that the encoder gives it.",
            of_images,
        ),
        **{name: one for name, one in shared("discriminator").items() if name != "Critic lab"},
    },
    theory=theory.bigan,
    covered=("Latent map", "Path"),
)

"""The bidirectional GAN: an encoder learned without a reconstruction loss, tried on test digits and on yours."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.instruments import Instrument, of_images, of_points
from pages._ui.page.page import page
from pages._ui.views.gan import bigan, distance, game, modes, theory, turns

st.title(MODELS["bigan"].title)
st.write(
    "An encoder E learns beside the generator G, and the discriminator judges pairs of example and code. "
    "The two kinds of pair can only look alike where E and G undo each other."
)
page(
    "bigan",
    objective=r"\min_{G, E} \max_D \; E_{x \sim p}[\log D(x, E(x))] + E_z[\log(1 - D(G(z), z))]",
    first=("latent_dim", "hidden", "d_steps"),
    opens="bigan-mnist",
    units={"reconstruction": "squared error"},
    panels=("reconstruction", "discriminator_loss", "generator_loss", "D(real)", "D(fake)"),
    explore={
        "There and back": Instrument(
            bigan.there_and_back, "Play", "Do E and G undo each other, although no loss ever compared the two?"
        ),
        "Draw a digit": Instrument(bigan.drawn, "Play", "What does it make of your digit?", applies=of_images),
        "Turn by turn": Instrument(turns.game, "Play", "What changes in one turn?", applies=of_points),
        "Latent": Instrument(game.latent, "Play", "What lies between two samples?", applies=of_images),
        "On the plane": Instrument(
            game.plane,
            question="What does the discriminator believe, and where does it push the samples?",
            applies=of_points,
        ),
        "Exact distance": Instrument(
            distance.distances, question="How far are the samples from the data, exactly?", applies=of_points
        ),
        "Mode collapse": Instrument(modes.modes, "When it fails", "Which modes are left out?"),
    },
    theory=theory.bigan,
    covered=("Latent map", "Path"),
)

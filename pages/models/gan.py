"""The GAN: watch two networks play, see what the discriminator believes and where it pushes, and collapse it."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.instruments import Instrument, of_images, of_points
from pages._ui.page.page import page
from pages._ui.views.gan import critics, distance, game, modes, theory, turns

st.title(MODELS["gan"].title)
st.write(
    "A generator turns noise z into examples; a discriminator learns to tell them from data; "
    "the generator learns from whatever gives it away."
)
page(
    "gan",
    objective=r"\min_G \max_D \; V(D, G) = E_{x \sim p}[\log D(x)] + E_z[\log(1 - D(G(z)))]",
    first=("objective", "latent_dim", "d_steps"),
    panels=("discriminator_loss", "generator_loss", "D(real)", "D(fake)"),
    explore={
        "Turn by turn": Instrument(
            turns.game,
            "Play",
            "What changes in one turn?",
            "Let one of the two move, and see what the other's next move makes of it.",
            of_points,
        ),
        "Latent": Instrument(game.latent, "Play", "What lies between two samples?", applies=of_images),
        "On the plane": Instrument(
            game.plane,
            question="What does the discriminator believe, and where does it push the samples?",
            applies=of_points,
        ),
        "Critic lab": Instrument(critics.critics, question="How steep is the discriminator?"),
        "Exact distance": Instrument(
            distance.distances, question="How far are the samples from the data, exactly?", applies=of_points
        ),
        "Mode collapse": Instrument(modes.modes, "When it fails", "Which modes are left out?"),
    },
    theory=theory.gan,
    covered=("Latent map", "Path"),
)

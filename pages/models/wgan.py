"""The Wasserstein GAN: a critic that measures a distance, the exact distance beside it, and what keeps it honest."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.instruments import Instrument, of_images, of_points
from pages._ui.page.page import page
from pages._ui.views.gan import critics, distance, game, modes, turns, wgan_theory

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
            question="What does the critic believe, and where does it push the samples?",
            applies=of_points,
        ),
        "Critic lab": Instrument(critics.critics, question="How steep is the critic?"),
        "Estimate and exact": Instrument(
            distance.distances, question="Does the critic measure the distance?", applies=of_points
        ),
        "Mode collapse": Instrument(modes.modes, "When it fails", "Which modes are left out?"),
    },
    theory=wgan_theory.wgan,
    covered=("Latent map", "Path"),
)

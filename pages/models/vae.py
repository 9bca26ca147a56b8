"""The variational autoencoder: train one, walk through its latent space, and see what its bound is made of."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.instruments import Instrument, of_images
from pages._ui.page.page import page
from pages._ui.views.vae import theory
from pages._ui.views.vae.latent_space import COVERED, VIEWS, of_a_density_of_points, of_a_known_density, on_a_plane

st.title(MODELS["vae"].title)
st.write(
    "An encoder turns each example into a small cloud of codes z, a decoder turns codes back into examples; "
    "both learn by raising one bound on the likelihood of the data."
)
page(
    "vae",
    objective=(
        r"\log p(x) \;\ge\; \underbrace{E_{q(z \mid x)}[\log p(x \mid z)]}_{\text{reconstruction}}"
        r" - \underbrace{KL(q(z \mid x) \,\|\, p(z))}_{\text{KL}} \;=\; \text{ELBO}"
    ),
    first=("latent_dim", "prior", "beta"),
    units={"loss": "nats"},
    panels=("elbo", "reconstruction", "kl"),
    explore={
        "Manifold": Instrument(VIEWS["Manifold"], "Play", "What does each code stand for?"),
        "Draw a digit": Instrument(VIEWS["Draw a digit"], "Play", "Does it know your handwriting?", applies=of_images),
        "Path": Instrument(VIEWS["Path"], "Play", "What lies between two examples?"),
        "Dimensions": Instrument(VIEWS["Dimensions"], "Play", "What does each latent dimension do?", applies=of_images),
        "Reconstructions": Instrument(VIEWS["Reconstructions"], question="What gets lost on the way through the code?"),
        "The bound": Instrument(VIEWS["The bound"], question="How far is the ELBO below log p(x)?"),
        "Prior and posterior": Instrument(
            VIEWS["Prior and posterior"], question="Do the codes lie where the prior says?", applies=on_a_plane
        ),
        "p(x)": Instrument(VIEWS["p(x)"], question="Which density has it learned?", applies=of_a_density_of_points),
        "True posterior": Instrument(
            VIEWS["True posterior"], question="How good is the encoder's guess?", applies=of_a_known_density
        ),
        "Shapes": Instrument(VIEWS["Shapes"], question="How does the decoder bend the plane?", applies=on_a_plane),
        "Four priors": Instrument(VIEWS["Four priors"], question="Which prior suits the codes?"),
        "Collapse": Instrument(VIEWS["Collapse"], "When it fails", "When does the code say nothing?"),
        "Close the gap": Instrument(VIEWS["Close the gap"], "When it fails", "What does a quick encoder cost?"),
    },
    theory=theory.theory,
    covered=COVERED,
)

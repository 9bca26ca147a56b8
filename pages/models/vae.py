"""The variational autoencoder: train one, walk through its latent space, and see what its bound is made of."""

from functools import partial

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.instruments import Instrument, of_images
from pages._ui.page.page import page
from pages._ui.views.common import codes
from pages._ui.views.common.density import density
from pages._ui.views.common.everybody import of_a_density, of_a_density_of_points, of_a_latent_plane
from pages._ui.views.common.shifts import OUT_OF_DISTRIBUTION
from pages._ui.views.latent.gradients import GRADIENTS
from pages._ui.views.latent.linear_vae import LINEAR
from pages._ui.views.latent.refinement import REFINEMENT
from pages._ui.views.vae import bound, collapse, drawing, geometry, priors, theory, true_posterior

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
        "Manifold": Instrument(codes.latent_map, "Play", "What does each code stand for?"),
        "Draw a digit": Instrument(drawing.drawn, "Play", "Does it know your handwriting?", applies=of_images),
        "Path": Instrument(codes.path, "Play", "What lies between two examples?"),
        "Dimensions": Instrument(codes.dimensions, "Play", "What does each latent dimension do?", applies=of_images),
        "Reconstructions": Instrument(bound.reconstructions, question="What gets lost on the way through the code?"),
        "The bound": Instrument(bound.ladder, question="How far is the ELBO below log p(x)?"),
        "Prior and posterior": Instrument(
            priors.prior_and_posterior, question="Do the codes lie where the prior says?", applies=of_a_latent_plane
        ),
        "p(x)": Instrument(
            partial(density, about="p(x) = ∫ p(x | z) p(z) dz, by a sum over a grid of z: no samples, no estimate."),
            question="Which density has it learned?",
            applies=of_a_density_of_points,
        ),
        "True posterior": Instrument(
            true_posterior.posteriors, question="How good is the encoder's guess?", applies=of_a_density
        ),
        "Shapes": Instrument(
            geometry.shapes, question="How does the decoder bend the plane?", applies=of_a_latent_plane
        ),
        "Linear VAE": LINEAR,
        "Two gradients": GRADIENTS,
        "Refine q": REFINEMENT,
        "Four priors": Instrument(priors.four_priors, question="Which prior suits the codes?"),
        "Collapse": Instrument(collapse.collapse, "When it fails", "When does the code say nothing?"),
        "Out of distribution": OUT_OF_DISTRIBUTION,
        "Close the gap": Instrument(bound.close_the_gap, "When it fails", "What does a quick encoder cost?"),
    },
    theory=theory.theory,
    covered=("Density", "Latent map", "Path", "Dimensions"),
)

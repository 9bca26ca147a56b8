"""The ladder VAE: layers of latents above each other, and what each of them has to say."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.shared.instruments import Instrument, of_images
from pages._ui.views.common import codes
from pages._ui.views.common.shifts import OUT_OF_DISTRIBUTION
from pages._ui.views.latent import ladder
from pages._ui.views.vae import bound

st.title(MODELS["ladder"].title)
st.write(
    "A VAE with its latents in layers: the one at the top says roughly what there is, and each one below settles what "
    "those above have left open. Encoder and decoder go down the same ladder."
)
page(
    "ladder",
    objective=(
        r"\text{ELBO} = E_q[\log p(x \mid z)] - \sum_{l=1}^{L} E_q\, KL\big(q(z_l \mid z_{>l}, x)"
        r" \,\|\, p(z_l \mid z_{>l})\big)"
    ),
    first=("layers", "merge", "latent_dim"),
    opens="ladder-mnist",
    units={"loss": "nats"},
    panels=("elbo", "kl_1", "kl_2", "kl_3"),
    explore={
        "Held layers": Instrument(
            ladder.held,
            "Play",
            "Which layer decides what?",
            "From row to row one more layer is the same for all: guess what will still differ in the last one.",
        ),
        "Top map": Instrument(
            codes.latent_map,
            "Play",
            "What does each code of the top stand for?",
            "Each layer below is at the mean that those above it expect: walk about, and see how much the top decides.",
            lambda moment: moment.model.latent_dim >= 2,
        ),
        "KL by layer": Instrument(
            ladder.layers,
            question="How much does each layer say?",
            before="Guess which of the layers says most, and whether any says nothing.",
        ),
        "From the top": Instrument(
            ladder.upper,
            question="What do the upper layers know of an example?",
            before="Read downwards: what comes back from the top alone, and what does each layer add?",
        ),
        "The bound": Instrument(
            bound.ladder,
            question="How far is the ELBO below log p(x)?",
            before="Guess first: how many nats does the bound rise when a thousand ways down are averaged?",
        ),
        "Dimensions": Instrument(
            codes.dimensions,
            "Play",
            "What does each dimension of the top do?",
            "A row that stays the same is a dimension that nothing below hears.",
            of_images,
        ),
        "Out of distribution": OUT_OF_DISTRIBUTION,
    },
    theory=ladder.theory,
    covered=("Latent map", "Dimensions"),
)

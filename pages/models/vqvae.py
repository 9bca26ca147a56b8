"""The VQ-VAE: pictures in a few words of a learned dictionary, and a prior that knows which words follow which."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.shared.instruments import Instrument, of_images, of_points
from pages._ui.views.vq import codebook, maps
from pages._ui.views.vq.theory import loss, theory

st.title(MODELS["vqvae"].title)
st.write(
    "The encoder's vectors are replaced by the nearest of K learned ones, so that the code of a picture is a small map "
    "of whole numbers. An autoregressive model learns which maps occur, and draws new ones."
)
page(
    "vqvae",
    objective=loss,
    first=("codes", "codebook", "commitment"),
    opens="vqvae-mnist",
    panels=("reconstruction", "perplexity", "codes in use", "code nll"),
    explore={
        "Codebook": Instrument(
            codebook.book,
            question="What does each code stand for, and how often?",
            before="How many of them are in use, and how evenly? The curve of codes in use says how it came to that.",
            applies=of_images,
        ),
        "Cells": Instrument(
            codebook.cells,
            question="Which points have the same code?",
            before="Where a run has kept its first moments, go back to them: the cells move to where the data are.",
            applies=of_points,
        ),
        "Codes of a picture": Instrument(
            maps.changed,
            "Play",
            "What happens when one code is changed?",
            "Choose a place, and click on another code for it: how far does the change reach?",
            applies=of_images,
        ),
        "Fewer codes": Instrument(
            codebook.fewer,
            question="How many codes does it need?",
            before="Guess first: with half of the codes, how much worse is what is restored?",
        ),
        "Why a prior": Instrument(
            maps.with_and_without,
            question="Why does it need a prior over its codes?",
            before="Guess first: what does the decoder make of codes that are drawn one by one?",
            applies=of_images,
        ),
    },
    theory=theory,
    covered=("Latent map", "Dimensions"),
)

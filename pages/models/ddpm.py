"""The denoising diffusion model: watch data become noise, and noise become data again, step by step."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.shared.instruments import Instrument, of_images, of_points
from pages._ui.views.diffusion import bits, bound, denoising, edits, hierarchy, langevin, plane, theory

st.title(MODELS["ddpm"].title)
st.write(
    "Noise is added to an example x₀ little by little until nothing else is left. "
    "A network is shown every stage xₜ of it and says which noise ε is there; to sample is to take away what it says."
)
page(
    "ddpm",
    objective=bound.loss,
    about=(
        "Whatever the network says, it comes to an error of ε with a weight at each t: *Explore → Bound* draws the "
        "weights of this run."
    ),
    opens="ddpm-mnist",
    first=("T", "schedule", "classes"),
    units=dict.fromkeys(("loss", "mse_t1", "mse_t2", "mse_t3", "mse_t4"), "per dimension"),
    panels=("loss", "mse_t1", "mse_t2", "mse_t3", "mse_t4"),
    explore={
        "Forward": Instrument(
            denoising.forward,
            "Play",
            "How do data become noise?",
            "Guess from which t on nobody can tell what it was; then scrub.",
        ),
        "Denoise": Instrument(
            denoising.denoise,
            "Play",
            "How does noise become data?",
            "Watch x̂₀, what the network takes to be behind the noise: when does it know what it will be?",
        ),
        "Edit": Instrument(
            edits.edit,
            "Play",
            "What else can a denoiser do to a picture?",
            "Noise a real digit a little or a lot, and see what comes back.",
            of_images,
        ),
        "Samplers": Instrument(
            denoising.samplers,
            question="How few steps are enough?",
            before="All begin with the same noise. Guess which needs the fewest steps before you compare them.",
        ),
        "Plane": Instrument(
            plane.plane,
            question="Where does the learned score point?",
            before="Move t: in the noise arrows point to the middle of the data, near the data to what is nearest.",
            applies=of_points,
        ),
        "Langevin": Instrument(
            langevin.langevin_walk,
            question="Is the score alone enough to sample?",
            before="All particles begin in one place. Guess how many reach the other modes; then let the noise fall.",
            applies=of_points,
        ),
        "Bound": Instrument(
            bound.bound,
            question="What does each step cost?",
            before="Guess which steps cost most, those near the data or those near the noise; then compute the bound.",
        ),
        "Bits": Instrument(
            bits.bits,
            question="Where do the bits go?",
            before="Guess what share of them the last step takes, from hardly any noise to whole grey levels.",
            applies=of_images,
        ),
        "A deep VAE": Instrument(
            hierarchy.hierarchy,
            question="What has a diffusion in common with a VAE?",
            before="Both climb to latents and come down again. Guess which pays more at the top.",
            applies=of_images,
        ),
    },
    theory=theory.theory,
)

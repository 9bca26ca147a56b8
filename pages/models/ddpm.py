"""The denoising diffusion model: watch data become noise, and noise become data again, step by step."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.views.diffusion import bound, theory
from pages._ui.views.diffusion.instruments import INSTRUMENTS

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
    explore=INSTRUMENTS,
    theory=theory.theory,
)

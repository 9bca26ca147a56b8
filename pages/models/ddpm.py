"""The denoising diffusion model: watch data become noise, and noise become data again, step by step."""

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.instruments import Instrument, of_images, of_points
from pages._ui.page.page import page
from pages._ui.views.diffusion import theory
from pages._ui.views.diffusion.denoising import VIEWS

st.title(MODELS["ddpm"].title)
st.write(
    "Noise is added to an example x₀ little by little until nothing else is left. "
    "A network is shown every stage xₜ of it and says which noise ε is there; to sample is to take away what it says."
)
page(
    "ddpm",
    objective=(
        r"\begin{gathered} x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon \\"
        r" L_{\text{simple}} = E_{t, x_0, \epsilon}\, \| \epsilon - \epsilon_\theta(x_t, t) \|^2 \end{gathered}"
    ),
    about=(
        "This is the loss of a network that says ε. The presets let it say v = √ᾱ ε − √(1 − ᾱ) x₀ and take the squared "
        "error of that, which weighs an error of ε by 1/ᾱ; *Explore → Bound* draws the weights of the run at hand."
    ),
    opens="ddpm-mnist",
    first=("T", "schedule", "classes"),
    units=dict.fromkeys(("loss", "mse_t1", "mse_t2", "mse_t3", "mse_t4"), "per dimension"),
    panels=("loss", "mse_t1", "mse_t2", "mse_t3", "mse_t4"),
    explore={
        "Forward": Instrument(VIEWS["Forward"], "Play", "How do data become noise?"),
        "Denoise": Instrument(VIEWS["Denoise"], "Play", "How does noise become data?"),
        "Edit": Instrument(VIEWS["Edit"], "Play", "What else can a denoiser do to a picture?", applies=of_images),
        "Samplers": Instrument(VIEWS["Samplers"], question="How few steps are enough?"),
        "Plane": Instrument(VIEWS["Plane"], question="Where does the learned score point?", applies=of_points),
        "Bound": Instrument(VIEWS["Bound"], question="What does each step cost?"),
    },
    theory=theory.theory,
)

"""PPCA and factor analysis: a VAE in which everything is exact, and where its subspace and its noise come from."""

from functools import partial

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.shared.instruments import Instrument
from pages._ui.views.common.density import density
from pages._ui.views.common.everybody import of_a_density_of_points
from pages._ui.views.latent import theory
from pages._ui.views.latent.em import step_by_step
from pages._ui.views.latent.estimates import ESTIMATES
from pages._ui.views.latent.likelihood import LIKELIHOOD, MAP
from pages._ui.views.latent.subspace import subspace

st.title(MODELS["ppca"].title)
st.write(
    "A few Gaussian numbers z, a matrix and noise: what a VAE is when its decoder is linear. Then the posterior, the "
    "likelihood and even the best parameters are known exactly, and every estimate can be held against them."
)
page(
    "ppca",
    objective=r"\log p(x) = \log N(x;\; \mu,\; W W^T + \Psi)",
    first=("latent_dim", "noise", "learn"),
    units={"loss": "nats"},
    panels=("loss", "nll"),
    explore={
        "Subspace": Instrument(
            subspace,
            question="Which directions has it found?",
            before="Is it what varies most? Of a run that has kept its first moments, see which directions come first.",
        ),
        "EM": Instrument(
            step_by_step,
            "Play",
            "How does EM get there?",
            "Step through EM from this moment, or from fresh parameters, and watch where the bound touches.",
        ),
        "p(x)": Instrument(
            partial(density, about="p(x) is one Gaussian: no samples, no estimate."),
            question="Which density has it learned?",
            before="One ellipse is all that it can be: what of the data does it get right?",
            applies=of_a_density_of_points,
        ),
        "Maximum likelihood": LIKELIHOOD,
        "MAP": MAP,
        "Estimates of log p(x)": ESTIMATES,
    },
    theory=theory.theory,
    covered=("Density",),
)

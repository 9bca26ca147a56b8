"""The mixture of Gaussians: say who is responsible for each example, fit each to its own, and see the bound climb."""

from functools import partial

import streamlit as st

from genmodels.models import MODELS
from pages._ui.page.page import page
from pages._ui.shared.instruments import Instrument
from pages._ui.views.common.density import density
from pages._ui.views.common.everybody import of_a_density_of_points
from pages._ui.views.latent import theory
from pages._ui.views.latent.em import step_by_step
from pages._ui.views.latent.likelihood import LIKELIHOOD, MAP

st.title(MODELS["mixture"].title)
st.write(
    "Each example is from one of K Gaussians, and nobody says from which: the simplest latent variable. Its posterior "
    "is exact, so learning can be seen whole: responsibilities, then a better fit, then responsibilities again."
)
page(
    "mixture",
    objective=r"\log p(x) = \log \sum_{k=1}^{K} \pi_k \, N(x; \mu_k, \Sigma_k)",
    first=("components", "covariance", "learn"),
    units={"loss": "nats"},
    panels=("loss", "nll"),
    explore={
        "EM": Instrument(
            step_by_step,
            "Play",
            "Who is responsible for which point?",
            "Step through EM from this moment, or from fresh parameters, and watch where the bound touches.",
        ),
        "p(x)": Instrument(
            partial(density, about="p(x) = Σ π N(x; μ, Σ), a finite sum: no samples, no estimate."),
            question="Which density has it learned?",
            before="Look for the ellipses in it, and for what no ellipse can follow.",
            applies=of_a_density_of_points,
        ),
        "Maximum likelihood": LIKELIHOOD,
        "MAP": MAP,
    },
    theory=theory.theory,
    covered=("Density",),
)

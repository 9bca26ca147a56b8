"""A linear VAE beside PPCA: its bound, the likelihood of its decoder, and the best there can be, all exact."""

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.latent import linear_vae as instruments
from genmodels.text import number
from pages._ui.shared.answer import answer
from pages._ui.shared.instruments import Instrument
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import nats

__all__ = ["LINEAR"]


def linear(moment: Moment) -> None:
    """Three numbers that meet, and why they can."""
    fit = answer(instruments.linear, moment=moment, key="linear", at_once=True)
    if fit is None:
        return
    columns = st.columns(4)
    nats("ELBO", float(fit["elbo"]), place=columns[0], help="in closed form: nothing is drawn")
    nats("log p(x) of its decoder", float(fit["log_prob"]), place=columns[1], help="exact: one Gaussian")
    nats("PPCA's best", float(fit["best"]), place=columns[2], help="from the eigenvalues of the data's covariance")
    widest = number(float(fit["angles"].max()), 2)
    columns[3].metric("angle to the principal subspace", f"{widest}°", help="the widest of the principal angles")
    left, right = st.columns(2, gap="medium")
    size = len(fit["left"])
    extent = (0.5, size + 0.5, 0.5, size + 0.5)
    drawn = figures.signed(
        fit["correlation"] - np.eye(size),
        extent,
        title="Correlations in the true posterior",
        unit="correlation",
        x_title="latent dimension",
        y_title="latent dimension",
        limit=1.0,
    )
    plot(drawn.update_traces(zsmooth=False).update_layout(height=340), key="linear-correlation", place=left)
    shares = {f"z{i + 1}": float(v) for i, v in enumerate(fit["left"])}
    title = "What the posterior leaves of the prior's variance"
    drawn = figures.bars(shares, y_title="variance of z given x", title=title, color=figures.POSTERIOR)
    plot(drawn.update_layout(height=340), key="linear-left", place=right)
    st.caption(
        f"σ of the decoder is {number(float(fit['sigma']))}, PPCA's {number(float(fit['best_sigma']))}. A rotation "
        "of z changes nothing about x, so the likelihood leaves the axes of z open. The ELBO does not: q has no "
        "correlations, and its KL is 0 only where the true posterior has none, where the columns of W are orthogonal. "
        "A dimension that keeps all of its variance, 1, is collapsed: PPCA, exactly solved, collapses it too where the "
        "data do not pay for it (Lucas et al. 2019)."
    )
    concluded(instruments.conclusion(fit), key="conclusion-linear")


def applies(moment: Moment) -> bool:
    """Whether the model is a linear VAE with fewer latent dimensions than x."""
    return instruments.is_linear(moment.model) and moment.model.latent_dim < int(np.prod(moment.model.shape))


LINEAR = Instrument(
    linear,
    question="Is a linear VAE PPCA?",
    before="Go back to the first moments: what is closed first, the encoder's gap or the decoder's?",
    applies=applies,
)

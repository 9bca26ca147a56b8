"""The geometry of a VAE's latent plane: the posteriors of examples, and how the decoder stretches it."""

from functools import partial

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from genmodels.instruments.arrays import Array
from genmodels.instruments.vae import geometry
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded

__all__ = ["density_of_z", "draw_posterior", "shapes"]

density_of_z = partial(figures.density, x_title="z₁", y_title="z₂")


def shapes(moment: Moment) -> None:
    """How sure the encoder is of each example, and where the decoder stretches space."""
    left, right = st.columns(2)
    plot(_ellipses(moment), key="ellipses", place=left)
    left.caption("Each ellipse is q(z | x) of one test example, one σ wide, in the colour of its label.")
    powers, extent = seen(geometry.stretch, moment)
    figure = density_of_z(powers - powers.min(), extent, title="The decoder's stretch", unit="power of ten")
    plot(figure, key="stretch", place=right)
    right.caption(
        "log₁₀ √det(JᵀJ) over its least value: where the colour is strong, a small step of z changes the picture "
        "much. Those are the borders between kinds of pictures."
    )
    concluded(geometry.conclusion_of_stretch(powers))


def _ellipses(moment: Moment) -> go.Figure:
    ellipses, labels = seen(geometry.posteriors, moment)
    lines = np.concatenate([ellipses, np.full((len(ellipses), 1, 2), np.nan)], 1)  # a gap after each
    figure = figures.points([], title="Posteriors q(z | x)", x_title="z₁", y_title="z₂")
    for i, name in enumerate(moment.data.classes or ("all",)):
        z1, z2 = lines[labels == i].reshape(-1, 2).astype(np.float32).T
        style = {"color": figures.CLASSES[i % 10], "width": 1}
        figure.add_scatter(x=z1, y=z2, mode="lines", line=style, name=name, hoverinfo="name")
    return figure.update_layout(showlegend=False)


def draw_posterior(figure: go.Figure, mu: Array, sigma: Array, color: str, name: str = "") -> None:
    """A diagonal Gaussian of the plane, mean and σ (2,) each, as its ellipses of one and two σ."""
    for scale, dash in ((1, "solid"), (2, "dot")):
        z1, z2 = geometry.ellipses(mu[None], scale * sigma[None], sides=64)[0].astype(np.float32).T
        style = {"color": color, "width": 2.5, "dash": dash}
        figure.add_scatter(x=z1, y=z2, mode="lines", line=style, name=f"{name}{scale}σ", hoverinfo="name")

"""The geometry of a VAE's latent space, and the gap of the bound closed by gradient steps."""

from functools import partial

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from genmodels.instruments.vae import bound, geometry
from genmodels.instruments.vae import latent_space as instruments
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot

__all__ = ["close_the_gap", "density_of_z", "shapes"]

density_of_z = partial(figures.density, x_title="z₁", y_title="z₂")

_stretch = st.cache_data(max_entries=64, show_spinner=False)(lambda moment: geometry.stretch(moment.model))
_encoded = st.cache_data(max_entries=64, show_spinner=False)(
    lambda moment: instruments.encoded(moment.model, moment.data, 400)
)


_loosest = st.cache_data(max_entries=64, show_spinner=False)(lambda moment: bound.loosest(moment.model, moment.data))


def shapes(moment: Moment) -> None:
    """How sure the encoder is of each example, and where the decoder stretches space."""
    if moment.model.latent_dim != 2:
        st.info(f"These maps need two latent dimensions; this model has {moment.model.latent_dim}.")
        return
    found, map_ = _encoded(moment), _stretch(moment)
    outlines = geometry.ellipses(found.mu, found.sigma)
    left, right = st.columns(2)
    plot(_posteriors(moment, found.labels, outlines), key="ellipses", place=left)
    left.caption("Each ellipse is q(z | x) of one test example, one σ wide, in the colour of its label.")
    values = map_.log10 - map_.log10.min()
    figure = density_of_z(values, map_.extent, title="The decoder's stretch", unit="decades")
    plot(figure, key="stretch", place=right)
    right.caption(
        "log₁₀ √det(JᵀJ) over its least value: where the colour is strong, a small step of z changes the picture much. "
        "Those are the borders between kinds of pictures."
    )


def _posteriors(moment: Moment, labels: np.ndarray, outlines: np.ndarray) -> go.Figure:
    figure = figures.points([], title="Posteriors q(z | x)", x_title="z₁", y_title="z₂")
    gap = np.full((len(outlines), 1, 2), np.nan)
    lines = np.concatenate([outlines, gap], 1)
    for i, name in enumerate(moment.data.classes or ("all",)):
        path = lines[labels == i].reshape(-1, 2).astype(np.float32)
        style = {"color": figures.CLASSES[i % 10], "width": 1}
        figure.add_scatter(x=path[:, 0], y=path[:, 1], mode="lines", line=style, name=name, hoverinfo="name")
    return figure.update_layout(showlegend=False)


def close_the_gap(moment: Moment) -> None:
    """One example's posterior refined by gradient steps, while the ELBO climbs towards log p(x)."""
    most, loosest = len(moment.data.test) - 1, _loosest(moment)
    example = url_widgets.number("test example", 0, most, loosest, key="gap_example", width=180)
    st.caption(
        "The encoder guesses q(z | x) for every x at once. Refined for this x alone, by gradient ascent on μ and σ, "
        "the ELBO rises by the amortization gap, which is small where the guess was good. What is left to log p(x) is "
        f"the price of a Gaussian q. Of the first hundred test examples, the bound is loosest at number {loosest}."
    )
    found = answer(geometry.gap, key="gap", moment=moment, index=int(example))
    if found is None:
        return
    steps = np.arange(len(found["elbo"]))
    lines = [figures.Curve("ELBO", steps, found["elbo"], figures.POSTERIOR)]
    if "exact" in found:
        exact = np.full(len(steps), found["exact"][0])
        lines.append(figures.Curve("log p(x), exact", steps, exact, figures.DATA, dashed=True))
    figure = figures.curves(lines, title="Refining q(z | x) of one example", x_title="gradient step", y_title="nats")
    plot(figure, key="gap-curve")
    a, b, c = st.columns(3)
    a.metric("ELBO, as encoded", f"{found['elbo'][0]:.2f} nats")
    b.metric("ELBO, refined", f"{found['elbo'][-1]:.2f} nats", f"{found['elbo'][-1] - found['elbo'][0]:+.2f}")
    if "exact" in found:
        left = found["exact"][0] - found["elbo"][-1]
        c.metric(
            "log p(x)", f"{found['exact'][0]:.2f} nats", f"{left:.2f} still apart", delta_color="off", delta_arrow="off"
        )

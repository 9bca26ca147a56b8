"""The visitor's own picture, drawn or uploaded, read by the model."""

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.codes import encoded
from genmodels.instruments.vae.drawing import NEAR, Reading, known, read
from genmodels.text import number
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.chosen import own_picture
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import by_class, nats, pictures
from pages._ui.views.vae.geometry import draw_posterior

__all__ = ["drawn"]


def drawn(moment: Moment) -> None:
    """The visitor's own picture, read by the model."""
    look = lambda pixels: read(moment.model, moment.data, pixels, seen(known, moment))  # noqa: E731
    reading, place = own_picture(moment, look)
    if reading is None:
        return
    with place:
        both, caption = np.stack([reading.x, reading.mean]), "as the model sees it · its reconstruction"
        alt = "Your picture as the model sees it, and its reconstruction."
        pictures(both, 2, key="read", alt=alt, caption=caption, pixels=110, download="reconstruction.png")
        _bounds(reading)
    left, right = st.columns([2, 3])
    with left:
        _where(moment, reading)
    with right:
        among = f"in latent space, among {min(NEAR, len(moment.data.train)):,}"
        for x, where, key in ((reading.near_z, among, "near"), (reading.near_x, "in pixels, among all", "near-x")):
            told = f"the nearest training pictures {where}"
            pictures(x, 8, key=key, alt=f"{told.capitalize()}.", caption=told, pixels=50)
    concluded(reading.conclusion())


def _bounds(reading: Reading) -> None:
    rungs = st.columns(2 if reading.log_prob_nats is None else 3)
    nats("ELBO", reading.elbo_nats, help="500 draws of z", place=rungs[0])
    nats("IWAE, k = 500", reading.iwae_nats, help="closer to log p(x) from below", place=rungs[1])
    if reading.log_prob_nats is not None:
        above = reading.log_prob_nats - reading.elbo_nats  # of draws: an ELBO may seem to lie above it
        gap = f"{number(abs(above))} {'above' if above >= 0 else 'below'} the ELBO"
        nats("log p(x), exact", reading.log_prob_nats, gap, help="by integrating over z", place=rungs[2])


def _where(moment: Moment, reading: Reading) -> None:
    """The posterior of the drawing: on the map of latent space, or dimension by dimension."""
    mu, sigma = reading.mu, reading.sigma
    if len(mu) != 2:
        means, spread = ({f"z{i + 1}": float(v) for i, v in enumerate(values)} for values in (mu, sigma))
        figure = figures.bars(means, errors=spread, title="q(z | x): μ ± σ", y_title="z", color=figures.POSTERIOR)
        plot(figure, key="read-posterior")
        return
    dots = seen(encoded, moment, n=1000)
    clouds = by_class(dots.z, dots.labels, moment.data.classes)
    figure = figures.points(clouds, title="Its posterior q(z | x)", x_title="z₁", y_title="z₂")
    draw_posterior(figure, mu, sigma, figures.NEUTRAL)
    figure.add_annotation(x=float(mu[0]), y=float(mu[1]), text="your picture", arrowcolor=figures.NEUTRAL)
    plot(figure.update_layout(showlegend=False), key="read-posterior")
    st.caption("One and two σ wide, among encoded test pictures in the colours of their labels.")

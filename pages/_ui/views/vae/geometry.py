"""The posteriors of a VAE: of an example the true one under the encoder's, of many where they lie; and the stretch."""

from functools import partial

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from genmodels.instruments.arrays import Array, Arrays
from genmodels.instruments.vae import geometry, true_posterior
from genmodels.text import number
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import example_of, nats, pictures, real_points

__all__ = ["density_of_z", "draw_posterior", "posteriors", "shapes"]

density_of_z = partial(figures.density, x_title="z₁", y_title="z₂")


# Of one example ---


def posteriors(moment: Moment) -> None:
    """Why the bound has a gap: p(z | x) on a grid of z, and q(z | x) over it."""
    model = moment.model
    example = example_of(moment, key="posterior_example")
    st.latex(r"\log p(x) = \text{ELBO} + KL(q(z \mid x) \,\|\, p(z \mid x))")
    both = answer(true_posterior.true_posterior, key="posterior", at_once=True, moment=moment, index=example)
    if both is None:
        return
    left, right = st.columns([2, 3])
    with left:
        if model.is_image:
            caption = "x, as the model sees it"
            pictures(both["x"], 1, key="posterior-x", alt="The test example.", caption=caption, pixels=200, download="")
        else:
            x = figures.Points("x", both["x"][None], figures.SAMPLES, size=12, opacity=1.0)
            clouds = [real_points(moment, 800, opacity=0.3), x]
            plot(figures.points(clouds, title="x among the data"), key="posterior-x")
    plot(_curves(both) if model.latent_dim == 1 else _map(both), key="true-posterior", place=right)
    _sum(both)


def _map(both: Arrays) -> go.Figure:
    extent, title = tuple(both["extent"].tolist()), "p(z | x) as colour, q(z | x) as lines"
    figure = density_of_z(both["p"], extent, title=title, color=figures.LATENT)
    draw_posterior(figure, both["mu"], both["sigma"], figures.POSTERIOR, "q, ")
    # A posterior may be ten times as long as it is wide: here it fills the map, whatever the scales of its axes.
    figure.update_xaxes(constrain=None).update_yaxes(scaleanchor=None, constrain=None)
    return figure.update_layout(showlegend=False)


def _curves(both: Arrays) -> go.Figure:
    (low, high), n = both["extent"], len(both["p"])
    z = low + (np.arange(n) + 0.5) / n * (high - low)
    mu, sigma = both["mu"][0], both["sigma"][0]
    q = np.exp(-0.5 * ((z - mu) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    lines = [
        figures.Curve("p(z | x)", z, both["p"], figures.LATENT),
        figures.Curve("q(z | x)", z, q, figures.POSTERIOR),
    ]
    return figures.curves(lines, title="The true posterior and the encoder's", x_title="z", y_title="density")


def _sum(both: Arrays) -> None:
    """log p(x) as a sum: the ELBO and the gap KL(q ‖ p(z | x))."""
    (elbo, error), (kl, grid), (log_prob,) = both["elbo"], both["kl"], both["log_prob"]
    a, b, c, d = st.columns(4)
    nats("ELBO", elbo, f"± {number(error, 2)}, 4,000 draws", digits=5, place=a)
    nats("KL(q ‖ p(z | x))", kl, f"± {number(grid, 2)}, the grid", digits=3, place=b)
    nats("ELBO + KL", elbo + kl, digits=5, place=c)
    nats("log p(x)", log_prob, "over all of z", digits=5, place=d)
    st.caption(
        "Three computations that know nothing of each other: draws from q, a sum over the map, an integral over latent "
        "space. q is a Gaussian without correlations; where the true posterior bends or leans, it cannot follow, and "
        "the bound pays for it."
    )
    concluded(true_posterior.conclusion(both))


# Of many ---


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

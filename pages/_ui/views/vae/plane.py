"""The density that a VAE of the plane has learned, and the true posterior under the encoder's."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures, images
from genmodels.instruments.vae import geometry
from genmodels.instruments.vae import plane as instruments
from pages._ui.components.image_grid import image_grid
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot

__all__ = ["density", "true_posterior"]


def density(moment: Moment) -> None:
    """p(x) as learned, as it is, and their difference."""
    if moment.model.is_image or moment.model.latent_dim > 2:
        st.info(
            "p(x) can be drawn on the plane, and integrated over one or two latents: train the preset *Plane: see "
            "p(x) learned*. Of pictures, *The bound* says how likely they are."
        )
        return
    st.caption(
        r"p(x) = ∫ p(x | z) p(z) dz, integrated over a grid of z for every point of the map: no samples, no estimate."
    )
    found = answer(instruments.density, key="density", at_once=True, moment=moment)
    if found is None:
        return
    extent = tuple(found["extent"].tolist())
    top = float(max(found["learned"].max(), found["true"].max() if "true" in found else 0))
    maps = [figures.density(found["learned"], extent, title="Learned p(x)", color=figures.SAMPLES)]
    if "true" in found:
        maps += [
            figures.density(found["true"], extent, title="True density"),
            figures.signed(found["learned"] - found["true"], extent, title="Learned − true", unit="density"),
        ]
    for i, (place, figure) in enumerate(zip(st.columns(len(maps)), maps, strict=True)):
        if i < 2:
            figure.update_traces(zmax=top)
        plot(figure.update_layout(height=330), key=f"p-of-x-{i}", place=place)
    if "kl" in found:
        kl, error = found["kl"]
        st.metric(
            "KL(true ‖ learned)",
            f"{kl:.3f} nats",
            f"± {error:.3f}, from 1,500 points of each",
            delta_color="off",
            delta_arrow="off",
        )


def true_posterior(moment: Moment) -> None:
    """Why the bound has a gap: p(z | x) on a grid of z, and q(z | x) over it."""
    if moment.model.latent_dim > 2:
        st.info(f"The true posterior is known for one or two latents; this model has {moment.model.latent_dim}.")
        return
    most = len(moment.data.test) - 1
    example = url_widgets.number("test example", 0, most, 0, key="posterior_example", width=180)
    st.latex(r"\log p(x) = \text{ELBO} + KL(q(z \mid x) \,\|\, p(z \mid x))")
    found = answer(instruments.posterior, key="posterior", at_once=True, moment=moment, index=int(example))
    if found is None:
        return
    left, right = st.columns([2, 3])
    with left:
        _example(moment, found)
    with right:
        figure = _curves(found) if moment.model.latent_dim == 1 else _map(found)
        plot(figure, key="true-posterior")
    _sum(found)


def _example(moment: Moment, found: dict[str, np.ndarray]) -> None:
    if moment.model.is_image:
        image_grid(
            images.png(images.tile(found["x"][None])),
            key="posterior-x",
            alt="The test example.",
            caption="x, as the model sees it",
            scale=max(1.0, round(200 / moment.data.shape[-1], 1)),
            download="",
        )
        return
    clouds = [
        figures.Points("test points", moment.data.test.x[:800].numpy(), figures.DATA, size=3, opacity=0.3),
        figures.Points("x", found["x"][None], figures.SAMPLES, size=12, opacity=1.0),
    ]
    plot(figures.points(clouds, title="x among the data"), key="posterior-x")


def _map(found: dict[str, np.ndarray]) -> go.Figure:
    extent = tuple(found["extent"].tolist())
    figure = figures.density(
        found["p"],
        extent,
        title="p(z | x) as colour, q(z | x) as lines",
        x_title="z₁",
        y_title="z₂",
        color=figures.LATENT,
    )
    for scale, dash in ((1, "solid"), (2, "dot")):
        path = geometry.ellipses(found["mu"][None], scale * found["sigma"][None], sides=64)[0].astype(np.float32)
        style = {"color": figures.POSTERIOR, "width": 2.5, "dash": dash}
        figure.add_scatter(x=path[:, 0], y=path[:, 1], mode="lines", line=style, name=f"q, {scale}σ", hoverinfo="name")
    # A posterior may be ten times as long as it is wide: here it fills the map, whatever the scales of its axes.
    figure.update_xaxes(constrain=None).update_yaxes(scaleanchor=None, constrain=None)
    return figure.update_layout(showlegend=False)


def _curves(found: dict[str, np.ndarray]) -> go.Figure:
    low, high = found["extent"]
    n = len(found["p"])
    z = low + (np.arange(n) + 0.5) / n * (high - low)
    mu, sigma = found["mu"][0], found["sigma"][0]
    q = np.exp(-0.5 * ((z - mu) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
    lines = [
        figures.Curve("p(z | x)", z, found["p"], figures.LATENT),
        figures.Curve("q(z | x)", z, q, figures.POSTERIOR),
    ]
    return figures.curves(lines, title="The true posterior and the encoder's", x_title="z", y_title="density")


def _sum(found: dict[str, np.ndarray]) -> None:
    elbo, error = (float(v) for v in found["elbo"])
    (kl, grid), log_prob = found["kl"].tolist(), float(found["log_prob"][0])
    a, b, c, d = st.columns(4)
    a.metric("ELBO", f"{elbo:.3f} nats", f"± {error:.3f}, 4,000 draws", delta_color="off", delta_arrow="off")
    b.metric("KL(q ‖ p(z | x))", f"{kl:.3f} nats", f"± {grid:.3f}, the grid", delta_color="off", delta_arrow="off")
    c.metric("ELBO + KL", f"{elbo + kl:.3f} nats")
    d.metric("log p(x)", f"{log_prob:.3f} nats", "over all of z", delta_color="off", delta_arrow="off")
    st.caption(
        "Three computations that know nothing of each other: draws from q, a sum over the map, an integral over latent "
        "space. q is a Gaussian without correlations; where the true posterior bends or leans, it cannot follow, and "
        "the bound pays for it."
    )

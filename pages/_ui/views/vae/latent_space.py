"""What can be explored of a VAE: each function draws one instrument of one moment."""

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels import images as pictures
from genmodels.instruments.vae import latent_space as instruments
from genmodels.instruments.vae.bound import ladder
from genmodels.instruments.vae.geometry import geodesic
from pages._ui.components.image_grid import image_grid
from pages._ui.components.latent_pad import Encoded, latent_pad
from pages._ui.components.scrubber import scrubber
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.vae import collapse, drawing, geometry, plane, priors

__all__ = ["VIEWS"]


def zoom(shape: tuple[int, ...], pixels: int = 72) -> float:
    """How many screen pixels a picture's pixel takes, for pictures about so many pixels wide."""
    return max(1.0, round(pixels / shape[-1], 1))


# Pictures that are computed once for all who look ---


@st.cache_data(max_entries=64, show_spinner=False)
def _manifold(moment: Moment) -> tuple[pictures.Sprite, tuple[list[float], list[float]]]:
    found = instruments.manifold(moment.model, 20)
    n, _, c, h, w = found.images.shape
    atlas = pictures.sprite(found.images[::-1].reshape(n * n, c, h, w), columns=n, quality=90)
    return atlas, (found.axes[0].tolist(), found.axes[1].tolist())


_encoded = st.cache_data(max_entries=64, show_spinner=False)(
    lambda moment: instruments.encoded(moment.model, moment.data)
)
_reconstructions = st.cache_data(max_entries=64, show_spinner=False)(
    lambda moment: instruments.reconstructions(moment.model, moment.data)
)


@st.cache_data(max_entries=64, show_spinner=False)
def _path(moment: Moment, first: int, second: int, spherical: bool) -> np.ndarray:
    return instruments.path(moment.model, moment.data, first, second, spherical=spherical)


# The instruments ---


def manifold(moment: Moment) -> None:
    """Latent space under a point that decodes as it moves."""
    if moment.model.latent_dim != 2:
        st.info(
            f"Latent space has {moment.model.latent_dim} dimensions here, so it is no map. *Dimensions* shows them."
        )
        return
    if not moment.model.is_image:
        _warped(moment)
        return
    atlas, axes = _manifold(moment)
    found = _encoded(moment)
    st.caption(
        "Drag the point: the picture beside the map is E[x | z]. Each dot is where the encoder puts a test digit, in "
        "the colour of its label. Under a normal prior the map is even in probability: all cells are equally likely."
    )
    points = Encoded(found.mu, found.labels, moment.data.classes) if len(moment.data.classes) else None
    latent_pad(atlas, axes, key=f"manifold-{moment.id}", alt="a digit", points=points)


def _warped(moment: Moment) -> None:
    """Of the plane: where the decoder puts a grid of z."""
    images = instruments.manifold(moment.model, 30).images
    cloud = figures.Points("test points", moment.data.test.x[:1000].numpy(), figures.DATA, size=3, opacity=0.35)
    title = "E[x | z] of a grid of z"
    plot(figures.mesh(images, title=title, over=(cloud,)), key="warped")
    st.caption(
        "Latent space, bent over the data: each line is a row or a column of a grid of 30 × 30 codes, under a normal "
        "prior even in probability. Around it the decoder adds its noise."
    )


def prior_and_posterior(moment: Moment) -> None:
    """The prior, the aggregate posterior and their difference, on one scale."""
    if moment.model.latent_dim != 2:
        st.info(f"This map needs two latent dimensions; this model has {moment.model.latent_dim}.")
        return
    found = priors.map_of_z(moment.id, moment.step, "aggregate")
    if found is None:
        return
    st.caption(
        f"Samples are decoded from the prior; the decoder has learned from the aggregate posterior. Where they differ, "
        f"it is asked what it never saw: {priors.apart(found)} between all {len(moment.data.test):,} encoded test "
        "examples and the prior. Dots: where the encoder puts some of them, in the colours of their labels."
    )
    clouds = [
        figures.Points(name, found["mu"][found["labels"] == i], figures.CLASSES[i % 10], size=3)
        for i, name in enumerate(moment.data.classes)
    ]
    extent = tuple(found["extent"].tolist())
    top = float(max(found["prior"].max(), found["posterior"].max()))
    left, middle, right = st.columns(3)
    prior = geometry.density_of_z(
        found["prior"], extent, title="Prior p(z) and encoded test set", color=figures.LATENT, over=clouds
    )
    posterior = geometry.density_of_z(
        found["posterior"], extent, title="Aggregate posterior q(z)", color=figures.POSTERIOR
    )
    gap = figures.signed(
        found["posterior"] - found["prior"], extent, title="q(z) − p(z)", unit="density", x_title="z₁", y_title="z₂"
    )
    for place, figure, key in ((left, prior, "prior"), (middle, posterior, "posterior"), (right, gap, "gap")):
        if key != "gap":
            figure.update_traces(zmax=top, selector={"type": "heatmap"})
        plot(figure.update_layout(showlegend=False), key=f"density-{key}", place=place)


def reconstructions(moment: Moment) -> None:
    """The worst, the middle and the best by their ELBO."""
    found = _reconstructions(moment)
    if not moment.model.is_image:
        clouds = [
            figures.Points("test points", found.x, figures.DATA, size=8),
            figures.Points("E[x | z]", found.mean, figures.SAMPLES, size=8),
        ]
        plot(figures.points(clouds, title="Reconstructions"), key="reconstructions")
        return
    third = len(found.x) // 3
    for i, (name, place) in enumerate(zip(("The worst", "The middle", "The best"), st.columns(3), strict=True)):
        part = slice(i * third, (i + 1) * third)
        with place:
            pairs = np.stack([found.x[part], found.mean[part]], 1).reshape(-1, *moment.data.shape)
            values = ", ".join(f"{e:.1f}" for e in found.elbo_nats[part])
            image_grid(
                pictures.png(pictures.tile(pairs, columns=2)),
                key=f"pairs-{i}",
                alt=f"{name}: test digits and their reconstructions, in pairs.",
                caption=f"{name}: digit and reconstruction. ELBO {values} nats",
                scale=zoom(moment.data.shape),
                download=f"reconstructions-{i}.png",
            )


def path(moment: Moment) -> None:
    """From one test example to another through latent space."""
    if not moment.model.is_image:
        st.info("A path is a film of pictures; this model makes points.")
        return
    left, middle, right = st.columns(3)
    most = len(moment.data.test) - 1
    with left:
        first = url_widgets.number("from test example", 0, most, 0, key="path_from", width="stretch")
    with middle:
        second = url_widgets.number("to", 0, most, min(1, most), key="path_to", width="stretch")
    with right:
        way = url_widgets.choice("way", ("straight", "spherical", "geodesic"), "straight", key="path_way")
    if way == "geodesic":
        st.caption(
            "The way along which the picture changes least: the straight line, pulled tight on the decoder's surface."
        )
        found = answer(geodesic, key="geodesic", moment=moment, first=int(first), second=int(second))
        if found is None:
            return
        film = found["x"]
    else:
        film = _path(moment, int(first), int(second), way == "spherical")
    scale = zoom(moment.data.shape, 180)
    scrubber(pictures.sprite(film), key="path", alt="from one digit to another", scale=scale)
    image_grid(
        pictures.png(pictures.tile(film[::2], columns=12)),
        key="strip",
        alt="The path as a strip.",
        scale=zoom(moment.data.shape, 50),
        download="path.png",
    )


def dimensions(moment: Moment) -> None:
    """One latent dimension at a time."""
    if not moment.model.is_image:
        st.info("Dimensions are shown as pictures; this model makes points.")
        return
    example = url_widgets.number("test example", 0, len(moment.data.test) - 1, 0, key="example", width="stretch")
    found = instruments.sweep(moment.model, moment.data, int(example))
    st.caption("A row a latent dimension, from −2.5 to 2.5; the others stay where the encoder put this example.")
    image_grid(
        pictures.png(pictures.tile(found.reshape(-1, *moment.data.shape), columns=found.shape[1])),
        key="sweep",
        alt="Each latent dimension moved alone.",
        scale=zoom(moment.data.shape, 56),
        download="dimensions.png",
    )


def bound(moment: Moment) -> None:
    """The ladder of bounds, and which dimensions are used."""
    found = answer(ladder, moment=moment, key="ladder", n=min(200, len(moment.data.test)))
    if found is None:
        return
    k, iwae = found["k"], found["iwae"]
    rungs = {"ELBO": float(found["elbo"].mean())} | {f"IWAE {n:,}": float(v) for n, v in zip(k, iwae, strict=True)}
    exact = float(found["exact"].mean()) if "exact" in found else None
    left, right = st.columns(2)
    if exact is not None:
        rungs["log p(x)"] = exact
        left.caption(
            f"On {len(found['elbo'])} random test examples. log p(x) is exact: a sum over a grid of z, "
            f"{int(found['points'])} points a side. What separates ELBO from it is KL(q(z|x) ‖ p(z|x)); on average, no "
            "estimate lies above it."
        )
    figure = figures.bars(rungs, title="ELBO ≤ IWAE ≤ log p(x)", y_title="nats", color=figures.POSTERIOR)
    low, high = min(rungs.values()), max(rungs.values())
    figure.update_yaxes(range=[low - 0.3 * (high - low) - 0.1, high + 0.15 * (high - low) + 0.1])
    plot(figure, key="rungs", place=left)
    whole = len(found["kl"]) < len(found["active"])
    kl = {"all together" if whole else f"z{i + 1}": float(v) for i, v in enumerate(found["kl"])}
    active = int((found["active"] > 0.01).sum())
    right.caption(
        f"{active} of {len(found['active'])} dimensions are active: their posterior means move by more than 0.1."
    )
    figure = figures.bars(kl, title="KL of each latent dimension", y_title="nats", color=figures.LATENT)
    plot(figure, key="kl", place=right)


VIEWS = {
    "Manifold": manifold,
    "Prior and posterior": prior_and_posterior,
    "Reconstructions": reconstructions,
    "Draw a digit": drawing.drawn,
    "Path": path,
    "Dimensions": dimensions,
    "The bound": bound,
    "p(x)": plane.density,
    "True posterior": plane.true_posterior,
    "Collapse": collapse.collapse,
    "Close the gap": geometry.close_the_gap,
    "Shapes": geometry.shapes,
    "Four priors": priors.four_priors,
}
"""The instruments by the name of their tab."""

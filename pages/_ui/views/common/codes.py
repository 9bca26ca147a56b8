"""Latent space of whoever decodes: the map under a draggable point, paths between codes, one code at a time."""

from typing import Any

import numpy as np
import streamlit as st

from genmodels import figures, images
from genmodels.hyperparameters import declared
from genmodels.instruments import codes
from genmodels.instruments.samples import options
from genmodels.models.capabilities import Encoder, has
from pages._ui.components.latent_pad import Encoded, latent_pad
from pages._ui.components.scrubber import scrubber
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import example_of, label_of, pictures, real_points, zoom

__all__ = ["dimensions", "latent_map", "path"]

SEED = 9999  # the last
WAYS = ("straight", "spherical", "geodesic")
EVEN = "Where codes are drawn from a normal distribution, the map is even in probability: all cells are equally likely."


def latent_map(moment: Moment) -> None:
    """A map of decoded codes, and where test examples are encoded."""
    model, names, label = moment.model, moment.data.classes, label_of(moment)
    others = ", all other codes 0" if model.latent_dim > 2 else ""
    if not model.is_image:
        decoded = seen(codes.latent_map, moment, n=30, label=label)
        real = real_points(moment, 1000, opacity=0.35)
        plot(figures.mesh(decoded.x, title="A grid of codes z, decoded", over=(real,)), key="latent-map")
        lines = "a row of 30 codes z" if model.latent_dim < 2 else "the lines of a grid of 30 × 30 codes z₁ and z₂"
        is_noisy = "draw" in declared(options(type(model)))  # it has a p(x | z), and shows its mean
        st.caption(
            f"Latent space, bent over the data: {lines}{others}. {EVEN}"
            + " A decoder's noise spreads samples around it." * is_noisy
        )
        concluded(decoded.conclusion())
        return
    atlas, axes, sentence = seen(_atlas, moment, label=label)
    dots, encodes = None, has(model, Encoder) and bool(names) and model.latent_dim > 1
    st.caption(
        f"Drag the point: the picture beside the map is what the code under it stands for{others}. {EVEN}"
        + " Each dot is where the encoder puts a test example, in the colour of its label." * encodes
    )
    if encodes:
        encoded = seen(codes.encoded, moment)
        dots = Encoded(encoded.z[:, :2], encoded.labels, names)
    latent_pad(atlas, axes, key=f"latent-map-{moment.id}-{label}", alt="what a code stands for", points=dots)
    concluded(sentence)


def _atlas(model: Any, label: int | None) -> tuple[images.Sprite, tuple[list[float], list[float]], str]:
    """The map of pictures in one file, its rows from the top; its axes, and what it comes to."""
    decoded = codes.latent_map(model, label=label)
    n, _, *shape = decoded.x.shape
    atlas = images.sprite(decoded.x[::-1].reshape(n * n, *shape), columns=n, quality=90)
    return atlas, (decoded.axes[0].tolist(), decoded.axes[1].tolist()), decoded.conclusion()


def path(moment: Moment) -> None:
    """From one code to another: straight, on an arc, or as the decoder's surface is bent."""
    encodes = has(moment.model, Encoder)
    label = label_of(moment, "path_class")
    if st.query_params.get("path_way") == "linear":  # as older links say
        st.query_params["path_way"] = "straight"
    if encodes:
        first = example_of(moment, key="path_from", label="from test example")
        second = example_of(moment, key="path_to", label="to", default=1)
    with st.container(horizontal=True, gap="small"):
        if not encodes:
            first = url_widgets.number("from seed", 0, SEED, 0, key="path_from")
            second = url_widgets.number("to", 0, SEED, 1, key="path_to")
        ways = WAYS if seen(codes.is_smooth, moment, label=label) else WAYS[:2]
        way = url_widgets.choice("way", ways, WAYS[0 if encodes else 1], key="path_way")
    if way == "geodesic":
        st.caption("The way along which x changes least: the straight line, pulled tight on the decoder's surface.")
        ends: dict[str, Any] = {"first": first, "second": second, "label": label}
        film = answer(codes.geodesic, moment=moment, key="geodesic", asks="Pull it tight", **ends)
        if film is None:
            return
        x, sentence = film["x"], codes.conclusion_of_geodesic(film)
    else:
        x = seen(codes.path, moment, first=first, second=second, arc=way == "spherical", label=label)
        sentence = codes.conclusion_of_path(x)
    if not moment.model.is_image:
        real = real_points(moment, 1000, opacity=0.35)
        steps = figures.Points("decoded path", np.asarray(x), figures.SAMPLES, size=7)
        plot(figures.points((real, steps), title="A path between two codes"), key="path")
        concluded(sentence, "conclusion-path")
        return
    scrubber(images.sprite(x), key="path", alt="from one to the other", scale=zoom(moment.data.shape, 180))
    pictures(x[::2], 12, key="strip", alt="The path as a strip.", pixels=50, download="path.png")
    if way != "geodesic" and codes.is_noise(moment.model) and moment.model.latent_dim > 2:
        st.caption("Noise of high dimension lies near a sphere: an arc stays on it, a straight line cuts through.")
    concluded(sentence, "conclusion-path")


def dimensions(moment: Moment) -> None:
    """Rows of pictures that each vary one code alone."""
    example, label = example_of(moment, key="example"), label_of(moment)
    x = seen(codes.sweep, moment, index=example, label=label)
    far = "from −2.5 to 2.5" if codes.is_noise(moment.model) else "over nearly all that the prior draws"
    st.caption(f"Each row varies one latent dimension {far}, the others as this example is encoded.")
    pictures(x, x.shape[1], key="sweep", alt="Each latent dimension moved alone.", pixels=56, download="dimensions.png")
    concluded(codes.conclusion_of_sweep(x))

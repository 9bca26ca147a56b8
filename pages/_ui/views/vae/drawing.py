"""The visitor's own picture, drawn or uploaded, read by the model."""

import functools
import time

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels import images as pictures
from genmodels.data import uploads
from genmodels.errors import BadInput
from genmodels.instruments.vae import drawing as instruments
from genmodels.instruments.vae import geometry
from genmodels.instruments.vae.latent_space import encoded
from pages._ui.components.drawing_pad import drawing_pad
from pages._ui.components.image_grid import image_grid
from pages._ui.form import url_widgets
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot

__all__ = ["drawn"]

FINE = 112  # pixels a side of what the pad hands over: it is scaled afterwards


@functools.lru_cache(maxsize=6)
def _reader(moment: Moment) -> instruments.Reader:
    return instruments.Reader(moment.model, moment.data)


_encoded = st.cache_data(max_entries=64, show_spinner=False)(lambda moment: encoded(moment.model, moment.data, 1000))


def drawn(moment: Moment) -> None:
    """The visitor's own digit, read by the model."""
    if not moment.model.is_image:
        st.info("Points need no drawing. Choose the data set *drawing* to let a model learn your own density.")
        return
    left, right = st.columns([2, 3])
    with left:
        pixels = _asked(moment)
    with right:
        reader = _reader(moment)
        if pixels is None:
            st.info("Draw a digit on the left, with the mouse, a pen or a finger; or upload a picture of one.")
            return
        try:
            start = time.perf_counter()
            found = reader.read(pixels)
            spent = time.perf_counter() - start
        except BadInput as error:
            st.warning(str(error))
            return
        _pictures(moment, found)
        _bounds(found)
        st.caption(f"Read in {1000 * spent:.0f} ms.")
    left, right = st.columns([2, 3])
    with left:
        _where(moment, found)
    with right:
        _neighbours(moment, found)


def _asked(moment: Moment) -> np.ndarray | None:
    """The picture in grey of 0 to 255, of the data's size; None while there is none."""
    _, *shape = moment.data.shape
    brush = 0.09 if shape[0] > 16 else 0.16  # of few pixels a stroke takes more
    drawing = drawing_pad(
        key=f"pad-{shape[0]}", alt="Draw a digit for the model to read.", pixels=FINE, brush=brush, preview=False
    )
    file = st.file_uploader(
        "or upload a picture of one, PNG or JPEG", type=["png", "jpg", "jpeg"], key="picture", max_upload_size=8
    )
    like = url_widgets.switch(
        "scale and centre it as the training pictures are",
        True,
        key="framed",
        help="Off: a drawing is read where it stands, and an upload as a whole.",
    )
    try:
        if file is not None:
            ink = uploads.ink(file.getvalue(), lambda: st.session_state.get("picture"))  # which ends where the tab has
        elif drawing.pixels.any():
            ink = (drawing.pixels / 255).astype(np.float32)
        else:
            return None
        return (
            uploads.framed(ink, tuple(shape), instruments.frame(moment.data))
            if like
            else uploads.shrunk(ink, tuple(shape))
        )
    except BadInput as error:
        st.warning(str(error))
        return None


def _zoom(moment: Moment, pixels: int) -> float:
    return max(1.0, round(pixels / moment.data.shape[-1], 1))


def _pictures(moment: Moment, found: instruments.Reading) -> None:
    image_grid(
        pictures.png(pictures.tile(np.stack([found.x, found.mean]), columns=2)),
        key="read",
        alt="Your digit as the model sees it, and its reconstruction.",
        caption="as the model sees it · its reconstruction",
        scale=_zoom(moment, 110),
        download="reconstruction.png",
    )


def _bounds(found: instruments.Reading) -> None:
    rungs = st.columns(3 if found.log_prob_nats is not None else 2)
    rungs[0].metric("ELBO", f"{found.elbo_nats:.2f} nats", help="500 draws of z")
    rungs[1].metric("IWAE, k = 500", f"{found.iwae_nats:.2f} nats", help="closer to log p(x) from below")
    if found.log_prob_nats is not None:
        gap = f"{found.log_prob_nats - found.elbo_nats:.2f} above the ELBO"
        rungs[2].metric(
            "log p(x), exact",
            f"{found.log_prob_nats:.2f} nats",
            gap,
            delta_color="off",
            delta_arrow="off",
            help="by integrating over z",
        )


def _where(moment: Moment, found: instruments.Reading) -> None:
    """Its posterior: on the map of latent space, or dimension by dimension."""
    if moment.model.latent_dim != 2:
        means = {f"z{i + 1}": float(v) for i, v in enumerate(found.mu)}
        spread = {f"z{i + 1}": float(v) for i, v in enumerate(found.sigma)}
        figure = figures.bars(means, errors=spread, title="q(z | x): μ ± σ", y_title="z", color=figures.POSTERIOR)
        plot(figure, key="read-posterior")
        return
    points = _encoded(moment)
    clouds = [
        figures.Points(name, points.mu[points.labels == i], figures.CLASSES[i % 10], size=3)
        for i, name in enumerate(moment.data.classes)
    ]
    figure = figures.points(clouds, title="Its posterior q(z | x)", x_title="z₁", y_title="z₂")
    for scale, dash in ((1, "solid"), (2, "dot")):
        path = geometry.ellipses(found.mu[None], scale * found.sigma[None], sides=48)[0].astype(np.float32)
        style = {"color": figures.NEUTRAL, "width": 2, "dash": dash}
        figure.add_scatter(x=path[:, 0], y=path[:, 1], mode="lines", line=style, name=f"{scale}σ", hoverinfo="name")
    x, y = found.mu.tolist()
    figure.add_annotation(x=x, y=y, text="your digit", arrowcolor=figures.NEUTRAL)
    plot(figure.update_layout(showlegend=False), key="read-posterior")
    st.caption("One and two σ wide, among encoded test digits in the colours of their labels.")


def _neighbours(moment: Moment, found: instruments.Reading) -> None:
    for images, where, key in (
        (found.near_z, f"in latent space, among {min(instruments.NEAR, len(moment.data.train)):,}", "near"),
        (found.near_x, "in pixels, among all", "near-x"),
    ):
        image_grid(
            pictures.png(pictures.tile(images, columns=8)),
            key=key,
            alt=f"The nearest training digits {where}.",
            caption=f"the nearest training digits {where}",
            scale=_zoom(moment, 50),
            download=f"{key}.png",
        )

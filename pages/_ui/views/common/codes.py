"""Latent space of whoever decodes: the map under a draggable point, and paths between codes."""

import numpy as np
import streamlit as st

from genmodels import figures, images
from genmodels.instruments import codes
from genmodels.models.capabilities import Encoder, has
from pages._ui.components.image_grid import image_grid
from pages._ui.components.latent_pad import Encoded, latent_pad
from pages._ui.components.scrubber import scrubber
from pages._ui.form import url_widgets
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.shapes import zoom

__all__ = ["latent_map", "path"]


def latent_map(moment: Moment) -> None:
    """What the codes stand for, and where test examples are encoded."""
    model = moment.model
    found = seen(codes.latent_map, moment, n=20 if model.is_image else 30)
    points = seen(codes.encoded, moment) if has(model, Encoder) else None
    if not model.is_image:
        cloud = figures.Points("test points", moment.data.test.x[:1000].numpy(), figures.DATA, size=3, opacity=0.35)
        plot(figures.mesh(found.x, title="A square of codes, decoded", over=(cloud,)), key="latent-map")
        return
    n, _, *shape = found.x.shape
    atlas = images.sprite(found.x[::-1].reshape(n * n, *shape), columns=n, quality=90)
    st.caption("Drag the point: the picture beside the map is what the code under it stands for.")
    dots = Encoded(points.z[:, :2], points.labels, moment.data.classes) if points is not None else None
    axes = (found.axes[0].tolist(), found.axes[1].tolist())
    latent_pad(atlas, axes, key=f"latent-map-{moment.id}", alt="what a code stands for", points=dots)


def path(moment: Moment) -> None:
    """From one code to another."""
    encodes = has(moment.model, Encoder)
    most = len(moment.data.test) - 1 if encodes else 9999
    with st.container(horizontal=True, gap="small"):
        first = url_widgets.number("from test example" if encodes else "from seed", 0, most, 0, key="path_from")
        second = url_widgets.number("to", 0, most, 1, key="path_to")
        way = url_widgets.choice("way", ("straight", "spherical"), "straight", key="path_way")
    frames = seen(codes.path, moment, first=int(first), second=int(second), arc=way == "spherical")
    if not moment.model.is_image:
        cloud = figures.Points("test points", moment.data.test.x[:1000].numpy(), figures.DATA, size=3, opacity=0.35)
        steps = figures.Points("decoded path", np.asarray(frames), figures.SAMPLES, size=7)
        plot(figures.points((cloud, steps), title="A path between two codes"), key="path")
        return
    scrubber(images.sprite(frames), key="path", alt="from one to the other", scale=zoom(moment.data.shape, 200))
    image_grid(
        images.png(images.tile(frames[::2], columns=12)),
        key="strip",
        alt="The path as a strip.",
        scale=zoom(moment.data.shape, 50),
        download="path.png",
    )

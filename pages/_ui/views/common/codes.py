"""Latent space of whoever decodes: the map under a draggable point, and paths between codes."""

import numpy as np
import streamlit as st

from genmodels import figures, images
from genmodels.instruments import codes
from genmodels.models.capabilities import Encoder, has
from pages._ui.components.latent_pad import Encoded, latent_pad
from pages._ui.components.scrubber import scrubber
from pages._ui.form import url_widgets
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.shapes import label_of, pictures, zoom

__all__ = ["latent_map", "path"]

WAYS = ("straight", "spherical")


def latent_map(moment: Moment) -> None:
    """What the codes stand for, and where test examples are encoded."""
    model, label = moment.model, label_of(moment)
    found = seen(codes.latent_map, moment, n=21 if model.is_image else 30, label=label)
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
    latent_pad(atlas, axes, key=f"latent-map-{moment.id}-{label}", alt="what a code stands for", points=dots)
    if model.latent_dim > 2:
        st.caption("The first two dimensions of the code; all others are 0.")


def path(moment: Moment) -> None:
    """From one code to another."""
    encodes = has(moment.model, Encoder)
    most = len(moment.data.test) - 1 if encodes else 9999
    label = label_of(moment, "path_class")
    if st.query_params.get("path_way") == "linear":  # as older links say
        st.query_params["path_way"] = "straight"
    with st.container(horizontal=True, gap="small"):
        first = url_widgets.number("from test example" if encodes else "from seed", 0, most, 0, key="path_from")
        second = url_widgets.number("to", 0, most, 1, key="path_to")
        way = url_widgets.choice("way", WAYS, WAYS[0 if encodes else 1], key="path_way")
    frames = seen(codes.path, moment, first=first, second=second, arc=way == "spherical", label=label)
    if not moment.model.is_image:
        cloud = figures.Points("test points", moment.data.test.x[:1000].numpy(), figures.DATA, size=3, opacity=0.35)
        steps = figures.Points("decoded path", np.asarray(frames), figures.SAMPLES, size=7)
        plot(figures.points((cloud, steps), title="A path between two codes"), key="path")
        return
    scrubber(images.sprite(frames), key="path", alt="from one to the other", scale=zoom(moment.data.shape, 200))
    pictures(
        frames[::2],
        12,
        key="strip",
        alt="The path as a strip.",
        caption="Noise of high dimension lies near a sphere: an arc stays on it, a straight line cuts through.",
        pixels=50,
        download="path.png",
    )

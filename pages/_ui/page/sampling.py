"""As many samples as asked, from a seed, with the model's own options; to look at and to take home."""

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from genmodels import figures, images
from genmodels.hyperparameters import Hyperparameter, Only
from genmodels.instruments import data as instruments
from genmodels.instruments.samples import samples
from pages._ui.components.image_grid import image_grid
from pages._ui.form import url_widgets
from pages._ui.form.form import read_url
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.asked import how

__all__ = ["sampling"]

COUNTS = (16, 64, 144, 400, 1024, 4096)


def sampling(moment: Moment) -> None:
    """The panel: how many, which seed, how; the samples; PNG and NPZ."""
    classes = int(moment.model.config.get("classes", 0))
    names = ["any", *moment.data.classes][: classes + 1]
    with st.container(horizontal=True, gap="small"):
        read_url({"n": Hyperparameter("n", str, "64", Only(tuple(map(str, COUNTS)), "how many"))})
        n = st.select_slider("Samples", COUNTS, 64, key="n", bind="query-params", width=220)
        seed = url_widgets.number("Seed", 0, url_widgets.SEEDS, 0, key="sample_seed")
        label = url_widgets.choice_of_many("Class", names, key="label") if classes else "any"
    wanted: dict[str, Any] = {"n": int(n), "seed": int(seed), "how": how(moment, "how_")}
    if label != "any":
        wanted["label"] = names.index(label) - 1
    found = answer(samples, key="samples", at_once=True, moment=moment, **wanted)
    if found is not None:
        _show(moment, found["x"], int(seed))


def _show(moment: Moment, x: npt.NDArray[Any], seed: int) -> None:
    name = f"{moment.id}-seed{seed}"
    if moment.model.is_image:
        image_grid(
            images.png(images.tile(x)),
            key="sampled",
            alt=f"{len(x)} samples of the model.",
            scale=max(1.0, round(640 / (np.ceil(np.sqrt(len(x))) * x.shape[-1]), 1)),
            download=f"{name}.png",
        )
    else:
        plane = instruments.density(moment.data)
        clouds = [
            figures.Points("data", plane.points[: len(x)], figures.DATA, size=3),
            figures.Points("samples", x, figures.SAMPLES, size=3),
        ]
        figure = figures.points(clouds, title="Samples over the data", extent=plane.extent)
        plot(figure, key="sampled-points")
    buffer = io.BytesIO()
    np.savez_compressed(buffer, x=x)
    st.download_button(
        f"NPZ, float32 {' × '.join(map(str, x.shape))}", buffer.getvalue(), f"{name}.npz", key="npz", on_click="ignore"
    )

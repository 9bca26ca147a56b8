"""The data: what a model is given to learn."""

import numpy as np
import streamlit as st

from genmodels import figures, images
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.hyperparameters import Hyperparameter, Only
from genmodels.instruments import data as instruments
from pages._ui.components.image_grid import image_grid
from pages._ui.form.choose import strokes
from pages._ui.form.form import fields_of
from pages._ui.shared.plot import plot

st.title("Data")
st.caption("What a model is given to learn: real pictures, or points of the plane whose density is known exactly.")

rule = Only(tuple(datasets.DATASETS), "what the models learn")
name = fields_of({"data": Hyperparameter("data", str, "digits", rule)}, width=320)["data"]
info = datasets.DATASETS[name]
st.subheader(info.title)
st.write(info.about)

arguments = strokes() if name == "drawing" else {}
bar = st.empty()


def progress(done: float, text: str) -> None:
    """How the download goes."""
    bar.progress(done, text)


try:
    data = datasets.load(name, arguments, progress=progress)
except BadInput as error:
    st.warning(str(error))
    st.stop()
bar.empty()

splits = {"training": data.train, "validation": data.validation, "test": data.test}
sizes = " · ".join(f"{len(split):,} {what}" for what, split in splits.items())
st.caption(f"{sizes} — fixed and disjoint" + (f"; {data.levels} levels of grey" if data.levels else ""))

if info.kind == "images":
    found = instruments.pictures(data)
    left, middle, right = st.columns([5, 2, 4])
    with left:
        st.markdown("**Examples**")
        sheet = found.examples.reshape(-1, *data.shape)
        image_grid(
            images.png(images.tile(sheet, columns=found.examples.shape[1])),
            key="examples",
            alt=f"Ten examples of each class of {info.title}, a class a row.",
            scale=2.0 if data.shape[-1] > 16 else 5.0,
            download=f"{name}.png",
        )
    with middle:
        st.markdown("**Mean of each class**")
        image_grid(
            images.png(images.tile(found.mean, columns=2)),
            key="means",
            alt="The mean image of each class.",
            scale=2.0 if data.shape[-1] > 16 else 5.0,
            download=f"{name}-means.png",
        )
    with right:
        counts = dict(zip(data.classes, found.counts[0].tolist(), strict=True))
        chart = figures.bars(counts, title="Training examples of each class", y_title="examples", color=figures.DATA)
        plot(chart, key="counts")
else:
    plane = instruments.density(data)
    left, right = st.columns(2)
    cloud = figures.Points("training points", plane.points, figures.DATA, size=3)
    plot(figures.points([cloud], title="What a model sees", extent=plane.extent), key="points", place=left)
    if plane.density is not None:
        plot(
            figures.density(np.asarray(plane.density), plane.extent, title="The exact density", unit="p(x)"),
            key="density",
            place=right,
        )

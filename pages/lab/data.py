"""Data: what a model is given to learn, real pictures or points of the plane."""

import streamlit as st

from genmodels import figures, images
from genmodels.data import datasets
from genmodels.hyperparameters import Hyperparameter, Only
from genmodels.instruments import data as instruments
from pages._ui.components.image_grid import image_grid
from pages._ui.form.choose import strokes
from pages._ui.form.form import fields_of
from pages._ui.page.theory import measured
from pages._ui.shared.answer import answer
from pages._ui.shared.plot import plot

st.title("Data")
st.caption("What a model is given to learn: real pictures, or points of the plane whose density is known exactly.")

rule = Only(tuple(datasets.DATASETS), "what the models learn")
name = fields_of({"data": Hyperparameter("data", str, "digits", rule)}, width=320)["data"]
info = datasets.DATASETS[name]
st.subheader(info.title)
st.write(info.about)

drawn = answer(instruments.look, key="look", at_once=True, name=name, arguments=strokes() if name == "drawing" else {})
if drawn is None:
    st.stop()

splits = zip(drawn["sizes"].tolist(), ("training", "validation", "test"), strict=True)
sizes = " · ".join(f"{size:,} {what}" for size, what in splits)
st.caption(f"{sizes} — fixed and disjoint" + (f"; {info.levels} levels of grey" if info.levels else ""))

if info.kind == "images":
    scale = 2.0 if info.shape[-1] > 16 else 5.0
    left, middle, right = st.columns([5, 2, 4])
    with left:
        st.markdown("**Examples**")
        sheet = drawn["examples"].reshape(-1, *info.shape)
        image_grid(
            images.png(images.tile(sheet, columns=drawn["examples"].shape[1])),
            key="examples",
            alt=f"Ten examples of each class of {info.title}, a class a row.",
            scale=scale,
            download=f"{name}.png",
        )
    with middle:
        st.markdown("**Mean of each class**")
        image_grid(
            images.png(images.tile(drawn["mean"], columns=2)),
            key="means",
            alt="The mean image of each class.",
            scale=scale,
            download=f"{name}-means.png",
        )
    with right:
        counts = dict(zip(info.classes, drawn["counts"][0].tolist(), strict=True))
        chart = figures.bars(counts, title="Training examples of each class", y_title="examples", color=figures.DATA)
        plot(chart, key="counts")
else:
    extent = tuple(drawn["extent"].tolist())
    left, right = st.columns(2)
    cloud = figures.Points("training points", drawn["points"], figures.DATA, size=3)
    plot(figures.points([cloud], title="What a model sees", extent=extent), key="points", place=left)
    if drawn["density"].size:
        density = figures.density(drawn["density"], extent, title="The exact density", unit="p(x)")
        plot(density, key="density", place=right)
        mean, error = drawn["entropy"].tolist()
        error = error if error > 1e-9 else 0.0  # of the checkerboard, where p is the same everywhere
        right.markdown(f"Entropy $H(p) = {measured(mean, error)}$")
        right.caption(
            f"The mean of −log p over the {drawn['sizes'][2]:,} test points, ± its standard error: the floor of a "
            "flow's −log q(x), which is KL(p ‖ q) above it on average."
        )

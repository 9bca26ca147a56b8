"""Samples beside the training examples nearest to them."""

import numpy as np
import streamlit as st

from genmodels import figures, images
from genmodels.instruments import neighbours as instruments
from pages._ui.components.image_grid import image_grid
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.shapes import zoom

__all__ = ["neighbours"]

ROWS = 8  # samples whose neighbours are drawn; the distances are those of all


def neighbours(moment: Moment) -> None:
    """Whether it copies: samples, what is nearest to them, and how near test examples are to training examples."""
    image = moment.model.is_image
    seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="near_seed")
    n = 64 if image else 200
    found = answer(
        instruments.neighbours, moment=moment, key="neighbours", at_once=True, n=n, k=7 if image else 1, seed=seed
    )
    if found is None:
        return
    samples, real = found["distance"][:, 0], found["test_distance"]
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if image:
            rows = np.concatenate([found["x"][:ROWS, None], found["near"][:ROWS]], 1)
            image_grid(
                images.png(images.tile(rows.reshape(-1, *moment.data.shape), columns=rows.shape[1])),
                key="near",
                alt="Each row is a sample and the training examples nearest to it.",
                caption="first column: samples; then the training examples nearest to each",
                scale=zoom(moment.data.shape, 60),
                download=f"{moment.id}-neighbours.png",
            )
        else:
            clouds = [
                figures.Points("nearest training points", found["near"][:, 0], figures.DATA, size=5),
                figures.Points("samples", found["x"], figures.SAMPLES, size=5),
            ]
            plot(figures.points(clouds, title="Samples and what is nearest to them"), key="near")
    with right:
        figure = figures.histogram(
            {"samples": samples, "test examples": real},
            title="Distance to the nearest training example",
            x_title="root mean square a dimension",
            colors={"samples": figures.SAMPLES, "test examples": figures.DATA},
        )
        plot(figure, key="near-distance")
        st.caption(
            f"The median is {np.median(samples):.3g} for samples and {np.median(real):.3g} for test examples, which no "
            "model has seen. A model that learns by heart draws samples much nearer to its training examples."
        )

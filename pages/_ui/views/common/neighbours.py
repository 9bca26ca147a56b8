"""Samples beside the training examples nearest to them."""

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.neighbours import conclusion, neighbours
from genmodels.text import number
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import pictures

__all__ = ["nearest_neighbours"]

ROWS = 8  # samples whose neighbours are drawn; the distances are those of all


def nearest_neighbours(moment: Moment) -> None:
    """Does the model copy? Samples, their nearest training examples, and how near test examples are to these."""
    image = moment.model.is_image
    seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="near_seed")
    n, k = (64, 7) if image else (200, 1)
    near = answer(neighbours, moment=moment, key="neighbours", at_once=True, n=n, k=k, seed=seed)
    if near is None:
        return
    samples, real = near["distance"][:, 0], near["test_distance"]
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if image:
            pictures(
                np.concatenate([near["x"][:ROWS, None], near["near"][:ROWS]], 1),
                1 + k,
                key="near",
                alt="Each row is a sample and the training examples nearest to it.",
                caption="first column: samples; then the training examples nearest to each",
                pixels=60,
                download=f"{moment.id}-neighbours.png",
            )
        else:
            clouds = [
                figures.Points("nearest training points", near["near"][:, 0], figures.DATA, size=5),
                figures.Points("samples", near["x"], figures.SAMPLES, size=5),
            ]
            plot(figures.points(clouds, title="Samples and what is nearest to them"), key="near")
    with right:
        _distances(samples, real)
    concluded(conclusion(near))


def _distances(samples: np.ndarray, real: np.ndarray) -> None:
    figure = figures.histogram(
        {"samples": samples, "test examples": real},
        title="Distance to the nearest training example",
        x_title="root mean square a dimension",
        colors={"samples": figures.SAMPLES, "test examples": figures.DATA},
    )
    plot(figure, key="near-distance")
    st.caption(
        f"The median is {number(np.median(samples))} for samples and {number(np.median(real))} for test examples, "
        "which no model has seen. A model that learns by heart draws samples much nearer to its training examples."
    )

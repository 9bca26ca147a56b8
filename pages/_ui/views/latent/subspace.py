"""The principal subspace of PPCA beside that of the data, and the noise that factor analysis gives each dimension."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from genmodels.instruments.latent import subspace as instruments
from genmodels.text import number
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import half_of, nats, pictures, real_points, square

__all__ = ["subspace"]

SHOWN = 16  # directions


def subspace(moment: Moment) -> None:
    """Variances along the directions, the directions themselves, the noise, and how far log p is from the best."""
    fit = answer(instruments.subspace, moment=moment, key="subspace", at_once=True)
    if fit is None:
        return
    columns = st.columns(3)
    nats("log p(x)", float(fit["log_prob"]), place=columns[0])
    nats("the best that PPCA can reach", float(fit["best"]), place=columns[1], help="In closed form: Tipping & Bishop.")
    columns[2].metric("angle to the principal subspace", f"{number(float(fit['angles'].max()))}°", help="the widest")
    left, right = st.columns(2, gap="medium")
    plot(_spectrum(fit), key="spectrum", place=left)
    with right:
        _pictures(moment, fit) if moment.model.is_image else _plane(moment, fit)
    st.caption(
        "A rotation of z changes W and nothing that can be seen of x: so directions are compared, not columns of W. "
        + (
            "Factor analysis lets each dimension have its own noise: W need only explain what dimensions share, and "
            "the units in which they are measured do not matter."
            if fit["diagonal"]
            else "PPCA gives each dimension the same noise σ²: the mean of the eigenvalues that W leaves over."
        )
    )
    concluded(instruments.conclusion(fit), key="conclusion-subspace")


def _spectrum(fit: dict[str, Any]) -> go.Figure:
    values, variance = fit["eigenvalues"], fit["variance"]
    few = min(len(values), max(20, 3 * len(variance)))
    lines = [
        figures.Curve("eigenvalues of the data", np.arange(1, few + 1), values[:few], figures.DATA),
        figures.Curve("variance of the model", np.arange(1, len(variance) + 1), variance, figures.SAMPLES),
        figures.Curve("noise, mean", [1, few], np.full(2, fit["psi"].mean()), figures.NEUTRAL, dashed=True),
    ]
    drawn = figures.curves(
        lines, x_title="direction", y_title="variance", log_y=True, title="How much x varies along each"
    )
    return drawn.update_traces(mode="lines+markers").update_layout(height=360)


def _plane(moment: Moment, fit: dict[str, Any]) -> None:
    """The line of the model and of the data, and the noise around it."""
    half = half_of(moment)
    drawn = figures.points([real_points(moment, 1000)], extent=square(half), title="The subspace")
    mean = fit["mean"]
    for name, key, color in (("principal", "principal", figures.DATA), ("the model's", "directions", figures.SAMPLES)):
        ends = mean + np.array([[-2 * half], [2 * half]]) * fit[key][0]
        drawn.add_trace(
            go.Scatter(x=ends[:, 0], y=ends[:, 1], mode="lines", name=name, line={"color": color, "width": 2})
        )
    plot(figures.named(drawn), key="subspace-plane")
    noise = ", ".join(f"√ψ{i} = {number(float(v) ** 0.5)}" for i, v in zip("₁₂", fit["psi"], strict=True))
    st.caption(f"Noise around it: {noise}.")


def _pictures(moment: Moment, fit: dict[str, Any]) -> None:
    """Directions as pictures, grey where they do nothing; and the noise of every pixel."""
    for name, key in (("The model's directions", "directions"), ("Principal directions of the data", "principal")):
        shown = fit[key][:SHOWN]
        scale = np.abs(shown).max(axis=(1, 2, 3), keepdims=True)
        shown = 0.5 + 0.5 * shown / np.where(scale > 0, scale, 1)
        pictures(
            shown, 8, key=f"subspace-{key}", alt=f"{name}, as pictures.", caption=f"{name}, by variance", pixels=56
        )
    if fit["diagonal"]:
        psi = np.sqrt(fit["psi"])
        pictures(psi[None] / psi.max(), 1, key="psi", alt="Noise of every pixel.", caption="noise √ψ of every pixel")

"""EM step by step: who is responsible for which point, and the bound that touches the likelihood after each E step."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from genmodels.instruments.latent import steps
from genmodels.text import number
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import half_of, pictures, square

__all__ = ["step_by_step"]

COUNTS = (5, 12, 30, 100)
BEGIN = ("this moment", "fresh parameters")


def step_by_step(moment: Moment) -> None:
    """The staircase of bounds, and what the model is at each of its steps."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        count = url_widgets.choice("steps of EM", COUNTS, 12, key="em_steps")
        fresh = url_widgets.choice("begin at", BEGIN, BEGIN[0], key="em_begin") == BEGIN[1]
        seed = int(url_widgets.number("seed", 1, 999, 1, key="em_seed")) if fresh else 0
    history = answer(steps.steps, moment=moment, key="em", at_once=True, count=count, begin=seed)
    if history is None:
        return
    left, right = st.columns(2, gap="medium")
    with right:
        at = int(url_widgets.slider("after how many steps", 0, count, 0, key=f"em_at_{count}"))
        picture(moment, history, at)
    with left:
        plot(staircase(history, at), key="em-bound")
        st.caption(
            "Purple, the bound F(q, θ) on 1,000 training examples: the M step raises it, the E step lifts it to "
            "log p(x), orange, where it touches. So log p(x) cannot fall. Each step of the training with a batch of "
            "all data and a learning rate of 1 is one of these."
        )
    concluded(steps.conclusion(history), key="conclusion-em")


def staircase(history: Mapping[str, Any], at: int) -> go.Figure:
    """log p after each step, and the bound on its way: up by the M step, up again by the E step."""
    log_prob, bound = history["log_prob"], history["bound"]
    count = len(bound)
    x = np.repeat(np.arange(count + 1), 2)[1:]
    y = np.empty(2 * count + 1)
    y[0::2], y[1::2] = log_prob, bound
    with_prior = " + log p(θ)" if float(history["prior_weight"]) else ""
    lines = [
        figures.Curve(f"log p(x){with_prior}", np.arange(count + 1), log_prob, figures.SAMPLES),
        figures.Curve(f"bound F{with_prior}", x, y, figures.POSTERIOR, dashed=True),
    ]
    return figures.curves(lines, x_title="steps of EM", y_title="nats", title="The bound touches", marker=at)


def picture(moment: Moment, history: Mapping[str, Any], at: int) -> None:
    """Points of the plane by their responsibilities with two σ of each Gaussian; of images the means."""
    if moment.model.is_image:
        shown = history["means"][at]
        order = np.argsort(-history["weights"][at])[:24] if "weights" in history else np.arange(len(shown))
        caption = "means, the likeliest component first" if len(shown) > 1 else "the mean μ"
        pictures(shown[order], min(8, len(order)), key="em-means", alt=f"After {at} steps: {caption}.", caption=caption)
        return
    x, colors = history["x"], figures.CLASSES
    clouds = [figures.Points("data", x, figures.DATA, size=4)]
    if "posterior" in history:
        r = history["posterior"][at]
        which = r.argmax(1)
        clouds = [
            figures.Points(f"component {k + 1}", x[which == k], colors[k % len(colors)], size=4)
            for k in range(r.shape[1])
            if (which == k).any()
        ]
    title = "Who is responsible for which point" if "posterior" in history else "The Gaussian, and its noise"
    drawn = figures.points(clouds, extent=square(half_of(moment)), title=title)
    for k, outline in enumerate(history["outlines"][at]):
        linear = "posterior" not in history
        color = (figures.SAMPLES, figures.NEUTRAL)[k] if linear else colors[k % len(colors)]
        name = ("x, two standard deviations", "noise")[k] if linear else ""
        drawn.add_trace(go.Scatter(x=outline[:, 0], y=outline[:, 1], mode="lines", name=name, line={"color": color}))
    plot(drawn.update_layout(showlegend="posterior" not in history, height=380), key="em-plane")
    if "posterior" in history:
        sure = float((history["posterior"][at].max(1) > 0.9).mean())
        st.caption(f"{number(100 * sure)} % of these points have a component that is over 90 % responsible for them.")

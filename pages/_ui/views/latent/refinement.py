"""A few steps of a Markov chain on the true posterior, from where the encoder's guess is."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from genmodels.instruments.latent import refinement as instruments
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.instruments import Instrument
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import example_of, pictures

__all__ = ["REFINEMENT"]

SIZES = ("0.1", "0.5", "1", "2")


def refinement(moment: Moment) -> None:
    """The chains over the true posterior, and how far they are from it."""
    index = example_of(moment, key="refine_example")
    with st.container(horizontal=True, gap="small"):
        way = url_widgets.choice("chain", tuple(instruments.WAYS), "Langevin", key="refine_way")
        steps = url_widgets.choice("steps", (5, 20, 100), 20, key="refine_steps")
        size = url_widgets.choice("size of a step, in σ of q", SIZES, "0.5", key="refine_size")
    chain = answer(
        instruments.refined,
        moment=moment,
        key="refine",
        at_once=True,
        index=index,
        way=way,
        steps=steps,
        size=float(size),
    )
    if chain is None:
        return
    at = int(url_widgets.slider("after how many steps", 0, steps, steps, key=f"refine_at_{steps}"))
    left, right = st.columns(2, gap="medium")
    with left:
        if "p" in chain:
            extent = tuple(chain["extent"].tolist())
            chains = figures.Points("chains", chain["z"][at], figures.POSTERIOR, size=4, opacity=0.8)
            drawn = figures.density(
                chain["p"], extent, title="p(z | x), and draws that began as q(z | x)", color=figures.LATENT,
                x_title="z₁", y_title="z₂", over=(chains,),
            )  # fmt: skip
            drawn.update_xaxes(constrain=None).update_yaxes(scaleanchor=None, constrain=None)
            plot(drawn.update_layout(showlegend=False), key="refine-plane")
        else:
            steps_of = np.arange(steps + 1)
            spread = chain["z"].std(1).mean(1)
            line = figures.Curve("spread of z", steps_of, spread, figures.POSTERIOR)
            drawn = figures.curves([line], x_title="steps", y_title="standard deviation of z, mean", marker=float(at))
            plot(drawn, key="refine-spread")
        if moment.model.is_image:
            caption = "E[x | z] over draws of q, and over the chains at the end"
            pictures(chain["x"], 2, key="refine-x", alt=caption, caption=caption, download="")
    with right:
        plot(_course(chain, at), key="refine-course")
    st.caption(
        "A network guesses q for all examples at once, without correlations; a chain asks the decoder about this one "
        "example, step by step, and forgets the guess: whatever its law was, it becomes p(z | x). Langevin goes uphill "
        "a little and adds noise; HMC rolls on for eight steps before it stops to ask. Steps that are too large are "
        "refused, steps that are too small lead nowhere: this is what amortization saves."
    )
    concluded(instruments.conclusion(chain), key="conclusion-refinement")


def _course(chain: dict[str, np.ndarray], at: int) -> go.Figure:
    steps = np.arange(len(chain["log_joint"]))
    if "distance" in chain:
        lines = [
            figures.Curve("to the true posterior", steps, chain["distance"], figures.POSTERIOR),
            figures.Curve("two exact sets", steps, np.full(len(steps), chain["floor"]), figures.DATA, dashed=True),
        ]
        unit = "sliced W₁, σ of q"
        return figures.curves(lines, x_title="steps", y_title=unit, title="How far the draws are", marker=float(at))
    line = figures.Curve("log p(x, z)", steps, chain["log_joint"], figures.POSTERIOR)
    return figures.curves([line], x_title="steps", y_title="nats", title="log p(x, z), mean", marker=float(at))


REFINEMENT = Instrument(
    refinement,
    question="Can the guess be made better, one example at a time?",
    before="Choose the size of the steps: too small, too large, and in between.",
)

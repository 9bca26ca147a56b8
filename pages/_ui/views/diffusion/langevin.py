"""Langevin dynamics on the plane: particles that walk by a score, with noise that falls or not."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.diffusion import langevin
from genmodels.text import number
from pages._ui.components.scrubber import point_film
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import square
from pages._ui.views.diffusion.film import Array, backdrop

__all__ = ["langevin_walk", "walks"]

NOISES = ("one level", "annealed")
SIZES = ("0.0001", "0.0003", "0.001", "0.003", "0.01", "0.1")
LENGTHS = (300, 1000, 3000)


def walks(moment: Moment) -> bool:
    """Whether there are points, and a score of all of them, known or learned."""
    return not moment.model.is_image and bool(langevin.scores(moment.model, moment.data))


def langevin_walk(moment: Moment) -> None:
    """The film, how far the particles are from the data, and what a few of them went through."""
    walk = _walk(moment)
    if walk is None:
        return
    left, right = st.columns(2, gap="medium")
    with left:
        _film(walk)
    with right:
        _distance(walk)
    _chains(walk)
    concluded(langevin.conclusion(walk), key="conclusion-langevin")


def _walk(moment: Moment) -> Mapping[str, Array] | None:
    known = langevin.scores(moment.model, moment.data)
    with st.container(horizontal=True, gap="small"):
        whose = url_widgets.choice("score", known, known[0], key="langevin_score")
        noise = url_widgets.choice("noise", NOISES, NOISES[0], key="langevin_noise")
        start = url_widgets.choice("all begin", langevin.STARTS, langevin.STARTS[0], key="langevin_start")
        size = url_widgets.choice("step η, units of x²", SIZES, "0.001", key="langevin_step")
        steps = url_widgets.choice("steps", LENGTHS, 1000, key="langevin_steps")
        seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="langevin_seed")
    how: dict[str, Any] = {
        "score": whose,
        "anneal": noise == NOISES[1],
        "start": start,
        "step": float(size),
        "steps": steps,
    }
    return answer(langevin.walked, moment=moment, key="langevin", at_once=True, seed=seed, **how)


def _film(walk: Mapping[str, Array]) -> None:
    st.caption(
        "Each step goes up the score, η/2 ∇ log p(x), and shakes by √η z."
        + (" Blue: the law of the data with the noise of the moment, σ." if "map" in walk else "")
    )
    under = backdrop(walk.get("map"), len(walk["at"]))
    lines = [f"step {at:,} · σ = {number(sigma)}" for at, sigma in zip(walk["at"], walk["sigma"], strict=True)]
    how: dict[str, Any] = {"alt": "particles that walk by a score", "extent": float(walk["half"]), "side": 440}
    point_film(walk["particles"], key="langevin-film", under=under, captions=lines, **how)


def _distance(walk: Mapping[str, Array]) -> None:
    at, floor = walk["at"], np.full(len(walk["at"]), walk["floor"])
    lines = [
        figures.Curve("particles", at, walk["w1"], figures.SAMPLES),
        figures.Curve("floor: data to data", at, floor, figures.DATA, dashed=True),
    ]
    how: dict[str, Any] = {
        "x_title": "steps",
        "y_title": "sliced W₁, units of x",
        "title": "How far the particles are from the data",
    }
    plot(figures.curves(lines, log_y=True, **how).update_layout(height=250), key="langevin-w1")
    if "stayed" in walk:
        even = np.full(len(at), walk["even"])
        lines = [
            figures.Curve("at the mode where they began", at, walk["stayed"], figures.POSTERIOR),
            figures.Curve("were they mixed", at, even, figures.DATA, dashed=True),
        ]
        how = {"x_title": "steps", "y_title": "share of particles", "title": "Who is where all began"}
        plot(figures.curves(lines, **how).update_layout(height=250), key="langevin-stayed")


def _chains(walk: Mapping[str, Array]) -> None:
    """The states of single particles after a burn-in: what a Markov chain is used for."""
    share = url_widgets.choice("burn-in, % of the steps", langevin.BURN_IN, 25, key="burn_in")
    states = walk["chains"][len(walk["chains"]) * share // 100 :]
    clouds = [
        figures.Points(f"particle {k + 1}", states[:, k], figures.CLASSES[k % len(figures.CLASSES)], size=3)
        for k in range(states.shape[1])
    ]
    left, right = st.columns([3, 2], gap="medium")
    extent = square(float(walk["half"]))
    title = f"Where {len(clouds)} particles went after the burn-in"
    plot(figures.points(clouds, title=title, extent=extent), key="langevin-chains", place=left)
    away = float(walk["pooled"][langevin.BURN_IN.index(share)])
    right.metric(
        "their states to the data, sliced W₁", number(away), help=f"of other data {number(float(walk['floor']))}"
    )
    right.caption(
        "A chain is a sample only after it has forgotten where it began: the states before, the burn-in, are thrown "
        "away. That helps where the chain mixes. One that stays in its mode never forgets, however much is thrown "
        "away: each colour then lies in one place. Noise that falls from σ = 2 joins the modes first, and the states "
        "of the last level come from all of them (Song & Ermon 2019, algorithm 1, https://arxiv.org/abs/1907.05600)."
    )

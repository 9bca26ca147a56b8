"""Maximum likelihood as the smallest KL from the data; MAP, what a prior on the parameters does with few examples."""

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.data.datasets import DATASETS
from genmodels.instruments.latent import likelihood
from genmodels.text import number
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.instruments import Instrument
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.everybody import of_a_density_of_points
from pages._ui.views.common.shapes import pictures

__all__ = ["LIKELIHOOD", "MAP", "kl", "prior_on_parameters"]


def kl(moment: Moment) -> None:
    """Two curves of one shape: their distance is the entropy of the data."""
    n = url_widgets.choice("training points", (30, 300, 3000), 300, key="kl_n")
    curves = answer(likelihood.kl_and_likelihood, moment=moment, key="kl", at_once=True, n=n)
    if curves is None:
        return
    scale, entropy = curves["scale"], float(curves["entropy"])
    lines = [
        figures.Curve(f"−log p of {n:,} points", scale, curves["nll"], figures.DATA),
        figures.Curve("KL(data ‖ model) + H(data)", scale, curves["kl"] + entropy, figures.SAMPLES),
        figures.Curve("H(data)", scale, np.full_like(scale, entropy), figures.NEUTRAL, dashed=True),
    ]
    left, right = st.columns([3, 2], gap="medium")
    drawn = figures.curves(lines, x_title="width of the model, in its own", y_title="nats", log_x=True, marker=1.0)
    plot(drawn.update_layout(height=380), key="kl", place=left)
    with right:
        st.latex(r"E_p[-\log p_\theta(x)] = \mathrm{KL}(p \,\|\, p_\theta) + H(p)")
        st.caption(
            f"H(data) = {number(entropy)} nats is the same for every θ: whoever makes −log p of the data small makes "
            "the KL small, without knowing the density of the data. With few points the average is not the "
            "expectation, and its lowest point lies elsewhere: that is overfitting. Here θ is one number, the width of "
            "the whole model; "
            f"one standard error of −log p at 1 is {number(float(np.interp(1, scale, curves['error'])), 2)} nats."
        )
    concluded(likelihood.conclusion_of_kl(curves), key="conclusion-kl")


def prior_on_parameters(moment: Moment) -> None:
    """Learned from few examples under ever stronger priors."""
    most = min(1000, len(moment.data.train))
    sizes = tuple(n for n in (10, 30, 100, 300) if n <= most)
    n = url_widgets.choice("training examples", sizes, 30, key="map_n")
    fits = answer(likelihood.map_path, moment=moment, key="map", n=n)
    if fits is None:
        return
    prior, names = fits["prior"], [number(one) for one in fits["prior"]]
    left, right = st.columns(2, gap="medium")
    with right:
        weight = url_widgets.choice("imagined examples for each real one", names, names[0], key="map_prior")
        i = names.index(weight)
        _learned(fits, i)
    with left:
        lines = []
        shown = np.arange(len(prior))
        for name, key, color in (
            ("held out", "held_out", figures.DATA),
            ("its own examples", "train", figures.SAMPLES),
        ):
            mean, spread = fits[key].mean(0), fits[key].std(0)
            lines.append(figures.Curve(name, shown, mean, color))
            lines += [figures.Curve("", shown, mean + side * spread, color, dashed=True) for side in (-1, 1)]
        drawn = figures.curves(
            lines, x_title="imagined examples for each real one", y_title="log p(x), nats", marker=float(i)
        )
        for trace in drawn.data:
            trace.showlegend = bool(trace.name)
        drawn.update_xaxes(tickvals=shown, ticktext=names)
        plot(drawn.update_layout(height=380), key="map")
        st.caption(
            f"Learned anew by 60 steps of EM from {n} training examples; mean and spread over {len(fits['train'])} "
            "random sets of them. 0 is maximum likelihood. The prior is conjugate, so it is as if examples without any "
            "structure had been seen besides: all of one centre, and as wide in every direction."
        )
    concluded(likelihood.conclusion_of_map(fits), key="conclusion-map")


def _learned(fits: dict[str, np.ndarray], i: int) -> None:
    """The density, or the means, that one prior led to."""
    if "density" not in fits:
        means = fits["means"][i]
        pictures(means, min(8, len(means)), key="map-means", alt="Means as learned under this prior.", caption="means")
        return
    extent = tuple(fits["extent"].tolist())
    own = figures.Points("its examples", fits["x"], figures.DATA, size=6, outlined=True)
    drawn = figures.density(fits["density"][i], extent, title="p(x) as learned", color=figures.SAMPLES, over=(own,))
    plot(drawn, key="map-density")


def of_a_known_plane(moment: Moment) -> bool:
    """Whether the model's density can be drawn, and that of its data is known."""
    return of_a_density_of_points(moment) and moment.data.log_prob is not None and moment.data.name in DATASETS


LIKELIHOOD = Instrument(
    kl,
    question="What does maximum likelihood make small?",
    before="Guess first: the model is made narrower and wider. At which width is −log p of the data smallest?",
    applies=of_a_known_plane,
)
MAP = Instrument(
    prior_on_parameters,
    "When it fails",
    "What if there are few examples?",
    "Maximum likelihood believes what it has seen. Look at the held-out curve as the prior becomes stronger.",
)

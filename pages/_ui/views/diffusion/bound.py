"""The variational bound of a diffusion, term by term, and what the loss makes of each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.arrays import Arrays
from genmodels.instruments.diffusion.bound import conclusion, every_term
from genmodels.text import number
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded

__all__ = ["bound", "loss", "trained"]

SAYS = {  # by what the network predicts: its symbol, the network's guess, and what it is where that is not said yet
    "eps": (r"\epsilon", r"\hat\epsilon", ""),
    "x0": ("x_0", r"\hat x_0", ""),
    "v": ("v", r"\hat v", r"v = \sqrt{\bar\alpha_t}\, \epsilon - \sqrt{1 - \bar\alpha_t}\, x_0"),
    "score": ("s", r"\hat s", r"s = -\epsilon / \sqrt{1 - \bar\alpha_t}"),
    "mu": (r"\tilde\mu_t", r"\mu_\theta", r"\tilde\mu_t = E[x_{t-1} \mid x_t, x_0]"),
    "edm": ("F", r"\hat F", r"F = (x_0 - c_\text{skip}\, x_t) / c_\text{out}"),
}
SAID = {
    "eps": "the noise ε",
    "x0": "the data x₀",
    "v": "v, whose error is that of ε over √ᾱ",
    "score": "the score, whose error is that of ε over √(1 − ᾱ)",
    "edm": "what the data differ by from EDM's share of xₜ, in units of c_out",
    "mu": "the mean μ̃ of the step back, whose error is a share of that of x₀",
}
WEIGHED = {
    "simple": "alike at every t",
    "noise": "as that of ε, alike at every t",
    "snr": "by min(SNR, γ), said of x₀",
    "bound": "as the bound does",
}


def loss(arguments: Mapping[str, Any]) -> str:
    """The loss of a diffusion with these hyperparameters, LaTeX."""
    meaning = SAYS[arguments.get("predict", "eps")][2]
    first = r"x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon"
    if arguments.get("schedule") == "learned":
        meaning = r"\lambda = \log \tfrac{\bar\alpha_t}{1 - \bar\alpha_t}"
    first += rf" \\ {meaning}" if meaning else ""
    return rf"\begin{{gathered}} {first} \\ L = {trained(arguments)} \end{{gathered}}"


def trained(arguments: Mapping[str, Any]) -> str:
    """What L is in :func:`loss`."""
    if arguments.get("schedule") == "learned":
        return r"L_T + \tfrac12 E_{t, \epsilon}\big[-\lambda'(t)\, \| \epsilon - \hat\epsilon(x_t, t) \|^2\big] + L_0"
    target, guess, _ = SAYS[arguments.get("predict", "eps")]
    weight = "" if arguments.get("weighting", "simple") == "simple" else r"w_t\, "
    bound = r" + 0.001\, L_\text{vlb}" if arguments.get("variance") == "learned" else ""
    return rf"E_{{t, x_0, \epsilon}}\, {weight}\| {target} - {guess}(x_t, t) \|^2{bound}"


def bound(moment: Moment) -> None:
    """Every term of the variational bound, and their sum."""
    key, counts = ("bound_n", [4, 16, 64]) if moment.model.is_image else ("bound_points", [64, 256, 1000])
    n = url_widgets.choice("test examples", counts, counts[0], key=key)
    terms = answer(every_term, moment=moment, key="bound", asks="Compute the bound", n=n)
    if terms is None:
        return
    nats, columns = f"{_mean(terms, 'nats')} ± {number(float(terms['error']), 2)} nats", st.columns(5)
    if terms["label"].any():
        st.caption(f"Told each label y, which costs −log p(y) = {_mean(terms, 'label')} nats of the sum.")
    columns[0].metric("L(T): what is left of x₀ at T", f"{_mean(terms, 'prior')} nats")
    columns[1].metric("Σ L(t−1): the steps", f"{number(float(terms['steps'].sum()))} nats")
    columns[2].metric("L(0): the last step", f"{_mean(terms, 'last')} nats")
    columns[3].metric("−log p(x) ≤", nats, help="± one standard error")
    if "bpd" in terms:
        columns[4].metric(f"of {int(terms['levels'])} grey levels", f"{number(float(terms['bpd']))} bits/dim")
    elif "exact" in terms:
        columns[4].metric("true −log p(x)", f"{_mean(terms, 'exact')} nats", help="of the same test points")
    t, logs = terms["t"], {"log_x": True, "log_y": True}
    line = figures.Curve("L", t, np.maximum(terms["steps"], 1e-12), figures.POSTERIOR)
    error = figures.Curve("error", t, terms["mse"], figures.SAMPLES)
    trained = figures.Curve("in what is trained", t, terms["trained"], figures.SAMPLES)
    due = figures.Curve("in the bound", t, terms["due"], figures.POSTERIOR)
    left, right = st.columns(2)
    _curves([line], "nats", "L(t−1): what the step from t to t − 1 costs", "terms", left, **logs)
    if moment.model.is_image:
        left.caption("What is paid at small t is for detail so fine that pictures hardly show it.")
    _curves([error], "per dimension", "Squared error of ε̂", "errors", right)
    _curves([trained, due], "share of the mean", "What an error of ε̂ weighs", "weights", st, **logs)
    model = moment.model
    weighed = WEIGHED[model.config["weighting"]]
    if model.config["schedule"] == "learned":
        weighed = "by −λ′/2, as the bound of infinitely many steps does, λ = log SNR"
    often = "" if model.chance is None or model.config["weighting"] == "bound" else ", and draws some t more often"
    st.caption(
        f"This network predicts {SAID[model.predict]}, and its loss weighs that error "
        f"{weighed}{often}: at each t an error of ε̂ then weighs as the first curve says. "
        "The bound weighs it by β² / (2 σ² α (1 − ᾱ)) (Ho et al. 2020, eq. 12)."
        + (" σ² here is β̃, not what the network says of it." if model.variance == "learned" else "")
    )
    concluded(conclusion(terms), key="conclusion-bound")


def _mean(terms: Arrays, name: str) -> str:
    return number(float(terms[name].mean()))


def _curves(lines: list[figures.Curve], unit: str, title: str, key: str, place: Any, **logs: bool) -> None:
    plot(figures.curves(lines, x_title="t, steps", y_title=unit, title=title, **logs), key=key, place=place)

"""An autoencoder beside a VAE of the same data: reconstructions, codes and what is drawn, and the way between two."""

import functools
import time
from typing import Any

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.hyperparameters import declared
from genmodels.instruments.latent import autoencoder as instruments
from genmodels.instruments.vae.partners import partners
from genmodels.models.base import GenerativeModel
from genmodels.models.latent.autoencoder import Autoencoder, FittedGaussian
from genmodels.models.vae import VAE
from genmodels.runs import store
from genmodels.runs.record import Plan
from genmodels.text import number
from pages._ui.form import url_widgets
from pages._ui.page.theory import Equations, measured, show
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.shared.run_cache import FRESH, Stamp, stamp
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import by_class, pictures

__all__ = ["beside", "theory"]

TITLES = {"ae": "The autoencoder", "vae": "The VAE"}
ALONE = "none"
POINTS = {"z": 500, "drawn": 200}  # of each that are seen: a browser draws every point anew at every width


def beside(moment: Moment) -> None:
    """Both in columns, from what they have in common to what they have not."""
    plan = moment.run.plan
    known = _vaes(plan.data, _dimensions(plan, Autoencoder), stamp(store.root()), time.monotonic() // FRESH)
    other = url_widgets.choice_of_many("beside the VAE", [*known, ALONE], key="beside_vae", width=280)
    with st.container(horizontal=True, gap="small"):
        most = len(moment.data.test) - 1
        first = url_widgets.number("path from test example", 0, most, 0, key="beside_from", width=200)
        second = url_widgets.number("to", 0, most, 1, key="beside_to")
    asked: dict[str, Any] = {"other": "" if other == ALONE else other, "first": first, "second": second}
    both = answer(instruments.beside, moment=moment, key="beside", at_once=True, **asked)
    if both is None:
        return
    shown = [name for name in TITLES if f"{name} z" in both]
    for name, place in zip(shown, st.columns(len(shown)), strict=True):
        with place:
            st.markdown(f"**{TITLES[name]}**")
            one = {key.removeprefix(f"{name} "): value for key, value in both.items() if key.startswith(f"{name} ")}
            _column(moment, name, one)
    st.caption(
        "Both give back what they are shown. The VAE was made to put its codes where its prior draws them, a cloud for "
        "each example; the autoencoder puts a point wherever it likes. A Gaussian fitted to such points covers places "
        "where there are none, and what is decoded there was never asked of the decoder."
    )
    concluded(instruments.conclusion(both), key="conclusion-beside")


@functools.lru_cache(maxsize=16)
def _vaes(data: str, dimensions: int, runs: Stamp, now: float) -> tuple[str, ...]:
    """The VAEs of these data: those with as many numbers a code first, for in more of them every draw is far from all.

    Of alike, those that ship with the app come first, and of one's own the newest.
    """
    known = partners(data)
    return tuple(sorted(known, key=lambda name: abs(_dimensions(known[name], VAE) - dimensions)))


def _dimensions(plan: Plan, cls: type[GenerativeModel]) -> int:
    """How many numbers a code of the planned model has."""
    return int(plan.arguments.get("latent_dim", declared(cls)["latent_dim"].default))


def _column(moment: Moment, name: str, one: dict[str, Any]) -> None:
    if moment.model.is_image:
        pairs = one["reconstruction"].swapaxes(0, 1)[:8]
        pixel = "black or white pixel" if one["cut"] else "grey pixel"
        caption = f"test examples and what comes back; squared error {number(float(one['squared']))} a {pixel}"
        pictures(pairs, 8, key=f"{name}-pairs", alt=f"{TITLES[name]}: pairs.", caption=caption, pixels=44)
    _plane(moment, name, one)
    if moment.model.is_image:
        source = "the Gaussian fitted to its codes" if name == "ae" else "its prior"
        for key, what in (
            ("x", f"codes drawn from {source}"),
            ("path", "straight from one example's code to another's"),
        ):
            columns = 8 if key == "x" else len(one[key])
            pictures(one[key], columns, key=f"{name}-{key}", alt=f"{TITLES[name]}: {what}.", caption=what, pixels=44)


def _plane(moment: Moment, name: str, one: dict[str, Any]) -> None:
    """The first two numbers of codes of test examples, and of drawn ones."""
    z, drawn = (np.pad(one[key][: POINTS[key]], ((0, 0), (0, 1)))[:, :2] for key in POINTS)
    labels = moment.data.classes
    clouds = (
        by_class(z, one["labels"][: len(z)], labels)
        if labels
        else [figures.Points("codes", z, figures.POSTERIOR, size=3)]
    )
    clouds.append(figures.Points("drawn", drawn, figures.NEUTRAL, size=4, opacity=0.9))
    drawn_figure = figures.points(clouds, title="Codes of test examples, and drawn codes", x_title="z₁", y_title="z₂")
    plot(drawn_figure.update_layout(height=380), key=f"{name}-codes")


EQUATIONS: Equations = {
    Autoencoder.loss: r"""There and back
        $$ \mathcal L = \text{error}(x, D(E(x))) + \lambda \, \|E(x)\|_1 $$
        $$ \mathcal L = <loss> \\ \text{error} = <error> \\ \|E(x)\|_1 = <size> \\ \lambda = <lambda> $$
        A VAE's loss beside it: the code is a cloud there and a point here, and in place of λ‖E(x)‖₁ stands the KL to a
        prior from which codes can be drawn. Sparse codes would be counted, ‖E(x)‖₀: that has no gradient.""",
    Autoencoder.reconstruction_error: r"""The error
        $$ \text{error} = -\sum_i \big(x_i \log D_i + (1 - x_i) \log (1 - D_i)\big) \quad\text{or}\quad \|x - D\|^2 $$
        The first is of black or white pixels and is −log p(x | z) of a Bernoulli decoder; the second is that of a
        Gaussian one, but for constants.""",
    FittedGaussian.see: r"""What it is not
        $$ z \sim N(m, C), \qquad m = E[E(x)], \quad C = \text{Cov}[E(x)] $$
        Nothing in the loss says how often a code occurs, so there is no p(x). To draw something all the same, a
        Gaussian follows the codes while they are learned: all batches count alike at first, then each a hundredth. It
        is one hill over all of them, and covers the holes between them too, of which the decoder was never asked.""",
}


def theory(moment: Moment) -> None:
    """The loss, and what is missing in it."""
    known = {name: measured(value, unit="") for name, value in seen(instruments.numbers, moment).items()}
    show((EQUATIONS,), known | {"lambda": f"{moment.model.sparsity:g}"})

"""The bound of a VAE: which examples it is high for, the ladder up to log p(x), and one example's gap closed."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from genmodels.instruments.arrays import Arrays
from genmodels.instruments.vae import bound, geometry
from genmodels.instruments.vae.collapse import usage
from genmodels.models.vae import VAE
from genmodels.text import number
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import example_of, nats, pictures
from pages._ui.views.vae.collapse import dimensions_used

__all__ = ["close_the_gap", "ladder", "reconstructions"]


def reconstructions(moment: Moment) -> None:
    """The worst, the middle and the best by their ELBO: data and what is made of them."""
    shown = seen(bound.reconstructions, moment)
    if moment.model.is_image:
        for i, (name, place) in enumerate(zip(("The worst", "The middle", "The best"), st.columns(3), strict=True)):
            x, mean, elbo = (np.split(array, 3)[i] for array in (shown.x, shown.mean, shown.elbo_nats))
            caption = f"{name}: picture and reconstruction. ELBO {', '.join(map(number, elbo))} nats"
            alt, file = f"{name}: test pictures and their reconstructions, in pairs.", f"reconstructions-{i}.png"
            with place:
                pictures(np.stack([x, mean], 1), 2, key=f"pairs-{i}", alt=alt, caption=caption, download=file)
    else:
        data = figures.Points("test points", shown.x, figures.DATA, size=8)
        means = figures.Points("E[x | z]", shown.mean, figures.SAMPLES, size=8)
        plot(figures.points([data, means], title="Reconstructions"), key="reconstructions")
    concluded(shown.conclusion())


def ladder(moment: Moment) -> None:
    """The ladder of bounds, and which dimensions of a VAE are used."""
    rungs = answer(
        bound.ladder, moment=moment, key="ladder", asks="Compare the bounds", n=min(200, len(moment.data.test))
    )
    if rungs is None:
        return
    left, right = st.columns(2)
    if "exact" in rungs:
        left.caption(
            f"On {len(rungs['elbo'])} random test examples. log p(x) is exact: a sum over a grid of z, "
            f"{int(rungs['points'])} points a side. What separates ELBO from it is KL(q(z|x) ‖ p(z|x))"
            f"{_of_prior(moment)}; on average, no estimate lies above it."
        )
    plot(_rungs(rungs), key="rungs", place=left)
    if isinstance(moment.model, VAE):
        used = seen(usage, moment)
        active = f"{used.active} of {used.latent_dim} dimensions are active"
        right.caption(f"{active}: their posterior means move by over 0.1.")
        plot(dimensions_used(used), key="kl", place=right)
    concluded(bound.conclusion(rungs))


def _of_prior(moment: Moment) -> str:
    """A note on another gap between ELBO and log p(x): a diffusion prior enters the ELBO by a bound on log p(z)."""
    diffused = isinstance(moment.model, VAE) and moment.model.config["prior"] == "diffusion"
    return " and what the prior's own bound on log p(z) leaves out" if diffused else ""


def _rungs(rungs: Arrays) -> go.Figure:
    """The bounds over how many draws of z each is allowed."""
    k = rungs["k"]
    lines = [
        figures.Curve("IWAE", k, rungs["iwae"], figures.POSTERIOR),
        figures.Curve("ELBO", k, np.full(len(k), rungs["elbo"].mean()), figures.NEUTRAL, dashed=True),
    ]
    if "exact" in rungs:
        exact = np.full(len(k), rungs["exact"].mean())
        lines.append(figures.Curve("log p(x), exact", k, exact, figures.DATA, dashed=True))
    return figures.curves(lines, title="ELBO ≤ IWAE ≤ log p(x)", x_title="draws of z", y_title="nats", log_x=True)


def close_the_gap(moment: Moment) -> None:
    """One example's posterior refined by gradient steps, while the ELBO climbs towards log p(x)."""
    loosest = seen(bound.loosest, moment)
    example = example_of(moment, key="gap_example", default=loosest)
    moved, price = ("μ", " of fixed width") if moment.model.q_sigma else ("μ and σ", "")
    st.caption(
        "The encoder guesses q(z | x) for every x at once. Refined for this x alone, by gradient ascent on "
        f"{moved}, the ELBO rises by the amortization gap, which is small where the guess was good. What is left to "
        f"log p(x) is the price of a Gaussian q{price}{_of_prior(moment)}. Of the first hundred test examples, the "
        f"bound is loosest at number {loosest}."
    )
    refined = answer(geometry.gap, key="gap", asks="Refine the guess", moment=moment, index=example)
    if refined is None:
        return
    elbo, steps = refined["elbo"], np.arange(len(refined["elbo"]))
    lines = [figures.Curve("ELBO", steps, elbo, figures.POSTERIOR)]
    before, after, above = st.columns(3)
    nats("ELBO, as encoded", elbo[0], place=before)
    rise = float(elbo[-1] - elbo[0])
    nats("ELBO, refined", elbo[-1], f"{number(abs(rise))} {'higher' if rise >= 0 else 'lower'}", place=after)
    if "exact" in refined:
        (exact,) = refined["exact"]
        lines.append(figures.Curve("log p(x), exact", steps, np.full(len(steps), exact), figures.DATA, dashed=True))
        apart = float(exact - elbo[-1])
        nats("log p(x)", exact, f"{number(apart)} still apart" if apart > 0 else "nothing is left", place=above)
    figure = figures.curves(lines, title="Refining q(z | x) of one example", x_title="gradient step", y_title="nats")
    plot(figure, key="gap-curve")
    concluded(geometry.conclusion_of_gap(refined))

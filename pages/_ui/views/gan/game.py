"""What the critic of a GAN, a WGAN or a BiGAN believes, where it pushes the samples, and what the generator draws."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from genmodels.instruments import codes
from genmodels.instruments.gan import divergence, game, turns
from genmodels.runs.store import Run
from genmodels.text import number
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.codes import latent_map, path
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import half_of, label_of, legend_above, real_points, square
from pages._ui.views.common.side_by_side import curves, dots, picture, small

__all__ = ["belief", "critic_of", "latent", "losses", "losses_of_pairs", "panel", "plane", "pushes"]

LOSSES = {
    "minimax": (r"-E_{x \sim p}[\log D(x)] - E_z[\log(1 - D(G(z)))]", r"E_z[\log(1 - D(G(z)))]"),
    "non-saturating": (r"-E_{x \sim p}[\log D(x)] - E_z[\log(1 - D(G(z)))]", r"-E_z[\log D(G(z))]"),
    "least-squares": (
        r"\tfrac12 E_{x \sim p}[(s(x) - 1)^2] + \tfrac12 E_z[s(G(z))^2]",
        r"\tfrac12 E_z[(s(G(z)) - 1)^2]",
    ),
    "relativistic": (
        r"-E_{x \sim p,\, z}[\log \sigma(s(x) - s(G(z)))]",
        r"-E_{x \sim p,\, z}[\log \sigma(s(G(z)) - s(x))]",
    ),
}
"""What the discriminator and the generator minimize, by objective, LaTeX; penalties are added to the first."""


def losses(arguments: Mapping[str, Any]) -> str:
    """The losses of the two players of a GAN with these hyperparameters, LaTeX."""
    of_d, of_g = LOSSES[arguments.get("objective", "non-saturating")]
    return rf"\begin{{gathered}} \min_D \; {of_d}{_penalties(arguments)} \\ \min_G \; {of_g} \end{{gathered}}"


def losses_of_pairs(arguments: Mapping[str, Any]) -> str:
    """The losses of the two players of a BiGAN with these hyperparameters, LaTeX."""
    of_d = r"-E_{x \sim p}[\log D(x, E(x))] - E_z[\log(1 - D(G(z), z))]"
    of_g = r"-E_{x \sim p}[\log(1 - D(x, E(x)))] - E_z[\log D(G(z), z)]"
    return rf"\begin{{gathered}} \min_D \; {of_d}{_penalties(arguments)} \\ \min_{{G, E}} \; {of_g} \end{{gathered}}"


def _penalties(arguments: Mapping[str, Any]) -> str:
    return "".join(rf" + \gamma_{i} R_{i}" for i in (1, 2) if arguments.get(f"r{i}"))


def critic_of(moment: Moment) -> str:
    """The name of the critic: of a GAN and a BiGAN the discriminator."""
    return next(iter(moment.model.players()))


def belief(surface: game.Surface, *, title: str, over: tuple[figures.Points, ...] = ()) -> go.Figure:
    """A map of the critic: blue what it takes for data, orange what it takes for samples."""
    values = surface.values - surface.middle
    figure = figures.signed(values, square(surface.half), title=title, unit=surface.name, over=over)
    figure.update_traces(reversescale=True, selector={"type": "heatmap"})
    if surface.middle:  # a probability: its whole range, and its own numbers on the scale
        figure.update_traces(z=surface.values, zmin=0, zmax=2 * surface.middle, selector={"type": "heatmap"})
    return figure


def pushes(figure: go.Figure, x: np.ndarray, push: np.ndarray, half: float) -> float:
    """Draw where the generator's loss pushes each sample, the longest a tenth of the map; its length."""
    longest = max(float(np.linalg.norm(push, axis=1).max()), 1e-12)
    figures.arrows(figure, x, push, name="push", color=figures.NEUTRAL, length=0.2 * half / longest)
    figure.update_traces(showlegend=False, selector={"name": "push"})  # the caption says what an arrow is
    return longest


def plane(moment: Moment) -> None:
    """The critic as a surface, the pushes on the samples, the best critic there could be, and the sheet of noise."""
    label, real = label_of(moment), real_points(moment)
    has_best = moment.run.plan.model == "gan" and moment.data.log_prob is not None and not moment.model.classes
    first, *more = st.columns(3 if has_best else 2, gap="small")
    height = 430 if has_best else 540
    with first:
        _surface(moment, label, height)
    bound = _best(moment, height, more[0]) if has_best else None
    sheet = seen(codes.latent_map, moment, n=41, label=label)
    figure = figures.mesh(sheet.x, title="A square of noise under G", over=(real,), extent=square(half_of(moment)))
    low, high = (number(axis, 2) for axis in sheet.axes[0][[0, -1]])
    plot(legend_above(figure, height), key="sheet", place=more[-1])
    more[-1].caption(
        f"A grid of the first two dimensions of the noise, z₁ from {low} to {high}, carried by G. Where modes lie "
        "apart the sheet must stretch between them: samples there are unavoidable, but can be made few."
    )
    concluded(bound.conclusion() if bound else game.conclusion(seen(game.numbers, moment)))


def _surface(moment: Moment, label: int | None, height: int) -> None:
    half = half_of(moment)
    x, push = seen(game.arrows, moment, n=100, label=label)
    over = real_points(moment), figures.Points("samples", x, figures.SAMPLES, size=5, outlined=True)
    surface = seen(game.surface, moment, half=half, label=label)
    title = f"{critic_of(moment).capitalize()} {surface.name} and pushes"
    figure = belief(surface, title=title, over=over)
    longest = pushes(figure, x, push, half)
    plot(legend_above(figure, height), key="surface")
    st.caption(
        "Blue: taken for data; orange: taken for samples. An arrow is −∂L/∂x, where the generator's loss would "
        f"move this sample if it were free; the longest is {number(longest)} per unit of x."
    )


def _best(moment: Moment, height: int, place: Any) -> divergence.Bound:
    """The best discriminator that there could be, in ``place``; and the divergence that it tells."""
    surface, bound = seen(divergence.best_discriminator, moment, half=half_of(moment))
    figure = belief(surface, title="The best discriminator, p / (p + q)")
    plot(legend_above(figure, height), key="best", place=place)
    learned, best = number(bound.learned), number(2 * bound.js - math.log(4))
    place.caption(
        "p is exact, q a kernel estimate from 4,000 samples; blank where both are nearly 0. On fresh data and samples "
        f"the learned one has V(D, G) = {learned} ± {number(bound.learned_se, 2)} nats, and the best of several has "
        f"{best} ± {number(2 * bound.js_se, 2)}, at most V(D*, G); −log 4 = −1.39 where p = q."
    )
    return bound


def latent(moment: Moment) -> None:
    """From one noise vector to another, and the plane of the first two dimensions of the noise."""
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("##### From one noise to another")
        path(moment)
    with right:
        st.markdown("##### A plane of noise")
        latent_map(moment)


def panel(name: str, run: Run) -> None:
    """One of several trainings side by side: what it draws, what its critic believes, and the critic's own measure."""
    moment, key = Moment.of(run), f"panel-{run.id}"
    half = 0.0 if moment.model.is_image else half_of(moment)
    x = run.samples()
    if moment.model.is_image or moment.model.classes or x is None:
        picture(run, key, square(half))
    else:
        surface = seen(game.surface, moment, half=half, side=60)
        figure = belief(surface, title="", over=(real_points(moment), dots(x)))
        figure.update_traces(showscale=False, selector={"type": "heatmap"})
        small(figure, key)
    curves({name: run}, turns.WATCHED, key=f"{key}-curve", height=240)

"""How steep is this critic, and what do others make of the same data: five critics trained side by side."""

from collections.abc import Mapping

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.gan import critics as instruments
from genmodels.instruments.gan import game
from genmodels.runs.store import Run
from genmodels.text import number
from pages._ui.form import url_widgets
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import half_of, label_of, real_points, square
from pages._ui.views.common.side_by_side import side_by_side
from pages._ui.views.gan.game import critic_of, panel

__all__ = ["critics"]

COLORS = dict(zip(("data", "samples", "between"), (figures.DATA, figures.SAMPLES, figures.NEUTRAL), strict=True))

KEPT = {
    "discriminator": "Only a WGAN asks for slopes of at most 1; a discriminator's score is its logit, or by least "
    "squares the chance itself.",
    "spectral discriminator": "A discriminator need not be 1-Lipschitz, but spectral norms bound its slope as well: by "
    "1 with dense layers, twice as much for each convolution, and at most twice as much again for labels.",
    "none": "Nothing bounds the slope.",
    "clip": "Clipped weights bound the slope, by a number that nobody chose.",
    "gp": "The penalty pulls the slope towards 1 on the lines between any example and any sample, softly.",
    "spectral": "Spectral norms bound the slope by 1, as well as one power iteration a step finds them.",
}


def critics(moment: Moment) -> None:
    """This critic's slopes, then the five."""
    if moment.model.is_image:
        _histogram(moment)
    else:
        left, right = st.columns([3, 2], gap="medium")
        with left:
            _histogram(moment)
        with right:
            _violations(moment)
    concluded(instruments.conclusion(seen(game.slopes, moment), critic_of(moment)))
    st.markdown("##### Five critics of the same data")
    st.caption(
        "Log loss, least squares, clipped weights, gradient penalty, spectral norm: the data, seed, batches, learning "
        "rate, networks and turns are those of the run above; a GAN's two players learn at one rate; each has its "
        "usual optimizer, RMSprop where weights are clipped and Adam elsewhere. Five ordinary runs, which *Runs* lists "
        "too."
    )
    if not instruments.rivals(moment.run.plan, 1):
        st.caption("A WGAN has no residual networks: train a GAN of others, and the five are offered here.")
        return
    steps = url_widgets.choice("steps of each training", (200, 500, 1000, 2000, 5000), 1000, key="five_steps")
    plans = instruments.rivals(moment.run.plan, steps)
    side_by_side(plans, panel, key="five", all_of_them="Train all five", below=_numbers)


def _histogram(moment: Moment) -> None:
    slopes = seen(game.slopes, moment)
    figure = figures.histogram(
        dict(zip(COLORS, slopes, strict=True)),
        title="How steep the score is",
        x_title="‖∇f(x)‖, score per unit of x",
        colors=COLORS,
        line=("1-Lipschitz", 1.0),
    )
    plot(figure.update_layout(height=380), key="slopes")
    usual = "spectral discriminator" if moment.model.config.get("spectral") else "discriminator"
    kept = KEPT[getattr(moment.model, "penalty", usual)]
    st.caption(f"At {slopes.shape[1]} test examples, samples and points between. {kept}")


def _violations(moment: Moment) -> None:
    half = half_of(moment)
    steep = seen(game.steepness, moment, half=half, label=label_of(moment))
    over, title = (real_points(moment),), "Where it is too steep"
    figure = figures.signed(steep.values - steep.middle, square(half), title=title, unit="‖∇f‖ − 1", over=over)
    plot(figure.update_layout(showlegend=False), key="steepness")
    st.caption("Orange: steeper than 1; blue: flatter. Dots: data.")


def _numbers(runs: Mapping[str, Run]) -> None:
    """The five in numbers, once all have ended."""
    if not runs or any(run.state().status.is_going for run in runs.values()):
        return
    verdicts = {critic: seen(instruments.verdict, Moment.of(run)) for critic, run in runs.items()}
    rows = [{"critic": critic} | _row(verdict) for critic, verdict in verdicts.items()]
    left, right = st.columns([3, 2], gap="medium")
    n = min(400, len(next(iter(runs.values())).data().test))
    left.dataframe(rows, hide_index=True, width="stretch", key="five-table")
    left.caption(
        f"{n} samples against {n} test examples; slopes at data, samples and between. The maps show each score: blue "
        "is taken for data, orange for samples."
    )
    slopes = {critic: np.log10(verdict.slopes.clip(1e-12)) for critic, verdict in verdicts.items()}
    low, high = np.quantile(np.concatenate(list(slopes.values())), [0.01, 0.995])  # all but the outermost hundredth
    figure = figures.histogram(
        slopes,
        title="Slopes of the five",
        x_title="‖∇f(x)‖, score per unit of x",
        colors=dict(zip(slopes, figures.RUNS, strict=False)),
        line=("1-Lipschitz", 0.0),
        limits=(float(low) - 0.1, float(high) + 0.1),
    )
    figure.update_xaxes(tickprefix="10<sup>", ticksuffix="</sup>", dtick=1)
    plot(figure, key="five-slopes", place=right)
    concluded(instruments.compared(verdicts), "conclusion-five")


def _row(verdict: instruments.Verdict) -> dict[str, str]:
    row, near, slopes = {"sliced W₁": number(verdict.sliced)}, verdict.coverage, verdict.slopes
    if near is not None and verdict.floor is not None:
        row = {"exact W₁": number(near.w1), "floor": number(verdict.floor)} | row
    if near is not None and near.modes is not None:
        row |= {"modes": f"{near.modes.covered} of {near.modes.of}", "within 3σ": f"{near.modes.close:.0%}"}
    return row | {"mean slope": number(slopes[2].mean()), "steeper than 1": f"{(slopes > 1).mean():.0%}"}

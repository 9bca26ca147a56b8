"""The critic's laboratory: how steep this critic is, and five critics trained beside each other."""

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.gan import critics as lab
from genmodels.instruments.gan import game as instruments
from genmodels.runs.store import Run
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.gan.beside import EVERY, are_going, column, linked, start
from pages._ui.views.gan.game import half_of, label_of, legend_above, real_points, square

__all__ = ["critics"]

COLORS = dict(zip(("data", "samples", "between"), (figures.DATA, figures.SAMPLES, figures.NEUTRAL), strict=True))

KEPT = {
    "discriminator": "Only a WGAN asks for slopes of at most 1; a discriminator's score is its logit.",
    "none": "Nothing bounds the slope.",
    "clip": "Clipped weights bound the slope, by a number that nobody chose.",
    "gp": "The penalty pulls the slope towards 1 on the lines between any example and any sample, softly.",
    "spectral": "Spectral norms bound the slope by 1, as well as one power iteration a step finds them.",
}


@st.cache_data(max_entries=64, show_spinner=False)
def _slopes(moment: Moment) -> instruments.Slopes:
    return instruments.slopes(moment.model, moment.data)


@st.cache_data(max_entries=64, show_spinner=False)
def _steepness(moment: Moment, half: float, label: int) -> instruments.Surface:
    return lab.steepness(moment.model, half, label=label)


@st.cache_data(max_entries=64, show_spinner=False)
def _verdict(moment: Moment) -> lab.Verdict:
    return lab.verdict(moment.model, moment.data)


def critics(moment: Moment) -> None:
    """This critic's slopes, then the five."""
    left, right = st.columns([3, 2], gap="medium")
    with left:
        _histogram(moment)
    with right:
        _violations(moment)
    _five(moment)


def _histogram(moment: Moment) -> None:
    found = _slopes(moment)
    figure = figures.histogram(
        {"data": found.real, "samples": found.fake, "between": found.between},
        title="How steep the score is",
        x_title="‖∇f(x)‖, score per unit of x",
        colors=COLORS,
        line=("1-Lipschitz", 1.0),
    )
    plot(legend_above(figure, 380), key="slopes")
    st.caption(
        f"At 500 test examples, 500 samples and 500 points between: {found.violations:.1%} are steeper than 1. "
        + KEPT[moment.model.penalty if moment.run.plan.model == "wgan" else "discriminator"]
    )


def _violations(moment: Moment) -> None:
    if moment.model.is_image:
        st.info("The map of violations needs the plane; the histogram is of images too.")
        return
    label, half = label_of(moment), half_of(moment)
    found = _steepness(moment, half, label)
    figure = figures.signed(
        found.values - found.middle,
        square(half),
        title="Where it is too steep",
        unit="‖∇f‖ − 1",
        over=(real_points(moment),),
    )
    plot(figure.update_layout(showlegend=False), key="steepness")
    st.caption("Vermilion: steeper than 1; blue: flatter. Dots: data.")


# The five ---


def _five(moment: Moment) -> None:
    st.markdown("##### Five critics, everything else the same")
    st.caption(
        "Log loss, least squares, clipped weights, gradient penalty, spectral norm: the data, seed, batches, learning "
        "rate, networks and turns are those of the run above. Five ordinary runs, which *Runs* lists too."
    )
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        steps = st.select_slider("steps", [200, 500, 1000, 2000, 5000], 1000, key="five_steps", width=220)
        pressed = st.button("Train all five", type="primary", key="five")
    if pressed:
        start("five", lab.rivals(moment.run.plan, int(steps)).values())
    found = _chosen()
    if found:
        st.fragment(_side_by_side, run_every=EVERY if are_going(found.values()) else None)(are_going(found.values()))


def _chosen() -> dict[str, Run]:
    """The five of the link, by the name of their critic; those that are there no more are left out."""
    found = zip(lab.RIVALS, linked("five"), strict=False)
    return {critic: run for critic, run in found if run is not None}


def _side_by_side(going: bool) -> None:
    """A column a critic; their numbers when all are done."""
    found = _chosen()
    states = {critic: run.state() for critic, run in found.items()}
    if are_going(found.values()) != going:
        st.rerun(scope="app")
    if lost := [critic for critic in lab.RIVALS if critic not in found]:
        st.caption(f"Not there any more: {', '.join(lost)}.")
    places = st.columns(len(found), gap="small")
    for i, (place, (critic, run)) in enumerate(zip(places, found.items(), strict=True)):
        with place:
            column(critic, run, states[critic], f"five-{i}")
    if not going:
        _numbers({critic: Moment.of(run) for critic, run in found.items() if run.snapshots()})


def _numbers(moments: dict[str, Moment]) -> None:
    if not moments:
        return
    found = {critic: _verdict(moment) for critic, moment in moments.items()}
    rows = [{"critic": critic} | _row(one) for critic, one in found.items()]
    left, right = st.columns([3, 2], gap="medium")
    empty = {name for name in rows[0] if all(row[name] is None for row in rows)}
    shown = [{name: value for name, value in row.items() if name not in empty} for row in rows]
    left.dataframe(shown, hide_index=True, width="stretch", key="five-table")
    left.caption(
        "400 samples against 400 test examples; slopes at data, samples and between. The maps show each score, blue "
        "where the critic sees data, vermilion where it sees samples."
    )
    figure = figures.histogram(
        {critic: one.log10_slopes for critic, one in found.items()},
        title="Slopes of the five",
        x_title="log₁₀ ‖∇f(x)‖",
        colors=dict(zip(lab.RIVALS, figures.RUNS, strict=False)),
        line=("1-Lipschitz", 0.0),
        limits=_limits([one.log10_slopes for one in found.values()]),
    )
    legend_above(figure, 340).update_layout(margin={"t": 100})
    plot(figure, key="five-slopes", place=right)


def _limits(arrays: list[np.ndarray]) -> tuple[float, float]:
    """From the smallest to the largest of all but the outermost hundredth."""
    low, high = np.quantile(np.concatenate(arrays), [0.01, 0.995])
    return float(low) - 0.1, float(high) + 0.1


def _row(one: lab.Verdict) -> dict[str, object]:
    percent = lambda share: None if share is None else f"{share:.0%}"  # noqa: E731
    return {
        "exact W₁": None if one.w1 is None else round(one.w1, 3),
        "floor": None if one.w1_floor is None else round(one.w1_floor, 3),
        "sliced W₁": round(one.sliced, 3),
        "modes": one.covered,
        "within 3σ": percent(one.close),
        "mean slope": f"{one.slope:.3g}",
        "steeper than 1": percent(one.violations),
    }

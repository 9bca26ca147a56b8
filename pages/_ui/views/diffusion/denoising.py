"""What can be explored of a diffusion model: each function draws one instrument of one moment."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.arrays import Array, Arrays
from genmodels.instruments.diffusion import denoising, score
from genmodels.metrics import judge
from genmodels.probability.diffusion.times import SPACINGS
from genmodels.probability.samplers import SAMPLERS
from pages._ui.components.scrubber import point_film
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.asked import asked
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.film import joined, play
from pages._ui.views.common.shapes import pictures
from pages._ui.views.diffusion.film import PANELS, lines_under, way_back

__all__ = ["denoise", "forward", "samplers"]

NOISE = figures.RUNS[4]
COLORS = dict(zip(SAMPLERS, [figures.RUNS[i] for i in (3, 4, 0, 1, 2)], strict=True))
AGAINST = {
    "gap": ("Distance from the solution of the equation", "", ""),
    "w1": ("Distance from the data", "floor", "data from data"),
    "fid": ("Distance from the data", "fid_floor", "test data"),
    "sure": ("Clear pictures", "sure_of_data", "test data"),
}
"""What is drawn against evaluations: its title, and what of the data is drawn beside it, by key and in words."""

# Forward ---


def forward(moment: Moment) -> None:
    """Data become noise; the schedule says how fast."""
    st.caption(
        "The forward process has nothing to learn: xₜ is x₀ with noise of a known size. Scrub from the data, t = 0, "
        f"to t = T = {moment.model.T:,}; the same noise grows all the way."
    )
    left, right = st.columns([2, 3], gap="medium")
    alt = "data that become noise"
    with left:
        if moment.model.is_image:
            most = len(moment.data.test) - 16
            first = url_widgets.number("the first test example", 0, most, 0, key="noised", width="stretch")
            noised = seen(denoising.noising, moment, first=first, n=16)
            play(joined(noised["x_t"]), lines_under(noised), key="noising", alt=alt, width=380, fps=12)
        else:
            noised = seen(denoising.noising, moment, n=1000)
            _points(moment, noised["x_t"], "noised", alt, lines_under(noised), color=figures.DATA, fps=12)
    with right:
        _schedule(moment)
    own = seen(denoising.tables, moment)[moment.model.config["schedule"]]
    concluded(denoising.conclusion_of_schedule(own), key="conclusion-forward")


def _points(moment: Moment, frames: Array, key: str, alt: str, captions: list[str], **how: Any) -> None:
    """A film of points in one ``color``, on the square that holds the data and the noise."""
    colors = how.pop("color", figures.SAMPLES), figures.DATA
    extent = score.square(moment.data)
    point_film(frames, key=key, alt=alt, captions=captions, extent=extent, colors=colors, **how)


def _schedule(moment: Moment) -> None:
    """Shares and log-SNR over time of this schedule and, dashed, of others."""
    rates, ratios = [], []
    for k, (name, table) in enumerate(seen(denoising.tables, moment).items()):
        curve = partial(figures.Curve, x=table["t"], dashed=k > 0)
        ratios.append(curve(name, y=table["log_snr"], color=figures.RUNS[(0, 5, 7)[k]]))
        rates.append(curve(f"signal √ᾱ, {name}", y=table["signal"], color=figures.DATA))
        rates.append(curve(f"noise √(1 − ᾱ), {name}", y=table["noise"], color=NOISE))
    shares = f"Signal and noise: {ratios[0].name}; dashed: others"
    for key, lines, unit, title in (
        ("rates", rates, "share of xₜ", shares),
        ("snr", ratios, "log SNR, nats", "Signal-to-noise ratio ᾱ / (1 − ᾱ)"),
    ):
        plot(figures.curves(lines, x_title="t, steps", y_title=unit, title=title), key=key)


# Denoise ---


def denoise(moment: Moment) -> None:
    """From noise to samples: what the model sees, what it takes for noise, and what it thinks is behind."""
    wanted = asked(moment, 16, (16, 36, 64)) if moment.model.is_image else asked(moment, 600)  # points: all of them fit
    film = answer(denoising.denoised, moment=moment, key="denoise", at_once=True, **wanted)
    if film is None:
        return
    st.caption(
        f"The network was asked {int(film['evaluations']):,} times. A good x̂₀ is blurred at first: with little to "
        "see, the best guess is the mean over all data that xₜ may come from. Space plays, arrow keys step."
    )
    if moment.model.is_image:
        how = {"alt": "samples out of noise", "name": f"{moment.id}-seed{wanted['seed']}", "width": 900}
        way_back(film, tuple(PANELS), key="denoise-film", autoplay=True, **how)
    else:
        _guesses(moment, film)
    concluded(denoising.conclusion_of_film(film), key="conclusion-denoise")


def _guesses(moment: Moment, film: Arrays) -> None:
    """Points on their way beside the data that they are taken for."""
    truth, lines = moment.data.test.x[:1000].numpy(), lines_under(film)
    for place, part, color in zip(st.columns(2), ("x_t", "x_0"), (figures.SAMPLES, figures.POSTERIOR), strict=True):
        with place:
            st.caption(f"**{PANELS[part]}** over the data, blue")
            _points(moment, film[part], f"denoise-{part}", PANELS[part], lines, color=color, data=truth)


# Samplers ---


def samplers(moment: Moment) -> None:
    """Compare the samplers: the same noise through each, in few and in many steps."""
    with st.container(horizontal=True, gap="small"):
        seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="same_seed")
        spacing = url_widgets.choice("spacing of the times", ("auto", *SPACINGS), "auto", key="spacing")
    n = 8 if moment.model.is_image else 600
    asked_for: dict[str, Any] = {"n": n, "seed": seed, "spacing": spacing}
    made = answer(denoising.compared, moment=moment, key="samplers", asks="Compare the samplers", **asked_for)
    if made is None:
        return
    st.caption(
        "ddim, dpm-solver and heun solve one equation, so the same noise leads each of them to the same sample, the "
        "better the more often they ask the network. ancestral draws fresh noise at every step and sde-dpm-solver once "
        "the outlines stand, so they end elsewhere; the fresh noise also takes the errors of earlier steps away."
    )
    if moment.model.is_image:
        _sheets(moment, made)
        _against_evaluations(made, {"gap": "root mean square, grey 0–1"})
    else:
        _clouds(moment, made)
        _against_evaluations(made, {"gap": "root mean square", "w1": "sliced W₁"})
    concluded(denoising.conclusion_of_samplers(made), key="conclusion-samplers")
    if moment.model.is_image:
        _judged(moment, seed, spacing)


def _judged(moment: Moment, seed: int, spacing: str) -> None:
    """Quality against evaluations, in the eyes of a classifier of these pictures."""
    if moment.data.name not in judge.judges():
        return
    st.markdown("**Quality**, as a classifier that was trained on the data sees it")
    most = denoising.most_judged(moment.data)
    counts = [n for n in (100, 200, 500) if n <= most]
    n = url_widgets.choice("samples of each", counts, 200, key="judged_n") if 200 in counts else most
    asked_for: dict[str, Any] = {"n": n, "seed": seed, "spacing": spacing}
    scores = answer(denoising.judged, moment=moment, key="judged", asks="Judge the samples", **asked_for)
    if scores is None:
        return
    _against_evaluations(scores, {"fid": "FID", "sure": "share"})
    st.caption(
        "FID, the Fréchet distance in the classifier's features, depends on how many samples there are: hold that of "
        f"these {n} against that of as many test pictures, dashed. A picture is clear where one class is given "
        "more than 95 %."
    )
    concluded(denoising.conclusion_of_judged(scores), key="conclusion-judged")


def _against_evaluations(table: Arrays, units: Mapping[str, str]) -> None:
    """A line for each sampler that has such numbers, each measurement a point on it; dashed, those of the data."""
    asked, x_title = table["evaluations"], "evaluations of the network"
    for place, (part, unit) in zip(st.columns(len(units)), units.items(), strict=True):
        rows = zip(SAMPLERS, asked, table[part], strict=True)
        lines = [figures.Curve(name, at, row, COLORS[name]) for name, at, row in rows if not np.isnan(row).all()]
        title, of_data, name = AGAINST[part]
        if of_data:
            ends = np.array([asked.min(), asked.max()])
            lines.append(figures.Curve(name, ends, np.full(2, table[of_data]), figures.DATA, dashed=True))
        log = part != "sure"
        figure = figures.curves(lines, x_title=x_title, y_title=unit, title=title, log_x=True, log_y=log)
        figure.update_traces(mode="lines+markers", selector=lambda trace: trace.line.dash != "dash")
        plot(figure.update_xaxes(tickvals=(5, 10, 20, 50, 100)), key=part, place=place)


def _costs(made: Arrays, i: int) -> list[str]:
    return [f"{k} steps, {asked} evaluations" for k, asked in zip(made["steps"], made["evaluations"][i], strict=True)]


def _sheets(moment: Moment, made: Arrays) -> None:
    """Pictures: a row a sampler, a column a number of steps."""
    for i, name in enumerate(SAMPLERS):
        st.markdown(f"**{name}**")
        for j, (place, words) in enumerate(zip(st.columns(len(made["steps"])), _costs(made, i), strict=True)):
            how = {"alt": f"Samples of {name} in {words}.", "download": f"{name}-{made['steps'][j]}.png"}
            with place:
                pictures(made["samples"][i, j], 4, key=f"sheet-{i}-{j}", caption=words, pixels=60, **how)


def _clouds(moment: Moment, made: Arrays) -> None:
    """Points: a film a sampler, a frame a number of steps."""
    truth = moment.data.test.x[:600].numpy()
    for i, (name, place) in enumerate(zip(SAMPLERS, st.columns(len(SAMPLERS)), strict=True)):
        with place:
            st.caption(f"**{name}**")
            films, alt = made["samples"][i], f"samples of {name}"
            _points(moment, films, f"sheet-{i}", alt, _costs(made, i), data=truth, side=260, fps=1)

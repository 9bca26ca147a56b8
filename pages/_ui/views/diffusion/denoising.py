"""What can be explored of a diffusion model: each function draws one instrument of one moment."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels import images as pictures
from genmodels.hyperparameters import declared
from genmodels.instruments.diffusion import denoising, score
from genmodels.instruments.diffusion.bound import every_term
from genmodels.instruments.samples import options
from genmodels.metrics import judge
from genmodels.probability.samplers import SAMPLERS, SPACINGS
from pages._ui.components.image_grid import image_grid
from pages._ui.components.scrubber import point_film, scrubber
from pages._ui.form import url_widgets
from pages._ui.form.form import hyperparameters
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.shapes import zoom
from pages._ui.views.diffusion.edits import edit
from pages._ui.views.diffusion.film import PANELS, Array, joined, lines_under, packed, way_back
from pages._ui.views.diffusion.plane import plane

__all__ = ["VIEWS"]

NOISE = figures.RUNS[4]
SAID = {"eps": "the noise ε", "x0": "the data x₀", "v": "v, whose error is that of ε over √ᾱ"}
WEIGHED = {"simple": "alike at every t", "snr": "by min(SNR, γ), said of x₀", "bound": "as the bound does"}
COLORS = dict(zip(SAMPLERS, [figures.RUNS[i] for i in (3, 4, 0, 1, 2)], strict=True))

# Forward ---


def forward(moment: Moment) -> None:
    """Data become noise; the schedule says how fast."""
    st.caption(
        "The forward process has nothing to learn: xₜ is x₀ with noise of a known size. Scrub from the data, t = 0, "
        f"to t = T = {moment.model.T:,}; the same noise grows all the way."
    )
    left, right = st.columns([2, 3], gap="medium")
    with left:
        most = len(moment.data.test) - 16
        images = moment.model.is_image
        first = url_widgets.number("from test example", 0, most, 0, key="noised", width="stretch") if images else 0
        noised = seen(denoising.noising, moment, first=first, n=16 if images else 1000)
        captions, alt = lines_under(vars(noised)), "data that become noise"
        if images:
            frames = joined([noised.x_t])
            scrubber(packed(frames), key="noising", alt=alt, captions=captions, scale=zoom(frames.shape, 380))
        else:
            half, colors = score.square(moment.data), (figures.DATA, figures.DATA)
            point_film(noised.x_t, key="noised", alt=alt, extent=half, colors=colors, captions=captions, fps=12)
    with right:
        _schedule(moment)


def _schedule(moment: Moment) -> None:
    rates, ratios = [], []
    for k, (name, table) in enumerate(seen(denoising.tables, moment).items()):
        t, dashed = table["t"], k > 0
        ratios.append(figures.Curve(name, t, table["log_snr"], figures.RUNS[(0, 5, 7)[k]], dashed))
        rates.append(figures.Curve(f"signal √ᾱ, {name}", t, table["signal"], figures.DATA, dashed))
        rates.append(figures.Curve(f"noise √(1 − ᾱ), {name}", t, table["noise"], NOISE, dashed))
    shares = f"Signal and noise: {ratios[0].name}; dashed: others"
    for key, lines, unit, title in (
        ("rates", rates, "share of xₜ", shares),
        ("snr", ratios, "log SNR, nats", "Signal-to-noise ratio ᾱ / (1 − ᾱ)"),
    ):
        chart = figures.curves(lines, x_title="t, steps", y_title=unit, title=title)
        plot(chart.update_layout(height=280), key=key)


# Denoise ---


def denoise(moment: Moment) -> None:
    """From noise to samples: what the model sees, what it takes for noise, and what it thinks is behind."""
    classes = int(moment.model.config["classes"])
    with st.container(horizontal=True, gap="small"):
        n = 600  # points: all of them fit
        if moment.model.is_image:
            n = url_widgets.choice("samples", (16, 36, 64), 16, key="film_n")
        seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="film_seed")
        names = ["any", *moment.data.classes][: classes + 1]
        label = url_widgets.choice_of_many("class", names, key="film_label") if classes else "any"
    declares = options(type(moment.model))
    known = [name for name in declared(declares) if classes or name != "guidance"]
    how = hyperparameters(declares, names=known, prefix="film_")
    wanted = {} if label == "any" else {"label": names.index(label) - 1}
    film = answer(denoising.denoised, moment=moment, key="denoise", at_once=True, n=n, seed=seed, how=how, **wanted)
    if film is None:
        return
    st.caption(
        f"The network was asked {int(film['evaluations']):,} times. A good x̂₀ is blurred at first: with little to "
        "see, the best guess is the mean over all data that xₜ may come from. Space plays, arrow keys step."
    )
    if moment.model.is_image:
        name = f"{moment.id}-seed{seed}"
        way_back(film, tuple(PANELS), key="denoise-film", alt="samples out of noise", name=name, autoplay=True)
        return
    truth = moment.data.test.x[:1000].numpy()
    for place, part, color in zip(st.columns(2), ("x_t", "x_0"), (figures.SAMPLES, figures.POSTERIOR), strict=True):
        with place:
            st.caption(f"**{PANELS[part]}** over the data, blue")
            point_film(
                film[part],
                key=f"denoise-{part}",
                alt=PANELS[part],
                extent=score.square(moment.data),
                data=truth,
                colors=(color, figures.DATA),
                captions=lines_under(film),
            )


# Samplers ---


def samplers(moment: Moment) -> None:
    """The same noise through every sampler, in few and in many steps."""
    with st.container(horizontal=True, gap="small"):
        seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="same_seed")
        spacing = url_widgets.choice("spacing of the times", ("auto", *SPACINGS), "auto", key="spacing")
    n = 8 if moment.model.is_image else 600
    made = answer(denoising.compared, moment=moment, key="samplers", n=n, seed=seed, spacing=spacing)
    if made is None:
        return
    st.caption(
        "ddim, dpm-solver and heun solve one equation, so the same noise leads each of them to the same sample, the "
        "better the more often they ask the network. ancestral and sde-dpm-solver draw fresh noise at every step, so "
        "they end elsewhere; the fresh noise also takes the errors of earlier steps away."
    )
    title = "Distance from the solution of the equation"
    if moment.model.is_image:
        _sheets(moment, made)
        plot(_against_evaluations(made, "gap", "RMS, share of white", title), key="gap")
        return _judged(moment, seed, spacing)
    _clouds(moment, made)
    left, right = st.columns(2)
    data = "data from data", made["floor"]
    plot(_against_evaluations(made, "gap", "RMS", title), key="gap", place=left)
    plot(_against_evaluations(made, "w1", "sliced W₁", "Distance from the data", data), key="w1", place=right)


def _judged(moment: Moment, seed: int, spacing: str) -> None:
    """Quality against evaluations, in the eyes of a classifier of these pictures."""
    if moment.data.name not in judge.judges():
        return
    st.markdown("**Quality**, as a classifier that was trained on the data sees it")
    n = url_widgets.choice("samples of each", (100, 200, 500), 200, key="judged_n")
    scores = answer(denoising.judged, moment=moment, key="judged", n=n, seed=seed, spacing=spacing)
    if scores is None:
        return
    left, right = st.columns(2)
    data = "test data", scores["fid_floor"]
    plot(_against_evaluations(scores, "fid", "FID", "Distance from the data", data), key="fid", place=left)
    data = "test data", scores["sure_of_data"]
    plot(_against_evaluations(scores, "sure", "share", "Clear digits", data, log=False), key="sure", place=right)
    st.caption(
        "FID, the Fréchet distance in the classifier's features, depends on how many samples there are: hold it "
        "against that of as many test pictures, dashed. A digit is clear where one class is given more than 95 %."
    )


def _against_evaluations(
    table: Mapping[str, Array],
    part: str,
    unit: str,
    title: str,
    data: tuple[str, Array] | None = None,
    *,
    log: bool = True,
) -> Any:
    """A line for each sampler that has such numbers, each measurement a point on it; dashed, those of ``data``."""
    asked = table["evaluations"]
    rows = zip(SAMPLERS, asked, table[part], strict=True)
    lines = [figures.Curve(name, at, row, COLORS[name]) for name, at, row in rows if not np.isnan(row).all()]
    if data is not None:
        ends = np.array([asked.min(), asked.max()])
        lines.append(figures.Curve(data[0], ends, np.full(2, data[1]), figures.DATA, dashed=True))
    x_title = "evaluations of the network"
    figure = figures.curves(lines, x_title=x_title, y_title=unit, title=title, log_x=True, log_y=log)
    figure.for_each_trace(lambda one: one.update(mode="lines" if one.line.dash == "dash" else "lines+markers"))
    return figure.update_xaxes(tickvals=(5, 10, 20, 50, 100))


def _sheets(moment: Moment, made: Mapping[str, Array]) -> None:
    """Pictures: a row a sampler, a column a number of steps."""
    for i, name in enumerate(SAMPLERS):
        st.markdown(f"**{name}**")
        for j, place in enumerate(st.columns(len(made["steps"]))):
            words = f"{made['steps'][j]} steps, {made['evaluations'][i, j]} evaluations"
            with place:
                image_grid(
                    pictures.png(pictures.tile(made["samples"][i, j], 4)),
                    key=f"sheet-{i}-{j}",
                    alt=f"Samples of {name} in {words}.",
                    caption=words,
                    scale=zoom(moment.data.shape, 60),
                    download=f"{name}-{made['steps'][j]}.png",
                )


def _clouds(moment: Moment, made: Mapping[str, Array]) -> None:
    """Points: a film a sampler, a frame a number of steps."""
    for i, place in enumerate(st.columns(len(SAMPLERS))):
        counts = zip(made["steps"], made["evaluations"][i], strict=True)
        with place:
            st.caption(f"**{SAMPLERS[i]}**")
            point_film(
                made["samples"][i],
                key=f"sheet-{i}",
                alt=f"samples of {SAMPLERS[i]}",
                extent=score.square(moment.data),
                data=moment.data.test.x[:600].numpy(),
                captions=[f"{k} steps, {asked} evaluations" for k, asked in counts],
                side=260,
                fps=1,
            )


# The bound ---


def bound(moment: Moment) -> None:
    """Every term of the variational bound, and their sum."""
    key, counts = ("bound_n", [4, 16, 64]) if moment.model.is_image else ("bound_points", [64, 256, 1000])
    n = url_widgets.choice("test examples", counts, counts[0], key=key)
    terms = answer(every_term, moment=moment, key="bound", n=n)
    if terms is None:
        return
    _sum(terms)
    t = terms["t"]
    left, right = st.columns(2)
    line = figures.Curve("L", t, np.maximum(terms["steps"], 1e-12), figures.POSTERIOR)
    logs: dict[str, Any] = {"log_x": True, "log_y": True, "x_title": "t, steps"}
    chart = figures.curves([line], y_title="nats", title="L(t−1): what the step from t to t − 1 costs", **logs)
    plot(chart, key="terms", place=left)
    left.caption("Most of the bound is paid at small t, for detail so fine that pictures hardly show it.")
    line = figures.Curve("error", t, terms["mse"], figures.SAMPLES)
    error = figures.curves([line], y_title="per dimension", x_title="t, steps", title="Squared error of ε̂")
    plot(error, key="errors", place=right)
    lines = [
        figures.Curve("in what is trained", t, terms["trained"], figures.SAMPLES),
        figures.Curve("in the bound", t, terms["due"], figures.POSTERIOR),
    ]
    plot(figures.curves(lines, y_title="share of the mean", title="What an error of ε̂ weighs", **logs), key="weights")
    model = moment.model
    st.caption(
        f"This network predicts {SAID[model.predict]}, and its loss weighs that error "
        f"{WEIGHED[model.config['weighting']]}: at each t an error of ε̂ then weighs as the first curve says. The bound "
        "weighs it by β² / (2 σ² α (1 − ᾱ)) (Ho et al. 2020, eq. 12)."
    )


def _sum(terms: Mapping[str, Array]) -> None:
    nats, error = float(terms["nats"].mean()), float(terms["error"])
    columns = st.columns(5)
    if terms["label"].any():
        st.caption(f"Told each label y, which costs −log p(y) = {terms['label'].mean():.2f} nats of the sum.")
    columns[0].metric("L(T): what is left of x₀ at T", f"{terms['prior'].mean():.4f} nats")
    columns[1].metric("Σ L(t−1): the steps", f"{terms['steps'].sum():.2f} nats")
    columns[2].metric("L(0): the last step", f"{terms['last'].mean():.2f} nats")
    columns[3].metric("−log p(x) ≤", f"{nats:.2f} ± {error:.2f} nats", help="± one standard error")
    if "bpd" in terms:
        columns[4].metric(f"of {int(terms['levels'])} grey levels", f"{float(terms['bpd']):.3f} bits/dim")
    elif "exact" in terms:
        columns[4].metric("true −log p(x)", f"{terms['exact'].mean():.2f} nats", help="of the same test points")


VIEWS = {
    "Forward": forward,
    "Denoise": denoise,
    "Samplers": samplers,
    "Bound": bound,
    "Plane": plane,
    "Edit": edit,
}
"""The instruments by the name of their tab."""

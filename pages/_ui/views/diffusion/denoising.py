"""What can be explored of a diffusion model: each function draws one instrument of one moment."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels import images as pictures
from genmodels.hyperparameters import declared
from genmodels.instruments.diffusion import denoising as instruments
from genmodels.instruments.diffusion.bound import every_term
from genmodels.instruments.samples import options
from genmodels.metrics import judge
from genmodels.probability.samplers import SAMPLERS, SPACINGS, STOCHASTIC
from pages._ui.components.image_grid import image_grid
from pages._ui.components.scrubber import point_film, scrubber
from pages._ui.form import url_widgets
from pages._ui.form.form import hyperparameters
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.diffusion.edits import edit
from pages._ui.views.diffusion.film import PANELS, Array, half_of, joined, lines_under, packed, paper, way_back
from pages._ui.views.diffusion.plane import plane

__all__ = ["VIEWS"]

NOISE = figures.RUNS[4]
SAID = {"eps": "the noise ε", "x0": "the data x₀", "v": "v, whose error is that of ε over √ᾱ"}
WEIGHED = {"simple": "alike at every t", "snr": "by min(SNR, γ), said of x₀", "bound": "as the bound does"}
COLORS = dict(zip(SAMPLERS, [figures.RUNS[i] for i in (3, 4, 0, 1, 2)], strict=True))

# Forward ---

_noising = st.cache_data(max_entries=64, show_spinner=False)(
    lambda moment, first, n, seed: instruments.noising(moment.model, moment.data, first, n, seed=seed)
)
_tables = st.cache_data(max_entries=64, show_spinner=False)(lambda moment: instruments.tables(moment.model))


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
        found = _noising(moment, int(first), 16 if images else 1000, 0)
        captions = lines_under(found.t, found.log_snr)
        if images:
            frames = joined([found.x_t], paper())
            scale = max(1.0, round(380 / frames.shape[-1], 1))
            scrubber(packed(frames), key="noising", alt="digits that become noise", captions=captions, scale=scale)
        else:
            colors = (figures.DATA, figures.DATA)
            alt = "points that become noise"
            half = half_of(moment)
            point_film(found.x_t, key="noising-points", alt=alt, extent=half, colors=colors, captions=captions, fps=12)
    with right:
        _schedule(moment)


def _schedule(moment: Moment) -> None:
    tables, lines, ratios = _tables(moment), [], []
    own = next(iter(tables))
    for k, (name, table) in enumerate(tables.items()):
        t, dashed = table["t"], name != own
        ratios.append(figures.Curve(name, t, table["log_snr"], figures.RUNS[(0, 5, 7)[k]], dashed))
        lines.append(figures.Curve(f"signal √ᾱ, {name}", t, table["signal"], figures.DATA, dashed))
        lines.append(figures.Curve(f"noise √(1 − ᾱ), {name}", t, table["noise"], NOISE, dashed))
    rates = figures.curves(
        lines, x_title="t, steps", y_title="share of xₜ", title=f"Signal and noise: {own}; dashed: others"
    )
    snr = figures.curves(ratios, x_title="t, steps", y_title="log SNR, nats", title="Signal-to-noise ratio ᾱ / (1 − ᾱ)")
    plot(rates.update_layout(height=280), key="rates")
    plot(snr.update_layout(height=280), key="snr")


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
    wanted: dict[str, Any] = {"n": int(n), "seed": int(seed), "how": how}
    if label != "any":
        wanted["label"] = names.index(label) - 1
    found = answer(instruments.denoised, moment=moment, key="denoise", at_once=True, **wanted)
    if found is None:
        return
    st.caption(
        f"The network was asked {int(found['evaluations']):,} times. A good x̂₀ is blurred at first: with little to "
        "see, the best guess is the mean over all data that xₜ may come from. Space plays, arrow keys step."
    )
    if moment.model.is_image:
        name = f"{moment.id}-seed{seed}"
        way_back(found, tuple(PANELS), key="denoise-film", alt="samples out of noise", name=name, autoplay=True)
        return
    captions = lines_under(found["t"], found["log_snr"])
    truth = moment.data.test.x[:1000].numpy()
    for place, part, color in zip(st.columns(2), ("x_t", "x_0"), (figures.SAMPLES, figures.POSTERIOR), strict=True):
        with place:
            st.caption(f"**{PANELS[part]}** over the data, blue")
            half, colors = half_of(moment), (color, figures.DATA)
            key = f"denoise-{part}"
            point_film(
                found[part], key=key, alt=PANELS[part], extent=half, data=truth, colors=colors, captions=captions
            )


# Samplers ---


def samplers(moment: Moment) -> None:
    """The same noise through every sampler, in few and in many steps."""
    with st.container(horizontal=True, gap="small"):
        seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="same_seed")
        spacing = url_widgets.choice("spacing of the times", ("auto", *SPACINGS), "auto", key="spacing")
    n = 8 if moment.model.is_image else 600
    wanted: dict[str, Any] = {"n": n, "seed": int(seed), "spacing": spacing}
    found = answer(instruments.compared, moment=moment, key="samplers", **wanted)
    if found is None:
        return
    st.caption(
        "ddim, dpm-solver and heun solve one equation, so the same noise leads each of them to the same sample, the "
        "better the more often they ask the network. ancestral and sde-dpm-solver draw fresh noise at every step, so "
        "they end elsewhere; the fresh noise also takes the errors of earlier steps away."
    )
    _sheet(moment, found)
    asked = found["evaluations"]
    lines = [
        figures.Curve(name, asked[i], found["gap"][i], COLORS[name])
        for i, name in enumerate(SAMPLERS)
        if name not in STOCHASTIC
    ]
    places = st.columns(1 if moment.model.is_image else 2)
    logs: dict[str, Any] = {"log_x": True, "log_y": True, "x_title": "evaluations of the network"}
    unit = "RMS, share of white" if moment.model.is_image else "RMS"
    gap = figures.curves(lines, y_title=unit, title="Distance from the solution of the equation", **logs)
    plot(_dotted(gap), key="gap", place=places[0])
    if "w1" not in found:
        return _judged(moment, int(seed), spacing)
    lines = [figures.Curve(name, asked[i], found["w1"][i], COLORS[name]) for i, name in enumerate(SAMPLERS)]
    ends = np.array([asked.min(), asked.max()])
    lines.append(figures.Curve("data from data", ends, np.full(2, found["floor"]), figures.DATA, dashed=True))
    w1 = figures.curves(lines, y_title="sliced W₁", title="Distance from the data", **logs)
    plot(_dotted(w1), key="w1", place=places[1])


def _judged(moment: Moment, seed: int, spacing: str) -> None:
    """Quality against evaluations, in the eyes of a classifier of these pictures."""
    if moment.data.name not in judge.judges():
        return
    st.markdown("**Quality**, as a classifier that was trained on the data sees it")
    n = url_widgets.choice("samples of each", (100, 200, 500), 200, key="judged_n")
    wanted: dict[str, Any] = {"n": int(n), "seed": seed, "spacing": spacing}
    found = answer(instruments.judged, moment=moment, key="judged", **wanted)
    if found is None:
        return
    asked = found["evaluations"]
    ends = np.array([asked.min(), asked.max()])
    shown = (("fid", "fid_floor", "FID", "Distance from the data"), ("sure", "sure_of_data", "share", "Clear digits"))
    for place, (part, data, unit, title) in zip(st.columns(2), shown, strict=True):
        lines = [figures.Curve(name, asked[i], found[part][i], COLORS[name]) for i, name in enumerate(SAMPLERS)]
        lines.append(figures.Curve("test data", ends, np.full(2, found[data]), figures.DATA, dashed=True))
        logs: dict[str, Any] = {"log_x": True, "log_y": part == "fid", "x_title": "evaluations of the network"}
        chart = figures.curves(lines, y_title=unit, title=title, **logs)
        plot(_dotted(chart), key=part, place=place)
    st.caption(
        "FID, the Fréchet distance in the classifier's features, depends on how many samples there are: hold it "
        "against that of as many test pictures, dashed. A digit is clear where one class is given more than 95 %."
    )


def _dotted(figure: Any) -> Any:
    """Each measurement as a point on its line."""
    figure.for_each_trace(lambda one: one.update(mode="lines" if one.line.dash == "dash" else "lines+markers"))
    return figure.update_xaxes(tickvals=(5, 10, 20, 50, 100))


def _sheet(moment: Moment, found: Mapping[str, Array]) -> None:
    """A row a sampler, a column a number of steps."""
    half = half_of(moment)
    for i, name in enumerate(SAMPLERS):
        if not moment.model.is_image:
            continue
        st.markdown(f"**{name}**")
        for j, place in enumerate(st.columns(len(found["steps"]))):
            with place:
                words = f"{found['steps'][j]} steps, {found['evaluations'][i, j]} evaluations"
                image_grid(
                    pictures.png(pictures.tile(found["samples"][i, j], 4)),
                    key=f"sheet-{i}-{j}",
                    alt=f"Samples of {name} in {words}.",
                    caption=words,
                    scale=max(1.0, round(240 / (4 * found["samples"].shape[-1]), 1)),
                    download=f"{name}-{found['steps'][j]}.png",
                )
    if moment.model.is_image:
        return
    truth = moment.data.test.x[:600].numpy()
    for i, place in enumerate(st.columns(len(SAMPLERS))):
        with place:
            st.caption(f"**{SAMPLERS[i]}**")
            counts = zip(found["steps"], found["evaluations"][i], strict=True)
            captions = [f"{k} steps, {asked} evaluations" for k, asked in counts]
            key, alt = f"sheet-{i}", f"samples of {SAMPLERS[i]}"
            point_film(
                found["samples"][i], key=key, alt=alt, extent=half, data=truth, captions=captions, side=260, fps=1
            )


# The bound ---


def bound(moment: Moment) -> None:
    """Every term of the variational bound, and their sum."""
    key, counts = ("bound_n", [4, 16, 64]) if moment.model.is_image else ("bound_points", [64, 256, 1000])
    n = url_widgets.choice("test examples", counts, counts[0], key=key)
    found = answer(every_term, moment=moment, key="bound", n=int(n))
    if found is None:
        return
    _sum(found)
    t = found["t"]
    left, right = st.columns(2)
    line = figures.Curve("L", t, np.maximum(found["steps"], 1e-12), figures.POSTERIOR)
    logs: dict[str, Any] = {"log_x": True, "log_y": True, "x_title": "t, steps"}
    terms = figures.curves([line], y_title="nats", title="L(t−1): what the step from t to t − 1 costs", **logs)
    plot(terms, key="terms", place=left)
    left.caption("Most of the bound is paid at small t, for detail so fine that pictures hardly show it.")
    line = figures.Curve("error", t, found["mse"], figures.SAMPLES)
    error = figures.curves([line], y_title="per dimension", x_title="t, steps", title="Squared error of ε̂")
    plot(error, key="errors", place=right)
    lines = [
        figures.Curve("in what is trained", t, found["trained"], figures.SAMPLES),
        figures.Curve("in the bound", t, found["due"], figures.POSTERIOR),
    ]
    plot(figures.curves(lines, y_title="share of the mean", title="What an error of ε̂ weighs", **logs), key="weights")
    model = moment.model
    st.caption(
        f"This network predicts {SAID[model.predict]}, and its loss weighs that error "
        f"{WEIGHED[model.config['weighting']]}: at each t an error of ε̂ then weighs as the first curve says. The bound "
        "weighs it by β² / (2 σ² α (1 − ᾱ)) (Ho et al. 2020, eq. 12)."
    )


def _sum(found: Mapping[str, Array]) -> None:
    nats, error = float(found["nats"].mean()), float(found["error"])
    columns = st.columns(5)
    if found["label"].any():
        st.caption(f"Told each label y, which costs −log p(y) = {found['label'].mean():.2f} nats of the sum.")
    columns[0].metric("L(T): what is left of x₀ at T", f"{found['prior'].mean():.4f} nats")
    columns[1].metric("Σ L(t−1): the steps", f"{found['steps'].sum():.2f} nats")
    columns[2].metric("L(0): the last step", f"{found['last'].mean():.2f} nats")
    columns[3].metric("−log p(x) ≤", f"{nats:.2f} ± {error:.2f} nats", help="± one standard error")
    if "bpd" in found:
        columns[4].metric(f"of {int(found['levels'])} grey levels", f"{float(found['bpd']):.3f} bits/dim")
    elif "exact" in found:
        columns[4].metric("true −log p(x)", f"{found['exact'].mean():.2f} nats", help="of the same test points")


VIEWS = {
    "Forward": forward,
    "Denoise": denoise,
    "Samplers": samplers,
    "Bound": bound,
    "Plane": plane,
    "Edit": edit,
}
"""The instruments by the name of their tab."""

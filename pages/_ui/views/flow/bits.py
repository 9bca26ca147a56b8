"""Bits per dimension: what dequantization costs, and how nats become bits."""

import math

import streamlit as st

from genmodels import figures
from genmodels.instruments.flow import curve as learning
from genmodels.instruments.flow import dequantization as instruments
from genmodels.text import number
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.shared.run_cache import metrics
from pages._ui.views.common.conclusion import concluded

__all__ = ["bits", "converter", "curve"]


def bits(moment: Moment) -> None:
    """Bits per dimension of one model under each way to make grey levels real numbers."""
    costs = answer(instruments.costs, moment=moment, key="dequantization", asks="Compare the ways to count")
    if costs is None:
        return
    names = [str(name) for name in costs["name"]]
    colors = [figures.SAMPLES if bound else figures.NEUTRAL for bound in costs["bound"]]
    drawn = figures.bars(
        dict(zip(names, costs["bits"].tolist(), strict=True)),
        errors=dict(zip(names, costs["se"].tolist(), strict=True)),
        y_title="bits per dimension",
        title="The same model, the same test images",
        color=colors,
    )
    plot(drawn, key="dequantization-bars")
    st.caption(
        "Orange are upper bounds on the bits of whole grey levels, and more draws tighten them (importance "
        "weighting). Grey are no bounds. Without noise the density at a level is taken for a probability, and a "
        "model that puts spikes there could make it anything. With Gaussian noise v no longer says what x was: it "
        "is the density of blurred images, which holds the entropy of the blur, ½ log₂ 2πe = 2.05 bits a pixel at "
        "σ = 1 (the curve of a flow that learns with such noise is less that), and a number of it can be set beside "
        "none of the literature's."
    )
    concluded(instruments.conclusion(costs), key="conclusion-dequantization")


def curve(moment: Moment) -> None:
    """Bits per dimension as the training went, read off its log."""
    table = learning.learned(moment.model, metrics(moment.run), moment.step)
    end = max(2.0, *table["step"], *table["held-out step"])
    parts = (("training", "", figures.SAMPLES), ("held out", "held-out ", figures.DATA))
    lines = [
        figures.Curve(name, table[f"{part}step"], table[f"{part}bits"], color)
        for name, part, color in parts
        if len(table[f"{part}step"])
    ]
    if "uniform" in table:
        uniform = float(table["uniform"])
        lines.append(figures.Curve("nothing known", [1, end], [uniform, uniform], figures.NEUTRAL, dashed=True))
    title = "Bits per dimension"
    drawn = figures.curves(lines, x_title="step", y_title="bits per dimension", title=title, log_x=True)
    if "uniform" in table:
        least = min([uniform, *table["bits"], *table["held-out bits"]])
        drawn.update_yaxes(range=(least - 0.05 * uniform, 1.1 * uniform))
    plot(drawn, key="bits-curve")
    name = learning.measure(moment.model)
    st.caption(
        f"The nats of the log, divided by {moment.model.latent_dim:,} · ln 2: they are of a {name}, that is "
        f"{instruments.MEASURES[name]}. *Nats and bits* converts the others.{_of_labels(moment)}"
    )
    text = learning.conclusion(table, moment.model.latent_dim)
    concluded(text, key="conclusion-curve")


def _of_labels(moment: Moment) -> str:
    """Whose the bits of a conditional flow's training are."""
    told = " The flow is told the label y, so they are of p(x | y): of p(x) they are at most −log₂ p(y) / D more."
    return told if moment.model.classes else ""


def converter(moment: Moment) -> None:
    """Nats to bits per dimension, with the base measure said."""
    own, own_nats = learning.measure(moment.model), learning.nats(moment.model, metrics(moment.run), moment.step)
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        nats = url_widgets.real("−log p, nats", -1e7, 1e7, own_nats, key="bits_nats", width=160)
        D = url_widgets.number("dimensions", 1, 10**7, math.prod(moment.data.shape), key="bits_D", width=140)
        levels = url_widgets.number("grey levels", 2, 65536, moment.data.levels or 256, key="bits_levels", width=140)
        measure = url_widgets.choice("nats are of", list(instruments.MEASURES), own, key="bits_of")
    unit = measure == "density of images in [0, 1]"
    value = instruments.bits(nats, D, levels if unit else 0)
    shift = f" + log₂ {levels:,}" if unit else ""
    st.metric("bits per dimension", number(value, 4))
    st.caption(
        f"{number(nats, 6)} / ({D:,} · ln 2){shift} = {number(value, 4)}: nats {instruments.MEASURES[measure]}. At "
        "first they are this model's own, of the end of its curve. The same density is "
        f"{D:,} · ln {levels:,} = {D * math.log(levels):,.1f} nats apart between the first base measure and the "
        "second, whose number is that of whole levels where noise fills a level evenly. Nats of binarized images are "
        "of another base measure altogether: no conversion leads from them to these bits."
    )

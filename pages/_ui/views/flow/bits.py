"""Bits per dimension: what dequantization costs, and how nats become bits."""

import math

import streamlit as st

from genmodels import figures
from genmodels.instruments.flow import dequantization as instruments
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot

__all__ = ["bits", "converter"]


def bits(moment: Moment) -> None:
    """The same model's number under each way to make grey levels real."""
    found = answer(instruments.costs, moment=moment, key="dequantization", at_once=False)
    if found is None:
        return
    names = [str(name) for name in found["name"]]
    colors = [figures.SAMPLES if bound else figures.NEUTRAL for bound in found["bound"]]
    drawn = figures.bars(
        dict(zip(names, found["bits"].tolist(), strict=True)),
        errors=dict(zip(names, found["se"].tolist(), strict=True)),
        y_title="bits per dimension",
        title="The same model, the same test images",
        color=colors,
    )
    plot(drawn, key="dequantization-bars")
    st.caption(
        "Vermilion are upper bounds on the bits of whole grey levels, and more draws tighten them (importance "
        "weighting). Grey are no bounds. Without noise the density at a level is taken for a probability, and a "
        "model that puts spikes there could make it anything. With Gaussian noise v no longer says what x was: it "
        "is the density of blurred images, which holds the entropy of the blur, ½ log₂ 2πe = 2.05 bits a pixel at "
        "σ = 1, and a number of it can be set beside none of the literature's."
    )


def converter(moment: Moment) -> None:
    """Nats to bits per dimension, with the base measure said."""
    ways = {
        "density of images in [0, 1]": "of what was scaled to the unit cube",
        "density of pixels from 0 to levels": "of what was left in grey levels",
        "probability of whole levels": "of discrete images: a bound of dequantization, or a categorical model",
    }
    with st.container(horizontal=True, gap="small", vertical_alignment="bottom"):
        nats = st.number_input("−log p, nats", value=1000.0, key="bits_nats", width=160)
        D = st.number_input("dimensions", 1, 10**7, math.prod(moment.data.shape), key="bits_D", width=140)
        levels = st.number_input("grey levels", 2, 65536, moment.data.levels or 256, key="bits_levels", width=140)
        measure = url_widgets.choice("nats are of", list(ways), next(iter(ways)), key="bits_of")
    unit = measure == "density of images in [0, 1]"
    value = instruments.bits(float(nats), int(D), int(levels) if unit else 0)
    shift = f" + log₂ {levels:,} = {math.log2(levels):.3f}" if unit else ""
    st.metric("bits per dimension", f"{value:.4f}")
    st.caption(
        f"{nats:,.6g} / ({D:,} · ln 2){shift}: nats {ways[measure]}. The same density is {int(D):,} · ln {levels:,} = "
        f"{D * math.log(levels):,.1f} nats apart between the first base measure and the second, whose number is "
        "that of whole levels where noise fills a level evenly. Nats of binarized images are of another base measure "
        "altogether: no conversion leads from them to these bits."
    )

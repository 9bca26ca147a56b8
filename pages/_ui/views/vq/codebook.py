"""The codebook: what each code stands for and how often it occurs; cells of the plane; how many codes are needed."""

from typing import Any

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.vq import codebook as instruments
from genmodels.text import number
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import legend_above, pictures, real_points

__all__ = ["book", "cells", "fewer"]

COLUMNS = 16
SHOWS = ("decoded", "data under it")


def book(moment: Moment) -> None:
    """A picture of each code, the most frequent first, and how often each occurs."""
    patches = answer(instruments.patches, moment=moment, key="book", at_once=True)
    if patches is None:
        return
    _use(patches)
    which = url_widgets.choice("show each code as", SHOWS, SHOWS[0], key="book_shows")
    order = np.argsort(-patches["share"], kind="stable")
    tiles = patches["decoded" if which == SHOWS[0] else "mean"][order]
    pictures(
        tiles,
        COLUMNS,
        key="book",
        alt="Every code of the codebook as a small picture, the most frequent first.",
        caption="the most frequent first, row by row",
        pixels=36,
    )
    side = tiles.shape[-1]
    st.caption(
        f"Each code covers {side} × {side} pixels. *Decoded* is the middle of a picture that has this code everywhere; "
        "*data under it* is the mean of what stands there in test pictures, black if it does not occur. In a picture "
        "the decoder also looks at the codes around it, so that a code stands for no one patch."
    )
    concluded(instruments.conclusion(patches), key="conclusion-book")


def _use(patches: dict[str, Any]) -> None:
    """How often the codes occur, falling, beside an even use of them."""
    share = np.sort(patches["share"])[::-1]
    k = len(share)
    lines = [
        figures.Curve("share of the code", np.arange(1, k + 1), share, figures.LATENT),
        figures.Curve("all as often", [1, k], np.full(2, 1 / k), figures.NEUTRAL, dashed=True),
    ]
    left, right = st.columns([3, 1], gap="medium")
    drawn = figures.curves(lines, x_title="code, by frequency", y_title="share", title="How often each code occurs")
    plot(drawn.update_layout(height=260), key="use", place=left)
    right.metric("codes in use", f"{int((share > 0).sum())} of {k}")
    right.metric("perplexity", number(float(patches["perplexity"])))


def cells(moment: Moment) -> None:
    """The plane cut into the cells of the codes; where it is encoded, the vectors among what they stand for."""
    partition = seen(instruments.voronoi, moment)
    left, right = st.columns(2, gap="medium")
    size = 5 + 60 * np.sqrt(partition["share"] / max(len(partition["share"]), 1))
    extent = tuple(partition["extent"].tolist())
    means = figures.Points("what a code stands for", partition["means"], figures.SAMPLES, size=6, outlined=True)
    drawn = figures.density(
        partition["border"],
        extent,
        title="Cells of the plane",
        unit="border",
        color=figures.NEUTRAL,
        over=[real_points(moment, 800), means],
    )
    drawn.update_traces(showscale=False, selector={"type": "heatmap"})
    drawn.data[-1].marker.size = size.tolist()
    plot(legend_above(drawn, 460), key="cells", place=left)
    z, vectors = (np.pad(partition[key], ((0, 0), (0, 1)))[:, :2] for key in ("z", "vectors"))
    clouds = [
        figures.Points("encoded test points", z, figures.POSTERIOR, size=3, opacity=0.5),
        figures.Points("vectors of the codebook", vectors, figures.LATENT, size=7, outlined=True),
    ]
    of_codes = figures.points(clouds, title="Where they are encoded", x_title="z₁", y_title="z₂")
    plot(legend_above(of_codes, 460), key="vectors", place=right)
    flat = moment.model.config["depth"] == 0
    st.caption(
        "All points of a cell have one code, and are restored to the same point; a larger one occurs more often. "
        + (
            "Here z is x itself: the cells are Voronoi's, and each vector moves to the mean of its cell, as in k-means."
            if flat
            else "The cells are Voronoi's in the space of z, to the right, and bent in the plane by the encoder."
        )
    )
    concluded(instruments.conclusion(partition), key="conclusion-cells")


def fewer(moment: Moment) -> None:
    """The error of the reconstruction with only the most frequent codes; pictures restored with ever more of them."""
    restored = answer(instruments.fewer, moment=moment, key="fewer", at_once=True)
    if restored is None:
        return
    line = [figures.Curve("squared error", restored["kept"], restored["squared"], figures.SAMPLES)]
    drawn = figures.curves(
        line,
        x_title="codes that are left, K′",
        y_title="squared error a dimension",
        title="Reconstruction with fewer codes",
        log_x=True,
        log_y=True,
    )
    drawn.update_traces(mode="lines+markers")
    if moment.model.is_image:
        left, right = st.columns(2, gap="medium")
        plot(drawn.update_layout(height=340), key="fewer", place=left)
        counts = ", ".join(str(count) for count in restored["kept"].tolist())
        with right:
            pictures(
                restored["x"],
                restored["x"].shape[1],
                key="fewer-pictures",
                alt="Test pictures, and each restored with more and more codes.",
                caption=f"a test picture, then restored with {counts} codes",
                pixels=44,
            )
    else:
        plot(drawn.update_layout(height=340), key="fewer")
    st.caption(
        "Nothing is learned again: rare codes are taken away, and each place takes the nearest that is left. "
        f"Without a prior an example costs places · log₂ K′ bits: {number(float(restored['bits'][-1]))} with all. A "
        "model that is trained with fewer codes makes better use of them: train one with another K."
    )
    concluded(instruments.conclusion_of_fewer(restored), key="conclusion-fewer")

"""Estimates of log p(x) against the number of draws and the size of the code, where the truth is known."""

import math

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures
from genmodels.instruments.latent import estimates as instruments
from genmodels.text import number
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer
from pages._ui.shared.instruments import Instrument, of_images
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import example_of

__all__ = ["ESTIMATES"]

WIDTHS = ("1.1", "1.5", "2")
WAYS = (("naive", "naive: z ~ p(z)", figures.LATENT), ("importance", "importance: z ~ q", figures.POSTERIOR))


def estimates(moment: Moment) -> None:
    """Bands over seeds for one size of the code, and the error at the end for all sizes."""
    index = example_of(moment, key="estimates_example")
    with st.container(horizontal=True, gap="small"):
        width = url_widgets.choice("q is wider than the posterior by", WIDTHS, WIDTHS[1], key="estimates_width")
        sizes = [str(one) for one in instruments.DIMENSIONS if one < math.prod(moment.model.shape)]
        size = url_widgets.choice("latent dimensions", sizes, sizes[-2], key="estimates_dimensions")
    table = answer(instruments.estimates, moment=moment, key="estimates", at_once=True, index=index, width=float(width))
    if table is None:
        return
    left, right = st.columns(2, gap="medium")
    plot(_against_draws(table, sizes.index(size)), key="estimates-draws", place=left)
    plot(_against_dimensions(table), key="estimates-dimensions", place=right)
    i = sizes.index(size)
    needed = ", ".join(f"{n}: {number(float(kl))} nats" for n, kl in zip(sizes, table["needed"], strict=True))
    most, share, of_q = int(table["draws"][-1]), float(table["share"][i]), float(table["share importance"][i])
    st.caption(
        f"Lines: the mean over {table['naive'].shape[1]} seeds, a bound on log p(x), the IWAE bound of so many draws; "
        "dotted: the seeds but for the three lowest and highest. The estimate of p(x) is right on average, always; its "
        "logarithm is too small, for mostly no draw falls where p(x | z) is large. About exp(KL(p(z | x) ‖ q)) draws "
        "are needed (Chatterjee & Diaconis 2018); of the prior that KL is, by latent dimensions, "
        f"{needed}. With {size} of them, {most:,} draws of the prior count as {number(share * most, 2)}, of q as "
        f"{number(of_q * most, 2)}. The models are the best PPCA of each size, in closed form, and not this one."
    )
    concluded(instruments.conclusion(table), key="conclusion-estimates")


def _against_draws(table: dict[str, np.ndarray], i: int) -> go.Figure:
    draws, lines = table["draws"], []
    for name, title, color in WAYS:
        values = np.sort(table[name][i], axis=0)
        lines.append(figures.Curve(title, draws, values.mean(0), color))
        lines += [figures.Curve("", draws, values[at], color, dashed=True) for at in (3, -4)]
    lines.append(figures.Curve("exact", draws, np.full(len(draws), table["exact"][i]), figures.DATA, dashed=True))
    title = f"One image, {int(table['dimensions'][i])} latent dimensions"
    drawn = figures.curves(lines, x_title="draws of z", y_title="estimate of log p(x), nats", log_x=True, title=title)
    for trace in drawn.data:
        if not trace.name:
            trace.update(showlegend=False, line_dash="dot", line_width=1)
    floor = float(table["exact"][i])
    return drawn.update_yaxes(range=[floor - min(200.0, 1.05 * (floor - float(table["naive"][i].min()))), floor + 8])


def _against_dimensions(table: dict[str, np.ndarray]) -> go.Figure:
    sizes, most = table["dimensions"], int(table["draws"][-1])
    lines = []
    for name, title, color in WAYS:
        missed = table["exact"][:, None] - table[name][:, :, -1]
        lines.append(figures.Curve(title, sizes, missed.mean(1), color))
    lines.append(figures.Curve("exact", sizes, np.zeros(len(sizes)), figures.DATA, dashed=True))
    title = f"What {most:,} draws miss"
    drawn = figures.curves(lines, x_title="latent dimensions", y_title="nats below log p(x)", log_x=True, title=title)
    return drawn.update_traces(mode="lines+markers")


ESTIMATES = Instrument(
    estimates,
    "When it fails",
    "Could log p(x) not just be sampled?",
    "The average of p(x | z) over draws of the prior is p(x), on paper. Guess how many draws 20 dimensions take.",
    of_images,
)

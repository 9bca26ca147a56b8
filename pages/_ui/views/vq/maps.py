"""The map of codes of a picture, one place of it changed; and what is drawn with a prior and without one."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures, images
from genmodels.instruments.vq import maps as instruments
from genmodels.text import number
from pages._ui.components.image_grid import image_grid
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import example_of, pictures, zoom

__all__ = ["changed", "with_and_without"]

TITLES = {
    "uniform": "every code as often",
    "frequencies": "each place as in the data, without its neighbours",
    "prior": "by the prior",
}


def changed(moment: Moment) -> None:
    """The codes of a test picture; a place is chosen, and another code for it."""
    example = example_of(moment, key="code_example")
    reading = seen(instruments.read, moment, index=example)
    height, width = reading["codes"].shape
    left, right = st.columns([2, 3], gap="medium")
    with right:
        with st.container(horizontal=True, gap="small"):
            row = url_widgets.slider("row", 0, height - 1, height // 2, key="code_row", width=200) if height > 1 else 0
            middle = width // 2
            column = (
                url_widgets.slider("column", 0, width - 1, middle, key="code_column", width=200) if width > 1 else 0
            )
        here = seen(instruments.place, moment, index=example, row=row, column=column)
        which = _choose(moment, here)
        shown = np.stack([reading["x"], reading["shown"], here["x"][which], abs(here["x"][which] - here["x"][0])])
        pictures(
            shown,
            4,
            key="changed",
            alt="The picture, what its codes stand for, the same with the other code, and the difference.",
            caption="the picture; from its codes; with the other code; the difference",
            pixels=112,
        )
    plot(_map(reading["codes"], row, column), key="code-map", place=left)
    bits = float(reading["bits"].sum())
    st.caption(
        f"The encoder writes this picture in {height * width} codes; their prior pays {number(bits)} bits for them. "
        "A change reaches as far as the decoder looks around a place."
    )
    concluded(instruments.conclusion_of_change(here, which), key="conclusion-changed")


def _choose(moment: Moment, here: dict[str, Any]) -> int:
    """The index of the chosen code, by number or by a click on the picture that it makes."""
    codes = [int(code) for code in here["codes"]]
    default = codes[min(1, len(codes) - 1)]
    code = url_widgets.number("code there", 0, moment.model.config["codes"] - 1, default, key="code_there", width=160)
    which = codes.index(code) if code in codes else 0
    chances = [f"code {c}: {number(100 * float(p), 2)} %" for c, p in zip(codes, here["probability"], strict=True)]
    image_grid(
        images.png(images.tile(here["x"], columns=len(codes))),
        key="code-choices",
        alt="The picture with each of the codes that the prior finds most probable at this place.",
        caption="click: its own code first, then what the prior finds most probable there",
        scale=zoom(moment.data.shape, 44),
        download="",
        choices=chances,
        chosen=which,
        choose=lambda tile: st.session_state.update({"code_there": codes[tile]}),
    )
    if code not in codes:
        st.caption(f"Code {code} is not among those that are most probable here: shown is the picture's own.")
    return which


def _map(codes: np.ndarray, row: int, column: int) -> go.Figure:
    """The map with the number of each code in its place, and the chosen place framed."""
    height, width = codes.shape
    kinds, order = np.unique(codes, return_inverse=True)
    drawn = figures.density(
        order.reshape(codes.shape) / max(len(kinds) - 1, 1),
        (0.0, float(width), 0.0, float(height)),
        title="Its codes",
        unit="code",
        color=figures.LATENT,
        x_title="column",
        y_title="row",
    )
    font = {"size": 13 if width <= 8 else 9, "color": figures.NEUTRAL, "weight": "bold"}  # on pale cells, light or dark
    drawn.update_traces(zsmooth=False, showscale=False, zmax=3, text=codes, texttemplate="%{text}", textfont=font)
    drawn.update_traces(hovertemplate="code %{text}<extra></extra>")
    drawn.add_shape(
        type="rect", x0=column, x1=column + 1, y0=row, y1=row + 1, line={"color": figures.SAMPLES, "width": 3}
    )
    return (
        drawn.update_xaxes(dtick=1).update_yaxes(range=(height, 0), dtick=1).update_layout(height=400, showlegend=False)
    )


def with_and_without(moment: Moment) -> None:
    """Samples of codes drawn evenly, place by place, and by the prior; what each costs under the prior."""
    seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="prior_seed")
    ways = answer(instruments.drawn, moment=moment, key="with-prior", at_once=True, seed=seed)
    if ways is None:
        return
    names = list(TITLES)
    for name, x, place in zip(names, ways["x"], st.columns(3, gap="medium"), strict=True):
        with place:
            st.markdown(f"**{TITLES[name][:1].upper()}{TITLES[name][1:]}**")
            pictures(x, 4, key=f"drawn-{name}", alt=f"Samples, codes drawn: {TITLES[name]}.", pixels=56)
    values = {TITLES[name].split(",")[0]: float(nats) for name, nats in zip(names, ways["nats"], strict=True)}
    errors = {name: float(error) for name, error in zip(values, ways["error"], strict=True)}
    bars = figures.bars(
        values,
        errors=errors,
        y_title="nats",
        title="What such codes cost, −log p(k)",
        color=figures.LATENT,
        floor=("codes of test examples", float(ways["data"][0])),
    )
    plot(bars, key="with-prior")
    st.caption(
        "The decoder is the same in all three. It was never asked about most combinations of codes; the prior knows "
        "which occur. ± one standard error, of 200 samples."
    )
    concluded(instruments.conclusion(ways), key="conclusion-prior")

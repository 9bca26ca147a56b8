"""Is z a Gaussian? Codes beside N(0, I); samples by temperature; where a flow is undone badly."""

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures, images
from genmodels.instruments.codes import normal
from genmodels.instruments.flow import codes as instruments
from genmodels.text import number
from pages._ui.components.image_grid import image_grid
from pages._ui.form import url_widgets
from pages._ui.form.lesson import is_presenting
from pages._ui.shared.answer import answer
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import half_of, real_points, square, zoom

__all__ = ["gaussian", "inverse", "temperature"]


def gaussian(moment: Moment) -> None:
    """The codes of test data beside N(0, I)."""
    codes = answer(instruments.gaussianity, moment=moment, key="gaussianity", at_once=True)
    if codes is None:
        return
    z, distance, D = codes["z"], codes["distance"], codes["z"].shape[1]
    names = [f"z{j + 1}" for j in range(D)]
    worst = int(distance.argmax())
    j = int(url_widgets.number("dimension of z", 1, D, worst + 1, key="z_dimension")) - 1
    left, middle, right = st.columns(3, gap="medium")
    low, high = min(-4.0, float(z[:, j].min())), max(4.0, float(z[:, j].max()))
    drawn = figures.histogram(
        {names[j]: z[:, j]},
        x_title=names[j],
        title="Codes of test data",
        limits=(low, high),
        colors={names[j]: figures.SAMPLES},
    )
    _over(drawn, *normal(), "N(0, 1)")
    plot(drawn, key="z-histogram", place=left)
    lines = [figures.Curve(names[j], codes["expected"], codes["quantiles"][:, j], figures.SAMPLES)]
    lines.append(figures.Curve("a Gaussian", codes["expected"], codes["expected"], figures.LATENT, dashed=True))
    drawn = figures.curves(lines, x_title="quantile of N(0, 1)", y_title="of the codes", title="Quantiles")
    plot(drawn.update_layout(height=280), key="z-quantiles", place=middle)
    drawn = figures.histogram(
        {"‖z‖": codes["norm"]},
        x_title="‖z‖",
        title="Length of the codes",
        limits=(codes["length"][0], codes["length"][-1]),
        colors={"‖z‖": figures.SAMPLES},
    )
    _over(drawn, codes["length"], codes["chi"], f"χ, {D} degrees of freedom")
    plot(drawn, key="z-length", place=right)
    if moment.model.is_image:
        st.caption(f"Of images under {moment.model.dequantization} noise, with which the flow learned.")
    st.caption(
        "By the test of Kolmogorov and Smirnov, one dimension in a hundred would be told from N(0, 1) by chance; "
        f"the furthest is z{worst + 1}, by {number(distance[worst])}. The largest correlation of two is "
        f"{number(float(codes['correlation']))}. Each alone may look Gaussian where all together are not: that is what "
        "the lengths show."
    )
    concluded(instruments.conclusion_of_codes(codes), key="conclusion-gaussian")


def _over(drawn: go.Figure, x: np.ndarray, y: np.ndarray, name: str) -> None:
    curve = figures.curves([figures.Curve(name, x, y, figures.LATENT, dashed=True)], x_title="", y_title="")
    drawn.add_trace(curve.data[0])
    figures.named(drawn)


def temperature(moment: Moment) -> None:
    """Samples of the same noise, scaled longer and shorter."""
    image = moment.model.is_image
    seed = url_widgets.number("seed", 0, url_widgets.SEEDS, 0, key="temperature_seed")
    samples = answer(
        instruments.temperatures,
        moment=moment,
        key="temperatures",
        at_once=True,
        n=10 if image else 600,
        seed=int(seed),
    )
    if samples is None:
        return
    if image:
        rows = samples["x"].reshape(-1, *moment.data.shape)
        image_grid(
            images.png(images.tile(rows, columns=samples["x"].shape[1])),
            key="temperatures",
            alt="Rows of samples of the same noise at rising temperature.",
            caption="rows: temperature " + ", ".join(f"{t:g}" for t in samples["temperature"]),
            scale=zoom(moment.data.shape, 64),
            download=f"{moment.id}-temperatures.png",
        )
    else:
        edges, side = square(half_of(moment)), 420 if is_presenting() else 270
        with st.container(horizontal=True, gap="small"):
            for i, t in enumerate(samples["temperature"]):
                cloud = figures.Points("samples", samples["x"][i], figures.SAMPLES, size=3)
                drawn = figures.points((real_points(moment), cloud), title=f"T = {t:g}", extent=edges)
                with st.container(width=side):
                    plot(drawn.update_layout(height=side, showlegend=False), key=f"temperature-{i}", small=True)
    st.caption(
        "x = f⁻¹(T·z): the same z, scaled. Below 1 samples come from nearer to the mode of z, and are cleaner and more "
        "alike; only T = 1 samples the density that was learned. Kingma & Dhariwal (2018), Glow, section 6.2."
    )
    concluded(instruments.conclusion_of_temperatures(samples), key="conclusion-temperature")


def inverse(moment: Moment) -> None:
    """The places where f⁻¹(f(x)) differs from x in single precision."""
    lost = answer(instruments.inverse_error, moment=moment, key="inverse", at_once=True)
    if lost is None:
        return
    left, right = st.columns(2, gap="medium")
    image = moment.model.is_image
    edges = (
        square(float(lost["half"])) if not image else (0.0, float(lost["map"].shape[1]), 0.0, float(len(lost["map"])))
    )
    shown = lost["map"][::-1] if image else lost["map"]
    drawn = figures.density(
        shown - shown.min(),
        edges,
        title="log₁₀ of the error of f⁻¹(f(x)), above its least",
        unit="powers of ten",
        color=figures.POSTERIOR,
        x_title="column" if image else "x₁",
        y_title="row, from below" if image else "x₂",
    )
    plot(drawn, key="inverse-map", place=left)
    errors = {"f⁻¹(f(x)) − x": np.log10(lost["error"] + 1e-12), "log p(x), nats": np.log10(lost["nats"] + 1e-12)}
    drawn = figures.histogram(
        errors,
        x_title="log₁₀ of the error",
        title="Single precision, of test examples",
        colors=dict(zip(errors, (figures.POSTERIOR, figures.SAMPLES), strict=True)),
    )
    plot(drawn, key="inverse-errors", place=right)
    st.caption(
        f"The least error on the map is {number(10.0 ** float(shown.min()), 2)}. The way there and back is exact on "
        "paper; in single precision each layer rounds, and what stretches space on the way back stretches its rounding "
        "too."
    )
    concluded(instruments.conclusion_of_inverse(lost), key="conclusion-inverse")

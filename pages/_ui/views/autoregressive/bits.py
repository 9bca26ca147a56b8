"""Where the bits are, what a network sees, and whether the order matters."""

from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from genmodels import figures
from genmodels.instruments.autoregressive import bits, orders, receptive
from genmodels.text import number
from pages._ui.form import url_widgets
from pages._ui.shared.answer import answer, seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import example_of

__all__ = ["compared", "of_labels", "sight", "where"]

SIDE = 15  # pixels of the images that show the blind spot


def where(moment: Moment) -> None:
    """−log p of each pixel given those before, as a map over an image."""
    example = example_of(moment, key="bits_example")
    image = seen(bits.where, moment, example=example)
    total, pixels = float(image["total"]), image["bits"].size
    st.caption(
        f"This image costs {number(total)} bits ({number(total * np.log(2))} nats, {number(total / pixels)} bits a "
        "pixel): the sum "
        "of the map in the middle. What follows from the pixels before costs nearly nothing; bits are paid where a "
        f"stroke begins, ends or turns, and what is paid there is what the right map did not expect.{_whose(moment)}"
    )
    maps = [("x", "The image", "grey", figures.DATA), ("bits", "What each pixel costs", "bits", figures.SAMPLES)]
    maps.append(("mean", "Expected after those before", "expected grey", figures.POSTERIOR))
    for (name, title, unit, color), place in zip(maps, st.columns(3), strict=True):
        plot(_pixels(image[name], title, unit, color), key=f"bits-{name}", place=place)
    _average(moment)


def _average(moment: Moment) -> None:
    st.markdown("**On average** over test images")
    n = min(200, len(moment.data.test))
    mean = answer(bits.average, moment=moment, key="average", asks=f"Average over {n} images", n=n)
    if mean is None:
        return
    total, error = float(mean["total"]) * np.log(2), float(mean["error"]) * np.log(2)
    left, right = st.columns(2)
    plot(_pixels(mean["bits"], "After those before", "bits", figures.SAMPLES), key="mean-bits", place=left)
    plot(_pixels(mean["alone"], "Each pixel by itself", "bits", figures.DATA), key="mean-alone", place=right)
    alone = float(mean["alone"].sum()) * np.log(2)
    st.caption(
        f"{number(total)} ± {number(error, 2)} nats; if nothing were known of other pixels, but how often each has "
        f"which level in training images, it would be {number(alone)}. {_measure(moment)}{_whose(moment)}"
    )
    concluded(bits.conclusion(mean), key="conclusion-bits")


def of_labels(moment: Moment) -> str:
    """Whose likelihood it is that a conditional model is asked for."""
    told = " The model is told the label y, so this is −log p(x | y): p(x) costs at most −log p(y) more."
    return told if moment.model.classes else ""


def _whose(moment: Moment) -> str:
    """A note for models whose p(x) is a mean over labels or masks: which part of it is shown."""
    text = of_labels(moment)
    if moment.model.masks > 1:
        text += f" Asked is the first of {moment.model.masks} masks, whose mean is the model's p."
    return text


def _measure(moment: Moment) -> str:
    """Which pixels a number is of: without that it can stand beside no other."""
    if moment.model.inputs != "threshold":
        return f"Pixels are one of {moment.model.config['levels']} grey levels."
    if moment.data.is_drawn or moment.data.levels == 2:
        return "Test images were drawn in black and white once, from their grey; numbers of papers are mostly of such."
    return "Pixels are black or white as their grey is over ½: easier than those drawn from their grey, of most papers."


def sight(moment: Moment) -> None:
    """The pixels of an image that the network sees when it predicts one; and the blind spot of the first PixelCNN."""
    _, height, width = moment.data.shape
    with st.container(horizontal=True, gap="small"):
        row = url_widgets.slider("row", 0, height - 1, height // 2, key="sight_row", width=220)
        column = url_widgets.slider("column", 0, width - 1, width // 2, key="sight_column", width=220)
    slopes = seen(receptive.field, moment, row=row, column=column)
    left, right = st.columns(2)
    here = [figures.Points("the pixel", np.array([[column + 0.5, row + 0.5]]), figures.SAMPLES, size=9)]
    slope = np.cbrt(slopes["slope"] / max(float(slopes["slope"].max()), 1e-12))
    plot(_pixels(slope, "What it hangs on", "slope, cube root", figures.POSTERIOR, here), key="slope", place=left)
    before = figures.LATENT
    plot(_pixels(slopes["before"], "What comes before", "before", before, here), key="before", place=right)
    st.caption(
        "How far the expected value of the pixel moves when another is changed a little: the mean size of the gradient "
        "over test images. Gradients of what comes later are exactly 0."
    )
    concluded(receptive.conclusion(slopes), key="conclusion-sight")
    _blind(row * SIDE // height, column * SIDE // width)


def _blind(row: int, column: int) -> None:
    st.markdown(f"**The blind spot**: networks that have learned nothing yet, {SIDE} × {SIDE} pixels")
    depth = url_widgets.slider("layers of 3 × 3", 1, 12, 5, key="blind_depth", width=260)
    spots = receptive.blind_spot(depth, row, column, SIDE)
    here = [figures.Points("the pixel", np.array([[column + 0.5, row + 0.5]]), figures.SAMPLES, size=9)]
    names = {"masked": "Masked convolutions", "gated": "Two stacks"}
    for (name, title), place in zip(names.items(), st.columns(2), strict=True):
        share = spots[name][spots["before"]].mean() if spots["before"].any() else 1.0
        plot(_pixels(spots[name], f"{title}: sees {share:.0%}", "seen", figures.POSTERIOR, here), key=name, place=place)
    st.caption(
        "The first PixelCNN set to 0 what comes after in each kernel. Its reach to the upper right then grows by one "
        "pixel a row, at 45°, however many layers there are: what lies beyond is never seen. A stack for the rows "
        "above beside one for the row itself sees all of it (van den Oord et al. 2016, figure 1)."
    )


def compared(moment: Moment) -> None:
    """Compare the network trained in other orders; and the masks of one that has several."""
    if moment.model.masks > 1:
        _masks(moment)
    steps = url_widgets.choice("steps of each training", (100, 300, 1000), 300, key="order_steps")
    trained = answer(orders.compared, moment=moment, key="orders", asks="Train each order", steps=steps)
    if trained is None:
        return
    rows = list(zip(trained["names"].tolist(), trained["nats"], trained["test"], strict=True))
    lines = [figures.Curve(name, trained["step"], nats, figures.RUNS[k]) for k, (name, nats, _) in enumerate(rows)]
    left, right = st.columns(2)
    curves = figures.curves(lines, x_title="step", y_title="nats", title="−log p of held-out images", log_x=True)
    plot(curves, key="order-curves", place=left)
    values, errors = ({name: float(test[k]) for name, _, test in rows} for k in (0, 1))
    colors = list(figures.RUNS[: len(rows)])
    bars = figures.bars(values, errors=errors, y_title="nats", title="−log p of test images in the end", color=colors)
    plot(bars, key="order-bars", place=right)
    st.caption(
        "Every order can write down the same law, so what differs is how easily it is learned: a network of "
        f"{orders.HIDDEN} units or {orders.CHANNELS} channels at most, from the same seed. ± one standard error."
        f"{of_labels(moment)}"
    )
    concluded(orders.conclusion(trained), key="conclusion-orders")


def _masks(moment: Moment) -> None:
    costs = answer(orders.masks, moment=moment, key="masks", at_once=True)
    if costs is None:
        return
    each, together = costs["each"], costs["together"]
    values = {f"{k + 1}": float(nats) for k, (nats, _) in enumerate(each)} | {"together": float(together[0])}
    errors = {f"{k + 1}": float(error) for k, (_, error) in enumerate(each)} | {"together": float(together[1])}
    title = "−log p of test images, mask by mask"
    plot(figures.bars(values, errors=errors, y_title="nats", x_title="mask", title=title), key="masks")
    st.caption(
        "p(x) of the model is the mean of p(x) under its masks: never worse than they are on average."
        f"{of_labels(moment)}"
    )
    concluded(orders.conclusion_of_masks(costs), key="conclusion-masks")


def _pixels(
    values: npt.NDArray[Any], title: str, unit: str, color: str, over: list[figures.Points] | None = None
) -> Any:
    """A map of one number a pixel, row 0 at the top, in hard squares."""
    flat = np.asarray(values, float).reshape(-1, *values.shape[-2:]).sum(0)
    height, width = flat.shape
    extent, axes = (0.0, float(width), 0.0, float(height)), {"x_title": "column", "y_title": "row"}
    drawn = figures.density(flat, extent, title=title, unit=unit, color=color, over=over or [], **axes)
    drawn.update_traces(zsmooth=False, selector={"type": "heatmap"})
    return drawn.update_yaxes(range=(height, 0)).update_layout(height=300, showlegend=False)

"""What can be explored of a GAN, a WGAN and a BiGAN: each function draws one instrument of one moment."""

import math

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from genmodels import figures, images
from genmodels.data.datasets import DATASETS
from genmodels.instruments.gan import divergence
from genmodels.instruments.gan import game as instruments
from pages._ui.components.image_grid import image_grid
from pages._ui.components.latent_pad import latent_pad
from pages._ui.components.scrubber import scrubber
from pages._ui.form import url_widgets
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot

__all__ = [
    "belief",
    "half_of",
    "label_of",
    "latent",
    "legend_above",
    "only_planes",
    "plane",
    "real_points",
    "said",
    "square",
    "zoom",
]


def zoom(shape: tuple[int, ...], pixels: int = 72) -> float:
    """How many screen pixels a picture's pixel takes, for pictures about so many pixels wide."""
    return max(1.0, round(pixels / shape[-1], 1))


def only_planes(moment: Moment) -> bool:
    """Whether the moment's data are points of the plane; says so where they are not."""
    if moment.model.is_image:
        st.info(
            "This instrument draws the plane, and this run makes images. Train one on *eight-gaussians* to see it; "
            "*Latent* shows what these networks have learned."
        )
    return not moment.model.is_image


def label_of(moment: Moment) -> int:
    """The class to look at, where the model is conditional."""
    if not moment.model.classes:
        return 0
    names = moment.data.classes
    return names.index(url_widgets.choice_of_many("class", names[: moment.model.classes], key="of_class"))


def half_of(moment: Moment) -> float:
    """The plane is shown on [−half, half]²."""
    return DATASETS[moment.data.name].extent


def square(half: float) -> figures.Extent:
    """That square as the edges of a map."""
    return (-half, half, -half, half)


def real_points(moment: Moment, n: int = 300) -> figures.Points:
    """Test points, in the data's colour."""
    return figures.Points("data", moment.data.test.x[:n].numpy(), figures.DATA, size=3)


# Pictures that are computed once for all who look ---


@st.cache_data(max_entries=64, show_spinner=False)
def _surface(moment: Moment, half: float, label: int) -> instruments.Surface:
    return instruments.surface(moment.model, half, label=label)


@st.cache_data(max_entries=64, show_spinner=False)
def _arrows(moment: Moment, label: int) -> instruments.Arrows:
    return instruments.arrows(moment.model, 100, label=label)


@st.cache_data(max_entries=64, show_spinner=False)
def _best(moment: Moment, half: float) -> divergence.Best:
    return divergence.best_discriminator(moment.model, moment.data, half)


@st.cache_data(max_entries=64, show_spinner=False)
def _sheet(moment: Moment, label: int) -> np.ndarray:
    return instruments.sheet(moment.model, 21 if moment.model.is_image else 41, label=label)


@st.cache_data(max_entries=64, show_spinner=False)
def _path(moment: Moment, first: int, second: int, arc: bool, label: int) -> np.ndarray:
    return instruments.path(moment.model, first, second, arc=arc, label=label)


def said(value: float) -> str:
    """A number in a sentence."""
    return f"{value:.3f}".replace("-", "−")


# On the plane ---


def belief(found: instruments.Surface, *, title: str, over: tuple[figures.Points, ...] = ()) -> go.Figure:
    """A map of the judge: blue where it sees data, vermilion where it sees samples."""
    return _judged(found.values, found.half, found.middle, found.name, title, over)


def _judged(
    values: np.ndarray, half: float, middle: float, name: str, title: str, over: tuple[figures.Points, ...] = ()
) -> go.Figure:
    figure = figures.signed(values - middle, square(half), title=title, unit=name, over=over)
    figure.update_traces(reversescale=True, selector={"type": "heatmap"})
    if middle:  # a probability: its whole range, and its own numbers on the scale
        figure.update_traces(z=values, zmin=0, zmax=2 * middle, selector={"type": "heatmap"})
    return figure


def legend_above(figure: go.Figure, height: int | None = None) -> go.Figure:
    """The legend under the title, with room for both; ``height`` of the figure in CSS pixels."""
    figure.update_layout(margin={"t": 66}, title={"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 8}})
    return figure.update_layout(height=height) if height else figure


def plane(moment: Moment) -> None:
    """The judge as a surface, the pushes on the samples, the best judge there could be, and the sheet of noise."""
    if not only_planes(moment):
        return
    label, half = label_of(moment), half_of(moment)
    found, push, real = _surface(moment, half, label), _arrows(moment, label), real_points(moment)
    fake = figures.Points("samples", push.x, figures.SAMPLES, size=4)
    has_best = moment.run.plan.model == "gan" and not moment.model.classes and moment.data.log_prob is not None
    places, height = (st.columns(3), 430) if has_best else (st.columns(2, gap="large"), 520)
    title = {"gan": "Discriminator D(x) and pushes", "bigan": "D(x, E(x)) and pushes"}
    figure = belief(found, title=title.get(moment.run.plan.model, "Critic f(x) and pushes"), over=(real, fake))
    longest = float(np.linalg.norm(push.push, axis=1).max())
    length = 0.2 * half / max(longest, 1e-12)
    figures.arrows(figure, push.x, push.push, name="push", color=figures.NEUTRAL, length=length)
    figure.update_traces(showlegend=False, selector={"name": "push"})  # the caption says what an arrow is
    with places[0]:
        plot(legend_above(figure, height), key="surface")
        st.caption(
            "Blue: it sees data; vermilion: it sees samples. An arrow is −∂L/∂x, where the generator's loss would "
            f"move this sample if it were free; the longest is {longest:.3g} per unit of x."
        )
    if has_best:
        with places[1]:
            _best_beside(moment, half)
    sheet = figures.mesh(_sheet(moment, label), title="A square of noise under G", over=(real,), extent=square(half))
    with places[-1]:
        plot(legend_above(sheet, height), key="sheet")
        st.caption(
            "The grid z ∈ [−2.5, 2.5]² of the first two dimensions of the noise, carried by G. Where modes lie apart "
            "the sheet must stretch between them: samples there are unavoidable, but can be made few."
        )


def _best_beside(moment: Moment, half: float) -> None:
    best = _best(moment, half)
    figure = _judged(best.best, half, 0.5, "D*(x)", "The best discriminator, p / (p + q)")
    plot(legend_above(figure, 430), key="best")
    st.caption(
        "p is exact, q a kernel estimate from 4,000 samples; blank where both are nearly 0. On fresh data and samples "
        f"the learned one has V(D, G) = {said(best.bound.learned)} ± {said(best.bound.learned_se)} nats, and the best "
        f"of several has {said(2 * best.bound.js - math.log(4))} ± {said(2 * best.bound.js_se)}, at most V(D*, G); "
        "−log 4 = −1.386 where p = q."
    )


# Latent ---


def latent(moment: Moment) -> None:
    """From one noise vector to another, and the plane of the first two dimensions of the noise."""
    if not moment.model.is_image:
        st.info("These films are of images; *On the plane* shows the sheet that G makes of noise here.")
        return
    label = label_of(moment)
    left, right = st.columns([1, 1], gap="large")
    with left:
        _films(moment, label)
    with right:
        st.markdown("##### A plane of noise")
        st.caption("Drag the point: z₁ and z₂ from −2.5 to 2.5, all other dimensions 0.")
        cells = _sheet(moment, label)
        n = len(cells)
        atlas = images.sprite(cells[::-1].reshape(n * n, *moment.data.shape), columns=n, quality=90)
        axis = np.linspace(-2.5, 2.5, n).tolist()
        latent_pad(atlas, (axis, axis), key=f"noise-{moment.id}-{label}", alt="what G makes of the noise")


def _films(moment: Moment, label: int) -> None:
    st.markdown("##### From one noise to another")
    with st.container(horizontal=True, gap="small"):
        first = url_widgets.number("from seed", 0, 9999, 0, key="path_from", width=130)
        second = url_widgets.number("to seed", 0, 9999, 1, key="path_to", width=130)
        way = url_widgets.choice("way", ("spherical", "linear"), "spherical", key="path_way")
    frames = _path(moment, int(first), int(second), way == "spherical", label)
    scrubber(images.sprite(frames), key="path", alt="from one sample to another", scale=zoom(moment.data.shape, 200))
    image_grid(
        images.png(images.tile(frames[::2], columns=12)),
        key="strip",
        alt="The path as a strip.",
        caption="noise of high dimension lies near a sphere: the arc stays on it, the straight line cuts through",
        scale=zoom(moment.data.shape, 44),
        download="path.png",
    )

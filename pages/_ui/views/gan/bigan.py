"""The way back of a BiGAN: from examples to codes, and there again."""

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.instruments.codes import normal
from genmodels.instruments.gan import bigan as instruments
from pages._ui.shared.answer import seen
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.common.chosen import own_picture
from pages._ui.views.common.conclusion import concluded
from pages._ui.views.common.shapes import by_class, half_of, label_of, pictures, square

__all__ = ["drawn", "there_and_back"]

SHOWN = 24


def there_and_back(moment: Moment) -> None:
    """Test examples encoded and generated again, and where their codes lie."""
    way = seen(instruments.back, moment)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if moment.model.is_image:
            both, caption = np.stack([way.x[:SHOWN], way.mean[:SHOWN]], 1), "test example and G(E(x)), in pairs"
            alt = "Test examples and what the generator makes of their codes, in pairs."
            pictures(both, 12, key="pairs", alt=alt, caption=caption, pixels=60, download="there-and-back.png")
        else:
            x, mean = way.x[:200], way.mean[:200]
            data = figures.Points("test points x", x, figures.DATA, size=4)
            back = figures.Points("G(E(x))", mean, figures.SAMPLES, size=4)
            figure = figures.points([data, back], title="There and back", extent=square(half_of(moment)))
            figures.arrows(figure, x, mean - x, name="error", color=figures.NEUTRAL)
            plot(figure.update_layout(height=480), key="ways")
        st.caption(
            "No loss ever compared the two. The pairs (x, E(x)) and (G(z), z) are only to look alike, and that forces "
            "E to undo G: what comes back is often another example of the same kind."
        )
    if way.z.shape[1] >= 2:
        clouds = by_class(way.z[:, :2], way.labels, moment.data.classes or ("test examples",))
        plane = figures.points(clouds, title="Codes E(x), two dimensions", x_title="z₁", y_title="z₂")
        plot(plane, key="codes", place=right)
    with left if moment.model.is_image else right:  # under what is less high
        _histogram(way)
    concluded(instruments.conclusion(way))


def _histogram(way: instruments.Back) -> None:
    figure = figures.histogram(
        {"all codes": way.z},
        title="Codes against the noise they should be",
        x_title="z, any dimension",
        colors={"all codes": figures.POSTERIOR},
        limits=(-4, 4),
    )
    z, density = normal()
    line = {"color": figures.LATENT, "width": 2, "dash": "dash"}
    figure.add_scatter(x=z, y=density, mode="lines", name="N(0, 1)", line=line)
    plot(figures.named(figure), key="code-histogram")


def drawn(moment: Moment) -> None:
    """The visitor's own picture, encoded and generated again."""
    label = label_of(moment)
    look = lambda pixels: instruments.read(moment.model, moment.data, pixels, label=label)  # noqa: E731
    way, place = own_picture(moment, look)
    if way is None:
        return
    with place:
        alt = "Your picture as the encoder sees it, and what the generator makes of its code."
        both, caption = np.concatenate([way.x, way.mean]), "as the encoder sees it · G(E(x))"
        pictures(both, 2, key="read", alt=alt, caption=caption, pixels=130, download="there-and-back.png")
        code = {f"z{i + 1}": float(value) for i, value in enumerate(way.z[0])}
        plot(figures.bars(code, title="Its code E(x)", y_title="value", color=figures.LATENT), key="code")
    concluded(instruments.conclusion(way, seen(instruments.back, moment)))

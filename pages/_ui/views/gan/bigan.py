"""What only a BiGAN can show: the way back, from examples to codes, and there again."""

import numpy as np
import streamlit as st

from genmodels import figures, images
from genmodels.errors import BadInput
from genmodels.instruments.gan import critics as lab
from pages._ui.components.drawing_pad import drawing_pad
from pages._ui.components.image_grid import image_grid
from pages._ui.shared.moment import Moment
from pages._ui.shared.plot import plot
from pages._ui.views.gan.game import half_of, label_of, legend_above, square, zoom

__all__ = ["drawn", "there_and_back"]

SHOWN = 24


@st.cache_data(max_entries=64, show_spinner=False)
def _back(moment: Moment) -> lab.Back:
    return lab.back(moment.model, moment.data)


def there_and_back(moment: Moment) -> None:
    """Test examples encoded and generated again, and where their codes lie."""
    found = _back(moment)
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if moment.model.is_image:
            _pairs(moment, found)
        else:
            _ways(moment, found)
    with right:
        _codes(moment, found)


def _pairs(moment: Moment, found: lab.Back) -> None:
    pairs = np.stack([found.x[:SHOWN], found.mean[:SHOWN]], 1).reshape(-1, *moment.data.shape)
    image_grid(
        images.png(images.tile(pairs, columns=12)),
        key="pairs",
        alt="Test examples and what the generator makes of their codes, in pairs.",
        caption=f"test example and G(E(x)), in pairs · mean squared error {found.error.mean():.3f} on [−1, 1]",
        scale=zoom(moment.data.shape, 60),
        download="there-and-back.png",
    )
    st.caption(
        "No loss ever compared the two. The pairs (x, E(x)) and (G(z), z) are only to look alike, and that forces E to "
        "undo G: what comes back is often another example of the same kind."
    )


def _ways(moment: Moment, found: lab.Back) -> None:
    x, mean = found.x[:200], found.mean[:200]
    clouds = [
        figures.Points("test points x", x, figures.DATA, size=4),
        figures.Points("G(E(x))", mean, figures.SAMPLES, size=4),
    ]
    title = f"There and back: mean squared error {found.error.mean():.4f}"
    figure = figures.points(clouds, title=title, extent=square(half_of(moment)))
    figures.arrows(figure, x, mean - x, name="error", color=figures.NEUTRAL)
    plot(legend_above(figure, 480), key="ways")
    st.caption("No loss ever compared the two: the discriminator only sees the pairs (x, E(x)) and (G(z), z).")


def _codes(moment: Moment, found: lab.Back) -> None:
    names = moment.data.classes or ("test examples",)
    z = found.z[:, :2]
    if z.shape[1] == 2:
        clouds = [
            figures.Points(name, z[found.labels == i], figures.CLASSES[i % 10], size=4) for i, name in enumerate(names)
        ]
        figure = figures.points(clouds, title="Codes E(x), two dimensions", x_title="z₁", y_title="z₂")
        plot(legend_above(figure), key="codes")
    x, y = lab.normal()
    figure = figures.histogram(
        {"all codes": found.z},
        title="Codes against the noise they should be",
        x_title="z, any dimension",
        colors={"all codes": figures.POSTERIOR},
        limits=(-4, 4),
    )
    figure.add_scatter(
        x=x, y=y, mode="lines", name="N(0, 1)", line={"color": figures.LATENT, "width": 2, "dash": "dash"}
    )
    plot(legend_above(figure).update_layout(showlegend=True), key="code-histogram")


def drawn(moment: Moment) -> None:
    """The visitor's own digit, encoded and generated again."""
    if not moment.model.is_image:
        st.info("Points need no drawing. Choose the data set *drawing* to let a model learn your own density.")
        return
    label = label_of(moment)
    left, right = st.columns([2, 3])
    with left:
        drawing = drawing_pad(key="pad", alt="Draw a digit for the encoder.", pixels=moment.data.shape[-1])
    with right:
        if not drawing.pixels.any():
            st.info("Draw a digit on the left: with the mouse, a pen or a finger.")
            return
        try:
            found = lab.read(moment.model, moment.data, drawing.pixels, label=label)
        except BadInput as error:
            st.warning(str(error))
            return
        image_grid(
            images.png(images.tile(np.concatenate([found.x, found.mean]), columns=2)),
            key="read",
            alt="Your digit as the encoder sees it, and what the generator makes of its code.",
            caption="as the encoder sees it · G(E(x))",
            scale=zoom(moment.data.shape, 130),
            download="there-and-back.png",
        )
        code = {f"z{i + 1}": float(value) for i, value in enumerate(found.z[0])}
        figure = figures.bars(code, title="Its code E(x)", y_title="value", color=figures.LATENT)
        plot(figure, key="code")

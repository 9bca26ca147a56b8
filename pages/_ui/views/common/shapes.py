"""What the views of every family are made of: pictures in crisp pixels, points by class, which class, numbers."""

from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
import plotly.graph_objects as go

from genmodels import figures, images
from genmodels.data.datasets import DATASETS
from genmodels.text import number
from pages._ui.components.image_grid import image_grid
from pages._ui.form import url_widgets
from pages._ui.form.lesson import is_presenting
from pages._ui.shared.moment import Moment
from pages._ui.views.common.chosen import chosen

__all__ = [
    "by_class",
    "example_of",
    "half_of",
    "label_of",
    "legend_above",
    "nats",
    "pictures",
    "real_points",
    "square",
    "zoom",
]

LARGE = 1.6  # times as wide are pictures on a projector, where there is room


def zoom(shape: tuple[int, ...], pixels: int = 72) -> float:
    """How many screen pixels a picture's pixel takes, for pictures about so many pixels wide; for a projector, more."""
    return max(1.0, round(pixels * (LARGE if is_presenting() else 1) / shape[-1], 1))


def pictures(
    x: npt.NDArray[Any],
    columns: int,
    *,
    key: str,
    alt: str,
    caption: str = "",
    pixels: int = 72,
    download: str | None = None,
) -> None:
    """Images (…, C, H, W), ``columns`` a row and each about so many ``pixels`` wide, as one picture to take home.

    ``download`` is the file's name: that of the ``key`` otherwise, and "" for none.
    """
    image_grid(
        images.png(images.tile(x.reshape(-1, *x.shape[-3:]), columns=columns)),
        key=key,
        alt=alt,
        caption=caption,
        scale=zoom(x.shape, pixels),
        download=f"{key}.png" if download is None else download,
    )


def half_of(moment: Moment) -> float:
    """The plane is shown on [−half, half]²."""
    return DATASETS[moment.data.name].extent


def square(half: float) -> figures.Extent:
    """That square as the edges of a map."""
    return (-half, half, -half, half)


def legend_above(figure: go.Figure, height: int) -> go.Figure:
    """The legend under the title, with room for both; ``height`` of the figure in CSS pixels."""
    title = {"y": 1, "yref": "container", "yanchor": "top", "pad": {"t": 8}}
    return figure.update_layout(margin={"t": 66}, title=title, height=height)


def real_points(moment: Moment, n: int = 300, *, opacity: float = 0.55, label: int | None = None) -> figures.Points:
    """Test points, of the class ``label`` where one is given, in the data's colour."""
    test = moment.data.test
    x = test.x if label is None else test.x[test.y == label]
    return figures.Points("data", x[:n].numpy(), figures.DATA, size=3, opacity=opacity)


def label_of(moment: Moment, key: str = "of_class") -> int | None:
    """The class to look at, where the model is conditional: the visitor's choice, in the URL as ``key``."""
    classes = int(moment.model.config.get("classes", 0))
    names = list(moment.data.classes[:classes])
    return names.index(url_widgets.choice_of_many("class", names, key=key)) if names else None


def by_class(xy: npt.NDArray[Any], labels: npt.NDArray[Any], names: Sequence[str]) -> list[figures.Points]:
    """Points of a plane, (N, 2), in the colours of their labels, (N,), which have these names."""
    return [
        figures.Points(name, xy[labels == i], figures.CLASSES[i % len(figures.CLASSES)], size=3)
        for i, name in enumerate(names)
    ]


def nats(label: str, value: float, note: str = "", *, place: Any, digits: int = 4, help: str | None = None) -> None:
    """A number in nats, of which four digits tell bounds of one example apart, and a note under it."""
    place.metric(label, f"{number(value, digits)} nats", note or None, delta_color="off", delta_arrow="off", help=help)


def example_of(moment: Moment, *, key: str, label: str = "test example", default: int = 0) -> int:
    """A test example: of images one that is clicked, or any by its number, which the URL keeps."""
    return chosen(moment, key=key, label=label, default=default, scale=zoom(moment.data.shape, 42))

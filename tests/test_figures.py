"""Figures and pictures: what is drawn is what was given, in one language for light and dark."""

import io
import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from genmodels import figures, palette
from genmodels import images as pictures
from genmodels.errors import BadInput
from genmodels.figures import Curve, Points

ROOT = Path(__file__).resolve().parent.parent
RNG = np.random.default_rng(0)
XY = RNG.normal(size=(50, 2))
EXTENT = (-2.0, 2.0, -1.0, 1.0)
Make = Callable[[], go.Figure]
BAND = figures.Band("gan", [1, 2, 4], [3, 2, 1], [2, 1.5, 0.5], [4, 2.5, 2], figures.SAMPLES)

FIGURES: dict[str, Make] = {
    "points": lambda: figures.points([Points("data", XY, figures.DATA), Points("samples", XY + 1, figures.SAMPLES)]),
    "density": lambda: figures.density(RNG.random((4, 8)), EXTENT, over=[Points("data", XY, figures.DATA)]),
    "signed": lambda: figures.signed(RNG.normal(size=(4, 8)), EXTENT),
    "curves": lambda: figures.curves([Curve("elbo", [1, 2], [3, 4], figures.DATA)], x_title="step", y_title="nats"),
    "bands": lambda: figures.bands([BAND], x_title="images", y_title="W₁", log_y=True, floor=("real points", 0.3)),
    "bars": lambda: figures.bars({"vae": 2.0, "gan": 1.0}, y_title="FID", floor=("real against real", 0.3)),
    "histogram": lambda: figures.histogram({"data": XY[:, 0], "samples": XY[:, 1]}, x_title="score"),
    "mesh": lambda: figures.mesh(np.stack(np.meshgrid(np.arange(3), np.arange(4)), -1)),
}


def test_the_theme_and_the_wall_have_the_colours_of_the_palette() -> None:
    theme = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["theme"]
    assert tuple(theme["chartCategoricalColors"]) == palette.RUNS
    named = [theme["light"][f"{name}Color"] for name in ("blue", "orange", "green", "violet")]
    assert named == [palette.DATA, palette.SAMPLES, palette.LATENT, palette.POSTERIOR]
    assert f"background: {palette.DATA}" in (ROOT / "pages/_ui/style.css").read_text()


def test_a_colour_is_written_down_once() -> None:
    sources = [path for folder in ("genmodels", "pages") for path in (ROOT / folder).rglob("*.py")]
    said = {path.name for path in sources if palette.DATA in path.read_text()}
    assert said == {"palette.py"}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_legible_in_light_and_dark(name: str) -> None:
    figure = FIGURES[name]()
    layout = figure.layout.template.layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == "rgba(0,0,0,0)"
    for background in ("#ffffff", "#14171a"):
        assert contrast(layout.font.color, background) > 3.5  # large text needs 3
        for color in (figures.DATA, figures.SAMPLES, figures.LATENT):
            assert contrast(color, background) > 3  # what a graphic needs


@pytest.mark.parametrize("name", FIGURES)
def test_every_axis_says_what_it_is(name: str) -> None:
    figure = FIGURES[name]()
    if name != "bars":  # whose bars have names of their own
        assert figure.layout.xaxis.title.text
    assert figure.layout.yaxis.title.text


@pytest.mark.parametrize("name", ["points", "density", "signed", "mesh"])
def test_a_plane_has_the_same_scale_on_both_axes(name: str) -> None:
    assert FIGURES[name]().layout.yaxis.scaleanchor == "x"


def test_a_map_stands_where_its_extent_says() -> None:
    trace = figures.density(RNG.random((4, 8)), EXTENT).data[0]
    np.testing.assert_allclose(trace.x, [-1.75, -1.25, -0.75, -0.25, 0.25, 0.75, 1.25, 1.75])
    np.testing.assert_allclose(trace.y, [-0.75, -0.25, 0.25, 0.75])
    assert trace.zmin == 0


def test_a_signed_map_diverges_around_zero() -> None:
    trace = figures.signed(np.array([[-1.0, 0.5]]), EXTENT).data[0]
    assert (trace.zmin, trace.zmax) == (-1, 1)
    assert trace.colorscale[1][1].endswith(", 0)")  # nothing is drawn at zero
    flat = figures.signed(np.zeros((2, 2)), EXTENT).data[0]
    assert flat.zmax > flat.zmin


def test_a_band_goes_along_its_upper_edge_and_back_along_its_lower() -> None:
    edge, line, floor = figures.bands([BAND], x_title="images", y_title="W₁", floor=("real points", 0.3)).data
    assert list(edge.x) == [1, 2, 4, 4, 2, 1]
    assert list(edge.y) == [4, 2.5, 2, 0.5, 1.5, 2]
    assert list(line.y) == [3, 2, 1]
    assert (list(floor.x), [float(y) for y in floor.y]) == ([1, 4], pytest.approx([0.3, 0.3]))


def test_histograms_integrate_to_one_in_the_same_bins() -> None:
    figure = figures.histogram({"a": XY[:, 0], "b": XY[:20, 1]}, x_title="x", bins=30)
    first, second = figure.data
    np.testing.assert_array_equal(first.x, second.x)
    width = first.x[1] - first.x[0]
    for trace in figure.data:
        assert np.sum(trace.y) * width == pytest.approx(1, rel=1e-5)


def test_a_mesh_draws_each_row_and_column_once() -> None:
    grid = np.stack(np.meshgrid(np.arange(3.0), np.arange(4.0)), -1)
    line = figures.mesh(grid).data[-1]
    assert np.isnan(line.x).sum() == 4 + 3
    assert np.isfinite(line.x).sum() == 2 * 12
    np.testing.assert_array_equal(line.x[:4], [0, 1, 2, np.nan])
    np.testing.assert_array_equal(line.y[:4], [0, 0, 0, np.nan])


def test_arrows_begin_and_end_where_they_should() -> None:
    figure = figures.arrows(figures.points([]), [[1.0, 2.0]], [[0.5, 0.0]], name="gradient", length=2)
    line = figure.data[0]
    assert (line.x[0], line.y[0], line.x[1], line.y[1]) == (1, 2, 2, 2)


def test_thin_keeps_the_ends_and_every_extreme() -> None:
    x = np.arange(50_000)
    y = np.sin(x / 500)
    y[12_345], y[40_001] = 99, -99
    few_x, few_y = figures.thin(x, y)
    assert len(few_x) <= 1000
    assert (few_x[0], few_x[-1]) == (0, 49_999)
    assert {99, -99} <= set(few_y)
    assert (np.diff(few_x) > 0).all()
    np.testing.assert_array_equal(few_y, y[few_x.astype(int)])


def test_thin_leaves_a_short_curve_alone() -> None:
    x, y = figures.thin([1, 2, 3], [4, 5, 6])
    np.testing.assert_array_equal(np.stack([x, y]), [[1, 2, 3], [4, 5, 6]])


# Pictures -------------------------------------------------------------------------------------------------------------


def decode(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def test_tile_lays_images_row_by_row_with_transparent_gaps() -> None:
    images = np.arange(5)[:, None, None, None] / 4 * np.ones((5, 1, 2, 3))
    tiled = pictures.tile(images, columns=3)
    assert tiled.shape == (2 * 2 + 1, 3 * 3 + 2, 4)
    assert [int(tiled[0, 4 * k, 0]) for k in range(3)] == [0, 64, 128]
    assert int(tiled[3, 4, 0]) == 255
    assert (tiled[2, :, 3] == 0).all()
    assert (tiled[:, 3, 3] == 0).all()
    np.testing.assert_array_equal(decode(pictures.png(tiled)), tiled)


@pytest.mark.parametrize("shape", [(7, 1, 4, 6), (7, 3, 4, 6), (7, 4, 6)])
def test_every_frame_of_a_sprite_is_where_it_says(shape: tuple[int, ...]) -> None:
    frames = RNG.integers(0, 256, shape, dtype=np.uint8)
    film = pictures.sprite(frames)
    assert (film.frames, film.size) == (7, (6, 4))
    sheet = decode(film.image)
    for k, frame in enumerate(frames):
        top, left = 4 * (k // film.columns), 6 * (k % film.columns)
        expected = frame.transpose(1, 2, 0) if shape[1] == 3 else frame.reshape(4, 6)
        np.testing.assert_array_equal(sheet[top : top + 4, left : left + 6], expected)


def test_a_long_film_stays_within_what_browsers_draw() -> None:
    film = pictures.sprite(np.zeros((1000, 28, 28)))
    assert max(decode(film.image).shape) <= 4096


def test_values_outside_the_unit_interval_are_clipped() -> None:
    film = pictures.sprite(np.array([[[-1.0, 0.5, 2.0, np.nan]]]))
    np.testing.assert_array_equal(decode(film.image), [[0, 128, 255, 0]])


def test_a_jpeg_is_close_and_smaller() -> None:
    y, x = np.mgrid[:28, :28]
    frames = np.stack([np.exp(-((x - 14) ** 2 + (y - k) ** 2) / 40) for k in range(28)])
    exact, small = pictures.sprite(frames), pictures.sprite(frames, quality=85)
    assert small.image[:2] == b"\xff\xd8"
    difference = decode(exact.image).astype(float) - decode(small.image).astype(float)
    assert np.abs(difference).mean() < 2


def test_a_gif_holds_every_frame() -> None:
    frames = np.stack([np.full((4, 4), k / 4) for k in range(5)])
    film = Image.open(io.BytesIO(pictures.gif(frames, fps=10, scale=2)))
    assert (film.n_frames, film.size, film.info["duration"]) == (5, (8, 8), 100)


@pytest.mark.parametrize("shape", [(4,), (2, 2, 4, 4), (1, 1, 1, 4, 4)])
def test_what_is_no_image_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(BadInput, match=r"Images must be .* not \("):
        pictures.tile(np.zeros(shape))


def contrast(color: str, background: str) -> float:
    """The contrast of two #rrggbb colours, 1 to 21 (Web Content Accessibility Guidelines 2.1)."""
    light, dark = sorted((luminance(color), luminance(background)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    assert re.fullmatch("#[0-9A-Fa-f]{6}", color)
    c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


SAID = {
    "points": "x₂ against x₁. data, 50 points. samples, 50 points.",
    "curves": "nats against step. elbo from 3 to 4.",
    "bars": "FID. vae 2, gan 1.",
    "mesh": "x₂ against x₁. grid.",
}


@pytest.mark.parametrize("name", SAID)
def test_a_figure_is_told_in_words(name: str) -> None:
    assert figures.described(FIGURES[name]()) == SAID[name]


def test_words_tell_what_lies_beyond_the_ends_of_a_curve() -> None:
    curves = [Curve("a", [1, 2, 3], [3, -1, 4], figures.DATA), Curve("b", [1, 2, 3], [1, 9, 2], figures.SAMPLES)]
    told = figures.described(figures.curves(curves, x_title="t", y_title="nats", title="<b>Terms</b>"))
    assert told == "Terms. nats against t. a from 3 to 4, lowest −1. b from 1 to 2, highest 9."


def test_words_tell_the_range_of_a_map_and_of_many_bars() -> None:
    values = np.array([[-2.0, 0.5], [np.nan, 3.0]])
    assert "Map of score between −2 and 3" in figures.described(figures.signed(values, EXTENT))
    many = figures.described(figures.bars({str(i): float(i) for i in range(100)}, y_title="n"))
    assert many == "n. 100 bars between 0 and 99."
    assert figures.described(figures.density(np.full((2, 2), np.nan), EXTENT)).count("Map of density") == 1

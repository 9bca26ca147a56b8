"""Every browser component alone, with made-up numbers: what the browser tests drive."""

from pathlib import Path

import numpy as np
import streamlit as st

from genmodels import figures, images
from pages._ui.components.drawing_pad import drawing_pad
from pages._ui.components.image_grid import image_grid
from pages._ui.components.latent_pad import Encoded, latent_pad
from pages._ui.components.live_chart import Line, Panel, Series, live_chart
from pages._ui.components.scrubber import point_film, scrubber
from pages._ui.server import blobs


def is_shown(name: str) -> bool:
    return st.query_params.get("show", "all") in ("all", name)


def charts() -> None:
    updates = st.session_state.get("updates", 0) + 1
    st.session_state["updates"] = updates
    step = np.arange(1, 5 * min(updates, 60) + 50) * 100.0
    rng = np.random.default_rng(0)
    noise = rng.normal(size=len(step))
    loss = 130 + 400 / np.sqrt(step / 100) + 3 * noise
    kl = 12 * (1 - np.exp(-step / 9000)) + 0.2 * noise
    blue, orange = figures.RUNS[:2]
    panels = [
        Panel("Loss", "nats", [
            Series("train", step, loss, blue), Series("held out", step[::8], loss[::8] + 4, blue, held_out=True),
            Series("fork", step[40:], loss[40:] - 8, orange),
        ], [Line(124.6, "exact", figures.DATA)]),
        Panel("KL", "nats", [
            Series("train", step, kl, blue), Series("held out", step[::8], kl[::8], blue, held_out=True),
        ]),
        Panel("Gradient norm", "", [Series("train", step, np.abs(noise) / 3 + 0.2, blue)]),
    ]  # fmt: skip
    live_chart(panels, key="chart", marker=float(step[len(step) // 2]))
    st.text(f"updates {min(updates, 60)}")


def film() -> None:
    frames = np.zeros((50, 28, 100))
    for k in range(50):
        frames[k, 4:24, : 2 * (k + 1)] = 1
    sheet = images.sprite(frames)
    at = scrubber(sheet, key="film", alt="a bar that grows", scale=3, fps=30, report=True)
    st.text(f"stopped at {at}")


def points() -> None:
    rng = np.random.default_rng(3)
    angle = rng.uniform(0, 2 * np.pi, 400)
    circle = np.stack([np.cos(angle), np.sin(angle)], 1)
    noise = rng.normal(size=(400, 2))
    frames = np.stack([(1 - u) * noise + u * circle for u in np.linspace(0, 1, 11)])
    film = point_film(frames, key="points", alt="samples", extent=3, data=circle + 0.05 * noise, side=300, report=True)
    st.text(f"frame {film}")


def plane() -> None:
    n = 20
    z1, z2 = np.meshgrid(np.linspace(-2, 2, n), np.linspace(2, -2, n))
    y, x = np.mgrid[:28, :28]
    bump = lambda a, b: np.exp(-((x - 14 - 4 * a) ** 2 + (y - 14 + 4 * b) ** 2) / 20)  # noqa: E731
    cells = np.stack([bump(a, b) for a, b in zip(z1.ravel(), z2.ravel(), strict=True)])
    atlas = images.sprite(cells, columns=n)
    axis = np.linspace(-2, 2, n)
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 10, 2000)
    z = rng.normal(size=(2000, 2)) * 0.25 + 1.3 * np.stack([np.cos(labels * 0.63), np.sin(labels * 0.63)], 1)
    points = Encoded(z, labels, [str(k) for k in range(10)])
    z = latent_pad(atlas, (axis, axis), key="pad", alt="a blurred spot", points=points, report=True)
    st.text(f"z {z[0]:.3f} {z[1]:.3f}")


def drawing() -> None:
    drawn = drawing_pad(key="drawing", alt="draw a digit")
    ink = drawn.pixels
    st.text(f"strokes {len(drawn.strokes)} ink {int(ink.sum())} rows {int((ink.max(1) > 0).sum())}")


def grid() -> None:
    rng = np.random.default_rng(2)
    image = images.png(images.tile(rng.random((36, 8, 8))))
    image_grid(image, key="grid", alt="36 noise images", caption="noise", scale=4)


def tiles() -> None:
    rng = np.random.default_rng(2)
    image, chosen = images.png(images.tile(rng.random((5, 8, 8)), columns=5)), st.session_state.get("tile", 1)
    names = [f"number {i}" for i in range(5)]
    choose = lambda tile: st.session_state.update(tile=tile)  # noqa: E731
    image_grid(image, key="tiles", alt="5 to choose from", scale=4, choices=names, chosen=chosen, choose=choose)
    st.text(f"tile {chosen}")


def growing() -> None:
    """A film whose last frame changes all the time."""
    ticks = st.session_state.get("ticks", 0) + 1
    st.session_state["ticks"] = ticks
    frames = np.zeros((4, 8, 8))
    frames[:, 0] = np.linspace(0.2, 0.8, 4)[:, None]
    newest = np.full((8, 8), ticks % 2)
    now = images.png((255 * newest).astype(np.uint8)), f"now {ticks}"
    captions = [f"step {k}" for k in range(4)]
    at = scrubber(
        images.sprite(frames), now=now, key="now", alt="a film", captions=captions, scale=8, follow=True, report=True
    )
    st.text(f"looks at {at}")


def everything() -> None:
    st.set_page_config(layout="wide")
    st.html(Path("pages/_ui/style.css"))
    st.title("Components")
    live = "live" in st.query_params
    if is_shown("chart"):
        st.fragment(charts, run_every=0.1 if live else None)()
    if is_shown("now"):
        st.fragment(growing, run_every=0.2 if live else None)()
    left, middle, right = st.columns([2, 3, 2])
    with left:
        if is_shown("film"):
            film()
        if is_shown("grid"):
            grid()
        if is_shown("tiles"):
            tiles()
    with middle:
        if is_shown("pad"):
            plane()
    with right:
        if is_shown("drawing"):
            drawing()
        if is_shown("points"):
            points()


if st.runtime.exists():
    everything()
else:
    app = st.App(__file__, routes=[blobs.ROUTE])

"""Films of a diffusion: what lies side by side moves together, on the page's own colour."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from genmodels import images
from genmodels.palette import rgb
from pages._ui.components.scrubber import scrubber
from pages._ui.views.common.shapes import zoom

__all__ = ["PANELS", "Array", "joined", "lines_under", "packed", "paper", "way_back"]

Array = npt.NDArray[Any]
PANELS = {"x_t": "noisy data xₜ", "eps": "predicted noise ε̂", "x_0": "predicted data x̂₀"}


def paper() -> str:
    """The colour of the page, for the gaps of a film."""
    return "#14171a" if st.context.theme.type == "dark" else "#ffffff"


def joined(parts: Sequence[Array]) -> Array:
    """Films (F, n, C, H, W) beside each other in one, (F, 3, H, W), uint8, on the page's colour: they move together."""
    blank = np.array(rgb(paper()), np.uint8)
    frames = []
    for panels in zip(*parts, strict=True):
        tiles = [images.tile(panel, None, 1) for panel in panels]
        strip = np.zeros((len(tiles[0]), max(2, parts[0].shape[-1] // 4), 4), np.uint8)
        frame = np.concatenate([one for tile in tiles for one in (tile, strip)][:-1], 1)
        frames.append(np.where(frame[..., 3:] > 0, frame[..., :3], blank).transpose(2, 0, 1))
    return np.stack(frames)


def packed(frames: Array) -> images.Sprite:
    """The frames in one picture: exact where they are few or small."""
    return images.sprite(frames, quality=None if frames.size < 6_000_000 else 88)


def lines_under(film: Mapping[str, Array]) -> list[str]:
    """A line under each frame: its time and its signal-to-noise ratio."""
    snr = ["SNR ∞" if np.isinf(v) else f"SNR {np.exp(v):.3g}" for v in film["log_snr"]]
    return [f"t = {at} · {ratio}" for at, ratio in zip(film["t"], snr, strict=True)]


def way_back(
    film: Mapping[str, Array],
    parts: Sequence[str],
    *,
    key: str,
    alt: str,
    name: str,
    width: int = 900,
    autoplay: bool = False,
) -> None:
    """The parts of a way back side by side under one slider, and the same as a GIF; it plays, or shows its end."""
    frames = joined([film[part] for part in parts])
    scale = zoom(frames.shape, width)
    shown = int(frames.shape[-1] * scale)
    labels = "".join(f'<span style="flex:1;text-align:center">{PANELS[part]}</span>' for part in parts)
    st.html(f'<div style="display:flex;max-width:{shown}px;font-size:0.85rem;opacity:0.75">{labels}</div>')
    captions, start = lines_under(film), 0 if autoplay else len(frames) - 1
    scrubber(packed(frames), key=key, alt=alt, captions=captions, scale=scale, fps=6, start=start, autoplay=autoplay)
    gif = lambda: images.gif(frames, fps=8, scale=max(1, 720 // frames.shape[-1]))  # noqa: E731
    st.download_button("GIF", gif, f"{name}.gif", key=f"{key}-gif", on_click="ignore")

"""Films: what lies side by side moves together under one slider, on the page's own colour, and goes home as a GIF."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import streamlit as st

from genmodels import images
from genmodels.palette import rgb
from pages._ui.components.scrubber import scrubber
from pages._ui.shared.plot import paper
from pages._ui.views.common.shapes import zoom

__all__ = ["joined", "play"]

Frames = npt.NDArray[np.uint8]
FEW = 6_000_000  # numbers of a film that is sent as it is; longer ones lose what no eye misses


def joined(*parts: Frames) -> Frames:
    """Films of tiles, (F, n, C, H, W) each, beside each other in one, (F, 3, H, W): they move together."""
    blank = np.array(rgb(paper()), np.uint8)
    frames = []
    for panels in zip(*parts, strict=True):
        tiles = [images.tile(panel, None, 1) for panel in panels]
        strip = np.zeros((len(tiles[0]), max(2, parts[0].shape[-1] // 4), 4), np.uint8)
        frame = np.concatenate([piece for tile in tiles for piece in (tile, strip)][:-1], 1)
        frames.append(np.where(frame[..., 3:] > 0, frame[..., :3], blank).transpose(2, 0, 1))
    return np.stack(frames)


def play(
    frames: Frames,
    captions: Sequence[str],
    *,
    key: str,
    alt: str,
    width: int,
    name: str = "",
    labels: Sequence[str] = (),
    fps: float = 6.0,
    autoplay: bool = False,
) -> None:
    """A film (F, 3, H, W) about ``width`` wide, ``labels`` over its panels; a GIF, where the file has a ``name``."""
    scale = zoom(frames.shape, width)
    if labels:
        shown = int(frames.shape[-1] * scale)
        spans = "".join(f'<span style="flex:1;text-align:center">{label}</span>' for label in labels)
        st.html(f'<div style="display:flex;max-width:{shown}px;font-size:0.85rem;opacity:0.75">{spans}</div>')
    film = images.sprite(frames, quality=None if frames.size < FEW else 88)
    scrubber(film, key=key, alt=alt, captions=captions, scale=scale, fps=fps, autoplay=autoplay)
    if name:
        gif = lambda: images.gif(frames, fps=8, scale=max(1, 720 // frames.shape[-1]))  # noqa: E731
        st.download_button("GIF", gif, f"{name}.gif", key=f"{key}-gif", on_click="ignore")

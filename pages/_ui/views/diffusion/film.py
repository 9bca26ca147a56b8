"""Films of a diffusion: what lies side by side moves together, on the page's own colour."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import streamlit as st

from genmodels import images as pictures
from genmodels.data.datasets import DATASETS
from genmodels.instruments.diffusion import score
from pages._ui.components.scrubber import scrubber
from pages._ui.shared.moment import Moment

__all__ = ["PANELS", "Array", "half_of", "joined", "lines_under", "packed", "paper", "way_back"]

Array = npt.NDArray[Any]
PANELS = {"x_t": "noisy data xₜ", "eps": "predicted noise ε̂", "x_0": "predicted data x̂₀"}


def paper() -> str:
    """The colour of the page, for the gaps of a film."""
    return "#14171a" if st.context.theme.type == "dark" else "#ffffff"


def _tiled(images: Array, ground: str, columns: int | None = None, gap: int = 1) -> Array:
    """Images side by side on the page's colour, (3, H, W), uint8."""
    tile = pictures.tile(images, columns, gap)
    blank = np.array([int(ground[i : i + 2], 16) for i in (1, 3, 5)], np.uint8)
    return np.where(tile[..., 3:] > 0, tile[..., :3], blank).transpose(2, 0, 1)


def joined(parts: Sequence[Array], ground: str) -> Array:
    """Films (F, n, C, H, W) beside each other in one, (F, 3, H, W): they move together."""
    side = parts[0].shape[-1]
    films = [np.stack([_tiled(frame, ground) for frame in part]) for part in parts]
    blank = [int(ground[i : i + 2], 16) for i in (1, 3, 5)]
    strip = np.empty((*films[0].shape[:3], max(2, side // 4)), np.uint8)
    strip[:] = np.array(blank)[:, None, None]
    return np.concatenate([one for film in films for one in (film, strip)][:-1], 3)


def packed(frames: Array) -> pictures.Sprite:
    """The frames in one picture: exact where they are few or small."""
    return pictures.sprite(frames, quality=None if frames.size < 6_000_000 else 88)


def lines_under(t: Array, log_snr: Array) -> list[str]:
    """A line under each frame."""
    snr = ["SNR ∞" if np.isinf(v) else f"SNR {np.exp(v):.3g}" for v in log_snr]
    return [f"t = {at} · {ratio}" for at, ratio in zip(t, snr, strict=True)]


def way_back(
    found: Mapping[str, Array],
    parts: Sequence[str],
    *,
    key: str,
    alt: str,
    name: str,
    width: int = 900,
    autoplay: bool = False,
) -> None:
    """The parts of a way back side by side under one slider, and the same as a GIF; it plays, or shows its end."""
    frames = joined([found[part] for part in parts], paper())
    scale = max(1.0, round(width / frames.shape[-1], 1))
    shown = int(frames.shape[-1] * scale)
    labels = "".join(f'<span style="flex:1;text-align:center">{PANELS[part]}</span>' for part in parts)
    st.html(f'<div style="display:flex;max-width:{shown}px;font-size:0.85rem;opacity:0.75">{labels}</div>')
    captions = lines_under(found["t"], found["log_snr"])
    start = 0 if autoplay else len(frames) - 1
    film = packed(frames)
    scrubber(film, key=key, alt=alt, captions=captions, scale=scale, fps=6, start=start, autoplay=autoplay)
    gif = lambda: pictures.gif(frames, fps=8, scale=max(1, 720 // frames.shape[-1]))  # noqa: E731
    st.download_button("GIF", gif, f"{name}.gif", key=f"{key}-gif", on_click="ignore")


def half_of(moment: Moment) -> float:
    """Half the side of the square that holds both the data and the noise."""
    return max(score.HALF, DATASETS[moment.data.name].extent)

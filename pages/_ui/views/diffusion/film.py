"""Films of a diffusion: its parts side by side, each frame with its time and its signal-to-noise ratio."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from genmodels import figures, images
from genmodels.instruments.arrays import Array, Arrays
from genmodels.instruments.plane import shades
from genmodels.text import number
from pages._ui.shared.plot import paper
from pages._ui.views.common.film import joined, play

__all__ = ["PANELS", "Array", "backdrop", "lines_under", "way_back"]

PANELS = {"x_t": "noisy data xₜ", "eps": "predicted noise ε̂", "x_0": "predicted data x̂₀"}


def lines_under(film: Arrays) -> list[str]:
    """A line under each frame: its time and its signal-to-noise ratio."""
    snr = ["SNR ∞" if np.isinf(v) else f"SNR {number(np.exp(v))}" for v in film["log_snr"]]
    return [f"t = {at:,} · {ratio}" for at, ratio in zip(film["t"], snr, strict=True)]


def backdrop(maps: Array | None, n: int) -> images.Sprite:
    """What lies under ``n`` frames of points: densities (F, H, W), the last of them to the end; paper where none is."""
    share = np.ones((1, 2, 2)) if maps is None else np.sqrt(maps / maps.max((1, 2), keepdims=True))
    color = paper() if maps is None else figures.DATA
    return images.sprite(shades(share[np.minimum(np.arange(n), len(share) - 1)], color, color, paper(), ink=0.75))


def way_back(film: Arrays, parts: Sequence[str], **how: Any) -> None:
    """The parts of a way back side by side under one slider, and the same as a GIF."""
    play(joined(*(film[part] for part in parts)), lines_under(film), labels=[PANELS[part] for part in parts], **how)

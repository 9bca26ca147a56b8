"""What a film of a training shows at each moment: samples, a map of codes, or samples over what a critic believes."""

import functools
import time
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from genmodels import figures
from genmodels.data.datasets import info
from genmodels.images import Sprite, sprite, tile
from genmodels.instruments import codes
from genmodels.instruments.gan import game, turns
from genmodels.models.capabilities import Critic, Decoder, Encoder, has
from genmodels.runs.store import Run

__all__ = ["beliefs", "has_map", "maps", "moments", "paper", "samples", "samples_film", "truth"]

SIDE = 15  # digits along a side of a map
MOST = 60  # frames of which each is the answer of a network


def paper() -> str:
    """The colour of the page."""
    return "#14171a" if st.context.theme.type == "dark" else "#ffffff"


def moments(run: Run) -> tuple[int, ...]:
    """:meth:`Run.frames`, as they were at most half a second ago."""
    return _moments(str(run.path), time.monotonic() // 0.5)


@functools.lru_cache(maxsize=256)
def _moments(path: str, now: float) -> tuple[int, ...]:
    return tuple(Run(Path(path)).frames())


def samples(path: str, step: int) -> Any:
    """What the model drew at a moment, shape (N, ...), read once for all who look; None where it drew nothing."""
    try:
        return _kept(path, step)
    except FileNotFoundError:
        return None


@functools.lru_cache(maxsize=2048)
def _kept(path: str, step: int) -> Any:
    drawn = Run(Path(path)).samples(step)
    if drawn is None:
        raise FileNotFoundError(path)  # not kept: it may come yet
    return drawn


@functools.lru_cache(maxsize=64)
def samples_film(path: str, steps: tuple[int, ...]) -> Sprite:
    """The samples so far, drawn once for all who look."""
    return sprite(np.stack([tile(samples(path, step))[..., :3].transpose(2, 0, 1) for step in steps]))


# What a network says at each snapshot ---------------------------------------------------------------------------------


def has_map(model: Any) -> bool:
    """Whether its latent space is a map of pictures: two dimensions, with an encoder that says which part is used."""
    return model.is_image and has(model, Decoder) and has(model, Encoder) and model.latent_dim == 2


@functools.lru_cache(maxsize=64)
def maps(path: str, steps: tuple[int, ...]) -> Sprite:
    """The latent plane at each snapshot as a film."""
    return sprite(np.stack([_map(path, step) for step in steps]), quality=80)


@functools.lru_cache(maxsize=8 * MOST)
def _map(path: str, step: int) -> Any:
    cells = codes.latent_map(Run(Path(path)).model(step), SIDE).x[::-1]
    pixels = tile(cells.reshape(SIDE * SIDE, *cells.shape[2:]), SIDE, 0)
    return pixels[..., :1].transpose(2, 0, 1)


def beliefs(path: str, steps: tuple[int, ...]) -> Sprite | None:
    """On the plane, what the critic makes of each point at each snapshot, in the page's colours; None without one."""
    return _beliefs(path, steps, paper()) if has(Run(Path(path)).model(steps[-1]), Critic) else None


@functools.lru_cache(maxsize=64)
def _beliefs(path: str, steps: tuple[int, ...], blank: str) -> Sprite:
    surfaces = np.stack([_belief(path, step) for step in steps])
    return sprite(turns.shades(surfaces, figures.DATA, figures.SAMPLES, blank), quality=85)


@functools.lru_cache(maxsize=8 * MOST)
def _belief(path: str, step: int) -> Any:
    run = Run(Path(path))
    model: Any = run.model(step)
    critic = game.surface(model, info(run.plan.data).extent, side=48)
    return (critic.values - critic.middle).astype(np.float32)


@functools.lru_cache(maxsize=64)
def truth(path: str) -> tuple[Any, float]:
    """Points of the data itself, and how far the plane is shown."""
    run = Run(Path(path))
    return run.data().test.x[:1000].numpy(), info(run.plan.data).extent

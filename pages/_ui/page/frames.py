"""What a film of a training shows at each moment: samples, a map of codes, or samples over what a critic believes.

It is drawn once for all who look, of a run as it was :func:`placed`: another in the same folder is another film.
"""

import functools
import time
from pathlib import Path
from typing import Any

import numpy as np

from genmodels import figures
from genmodels.data.datasets import info
from genmodels.images import Sprite, sprite, tile
from genmodels.instruments import codes
from genmodels.instruments.gan import game, turns
from genmodels.models.capabilities import Critic, has
from genmodels.runs.record import Plan
from genmodels.runs.store import Run
from pages._ui.shared.plot import paper
from pages._ui.shared.run_cache import Stamp, stamp

__all__ = ["beliefs", "maps", "moments", "placed", "samples", "samples_film", "truth"]

SIDE = 15  # digits along a side of a map
MOST = 60  # frames of which each is the answer of a network


def placed(run: Run) -> Stamp:
    """Where the run lies, and since when."""
    return stamp(run.path / Plan.FILE)


def _run(of: Stamp) -> Run:
    return Run(Path(of[0]).parent)


def moments(run: Run) -> tuple[int, ...]:
    """:meth:`Run.frames`, as they were at most half a second ago."""
    return _moments(str(run.path), time.monotonic() // 0.5)


@functools.lru_cache(maxsize=256)
def _moments(path: str, now: float) -> tuple[int, ...]:
    return tuple(Run(Path(path)).frames())


def samples(of: Stamp, step: int) -> Any:
    """What the model drew at a moment, shape (N, ...); None where it drew nothing."""
    try:
        return _kept(of, step)
    except FileNotFoundError:
        return None


@functools.lru_cache(maxsize=2048)
def _kept(of: Stamp, step: int) -> Any:
    drawn = _run(of).samples(step)
    if drawn is None:
        raise FileNotFoundError(of[0])  # not kept: it may come yet
    return drawn


@functools.lru_cache(maxsize=64)
def samples_film(of: Stamp, steps: tuple[int, ...]) -> Sprite:
    """The samples so far."""
    return sprite(np.stack([tile(samples(of, step))[..., :3].transpose(2, 0, 1) for step in steps]))


# What a network says at each snapshot ---------------------------------------------------------------------------------


@functools.lru_cache(maxsize=64)
def maps(of: Stamp, steps: tuple[int, ...]) -> Sprite:
    """The latent plane at each snapshot as a film."""
    return sprite(np.stack([_map(of, step) for step in steps]), quality=80)


@functools.lru_cache(maxsize=8 * MOST)
def _map(of: Stamp, step: int) -> Any:
    cells = codes.latent_map(_run(of).model(step), SIDE).x[::-1]
    pixels = tile(cells.reshape(SIDE * SIDE, *cells.shape[2:]), SIDE, 0)
    return pixels[..., :1].transpose(2, 0, 1)


def beliefs(of: Stamp, steps: tuple[int, ...]) -> Sprite | None:
    """On the plane, what the critic makes of each point at each snapshot, in the page's colours; None without one."""
    return _beliefs(of, steps, paper()) if has(_run(of).model(steps[-1]), Critic) else None


@functools.lru_cache(maxsize=64)
def _beliefs(of: Stamp, steps: tuple[int, ...], blank: str) -> Sprite:
    surfaces = np.stack([_belief(of, step) for step in steps])
    return sprite(turns.shades(surfaces, figures.DATA, figures.SAMPLES, blank), quality=85)


@functools.lru_cache(maxsize=8 * MOST)
def _belief(of: Stamp, step: int) -> Any:
    run = _run(of)
    model: Any = run.model(step)
    critic = game.surface(model, info(run.plan.data).extent, side=48)
    return (critic.values - critic.middle).astype(np.float32)


@functools.lru_cache(maxsize=64)
def truth(of: Stamp) -> tuple[Any, float]:
    """Points of the data itself, and how far the plane is shown."""
    run = _run(of)
    return run.data().test.x[:1000].numpy(), info(run.plan.data).extent

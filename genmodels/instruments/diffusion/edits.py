"""What a diffusion does to a test image: noise it and draw it again, fill it in, lead it to another.

Each is a task, and under it the mathematics: there data go in, and the steps come out, as ``model.inputs`` says (images
in [-1, 1]); ``model.to_data`` takes them to data space.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.codes import spherical
from genmodels.instruments.diffusion.denoising import (
    Task,
    count_of,
    examples_of,
    film_of,
    frames_of,
    images_only,
    shown,
)
from genmodels.metrics.evaluate import labels
from genmodels.models.ddpm import DDPM
from genmodels.probability.samplers import (
    Denoiser,
    Step,
    ancestral,
    arrived,
    denoised,
    heun,
    named,
    noise_like,
    timesteps,
    walk,
)
from genmodels.probability.schedules import Schedule
from genmodels.text import quoted

__all__ = ["MASKS", "filled", "inpaint", "interpolated", "invert", "mask", "redraw", "redrawn", "repaint"]

MASKS = ("right", "left", "bottom", "top", "middle")
"""What of an image can be hidden."""


def redrawn(
    model: DDPM, data: Data, example: int = 0, t: int = 500, n: int = 8, seed: int = 0, steps: int = 25
) -> Task:
    """A test image noised to time ``t`` and denoised ``n`` times over. A task.

    A conditional model is told the image's label.

    Returns:
        "x", the image, and the film of :func:`genmodels.instruments.diffusion.denoising.denoised` from t to 0.
    """
    x, y = _copies(model, data, example, n)
    film = yield from film_of(
        redraw(model, x, t, y=y, rng=random.generator(seed, model.device), steps=steps), min(steps, t)
    )
    return {"x": shown(model, x[0])} | frames_of(model, film)


def filled(
    model: DDPM,
    data: Data,
    example: int = 0,
    hidden: str = "right",
    n: int = 8,
    seed: int = 0,
    steps: int = 25,
    resample: int = 5,
) -> Task:
    """A test image of which a part is hidden, filled in ``n`` times over. A task.

    A conditional model is told the image's label.

    Returns:
        "x", the image; "seen", the image with the hidden part in grey; and the film, as in :func:`redrawn`, from T.
    """
    x, y = _copies(model, data, example, n)
    seen, rng = mask(model.shape, hidden).to(x), random.generator(seed, model.device)
    walk = inpaint(model, x, seen, y=y, rng=rng, steps=steps, resample=resample)
    film = yield from film_of(walk, min(steps, model.T))
    return {"x": shown(model, x[0]), "seen": shown(model, x[0] * seen)} | frames_of(model, film)


def _copies(model: DDPM, data: Data, example: int, n: int) -> tuple[Tensor, Tensor | None]:
    """A test image ``n`` times, and its label as often."""
    images_only(model)
    x = examples_of(model, data, example).expand(count_of(model, n), *model.shape)
    return x, labels(model, data.test.y[example].expand(n))


def mask(shape: tuple[int, ...], hidden: str) -> Tensor:
    """1 where an image is seen and 0 in its ``hidden`` half, or middle: shape (1, H, W)."""
    if hidden not in MASKS:
        raise BadInput(f"hidden = {quoted(hidden)} is not one of {', '.join(MASKS)}.")
    _, h, w = shape
    part = {
        "right": (slice(None), slice(w // 2, None)),
        "left": (slice(None), slice(0, w // 2)),
        "bottom": (slice(h // 2, None), slice(None)),
        "top": (slice(0, h // 2), slice(None)),
        "middle": (slice(h // 4, h - h // 4), slice(w // 4, w - w // 4)),
    }[hidden]
    seen = torch.ones(1, h, w)
    seen[(0, *part)] = 0
    return seen


def interpolated(model: DDPM, data: Data, first: int = 0, second: int = 1, n: int = 11, steps: int = 40) -> Task:
    """From one test image to another on a great circle in x_T. A task.

    Both are run upwards to their noise by the ODE, and everything between them down again: Song, Meng & Ermon (2021),
    Denoising diffusion implicit models, section 5.3. https://arxiv.org/abs/2010.02502

    Returns:
        "x", the two images; "path", (n, C, H, W); "blend", the same of the pixels, to compare; "x_T", the noise;
        "error", the root mean square between the images and the ends of the path, in data space.
    """
    images_only(model)
    ends = torch.cat([examples_of(model, data, i) for i in (first, second)])
    yield 0.0
    here, there = invert(model, ends, steps=steps).flatten(1)
    weight = torch.linspace(0, 1, count_of(model, n), device=model.device)
    x_T = spherical(here, there, weight).view(n, *model.shape)
    walk = model.trajectory(n, x_T=x_T, sampler="heun", steps=steps, guidance=0.0)
    film = yield from film_of(walk, min(steps, model.T))
    w = weight.view(-1, 1, 1, 1)
    blend, path = (1 - w) * ends[0] + w * ends[1], film[-1].x_t
    error = (model.to_data(path[[0, -1]]) - model.to_data(ends)).square().mean().sqrt()
    pictures = {"x": ends, "path": path, "blend": blend, "x_T": x_T / 3}
    return {name: shown(model, x) for name, x in pictures.items()} | {"error": np.array(float(error))}


# The mathematics ------------------------------------------------------------------------------------------------------


@torch.no_grad()
def redraw(
    model: DDPM,
    x: Tensor,
    t: int,
    *,
    y: Tensor | None = None,
    rng: torch.Generator | None = None,
    sampler: str = "dpm-solver",
    steps: int = 25,
) -> Iterator[Step]:
    """Noise the data to time ``t``, denoise them again, and yield the steps from t to 0.

    Meng et al. (2022), SDEdit: guided image synthesis and editing with SDEs. https://arxiv.org/abs/2108.01073

    Raises:
        BadInput: If ``t`` is not a time of the model.
    """
    if not 1 <= t <= model.T:
        raise BadInput(f"t = {t} is not a time of the model: use 1 to {model.T}.")
    x_t = model.schedule.noised(x, noise_like(x, rng), t)
    visited = timesteps(model.schedule, steps, "log-snr", start=t)
    eps = model.denoiser(model.asked(y, len(x)), sampler=sampler)
    move = named(sampler, eps, model.schedule, rng=rng, variance=model.variance)
    yield from walk(move, eps, model.schedule, x_t, visited)


@torch.no_grad()
def inpaint(
    model: DDPM,
    x: Tensor,
    mask: Tensor,
    *,
    y: Tensor | None = None,
    rng: torch.Generator | None = None,
    steps: int = 50,
    resample: int = 5,
) -> Iterator[Step]:
    """Keep ``x`` where ``mask`` is 1, make the rest by RePaint, and yield the steps from T to 0.

    With ``resample`` = 1 it is plain replacement; see :func:`repaint`.

    Raises:
        BadInput: If a step is not taken at least once.
    """
    if resample < 1:
        raise BadInput(f"resample = {resample} is not how often a step can be taken: use 1 or more.")
    x_T = noise_like(x, rng)
    eps, visited = model.denoiser(model.asked(y, len(x)), sampler="ancestral"), model.times(steps)
    variance = model.variance
    yield from repaint(eps, model.schedule, x_T, visited, x, mask, rng=rng, resample=resample, variance=variance)


@torch.no_grad()
def invert(model: DDPM, x: Tensor, *, y: Tensor | None = None, steps: int = 50) -> Tensor:
    """The x_T from which the probability-flow ODE makes ``x``: Heun's method, run upwards from t = 1."""
    rising = timesteps(model.schedule, steps, "log-snr")[-2::-1]
    x_1, _ = model.schedule.q(x, rising[0])
    eps = model.denoiser(model.asked(y, len(x)))
    *_, last = walk(heun(eps, model.schedule), eps, model.schedule, x_1, rising)
    return last.x_t


def repaint(
    eps: Denoiser,
    schedule: Schedule,
    x: Tensor,
    times: Sequence[int],
    known: Tensor,
    mask: Tensor,
    *,
    rng: torch.Generator | None = None,
    resample: int = 1,
    variance: str = "beta",
) -> Iterator[Step]:
    r"""Fill in what a mask hides: :func:`ancestral`, with the known part put back after every step at its own noise.

    Lugmayr et al. (2022), RePaint, algorithm 1. https://arxiv.org/abs/2201.09865. With ``resample`` > 1 each step is
    taken that often, with the noise from s to t added back in between, so that the two parts can come to agree.

    Args:
        eps: What noise is in x_t.
        schedule: The schedule.
        x: Where to start, at ``times[0]``, shape (B, …).
        times: Falling to 0.
        known: The data, shape (B, …); only what the mask shows is used.
        mask: 1 where the data are known and 0 where they are to be made, of a shape that multiplies ``known``.
        rng: The source of the noise.
        resample: How often each step is taken.
        variance: As in :func:`ancestral`.
    """
    move = ancestral(schedule, rng=rng, variance=variance)
    for t, s in pairwise(times):
        for again in range(resample):
            step = denoised(eps, schedule, x, t)
            if again == resample - 1:
                yield step
            made = move(step, s)
            shown = schedule.noised(known, noise_like(x, rng), s) if s > 0 else known
            x_s = mask * shown + (1 - mask) * made
            if again < resample - 1:
                alpha = schedule.alpha_bar[t] / schedule.alpha_bar[s]
                x = alpha.sqrt() * x_s + (1 - alpha).sqrt() * noise_like(x, rng)
        x = x_s
    yield arrived(step, x)

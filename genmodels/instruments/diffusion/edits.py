"""What a diffusion does to a test image: noise it and draw it again, fill it in, lead it to another.

Each is a task, and under it the mathematics: there data go in, and the steps come out, as ``model.inputs`` says (images
in [-1, 1]); ``model.to_data`` takes them to data space.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Arrays, Task, arrays
from genmodels.instruments.codes import spherical
from genmodels.instruments.diffusion.film import count_of, film_of, frames_of, shown
from genmodels.instruments.examples import example as example_of
from genmodels.instruments.examples import images_only
from genmodels.metrics.evaluate import labels
from genmodels.models.ddpm import DDPM
from genmodels.probability.diffusion.times import timesteps
from genmodels.probability.repaint import repaint
from genmodels.probability.samplers import Step, heun, named, noise_like, walk
from genmodels.text import number, quoted

__all__ = [
    "MASKS",
    "conclusion",
    "conclusion_of_path",
    "filled",
    "inpaint",
    "interpolated",
    "invert",
    "mask",
    "redraw",
    "redrawn",
]

MASKS = ("right", "left", "bottom", "top", "middle")
"""What of an image can be hidden."""


def redrawn(
    model: DDPM, data: Data, example: int = 0, t: int = 500, n: int = 8, seed: int = 0, steps: int = 25
) -> Task:
    """A test image noised to time ``t`` and denoised ``n`` times over. A task.

    A conditional model is told the image's label.

    Returns:
        "x", the image, and the film (:func:`genmodels.instruments.diffusion.film.frames_of`) from t to 0.
    """
    x, y = _copies(model, data, example, n)
    back = redraw(model, x, t, y=y, rng=random.generator(seed, model.device), steps=steps)
    film = yield from film_of(back, min(steps, t))
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
    back = inpaint(model, x, seen, y=y, rng=rng, steps=steps, resample=resample)
    film = yield from film_of(back, min(steps, model.T))
    return {"x": shown(model, x[0]), "seen": shown(model, x[0] * seen)} | frames_of(model, film)


def _copies(model: DDPM, data: Data, example: int, n: int) -> tuple[Tensor, Tensor | None]:
    """A test image ``n`` times, and its label as often."""
    images_only(model)
    x = example_of(model, data, example).expand(count_of(model, n), *model.shape)
    return x, labels(model, data.test.y[example].expand(n))


def mask(shape: tuple[int, ...], hidden: str) -> Tensor:
    """1 where an image is seen and 0 in its ``hidden`` half, or middle: shape (1, H, W)."""
    if hidden not in MASKS:
        raise BadInput(f"hidden = {quoted(hidden)} is not one of {', '.join(MASKS)}.")
    _, h, w = shape
    rows = {"bottom": slice(h // 2, None), "top": slice(h // 2), "middle": slice(h // 4, h - h // 4)}
    columns = {"right": slice(w // 2, None), "left": slice(w // 2), "middle": slice(w // 4, w - w // 4)}
    seen = torch.ones(1, h, w)
    seen[0, rows.get(hidden, slice(None)), columns.get(hidden, slice(None))] = 0
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
    ends = torch.cat([example_of(model, data, i) for i in (first, second)])
    yield 0.0
    here, there = invert(model, ends, steps=steps).flatten(1)
    weight = torch.linspace(0, 1, count_of(model, n), device=model.device)
    x_T = spherical(here, there, weight).view(n, *model.shape)
    for i, now in enumerate(model.trajectory(n, x_T=x_T, sampler="heun", steps=steps, guidance=0.0)):
        path = now.x_t
        yield (i + 1) / (min(steps, model.T) + 1)
    blend = torch.lerp(ends[:1], ends[1:], weight.view(-1, 1, 1, 1))
    error = (model.to_data(path[[0, -1]]) - model.to_data(ends)).square().mean().sqrt()
    pictures = {"x": ends, "path": path, "blend": blend, "x_T": x_T / 3}
    return arrays(error=error, **{name: shown(model, x) for name, x in pictures.items()})


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
    move = named(sampler, eps, model.schedule, rng=rng, variance=model.reverse_variance(y))
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

    With ``resample`` = 1 it is plain replacement; see :func:`genmodels.probability.repaint.repaint`.

    Raises:
        BadInput: If a step is not taken at least once.
    """
    if resample < 1:
        raise BadInput(f"resample = {resample} is not how often a step can be taken: use 1 or more.")
    x_T = noise_like(x, rng)
    eps, visited = model.denoiser(model.asked(y, len(x)), sampler="ancestral"), model.times(steps)
    variance = model.reverse_variance(y)
    yield from repaint(eps, model.schedule, x_T, visited, x, mask, rng=rng, resample=resample, variance=variance)


@torch.no_grad()
def invert(model: DDPM, x: Tensor, *, y: Tensor | None = None, steps: int = 50) -> Tensor:
    """The x_T from which the probability-flow ODE makes ``x``: Heun's method, run upwards from t = 1."""
    rising = timesteps(model.schedule, steps, "log-snr")[-2::-1]
    x_1, _ = model.schedule.q(x, rising[0])
    eps = model.denoiser(model.asked(y, len(x)))
    *_, last = walk(heun(eps, model.schedule), eps, model.schedule, x_1, rising)
    return last.x_t


# What they come to -----------------------------------------------------------------------------------------------


def conclusion(film: Arrays) -> str:
    """How far the images at the end of a film are from the test image "x" and from each other, in grey from 0 to 1."""
    ends, x = film["x_t"][-1].astype(float) / 255, film["x"].astype(float) / 255
    away = math.sqrt(float(((ends - x) ** 2).mean()))
    text = f"At the end the images are {number(away)} away from the picture"
    if len(ends) > 1:  # the mean square between two of n is twice their variance
        text += f" and {number(math.sqrt(2 * float(ends.var(0, ddof=1).mean())))} from each other"
    return text + ", root mean square of grey from 0 to 1."


def conclusion_of_path(way: Arrays) -> str:
    """How near the ends come back, and how much contrast there is midway, as a share of the ends'."""
    contrast = lambda x: float(x.std(dtype=float))  # noqa: E731
    error, middle = number(float(way["error"])), len(way["path"]) // 2
    ends = (contrast(way["x"][0]) + contrast(way["x"][1])) / 2
    text = f"The two pictures come back to within {error}, root mean square of grey from 0 to 1"
    if not ends:
        return text + "."
    noise, pixels = (contrast(way[name][middle]) / ends for name in ("path", "blend"))
    return text + f"; midway there is {noise:.0%} of their contrast through the noise, {pixels:.0%} through the pixels."

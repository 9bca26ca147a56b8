"""What a diffusion does to a test image: noised and drawn again, filled in, led to another. Each is a task."""

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.errors import BadInput
from genmodels.hyperparameters import check
from genmodels.instruments.diffusion import editing
from genmodels.instruments.diffusion.denoising import (
    Task,
    asked_of,
    count_of,
    examples_of,
    film_of,
    frames_of,
    images_only,
    labels_of,
    shown,
)
from genmodels.text import quoted

__all__ = ["MASKS", "filled", "interpolated", "mask", "redrawn"]

MASKS = ("right", "left", "bottom", "top", "middle")
"""What of an image can be hidden."""


def redrawn(
    run: str, step: int | None = None, example: int = 0, t: int = 500, n: int = 8, seed: int = 0, steps: int = 25
) -> Task:
    """A test image noised to time ``t`` and denoised ``n`` times over. A task: "ddpm-redraw".

    A conditional model is told the image's label.

    Returns:
        "x", the image, and the film of :func:`denoised` from t to 0.
    """
    model, data = asked_of(run, step)
    images_only(model)
    x = examples_of(model, data, example).expand(count_of(model, n), *model.shape)
    y = labels_of(model, data.test.y[example].expand(n))
    walk = editing.redraw(model, x, t, y=y, rng=random.generator(seed, model.device), steps=steps)
    film = yield from film_of(walk, min(steps, t))
    return {"x": shown(model, x[0])} | frames_of(model, film)


def filled(
    run: str,
    step: int | None = None,
    example: int = 0,
    hidden: str = "right",
    n: int = 8,
    seed: int = 0,
    steps: int = 25,
    resample: int = 5,
) -> Task:
    """A test image of which a part is hidden, filled in ``n`` times over. A task: "ddpm-inpaint".

    A conditional model is told the image's label.

    Returns:
        "x", the image; "seen", the image with the hidden part in grey; and the film of :func:`denoised`.
    """
    model, data = asked_of(run, step)
    images_only(model)
    x = examples_of(model, data, example).expand(count_of(model, n), *model.shape)
    seen = mask(model.shape, hidden).to(x)
    options = check(editing.inpaint, {"steps": steps, "resample": resample})
    y = labels_of(model, data.test.y[example].expand(n))
    walk = editing.inpaint(model, x, seen, y=y, rng=random.generator(seed, model.device), **options)
    film = yield from film_of(walk, min(steps, model.T))
    return {"x": shown(model, x[0]), "seen": shown(model, x[0] * seen)} | frames_of(model, film)


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


def interpolated(
    run: str, step: int | None = None, first: int = 0, second: int = 1, n: int = 11, steps: int = 40
) -> Task:
    """From one test image to another on a great circle in x_T. A task: "ddpm-interpolate".

    Both are run upwards to their noise by the ODE, and everything between them down again
    (:func:`genmodels.instruments.diffusion.editing.interpolate`, with progress).

    Returns:
        "x", the two images; "path", (n, C, H, W); "blend", the same of the pixels, to compare; "x_T", the noise;
        "error", the root mean square between the images and the ends of the path, in data space.
    """
    model, data = asked_of(run, step)
    images_only(model)
    ends = torch.cat([examples_of(model, data, i) for i in (first, second)])
    yield 0.0
    here, there = editing.invert(model, ends, steps=steps)
    weight = torch.linspace(0, 1, count_of(model, n), device=model.device)
    x_T = editing.slerp(here, there, weight)
    film = yield from film_of(
        model.trajectory(n, x_T=x_T, sampler="heun", steps=steps, guidance=0.0), min(steps, model.T)
    )
    w = weight.view(-1, 1, 1, 1)
    blend, path = (1 - w) * ends[0] + w * ends[1], film[-1].x_t
    error = (model.to_data(path[[0, -1]]) - model.to_data(ends)).square().mean().sqrt()
    pictures = {"x": ends, "path": path, "blend": blend, "x_T": x_T / 3}
    return {name: shown(model, x) for name, x in pictures.items()} | {"error": np.array(float(error))}

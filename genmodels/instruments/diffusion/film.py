"""What the instruments of a diffusion share: how many examples they are of, and films of a model's steps back.

What asks the network many times is a task. Films keep at most :data:`FRAMES` of their steps; images in them are uint8.
"""

from collections.abc import Generator, Iterator

import numpy as np
import torch
from torch import Tensor

from genmodels.errors import BadInput
from genmodels.instruments.arrays import Array, Arrays, Task
from genmodels.models.ddpm import DDPM
from genmodels.probability.samplers import Step

__all__ = ["FRAMES", "Array", "Task", "count_of", "film_of", "frames_of", "shown"]

FRAMES = 50
MOST_IMAGES, MOST_POINTS = 100, 1000


def count_of(model: DDPM, n: int) -> int:
    """``n``, where so many examples may be asked for."""
    most = MOST_IMAGES if model.is_image else MOST_POINTS
    if not 1 <= n <= most:
        raise BadInput(f"n = {n} is not a number of examples from 1 to {most}.")
    return n


def shown(model: DDPM, x: Tensor, reach: float = 1.0) -> Array:
    """``x`` in the model's space as it is drawn: images as bytes, black at −reach and white at reach; else floats."""
    if not model.is_image:
        return x.float().cpu().numpy()
    return ((x / reach + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def film_of(steps: Iterator[Step], total: int) -> Generator[float, None, list[Step]]:
    """Walk through ``total`` + 1 steps, saying how far, and keep at most FRAMES of them: the first and the last."""
    kept = set(np.linspace(0, total, min(total + 1, FRAMES)).round().astype(int).tolist())
    film = []
    for i, now in enumerate(steps):
        if i in kept:
            film.append(now)
        yield (i + 1) / (total + 1)
    return film


def frames_of(model: DDPM, film: list[Step]) -> Arrays:
    r"""The film as arrays: "x_t", "eps" (grey is 0, black and white are ∓3) and "x_0", (F, n, \*shape); "t"; "log_snr".

    ε and x_0 are the model's guesses of noise and data; t and the log-SNR there have shape (F,).
    """
    t = np.array([now.t for now in film])
    frames = {"t": t, "log_snr": model.schedule.log_snr.cpu().numpy()[t]}
    parts = (("x_t", 1.0), ("eps", 3.0), ("x_0", 1.0))
    return frames | {name: np.stack([shown(model, getattr(now, name), reach) for now in film]) for name, reach in parts}

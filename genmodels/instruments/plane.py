"""Maps of the plane: the density that a model has learned, of whoever has one, beside the true one; maps as frames."""

import inspect
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import DATASETS, Data
from genmodels.data.noised import law_under
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Array, Arrays, Task, arrays
from genmodels.metrics import floors
from genmodels.models.capabilities import Density, has
from genmodels.palette import rgb
from genmodels.probability.distributions import kl_from_draws
from genmodels.text import number

__all__ = ["cells", "conclusion", "conclusion_of_kl", "density", "drawn", "shades"]

ROWS = 500  # points whose density is computed at once


def cells(half: float, side: int) -> Tensor:
    """The middles of side² cells of [−half, half]², x₂ by rows, rising, shape (side², 2)."""
    middles = (torch.arange(side) + 0.5) / side * 2 * half - half
    x2, x1 = torch.meshgrid(middles, middles, indexing="ij")
    return torch.stack([x1, x2], -1).reshape(-1, 2)


def density(model: Any, data: Data, side: int = 72, n: int = 1500) -> Task:
    """p(x) as learned and as it is. A task.

    Returns:
        "learned" and, where it is known, "true": (side, side), x₂ by rows, rising; "extent", left to top; "mass", the
        sum of what was learned over that square; and "kl": KL(true ‖ learned) in nats and its standard error, from
        ``n`` random test points and as many samples. "noise" is the standard deviation of what ``log_prob`` leaves of
        noise in the samples (a diffusion: 0 of others), and "alike" whether the true one has it too.

    Raises:
        BadInput: If the model has no density of points, or ``side`` is beyond 400.
    """
    if model.is_image or not has(model, Density):
        raise BadInput("A density can be drawn of a model of points of the plane that knows its density.")
    if not 2 <= side <= 400:
        raise BadInput(f"side = {side} is not a whole number from 2 to 400: the map has side × side cells.")
    half = DATASETS[data.name].extent
    grid, test, ours = cells(half, side), floors.chosen(data.test, n, 0).x.cpu(), torch.empty(0, 2)
    noise = model.noise_left
    truth, alike = law_under(data, noise)
    if alike:
        test = test + noise * random.randn(*test.shape, rng=random.generator(0))
    if truth is not None and not noise:  # with it, samples are not of this density
        ours = drawn(model, n).cpu()
    x, parts = torch.cat([grid, test, ours]), list[Tensor]()
    for part in x.split(ROWS):
        yield len(parts) * ROWS / len(x)
        parts.append(model.log_prob(part.to(model.device)).detach().cpu().double())
    log_q = torch.cat(parts)
    learned = log_q[: len(grid)].exp().view(side, side)
    mass = float(learned.sum()) * (2 * half / side) ** 2
    maps = arrays(learned=learned, extent=[-half, half] * 2, mass=mass, noise=noise)
    if truth is not None:
        ratios = truth(x[len(grid) :]).double() - log_q[len(grid) :]
        of_true, of_learned = ratios[: len(test)], ratios[len(test) :]
        kl = of_true.mean().item(), of_true.std().item() / math.sqrt(len(of_true))
        kl = kl_from_draws(of_true, of_learned) if len(of_learned) else kl
        maps |= arrays(true=truth(grid).exp().view(side, side), alike=alike, kl=kl)
    return maps


def conclusion(maps: Arrays) -> str:
    """How far what was learned is from the truth, a sentence; of what :func:`density` returns."""
    if "kl" not in maps:
        return f"{number(100 * float(maps['mass']))} % of what was learned lies in this square; the truth is not known."
    return conclusion_of_kl(
        maps["kl"],
        alike="What was learned cannot be told from the truth",
        beyond="Some of the data lie where the model has no density at all.",
        apart="Where the data lie, the true density is {} times (geometric mean) the learned one.",
    )


def conclusion_of_kl(kl_nats: Array, *, alike: str, beyond: str, apart: str) -> str:
    """A Kullback-Leibler divergence and its standard error, (2,), put into a sentence.

    The divergence is the mean log-ratio of two densities: ``apart`` says how many times one is the other, ``beyond``
    that one of them is 0 in places, ``alike`` that the two cannot be told from each other.
    """
    kl, error = (float(value) for value in kl_nats)
    if kl == math.inf:  # of which no error is known
        return beyond
    if math.isnan(kl) or math.isnan(error):
        return "The KL is not a number here: there is nothing to conclude."
    if abs(kl) <= 2 * error:
        return f"{alike}: KL {number(kl, 2)} ± {number(error, 2)} nats."
    return apart.format(number(math.exp(kl)) if kl < 700 else f"e^{number(kl)}")


def drawn(model: Any, n: int) -> Tensor:
    """``n`` samples x ~ p(x), shape (n, 2): drawn, of a model that otherwise shows their means."""
    options = {"draw": True} if "draw" in inspect.signature(model.sample).parameters else {}
    return model.sample(n, rng=random.generator(0, model.device), **options)


def shades(share: Array, above: str, below: str, paper: str, *, ink: float = 0.8) -> Array:
    """Maps (F, H, W) from −1 to 1, x₂ rising, as frames (F, 3, H, W), uint8, x₂ falling.

    At 0 they are ``paper``, at 1 and at −1 they have so much of the ``ink`` of the colours ``above`` and ``below`` it.
    """
    high, low, blank = (np.array(rgb(color), float)[:, None, None] for color in (above, below, paper))
    share = share[:, None, ::-1]
    return np.rint(blank + ink * np.abs(share) * (np.where(share > 0, high, low) - blank)).astype(np.uint8)

"""What else a diffusion can do with data than make them: noise and draw them again, fill in, go from one to the other.

Data go in, and the steps come out, as ``model.inputs`` says (images in [-1, 1]); ``model.to_data`` takes them to data
space. Options of sampling are declared as a model's hyperparameters are.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Annotated, Any

import torch
from torch import Tensor

from genmodels.errors import BadInput
from genmodels.hyperparameters import Between, Only
from genmodels.models.ddpm import DDPM
from genmodels.probability.samplers import (
    SAMPLERS,
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

__all__ = ["inpaint", "interpolate", "invert", "redraw", "repaint", "slerp"]


@torch.no_grad()
def redraw(
    model: DDPM,
    x: Tensor,
    t: int,
    *,
    y: Tensor | None = None,
    rng: torch.Generator | None = None,
    sampler: Annotated[str, Only(SAMPLERS, "how x_t becomes x_s")] = "dpm-solver",
    steps: Annotated[int, Between(1, 4000, "steps back to the data; never more than t", log=True)] = 25,
) -> Iterator[Step]:
    """Noise the data to time ``t``, denoise them again, and yield the steps from t to 0.

    Meng et al. (2022), SDEdit: guided image synthesis and editing with SDEs. https://arxiv.org/abs/2108.01073

    Raises:
        BadInput: If ``t`` is not a time of the model.
    """
    if not 1 <= t <= model.T:
        raise BadInput(f"t = {t} is not a time of the model: use 1 to {model.T}.")
    x_t = model.schedule.noised(x, noise_like(x, rng), t)
    visited, eps = timesteps(model.schedule, steps, "log-snr", start=t), model.denoiser(model.asked(y, len(x)))
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
    steps: Annotated[int, Between(1, 4000, "steps from noise to data; never more than T", log=True)] = 50,
    resample: Annotated[int, Between(1, 20, "how often each step is taken, so that old and new agree")] = 5,
) -> Iterator[Step]:
    """Keep ``x`` where ``mask`` is 1, make the rest by RePaint, and yield the steps from T to 0.

    With ``resample`` = 1 it is plain replacement; see :func:`repaint`.
    """
    x_T = noise_like(x, rng)
    eps, visited = model.denoiser(model.asked(y, len(x))), model.times(steps)
    how: dict[str, Any] = {"rng": rng, "resample": resample, "variance": model.variance}
    yield from repaint(eps, model.schedule, x_T, visited, x, mask, **how)


@torch.no_grad()
def invert(model: DDPM, x: Tensor, *, y: Tensor | None = None, steps: int = 50) -> Tensor:
    """The x_T from which the probability-flow ODE makes ``x``: Heun's method, run upwards from t = 1."""
    rising = timesteps(model.schedule, steps, "log-snr")[-2::-1]
    x_1, _ = model.schedule.q(x, rising[0])
    eps = model.denoiser(model.asked(y, len(x)))
    *_, last = walk(heun(eps, model.schedule), eps, model.schedule, x_1, rising)
    return last.x_t


def interpolate(model: DDPM, a: Tensor, b: Tensor, n: int, *, steps: int = 50) -> Tensor:
    r"""``n`` data from ``a`` to ``b``, one example each: made by the deterministic ODE from a great circle in x_T.

    Song, Meng & Ermon (2021), Denoising diffusion implicit models, section 5.3. https://arxiv.org/abs/2010.02502

    Returns:
        Data space, shape (n, \*shape). The ends are ``a`` and ``b`` to the accuracy of the solver.
    """
    first, last = invert(model, torch.stack([a, b]), steps=steps)
    x_T = slerp(first, last, torch.linspace(0, 1, n, dtype=a.dtype, device=a.device))
    *_, end = model.trajectory(n, x_T=x_T, sampler="heun", steps=steps, guidance=0.0)
    return model.to_data(end.x_t)


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


def slerp(a: Tensor, b: Tensor, weight: Tensor) -> Tensor:
    r"""Along the great circle from ``a`` to ``b``, so that noise stays as long as noise is.

    .. math:: \frac{\sin((1 - w)\theta)}{\sin\theta} a + \frac{\sin(w\theta)}{\sin\theta} b

    Song et al. (2021), appendix D.5. https://arxiv.org/abs/2010.02502

    Args:
        a: Shape (…).
        b: The same shape.
        weight: From 0 (``a``) to 1 (``b``), shape (n,).

    Returns:
        Shape (n, …).
    """
    cosine = torch.nn.functional.cosine_similarity(a.flatten(), b.flatten(), dim=0).clamp(-1, 1)
    theta = torch.acos(cosine)
    w = weight.reshape(-1, *[1] * a.ndim)
    if theta.sin() < 1e-4:
        return (1 - w) * a + w * b
    return (torch.sin((1 - w) * theta) * a + torch.sin(w * theta) * b) / torch.sin(theta)

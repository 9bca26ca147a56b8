"""What else a diffusion can do with data than make them: noise and draw them again, fill in, go from one to the other.

Data go in, and the steps come out, as ``model.inputs`` says (images in [-1, 1]); ``model.to_data`` takes them to data
space. Options of sampling are declared as a model's hyperparameters are.
"""

from collections.abc import Iterator
from typing import Annotated, Any

import torch
from torch import Tensor

from genmodels import random, samplers
from genmodels.errors import BadInput
from genmodels.hyperparameters import Between, Only
from genmodels.models.ddpm import DDPM, SAMPLERS
from genmodels.samplers import Step, slerp, times

__all__ = ["inpaint", "interpolate", "invert", "redraw"]


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
    x_t = model.schedule.noised(x, random.randn(*x.shape, rng=rng, device=x.device).to(x.dtype), t)
    visited = times(model.schedule, steps, "log-snr", start=t)
    yield from model.walk(model.denoiser(model.asked(y, len(x))), x_t, visited, rng=rng, sampler=sampler)


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

    With ``resample`` = 1 it is plain replacement; see :func:`genmodels.samplers.repaint`.
    """
    x_T = random.randn(*x.shape, rng=rng, device=x.device).to(x.dtype)
    eps, visited = model.denoiser(model.asked(y, len(x))), times(model.schedule, steps, "log-snr")
    how: dict[str, Any] = {"rng": rng, "resample": resample, "variance": model.variance}
    yield from samplers.repaint(eps, model.schedule, x_T, visited, x, mask, **how)


@torch.no_grad()
def invert(model: DDPM, x: Tensor, *, y: Tensor | None = None, steps: int = 50) -> Tensor:
    """The x_T from which the probability-flow ODE makes ``x``: Heun's method, run upwards from t = 1."""
    rising = times(model.schedule, steps, "log-snr")[-2::-1]
    x_1, _ = model.schedule.q(x, rising[0])
    *_, last = samplers.heun(model.denoiser(model.asked(y, len(x))), model.schedule, x_1, rising)
    return last.x_t


def interpolate(model: DDPM, a: Tensor, b: Tensor, n: int, *, steps: int = 50) -> Tensor:
    r"""``n`` data from ``a`` to ``b``, one example each: made by the deterministic ODE from a great circle in x_T.

    Song, Meng & Ermon (2021), Denoising diffusion implicit models, section 5.3. https://arxiv.org/abs/2010.02502

    Returns:
        Data space, shape (n, \*shape). The ends are ``a`` and ``b`` to the accuracy of the solver.
    """
    first, last = invert(model, torch.stack([a, b]), steps=steps)
    x_T = slerp(first, last, torch.linspace(0, 1, n, dtype=a.dtype, device=a.device))
    *_, end = model.trajectory(n, x_T=x_T, sampler="heun", steps=steps)
    return model.to_data(end.x_t)

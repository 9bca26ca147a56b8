"""RePaint: a diffusion fills in what a mask hides of its data.

Lugmayr et al. (2022), RePaint: inpainting using denoising diffusion probabilistic models, algorithm 1.
https://arxiv.org/abs/2201.09865
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from genmodels.probability.samplers import Denoiser, Step, Variance, ancestral, arrived, denoised, noise_like
from genmodels.probability.schedules import Schedule

__all__ = ["repaint"]


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
    variance: Variance = "beta",
) -> Iterator[Step]:
    r"""Fill in what a mask hides: :func:`ancestral`, with the known part put back after every step at its own noise.

    With ``resample`` > 1 each step is taken that often, with the noise from s to t added back in between, so that the
    two parts can come to agree.

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

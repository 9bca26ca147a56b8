"""Which times a sampler visits on its way from noise to data, where it does not visit all of them."""

import math

import torch

from genmodels.probability.schedules import Schedule

__all__ = ["SPACINGS", "timesteps"]

SPACINGS = ("uniform", "log-snr", "early")


def timesteps(schedule: Schedule, steps: int, spacing: str = "uniform", *, start: int | None = None) -> tuple[int, ...]:
    r"""The times to visit, falling from ``start`` (by default T) to 0 in ``steps`` steps, or in as many as there are.

    Args:
        schedule: The schedule.
        steps: How often a sampler will ask for the noise (:func:`heun`: twice that, less one).
        spacing: "uniform" in t; "log-snr": uniform in the logarithm of the signal-to-noise ratio, down to t = 1;
            or "early": uniform in :math:`u`, for a log-SNR of :math:`2 \ln \tan(\pi u^{3/2} / 2)`, which is the cosine
            schedule's with steps that begin small. Where noise is strong a picture's brightness is decided, and steps
            too long make it too dark and too much alike.
        start: The largest time.
    """
    start = schedule.T if start is None else start
    n = min(steps, start)
    rank = torch.arange(n, dtype=torch.float64)
    if spacing == "uniform":
        times = start * (rank + 1) / n
    elif n == 1:
        times = torch.tensor([float(start)])
    elif spacing == "early":
        noisiest = (2 / math.pi * (schedule.log_snr[start] / 2).exp().atan()) ** (2 / 3)
        u = torch.lerp(torch.ones_like(noisiest), noisiest, (rank.to(noisiest) + 1) / n)
        times = schedule.time(2 * (math.pi / 2 * u**1.5).tan().log()).cpu().double()
    else:
        low, high = schedule.log_snr[[start, 1]]
        times = schedule.time(torch.lerp(high, low, rank.to(low) / (n - 1))).cpu().double()
    apart = (times.round() - rank).clamp(min=1).cummax(0).values  # all different, from 1 to start
    times = torch.minimum(apart, torch.tensor(float(start - n + 1))) + rank
    return (*map(int, reversed(times.tolist())), 0)

r"""Curves of noise by name: the variances β_1 … β_T of a diffusion's steps from data to noise."""

import itertools
import math

import torch
from torch import Tensor

from genmodels.errors import BadInput

__all__ = ["cosine", "drawn", "linear"]


def linear(T: int) -> Tensor:
    r"""β rising linearly from 1e-4 to 0.02 at T = 1000 (DDPM, section 4).

    For any other T the same curve :math:`\log \bar\alpha` is read at T points, linearly between its thousand, so that
    the noise at the end is exactly the same whatever T.

    Returns:
        β, shape (T,), float64.
    """
    log_alpha = torch.log1p(-torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64))
    curve = torch.cat([torch.zeros(1, dtype=torch.float64), log_alpha.cumsum(0)])
    return -torch.expm1(_read(curve, torch.arange(T + 1) * 1000 / T).diff())


def cosine(T: int) -> Tensor:
    r""":math:`\bar\alpha_t \propto \cos^2\left(\frac{t/T + s}{1 + s} \frac{\pi}{2}\right)`, s = 0.008, β at most 0.999.

    Nichol & Dhariwal (2021), Improved denoising diffusion probabilistic models, eq. 17. https://arxiv.org/abs/2102.09672

    Returns:
        β, shape (T,), float64.
    """
    u = torch.arange(T + 1, dtype=torch.float64) / T
    f = torch.cos((u + 0.008) / 1.008 * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


def drawn(T: int, knots: tuple[float, ...]) -> Tensor:
    r"""The schedule whose log-SNR :math:`\log(\bar\alpha_t / (1 - \bar\alpha_t))` goes in straight lines through knots.

    Args:
        T: Steps.
        knots: The log-SNR at equally spaced times, the first at t = 1 and the last at t = T, falling.

    Returns:
        β, shape (T,), float64.

    Raises:
        BadInput: If a knot is not lower than the one before.
    """
    if any(b >= a for a, b in itertools.pairwise(knots)):
        row = ", ".join(f"{knot:g}" for knot in knots)
        raise BadInput(f"knots = {row} is no schedule: noise only grows, so each log-SNR must be lower than the last.")
    log_snr = _read(torch.tensor(knots, dtype=torch.float64), torch.linspace(0, len(knots) - 1, T, dtype=torch.float64))
    alpha_bar = torch.cat([torch.ones(1, dtype=torch.float64), log_snr.sigmoid()])
    return 1 - alpha_bar[1:] / alpha_bar[:-1]


def _read(curve: Tensor, at: Tensor) -> Tensor:
    """The curve through ``curve[0], curve[1], …`` at real positions, linear in between."""
    left = at.long().clamp(max=len(curve) - 2)
    return torch.lerp(curve[left], curve[left + 1], at.to(curve) - left)

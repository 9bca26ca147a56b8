r"""Markov chains whose law comes ever nearer to a density that is known but for its normalizer: Langevin and HMC.

.. math:: z' = z + \frac{h^2}{2} \nabla \log \pi(z) + h\, \epsilon

One Langevin step is Hamiltonian Monte Carlo with a single leapfrog step. Each proposal is accepted with the probability
that keeps π what it is (Metropolis et al. 1953); so steps may be large, and only become fewer. Neal (2011), MCMC using
Hamiltonian dynamics, sections 3 and 5.2, https://arxiv.org/abs/1206.1901.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from genmodels import random

__all__ = ["hmc"]


def hmc(
    log_density: Callable[[Tensor], Tensor], z: Tensor, size: Tensor | float, leaps: int, rng: torch.Generator
) -> tuple[Tensor, Tensor]:
    """One transition of every chain: a momentum is drawn, ``leaps`` leapfrog steps, and the end accepted or not.

    Args:
        log_density: log π(z) but for a constant, (N,), for z (N, L); differentiable.
        z: Where the chains are, (N, L).
        size: Of a leapfrog step, a number or (L,): about the smallest standard deviation of π, or of each dimension.
        leaps: How many; 1: Langevin dynamics.
        rng: The source of all noise.

    Returns:
        Where they are then, (N, L), and which proposals were accepted, (N,).
    """
    momentum = random.randn(*z.shape, rng=rng, device=z.device).to(z)
    value, slope = _value_and_slope(log_density, z)
    start = value - 0.5 * momentum.square().sum(1)
    there, now, p = z, slope, momentum
    for _ in range(leaps):
        p = p + 0.5 * size * now
        there = there + size * p
        value, now = _value_and_slope(log_density, there)
        p = p + 0.5 * size * now
    gain = value - 0.5 * p.square().sum(1) - start  # of the total energy, with its sign turned
    u = random.rand(len(z), rng=rng, device=z.device).to(z)
    accepted = u.log() < gain  # nothing is accepted where the gain is not a number
    return torch.where(accepted.unsqueeze(1), there, z), accepted


def _value_and_slope(log_density: Callable[[Tensor], Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = log_density(z)
        (slope,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), slope

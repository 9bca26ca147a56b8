"""Densities on the plane whose truth is known: each can be sampled exactly and knows its log-density."""

import math

import torch
from torch import Tensor

from genmodels import random

__all__ = ["Mixture", "Plane"]


class Plane:
    """A distribution on the plane, made of ``classes`` named parts."""

    classes: tuple[str, ...] = ()

    def draw(self, n: int, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """``n`` independent points, shape (n, 2), and the part each came from, int64 (n,)."""
        raise NotImplementedError

    def sample(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        """``n`` independent points, shape (n, 2)."""
        return self.draw(n, rng)[0]

    def log_prob(self, x: Tensor) -> Tensor:
        """Exact log-density of the points ``x`` (N, 2) in nats, shape (N,), in their precision and on their device."""
        raise NotImplementedError


class Mixture(Plane):
    """Equally likely isotropic Gaussians of one width."""

    def __init__(self, means: list[tuple[float, float]], sigma: float) -> None:
        self.means, self.sigma = means, sigma
        self.classes = tuple(str(i) for i in range(len(means)))

    def draw(self, n: int, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        y = random.randint(0, len(self.means), n, rng=rng)
        means = torch.tensor(self.means, device=y.device)
        return means[y] + self.sigma * random.randn(n, 2, rng=rng), y

    def log_prob(self, x: Tensor) -> Tensor:
        means = torch.tensor(self.means, dtype=x.dtype, device=x.device)
        squared = (x[:, None] - means).square().sum(-1)  # (N, K)
        logits = -squared / (2 * self.sigma**2)
        return logits.logsumexp(1) - math.log(len(self.means) * 2 * math.pi * self.sigma**2)


def eight_gaussians() -> Mixture:
    """Eight Gaussians on a circle of radius 2."""
    angles = [2 * math.pi * k / 8 for k in range(8)]
    return Mixture([(2 * math.cos(a), 2 * math.sin(a)) for a in angles], sigma=0.2)

"""A mixture of Gaussians under noise: a diffusion whose every quantity is known, to hold the samplers against."""

import torch
from torch import Tensor

from genmodels.probability.schedules import Schedule


class Mixture:
    """x_0 ~ Σ w_k N(m_k, S_k), so x_t ~ Σ w_k N(√ᾱ m_k, ᾱ S_k + (1 − ᾱ) I)."""

    def __init__(self, schedule: Schedule, weights: list[float], means: list[list[float]], covs: list) -> None:
        self.schedule = schedule
        self.w = torch.tensor(weights, dtype=torch.float64)
        self.m = torch.tensor(means, dtype=torch.float64)
        self.S = torch.tensor(covs, dtype=torch.float64)
        self.axes, self.turn = torch.linalg.eigh(self.S)  # variances (K, D) along the columns of (K, D, D)

    @property
    def mean(self) -> Tensor:
        return self.w @ self.m

    @property
    def cov(self) -> Tensor:
        d = self.m - self.mean
        return torch.einsum("k,kij->ij", self.w, self.S + d[:, :, None] * d[:, None, :])

    def _components(self, x: Tensor, t: Tensor | int) -> tuple[Tensor, Tensor]:
        """Log of weight times density, (B, K), and the gradient of each log-density, (B, K, D), at x_t."""
        a, sigma = (rate[:, None, :] for rate in self.schedule.rates(t, x))
        variance = a**2 * self.axes + sigma**2  # (B or 1, K, D)
        z = torch.einsum("kij,bki->bkj", self.turn, x[:, None, :] - a * self.m)
        log_p = -0.5 * (z**2 / variance + (2 * torch.pi * variance).log()).sum(2)
        return log_p + self.w.log(), -torch.einsum("kij,bkj->bki", self.turn, z / variance)

    def log_prob(self, x: Tensor, t: Tensor | int = 0) -> Tensor:
        """log p(x_t), shape (B,)."""
        return self._components(x, t)[0].logsumexp(1)

    def eps(self, x: Tensor, t: Tensor) -> Tensor:
        """E[ε | x_t] = −√(1 − ᾱ) ∇ log p(x_t)."""
        log_p, gradient = self._components(x, t)
        score = (log_p.softmax(1)[:, :, None] * gradient).sum(1)
        return -self.schedule.rates(t, x)[1] * score

    def sample(self, n: int, seed: int = 0) -> Tensor:
        rng = torch.Generator().manual_seed(seed)
        k = torch.multinomial(self.w, n, replacement=True, generator=rng)
        noise = torch.randn(n, self.m.shape[1], generator=rng, dtype=torch.float64)
        return self.m[k] + torch.einsum("bij,bj->bi", torch.linalg.cholesky(self.S)[k], noise)

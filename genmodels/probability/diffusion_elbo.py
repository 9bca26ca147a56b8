r"""The variational bound of a diffusion model, term by term, in nats.

.. math:: -\log p(x_0) \le
    \underbrace{KL(q(x_T \mid x_0) \,\|\, p(x_T))}_{L_T} +
    \sum_{t=2}^{T} \underbrace{E_q\, KL(q(x_{t-1} \mid x_t, x_0) \,\|\, p(x_{t-1} \mid x_t))}_{L_{t-1}}
    \underbrace{- E_q \log p(x_0 \mid x_1)}_{L_0}

Ho, Jain & Abbeel (2020), Denoising diffusion probabilistic models, eq. 5. https://arxiv.org/abs/2006.11239
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from typing import NamedTuple

import torch
from torch import Tensor

from genmodels import random
from genmodels.errors import BadInput
from genmodels.probability.diffusion.learned import even, level_term
from genmodels.probability.distributions import kl_to_standard_normal, normal_log_prob
from genmodels.probability.samplers import noise_like
from genmodels.probability.schedules import Schedule

__all__ = [
    "Bound",
    "Chain",
    "Guess",
    "discretized_log_prob",
    "in_parts",
    "last_or",
    "last_term",
    "prior_term",
    "step_term",
    "term",
]

Guess = Callable[[Tensor, Tensor], Tensor]
"""x̂_0 (or ν, of a learned variance) from x_t, shape (N, …), and t, shape (N,)."""


ROWS = 512  # that the network sees at once where a bound asks it about many


def in_parts(x_0_hat: Callable[..., Tensor], y: Tensor | None = None) -> Guess:
    """``x_0_hat(x_t, t, y)`` of B examples, each at several times in a row; memory does not grow with their number."""

    def guess(x_t: Tensor, t: Tensor) -> Tensor:
        labels = repeat(None) if y is None else y.repeat_interleave(len(x_t) // len(y)).split(ROWS)
        parts = zip(x_t.split(ROWS), t.split(ROWS), labels, strict=False)
        return torch.cat([x_0_hat(*part) for part in parts])

    return guess


class Bound(NamedTuple):
    """The terms for a batch, in nats.

    Attributes:
        prior: L_T, shape (B,).
        steps: L_{t-1} for t = 2 … T, in this order, shape (B, T - 1).
        last: L_0, shape (B,).
    """

    prior: Tensor
    steps: Tensor
    last: Tensor

    @property
    def nats(self) -> Tensor:
        """The whole bound on -log p(x), shape (B,)."""
        return self.prior + self.steps.sum(1) + self.last

    def bpd(self, dimensions: int) -> Tensor:
        """The bound on −log p(x) in bits per dimension, shape (B,)."""
        return self.nats / (dimensions * math.log(2))


@dataclass(frozen=True)
class Chain:
    """A diffusion model as its bound sees it: the chain of its steps back.

    Attributes:
        guess: The model's x̂_0 from x_t and t.
        schedule: The schedule.
        variance: σ_t² of the model's steps is β_t ("beta"), β̃_t ("posterior") or, by a ν of x_t and t, between them.
        bins: Grey levels of the data in [-1, 1]; 0: real numbers.
        by_level: x_1 alone says the grey levels (:func:`genmodels.probability.diffusion.learned.level_term`).
    """

    guess: Guess
    schedule: Schedule
    variance: str | Guess = "beta"
    bins: int = 0
    by_level: bool = False

    def every_term(self, x_0: Tensor, rng: torch.Generator | None = None, *, chunk: int = 16) -> Bound:
        """All terms for the data ``x_0``, (B, …), each at one draw of x_t; ``chunk`` times are computed at once."""
        t = torch.arange(2, self.schedule.T + 1, device=x_0.device)
        steps = [self.steps(x_0, part.expand(len(x_0), -1), rng)[0] for part in t.split(chunk)]
        return Bound(prior_term(self.schedule, x_0), torch.cat(steps, 1), self.last(x_0, rng))

    def estimate(self, x_0: Tensor, rng: torch.Generator | None = None, *, draws: int = 32) -> Tensor:
        """The whole bound on -log p(x), unbiased, from ``draws`` of its T - 1 steps for each x: nats, shape (B,)."""
        return prior_term(self.schedule, x_0) + self.some_steps(x_0, rng, draws=draws) + self.last(x_0, rng)

    def some_steps(self, x_0: Tensor, rng: torch.Generator | None = None, *, draws: int) -> Tensor:
        """The sum of the T - 1 steps, unbiased, from ``draws`` of them for each x: nats, shape (B,).

        The times 2 … T are cut into ``draws`` equal parts, and one time is drawn from each.
        """
        T = self.schedule.T
        if not 1 <= draws <= T - 1:
            raise BadInput(f"draws = {draws} is not a number of steps: use 1 to {T - 1}.")
        edges = 2 + torch.arange(draws + 1, device=x_0.device) * (T - 1) // draws
        size = edges.diff()
        place = random.rand(len(x_0), draws, rng=rng, device=x_0.device)
        t = torch.minimum(edges[:-1] + (place * size).long(), edges[1:] - 1)
        return (self.steps(x_0, t, rng)[0] * size).sum(1)

    def steps(self, x_0: Tensor, t: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """L_{t-1} of each x_0 at its times t ≥ 2, and the squared error of the noise per dimension, (B, K) each."""
        eps = random.randn(*t.shape, *x_0.shape[1:], rng=rng, device=x_0.device).to(x_0.dtype).flatten(0, 1)
        x_0, at = x_0.repeat_interleave(t.shape[1], 0), t.flatten()
        x_t = self.schedule.noised(x_0, eps, at)
        guess, variance = self.guess(x_t, at), self.variance_at(x_t, at)
        error = (self.schedule.to_eps(guess, x_t, at, "x0") - eps).square().flatten(1).mean(1)
        return step_term(self.schedule, x_0, x_t, guess, at, variance).view_as(t), error.view_as(t)

    def continuous(self, x_0: Tensor, rng: torch.Generator | None = None, *, draws: int = 32) -> tuple[Tensor, Tensor]:
        r"""The cost of the steps, were there infinitely many: nats, and −log SNR, at ``draws`` times, (B, K) each.

        .. math:: L_\infty = \tfrac12 E_{u \sim U(0, 1), \epsilon}\, \gamma'(u)\, \|\epsilon - \hat\epsilon(x_u, u)\|^2

        Kingma et al. (2021), Variational diffusion models, eq. 17. The log-SNR is linear between the steps, from t = 1
        to T, and each number is an unbiased estimate of the whole. https://arxiv.org/abs/2107.00630
        """
        log_snr = self.schedule.log_snr
        u = torch.stack([even(draws, rng, x_0.device) for _ in range(len(x_0))]).double().to(log_snr)
        t = (1 + u * (self.schedule.T - 1)).flatten()
        left = t.long().clamp(1, self.schedule.T - 1)
        slope = (self.schedule.T - 1) * (log_snr[left] - log_snr[left + 1])
        gamma = -torch.lerp(log_snr[left], log_snr[left + 1], t - left)
        x, eps = x_0.repeat_interleave(draws, 0), random.randn(len(t), *x_0.shape[1:], rng=rng, device=x_0.device)
        x_t = self.schedule.noised(x, eps.to(x), t)
        said = self.schedule.to_eps(self.guess(x_t, t), x_t, t, "x0")
        nats = slope / 2 * (said - eps).square().flatten(1).sum(1)
        return nats.view_as(u), gamma.view_as(u)

    def last(self, x_0: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """L_0 of each x_0, shape (B,)."""
        t = torch.ones(len(x_0), dtype=torch.long, device=x_0.device)
        x_1 = self.schedule.noised(x_0, noise_like(x_0, rng), t)
        if self.by_level:
            snr = self.schedule.snr[1]
            return torch.cat(
                [level_term(*part, snr, self.bins) for part in zip(x_0.split(16), x_1.split(16), strict=True)]
            )
        return last_term(self.schedule, x_0, x_1, self.guess(x_1, t), self.variance_at(x_1, t), self.bins)

    def variance_at(self, x_t: Tensor, t: Tensor) -> str | Tensor:
        """The name of a fixed variance; of a learned one ν, shape (N, …)."""
        return self.variance if isinstance(self.variance, str) else self.variance(x_t, t)


def prior_term(schedule: Schedule, x_0: Tensor) -> Tensor:
    """L_T, shape (B,): what is left of the data at time T."""
    mean, variance = schedule.q(x_0, schedule.T)
    return kl_to_standard_normal(mean, variance.log()).flatten(1).sum(1)


def step_term(schedule: Schedule, x_0: Tensor, x_t: Tensor, guess: Tensor, t: Tensor, variance: str | Tensor) -> Tensor:
    r"""L_{t-1} for t ≥ 2 at one draw of x_t, shape (B,): two Gaussians, so the KL is exact.

    .. math:: \frac{D}{2} \left(\frac{\tilde\beta_t}{\sigma_t^2} - 1 - \log \frac{\tilde\beta_t}{\sigma_t^2}\right) +
              \frac{1}{2 \sigma_t^2} \|\tilde\mu_t(x_t, x_0) - \tilde\mu_t(x_t, \hat x_0)\|^2

    (DDPM eq. 8, with the constant that it leaves out.)

    Args:
        schedule: The schedule.
        x_0: The data, shape (B, …).
        x_t: A draw from q(x_t | x_0).
        guess: The model's x̂_0 from x_t.
        t: Times, shape (B,).
        variance: σ² is β_t ("beta"), β̃_t ("posterior") or, by a ν as large as x_t, between the two.
    """
    truth, beta_tilde = schedule.posterior(x_t, x_0, t)
    said, _ = schedule.posterior(x_t, guess, t)
    sigma2 = schedule.sigma2_at(variance, t, x_t)
    ratio = beta_tilde / sigma2
    return (0.5 * (ratio - 1 - ratio.log()) + (truth - said).square() / (2 * sigma2)).flatten(1).sum(1)


def last_term(schedule: Schedule, x_0: Tensor, x_1: Tensor, guess: Tensor, variance: str | Tensor, bins: int) -> Tensor:
    """L_0 at one draw of x_1, shape (B,): the decoder is N(x_0; μ(x_1), σ_1²), integrated over ``bins`` grey levels.

    Args:
        schedule: The schedule.
        x_0: The data, shape (B, …).
        x_1: A draw from q(x_1 | x_0).
        guess: The model's x̂_0 from x_1.
        variance: As in :func:`step_term`.
        bins: Grey levels of the data in [-1, 1] (DDPM eq. 13); 0: real numbers, and a density.
    """
    mean, _ = schedule.posterior(x_1, guess, 1)
    sigma2 = schedule.sigma2_at(variance, 1, x_1)
    if bins:
        return -discretized_log_prob(x_0, mean, sigma2.sqrt(), bins).flatten(1).sum(1)
    return -normal_log_prob(x_0, mean, sigma2.log()).flatten(1).sum(1)


def term(
    schedule: Schedule, x_0: Tensor, x_t: Tensor, guess: Tensor, t: Tensor, variance: str | Tensor, bins: int
) -> Tensor:
    """L_{t-1} of each x_0 at its own time t, shape (B,): :func:`last_term` at t = 1, :func:`step_term` elsewhere."""
    other = step_term(schedule, x_0, x_t, guess, t.clamp(min=2), variance)
    return last_or(other, schedule, x_0, x_t, guess, t, variance, bins)


def last_or(
    other: Tensor,
    schedule: Schedule,
    x_0: Tensor,
    x_t: Tensor,
    guess: Tensor,
    t: Tensor,
    variance: str | Tensor,
    bins: int,
) -> Tensor:
    """:func:`last_term` of each x_0 that is at t = 1, and ``other`` of the others, shape (B,) both.

    Those others are not asked for L_0 as they are: of a guess from much noise, far off every grey level, it would be
    infinite, and its gradient not a number, which not even a factor of 0 takes out of a sum.
    """
    first = (t == 1).view(-1, *[1] * (x_0.ndim - 1))
    x_1, guess = torch.where(first, x_t, x_0), torch.where(first, guess, x_0)
    return torch.where(t == 1, last_term(schedule, x_0, x_1, guess, variance, bins), other)


def discretized_log_prob(x: Tensor, mean: Tensor, sigma: Tensor, bins: int) -> Tensor:
    """Log-probability of grey level x under a Gaussian integrated over its bin; the outer bins reach to infinity.

    DDPM eq. 13. Exact far into the tails: a bin right of the mean is mirrored to the left, where log Φ is accurate.

    Args:
        x: Grey levels in [-1, 1], ``bins`` of them equally spaced.
        mean: Of the Gaussian.
        sigma: Its standard deviation.
        bins: Grey levels, at least 2.
    """
    half = 1 / (bins - 1)
    right = torch.where(x > 1 - half, torch.inf, (x + half - mean) / sigma)
    left = torch.where(x < half - 1, -torch.inf, (x - half - mean) / sigma)
    mirrored = left + right > 0
    low = torch.special.log_ndtr(torch.where(mirrored, -right, left))
    high = torch.special.log_ndtr(torch.where(mirrored, -left, right))
    return high + torch.log1p(-torch.exp(low - high))

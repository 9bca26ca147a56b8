r"""Laws of one dimension, of which an autoregressive model says the parameters: to score and to draw x_i given x_<i.

Each takes ``said``, (…, K) numbers of a network, without bounds. Pixels are in [0, 1]; of ``levels`` grey levels the
k-th is k / (levels − 1), and the law is one of these levels: its probabilities add up to 1.

A ``temperature`` T of drawing raises each law, or each component of a mixture and its weight, to the power 1 / T:
sharper below 1, flatter above (a logistic's scale is multiplied by T, which is that in its tails).
"""

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from genmodels import random
from genmodels.probability.distributions import bernoulli_log_prob, normal_log_prob

__all__ = ["Bernoulli", "Categorical", "Gaussians", "Law", "Logistics"]


class Law(Protocol):
    """The law of one pixel or coordinate, given by K = ``size`` numbers of a network."""

    size: int

    def log_prob(self, x: Tensor, said: Tensor) -> Tensor:
        """log p(x_i | x_<i) in nats, shape of ``x`` (…), for ``said`` (…, K)."""

    def draw(self, said: Tensor, rng: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """x_i, shape (n,), for ``said`` (n, K)."""


class Bernoulli:
    """A law of two values: 0 (black) or 1 (white)."""

    size = 1

    def log_prob(self, x: Tensor, said: Tensor) -> Tensor:
        """log p of x in {0, 1}."""
        return bernoulli_log_prob(x, said[..., 0])

    def draw(self, said: Tensor, rng: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """Draw x in {0, 1}, shape (n,)."""
        u = random.rand(len(said), rng=rng, device=said.device)
        return (u < (said[:, 0] / temperature).sigmoid()).to(said.dtype)


class Categorical:
    """Any law of the grey levels: a number for each."""

    def __init__(self, levels: int) -> None:
        self.size = levels

    def log_prob(self, x: Tensor, said: Tensor) -> Tensor:
        """log p of x, one of the levels."""
        level = (x * (self.size - 1)).round().long().unsqueeze(-1)
        return said.log_softmax(-1).gather(-1, level)[..., 0]

    def levels(self, k: Tensor) -> Tensor:
        """The levels of which ``k``, int64, are the numbers: k / (K − 1)."""
        return k.float() / (self.size - 1)

    def code(self, said: Tensor, rng: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """The number of one of the levels, int64."""
        return _choice(said / temperature, rng)

    def draw(self, said: Tensor, rng: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """Draw one of the grey levels, in [0, 1], shape (n,)."""
        return self.code(said, rng, temperature).to(said.dtype) / (self.size - 1)


class Logistics:
    r"""A mixture of logistic laws, rounded to the grey levels: neighbouring levels are alike from the start.

    .. math:: P(x) = \sum_k w_k \left[\sigma((x + \tfrac12 - m_k) / s_k) - \sigma((x - \tfrac12 - m_k) / s_k)\right]

    where ½ is half a level, and ∞ beyond the first and the last. Salimans et al. (2017), PixelCNN++, eq. 2.
    https://arxiv.org/abs/1701.05517
    """

    def __init__(self, levels: int, components: int) -> None:
        self.levels, self.size = levels, 3 * components

    def _components(self, said: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights' logits, means and logarithms of the scales, in units of half the range; at first spread over it."""
        logits, means, log_s = said.chunk(3, -1)
        return logits, means + _spread(-1, 1, means), (log_s - 2).clamp_min(-7)

    def log_prob(self, x: Tensor, said: Tensor) -> Tensor:
        """log p of x, one of the levels.

        σ(a) − σ(b) = σ(a) σ(−b) (1 − e^(b − a)), whose logarithm no difference of near numbers spoils.
        """
        logits, m, log_s = self._components(said)
        x = 2 * x.unsqueeze(-1) - 1
        half, scale = 1 / (self.levels - 1), torch.exp(-log_s)
        up, down = F.logsigmoid((x + half - m) * scale), F.logsigmoid(-(x - half - m) * scale)
        between = up + down + torch.log(-torch.expm1(-2 * half * scale))
        each = torch.where(x > 1 - half, down, torch.where(x < half - 1, up, between))
        return (logits.log_softmax(-1) + each).logsumexp(-1)

    def draw(self, said: Tensor, rng: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """One of the levels: a component, a logistic number, rounded."""
        logits, m, log_s = self._components(said)
        k = _choice(logits / temperature, rng)[:, None]
        u = random.rand(len(said), rng=rng, device=said.device).to(said.dtype).clamp(1e-7, 1 - 1e-7)
        x = m.gather(1, k)[:, 0] + temperature * log_s.gather(1, k)[:, 0].exp() * u.logit()
        return ((x + 1) / 2 * (self.levels - 1)).round().clamp(0, self.levels - 1) / (self.levels - 1)


class Gaussians:
    """A mixture of normal laws, of real numbers."""

    def __init__(self, components: int) -> None:
        self.size = 3 * components

    def _components(self, said: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weights' logits, means and logarithms of the standard deviations; at first spread over the plane."""
        logits, means, log_sigma = said.chunk(3, -1)
        return logits, means + _spread(-2, 2, means), log_sigma - 1

    def log_prob(self, x: Tensor, said: Tensor) -> Tensor:
        """The log-density of x."""
        logits, m, log_sigma = self._components(said)
        return (logits.log_softmax(-1) + normal_log_prob(x.unsqueeze(-1), m, 2 * log_sigma)).logsumexp(-1)

    def draw(self, said: Tensor, rng: torch.Generator | None = None, temperature: float = 1.0) -> Tensor:
        """A component, and a normal number."""
        logits, m, log_sigma = self._components(said)
        k = _choice(logits / temperature, rng)[:, None]
        eps = random.randn(len(said), rng=rng, device=said.device).to(said.dtype)
        return m.gather(1, k)[:, 0] + temperature**0.5 * log_sigma.gather(1, k)[:, 0].exp() * eps


def _spread(low: float, high: float, means: Tensor) -> Tensor:
    """As many numbers as components, evenly from ``low`` to ``high``."""
    return torch.linspace(low, high, means.shape[-1], dtype=means.dtype, device=means.device)


def _choice(logits: Tensor, rng: torch.Generator | None) -> Tensor:
    """One of the last dimension's indices by their logits, (n,), from one uniform number each."""
    edges = logits.softmax(-1).cumsum(-1)
    u = random.rand(len(logits), 1, rng=rng, device=logits.device).to(logits.dtype) * edges[:, -1:]
    return torch.searchsorted(edges, u, right=True)[:, 0].clamp_max(logits.shape[-1] - 1)

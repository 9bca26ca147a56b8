"""A Gaussian with a diagonal covariance as one thing: density, divergence, draws, and the product with another."""

from typing import NamedTuple

import torch
from torch import Tensor

from genmodels import random
from genmodels.probability.distributions import normal_log_prob

__all__ = ["Normal"]


class Normal(NamedTuple):
    """N(mu, diag(exp(logvar))) of each row: mu and logvar are (B, …), and all but the first dimension is one vector."""

    mu: Tensor
    logvar: Tensor

    def log_prob(self, z: Tensor) -> Tensor:
        """log N(z; mu, σ²) in nats, shape (B,)."""
        return normal_log_prob(z, self.mu, self.logvar).flatten(1).sum(1)

    def kl(self, other: "Normal") -> Tensor:
        r"""KL(self ‖ other) in nats, shape (B,).

        .. math::
            \tfrac12 \sum_j \left(\frac{\sigma_j^2 + (\mu_j - m_j)^2}{s_j^2} - 1 - \log\frac{\sigma_j^2}{s_j^2}\right)
        """
        log_ratio = self.logvar - other.logvar
        apart = (self.mu - other.mu).square() * torch.exp(-other.logvar)
        return 0.5 * (log_ratio.exp() + apart - 1 - log_ratio).flatten(1).sum(1)

    def times(self, other: "Normal") -> "Normal":
        r"""The product of the two densities, normalized: precisions add, and weigh the means.

        .. math::
            \sigma^2 = \frac{1}{\sigma_1^{-2} + \sigma_2^{-2}}, \qquad
            \mu = \sigma^2 \left(\mu_1 \sigma_1^{-2} + \mu_2 \sigma_2^{-2}\right)

        Sønderby et al. (2016), Ladder variational autoencoders, eqs. 17 and 18. https://arxiv.org/abs/1602.02282
        """
        share = torch.sigmoid(other.logvar - self.logvar)  # σ₁⁻² / (σ₁⁻² + σ₂⁻²)
        return Normal(torch.lerp(other.mu, self.mu, share), -torch.logaddexp(-self.logvar, -other.logvar))

    def draw(self, rng: torch.Generator | None = None, *, temperature: float = 1.0) -> Tensor:
        """One z of each row: mu + temperature·σ·ε."""
        eps = random.randn(*self.mu.shape, rng=rng, device=self.mu.device).to(self.mu)
        return self.mu + temperature * torch.exp(0.5 * self.logvar) * eps

r"""Log-densities and divergences: pure functions, elementwise, in nats. Sum over the dimensions of one example yourself.

The continuous Bernoulli (Loaiza-Ganem & Cunningham 2019, https://arxiv.org/abs/1907.06845) is the exponential family
on [0, 1] with the pixel itself as its statistic. With λ = sigmoid(η), its eq. 3 reads, in the logit η,

.. math:: p(x \mid \eta) = e^{\eta x - A(\eta)}, \qquad A(\eta) = \log \int_0^1 e^{\eta x} dx = \log \frac{e^\eta - 1}{\eta}
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "bernoulli_log_prob",
    "continuous_bernoulli_log_partition",
    "continuous_bernoulli_log_prob",
    "continuous_bernoulli_mean",
    "continuous_bernoulli_quantile",
    "kl_to_standard_normal",
    "normal_entropy",
    "normal_log_prob",
    "standard_normal_log_prob",
]

LOG_2PI = math.log(2 * math.pi)


# Gaussians --------------------------------------------------------------------------------------------------------


def standard_normal_log_prob(z: Tensor) -> Tensor:
    """log N(z; 0, 1), elementwise."""
    return -0.5 * (z.square() + LOG_2PI)


def normal_log_prob(x: Tensor, mu: Tensor, logvar: Tensor) -> Tensor:
    """log N(x; mu, exp(logvar)), elementwise."""
    return -0.5 * ((x - mu).square() * torch.exp(-logvar) + logvar + LOG_2PI)


def normal_entropy(logvar: Tensor) -> Tensor:
    """The entropy of N(mu, exp(logvar)), elementwise."""
    return 0.5 * (logvar + LOG_2PI + 1)


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    r"""KL(N(mu, exp(logvar)) ‖ N(0, 1)), elementwise.

    .. math:: \tfrac12 (\mu^2 + \sigma^2 - 1 - \log \sigma^2)

    Kingma & Welling (2014), Auto-Encoding Variational Bayes, appendix B. https://arxiv.org/abs/1312.6114
    """
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar)


# Bernoulli and continuous Bernoulli -------------------------------------------------------------------------------


def bernoulli_log_prob(x: Tensor, logits: Tensor) -> Tensor:
    """log p(x) of x in {0, 1} (between them: the cross entropy) with p(x = 1) = sigmoid(logits), elementwise."""
    return -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")


def continuous_bernoulli_log_prob(x: Tensor, logits: Tensor) -> Tensor:
    """Log-density of x in [0, 1] under the continuous Bernoulli with λ = sigmoid(logits), elementwise."""
    return x * logits - continuous_bernoulli_log_partition(logits)


def continuous_bernoulli_log_partition(logits: Tensor) -> Tensor:
    r"""A(η) = log((e^η − 1)/η), elementwise; its derivative is the mean.

    With a = |η|/2 it is η/2 + log(sinh(a)/a), which near 0 (λ near ½) is its Taylor series: there the closed form is
    0/0, and its gradient worse.
    """
    a = logits.abs() / 2
    near = a < 0.25
    b, c = torch.where(near, a, 0.0).square(), torch.where(near, 1.0, a)
    series = b * (1 / 6 - b * (1 / 180 - b * (1 / 2835 - b * (1 / 37800 - b / 467775))))
    closed = c + torch.log1p(-torch.exp(-2 * c)) - torch.log(2 * c)
    return logits / 2 + torch.where(near, series, closed)


def continuous_bernoulli_mean(logits: Tensor) -> Tensor:
    """E[x] = 1/(1 − e^(−η)) − 1/η (Loaiza-Ganem & Cunningham 2019, eq. 8), elementwise: ½ at η = 0, in [0, 1]."""
    near = logits.abs() < 0.5
    b, c = torch.where(near, logits, 0.0), torch.where(near, 1.0, logits)
    b2 = b.square()
    series = 0.5 + b * (1 / 12 - b2 * (1 / 720 - b2 * (1 / 30240 - b2 * (1 / 1209600 - b2 / 47900160))))
    return torch.where(near, series, 0.5 + 0.5 / torch.tanh(c / 2) - 1 / c)


def continuous_bernoulli_quantile(u: Tensor, logits: Tensor) -> Tensor:
    """The x with P(X ≤ x) = u, elementwise: of uniform u, an exact sample."""
    a = logits.abs().clamp_min(1e-12)
    v = torch.where(logits < 0, u, 1 - u)  # the density of −η is that of η, mirrored
    x = 1 + torch.log1p(v * torch.expm1(-a)) / a
    return torch.where(logits < 0, 1 - x, x).clamp(0, 1)

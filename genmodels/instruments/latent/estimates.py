r"""Estimating log p(x) by drawing z, where it is known: how many draws it takes as the code grows.

.. math:: p(x) = E_{q(z)}\!\left[\frac{p(x \mid z)\, p(z)}{q(z)}\right] \approx \frac1n \sum_{i=1}^n w_i,
    \quad z_i \sim q

Naive Monte Carlo takes q = p(z), importance sampling a q near the posterior; the expectation of the logarithm of either
is a bound on log p(x), that of n importance samples: Burda et al. (2016), https://arxiv.org/abs/1509.00519. About
exp(KL(p(z | x) ‖ q)) draws are needed, and not many fewer will do: Chatterjee & Diaconis (2018), The sample size
required in importance sampling, theorem 1.1, https://arxiv.org/abs/1511.01437.

The model is the best PPCA of the data with L factors. Its posterior is a Gaussian, so all of this is exact.
"""

import math
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.examples import example, images_only
from genmodels.metrics import floors
from genmodels.models.latent.linear_gaussian import principal
from genmodels.probability.distributions import normal_log_prob, standard_normal_log_prob
from genmodels.text import number

__all__ = ["DIMENSIONS", "DRAWS", "Known", "conclusion", "estimates", "known", "log_means", "log_weights"]

Array = npt.NDArray[Any]
DIMENSIONS = (1, 2, 5, 10, 20, 50)
DRAWS = tuple(int(n) for n in np.geomspace(1, 10_000, 13).round())
SEEDS, EXAMPLES = 32, 2000


@dataclass(frozen=True)
class Known:
    """log p(x | z) of one x as a function of z, and what is known of it: all in the axes in which WᵀW is diagonal.

    Attributes:
        length: Of each column of W, squared, (L,).
        toward: Wᵀ (x − μ), (L,).
        away: ‖x − μ‖².
        sigma2: Variance of the noise.
        dimensions: D, of x.
    """

    length: Tensor
    toward: Tensor
    away: float
    sigma2: float
    dimensions: int

    @property
    def posterior(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of p(z | x), (L,) each: here it has no correlations."""
        variance = 1 / (1 + self.length / self.sigma2)
        return variance * self.toward / self.sigma2, variance

    def log_likelihood(self, z: Tensor) -> Tensor:
        """log p(x | z), nats, (n,), for z (n, L)."""
        far = self.away - 2 * z @ self.toward + z.square() @ self.length
        return -0.5 * (far / self.sigma2 + self.dimensions * math.log(2 * math.pi * self.sigma2))

    @property
    def log_prob(self) -> float:
        """log p(x), nats, exact: by Bayes' rule at z = 0, or at any other."""
        mean, variance = self.posterior
        z = torch.zeros_like(mean)
        of_z = standard_normal_log_prob(z).sum() - normal_log_prob(z, mean, variance.log()).sum()
        return float(self.log_likelihood(z.unsqueeze(0))[0] + of_z)

    def kl(self, mean: Tensor, variance: Tensor) -> float:
        """KL(p(z | x) ‖ N(mean, diag variance)), nats: the logarithm of about how many draws of it are needed."""
        m, v = self.posterior
        return float(0.5 * ((v + (m - mean).square()) / variance - 1 - (v / variance).log()).sum())


def known(x: Tensor, data: Tensor, latent_dim: int) -> Known:
    """The example ``x`` (D,) under the best PPCA of ``data`` (N, D) with so many factors."""
    w, mu, sigma2, _ = principal(data, latent_dim)
    away = x.double() - mu
    return Known(w.square().sum(0), w.T @ away, float(away @ away), float(sigma2), len(mu))


def log_weights(of: Known, n: int, mean: Tensor, variance: Tensor, rng: torch.Generator) -> Tensor:
    """log p(x | z) + log p(z) − log q(z) of ``n`` draws z ~ q = N(mean, diag variance), nats, (n,)."""
    z = mean + variance.sqrt() * random.randn(n, len(mean), rng=rng, device=mean.device).double()
    of_z = standard_normal_log_prob(z).sum(1) - normal_log_prob(z, mean, variance.log()).sum(1)
    return of.log_likelihood(z) + of_z


def log_means(weights: Tensor, counts: tuple[int, ...]) -> Tensor:
    """The logarithm of the mean of the first 1, 2, … weights, of which the logarithms are given: at ``counts``."""
    total = weights.logcumsumexp(0)
    at = torch.tensor(counts, device=weights.device)
    return total[at - 1] - at.to(total).log()


@torch.no_grad()
def estimates(model: Any, data: Data, index: int = 0, width: float = 1.5) -> Generator[float, None, dict[str, Array]]:
    """log p(x) of one test image estimated in two ways with up to 10,000 draws, for codes of 1 to 50 numbers. A task.

    Args:
        model: Of images: how they are prepared, and where; its parameters are not asked.
        data: Its data.
        index: Which test image.
        width: Of q, in standard deviations of the posterior, from 1: the posterior itself, without any variance.

    Returns:
        "dimensions" (those below the data's), "draws"; "exact", log p(x), (dimensions,); "naive" and "importance", the
        estimates in nats, (dimensions, seeds, draws); "needed" and "needed importance", the KL in nats whose
        exponential is about how many draws are needed, (dimensions,); "share" and "share importance", the effective
        number of the most draws, (Σw)² / Σw², as a share of them, the median over the seeds.
    """
    images_only(model)
    if not 1 <= width <= 4:
        raise BadInput(f"width = {width:g} is not from 1 to 4 standard deviations of the posterior.")
    rows = floors.chosen(data.train, EXAMPLES, 0).x.to(model.device)
    train = data.prepare(rows, model.inputs, random.generator(0, model.device)).flatten(1).double()
    x = example(model, data, index)[0].flatten().double()
    found: dict[str, list[Any]] = {}
    dimensions = [one for one in DIMENSIONS if one < train.shape[1]]
    for i, latent_dim in enumerate(dimensions):
        yield i / len(dimensions)
        of = known(x, train, latent_dim)
        mean, variance = of.posterior
        proposals = {
            "naive": (torch.zeros_like(mean), torch.ones_like(mean)),
            "importance": (mean, variance * width**2),
        }
        row: dict[str, Any] = {"exact": of.log_prob}
        for name, q in proposals.items():
            rng = random.generator(index, model.device)
            weights = [log_weights(of, DRAWS[-1], *q, rng) for _ in range(SEEDS)]
            row[name] = torch.stack([log_means(one, DRAWS) for one in weights]).cpu().numpy()
            effective = [float((2 * one.logsumexp(0) - (2 * one).logsumexp(0)).exp()) / len(one) for one in weights]
            end = "" if name == "naive" else f" {name}"
            row |= {f"needed{end}": of.kl(*q), f"share{end}": float(np.median(effective))}
        for name, value in row.items():
            found.setdefault(name, []).append(value)
    arrays = {name: np.array(values) for name, values in found.items()}
    return {**arrays, "dimensions": np.array(dimensions), "draws": np.array(DRAWS), "width": np.array(width)}


def conclusion(found: dict[str, Array]) -> str:
    """Where naive Monte Carlo dies, a sentence; of what :func:`estimates` returns."""
    missed = found["exact"] - found["naive"][:, :, -1].mean(1)
    if not np.isfinite(missed).all():
        return "Not every estimate is a number here: there is nothing to conclude."
    most, dead = int(found["draws"][-1]), np.flatnonzero(missed > 1)
    if not len(dead):
        return f"With {most:,} draws of the prior, no estimate is more than a nat below log p(x) on average."
    first = int(found["dimensions"][dead[0]])
    at, needed = int(found["dimensions"][-1]), number(float(found["needed"][-1]) / math.log(10), 2)
    told = f"From {first} latent dimensions on, {most:,} draws of the prior miss more than a nat of log p(x)"
    return f"{told}; with {at} they miss {number(float(missed[-1]))}, and some 10^{needed} would be needed."

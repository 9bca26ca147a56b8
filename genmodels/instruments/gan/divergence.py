"""The best discriminator that there could be, and the Jensen-Shannon divergence of data and samples that it tells."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.examples import points_only
from genmodels.instruments.gan.game import Surface
from genmodels.instruments.plane import cells
from genmodels.models.gan import GAN
from genmodels.text import number

__all__ = ["WIDTHS", "Bound", "best_discriminator", "jensen_shannon", "kde", "neighbours", "value"]

WIDTHS = (0.03, 0.1, 0.3)
"""Within which neighbours are counted, units of x."""


@dataclass(frozen=True)
class Bound:
    """Bounds that discriminators give on JS(p, q), in nats, each with its standard error."""

    js: float  # JS(p, q) is at least this; never below 0
    js_se: float
    learned: float  # V(D, G) of the learned discriminator
    learned_se: float

    def conclusion(self) -> str:
        """Whether data and samples can be told apart, in a sentence."""
        if self.js <= 2 * self.js_se:
            learned = f"the learned one has V(D, G) = {number(self.learned)}, and −log 4 = −1.39"
            return f"No discriminator that was tried tells fresh data from samples better than a guess; {learned}."
        shown = number(max(0.0, (self.learned + math.log(4)) / 2))
        bound = f"JS(p, q) is at least {number(self.js)} ± {number(self.js_se, 2)} nats, of at most log 2 = 0.693"
        return f"Data and samples can be told apart: {bound}; the learned discriminator shows {shown} nats of it."


@torch.no_grad()
def best_discriminator(
    model: GAN, data: Data, half: float, *, side: int = 80, n: int = 4000, width: float = 0.08
) -> tuple[Surface, Bound]:
    """D* = p / (p + q) on the plane, from the true density p and a kernel estimate of the generator's q, and JS(p, q).

    The picture is of those two densities, NaN where both are next to nothing. The divergence is not a sum over it,
    which would be that of the data from smoothed samples and of a grid's cells: see :func:`jensen_shannon`.

    Raises:
        BadInput: If the model is conditional or makes images, or the data's density is not known.
    """
    points_only(model)
    if data.log_prob is None or data.plane is None or model.classes:
        raise BadInput("The best discriminator can be had where the data's density is known and there are no labels.")
    grid = cells(half, side).to(model.device)
    log_p = data.log_prob(grid).double()
    fake = model.sample(n, rng=random.generator(0, model.device))
    log_q = kde(fake, grid, width)
    best = torch.where(torch.logaddexp(log_p, log_q) > math.log(1e-4), (log_p - log_q).sigmoid(), math.nan)
    real = data.plane.sample(n, random.generator(1)).to(fake)
    surface = Surface(half, best.cpu().reshape(side, side).numpy(), 0.5, "D*(x)")
    return surface, jensen_shannon(real, fake, lambda x: model.belief(model.critic(x)))


def kde(samples: Tensor, points: Tensor, width: float) -> Tensor:
    """Log-density of a Gaussian kernel estimate of ``width`` from samples (N, D) at points (P, D), float64 (P,)."""
    samples, points = samples.double(), points.double()
    rows = [(-torch.cdist(some, samples).square() / (2 * width**2)).logsumexp(1) for some in points.split(1024)]
    return torch.cat(rows) - math.log(len(samples)) - samples.shape[1] * math.log(width * math.sqrt(2 * math.pi))


def jensen_shannon(real: Tensor, fake: Tensor, learned: Callable[[Tensor], Tensor]) -> Bound:
    r"""A lower bound of JS(p, q) by the best of several discriminators, on examples that none of them has seen.

    For every D, V(D, G) ≤ 2 JS(p, q) − log 4, and V is a mean: on fresh examples it is unbiased and has a standard
    error. The discriminators are the learned one, one that knows nothing (D = ½, whose V is −log 4), and those that
    count neighbours within each of WIDTHS (:func:`neighbours`). Half of the examples are the neighbours, an eighth
    chooses the best of the discriminators, the rest measure it. Data and samples are treated alike: of a perfect
    generator no discriminator is better than D = ½, and what is found is 0 within its error.

    Goodfellow et al. (2014), theorem 1; as a bound by any D: Nowozin et al. (2016), f-GAN, eq. 4.
    https://arxiv.org/abs/1606.00709

    Args:
        real: Data, shape (N, D).
        fake: As many samples, shape (N, D).
        learned: The learned discriminator: points (B, D) to probabilities (B,).
    """
    half, few = len(real) // 2, len(real) // 8
    points = torch.cat([real[half:], fake[half:]])
    guesses = [learned(points).double(), torch.full((len(points),), 0.5, dtype=torch.float64, device=points.device)]
    guesses += neighbours(real[:half], fake[:half], points).unbind()
    every = [guess.clamp(1e-7, 1 - 1e-7).view(2, -1) for guess in guesses]  # at the data, at the samples
    best = max(every, key=lambda d: value(*d[:, :few])[0])
    v, error = value(*best[:, few:])
    return Bound(max(0.0, (v + math.log(4)) / 2), error / 2, *value(*every[0][:, few:]))


def value(real: Tensor, fake: Tensor) -> tuple[float, float]:
    """V(D, G) = E log D(x) + E log(1 − D(G(z))) from D at data (N,) and at samples (M,), and its standard error."""
    terms = real.log(), torch.log1p(-fake)
    return sum(float(t.mean()) for t in terms), math.sqrt(sum(float(t.var()) / len(t) for t in terms))


def neighbours(real: Tensor, fake: Tensor, points: Tensor) -> Tensor:
    """D(x) by counting: (r + ½) / (r + s + 1) of r data and s samples near x, for each of WIDTHS, (W, P), float64.

    A neighbour at distance d counts exp(−d²/2w²), so that it is the discriminator of two kernel estimates, and D = ½
    where nothing is near.
    """
    rows = []
    for some in points.float().split(512):
        near = [torch.cdist(some, known.float()).square_() for known in (real, fake)]
        r, s = (torch.stack([(d / (-2 * w * w)).exp_().sum(1) for w in WIDTHS]).double() for d in near)
        rows.append((r + 0.5) / (r + s + 1))
    return torch.cat(rows, 1)

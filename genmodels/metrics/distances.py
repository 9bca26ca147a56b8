r"""How far samples are from data: pure functions of two sets of points, or of the features of two sets of pictures.

Every function takes tensors of shape (N, D), computes in float64 and returns plain numbers. What the rows are is the
caller's choice and belongs in the name of the result: the Fréchet distance of Inception features is the FID of the
literature; of other features (see :mod:`genmodels.metrics.judge`) it is not comparable with it.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from genmodels import random
from genmodels.errors import BadInput
from genmodels.probability.distributions import assignment

__all__ = [
    "FEWEST",
    "KID",
    "DensityCoverage",
    "Modes",
    "PrecisionRecall",
    "frechet_distance",
    "frechet_gaussians",
    "inception_score",
    "kernel_sum",
    "kid",
    "manifolds",
    "mmd2",
    "modes_covered",
    "sliced_wasserstein1",
    "wasserstein1",
]

ROWS = 1024  # of a distance matrix that are held at a time
NEAR, FAR = 3, 5  # nearest neighbours that a ball reaches to: of precision and recall, of density and coverage
BLOCKS = 10  # that a standard error is told from, where there are rows for so many
FEWEST = 0.2  # of its even share of the samples: a mode, or a class, with fewer of its own is not covered

# Fréchet distance -----------------------------------------------------------------------------------------------------


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    r"""Squared 2-Wasserstein distance of Gaussians fitted to two sets of features: FID, where they are Inception's.

    Heusel et al. (2017), GANs trained by a two time-scale update rule, eq. 6. https://arxiv.org/abs/1706.08500

    Args:
        real: Features, shape (N, D).
        fake: Features, shape (M, D).

    Returns:
        The distance, in squared units of the features. It is biased upwards, so compare only numbers of the same N and
        M, and with the floor that real against real gives: of two samples of one Gaussian, the eigenvalues of whose
        covariance are λ_1 … λ_D, by

        .. math:: \left(\tfrac1N + \tfrac1M\right) \Big[\sum_i \lambda_i + \tfrac12 \sum_{i, j}
                  \frac{\lambda_i \lambda_j (1 + \delta_{ij})}{\lambda_i + \lambda_j}\Big]
                  + O\left(\tfrac1{N^2} + \tfrac1{M^2}\right)

        (the means' part, and the second order of the distance in the covariances'); of λ = 1 the bracket is
        D (D + 5) / 4, so it grows as the square of the dimension.

    Raises:
        BadInput: If the sets do not match or hold fewer than two rows.
    """
    real, fake = _pair(real, fake)
    return frechet_gaussians(real.mean(0), torch.cov(real.T), fake.mean(0), torch.cov(fake.T))


def frechet_gaussians(mu1: Tensor, cov1: Tensor, mu2: Tensor, cov2: Tensor) -> float:
    r"""Squared 2-Wasserstein distance of two Gaussians.

    .. math:: \|\mu_1 - \mu_2\|^2 + \operatorname{tr}\left(\Sigma_1 + \Sigma_2
              - 2 (\Sigma_1^{1/2} \Sigma_2 \Sigma_1^{1/2})^{1/2}\right)

    Dowson & Landau (1982), The Fréchet distance between multivariate normal distributions. The product is symmetrized,
    so that its square root is real whatever the rank: no complex rounding errors, no epsilon on the diagonal.

    Args:
        mu1: Mean, shape (D,).
        cov1: Covariance, shape (D, D).
        mu2: Mean, shape (D,).
        cov2: Covariance, shape (D, D).
    """
    mu1, mu2 = mu1.double(), mu2.double()
    cov1, cov2 = torch.atleast_2d(cov1).double(), torch.atleast_2d(cov2).double()
    values, vectors = torch.linalg.eigh(cov1)
    root1 = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    product = root1 @ cov2 @ root1
    trace_root = torch.linalg.eigvalsh((product + product.T) / 2).clamp_min(0).sqrt().sum()
    distance = (mu1 - mu2).square().sum() + cov1.trace() + cov2.trace() - 2 * trace_root
    return max(0.0, distance.item())


# Kernel distance ------------------------------------------------------------------------------------------------------


class KID(NamedTuple):
    """A kernel distance: its mean over ``blocks`` disjoint blocks, and the standard error of that mean."""

    mean: float
    se: float
    blocks: int


def mmd2(x: Tensor, y: Tensor) -> float:
    r"""Unbiased squared maximum mean discrepancy under the kernel :math:`k(a, b) = (a^\top b / D + 1)^3`.

    Gretton et al. (2012), A kernel two-sample test, eq. 3; unbiased: it may be negative where the sets are alike.
    """
    x, y = _pair(x, y)
    n, m = len(x), len(y)
    within_x = (kernel_sum(x, x) - _kernel_diagonal(x)) / (n * (n - 1))
    within_y = (kernel_sum(y, y) - _kernel_diagonal(y)) / (m * (m - 1))
    return within_x + within_y - 2 * kernel_sum(x, y) / (n * m)


def kid(real: Tensor, fake: Tensor, *, block: int = 1000, rng: torch.Generator | None = None) -> KID:
    """Kernel distance of two sets of features: KID, where they are Inception's.

    Bińkowski et al. (2018), Demystifying MMD GANs, section 4. https://arxiv.org/abs/1801.01401. The blocks here are
    disjoint, hence independent, and many enough that what differs among them tells the standard error of their mean.

    Args:
        real: Features, shape (N, D).
        fake: Features, shape (M, D).
        block: Rows in a block; less where the smaller set would not give ten blocks.
        rng: Shuffles the rows before they are cut into blocks.

    Raises:
        BadInput: If the sets do not match or hold fewer than four rows.
    """
    real, fake = _pair(real, fake, least=4)
    smaller = min(len(real), len(fake))
    block = max(2, min(block, smaller // BLOCKS))
    orders = [random.rand(len(rows), rng=rng).argsort().to(rows.device) for rows in (real, fake)]
    real, fake = real[orders[0]], fake[orders[1]]
    starts = range(0, smaller - block + 1, block)
    values = torch.tensor([mmd2(real[i : i + block], fake[i : i + block]) for i in starts], dtype=torch.float64)
    return KID(values.mean().item(), values.std().item() / math.sqrt(len(values)), len(values))


def kernel_sum(x: Tensor, y: Tensor) -> float:
    r"""The kernel :math:`k(a, b) = (a^\top b / D + 1)^3` summed over all pairs of rows of (N, D) and (M, D)."""
    return sum(((rows @ y.T) / x.shape[1] + 1).pow(3).sum().item() for rows in x.split(ROWS))


def _kernel_diagonal(x: Tensor) -> float:
    return (x.square().sum(1) / x.shape[1] + 1).pow(3).sum().item()


# Classes, manifolds ---------------------------------------------------------------------------------------------------


def inception_score(probabilities: Tensor) -> float:
    r"""Exponential of the mean divergence of each picture's class probabilities from their average.

    .. math:: \exp \mathbb{E}_x\, \mathrm{KL}\left(p(y \mid x) \,\|\, p(y)\right) \in [1, K]

    Salimans et al. (2016), Improved techniques for training GANs, section 4. https://arxiv.org/abs/1606.03498

    Args:
        probabilities: Class probabilities p(y | x), shape (N, K), rows that sum to one.

    Raises:
        BadInput: If they are not probabilities.
    """
    p = probabilities.double()
    if p.ndim != 2 or not len(p) or (p < 0).any() or not torch.allclose(p.sum(1), torch.ones_like(p[:, 0]), atol=1e-4):
        raise BadInput("The Inception Score needs class probabilities (N, K) whose rows sum to one.")
    divergence = torch.special.xlogy(p, p).sum(1) - torch.special.xlogy(p, p.mean(0)).sum(1)
    return divergence.mean().exp().item()


class PrecisionRecall(NamedTuple):
    """Precision: the share of the samples on the data's manifold. Recall: the share of the data on the samples'.

    Quality and diversity, apart: a manifold is the union of balls reaching to each point's k-th neighbour.
    Kynkäänniemi et al. (2019), Improved precision and recall metric, eqs. 1-2. https://arxiv.org/abs/1904.06991
    """

    precision: float
    recall: float


class DensityCoverage(NamedTuple):
    """Density: how many balls of data a sample lies in, 1 for data. Coverage: the share of balls that a sample hits.

    Precision and recall with the balls around the data alone, so that one sample far off changes little.
    Naeem et al. (2020), Reliable fidelity and diversity metrics, eqs. 3-4. https://arxiv.org/abs/2002.09797
    """

    density: float
    coverage: float


def manifolds(real: Tensor, fake: Tensor, *, k: int = NEAR, wide: int = FAR) -> tuple[PrecisionRecall, DensityCoverage]:
    """Both of the above of features (N, D) and (M, D), from the same three matrices of distances: what they cost.

    A ball reaches the ``k``-th nearest neighbour for precision and recall, the ``wide``-th for density and coverage.

    Raises:
        BadInput: If the sets do not match or hold no more rows than the neighbours that are asked for.
    """
    real, fake = _pair(real, fake, least=max(k, wide) + 1)
    ball, wide_ball = _reach(real, k, wide)
    (of_fake,) = _reach(fake, k)
    n, m, precise, dense = len(real), len(fake), 0, 0
    recalled, covered = torch.zeros(2, n, dtype=torch.bool, device=real.device)
    for rows, reach in zip(fake.split(ROWS), of_fake.split(ROWS), strict=True):
        apart = torch.cdist(rows, real)
        precise += int((apart <= ball).any(1).sum())
        recalled |= (apart <= reach[:, None]).any(0)
        dense += int((inside := apart <= wide_ball).sum())
        covered |= inside.any(0)
    good = PrecisionRecall(precise / m, int(recalled.sum()) / n)
    return good, DensityCoverage(dense / (wide * m), int(covered.sum()) / n)


def _reach(points: Tensor, *ks: int) -> tuple[Tensor, ...]:
    """For each ``k`` how far the ``k``-th nearest neighbour of each point is among the others."""
    most = max(ks) + 1  # the nearest neighbour of a point among its own set is itself
    near = torch.cat([torch.cdist(rows, points).topk(most, largest=False).values for rows in points.split(ROWS)])
    return tuple(near[:, k] for k in ks)


# Optimal transport ----------------------------------------------------------------------------------------------------


def wasserstein1(x: Tensor, y: Tensor, labels: Tensor | None = None) -> float:
    r"""Exact 1-Wasserstein distance of two sets of equally many points, by the best assignment.

    .. math:: W_1 = \inf_{\gamma \in \Pi} \mathbb{E}_{(x, y) \sim \gamma} \|x - y\|
              = \min_{\sigma} \frac{1}{N} \sum_i \|x_i - y_{\sigma(i)}\|

    The norm is not squared: it is the earth mover's distance of Arjovsky et al. (2017), eq. 1, whose dual is the
    supremum over 1-Lipschitz critics. https://arxiv.org/abs/1701.07875. With ``labels``, shape (N,), of the rows of
    both sets it is the mean over them of the distance of each class by itself, whose dual has a critic for each class.

    Of samples of two distributions p and q it is too large on average: E W₁(pₙ, qₙ) ≥ W₁(p, q), and by no more than the
    two distances E W₁(p, pₙ) + E W₁(q, qₙ). The cost grows as N³: 1,000 points in tenths of a second.

    Raises:
        BadInput: If the sets differ in size or dimension.
    """
    x, y = _pair(x, y, least=1, equal=True)
    return assignment(x, y, labels)[0].mean().item()


def sliced_wasserstein1(x: Tensor, y: Tensor, *, directions: int = 128, rng: torch.Generator | None = None) -> float:
    r"""Mean over random directions of the 1-Wasserstein distance of the projections; sorting makes each exact.

    .. math:: SW_1 = \mathbb{E}_{\theta \sim U(S^{D-1})}\, W_1(\theta^\top x, \theta^\top y) \le W_1

    Bonneel et al. (2015), Sliced and Radon Wasserstein barycenters of measures.

    Raises:
        BadInput: If the sets differ in size or dimension.
    """
    x, y = _pair(x, y, least=1, equal=True)
    theta = random.randn(directions, x.shape[1], rng=rng).to(x)
    theta = (theta / theta.norm(dim=1, keepdim=True)).T  # (D, directions)
    return ((x @ theta).sort(0).values - (y @ theta).sort(0).values).abs().mean().item()


# Mixtures -------------------------------------------------------------------------------------------------------------


class Modes(NamedTuple):
    """``covered`` of ``of`` modes have samples close by; ``close``: the share of samples that are close to a mode."""

    covered: int
    of: int
    close: float
    counts: tuple[int, ...]


def modes_covered(x: Tensor, means: Tensor, sigma: float, *, within: float = 3.0, least: int = 0) -> Modes:
    """Which modes of a mixture of isotropic Gaussians the samples reach.

    A sample is close where it lies within ``within`` standard deviations of its nearest mode; a mode is covered where
    ``least`` close samples are its own. Srivastava et al. (2017), VEEGAN, section 4.1. https://arxiv.org/abs/1705.07761
    Of the plane mixture's own samples a share 1 − exp(−within²/2) is close: 98.9 % for three.

    Args:
        x: Samples, shape (N, D).
        means: Centres of the modes, shape (K, D).
        sigma: Standard deviation of each mode.
        within: Standard deviations that count as close.
        least: How many close samples cover a mode; 0: a fifth of its even share, :data:`FEWEST`.
    """
    x, means = _pair(x, means, least=1)
    distance, nearest = torch.cdist(x, means, compute_mode="donot_use_mm_for_euclid_dist").min(1)
    close, least = distance <= within * sigma, least or math.ceil(FEWEST * len(x) / len(means))
    counts = torch.bincount(nearest[close], minlength=len(means))
    return Modes(int((counts >= least).sum()), len(means), close.double().mean().item(), tuple(counts.tolist()))


def _pair(x: Tensor, y: Tensor, *, least: int = 2, equal: bool = False) -> tuple[Tensor, Tensor]:
    """Both sets in float64, checked."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1]:
        raise BadInput(f"Two sets of rows of one length are compared, not {tuple(x.shape)} with {tuple(y.shape)}.")
    if min(len(x), len(y)) < least:
        raise BadInput(f"At least {least} rows are needed in each set: there are {len(x)} and {len(y)}.")
    if equal and len(x) != len(y):
        raise BadInput(f"Both sets must have as many points: there are {len(x)} and {len(y)}.")
    x, y = x.detach().double(), y.detach().double().to(x.device)
    if not math.isfinite((x.sum() + y.sum()).item()):
        raise BadInput("The sets hold a number that is not finite.")
    return x, y

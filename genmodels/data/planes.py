r"""Densities on the plane whose truth is known: each can be sampled exactly and knows its log-density.

All have about unit variance. Four kinds, each with its own reason why the density is exact:

- Gaussian mixtures (:class:`Gaussians`), and a visitor's :func:`drawing`, which is one: a finite sum.
- A curve with Gaussian noise (:class:`Curves`): :math:`p(x) = \int_0^1 N(x; c(t), \sigma^2 I)\,dt`. The integrand is
  analytic, so Gauss-Legendre quadrature converges faster than any power of the number of nodes. For a circle
  (:class:`Ring`) the integral is a Bessel function.
- A twist that preserves area (:class:`Pinwheel`): change of variables with determinant 1.
- A constant on squares (:class:`Checkerboard`).
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.drawing import checked, checked_width, heart, strung

__all__ = ["PLANES", "Checkerboard", "Curves", "Gaussians", "Pinwheel", "Plane", "Ring", "drawing"]


class Plane:
    """A distribution on the plane.

    Attributes:
        extent: The distribution is shown whole on [-extent, extent]².
        classes: The names of the parts that it is made of, none where it is one.
        modes: The centres of its modes, shape (K, 2), float64, where it has some that can be told apart.
        sigma: The standard deviation of the isotropic noise in it; 0 where there is none.
        arguments: What the plane of this name is made of, as JSON.
    """

    extent: float
    classes: tuple[str, ...] = ()
    modes: Tensor | None = None
    sigma: float = 0.0
    arguments: Mapping[str, Any] = MappingProxyType({})

    def draw(self, n: int, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """``n`` independent points, float32 (n, 2), and the part that each came from, int64 (n,)."""
        raise NotImplementedError

    def sample(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        """``n`` independent points, float32 (n, 2)."""
        return self.draw(n, rng)[0]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density of the points ``x`` (N, 2) in nats, shape (N,), in their precision and on their device."""
        raise NotImplementedError


class Gaussians(Plane):
    """A mixture of isotropic Gaussians of one width.

    Args:
        means: Their centres, float64, shape (K, 2).
        sigma: Their standard deviation.
        extent: Half the width of the square that shows them all.
        weights: Their shares, float64, shape (K,), sum 1; None: equal ones.
        parts: Which part each belongs to, int64 (K,); None: each is a part, and a mode, of its own.
    """

    def __init__(
        self, means: Tensor, sigma: float, extent: float, weights: Tensor | None = None, parts: Tensor | None = None
    ) -> None:
        k = len(means)
        self.means, self.sigma, self.extent = means, sigma, extent
        self.weights = torch.full((k,), 1 / k, dtype=torch.float64) if weights is None else weights
        self.parts = torch.arange(k) if parts is None else parts
        self.modes = means if parts is None else None
        self.classes = tuple(str(part) for part in self.parts.unique().tolist())

    def draw(self, n: int, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw a component, then a point of it."""
        u = random.rand(n, rng=rng)
        noise = random.randn(n, 2, rng=rng)
        k = torch.searchsorted(self.weights.cumsum(0).to(u), u, right=True).clamp(max=len(self.means) - 1)
        return self.means.to(noise)[k] + self.sigma * noise, self.parts.to(k)[k]

    def log_prob(self, x: Tensor) -> Tensor:
        """The sum over the components."""
        return _log_mixture(x, self.means, self.weights, self.sigma)


class Curves(Plane):
    r"""A point at a uniform place :math:`t \in [0, 1]` of one of several curves, plus isotropic Gaussian noise.

    Args:
        curves: Each from t, shape (n,), to points, shape (n, 2); smooth.
        sigma: Standard deviation of the noise.
        extent: Half the width of the square that shows it all.
        classes: The names of the curves.
        nodes: Quadrature nodes on each curve: three to four times its length / sigma gives ten digits.
    """

    def __init__(
        self,
        curves: Sequence[Callable[[Tensor], Tensor]],
        sigma: float,
        extent: float,
        classes: tuple[str, ...] = (),
        nodes: int = 128,
    ) -> None:
        self.curves, self.sigma, self.extent, self.classes, self.nodes = curves, sigma, extent, classes, nodes

    def draw(self, n: int, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw a curve, a place on it, and noise."""
        y = random.randint(0, len(self.curves), n, rng=rng)
        t = random.rand(n, rng=rng)
        noise = random.randn(n, 2, rng=rng)
        places = torch.stack([curve(t) for curve in self.curves])  # (curves, n, 2)
        return places[y, torch.arange(n, device=y.device)] + self.sigma * noise, y

    def log_prob(self, x: Tensor) -> Tensor:
        """The integral over the place, by quadrature."""
        t, weights = _gauss_legendre(self.nodes)
        nodes = torch.cat([curve(t) for curve in self.curves])
        return _log_mixture(x, nodes, weights.repeat(len(self.curves)) / len(self.curves), self.sigma)


class Ring(Plane):
    r"""A circle with isotropic Gaussian noise, :math:`x = r u + \sigma \varepsilon`.

    Its direction :math:`u` integrates out to a Bessel function:

    .. math:: \log p(x) = -\log 2\pi\sigma^2 - \frac{(\|x\| - r)^2}{2\sigma^2}
              + \log\left[e^{-\kappa} I_0(\kappa)\right], \quad \kappa = r \|x\| / \sigma^2
    """

    extent = 2.0

    def __init__(self, radius: float = 1.4, sigma: float = 0.1) -> None:
        self.radius, self.sigma = radius, sigma

    def draw(self, n: int, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw a direction and noise."""
        angle = 2 * math.pi * random.rand(n, rng=rng)
        x = self.radius * _direction(angle) + self.sigma * random.randn(n, 2, rng=rng)
        return x, torch.zeros(n, dtype=torch.int64, device=x.device)

    def log_prob(self, x: Tensor) -> Tensor:
        """The closed form above."""
        length, variance = x.norm(dim=1), self.sigma**2
        bessel = torch.special.i0e(self.radius * length / variance)
        return -math.log(2 * math.pi * variance) - (length - self.radius).square() / (2 * variance) + bessel.log()


class Pinwheel(Plane):
    r"""Arms of a wheel, each a Gaussian that is longer than wide, twisted by an angle that grows with the radius.

    The twist :math:`f(v) = R(\omega \|v\|)\, v` rotates each circle around the origin in itself, so that
    :math:`|\det J_f| = 1` and :math:`p(x) = \frac{1}{K} \sum_k N(f^{-1}(x); k\text{-th arm})`.
    (The pinwheel of Johnson et al. 2016, https://arxiv.org/abs/1603.06277, lets the angle depend on the first
    coordinate instead, which is no bijection.)
    """

    extent = 3.0

    def __init__(
        self, arms: int = 5, radius: float = 1.35, length: float = 0.4, width: float = 0.1, twist: float = 1.0
    ) -> None:
        self.arms, self.radius, self.twist = arms, radius, twist
        self.scale = (length, width)  # standard deviations along and across an arm
        self.classes = tuple(str(k) for k in range(arms))

    def draw(self, n: int, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw an arm, a point of it, and twist it."""
        y = random.randint(0, self.arms, n, rng=rng)
        noise = random.randn(n, 2, rng=rng)
        v = noise * noise.new_tensor(self.scale) + noise.new_tensor([self.radius, 0])
        return self.twisted(_rotated(v, 2 * math.pi * y / self.arms)), y

    def log_prob(self, x: Tensor) -> Tensor:
        """The mixture's density of the point twisted back."""
        v = self.twisted(x, -1)
        angles = -2 * math.pi * torch.arange(self.arms, dtype=x.dtype, device=x.device) / self.arms
        along, across = _rotated(v[:, None], angles).unbind(-1)  # (N, arms): each arm turned onto the first
        length, width = self.scale
        exponents = -0.5 * (((along - self.radius) / length).square() + (across / width).square())
        return exponents.logsumexp(1) - math.log(self.arms * 2 * math.pi * length * width)

    def twisted(self, v: Tensor, sign: int = 1) -> Tensor:
        """f(v), shape (N, 2), or its inverse for ``sign`` = -1."""
        return _rotated(v, sign * self.twist * v.norm(dim=1))


class Checkerboard(Plane):
    """Uniform on the eight dark squares of a 4 x 4 board over [-2, 2]²; the log-density elsewhere is -inf."""

    extent = 2.5

    def draw(self, n: int, rng: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draw a dark square and a place in it."""
        square = random.randint(0, 8, n, rng=rng)
        row, column = square // 2, 2 * (square % 2) + square // 2 % 2
        x = torch.stack([column, row], 1) - 2 + random.rand(n, 2, rng=rng)
        return x, torch.zeros_like(square)

    def log_prob(self, x: Tensor) -> Tensor:
        """-log 8, or -inf."""
        dark = (x.floor().sum(1) % 2 == 0) & (x >= -2).all(1) & (x < 2).all(1)
        return torch.where(dark, x.new_tensor(-math.log(8)), -math.inf)


# The mathematics they share ---------------------------------------------------------------------------------------


def _log_mixture(x: Tensor, means: Tensor, weights: Tensor, sigma: float, at_once: int = 1 << 22) -> Tensor:
    """log Σ_k w_k N(x; mean_k, σ² I) of the points ``x`` (N, 2), shape (N,); ``at_once`` terms in memory."""
    means, offsets = means.to(x), weights.log().to(x) - math.log(2 * math.pi * sigma**2)
    parts = []
    for rows in x.split(max(1, at_once // len(means))):
        squared = (rows[:, :1] - means[:, 0]).square() + (rows[:, 1:] - means[:, 1]).square()  # (rows, K)
        parts.append((offsets - squared / (2 * sigma**2)).logsumexp(1))
    return torch.cat(parts)


@functools.cache
def _gauss_legendre(n: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights of Gauss-Legendre quadrature on [0, 1], float64 (n,)."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights / 2)


def _direction(angle: Tensor) -> Tensor:
    """Unit vectors, shape (..., 2)."""
    return torch.stack([angle.cos(), angle.sin()], -1)


def _rotated(v: Tensor, angle: Tensor) -> Tensor:
    """The vectors ``v`` (..., 2) turned by ``angle`` (...)."""
    x, y = v.unbind(-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.stack([cos * x - sin * y, sin * x + cos * y], -1)


# The planes by name -----------------------------------------------------------------------------------------------


def eight_gaussians() -> Gaussians:
    """Eight narrow Gaussians on a circle."""
    angles = 2 * math.pi * torch.arange(8, dtype=torch.float64) / 8
    return Gaussians(1.4 * _direction(angles), sigma=0.14, extent=2.0)


def gaussian_grid() -> Gaussians:
    """Twenty-five narrow Gaussians on a 5 x 5 grid, ten standard deviations apart."""
    places = 0.7 * torch.arange(-2, 3, dtype=torch.float64)
    return Gaussians(torch.cartesian_prod(places, places), sigma=0.07, extent=2.0)


def two_moons() -> Curves:
    """Two half circles, each reaching into the other."""

    def upper(t: Tensor) -> Tensor:
        return 1.3 * (_direction(math.pi * t) - t.new_tensor([0.5, 0.25]))

    def lower(t: Tensor) -> Tensor:
        return -upper(t)

    return Curves((upper, lower), sigma=0.1, extent=2.5, classes=("upper", "lower"))


def swiss_roll() -> Curves:
    """A spiral of one and a half turns, denser inside."""

    def spiral(t: Tensor) -> Tensor:
        angle = 1.5 * math.pi * (1 + 2 * t)
        return angle[:, None] / 7 * _direction(angle)

    return Curves((spiral,), sigma=0.1, extent=2.5, nodes=512)


def drawing(strokes: Any = None, width: Any = 0.02) -> Gaussians:
    """A drawing as a density: beads of ink, small Gaussians, strung along the strokes one standard deviation apart.

    At this distance their sum is the stroke evenly inked, to eight digits. (A drawing longer than 2,000 standard
    deviations gets beads further apart.) The drawing pad [0, 1]², y upwards, becomes the square [-2, 2]².

    Args:
        strokes: Lists of points (x, y) in [0, 1]²; a stroke of one point is a dot. None: a heart.
        width: Standard deviation of the ink around the stroke, as a fraction of the pad.

    Raises:
        BadInput: If there is nothing drawn, or too much, or a point is not in the pad.
    """
    drawn, width = checked(heart() if strokes is None else strokes), checked_width(width)
    beads, weights = strung([4 * np.array(stroke) - 2 for stroke in drawn], spacing=4 * width, most=2_000)
    parts = torch.tensor([k for k, places in enumerate(beads) for _ in places])
    shares = torch.tensor(weights, dtype=torch.float64)[parts]
    plane = Gaussians(torch.from_numpy(np.concatenate(beads)), 4 * width, 2.5, shares, parts)
    plane.classes = tuple(f"stroke {k}" for k in range(1, len(drawn) + 1))
    plane.arguments = {"strokes": drawn, "width": width}
    return plane


PLANES: Mapping[str, Callable[..., Plane]] = {
    "eight-gaussians": eight_gaussians,
    "gaussian-grid": gaussian_grid,
    "ring": Ring,
    "two-moons": two_moons,
    "swiss-roll": swiss_roll,
    "pinwheel": Pinwheel,
    "checkerboard": Checkerboard,
    "drawing": drawing,
}

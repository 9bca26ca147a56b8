r"""Monotonic rational-quadratic splines: a rising curve through K + 1 knots, with an inverse in closed form.

Between two knots, with :math:`\xi = (x - x_k)/w_k \in [0, 1]`, slope :math:`s = h_k / w_k` and derivatives :math:`d_k`,

.. math:: g(x) = y_k + \frac{h_k [s \xi^2 + d_k \xi (1 - \xi)]}{s + (d_{k+1} + d_k - 2s)\, \xi (1 - \xi)}

Durkan et al. (2019), Neural spline flows, eqs. 4 to 8. https://arxiv.org/abs/1906.04032
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["Spline"]

LEAST = 1e-3  # width and height of a bin, as a part of the whole, and derivative at a knot
EVEN = math.log(math.expm1(1 - LEAST))  # where LEAST + softplus is 1


class Spline:
    """A spline on [−bound, bound] and the identity outside, where its derivative is 1 too. With parameters 0: identity.

    Args:
        bins: K, of which each has a width and a height; K − 1 knots inside have a derivative.
        bound: Of the spline's square.
        dim: Along which a network's output has the parameters of one number after those of another.
    """

    def __init__(self, bins: int, bound: float, dim: int = -1) -> None:
        self.bins, self.bound, self.dim, self.parameters = bins, bound, dim, 3 * bins - 1

    def knots(self, raw: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Where the bins begin in x and in y, and their sizes, (..., 2, K); derivatives less softplus, (..., K + 1)."""
        raw = raw.unflatten(self.dim, (-1, self.parameters)).movedim(self.dim, -1)
        K, B = self.bins, self.bound
        share = raw[..., : 2 * K].unflatten(-1, (2, K)).softmax(-1)
        size = 2 * B * LEAST + 2 * B * (1 - K * LEAST) * share
        return size.cumsum(-1) - size - B, size, F.pad(raw[..., 2 * K :], (1, 1))

    def _bin(self, value: Tensor, raw: Tensor, axis: int) -> tuple[Tensor, ...]:
        """The bin in which ``value`` lies on ``axis`` (0: x, 1: y): where it begins, its size, and its derivatives."""
        start, size, slopes = self.knots(raw)
        k = (value.unsqueeze(-1) >= start[..., axis, 1:]).sum(-1, keepdim=True)  # (..., 1)
        both = k.unsqueeze(-1).expand(*k.shape[:-1], 2, 1)
        x_k, y_k = start.gather(-1, both).squeeze(-1).unbind(-1)
        w, h = size.gather(-1, both).squeeze(-1).unbind(-1)
        d = LEAST + F.softplus(slopes.gather(-1, torch.cat([k, k + 1], -1)) + EVEN)
        return x_k, y_k, w, h, *d.unbind(-1)

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """g(x), and log g'(x) (eq. 5), elementwise."""
        at = x.clamp(-self.bound, self.bound)
        x_k, y_k, w, h, d0, d1 = self._bin(at, raw, 0)
        s, xi = h / w, (at - x_k) / w
        mixed = xi * (1 - xi)
        below = s + (d0 + d1 - 2 * s) * mixed
        y = y_k + h * (s * xi * xi + d0 * mixed) / below
        slope = s.square() * (d1 * xi * xi + 2 * s * mixed + d0 * (1 - xi).square()) / below.square()
        outside = at != x
        return torch.where(outside, x, y), slope.log().masked_fill(outside, 0.0)

    def inverse(self, y: Tensor, raw: Tensor) -> Tensor:
        """The x with g(x) = y, elementwise: the root of a quadratic (eqs. 6 to 8)."""
        at = y.clamp(-self.bound, self.bound)
        x_k, y_k, w, h, d0, d1 = self._bin(at, raw, 1)
        s, up = h / w, at - y_k
        bend = up * (d0 + d1 - 2 * s)
        a, b, c = h * (s - d0) + bend, h * d0 - bend, -s * up
        xi = 2 * c / (-b - (b * b - 4 * a * c).clamp_min(0).sqrt())
        return torch.where(at != y, y, x_k + xi * w)

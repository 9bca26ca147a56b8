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

    def sizes(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        """Widths and heights of the bins of N numbers, (N, 2, K), and derivatives inside less softplus, (N, K − 1)."""
        K, B = self.bins, self.bound
        rows = raw.unflatten(self.dim, (-1, self.parameters)).movedim(self.dim, -1).reshape(-1, self.parameters)
        shares, slopes = rows.split([2 * K, K - 1], 1)
        return 2 * B * LEAST + 2 * B * (1 - K * LEAST) * shares.unflatten(1, (2, K)).softmax(2), slopes

    def _bin(self, value: Tensor, raw: Tensor, axis: int) -> tuple[Tensor, ...]:
        """Where the bin that holds ``value`` on ``axis`` (0: x, 1: y) begins, its size and its derivatives, (N,) each.

        A knot is the sum of the bins before it, and sums of what a table of zeros and ones picks are matrix products.
        """
        size, slopes = self.sizes(raw)
        begun = size.new_zeros(len(size), self.bins + 1)  # bin after bin; the last is followed by none
        with torch.no_grad():
            begins = size[:, axis].cumsum(1) - size[:, axis] - self.bound
            torch.ge(value.reshape(-1, 1), begins, out=begun[:, :-1])
            here = begun[:, :-1] - begun[:, 1:]
        with torch.autocast(size.device.type, enabled=False):  # rounded, it would not be undone
            x_1, x_0, y_1, y_0 = torch.bmm(size, begun.unfold(1, 2, 1)).flatten(1).unbind(1)
            d = torch.bmm(slopes.unsqueeze(1), here.unfold(1, 2, 1)).squeeze(1)
        d_1, d_0 = (LEAST + F.softplus(d + EVEN)).unbind(1)
        return x_0 - self.bound, y_0 - self.bound, x_1 - x_0, y_1 - y_0, d_0, d_1

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """g(x), and log g'(x) (eq. 5), elementwise."""
        at = x.reshape(-1).clamp(-self.bound, self.bound)
        x_k, y_k, w, h, d0, d1 = self._bin(at, raw, 0)
        s, xi = h / w, (at - x_k) / w
        p, q = d0.lerp(s, xi), s.lerp(d1, xi)  # ξ p is s ξ² + d0 ξ (1 − ξ); and as a line between these two lines
        below = q.lerp(p, xi)  # is s + (d0 + d1 − 2s) ξ (1 − ξ)
        y, slope = y_k + h * xi * p / below, (s / below).square() * p.lerp(q, xi)
        outside = x.abs() > self.bound
        return torch.where(outside, x, y.view_as(x)), slope.log().view_as(x).masked_fill(outside, 0.0)

    def inverse(self, y: Tensor, raw: Tensor) -> Tensor:
        """The x with g(x) = y, elementwise: the root of a quadratic (eqs. 6 to 8)."""
        at = y.reshape(-1).clamp(-self.bound, self.bound)
        x_k, y_k, w, h, d0, d1 = self._bin(at, raw, 1)
        s, up = h / w, at - y_k
        bend = up * (d0 + d1 - 2 * s)
        a, b, c = h * (s - d0) + bend, h * d0 - bend, -s * up
        xi = 2 * c / (-b - (b * b - 4 * a * c).clamp_min(0).sqrt())
        return torch.where(y.abs() > self.bound, y, (x_k + xi * w).view_as(y))

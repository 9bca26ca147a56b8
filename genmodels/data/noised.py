r"""The law of points of the plane under noise, where it is known, and with it the best answer that a network can give.

Noised data of a known law have a known law again:

.. math:: \epsilon^*(x_t, t) = E[\epsilon \mid x_t] = -\sqrt{1 - \bar\alpha_t}\; \nabla_x \log q(x_t)

Vincent (2011), A connection between score matching and denoising autoencoders. https://doi.org/10.1162/NECO_a_00142
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from genmodels.data.datasets import Data
from genmodels.data.planes import Curves, Gaussians, Plane, Ring

__all__ = ["best_eps", "law_under", "noised"]


def noised(plane: Plane | None, a: float, sigma: float) -> Plane | None:
    """The law of :math:`a x_0 + σ ε` where x_0 is drawn from ``plane``; None where it has no closed form.

    Gaussians stay Gaussians, a curve with noise around it stays a curve, smaller, with more noise, and a ring a ring.
    """
    match plane:
        case Gaussians():
            wider = math.hypot(a * plane.sigma, sigma)
            return Gaussians(a * plane.means, wider, plane.extent, plane.weights)
        case Curves():
            shrunk = [lambda t, curve=curve: a * curve(t) for curve in plane.curves]
            return Curves(shrunk, math.hypot(a * plane.sigma, sigma), plane.extent, plane.classes, plane.nodes)
        case Ring():
            return Ring(a * plane.radius, math.hypot(a * plane.sigma, sigma))
        case _:
            return None


def law_under(data: Data, sigma: float) -> tuple[Callable[[Tensor], Tensor] | None, bool]:
    """The log-density of the data under noise of standard deviation ``sigma``, and whether it is that.

    Where there is no closed form it is that of the data without the noise, or None where that is not known either.
    """
    law = noised(data.plane, 1.0, sigma) if sigma else None
    return (data.log_prob, not sigma) if law is None else (law.log_prob, True)


def best_eps(law: Plane, x: Tensor, sigma: float) -> Tensor:
    """E[ε | x_t] of each point, (N, 2), from the law of x_t: float64, by automatic differentiation."""
    with torch.enable_grad():
        x = x.detach().double().requires_grad_()
        (score,) = torch.autograd.grad(law.log_prob(x).sum(), x)
    return -sigma * score

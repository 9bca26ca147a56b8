r"""Couplings: one half of the numbers is moved by a map whose parameters a network reads off the other half.

.. math:: y_a = g(x_a; \theta(x_b)), \quad y_b = x_b, \qquad
          \log |\det J| = \sum_i \log g'(x_{a,i}; \theta_i(x_b))

The Jacobian is triangular whatever the network does, and the inverse needs no inverse of the network.
Dinh et al. (2017), Density estimation using Real NVP, section 3.2. https://arxiv.org/abs/1605.08803
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

__all__ = ["Affine", "Couplings", "Transform"]


class Transform(Protocol):
    """A strictly rising map of one number with ``parameters`` parameters, applied elementwise.

    The parameters lie along dimension ``dim`` of what a network gives, ``parameters`` times as many as numbers there.
    """

    parameters: int
    dim: int

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """y = g(x) and log g'(x), elementwise."""

    def inverse(self, y: Tensor, raw: Tensor) -> Tensor:
        """The x with g(x) = y, elementwise."""


class Affine:
    r"""g(x) = e^s x + t, with \|s\| < ``reach``, so that no coupling can blow up. Dinh et al. (2017), eqs. 7 and 8."""

    parameters = 2

    def __init__(self, dim: int = -1, reach: float = 1.0) -> None:
        self.dim, self.reach = dim, reach

    def _scale_shift(self, raw: Tensor) -> tuple[Tensor, Tensor]:
        s, t = raw.chunk(2, self.dim)
        return (s.tanh() if self.reach == 1 else self.reach * (s / self.reach).tanh()), t

    def forward(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        """y = e^s x + t, and s."""
        s, t = self._scale_shift(raw)
        return torch.addcmul(t, x, s.exp()), s

    def inverse(self, y: Tensor, raw: Tensor) -> Tensor:
        """x = (y − t) e^−s."""
        s, t = self._scale_shift(raw)
        return (y - t) * torch.exp(-s)


class Couplings(nn.Module):
    """Couplings of two halves, one after the other; ``moved`` says which half each of the networks moves, 0 or 1."""

    def __init__(self, networks: Sequence[nn.Module], moved: Sequence[int], transform: Transform) -> None:
        super().__init__()
        self.networks, self.moved, self.transform = nn.ModuleList(networks), list(moved), transform

    def there(self, halves: list[Tensor], y: Tensor | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """Apply all couplings forward: both halves, and log g′ of each coupling, in the shape of the half it moved."""
        halves, slopes = list(halves), []
        for j, network in zip(self.moved, self.networks, strict=True):
            halves[j], slope = self.transform.forward(halves[j], self.read(network, halves, j, y))
            slopes.append(slope)
        return halves, slopes

    def back(self, halves: list[Tensor], y: Tensor | None = None) -> list[Tensor]:
        """Invert all couplings, the last first: both halves as :meth:`there` took them."""
        halves = list(halves)
        for j, network in reversed(list(zip(self.moved, self.networks, strict=True))):
            halves[j] = self.transform.inverse(halves[j], self.read(network, halves, j, y))
        return halves

    def read(self, network: nn.Module, halves: list[Tensor], j: int, y: Tensor | None = None) -> Tensor:
        """The parameters of the map of half ``j``, read off the other half."""
        given = halves[1 - j]
        return (network(given) if y is None else network(given, y)).to(given.dtype)

r"""A costly smooth function of one or two numbers, computed once on a grid and read off it ever after.

Between the points of the grid it is the polynomial through the four nearest of each dimension (Lagrange), whose error
falls as h⁴. The grid is made twice as fine until that changes little, and only new points are computed.
"""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

__all__ = ["Table", "tabulated"]

FIRST = 32  # cells a side of the first grid
MOST = 256  # of the last
SPARE = 2  # cells beyond the box at each side, for the points around


class Table:
    r"""The function f on a box, from its values at low + h·(0, 1, 2, …).

    Attributes:
        values: f at the points of the grid, shape (n,) * L.
        low: The grid's lower corner, (L,), float64.
        h: Between the points, (L,), float64.
        change: By how much the last halving of h moved f at most: the error left is some 16 times less.
    """

    def __init__(self, values: Tensor, low: Tensor, h: Tensor, change: float = float("inf")) -> None:
        self.values, self.low, self.h, self.change = values, low, h, change

    def _at(self, z: Tensor) -> Tensor:
        """The position of z (B, L) in the grid, in cells from its first point."""
        return (z.double() - self.low) / self.h

    def holds(self, z: Tensor) -> Tensor:
        """Which of z (B, L) lie where the grid has points all around, (B,)."""
        at = self._at(z)
        return ((at >= 1) & (at <= len(self.values) - 2)).all(1)

    def __call__(self, z: Tensor) -> Tensor:
        """f, (B,), at z (B, L); beyond what the grid holds that of somewhere at its border."""
        n = len(self.values)
        at = self._at(z).clamp(1, n - 2).nan_to_num()
        left = at.floor().clamp(1, n - 3)
        s = at - left  # from 0 to 1
        ends = -s * (s - 1) * (s - 2) / 6, (s + 1) * s * (s - 1) / 6
        middle = (s + 1) * (s - 1) * (s - 2) / 2, -(s + 1) * s * (s - 2) / 2
        weights = torch.stack([ends[0], *middle, ends[1]])  # (4, B, L), of the points left − 1 to left + 2
        found = torch.zeros(len(z), dtype=torch.float64, device=z.device)
        for steps in product(range(4), repeat=z.shape[1]):
            where = tuple((left[:, j].long() + step - 1) for j, step in enumerate(steps))
            weight = torch.stack([weights[step, :, j] for j, step in enumerate(steps)]).prod(0)
            found += weight * self.values[where]
        return found


def tabulated(f: Callable[[Tensor], Tensor], low: Tensor, high: Tensor, *, tolerance: float) -> Table | None:
    """The table of ``f`` (B, L) → (B,) on the box from ``low`` to ``high``, (L,) each, L = 1 or 2.

    Returns:
        One whose last halving of h changed nothing by more than ``tolerance``; None where the finest that is allowed
        does not come so far, or f is no number somewhere.
    """
    low, high = low.double(), high.double()
    h = (high - low) / FIRST
    sides = [low[j] + h[j] * torch.arange(-SPARE, FIRST + SPARE + 1, device=low.device) for j in range(len(low))]
    values = f(torch.cartesian_prod(*sides).view(-1, len(low))).double().view([len(sides[0])] * len(low))
    table = Table(values, low - SPARE * h, h)
    while bool(table.values.isfinite().all()) and len(table.values) <= MOST // 2 + 2 * SPARE + 1:
        table = _finer(f, table)
        if table.change <= tolerance:
            return table
    return None


def _finer(f: Callable[[Tensor], Tensor], table: Table) -> Table:
    """A table of ``f`` with points half as far apart; those between the old ones are evaluated."""
    n, dim = len(table.values), len(table.low)
    side = torch.arange(2 * n - 1, device=table.low.device)
    places = torch.cartesian_prod(*[side] * dim).view(-1, dim)
    new = (places % 2 == 1).any(1)
    z = table.low + table.h / 2 * places[new]
    values = torch.empty(len(places), dtype=torch.float64, device=table.low.device)
    values[new], values[~new] = f(z).double(), table.values.flatten()
    inside = table.holds(z)
    change = float((table(z[inside]) - values[new][inside]).abs().max())
    finer = values.view([len(side)] * dim)
    cut = (slice(SPARE, -SPARE),) * dim  # the spare cells are now four, and two are enough
    return Table(finer[cut], table.low + SPARE * table.h / 2, table.h / 2, change)

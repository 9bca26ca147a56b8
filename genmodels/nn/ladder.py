"""A rung of a ladder VAE: one stochastic layer, on the way down from the top to the data."""

import torch
from torch import Tensor, nn

from genmodels.nn.residual import Level, Residual, descent, layer

__all__ = ["Rung"]

NARROW = -1.5  # log σ of q at first: what is below hears z before the KL can silence it


class Rung(nn.Module):
    """A stochastic layer: what p(z | above) is, what x says of z, and how z is told to what is below.

    Args:
        size: Dimensions of z, of a grid at each place.
        level: Where it stands.
        depth: Blocks before it.
        above: The level of the rung above; None at the top, where p(z) = N(0, I).
        sees: "d and x": q is read from both; "x": from the features of x alone.
    """

    def __init__(self, size: int, level: Level, depth: int, above: Level | None, sees: str) -> None:
        super().__init__()
        width = level.width
        self.level, self.size = level, size
        self.before = None if above is None else nn.Sequential(*descent(above, level, depth))
        self.prior = None if above is None else _to_normal(width, size, level)
        if self.prior is not None:
            nn.init.zeros_(self.prior[-1].weight)  # type: ignore[arg-type]
            nn.init.zeros_(self.prior[-1].bias)  # type: ignore[arg-type]
        self.sees_d = sees == "d and x" and above is not None
        self.evidence = _to_normal(width * (1 + self.sees_d), size, level)
        nn.init.constant_(self.evidence[-1].bias[size:], NARROW)  # type: ignore[index]
        self.write = layer(size, width, level, 1)
        self.after = Residual(level)

    def numbers_of_p(self, d: Tensor) -> Tensor | None:
        """mu and log σ of p(z | above), (B, 2·size, …); None at the top."""
        return None if self.prior is None else self.prior(d)

    def numbers_of_x(self, h: Tensor, d: Tensor) -> Tensor:
        """The numbers for mu and log σ that the features h of x give at the state d: (B, 2·size, …)."""
        return self.evidence(torch.cat([h, d], 1) if self.sees_d else h)

    def down(self, d: Tensor, z: Tensor) -> Tensor:
        """The state below, once z is known."""
        return self.after(d + self.write(z))


def _to_normal(n_in: int, size: int, level: Level) -> nn.Sequential:
    hidden = layer(n_in, level.width, level)
    return nn.Sequential(nn.SiLU(), hidden, nn.SiLU(), layer(level.width, 2 * size, level, 1))

"""An affine flow: x = b + L z with z ~ N(0, I), so that p(x) = N(x; b, L Lᵀ) exactly.

The simplest normalizing flow there is; the log-determinant of its Jacobian is that of L.
"""

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.hyperparameters import Between
from genmodels.models.base import GenerativeModel, Preset
from genmodels.probability.distributions import standard_normal_log_prob


class AffineFlow(GenerativeModel):
    """A Gaussian with any covariance, by maximum likelihood."""

    presets = (Preset("Two moons, as one Gaussian", "two-moons", {}, {"steps": 300}),)
    defaults = {"lr": 0.02}  # noqa: RUF012

    def __init__(
        self, shape: tuple[int, ...], *, scale: Annotated[float, Between(0.01, 10, "standard deviation at first")] = 1.0
    ) -> None:
        super().__init__(shape)
        self.latent_dim = math.prod(shape)
        self.b = nn.Parameter(torch.zeros(self.latent_dim))
        self.lower = nn.Parameter(torch.zeros(self.latent_dim, self.latent_dim))
        self.log_diagonal = nn.Parameter(torch.full((self.latent_dim,), math.log(scale)))

    @property
    def matrix(self) -> Tensor:
        """L, lower triangular with a positive diagonal."""
        return self.lower.tril(-1) + self.log_diagonal.exp().diag()

    def encode(self, x: Tensor) -> Tensor:
        """z = L⁻¹ (x − b), shape (B, D)."""
        return torch.linalg.solve_triangular(self.matrix, (x.flatten(1) - self.b).T, upper=False).T

    def decode(self, z: Tensor) -> Tensor:
        r"""x = b + L z, shape (B, \*shape)."""
        x = (z @ self.matrix.T + self.b).unflatten(-1, self.shape)
        return x.clamp(0, 1) if self.is_image else x

    def log_prob(self, x: Tensor) -> Tensor:
        """log N(L⁻¹ (x − b); 0, I) − log det L, nats, (B,)."""
        return standard_normal_log_prob(self.encode(x)).sum(1) - self.log_diagonal.sum()

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """The mean of −log p(x)."""
        return {"loss": -self.log_prob(x).mean()}

    @torch.no_grad()
    def sample(self, n: int, *, y: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """Decoded noise."""
        return self.decode(random.randn(n, self.latent_dim, rng=rng, device=self.device))

r"""Factor analysis and probabilistic PCA: a Gaussian z seen through a matrix and noise, a VAE whose posterior is exact.

.. math:: z \sim N(0, I), \quad x \mid z \sim N(W z + \mu, \Psi) \quad\Rightarrow\quad x \sim N(\mu, W W^T + \Psi)
.. math:: z \mid x \sim N(M^{-1} W^T \Psi^{-1} (x - \mu),\; M^{-1}), \qquad M = I + W^T \Psi^{-1} W

With as much noise in every dimension, Ψ = σ² I, the best W spans the principal subspace: Tipping & Bishop (1999),
Probabilistic principal component analysis, https://doi.org/10.1111/1467-9868.00196. With a noise of its own for each it
is factor analysis: Rubin & Thayer (1982), EM algorithms for ML factor analysis, https://doi.org/10.1007/BF02293851.
"""

import math
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.errors import BadInput
from genmodels.hyperparameters import IMAGES, Between, Only, Switch
from genmodels.models.base import Preset
from genmodels.models.latent.em import EM, Learn, PriorWeight, Statistics
from genmodels.probability.distributions import LOG_2PI, normal_log_prob

__all__ = ["LinearGaussian", "principal", "principal_of"]

FLOOR = 1e-6  # variance of the noise: the likelihood would have no maximum
WHOLE = {"lr": 1.0, "batch_size": 65_536, "decay": "constant"}  # one batch is the data: EM itself


class LinearGaussian(EM):
    """The matrix W (D, L), the mean μ (D,) and log Ψ, (D,) or one number."""

    presets: ClassVar[tuple[Preset, ...]] = (
        Preset("PPCA: MNIST, 10 factors", "mnist", {"latent_dim": 10}, {"epochs": 3, "batch_size": 1000, "lr": 0.3}),
        Preset("PPCA: two moons on a line", "two-moons", {}, {"steps": 60, **WHOLE}),
        Preset("PPCA: small digits, 2 factors", "digits", {"latent_dim": 2}, {"steps": 100, **WHOLE}),
        Preset(
            "Factor analysis: small digits",
            "digits",
            {"latent_dim": 10, "noise": "diagonal"},
            {"steps": 200, **WHOLE},
        ),
        Preset(
            "Factor analysis: MNIST",
            "mnist",
            {"latent_dim": 16, "noise": "diagonal"},
            {"epochs": 3, "batch_size": 1000, "lr": 0.3},
        ),
        Preset(
            "PPCA by gradient: small digits",
            "digits",
            {"latent_dim": 10, "learn": "gradient"},
            {"steps": 2000, "batch_size": 256, "lr": 0.01},
        ),
        Preset(
            "MAP: as many imagined digits", "digits", {"latent_dim": 10, "prior_weight": 1.0}, {"steps": 200, **WHOLE}
        ),
    )

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        latent_dim: Annotated[int, Between(1, 128, "factors: dimensions of z, fewer than of x")] = 1,
        noise: Annotated[
            str, Only(("isotropic", "diagonal"), "around W z + μ: isotropic is PPCA, diagonal factor analysis")
        ] = "isotropic",
        learn: Learn = "em",
        prior_weight: PriorWeight = 0.0,
    ) -> None:
        super().__init__(shape)
        d = math.prod(shape)
        if latent_dim >= d:
            raise BadInput(f"latent_dim = {latent_dim} is not below the {d} dimensions of x: nothing would be noise.")
        self.latent_dim, self.noise, self.learn, self.prior_weight = latent_dim, noise, learn, prior_weight
        self.centre, self.width = (0.5, 0.3) if self.is_image else (0.0, 1.0)  # of what is imagined, and at first
        far = self.width * math.sqrt(3 / latent_dim)  # of a variance of width² / L
        self.W = nn.Parameter(nn.init.uniform_(torch.empty(d, latent_dim), -far, far))
        self.mu = nn.Parameter(torch.full((d,), self.centre))
        self.log_psi = nn.Parameter(torch.full((1 if noise == "isotropic" else d,), 2 * math.log(self.width)))

    def precision_of_z(self) -> Tensor:
        """M = I + Wᵀ Ψ⁻¹ W, (L, L): the inverse of the posterior's covariance, which is the same for every x."""
        eye = torch.eye(self.latent_dim, dtype=self.W.dtype, device=self.device)
        return eye + self.W.T @ (self.W * torch.exp(-self.log_psi).unsqueeze(-1))

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean (B, L) and covariance (L, L) of p(z | x), exact. Tipping & Bishop (1999), eq. 6."""
        covariance = torch.cholesky_inverse(torch.linalg.cholesky(self.precision_of_z()))
        weighted = (x.flatten(1) - self.mu) * torch.exp(-self.log_psi)
        return weighted @ self.W @ covariance, covariance

    def encode(self, x: Tensor) -> Tensor:
        """The mean of p(z | x), shape (B, L): the code of an example."""
        return self.posterior(x)[0]

    def decode(self, z: Tensor) -> Tensor:
        r"""E[x | z] = W z + μ in data space, (B, \*shape); images are cut to [0, 1]."""
        x = (z @ self.W.T + self.mu).unflatten(-1, self.shape)
        return x.clamp(0, 1) if self.is_image else x

    def log_prob(self, x: Tensor) -> Tensor:
        """log N(x; μ, W Wᵀ + Ψ) in nats, (B,). Of images, per unit of the cube [0, 1]^D.

        By Woodbury's identity and the determinant lemma: nothing of size D × D is made.
        """
        with torch.autocast(x.device.type, enabled=False):
            factor = torch.linalg.cholesky(self.precision_of_z())
            away = x.flatten(1) - self.mu
            inner = (away * torch.exp(-self.log_psi)) @ self.W
            explained = torch.linalg.solve_triangular(factor, inner.T, upper=False).square().sum(0)
            of_noise = normal_log_prob(away, torch.zeros_like(away), self.log_psi).sum(1)
            return of_noise + 0.5 * explained - factor.diagonal().log().sum()

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        y: Tensor | None = None,
        rng: torch.Generator | None = None,
        draw: Annotated[bool, Switch("of images, draw x from p(x | z) instead of showing its mean"), IMAGES] = False,
    ) -> Tensor:
        """z ~ N(0, I), then x ~ p(x | z); of images E[x | z] unless ``draw``. Images are cut to [0, 1]."""
        z = random.randn(n, self.latent_dim, rng=rng, device=self.device).to(self.W)
        x = z @ self.W.T + self.mu
        if draw or not self.is_image:
            x = x + torch.exp(0.5 * self.log_psi) * random.randn(*x.shape, rng=rng, device=self.device).to(x)
        x = x.unflatten(1, self.shape).float()
        return x.clamp(0, 1) if self.is_image else x

    # EM: h = (z, 1), and Λ = (W, μ) ------------------------------------------------------------------------------

    @torch.no_grad()
    def expect(self, x: Tensor) -> tuple[Statistics, Tensor]:
        """The E step: means over x of E[h hᵀ], x E[h]ᵀ and x², h = (z, 1); and the entropy of p(z | x)."""
        mean, covariance = (t.double() for t in self.posterior(x))
        x = x.flatten(1).double()
        h = torch.cat([mean, mean.new_ones(len(mean), 1)], 1)
        hh = h.T @ h / len(h) + nn.functional.pad(covariance, (0, 1, 0, 1))
        entropy = 0.5 * (torch.logdet(covariance) + self.latent_dim * (LOG_2PI + 1))
        return (hh, x.T @ h / len(x), x.square().mean(0)), entropy

    def complete(self, statistics: Statistics) -> Tensor:
        """E[log p(x, z)] = E[log N(x; Λ h, Ψ)] + E[log N(z; 0, I)]."""
        hh, xh, xx = statistics
        both = torch.cat([self.W, self.mu.unsqueeze(1)], 1).double()  # Λ
        far = xx - 2 * (both * xh).sum(1) + (both * (both @ hh)).sum(1)  # E (x − Λ h)²
        log_psi = self.log_psi.double().expand(len(xx))
        of_x = -0.5 * (far * torch.exp(-log_psi) + hh[-1, -1] * (log_psi + LOG_2PI)).sum()
        return of_x - 0.5 * (hh.diagonal()[:-1].sum() + hh[-1, -1] * self.latent_dim * LOG_2PI)

    @torch.no_grad()
    def maximize(self, statistics: Statistics) -> None:
        """The M step, a regression of x on h: Λ = E[x hᵀ] E[h hᵀ]⁻¹, and Ψ what it leaves. Rubin & Thayer (1982)."""
        hh, xh, xx = statistics
        both = torch.linalg.solve(hh, xh.T).T
        left = (xx - (both * xh).sum(1)) / hh[-1, -1]
        if self.noise == "isotropic":
            left = left.mean(0, keepdim=True)
        self.W.copy_(both[:, :-1])
        self.mu.copy_(both[:, -1])
        self.log_psi.copy_(left.clamp_min(FLOOR).log())

    @torch.no_grad()
    def own(self) -> Statistics:
        """E[h hᵀ] = I, E[x hᵀ] = Λ and E[x²] = diag(W Wᵀ + Ψ) + μ²."""
        w, mu = self.W.double(), self.mu.double()
        eye = torch.eye(self.latent_dim + 1, dtype=w.dtype, device=w.device)
        return eye, torch.cat([w, mu.unsqueeze(1)], 1), w.square().sum(1) + self.log_psi.double().exp() + mu.square()

    @torch.no_grad()
    def imagined(self) -> Statistics:
        """Imagined examples of one variance in every dimension and no factor: they draw W to 0, Ψ to that variance."""
        hh, xh, xx = (torch.zeros_like(one) for one in self.own())
        hh.diagonal().fill_(1)
        xh[:, -1] = self.centre
        return hh, xh, xx + self.width**2 + self.centre**2


def principal(x: Tensor, latent_dim: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """PPCA's best W (D, L), μ (D,) and σ² for the data ``x`` (N, D), and all eigenvalues (D,): :func:`principal_of`."""
    x = x.double()
    mu = x.mean(0)
    w, sigma2, values = principal_of((x - mu).T @ (x - mu) / len(x), latent_dim)
    return w, mu, sigma2, values


def principal_of(covariance: Tensor, latent_dim: int) -> tuple[Tensor, Tensor, Tensor]:
    r"""PPCA's best W (D, L) and σ² in closed form, for data of this ``covariance`` (D, D), and its eigenvalues (D,).

    .. math:: \sigma^2 = \frac{1}{D - L} \sum_{j > L} \lambda_j, \qquad W = U_L (\Lambda_L - \sigma^2 I)^{1/2}

    λ and U are the eigenvalues, falling, and eigenvectors. Tipping & Bishop (1999), eqs. 7 and 8.
    """
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0).clamp_min(0), vectors.flip(1)
    sigma2 = values[latent_dim:].mean().clamp_min(FLOOR)
    return vectors[:, :latent_dim] * (values[:latent_dim] - sigma2).clamp_min(0).sqrt(), sigma2, values

r"""The mixture of Gaussians: the simplest latent variable model, whose z says which of K Gaussians an example is from.

.. math:: p(x) = \sum_{k=1}^K \pi_k\, N(x; \mu_k, \Sigma_k), \qquad
    p(z = k \mid x) = \frac{\pi_k N(x; \mu_k, \Sigma_k)}{\sum_j \pi_j N(x; \mu_j, \Sigma_j)}

Everything is a finite sum: log p(x), the posterior (the "responsibilities"), and with them EM. Bishop (2006), Pattern
Recognition and Machine Learning, section 9.2.
"""

import math
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.errors import BadInput
from genmodels.hyperparameters import Between, Only
from genmodels.models.base import Preset
from genmodels.models.latent.em import EM, Learn, PriorWeight, Statistics
from genmodels.probability.distributions import LOG_2PI

__all__ = ["GaussianMixture"]

FLOOR = 1e-6  # variance that no direction of a component falls below: the likelihood would have no maximum
MOST = 2**20  # numbers in the matrices of all components
WHOLE = {"lr": 1.0, "batch_size": 65_536, "decay": "constant"}  # one batch is the data: EM itself
PLANE = {"covariance": "full"}


class GaussianMixture(EM):
    """Weights π, means μ, and of each Σ⁻¹ = A Aᵀ the triangular A: its log-diagonal, and what is below it."""

    presets: ClassVar[tuple[Preset, ...]] = (
        Preset("MNIST, 10 components", "mnist", {"components": 10}, {"epochs": 5, "batch_size": 1000, "lr": 0.3}),
        Preset("EM: eight Gaussians", "eight-gaussians", PLANE, {"steps": 60, **WHOLE}),
        Preset("EM: two moons of 12 Gaussians", "two-moons", PLANE | {"components": 12}, {"steps": 200, **WHOLE}),
        Preset(
            "The same two moons by gradient",
            "two-moons",
            PLANE | {"components": 12, "learn": "gradient"},
            {"steps": 1000, "batch_size": 512, "lr": 0.03},
        ),
        Preset("Your drawing, 20 Gaussians", "drawing", PLANE | {"components": 20}, {"steps": 200, **WHOLE}),
        Preset("Small digits, 30 components", "digits", {"components": 30}, {"steps": 100, **WHOLE}),
        Preset(
            "MAP: as many imagined digits", "digits", {"components": 30, "prior_weight": 1.0}, {"steps": 100, **WHOLE}
        ),
    )

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        components: Annotated[int, Between(1, 256, "Gaussians, K")] = 8,
        covariance: Annotated[
            str, Only(("diagonal", "full", "spherical"), "of a component: its axes along x, anywhere, or of one length")
        ] = "diagonal",
        learn: Learn = "em",
        prior_weight: PriorWeight = 0.0,
    ) -> None:
        super().__init__(shape)
        k, d = components, math.prod(shape)
        if covariance == "full" and k * d * d > MOST:
            raise BadInput(
                f"covariance = full of {k} components is {k * d * d / 1e6:.1f} million numbers, and {MOST / 1e6:.1f} "
                "are allowed: take diagonal, or fewer components."
            )
        self.covariance, self.learn, self.prior_weight = covariance, learn, prior_weight
        self.centre, self.width = (0.5, 0.3) if self.is_image else (0.0, 1.0)  # of what is imagined, and at first
        self.logits = nn.Parameter(torch.zeros(k))
        far = self.width / 2 * math.sqrt(3)  # of a variance of (width / 2)²
        self.means = nn.Parameter(nn.init.uniform_(torch.empty(k, d), self.centre - far, self.centre + far))
        self.log_scale = nn.Parameter(torch.full((k, 1 if covariance == "spherical" else d), -math.log(self.width)))
        if covariance == "full":
            self.lower = nn.Parameter(torch.zeros(k, d, d))

    def whitened(self, x: Tensor) -> Tensor:
        """Aᵀ (x − μ) of every component, (B, K, D): how many standard deviations x is away, and where to."""
        away = x.flatten(1).unsqueeze(1) - self.means
        scaled = away * self.log_scale.exp()
        return scaled + torch.einsum("bkd,kde->bke", away, self.lower.tril(-1)) if self.covariance == "full" else scaled

    def log_joint(self, x: Tensor) -> Tensor:
        """log π_k + log N(x; μ_k, Σ_k) in nats, (B, K)."""
        d = self.means.shape[1]
        log_det = self.log_scale.sum(1) * (d / self.log_scale.shape[1])
        log_normal = log_det - 0.5 * (self.whitened(x).square().sum(-1) + d * LOG_2PI)
        return self.logits.log_softmax(0) + log_normal

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, (B,): the sum over the components. Of images, per unit of the cube [0, 1]^D."""
        with torch.autocast(x.device.type, enabled=False):
            return self.log_joint(x).logsumexp(1)

    def posterior(self, x: Tensor) -> Tensor:
        """p(z = k | x), the responsibilities, (B, K). Bishop (2006), eq. 9.13."""
        return self.log_joint(x).softmax(1)

    @torch.no_grad()
    def sample(self, n: int, *, y: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """z ~ π, then x ~ N(μ_z, Σ_z); images are cut to [0, 1]."""
        u = random.rand(n, rng=rng, device=self.device)
        edges = self.logits.softmax(0).cumsum(0)
        k = torch.searchsorted(edges / edges[-1], u.to(edges), right=True).clamp(max=len(edges) - 1)
        noise = random.randn(n, self.means.shape[1], rng=rng, device=self.device).to(self.means)
        if self.covariance == "full":
            factor = (self.lower.tril(-1) + torch.diag_embed(self.log_scale.exp())).mT  # Aᵀ, and Aᵀ (x − μ) = noise
            noise = torch.linalg.solve_triangular(factor[k], noise.unsqueeze(-1), upper=True).squeeze(-1)
        else:
            noise = noise / self.log_scale.exp()[k]
        x = (self.means[k] + noise).unflatten(1, self.shape).float()
        return x.clamp(0, 1) if self.is_image else x

    # EM -----------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def expect(self, x: Tensor) -> tuple[Statistics, Tensor]:
        """The E step: means over x of r_k, r_k x and r_k x xᵀ (or its diagonal), r = p(z | x); and the entropy of r."""
        log_r = self.log_joint(x).double().log_softmax(1)
        r, x = log_r.exp(), x.flatten(1).double()
        second = torch.einsum("bk,bd,be->kde", r, x, x) if self.covariance == "full" else r.T @ x.square()
        statistics = r.mean(0), r.T @ x / len(x), second / len(x)
        return statistics, -(r * log_r).sum(1).mean()

    def complete(self, statistics: Statistics) -> Tensor:
        """E[log p(x, z)] = Σ_k E[r_k log π_k N(x; μ_k, Σ_k)]. Bishop (2006), eq. 9.40."""
        share, first, second = statistics
        mu, scale = self.means.double(), self.log_scale.double().exp()
        d = mu.shape[1]
        log_det = scale.log().sum(1) * (d / scale.shape[1])
        if self.covariance == "full":
            spread = second - first.unsqueeze(-1) * mu.unsqueeze(1) - mu.unsqueeze(-1) * first.unsqueeze(1)
            spread = spread + share[:, None, None] * mu.unsqueeze(-1) * mu.unsqueeze(1)
            a = self.lower.double().tril(-1) + torch.diag_embed(scale)
            far = (a * (spread @ a)).sum((1, 2))
        else:
            far = ((second - 2 * first * mu + share.unsqueeze(1) * mu.square()) * scale.square()).sum(1)
        log_pi = self.logits.double().log_softmax(0)
        return (share * (log_pi + log_det - 0.5 * d * LOG_2PI) - 0.5 * far).sum()

    @torch.no_grad()
    def maximize(self, statistics: Statistics) -> None:
        """The M step: each component's share, mean and covariance. Bishop (2006), eqs. 9.24 to 9.26.

        No variance falls below :data:`FLOOR`: the best covariance under that bound has its eigenvalues cut there.
        """
        share, first, second = statistics
        share = share.clamp_min(1e-12)
        mu = first / share.unsqueeze(1)
        self.logits.copy_((share / share.sum()).log())
        self.means.copy_(mu)
        if self.covariance == "full":
            sigma = second / share[:, None, None] - mu.unsqueeze(-1) * mu.unsqueeze(1)
            variance, axes = torch.linalg.eigh(sigma)
            a = torch.linalg.cholesky(axes / variance.clamp_min(FLOOR).unsqueeze(1) @ axes.mT)
            self.log_scale.copy_(a.diagonal(dim1=1, dim2=2).log())
            self.lower.copy_(a.tril(-1))
        else:
            variance = second / share.unsqueeze(1) - mu.square()
            if self.covariance == "spherical":
                variance = variance.mean(1, keepdim=True)
            self.log_scale.copy_(-0.5 * variance.clamp_min(FLOOR).log())

    @torch.no_grad()
    def own(self) -> Statistics:
        """π_k, π_k μ_k and π_k (Σ_k + μ_k μ_kᵀ)."""
        share, mu = self.logits.double().softmax(0), self.means.double()
        scale = self.log_scale.double().exp()
        if self.covariance == "full":
            a = self.lower.double().tril(-1) + torch.diag_embed(scale)
            second = torch.cholesky_inverse(a) + mu.unsqueeze(-1) * mu.unsqueeze(1)
            return share, share.unsqueeze(1) * mu, share[:, None, None] * second
        return share, share.unsqueeze(1) * mu, share.unsqueeze(1) * (mu.square() + scale.pow(-2))

    @torch.no_grad()
    def imagined(self) -> Statistics:
        """Imagined examples, as many for each component, of the same mean and variance: a conjugate prior.

        Dirichlet for π, normal-inverse-Wishart for μ and Σ: Murphy (2012), Machine Learning, section 11.4.2.8.
        """
        k, d = self.means.shape
        first = self.means.new_full((k, d), self.centre / k, dtype=torch.float64)
        second = first * self.centre + self.width**2 / k
        if self.covariance == "full":
            eye = torch.eye(d, dtype=torch.float64, device=first.device)
            second = (self.centre**2 + self.width**2 * eye).expand(k, d, d) / k
        return first.new_full((k,), 1 / k), first, second

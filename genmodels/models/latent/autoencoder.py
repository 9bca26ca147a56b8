r"""The autoencoder: through a narrow code and back. It compresses, and knows no density: no law says which codes occur.

.. math:: \mathcal L = \mathrm{error}(x, D(E(x))) + \lambda\, \|E(x)\|_1

Rumelhart, Hinton & Williams (1986), https://doi.org/10.1038/323533a0; Hinton & Salakhutdinov (2006),
https://doi.org/10.1126/science.1127647. With λ > 0 it is sparse: what is meant is the count of codes that are not 0,
‖E(x)‖₀, which has no gradient; the absolute sum in its place has one, and sets codes to 0 as well (Tibshirani 1996,
https://doi.org/10.1111/j.2517-6161.1996.tb02080.x).

To draw from it all the same, a Gaussian is fitted to the codes of the training set; what is decoded shows what is lost
with the VAE's prior.
"""

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.errors import BadInput
from genmodels.hyperparameters import IMAGES, Between, Only, Where
from genmodels.models.base import GenerativeModel, Preset
from genmodels.nn import layers as networks
from genmodels.probability.distributions import LOG_2PI, bernoulli_log_prob

__all__ = ["Autoencoder", "FittedGaussian"]

RECENT = 0.01  # weight of a batch among the codes seen lately, at the least
ON_A_LINE = {"hidden": 128, "depth": 3, "latent_dim": 1}


class FittedGaussian(nn.Module):
    """The Gaussian with mean and covariance of the codes seen lately in training. Nothing is learned by gradient."""

    mean: Tensor
    covariance: Tensor
    seen: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(latent_dim))
        self.register_buffer("covariance", torch.zeros(latent_dim, latent_dim).fill_diagonal_(1.0))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))  # batches

    @torch.no_grad()
    def see(self, z: Tensor) -> None:
        """Take the codes of a batch, (B, L), into account: all batches alike at first, then the last hundred or so."""
        self.seen += 1
        weight = (1 / self.seen.to(z)).clamp_min(RECENT)
        with torch.autocast(z.device.type, enabled=False):
            away = z - z.mean(0)
            moved = z.mean(0) - self.mean
            spread = away.T @ away / len(z) + (1 - weight) * torch.outer(moved, moved)
        self.mean += weight * moved
        self.covariance += weight * (spread - self.covariance)

    def log_prob(self, z: Tensor) -> Tensor:
        """log N(z; mean, covariance) in nats, shape (...), for z (..., L)."""
        factor = self.factor()
        away = torch.linalg.solve_triangular(factor, (z - self.mean).unsqueeze(-1), upper=False).squeeze(-1)
        return -0.5 * (away.square().sum(-1) + len(factor) * LOG_2PI) - factor.diagonal().log().sum()

    def sample(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        """Samples, shape (n, L)."""
        eps = random.randn(n, len(self.mean), rng=rng, device=self.mean.device).to(self.mean)
        return self.mean + eps @ self.factor().T

    def factor(self) -> Tensor:
        """The Cholesky factor of the covariance, in which no direction has less than a millionth of the variance."""
        eye = torch.eye(len(self.mean), dtype=self.mean.dtype, device=self.mean.device)
        return torch.linalg.cholesky(self.covariance + (1e-6 * self.covariance.trace() + 1e-12) * eye)


class Autoencoder(GenerativeModel):
    """encoder x → z, decoder z → x; and beside them the Gaussian fitted to the codes."""

    presets: ClassVar[tuple[Preset, ...]] = (
        Preset("MNIST, 2 codes", "mnist", {"hidden": 256, "depth": 3}, {"epochs": 8, "batch_size": 256, "lr": 3e-3}),
        Preset("Small digits, 2 codes", "digits", {"hidden": 128}, {"epochs": 300}),
        Preset("Small digits, 16 codes", "digits", {"hidden": 128, "latent_dim": 16}, {"epochs": 300}),
        Preset("Sparse: 32 codes, few in use", "digits", {"latent_dim": 32, "sparsity": 0.3}, {"epochs": 300}),
        Preset("Plane: two moons on a line", "two-moons", ON_A_LINE, {"steps": 3900}),
    )
    defaults: ClassVar[dict[str, str]] = {"decay": "cosine"}

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        latent_dim: Annotated[int, Between(1, 64, "numbers in a code")] = 2,
        network: Annotated[str, Only(("mlp", "conv"), "of encoder and decoder; conv: images only"), IMAGES] = "mlp",
        hidden: Annotated[
            int, Between(16, 2048, "units of a hidden layer", log=True), Where(lambda depth: depth > 0)
        ] = 512,
        depth: Annotated[int, Between(0, 6, "hidden layers, 0: linear; of conv: halvings of the image")] = 2,
        error: Annotated[
            str, Only(("cross-entropy", "squared"), "of the reconstruction; cross-entropy: of black and white"), IMAGES
        ] = "cross-entropy",
        sparsity: Annotated[
            float, Between(0, 100, "weight λ of the codes' absolute sum; 0: a plain autoencoder")
        ] = 0.0,
    ) -> None:
        super().__init__(shape)
        if not self.is_image and network == "conv":
            raise BadInput("network = conv needs images: points of the plane take mlp.")
        self.latent_dim, self.sparsity = latent_dim, sparsity
        self.error = error if self.is_image else "squared"
        self.encoder = networks.encoder(network, shape, latent_dim, hidden=hidden, depth=depth)
        self.decoder = networks.decoder(network, latent_dim, shape, hidden=hidden, depth=depth)
        self.prior = FittedGaussian(latent_dim)

    @property
    def inputs(self) -> str:
        """Black or white pixels where they are compared by cross-entropy, grey ones otherwise: as a VAE's decoders."""
        return "threshold" if self.error == "cross-entropy" else "unit"

    def encode(self, x: Tensor) -> Tensor:
        """The code of each example, (B, L)."""
        return self.encoder(x).to(x.dtype)

    def decode(self, z: Tensor) -> Tensor:
        r"""The codes (..., L) decoded to data space, (..., \*shape)."""
        h = self.decoder(z.flatten(0, -2)).to(z.dtype).unflatten(0, z.shape[:-1])
        return h.sigmoid() if self.is_image else h

    def reconstruction_error(self, x: Tensor, z: Tensor) -> Tensor:
        """How far D(z) is from x, (B,): nats of cross-entropy, or the squared distance."""
        h = self.decoder(z).to(z.dtype).flatten(1)
        x = x.flatten(1)
        if self.error == "cross-entropy":
            return -bernoulli_log_prob(x, h).sum(1)
        return (x - (h.sigmoid() if self.is_image else h)).square().sum(1)

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """The reconstruction error, and λ times the codes' absolute sum."""
        z = self.encode(x)
        if self.training:
            self.prior.see(z.detach())
        error, size = self.reconstruction_error(x, z).mean(), z.abs().sum(1).mean()
        told = {"squared error": error} if self.error == "squared" else {"reconstruction": -error}
        return {"loss": error + self.sparsity * size, **told, "code size": size}

    @torch.no_grad()
    def sample(self, n: int, *, y: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        """z from the Gaussian that was fitted to the codes, then D(z)."""
        return self.decode(self.prior.sample(n, rng)).float()

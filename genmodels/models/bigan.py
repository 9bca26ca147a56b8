r"""Bidirectional GAN: an encoder learns beside the generator, and the discriminator tells pairs (x, z) apart.

.. math:: \min_{G, E} \max_D \mathbb{E}_{x \sim p}[\log D(x, E(x))] + \mathbb{E}_{z}[\log(1 - D(G(z), z))]

The two joint distributions can only agree where E and G undo each other: nobody ever compares x with G(E(x)). Encoder
and generator minimize the same thing, so they are one player.

Donahue et al. (2017), Adversarial feature learning. https://arxiv.org/abs/1605.09782
Dumoulin et al. (2017), Adversarially learned inference (a stochastic encoder). https://arxiv.org/abs/1606.00704
"""

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels import random
from genmodels.hyperparameters import Between, Switch
from genmodels.models.adversarial import R1, R2, Adversarial, Classes, Hidden, LatentDim, Network, penalized
from genmodels.models.base import Preset
from genmodels.nn.adversarial import PairCritic, generator
from genmodels.nn.layers import encoder

__all__ = ["BiGAN"]


class BiGAN(Adversarial):
    """Encoder and generator, against a discriminator of pairs."""

    presets: ClassVar = (
        Preset(
            "Two moons and the way back",
            "two-moons",
            {"latent_dim": 2, "r1": 0.1, "r2": 0.1, "beta1": 0.0},
            {"steps": 5000, "batch_size": 128, "lr": 3e-3, "decay": "cosine", "ema": 0.995},
        ),
        Preset(
            "Small digits and the way back",
            "digits",
            {"latent_dim": 8, "d_steps": 2, "beta1": 0.0},
            {"steps": 2500, "batch_size": 128, "lr": 1e-3, "decay": "cosine", "ema": 0.99},
        ),
        Preset(
            "MNIST and the way back",
            "mnist",
            {"hidden": 64, "latent_dim": 16, "d_steps": 2, "beta1": 0.0},
            {"steps": 2500, "batch_size": 128, "lr": 1e-3, "decay": "cosine", "ema": 0.999},
        ),
        Preset(
            "MNIST and the way back (convolutions)",
            "mnist",
            {"network": "conv", "hidden": 32, "latent_dim": 16, "r1": 0.1, "r2": 0.1, "beta1": 0.0},
            {"steps": 14_000, "batch_size": 128, "lr": 1e-3, "decay": "cosine", "ema": 0.9995},
        ),
    )
    defaults: ClassVar = {"lr": 2e-4}

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        latent_dim: LatentDim = 16,
        network: Network = "mlp",
        hidden: Hidden = 128,
        stochastic: Annotated[bool, Switch("the encoder draws z from a Gaussian (ALI); off: one z for an x")] = False,
        d_steps: Annotated[int, Between(1, 20, "turns of the discriminator for each of the others")] = 1,
        r1: R1 = 0.0,
        r2: R2 = 0.0,
        spectral: Annotated[bool, Switch("divide every weight of the discriminator by its spectral norm")] = False,
        beta1: Annotated[float, Between(0, 0.99, "Adam's momentum")] = 0.5,
        classes: Classes = 0,
    ) -> None:
        super().__init__(shape)
        self.latent_dim, self.stochastic, self.classes = latent_dim, stochastic, classes
        self.r1, self.r2 = r1, r2
        self.d_steps, self.betas = d_steps, (beta1, 0.999)
        self.generator = generator(network, latent_dim + classes, shape, hidden)
        outputs = 2 * latent_dim if stochastic else latent_dim
        self.encoder = encoder(network, shape, outputs, hidden=4 * hidden if self.is_image else hidden, depth=2)
        self.discriminator = PairCritic(network, shape, latent_dim + classes, hidden, spectral=spectral)

    def players(self) -> dict[str, nn.Module]:
        """The discriminator, and the generator with the encoder."""
        return {"discriminator": self.discriminator, "generator": nn.ModuleList([self.generator, self.encoder])}

    def turns(self) -> tuple[str, ...]:
        """The discriminator ``d_steps`` times, then the others."""
        return ("discriminator",) * self.d_steps + ("generator",)

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """The loss of one player on fresh noise; "generator" is the encoder too.

        Terms as those of :class:`genmodels.models.gan.GAN`, R1 and R2 by the slope in x and z; held out also the
        "reconstruction", the mean squared error of G(E(x)), which is in no loss.
        """
        z = self.noise(x, rng)
        with torch.set_grad_enabled(torch.is_grad_enabled() and player == "generator"):
            inferred, generated = self.infer(x, rng), self.generate(z, y)
        pairs = torch.cat([x, generated]), torch.cat([self.code(inferred, y), self.code(z, y)])
        if player == "generator":  # both labels swapped, for the reason that −log D replaces log(1 − D) in a GAN
            real, fake = self.discriminator(*pairs).chunk(2)
            terms = {"loss": F.softplus(real).mean() + self.generator_loss(fake).mean()}
            return terms if self.training else terms | {"reconstruction": self._error(x, y)}
        if not self.r1 and not self.r2:
            return self._told(self.discriminator(*pairs))
        scores, slopes = penalized(self.discriminator.forward, *pairs)  # a compiled network has no second derivative
        terms, (r1, r2) = self._told(scores), (half.mean() for half in slopes.chunk(2))
        return terms | {"loss": terms["loss"] + self.r1 * r1 + self.r2 * r2, "R1": r1, "R2": r2}

    def _told(self, scores: Tensor) -> dict[str, Tensor]:
        """The discriminator's terms of the scores of the pairs (x, E(x)), then as many (G(z), z), without penalties."""
        real, fake = scores.chunk(2)
        value = -F.softplus(-real).mean() - F.softplus(fake).mean()
        beliefs = {"D(real)": self.belief(real).mean(), "D(fake)": self.belief(fake).mean()}
        return {"loss": -value, **beliefs, "value": value}

    def _error(self, x: Tensor, y: Tensor | None) -> Tensor:
        return (self.generate(self.encode(x), y) - x).square().mean()

    def infer(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """The z that the discriminator sees beside x: E(x), or a draw from N(mu(x), sigma²(x)). Shape (B, L)."""
        if not self.stochastic:
            return self.encode(x)
        mu, logvar = self.encoder(x).to(x.dtype).chunk(2, 1)
        noise = random.randn(*mu.shape, rng=rng, device=x.device).to(x.dtype)
        return mu + (0.5 * logvar).exp() * noise

    def encode(self, x: Tensor) -> Tensor:
        """E(x), the mean where the encoder is stochastic, shape (B, L), of data as the networks see them."""
        return self.encoder(x).to(x.dtype)[:, : self.latent_dim]

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        r"""G(E(x)) in data space, shape (B, \*shape), of data as the networks see them (images in [−1, 1])."""
        return self.decode(self.encode(x), y)

    def critic(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The discriminator's score of (x, E(x)), shape (B,)."""
        return self.discriminator(x, self.code(self.encode(x), y))

    def fake_scores(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The discriminator's scores of the pairs (x, z) with x = G(z), shape (B,)."""
        return self.discriminator(x, self.code(z, y))

    def belief(self, score: Tensor) -> Tensor:
        """D from its score: how likely a pair is taken for (x, E(x))."""
        return score.sigmoid()

    def generator_loss(self, score: Tensor) -> Tensor:
        """The generator's loss for a pair (G(z), z) of this score, shape (B,): −log D."""
        return F.softplus(-score)

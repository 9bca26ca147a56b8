r"""Generative adversarial networks: a generator learns by fooling a discriminator that learns to see through it.

The discriminator's logit s(x) says how likely a picture is real, D(x) = σ(s(x)), and both play for the value

.. math:: \min_G \max_D V(D, G) = \mathbb{E}_{x \sim p}[\log D(x)] + \mathbb{E}_{z}[\log(1 - D(G(z)))]

For a fixed generator with density q the best discriminator is D* = p / (p + q), and there V = 2 JS(p, q) − log 4.

Goodfellow et al. (2014), Generative adversarial nets. https://arxiv.org/abs/1406.2661
"""

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels.hyperparameters import Between, Only, Switch
from genmodels.models.adversarial import Adversarial, Classes, Hidden, LatentDim, Network
from genmodels.models.base import Preset
from genmodels.nn.adversarial import Critic, critic_features, generator

__all__ = ["GAN", "discriminator_loss", "generator_loss"]

OBJECTIVES = ("minimax", "non-saturating", "least-squares")


def discriminator_loss(objective: str, real: Tensor, fake: Tensor) -> Tensor:
    r"""What the discriminator minimizes, from its scores of real and of generated data; a scalar.

    ``minimax`` and ``non-saturating``: −V, with log σ(s) = −softplus(−s) and log(1 − σ(s)) = −softplus(s).
    ``least-squares``: ½ E[(s(x) − 1)²] + ½ E[s(G(z))²], Mao et al. (2017), Least squares GANs, eq. 9 with a = 0,
    b = c = 1. https://arxiv.org/abs/1611.04076. Both are minimized where D = p / (p + q).

    Args:
        objective: One of the three.
        real: Scores s(x), shape (B,).
        fake: Scores s(G(z)), shape (B,).
    """
    if objective == "least-squares":
        return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(objective: str, fake: Tensor) -> Tensor:
    r"""What the generator minimizes for each score of a sample, shape (B,).

    ``minimax``: log(1 − D), as in V. Its slope in s is −D: nought where the discriminator is sure (it saturates).
    ``non-saturating``: −log D, slope −(1 − D): strongest exactly there (Goodfellow et al. 2014, section 3).
    ``least-squares``: ½ (s − 1)².
    """
    match objective:
        case "minimax":
            return -F.softplus(fake)
        case "least-squares":
            return 0.5 * (fake - 1).square()
        case _:
            return F.softplus(-fake)


def generator_slope(objective: str, fake: Tensor) -> Tensor:
    """How strongly a sample is pushed through its score: |∂ generator_loss / ∂s|, shape (B,)."""
    match objective:
        case "minimax":
            return fake.sigmoid()
        case "least-squares":
            return (fake - 1).abs()
        case _:
            return (-fake).sigmoid()


class GAN(Adversarial):
    """Generator and discriminator.

    The multilayer perceptrons for images are those of a student's report: 128 hidden units that double three times with
    leaky ReLU and batch normalization, tanh; against 512 and 256 with leaky ReLU and dropout 0.3; Adam at 5e-4.
    """

    presets: ClassVar = (
        Preset(
            "Eight modes",
            "eight-gaussians",
            {"latent_dim": 2},
            {"steps": 1500, "batch_size": 256, "lr": 1e-3, "decay": "cosine", "ema": 0.99},
        ),
        Preset(
            "Mode collapse: 1 of 8",
            "eight-gaussians",
            {"objective": "minimax", "latent_dim": 2, "hidden": 64, "beta1": 0.9},
            {"steps": 500, "batch_size": 128, "lr": 2e-3},
        ),
        Preset(
            "Mode collapse, mended by 3 discriminator updates",
            "eight-gaussians",
            {"objective": "minimax", "latent_dim": 2, "hidden": 64, "beta1": 0.9, "d_steps": 3},
            {"steps": 500, "batch_size": 128, "lr": 2e-3},
        ),
        Preset(
            "Least squares",
            "eight-gaussians",
            {"objective": "least-squares", "latent_dim": 2},
            {"steps": 1500, "batch_size": 256, "lr": 1e-3, "decay": "cosine", "ema": 0.99},
        ),
        Preset(
            "Small digits",
            "digits",
            {"hidden": 64, "latent_dim": 16},
            {"steps": 4000, "batch_size": 64, "lr": 1e-3, "decay": "cosine", "ema": 0.99},
        ),
        Preset(
            "MNIST",
            "mnist",
            {"hidden": 64, "latent_dim": 32},
            {"steps": 4000, "batch_size": 128, "lr": 1e-3, "decay": "cosine", "ema": 0.999},
        ),
    )
    defaults: ClassVar = {"lr": 5e-4}

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        objective: Annotated[str, Only(OBJECTIVES, "what the two players minimize")] = "non-saturating",
        latent_dim: LatentDim = 32,
        network: Network = "mlp",
        hidden: Hidden = 128,
        d_steps: Annotated[int, Between(1, 20, "turns of the discriminator for each of the generator")] = 1,
        spectral: Annotated[bool, Switch("divide every weight of the discriminator by its spectral norm")] = False,
        beta1: Annotated[float, Between(0, 0.99, "Adam's momentum; 0.5 is calmer than 0.9 between two players")] = 0.5,
        classes: Classes = 0,
    ) -> None:
        super().__init__(shape)
        self.objective, self.latent_dim, self.classes = objective, latent_dim, classes
        self.d_steps, self.betas = d_steps, (beta1, 0.999)
        self.generator = generator(network, latent_dim + classes, shape, hidden)
        features, width = critic_features(network, shape, hidden, dropout=0.3)
        self.discriminator = Critic(features, width, classes, spectral=spectral)

    def players(self) -> dict[str, nn.Module]:
        """The discriminator and the generator."""
        return {"discriminator": self.discriminator, "generator": self.generator}

    def turns(self) -> tuple[str, ...]:
        """The discriminator ``d_steps`` times, then the generator."""
        return ("discriminator",) * self.d_steps + ("generator",)

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """The loss of one player on fresh noise.

        The discriminator's terms: "D(real)", "D(fake)" and, where D is a probability, the "value" V(D, G), which is
        −log 4 when it can but guess. The generator's: the "push" on a sample, |∂loss/∂s|, nought where it saturates.
        """
        z = self.noise(x, rng)
        if player == "generator":
            fake = self.discriminator(self.generate(z, y), y)
            push = generator_slope(self.objective, fake.detach()).mean()
            return {"loss": generator_loss(self.objective, fake).mean(), "push": push}
        with torch.no_grad():
            samples = self.generate(z, y)
        both = self.discriminator(torch.cat([x, samples]), None if y is None else torch.cat([y, y]))
        real, fake = both.chunk(2)
        loss = discriminator_loss(self.objective, real, fake)
        terms = {"loss": loss, "D(real)": self.belief(real).mean(), "D(fake)": self.belief(fake).mean()}
        return terms if self.objective == "least-squares" else terms | {"value": -loss}

    def critic(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The discriminator's score s(x), shape (B,), of data as the networks see them (images in [−1, 1])."""
        return self.discriminator(x, y)

    def belief(self, score: Tensor) -> Tensor:
        """D(x) from its score: how likely it is taken for real. At the optimum p / (p + q)."""
        return score if self.objective == "least-squares" else score.sigmoid()

    def generator_loss(self, score: Tensor) -> Tensor:
        """What the generator minimizes for a sample of this score, shape (B,)."""
        return generator_loss(self.objective, score)

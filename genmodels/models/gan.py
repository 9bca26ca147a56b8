r"""Generative adversarial networks: a generator learns by fooling a discriminator that learns to see through it.

The discriminator's logit s(x) says how likely a picture is real, D(x) = σ(s(x)), and both play for the value

.. math:: \min_G \max_D V(D, G) = \mathbb{E}_{x \sim p}[\log D(x)] + \mathbb{E}_{z}[\log(1 - D(G(z)))]

For a fixed generator with density q the best discriminator is D* = p / (p + q), and there V = 2 JS(p, q) − log 4.
Goodfellow et al. (2014), Generative adversarial nets. https://arxiv.org/abs/1406.2661

Relativistic, the two play for which of an example and a sample has the higher score: Jolicoeur-Martineau (2019), The
relativistic discriminator. https://arxiv.org/abs/1807.00734. That the game comes to rest is the penalties' doing:
Huang et al. (2024), The GAN is dead; long live the GAN! https://arxiv.org/abs/2501.05441
"""

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genmodels.errors import BadInput
from genmodels.hyperparameters import Between, Only, Switch
from genmodels.models.adversarial import R1, R2, Adversarial, Classes, Hidden, LatentDim, penalized
from genmodels.models.base import Preset
from genmodels.nn.adversarial import Critic, critic_features, generator

__all__ = ["GAN", "discriminator_loss", "generator_loss", "generator_slope"]

OBJECTIVES = ("minimax", "non-saturating", "least-squares", "relativistic")
NETWORKS = ("mlp", "conv", "residual")
RELATIVISTIC = {"objective": "relativistic", "beta1": 0.0, "beta2": 0.99}


def discriminator_loss(objective: str, real: Tensor, fake: Tensor) -> Tensor:
    r"""The discriminator's loss, from its scores of real and of generated data; a scalar.

    ``minimax`` and ``non-saturating``: −V, with log σ(s) = −softplus(−s) and log(1 − σ(s)) = −softplus(s).
    ``least-squares``: ½ E[(s(x) − 1)²] + ½ E[s(G(z))²], Mao et al. (2017), Least squares GANs, eq. 9 with a = 0,
    b = c = 1. https://arxiv.org/abs/1611.04076. Both are minimized where D = p / (p + q).
    ``relativistic``: −E[log σ(s(x) − s(G(z)))], an example paired with a sample. It does not see a constant added to s;
    it is smallest, log 2 − JS of the pairs and the pairs swapped, where s is log p/q and any constant.

    Args:
        objective: One of OBJECTIVES.
        real: Scores s(x), shape (B,).
        fake: Scores s(G(z)), shape (B,).
    """
    if objective == "relativistic":
        return F.softplus(fake - real).mean()
    if objective == "least-squares":
        return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def generator_loss(objective: str, fake: Tensor) -> Tensor:
    r"""The generator's loss for each score of a sample, or how far it is above its example's, shape (B,).

    ``minimax``: log(1 − D), as in V. Its slope in s is −D: nought where the discriminator is sure (it saturates).
    ``non-saturating``: −log D, slope −(1 − D): strongest exactly there (Goodfellow et al. 2014, section 3).
    ``relativistic``: the same of s(G(z)) − s(x).
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
    """A generator and a discriminator that learn against each other.

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
            "Eight modes, relativistic",
            "eight-gaussians",
            RELATIVISTIC | {"r1": 0.1, "r2": 0.1, "latent_dim": 2},
            {"steps": 1000, "batch_size": 256, "lr": 2e-3, "decay": "cosine", "ema": 0.99},
        ),
        Preset(
            "25 modes, relativistic",
            "gaussian-grid",
            RELATIVISTIC | {"beta2": 0.9, "r1": 0.03, "r2": 0.03, "hidden": 64, "latent_dim": 2},
            {"steps": 4500, "batch_size": 256, "lr": 3e-3, "decay": "cosine", "ema": 0.99},
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
            RELATIVISTIC | {"network": "conv", "hidden": 64, "latent_dim": 32, "r1": 0.1, "r2": 0.1},
            {"steps": 14_000, "batch_size": 128, "lr": 1e-3, "decay": "cosine", "ema": 0.9995},
        ),
        Preset(
            "MNIST: perceptrons, as in a report",
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
        network: Annotated[
            str, Only(NETWORKS, "layers of the networks; residual: without normalization; conv: of images alone")
        ] = "mlp",
        hidden: Hidden = 128,
        r1: R1 = 0.0,
        r2: R2 = 0.0,
        d_steps: Annotated[int, Between(1, 20, "turns of the discriminator for each of the generator")] = 1,
        spectral: Annotated[bool, Switch("divide every weight of the discriminator by its spectral norm")] = False,
        beta1: Annotated[float, Between(0, 0.99, "Adam's momentum; 0.5 is calmer than 0.9 between two players")] = 0.5,
        beta2: Annotated[float, Between(0, 0.9999, "Adam's average of the squared gradient")] = 0.999,
        classes: Classes = 0,
    ) -> None:
        super().__init__(shape)
        if spectral and network == "residual":
            raise BadInput("spectral = true is for network = mlp or conv: residual branches begin at 0, norm and all.")
        self.objective, self.latent_dim, self.classes = objective, latent_dim, classes
        self.r1, self.r2 = r1, r2
        self.d_steps, self.betas = d_steps, (beta1, beta2)
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

        The discriminator's terms: "D(real)", "D(fake)", the "value" V(D, G) where D is a probability, which is −log 4
        when it can but guess, and "R1" and "R2" where they have a weight. The generator's: the "push" on a sample,
        |∂loss/∂s|, nought where it saturates.
        """
        z = self.noise(x, rng)
        if player == "generator":
            ahead = self.discriminator(self.generate(z, y), y) - self.rival(x, y)
            push = generator_slope(self.objective, ahead.detach()).mean()
            return {"loss": generator_loss(self.objective, ahead).mean(), "push": push}
        with torch.no_grad():
            both = torch.cat([x, self.generate(z, y)])
        labels = None if y is None else torch.cat([y, y])
        if not self.r1 and not self.r2:
            real, fake = self.discriminator(both, labels).chunk(2)
            return self._told(real, fake)
        # forward, not the call: a compiled network has no second derivative
        scores, slopes = penalized(lambda points: self.discriminator.forward(points, labels), both)
        terms, (r1, r2) = self._told(*scores.chunk(2)), (half.mean() for half in slopes.chunk(2))
        return terms | {"loss": terms["loss"] + self.r1 * r1 + self.r2 * r2, "R1": r1, "R2": r2}

    def _told(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The discriminator's terms of these scores, without penalties."""
        loss = discriminator_loss(self.objective, real, fake)
        terms = {"loss": loss, "D(real)": self.belief(real).mean(), "D(fake)": self.belief(fake).mean()}
        if self.objective == "least-squares":
            return terms
        if self.objective != "relativistic":
            return terms | {"value": -loss}
        # The pairs leave a constant open. It is the last bias, and V alone moves it: then D is a probability after all.
        free = self.discriminator.score.bias - self.discriminator.score.bias.detach()
        value = -discriminator_loss("non-saturating", real.detach() + free, fake.detach() + free)
        return terms | {"loss": loss - (value - value.detach()), "value": value}

    def rival(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The score that a sample's is compared with: relativistic, the scores of ``x``, shape (B,); else 0, (1,)."""
        return self.critic(x, y) if self.objective == "relativistic" else super().rival(x, y)

    def critic(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The discriminator's score s(x), shape (B,), of data as the networks see them (images in [−1, 1])."""
        return self.discriminator(x, y)

    def belief(self, score: Tensor) -> Tensor:
        """D(x) from its score: how likely it is taken for real. At the optimum p / (p + q)."""
        return score if self.objective == "least-squares" else score.sigmoid()

    def generator_loss(self, score: Tensor) -> Tensor:
        """The generator's loss for a sample of this score, or this far above its rival's, shape (B,)."""
        return generator_loss(self.objective, score)

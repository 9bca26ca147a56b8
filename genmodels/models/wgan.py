r"""Wasserstein GAN: the critic measures how far the samples are from the data, the generator brings them closer.

The distance is the earth mover's (the norm is not squared), and Kantorovich and Rubinstein found its dual:

.. math::
    W(p, q) = \inf_{\gamma \in \Pi(p, q)} \mathbb{E}_{(x, y) \sim \gamma} \|x - y\|
            = \sup_{\|f\|_L \le 1} \mathbb{E}_{x \sim p}[f(x)] - \mathbb{E}_{z}[f(G(z))]

The critic f climbs to the supremum; what keeps it 1-Lipschitz is the one choice that makes the variants.

Arjovsky et al. (2017), Wasserstein GAN. https://arxiv.org/abs/1701.07875
Gulrajani et al. (2017), Improved training of Wasserstein GANs. https://arxiv.org/abs/1704.00028
"""

from collections.abc import Callable
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.hyperparameters import Between, Only, Switch, Where
from genmodels.models.adversarial import Adversarial, Classes, Hidden, LatentDim, Network
from genmodels.models.base import Preset
from genmodels.nn.adversarial import ACTIVATIONS, Critic, critic_features, generator
from genmodels.probability.distributions import assignment

__all__ = ["WGAN", "between", "gradient_norm"]

EXACT = 400  # points whose exact distance is found
PENALTIES = ("none", "clip", "gp", "spectral")


def between(real: Tensor, fake: Tensor, rng: torch.Generator | None = None) -> Tensor:
    """Points drawn evenly from the lines between pairs of real and generated examples, where the penalty is taken."""
    u = random.rand(len(real), *[1] * (real.ndim - 1), rng=rng, device=real.device).to(real.dtype)
    return u * real + (1 - u) * fake


def gradient_norm(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """‖∇f(x)‖ of each row, shape (B,), itself differentiable in the critic's weights (also where gradients are off)."""
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=create_graph)
        return gradient.flatten(1).norm(dim=1)


class WGAN(Adversarial):
    """Generator and critic, the critic kept Lipschitz by clipped weights, by a gradient penalty or by spectral norms.

    ``critic(x, y=None)`` is the score f(x), shape (B,), of data as the networks see them: images in [−1, 1].
    """

    critic: Critic
    betas = (0.0, 0.9)
    presets: ClassVar = (
        Preset(
            "Eight modes",
            "eight-gaussians",
            {
                "latent_dim": 2,
                "hidden": 64,
                "n_critic": 5,
                "penalty_weight": 1.0,
                "generator_lr": 0.3,
                "critic_decay": False,
            },
            {"steps": 2500, "batch_size": 128, "lr": 3e-3, "decay": "cosine", "ema": 0.99},
        ),
        Preset(
            "All 25 of a grid",
            "gaussian-grid",
            {"latent_dim": 2, "hidden": 128, "n_critic": 2, "penalty_weight": 1.0},
            {"steps": 5000, "batch_size": 256, "lr": 2e-3, "decay": "cosine", "ema": 0.99},
        ),
        Preset(
            "Clipped weights",
            "eight-gaussians",
            {"penalty": "clip", "clip": 0.01, "n_critic": 5, "latent_dim": 2},
            {"steps": 1000, "batch_size": 128, "lr": 5e-4},
        ),
        Preset(
            "Small digits",
            "digits",
            {"hidden": 64, "latent_dim": 16, "n_critic": 2, "penalty_weight": 1.0},
            {"steps": 3000, "batch_size": 64, "lr": 2e-3, "decay": "cosine", "ema": 0.99},
        ),
        Preset(
            "MNIST, gradient penalty (convolutions)",
            "mnist",
            {"network": "conv", "hidden": 64, "latent_dim": 32, "n_critic": 1},
            {"steps": 17_000, "batch_size": 64, "lr": 2e-3, "decay": "cosine", "ema": 0.9995},
        ),
        Preset(
            "MNIST, clipped weights",
            "mnist",
            {"penalty": "clip", "hidden": 64},
            {"steps": 2000, "batch_size": 64, "lr": 2e-4, "ema": 0.99},
        ),
        Preset(
            "MNIST, clipped weights (convolutions)",
            "mnist",
            {"penalty": "clip", "clip": 0.03, "n_critic": 5, "network": "conv", "hidden": 32, "latent_dim": 32},
            {"steps": 12_000, "batch_size": 64, "lr": 5e-4, "ema": 0.999},
        ),
    )
    defaults: ClassVar = {"lr": 2e-4, "batch_size": 64}

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        penalty: Annotated[str, Only(PENALTIES, "what keeps the critic Lipschitz; none: it explodes")] = "gp",
        penalty_weight: Annotated[
            float,
            Between(0, 1000, "weight λ of the gradient penalty", log=True),
            Where(lambda penalty: penalty == "gp"),
        ] = 10.0,
        clip: Annotated[
            float,
            Between(1e-4, 10, "clip: the critic's weights stay in [−c, c]", log=True),
            Where(lambda penalty: penalty == "clip"),
        ] = 0.01,
        n_critic: Annotated[int, Between(1, 20, "turns of the critic for each of the generator")] = 5,
        generator_lr: Annotated[
            float,
            Between(0.01, 1, "the generator's learning rate, of the critic's: below 1 the critic keeps up", log=True),
        ] = 1.0,
        critic_decay: Annotated[
            bool, Switch("the critic's learning rate decays too; else it stays, and the critic ends near its best")
        ] = True,
        latent_dim: LatentDim = 32,
        network: Network = "mlp",
        hidden: Hidden = 128,
        activation: Annotated[
            str,
            Only(ACTIVATIONS, "between the critic's layers; elu has no kinks, which a gradient penalty cannot move"),
        ] = "leaky-relu",
        classes: Classes = 0,
    ) -> None:
        super().__init__(shape)
        self.penalty, self.penalty_weight, self.clip, self.n_critic = penalty, penalty_weight, clip, n_critic
        self.latent_dim, self.classes = latent_dim, classes
        self.generator_lr, self.critic_decay = generator_lr, critic_decay
        self.generator = generator(network, latent_dim + classes, shape, hidden)
        features, width = critic_features(network, shape, hidden, dropout=0.0, activation=activation)
        self.critic = Critic(features, width, classes, spectral=penalty == "spectral", lipschitz=penalty == "spectral")

    def players(self) -> dict[str, nn.Module]:
        """The critic and the generator."""
        return {"critic": self.critic, "generator": self.generator}

    def turns(self) -> tuple[str, ...]:
        """The critic ``n_critic`` times, then the generator."""
        return ("critic",) * self.n_critic + ("generator",)

    def optimizer(self, player: str, lr: float) -> torch.optim.Optimizer:
        """RMSProp for clipped weights (Arjovsky et al., Algorithm 1), else Adam without momentum (Gulrajani et al.).

        The generator's learning rate is ``generator_lr`` times the critic's. Where the two are alike the critic lags:
        the pull on a sample is as strong near the data as far from them, and the players circle about each other. So
        it does where both decay: the duality needs the supremum, and the critic is never given the time to reach it.
        Heusel et al. (2017), GANs trained by a two time-scale update rule. https://arxiv.org/abs/1706.08500
        """
        if self.penalty == "clip":
            optimizer: torch.optim.Optimizer = torch.optim.RMSprop(self.players()[player].parameters(), lr=lr)
        else:
            optimizer = super().optimizer(player, lr)
        for group in optimizer.param_groups:
            group["scale"] = self.generator_lr if player == "generator" else 1.0
            group["steady"] = player == "critic" and not self.critic_decay
        return optimizer

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """The loss of one player on fresh noise.

        The critic's terms: "wasserstein", its estimate E[f(x)] − E[f(G(z))] of the distance; under "gp" also the
        "penalty", the mean "gradient norm", and the length of the flow that the critic stands for (:meth:`flow`).
        Clipped weights bound the slope by some k, and the estimate by k W; this finite network may reach less. A
        conditional critic is one for each label: all distances are means over the labels of each class's own. Held out,
        on the plane, also the exact distance, of 400 points.
        """
        z = self.noise(x, rng)
        if player == "generator":
            return {"loss": self.generator_loss(self.critic(self.generate(z, y), y)).mean()}
        with torch.no_grad():
            fake = self.generate(z, y)
        scores = self.critic(torch.cat([x, fake]), None if y is None else torch.cat([y, y]))
        real_score, fake_score = scores.chunk(2)
        wasserstein = real_score.mean() - fake_score.mean()
        terms = {"loss": -wasserstein, "wasserstein": wasserstein}
        if self.penalty == "gp":
            # forward, not the call: a compiled network has no second derivative
            norm = gradient_norm(lambda points: self.critic.forward(points, y), between(x, fake, rng))
            penalty = (norm - 1).square().mean()  # Gulrajani et al. (2017), eq. 3
            terms |= {"penalty": penalty, "gradient norm": norm.mean()}
            terms["wasserstein (flow)"] = self.flow(wasserstein.detach(), penalty.detach())
            terms["loss"] = -wasserstein + self.penalty_weight * penalty
        if not self.training and not self.is_image:
            some = random.rand(len(x), rng=rng, device=x.device).argsort()[:EXACT]
            labels = y[some] if self.classes and y is not None else None
            terms["wasserstein (exact)"] = assignment(fake[some], x[some], labels)[0].mean()
        return terms

    def flow(self, estimate: Tensor, penalty: Tensor) -> Tensor:
        r"""The estimate without what the soft penalty adds to it, e − 2λP: of the best critic, the length of a flow.

        Where E f(x) − E f(G(z)) − λ E_{x̂ ∼ m}(‖∇f‖ − 1)² is largest, σ = 2λ m (‖∇f‖ − 1) ∇f/‖∇f‖ carries the samples to
        the data: its divergence is q − p. So the slope is 1 + |σ|/2λm, the penalty P = ∫ |σ|²/4λ²m, and

        .. math:: e = \int \sigma \cdot \nabla f = \int |\sigma| + \frac{1}{2\lambda} \int \frac{|\sigma|^2}{m}
                  \ge W + \frac{W^2}{2\lambda}, \qquad e - 2\lambda P = \int |\sigma| \ge W

        No flow from q to p is shorter than W. On a line there is only one, and its length is W; elsewhere it makes
        detours to where m, the density of the points of the penalty, is large. A critic that lags behind promises
        neither. Milne & Nachman (2022), Wasserstein GANs with gradient penalty compute congested transport.
        https://arxiv.org/abs/2109.00528

        Args:
            estimate: E f(x) − E f(G(z)).
            penalty: P, the mean of (‖∇f‖ − 1)².
        """
        return estimate - 2 * self.penalty_weight * penalty

    @torch.no_grad()
    def after_turn(self, player: str) -> None:
        """w ← clip(w, −c, c), Algorithm 1 of Arjovsky et al. (2017)."""
        if player == "critic" and self.penalty == "clip":
            for w in self.critic.parameters():
                w.clamp_(-self.clip, self.clip)

    def generator_loss(self, score: Tensor) -> Tensor:
        """The generator's loss for a sample of this score, shape (B,): −f(G(z))."""
        return -score

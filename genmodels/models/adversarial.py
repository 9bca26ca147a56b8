"""What adversarial models share: noise, labels, sampling. Their networks are in :mod:`genmodels.nn.adversarial`."""

from collections.abc import Callable
from typing import Annotated

import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.hyperparameters import IMAGES, Between, Only
from genmodels.models.base import GenerativeModel
from genmodels.nn.adversarial import given

__all__ = ["R1", "R2", "Adversarial", "Classes", "Hidden", "LatentDim", "Network", "penalized"]

Network = Annotated[str, Only(("mlp", "conv"), "layers of the networks; points of the plane take mlp"), IMAGES]
Hidden = Annotated[int, Between(8, 1024, "units of the first hidden layer; conv: most channels", log=True)]
LatentDim = Annotated[int, Between(1, 512, "dimensions of the noise z", log=True)]
R1 = Annotated[float, Between(0, 1000, "weight of R1, ½ the discriminator's squared slope at data")]
R2 = Annotated[float, Between(0, 1000, "weight of R2, the same at samples")]
Classes = Annotated[int, Between(0, 1000, "classes to condition on, as many as the data have; 0: unconditional")]


def penalized(score: Callable[..., Tensor], *at: Tensor) -> tuple[Tensor, Tensor]:
    r"""The scores of examples, shape (B,), and ½‖∇s‖² at each, shape (B,), both differentiable in the weights.

    Their means are R1 at data and R2 at samples. Pulling the slope to 0 there, and not to 1, is what lets a game end
    in which the samples have arrived: Mescheder et al. (2018), Which training methods for GANs do actually converge?,
    eq. 9. https://arxiv.org/abs/1801.04406

    Args:
        score: Of what it is given, shape (B,).
        at: The examples, shape (B, …); of pairs both parts, and the slope is that in all of them.
    """
    create_graph = torch.is_grad_enabled()
    with torch.enable_grad():
        at = tuple(part.detach().requires_grad_() for part in at)
        s = score(*at)
        slopes = torch.autograd.grad(s.sum(), at, create_graph=create_graph)
    return s, 0.5 * torch.stack([slope.flatten(1).square().sum(1) for slope in slopes]).sum(0)


class Adversarial(GenerativeModel):
    """A generator G that turns noise z ~ N(0, I) into data and learns from a network that tells them from real ones.

    A subclass sets ``generator``, ``latent_dim`` and ``classes``, and has ``critic(x, y=None)``, a score for each
    example, and ``generator_loss(score)``, what the generator minimizes for a sample of this score. For the networks
    images are in [−1, 1] ("signed").
    """

    generator: nn.Module
    critic: Callable[..., Tensor]
    generator_loss: Callable[[Tensor], Tensor]
    latent_dim: int
    classes: int
    betas: tuple[float, float] = (0.5, 0.999)

    def optimizer(self, player: str, lr: float) -> torch.optim.Optimizer:
        """Adam with the momenta ``betas``."""
        parameters = self.players()[player].parameters()
        return torch.optim.Adam(parameters, lr=lr, betas=self.betas, fused=True)

    @property
    def inputs(self) -> str:
        """Images in [−1, 1], as the generator's tanh gives them."""
        return "signed"

    def noise(self, x: Tensor, rng: torch.Generator | None) -> Tensor:
        """As much noise as there are rows in ``x``, shape (B, L)."""
        return random.randn(len(x), self.latent_dim, rng=rng, device=x.device).to(x.dtype)

    def code(self, z: Tensor, y: Tensor | None) -> Tensor:
        """The generator's input: z, and the label's one-hot code where there are classes. (B, L + classes)."""
        if not self.classes:
            return z
        return torch.cat([z, torch.eye(self.classes, dtype=z.dtype, device=z.device)[given(y, self.classes)]], 1)

    def generate(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        r"""G(z), as the networks see data: images in [−1, 1]. Shape (B, \*shape)."""
        return self.generator(self.code(z, y)).to(z.dtype)

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        r"""G(z) in data space: images in [0, 1]. Shape (B, \*shape)."""
        x = self.generate(z, y)
        return (x + 1) / 2 if self.is_image else x

    def fake_scores(self, x: Tensor, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The scores of x = G(z), shape (B,), as the generator's loss sees them."""
        return self.critic(x, y)

    def rival(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The score that the generator's loss compares a sample's with: 0, shape (1,), but in a relativistic GAN."""
        return x.new_zeros(1)

    @torch.no_grad()
    def sample(self, n: int, *, y: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        r"""Draw ``n`` samples in data space, shape (n, \*shape).

        Args:
            n: How many.
            y: Labels, shape (n,), where the model is conditional; drawn as often as in training where they are not
                given (:meth:`draw_labels`: evenly, where a checkpoint is too old to know how often that was).
            rng: The source of noise, on the model's device.

        Raises:
            BadInput: If there are not ``n`` labels, or one is not a class of the model.
        """
        z = random.randn(n, self.latent_dim, rng=rng, device=self.device)
        if y is None:
            y = self.draw_labels(n, rng)
        elif self.classes:
            y = self.checked_labels(y, n)
        training = self.training
        self.eval()  # batch normalization with the statistics it has learned
        try:
            return self.decode(z, y).float()
        finally:
            self.train(training)

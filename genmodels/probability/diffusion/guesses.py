"""What a network says of noisy data, whatever it was asked for: the noise, the data behind, the variance of a step."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.errors import BadInput
from genmodels.probability.schedules import Schedule

__all__ = ["Guesses"]


class Guesses(nn.Module):
    """A schedule, a network, and the parametrization that it was trained in."""

    schedule: Schedule
    network: nn.Module
    shape: tuple[int, ...]
    T: int
    predict: str
    variance: str
    classes: int
    label_dropout: float
    chance: Tensor | None
    """Of each t in training, where they are not alike."""

    @property
    def noise_left(self) -> float:
        """Standard deviation of the noise at t = 1, on the data's scale: of what ``log_prob`` is the density."""
        return self.schedule.noise_left

    @property
    def needs_label(self) -> bool:
        """Whether it must be told a label, because it never learned without (``label_dropout`` = 0)."""
        return self.classes > 0 and self.label_dropout == 0

    @property
    def hears_label(self) -> bool:
        """Whether a label changes what it says: not where every one was hidden in training (``label_dropout`` = 1)."""
        return self.classes > 0 and self.label_dropout < 1

    def training_times(self, n: int, rng: torch.Generator | None, device: torch.device) -> Tensor:
        """``n`` times in 1 … T to be trained at, uniform or by :attr:`chance`."""
        if self.chance is None:
            return random.randint(1, self.T + 1, n, rng=rng, device=device)
        edges = self.chance.cumsum(0)
        u = random.rand(n, rng=rng, device=device).to(edges)
        return torch.searchsorted(edges / edges[-1], u, right=True).clamp(1, self.T)

    def output(self, x_t: Tensor, t: Tensor, y: Tensor | None = None, *, guidance: float = 1.0) -> Tensor:
        r"""The network's output at x_t, guided by labels.

        .. math:: \text{output} = f_\theta(x_t, t) + w (f_\theta(x_t, t, y) - f_\theta(x_t, t))

        Ho & Salimans (2022), Classifier-free diffusion guidance, eq. 6 (their w is one less). Noise, data, v, score,
        μ̃ and edm are affine in each other, so all of them are guided alike. https://arxiv.org/abs/2207.12598

        Args:
            x_t: Noisy data, shape (B, \*shape).
            t: Times in 1 … T, shape (B,).
            y: Labels, shape (B,), or none.
            guidance: w: 0 is deaf to the labels, 1 plain conditioning, more than 1 exaggerates them.

        Raises:
            BadInput: If the branch without labels is asked, of a model that never learned without them.
        """
        is_deaf = y is None or not self.classes or guidance == 0
        if self.needs_label and (is_deaf or guidance != 1):
            raise BadInput("This model never learned without labels (label_dropout = 0): guidance must be 1.")
        if is_deaf:
            return self.answer(x_t, t)[0]
        told, _ = self.answer(x_t, t, y)
        if guidance == 1:
            return told
        deaf, _ = self.answer(x_t, t)
        return deaf + guidance * (told - deaf)

    def answer(self, x_t: Tensor, t: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The network's output and, where it says the variance too, the ν of :meth:`Schedule.sigma2_at`."""
        seen = self.schedule.edm(t, x_t)[2] * x_t if self.predict == "edm" else x_t
        said = self.network(seen, t.to(x_t.dtype) / self.T, y if self.hears_label else None)
        if self.variance != "learned":
            return said, None
        output, v = said.chunk(2, dim=1)
        return output, (v + 1) / 2

    def eps_hat(self, x_t: Tensor, t: Tensor, y: Tensor | None = None, *, guidance: float = 1.0) -> Tensor:
        """The noise that the model sees in x_t; the arguments are those of :meth:`output`."""
        return self.schedule.to_eps(self.output(x_t, t, y, guidance=guidance), x_t, t, self.predict)

    def x_0_hat(self, x_t: Tensor, t: Tensor, y: Tensor | None = None, *, guidance: float = 1.0) -> Tensor:
        """The data that the model sees behind x_t; of images, pixels are never beyond [-1, 1]."""
        x_0 = self.schedule.to_x_0(self.output(x_t, t, y, guidance=guidance), x_t, t, self.predict)
        return x_0.clamp(-1, 1) if len(self.shape) == 3 else x_0

    def share(self, x_t: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """How far, in the logarithm, the variance of a step back is on its way from β̃_t to β_t, as the network says."""
        _, share = self.answer(x_t, t, y)
        assert share is not None
        return share

    def reverse_variance(self, y: Tensor | None = None) -> str | Callable[[Tensor, Tensor], Tensor]:
        """σ² of a step back: "beta", "posterior" or, of x_t and t, the ν that the network says."""
        if self.variance != "learned":
            return self.variance
        return lambda x_t, t: self.share(x_t, torch.as_tensor(t, device=x_t.device).expand(len(x_t)), y)

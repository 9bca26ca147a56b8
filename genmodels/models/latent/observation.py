"""p(x | z) as a decoder says it: what its numbers h mean, for black and white pixels, grey ones and points."""

import math
from typing import Annotated

import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.hyperparameters import Switch
from genmodels.models.base import GenerativeModel
from genmodels.probability.distributions import (
    bernoulli_log_prob,
    continuous_bernoulli_log_prob,
    continuous_bernoulli_mean,
    continuous_bernoulli_quantile,
    normal_log_prob,
)

__all__ = ["DECODERS", "Draw", "Observation"]

DECODERS = ("auto", "bernoulli", "continuous-bernoulli", "gaussian")
Draw = Annotated[bool, Switch("draw x from p(x | z) instead of showing its mean")]


class Observation(GenerativeModel):
    r"""p(x | z) of a latent variable model with a decoder; h, (..., \*shape), are its logits or its means.

    Attributes:
        likelihood: "bernoulli", "continuous-bernoulli" or "gaussian".
        sigma: Standard deviation of a Gaussian; 0: learned, as the parameter ``log_sigma``.
        binarize: How grey pixels become black and white for a Bernoulli.
    """

    likelihood: str
    sigma: float
    binarize: str

    def observes(self, decoder: str, sigma: float, binarize: str) -> None:
        """Note what was chosen; "auto" is bernoulli for images, gaussian for points."""
        if decoder == "auto":
            decoder = "bernoulli" if self.is_image else "gaussian"
        self.likelihood, self.sigma, self.binarize = decoder, sigma, binarize
        if decoder == "gaussian" and not sigma:
            self.log_sigma = nn.Parameter(torch.zeros(()))

    @property
    def inputs(self) -> str:
        """Black or white pixels for a Bernoulli decoder, grey ones in [0, 1] for the others."""
        return self.binarize if self.likelihood == "bernoulli" else "unit"

    @property
    def logvar_x(self) -> Tensor:
        """log σ² of a Gaussian decoder, one for all dimensions (Rybkin et al. 2021, https://arxiv.org/abs/2006.13202)."""
        if self.sigma:
            return next(self.parameters()).new_full((), 2 * math.log(self.sigma))
        return 2 * self.log_sigma

    def log_px(self, x: Tensor, h: Tensor) -> Tensor:
        r"""log p(x | z) in nats, shape (B, ...), for x (B, \*shape) and h (B, ..., \*shape)."""
        h = h.flatten(h.ndim - x.ndim + 1)  # (B, ..., D)
        x = x.view(len(x), *[1] * (h.ndim - 2), -1)
        match self.likelihood:
            case "bernoulli":
                each = bernoulli_log_prob(x, h)
            case "continuous-bernoulli":
                each = continuous_bernoulli_log_prob(x, h)
            case _:
                each = normal_log_prob(x, h, self.logvar_x)
        return each.sum(-1)

    def mean_of_x(self, h: Tensor) -> Tensor:
        """E[x | z] in data space, of the shape of h."""
        if self.likelihood == "bernoulli":
            return h.sigmoid()
        if self.likelihood == "continuous-bernoulli":
            return continuous_bernoulli_mean(h)
        return h.clamp(0, 1) if self.is_image else h  # a linear decoder knows no bounds

    def draw_x(self, h: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """x ~ p(x | z), of the shape of h (a Gaussian's cut to [0, 1] on images)."""
        match self.likelihood:
            case "bernoulli":
                return (random.rand(*h.shape, rng=rng, device=h.device) < h.sigmoid()).to(h.dtype)
            case "continuous-bernoulli":
                return continuous_bernoulli_quantile(random.rand(*h.shape, rng=rng, device=h.device), h)
            case _:
                x = h + torch.exp(0.5 * self.logvar_x) * random.randn(*h.shape, rng=rng, device=h.device)
                return x.clamp(0, 1) if self.is_image else x

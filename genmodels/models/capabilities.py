"""What a model can do beyond its contract: each capability with one signature, known by its presence.

An instrument is written once for whoever has the capability that it needs::

    if has(model, Density):
        model.log_prob(x)
"""

from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["Bound", "Critic", "Decoder", "Density", "Encoder", "ImportanceWeights", "has"]


class Density(Protocol):
    """An exact density: flows, autoregressive models, a diffusion of points, a VAE of one or two latents."""

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, shape (B,), of ``x`` as ``inputs`` says."""


class Bound(Protocol):
    """A lower bound on the log-density: VAE, ladder VAE, VQ-VAE, DDPM."""

    def elbo(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """At most log p(x), in nats, shape (B,), of ``x`` as ``inputs`` says."""


class ImportanceWeights(Protocol):
    """Draws of codes with their weights, whose mean is p(x): VAE, ladder VAE."""

    def log_weights(self, x: Tensor, k: int, rng: torch.Generator | None = None) -> Tensor:
        """log p(x, z_i) − log q(z_i | x) of k draws z_i ~ q, in nats, shape (B, k)."""


class Encoder(Protocol):
    """A way from data to codes: autoencoder, VAE, BiGAN, flows."""

    def encode(self, x: Tensor) -> Tensor:
        """The code of each example, shape (B, L): where there is a distribution of codes, its mean."""


class Decoder(Protocol):
    """A way from codes to data: autoencoder, VAE, GANs, flows; ``latent_dim`` is how many numbers a code has."""

    latent_dim: int

    def decode(self, z: Tensor) -> Tensor:
        r"""What the codes (B, L) stand for, in data space: images in [0, 1] or points, shape (B, \*shape)."""


class Critic(Protocol):
    """A score that tells data from samples: the GANs."""

    def critic(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The score of each example, shape (B,), higher where it looks like data, of ``x`` as ``inputs`` says."""


def has(model: object, capability: type) -> bool:
    """Whether ``model`` has the capability as it is configured: a method may be there for some shapes of data only.

    >>> class Exact:
    ...     def log_prob(self, x): ...
    >>> has(Exact(), Density), has(Exact(), Encoder)
    (True, False)
    """
    asked: Any = capability
    methods = [name for name, value in vars(asked).items() if callable(value) and name[0] != "_"]
    numbers = getattr(asked, "__annotations__", {})
    return all(callable(getattr(model, name, None)) for name in methods) and all(hasattr(model, n) for n in numbers)

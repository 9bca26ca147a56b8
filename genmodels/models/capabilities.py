"""What a model can do beyond its contract: each capability with one signature, known by its presence.

An instrument is written once for whoever has the capability that it needs::

    if has(model, Density):
        model.log_prob(x)
"""

from typing import Any, Protocol, cast

import torch
from torch import Tensor

__all__ = ["Bound", "Critic", "Decoder", "Density", "Encoder", "has"]


class Density(Protocol):
    """An exact density: flows, autoregressive models, a diffusion of points, a VAE of one or two latents."""

    def log_prob(self, x: Tensor) -> Tensor:
        """log p(x) in nats, shape (B,), of ``x`` as ``inputs`` says."""


class Bound(Protocol):
    """A lower bound on the log-density: VAE, DDPM."""

    def elbo(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """At most log p(x), in nats, shape (B,), of ``x`` as ``inputs`` says."""


class Encoder(Protocol):
    """A way from data to codes: VAE, BiGAN, flows."""

    def encode(self, x: Tensor) -> Tensor:
        """The code of each example, shape (B, L): where there is a distribution of codes, its mean."""


class Decoder(Protocol):
    """A way from codes to data: VAE, GANs, flows."""

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
    methods = [name for name, value in vars(cast(Any, capability)).items() if callable(value) and name[0] != "_"]
    return all(callable(getattr(model, name, None)) for name in methods)

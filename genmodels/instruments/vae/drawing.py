"""What a VAE makes of somebody's own picture: its posterior, its bounds, and what it takes for its neighbours."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.data.uploads import Frame
from genmodels.errors import BadInput
from genmodels.metrics import likelihood
from genmodels.metrics.floors import chosen
from genmodels.models.vae import VAE

__all__ = ["Reader", "Reading", "frame"]

Array = npt.NDArray[Any]
NEAR = 5000  # training examples, at most, among which neighbours in latent space are looked for
DRAWS = 500  # of z
CLOSE = 0.02  # nats, to which log p(x) is refined
EMPTY = 32  # of 255: no pixel of an empty picture is brighter


@functools.lru_cache(maxsize=8)
def frame(data: Data) -> Frame:
    """How the training pictures sit in their frame, so that another can be made to sit like them."""
    return Frame.of(chosen(data.train, 1000, 0).x[:, 0].cpu().numpy())


@functools.lru_cache(maxsize=8)
def _squares(data: Data) -> Tensor:
    """‖x‖² of each training example in [0, 1], shape (N,)."""
    parts = [part.float().square().sum(1) for part in data.train.x.flatten(1).split(8192)]
    return torch.cat(parts) / (data.levels - 1) ** 2


@dataclass(frozen=True)
class Reading:
    """What the model makes of one picture.

    Attributes:
        x: The picture as the model sees it, (C, H, W).
        mean: Of p(x | z) at the posterior's mean, (C, H, W).
        mu: Of q(z | x), (L,).
        sigma: Of q(z | x), (L,).
        elbo_nats: From 500 draws of z.
        iwae_nats: With k = 500.
        log_prob_nats: Exact, with one or two latent dimensions; otherwise None.
        near_z: The training examples nearest to it in latent space, the nearest first, in [0, 1], (8, C, H, W).
        near_x: The nearest in pixels.
    """

    x: Array
    mean: Array
    mu: Array
    sigma: Array
    elbo_nats: float
    iwae_nats: float
    log_prob_nats: float | None
    near_z: Array
    near_x: Array


class Reader:
    """Reads pictures with one model; what does not depend on the picture is computed once."""

    def __init__(self, model: VAE, data: Data) -> None:
        self.model, self.data = model, data
        x = data.prepare(data.train.x[:NEAR].to(model.device), model.inputs, random.generator(0, model.device))
        self.z = likelihood.posterior(model, x)[0]
        self.squares = _squares(data)

    @torch.no_grad()
    def read(self, pixels: npt.ArrayLike) -> Reading:
        """Read a picture in grey of 0 to 255, shape (H, W).

        Raises:
            BadInput: If it is no picture of the model's size, or empty.
        """
        model, data = self.model, self.data
        levels = self._levels(np.asarray(pixels))
        rng = random.generator(0, model.device)
        x = data.prepare(levels, model.inputs, rng)
        mu, logvar = likelihood.posterior(model, x)
        exact = model.latent_dim <= 2
        return Reading(
            x=x[0].cpu().numpy(),
            mean=model.decode(mu)[0].cpu().numpy(),
            mu=mu[0].cpu().numpy(),
            sigma=torch.exp(0.5 * logvar)[0].cpu().numpy(),
            elbo_nats=float(likelihood.elbo(model, x, samples=DRAWS, rng=rng).elbo),
            iwae_nats=float(likelihood.iwae(model, x, DRAWS, rng=rng)),
            log_prob_nats=float(likelihood.quadrature(model, x, tolerance=CLOSE).log_prob) if exact else None,
            near_z=self._images((self.z - mu).square().sum(1)),
            near_x=self._images(self._distances(levels)),
        )

    def _levels(self, grey: Array) -> Tensor:
        """The picture in the data's own grey levels, (1, 1, H, W)."""
        shape = self.model.shape
        if not self.model.is_image or grey.shape != shape[1:] or shape[0] != 1:
            raise BadInput(f"A picture of {shape} is wanted, not one of {grey.shape}.")
        if grey.max(initial=0) < EMPTY:
            raise BadInput("The picture is empty: draw something first.")
        levels = np.rint(grey / 255 * (self.data.levels - 1)).astype(np.uint8)
        return torch.as_tensor(levels)[None, None].to(self.model.device)

    def _distances(self, levels: Tensor) -> Tensor:
        """Squared distances in pixels to all training examples, but for a constant, shape (N,)."""
        x = levels.flatten().float().to(self.data.device) / (self.data.levels - 1)
        parts = [part.float() @ x for part in self.data.train.x.flatten(1).split(8192)]
        return self.squares - 2 * torch.cat(parts) / (self.data.levels - 1)

    def _images(self, distances: Tensor, n: int = 8) -> Array:
        nearest = distances.topk(n, largest=False).indices.to(self.data.device)
        return self.data.train.x[nearest].float().cpu().numpy() / (self.data.levels - 1)

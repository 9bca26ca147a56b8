"""What a VAE makes of somebody's own picture: its posterior, its bounds, and what it takes for its neighbours."""

import math
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
from genmodels.instruments.examples import some
from genmodels.instruments.neighbours import nearest, training_images
from genmodels.metrics import likelihood
from genmodels.metrics.floors import chosen
from genmodels.models.capabilities import Density, has
from genmodels.models.vae import VAE
from genmodels.text import number

__all__ = ["Known", "Reading", "known", "read"]

Array = npt.NDArray[Any]
NEAR = 5000  # training examples, at most, among which neighbours in latent space are looked for
DRAWS = 500  # of z
EMPTY = 32  # of 255: no pixel of an empty picture is brighter


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
        below: The share of test examples whose ELBO is lower, 0 to 1; and how many were asked.
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
    below: tuple[float, int]

    def conclusion(self) -> str:
        """How it compares with the data, a sentence."""
        share, n = self.below
        if not math.isfinite(self.elbo_nats):
            return "Its ELBO is not a number: there is nothing to conclude."
        if share in (0, 1):
            return (
                f"By the ELBO the model finds it {'more' if share else 'less'} likely than each of {n} test examples."
            )
        return f"By the ELBO the model finds it more likely than {number(100 * share)} % of {n} test examples."


@dataclass(frozen=True)
class Known:
    """What is known before a picture comes: codes (N, L) of training examples, how they sit, ELBOs of test examples."""

    z: Tensor
    frame: Frame
    elbo_nats: Tensor


def known(model: VAE, data: Data) -> Known:
    """Encode training examples, see how their pictures sit in their frame, and how likely test examples are."""
    x = data.prepare(data.train.x[:NEAR].to(model.device), model.inputs, random.generator(0, model.device))
    frame = Frame.of(chosen(data.train, 1000, 0).x[:, 0].cpu().numpy())
    test, _ = some(model, data, min(500, len(data.test)))
    bound = likelihood.elbo(model, test, samples=8, rng=random.generator(0, model.device)).elbo
    return Known(likelihood.posterior(model, x)[0], frame, bound)


@torch.no_grad()
def read(model: VAE, data: Data, pixels: npt.ArrayLike, known: Known) -> Reading:
    """Read a picture in grey of 0 to 255, shape (H, W).

    Raises:
        BadInput: If it is no picture of the model's size, or empty.
    """
    levels = _levels(model, data, np.asarray(pixels))
    rng = random.generator(0, model.device)
    x = data.prepare(levels, model.inputs, rng)
    mu, logvar = model.posterior(x)
    near_z = (known.z - mu).square().sum(1).topk(8, largest=False).indices
    *_, (_, _, near_x) = nearest(data.prepare(levels, "unit"), data, 8)
    elbo = float(likelihood.elbo(model, x, samples=DRAWS, rng=rng).elbo)
    return Reading(
        x=x[0].cpu().numpy(),
        mean=model.decode(mu)[0].cpu().numpy(),
        mu=mu[0].cpu().numpy(),
        sigma=torch.exp(0.5 * logvar)[0].cpu().numpy(),
        elbo_nats=elbo,
        iwae_nats=float(likelihood.iwae(model, x, DRAWS, rng=rng)),
        log_prob_nats=float(model.log_prob(x)) if has(model, Density) else None,
        near_z=training_images(data, near_z),
        near_x=training_images(data, near_x[0]),
        below=(float((known.elbo_nats < elbo).double().mean()), len(known.elbo_nats)),
    )


def _levels(model: VAE, data: Data, grey: Array) -> Tensor:
    """The picture in the data's own grey levels, (1, 1, H, W)."""
    if not model.is_image or model.shape != (1, *grey.shape):
        raise BadInput(f"A picture of {model.shape} is wanted, not one of {grey.shape}.")
    if grey.max(initial=0) < EMPTY:
        raise BadInput("The picture is empty: draw something first.")
    levels = np.rint(grey / 255 * (data.levels - 1)).astype(np.uint8)
    return torch.as_tensor(levels)[None, None].to(model.device)

"""What a VAE makes of somebody's own picture: its posterior, its bounds, and what it takes for its neighbours."""

import math
from dataclasses import dataclass

import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.instruments.arrays import Array
from genmodels.instruments.examples import own_picture, some
from genmodels.instruments.neighbours import nearest, training_images
from genmodels.metrics import likelihood
from genmodels.models.capabilities import Density, has
from genmodels.models.vae import VAE
from genmodels.text import number

__all__ = ["Known", "Reading", "known", "read"]

NEAR = 5000  # training examples, at most, among which neighbours in latent space are looked for
DRAWS = 500  # of z


@dataclass(frozen=True)
class Reading:
    """One picture as the model reads it."""

    x: Array  # the picture as the model sees it, (C, H, W)
    mean: Array  # of p(x | z) at the posterior's mean, (C, H, W)
    mu: Array  # of q(z | x), (L,)
    sigma: Array  # of q(z | x), (L,)
    elbo_nats: float  # from 500 draws of z
    iwae_nats: float  # with k = 500
    log_prob_nats: float | None  # exact, with one or two latent dimensions; otherwise None
    near_z: Array  # the training examples nearest to it in latent space, the nearest first, in [0, 1], (8, C, H, W)
    near_x: Array  # the nearest in pixels
    below: tuple[float, int]  # the share of test examples whose ELBO is lower, 0 to 1; and how many were asked

    def conclusion(self) -> str:
        """How it compares with the data, a sentence."""
        share, n = self.below
        if not math.isfinite(self.elbo_nats):
            return "Its ELBO is not a number: there is nothing to conclude."
        than = f"than {number(100 * share)} %" if 0 < share < 1 else "than each"
        return f"By the ELBO the model finds it {'more' if share else 'less'} likely {than} of {n} test examples."


@dataclass(frozen=True)
class Known:
    """Numbers that need no picture: codes (N, L) of training examples, and the ELBOs of test examples."""

    z: Tensor
    elbo_nats: Tensor


def known(model: VAE, data: Data) -> Known:
    """Encode training examples, and see how likely test examples are."""
    x = data.prepare(data.train.x[:NEAR].to(model.device), model.inputs, random.generator(0, model.device))
    test, _ = some(model, data, min(500, len(data.test)))
    bound = likelihood.elbo(model, test, samples=8, rng=random.generator(0, model.device)).elbo
    return Known(likelihood.posterior(model, x)[0], bound)


@torch.no_grad()
def read(model: VAE, data: Data, pixels: npt.ArrayLike, known: Known) -> Reading:
    """Read a picture in grey of 0 to 255, shape (H, W).

    Raises:
        BadInput: If it is no picture of the model's size, or empty.
    """
    levels, rng = own_picture(model, data, pixels), random.generator(0, model.device)
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

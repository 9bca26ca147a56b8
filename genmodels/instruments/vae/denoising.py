"""How a prior that is a diffusion draws a code: from noise, step by step, and what it would stand for meanwhile."""

import numpy as np
import torch

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Arrays, Task, arrays
from genmodels.instruments.codes import encoded
from genmodels.models.vae import VAE
from genmodels.probability.diffusion.prior import DiffusionPrior
from genmodels.text import number

__all__ = ["conclusion", "denoised"]

MOMENTS = 6


@torch.no_grad()
def denoised(model: VAE, data: Data, n: int = 1500, pictures: int = 8, seed: int = 0) -> Task:
    r"""``n`` codes on their way from N(0, I) to the prior, at six moments; and where test examples are encoded. A task.

    Returns:
        "z", (6, n, L), z_t at falling noise, the last a draw of the prior; "sigma", (6,), the share σ_t of noise in it;
        "x", (6, pictures, \*shape), what the guess of the finished code is decoded to; "mu", (·, L), codes of examples.

    Raises:
        BadInput: If the prior is no diffusion.
    """
    prior = model.prior
    if not isinstance(prior, DiffusionPrior):
        raise BadInput("This is for a VAE with prior = diffusion.")
    steps = list(prior.trajectory(n, random.generator(seed, model.device)))
    yield 0.7
    shown = [steps[round(i * (len(steps) - 1) / (MOMENTS - 1))] for i in range(MOMENTS)]
    x = torch.stack([model.decode(step.x_0[:pictures]) for step in shown])
    sigma = torch.stack([prior.schedule.rates(step.t, step.x_t)[1].flatten()[0] for step in shown])
    yield 0.9
    mu = encoded(model, data, min(n, len(data.test))).z
    return arrays(z=torch.stack([step.x_t for step in shown]), sigma=sigma, x=x, mu=mu)


def conclusion(film: Arrays) -> str:
    """How far the drawn codes spread beside the encoded ones, a sentence; of what :func:`denoised` returns."""
    z, mu = film["z"][-1].astype(np.float64), film["mu"].astype(np.float64)
    if not (np.isfinite(z).all() and np.isfinite(mu).all()):
        return "Not every code is a number: there is nothing to conclude."
    drawn, codes = (number(float(np.sqrt(one.var(0).mean())), 2) for one in (z, mu))
    return f"At the end drawn codes spread by {drawn} a dimension; the means of encoded examples, by {codes}."

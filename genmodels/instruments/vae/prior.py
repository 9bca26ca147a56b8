"""The prior of a VAE beside its aggregate posterior: what the decoder is asked for, and what it has learned from."""

import math
from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.codes import encoded
from genmodels.instruments.examples import some
from genmodels.instruments.vae.geometry import only_two
from genmodels.metrics import likelihood
from genmodels.models.vae import VAE
from genmodels.probability.priors import FlowPrior, StandardNormal
from genmodels.text import number

__all__ = ["aggregate", "conclusion", "conclusion_of_priors"]

Array = npt.NDArray[Any]
FINER = 8  # points a side of a cell, over which a flow's density is averaged
DOTS = 2000  # encoded examples that are shown


@torch.no_grad()
def aggregate(model: VAE, data: Data, side: int = 80) -> Generator[float, None, dict[str, Array]]:
    r"""p(z) and q(z) = (1/N) Σ q(z | x_n) of all test examples, on one grid of two latent dimensions. A task.

    A cell shows its mass over its area: what is narrower than a cell is neither missed nor met by chance.

    Returns:
        "prior" and "posterior", mean densities in each cell, (side, side), z₂ by rows, rising; "extent", left to top;
        "kl", KL(q(z) ‖ p(z)) over all of z in nats, and its standard error, (2,); and of 2,000 test examples at most
        "mu", where they are encoded, (·, 2), and "labels", (·,).

    Raises:
        BadInput: If latent space is not a plane, or the grid is beyond memory.
    """
    only_two(model)
    if not 2 <= side <= 1000:
        raise BadInput(f"A grid of {side:,} points a side is not possible: from 2 to 1,000 are.")
    x, _ = some(model, data, None)
    mu, logvar = likelihood.posterior(model, x)
    both = model.prior.sample(4000, random.generator(0, model.device)), mu
    half = 1.1 * max(float(np.quantile(z.abs().cpu().numpy(), 0.999)) for z in both)
    edges = torch.linspace(-half, half, side + 1, device=model.device, dtype=torch.float64)
    cell = (2 * half / side) ** 2
    prior, posterior = _prior(model, edges), _mass(mu, logvar, torch.full_like(mu[:, 0], 1 / len(mu)), edges)
    yield 0.3
    kl = likelihood.marginal_kl(model, x, rng=random.generator(0, model.device))
    yield 0.9
    points = encoded(model, data, DOTS)
    return {
        "prior": (prior / cell).cpu().numpy(),
        "posterior": (posterior / cell).cpu().numpy(),
        "extent": np.array([-half, half] * 2),
        "kl": np.array(kl),
        "mu": points.z,
        "labels": points.labels,
    }


def conclusion(maps: dict[str, Array]) -> str:
    """How far the prior is from what was encoded, a sentence; of what :func:`aggregate` returns."""
    kl, error = (float(value) for value in maps["kl"])
    if math.isnan(kl) or math.isnan(error):
        return "The KL is not a number here: there is nothing to conclude."
    if kl <= 2 * error:
        return f"The codes cannot be told from the prior: KL {number(kl, 2)} ± {number(error, 2)} nats."
    if kl == math.inf:
        return "Some codes lie where the prior has no density at all."
    times = number(math.exp(kl)) if kl < 700 else f"e^{number(kl)}"
    return f"Where the codes lie, their density is {times} times (geometric mean) that of the prior."


def conclusion_of_priors(kl_nats: dict[str, float]) -> str:
    """Which of several priors is nearest to what was encoded under it, a sentence; of KL(q(z) ‖ p(z)) by name."""
    known = {name: kl for name, kl in kl_nats.items() if math.isfinite(kl)}
    if len(known) < 2:
        return "Fewer than two priors have been measured: there is nothing to compare."
    order = sorted(known, key=known.__getitem__)
    best, worst = order[0], order[-1]
    told = f"{number(known[best])} nats from its codes, the {worst} prior {number(known[worst])}"
    return f"Of these {len(known)}, the {best} prior is {told}."


def _mass(mu: Tensor, logvar: Tensor, weights: Tensor, edges: Tensor) -> Tensor:
    """The mass of a mixture of diagonal Gaussians (K, 2) in each cell between ``edges``, (side, side), z₂ by rows."""
    standard = (edges - mu.double().unsqueeze(-1)) * torch.exp(-0.5 * logvar.double()).unsqueeze(-1)
    z1, z2 = torch.special.ndtr(standard).diff(dim=-1).unbind(1)  # (K, side) each
    return (weights.double().unsqueeze(1) * z2).T @ z1


def _prior(model: VAE, edges: Tensor) -> Tensor:
    """The mass of the prior in each cell: exact, but for a flow's, which is summed over a grid eight times as fine."""
    prior = model.prior
    if isinstance(prior, StandardNormal):
        zero = torch.zeros(1, 2, device=edges.device)
        return _mass(zero, zero, torch.ones_like(zero[:, 0]), edges)
    if not isinstance(prior, FlowPrior):
        return _mass(*prior.components(), prior.logits.softmax(0), edges)
    side, h = len(edges) - 1, float(edges[1] - edges[0]) / FINER
    axis = edges[0] + h * (torch.arange(side * FINER, device=edges.device) + 0.5)
    rows = [
        prior.log_prob(torch.stack(torch.meshgrid(axis, z2, indexing="xy"), -1).float()).double().exp() * h**2
        for z2 in axis.split(FINER)
    ]
    return torch.stack([row.view(FINER, side, FINER).sum((0, 2)) for row in rows])

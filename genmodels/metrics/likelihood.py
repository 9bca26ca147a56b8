r"""How probable data are to a VAE, in nats: the ladder of bounds ELBO ≤ IWAE_k ≤ log p(x), and what its gaps are.

.. math:: \log p(x) - \mathrm{ELBO}(x) = \mathrm{KL}(q(z \mid x) \,\|\, p(z \mid x))

With one or two latent dimensions the top of the ladder is no estimate: :func:`quadrature` integrates over z. Everything
here is computed in single precision with sums in double, and in pieces of bounded memory. ``x`` is always as
``model.inputs`` says; ``progress`` is told the fraction done and a line of text, and what it raises ends the work.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data, Split
from genmodels.metrics.floors import chosen
from genmodels.metrics.vae_latent import (
    ROWS,
    Progress,
    Refinement,
    active_units,
    activity,
    aggregate_posterior,
    kl_per_dimension,
    marginal_kl,
    posterior,
    refine,
)
from genmodels.models.vae import VAE
from genmodels.probability.vae_quadrature import Quadrature, log_likelihood_table, quadrature

__all__ = [
    "Bound",
    "Progress",
    "Quadrature",
    "Refinement",
    "active_units",
    "activity",
    "aggregate_posterior",
    "elbo",
    "evaluate",
    "iwae",
    "kl_per_dimension",
    "log_likelihood_table",
    "marginal_kl",
    "posterior",
    "quadrature",
    "refine",
]

# The bounds -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bound:
    """The ELBO of each example and its two parts, elbo = reconstruction − kl, shape (N,) each, nats, float64."""

    elbo: Tensor
    reconstruction: Tensor
    kl: Tensor


@torch.no_grad()
def elbo(model: VAE, x: Tensor, *, samples: int = 8, rng: torch.Generator | None = None) -> Bound:
    """The evidence lower bound of each example, from ``samples`` draws of z, and its parts."""
    mu, logvar = posterior(model, x)
    parts = []
    for part, m, v in zip(*(t.split(max(1, ROWS // samples)) for t in (x, mu, logvar)), strict=True):
        z = model.draw_z(m, v, samples, rng)
        parts.append((model.log_likelihood(part, z).double().mean(1), model.kl(m, v, z, rng=rng).double().sum(1)))
    reconstruction, kl = (torch.cat(column) for column in zip(*parts, strict=True))
    return Bound(reconstruction - kl, reconstruction, kl)


@torch.no_grad()
def iwae(
    model: Any, x: Tensor, k: int, *, rng: torch.Generator | None = None, progress: Progress | None = None
) -> Tensor:
    """The importance-weighted bound with ``k`` samples (Burda et al. 2016, eq. 8), nats, shape (N,), float64.

    Of whoever has ``log_weights``: a VAE, a ladder VAE. The sum over k runs in pieces, so that memory does not depend
    on k. Its cost is N·k evaluations of the decoder.
    """
    together = max(1, ROWS // 64)  # examples at once, with up to 64 samples each
    bounds = []
    for i, part in enumerate(x.split(together)):
        total = torch.full((len(part),), -math.inf, dtype=torch.float64, device=x.device)
        for left in range(k, 0, -64):
            weights = model.log_weights(part, min(64, left), rng).double()
            total = torch.logaddexp(total, weights.logsumexp(1))
        bounds.append(total - math.log(k))
        if progress is not None:
            progress(min(1.0, (i + 1) * together / len(x)), f"IWAE with {k:,} samples")
    return torch.cat(bounds)


# All of it ------------------------------------------------------------------------------------------------------------


def evaluate(
    model: VAE,
    data: Data,
    *,
    split: str = "test",
    n: int | None = None,
    k: int = 5000,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, float]:
    """Every measure of the model on ``n`` random examples of a split (None: all), each with its standard error.

    Returns:
        ``elbo_nats``, ``reconstruction_nats``, ``kl_nats``, ``iwae_<k>_nats`` (without, if k is 0) and, with one or two
        latent dimensions, the exact ``log_prob_nats``: means over the examples, the standard error of each under the
        same name with ``_se``. ``log_prob_spacing``: the grid's; ``log_prob_change_nats``: what halving it changed
        last. ``active_units`` of ``latent_dim``, and ``examples``.
    """
    rng = random.generator(seed, model.device)
    part: Split = getattr(data, split)
    x = data.prepare(chosen(part, n or len(part), seed).x.to(model.device), model.inputs, rng)
    bound = elbo(model, x, rng=rng)
    each = {"elbo_nats": bound.elbo, "reconstruction_nats": bound.reconstruction, "kl_nats": bound.kl}
    if k:
        each[f"iwae_{k}_nats"] = iwae(model, x, k, rng=rng, progress=progress)
    table: dict[str, float] = {
        "examples": len(x),
        "latent_dim": model.latent_dim,
        "active_units": active_units(model, x),
    }
    if model.latent_dim <= 2:
        exact = quadrature(model, x, progress=progress)
        each["log_prob_nats"] = exact.log_prob
        table |= {"log_prob_spacing": exact.spacing, "log_prob_change_nats": exact.change}
    for name, values in each.items():
        table |= {name: values.mean().item(), f"{name}_se": (values.std() / math.sqrt(len(values))).item()}
    return table

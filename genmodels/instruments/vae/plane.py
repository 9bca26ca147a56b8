"""What a VAE with one or two latents hides, made visible: the density that it has learned, and the true posterior."""

import math
from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import DATASETS
from genmodels.errors import BadInput
from genmodels.instruments.vae.latent_space import example
from genmodels.metrics import likelihood
from genmodels.metrics.floors import chosen
from genmodels.models.vae import VAE
from genmodels.probability.distributions import kl_from_draws, normal_log_prob, standard_normal_log_prob
from genmodels.runs import store

__all__ = ["density", "gap", "posterior"]

Arrays = dict[str, npt.NDArray[Any]]
ROWS = 1500  # points whose density is integrated at once
CLOSE = 0.02  # nats, to which log p(x) is refined
DRAWS = 4000  # of z, for the ELBO
SEEN = 12.0  # nats below its peak, where a posterior is no longer drawn


def _found(run: str, step: int | None) -> tuple[VAE, Any]:
    source = store.find(run)
    model, data = source.model(step), source.data()
    if not isinstance(model, VAE) or model.latent_dim > 2:
        raise BadInput("This is for a VAE with one or two latent dimensions: then p(x) and p(z | x) can be integrated.")
    return model, data


# The density on the plane ---------------------------------------------------------------------------------------------


@torch.no_grad()
def density(run: str, step: int | None = None, side: int = 72, n: int = 1500) -> Generator[float, None, Arrays]:
    """p(x) of a model of the plane, by integrating over z, beside the true density. A task.

    Returns:
        "learned" and, where it is known, "true": (side, side), x₂ by rows, rising; "extent"; "kl": KL(true ‖ learned)
        in nats from ``n`` test points and as many draws of the model, and its standard error.

    Raises:
        BadInput: If the model is not one of the plane, has more than two latents, or ``side`` is beyond 400.
    """
    model, data = _found(run, step)
    if model.is_image:
        raise BadInput("A density is drawn on the plane; this model makes pictures.")
    if not 2 <= side <= 400:
        raise BadInput(f"side = {side} is not a whole number from 2 to 400: the grid has side × side points.")
    half = DATASETS[data.name].extent
    axis = (torch.arange(side) + 0.5) / side * 2 * half - half  # the middles of the cells
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
    of_true = chosen(data.test, n, 0).x.cpu()
    of_learned = model.sample(n, rng=random.generator(0, model.device), draw=True).cpu()
    x = torch.cat([grid, of_true, of_learned])
    parts: list[Tensor] = []
    for part in x.split(ROWS):
        yield len(parts) * ROWS / len(x)
        parts.append(likelihood.quadrature(model, part.to(model.device), tolerance=CLOSE).log_prob.cpu())
    log_p = torch.cat(parts)
    found = {"learned": log_p[: len(grid)].exp().view(side, side).numpy(), "extent": np.array([-half, half] * 2)}
    if data.log_prob is not None:
        ratios = data.log_prob(x[len(grid) :]).double() - log_p[len(grid) :]
        found["true"] = data.log_prob(grid).exp().view(side, side).numpy()
        found["kl"] = np.array(kl_from_draws(ratios[: len(of_true)], ratios[len(of_true) :]))
    return found


# The true posterior ---------------------------------------------------------------------------------------------------


@torch.no_grad()
def posterior(run: str, index: int, step: int | None = None, side: int = 123) -> Generator[float, None, Arrays]:
    """p(z | x) of one test example on a grid of z, q(z | x) beside it, and what makes up log p(x). A task.

    ``side``, points a dimension, is a multiple of 3: the middle one of each three makes a grid of cells three times as
    wide, and by how much that says otherwise is a cautious estimate of the error of the fine one.

    Returns:
        "x": the example; "p": the density p(z | x), (side,) or (side, side) with z₂ by rows; "extent": of z; "mu" and
        "sigma": of q; "elbo" and its standard error, "kl" and its grid's error, and "log_prob", nats, each computed by
        itself.
    """
    model, data = _found(run, step)
    if not 27 <= side <= 999 or side % 3:
        raise BadInput(f"side = {side} is not a multiple of 3 from 27 to 999: the grid has side points a dimension.")
    x = example(model, data, index)
    yield 0.1
    exact = likelihood.quadrature(model, x, tolerance=1e-3)
    yield 0.5
    mu, logvar = (t[0] for t in likelihood.posterior(model, x))
    low, high = torch.tensor(exact.low), torch.tensor(exact.high)
    for _ in range(3):  # close in on where the posterior is
        z = _grid(low, high, side).to(mu)
        log_joint = next(likelihood.log_likelihood_table(model, x, z))[0] + model.prior.log_prob(z)
        seen = z[log_joint > log_joint.max() - SEEN]
        reach = 4 * torch.exp(0.5 * logvar)
        margin = 1.5 * (high - low) / side
        low = torch.minimum(seen.amin(0), mu - reach).cpu() - margin
        high = torch.maximum(seen.amax(0), mu + reach).cpu() + margin
    z = _grid(low, high, side).to(mu)
    yield 0.7
    log_joint = next(likelihood.log_likelihood_table(model, x, z))[0].double() + model.prior.log_prob(z).double()
    cell = ((high - low) / side).prod().log().item()
    log_evidence = log_joint.logsumexp(0) + cell  # the normalizer of what is drawn
    every_third = log_joint.view([side] * model.latent_dim)[(slice(1, None, 3),) * model.latent_dim]
    coarse = every_third.flatten().logsumexp(0) + cell + model.latent_dim * math.log(3)
    rng = random.generator(0, model.device)
    draws = model.log_weights(x, DRAWS, rng)[0].double()
    return {
        "x": x[0].cpu().numpy(),
        "p": (log_joint - log_evidence).exp().view(*[side] * model.latent_dim).cpu().numpy(),
        "extent": torch.stack([low, high], 1).flatten().numpy(),
        "mu": mu.cpu().numpy(),
        "sigma": torch.exp(0.5 * logvar).cpu().numpy(),
        "elbo": np.array([draws.mean().item(), draws.std().item() / math.sqrt(DRAWS)]),
        "kl": torch.stack([gap(model, x, mu, logvar) + log_evidence, (log_evidence - coarse).abs()]).cpu().numpy(),
        "log_prob": exact.log_prob.cpu().numpy(),
    }


@torch.no_grad()
def gap(model: VAE, x: Tensor, mu: Tensor, logvar: Tensor, *, side: int = 121) -> Tensor:
    r"""E_q[log q(z | x) − log p(x, z)] for one example, nats: KL(q(z | x) ‖ p(z | x)) less log p(x). No sampling.

    The trapezoid rule on a grid of six σ around mu, whose error for a Gaussian is far below single precision's.
    """
    t = _grid(torch.full_like(mu, -6.0).cpu(), torch.full_like(mu, 6.0).cpu(), side).to(mu)
    weight = standard_normal_log_prob(t).sum(-1).double().softmax(0)
    z = mu + torch.exp(0.5 * logvar) * t
    log_joint = next(likelihood.log_likelihood_table(model, x, z))[0] + model.prior.log_prob(z)
    return (weight * (normal_log_prob(z, mu, logvar).sum(-1) - log_joint).double()).sum()


def _grid(low: Tensor, high: Tensor, side: int) -> Tensor:
    """The middles of ``side`` cells a dimension of a box, (side^L, L): the first dimension runs fastest."""
    step = (torch.arange(side) + 0.5) / side
    axes = [a + (b - a) * step for a, b in zip(low, high, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="xy"), -1).reshape(-1, len(axes))

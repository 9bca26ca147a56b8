"""The encoder's guess made better by a Markov chain on the true posterior, a few steps of it."""

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
from genmodels.instruments.examples import example
from genmodels.instruments.vae.true_posterior import true_posterior
from genmodels.metrics.distances import sliced_wasserstein1
from genmodels.models.capabilities import Density, has
from genmodels.models.vae import VAE
from genmodels.probability.mcmc import hmc
from genmodels.text import number

__all__ = ["WAYS", "conclusion", "draws_of", "refined"]

Array = npt.NDArray[Any]
WAYS = {"Langevin": 1, "HMC": 8}
"""Leapfrog steps of one transition."""
CHAINS = 400


def refined(
    model: VAE, data: Data, index: int = 0, way: str = "Langevin", steps: int = 20, size: float = 0.5
) -> Generator[float, None, dict[str, Array]]:
    """``CHAINS`` draws of q(z | x) of one test example, and where a Markov chain on p(z | x) takes them. A task.

    Args:
        model: A VAE.
        data: Its data.
        index: Which test example.
        way: One of :data:`WAYS`.
        steps: Transitions, up to 200.
        size: Of a leapfrog step, in standard deviations of q, each dimension in its own.

    Returns:
        "z" (steps + 1, CHAINS, L); "log_joint", mean log p(x, z) of each moment, and "accepted", the share of the
        proposals before it, (steps + 1,) each; "x", E[x | z] averaged over the chains at the first moment and the last,
        (2, *shape). With one or two latents "distance", the sliced 1-Wasserstein distance to as many exact draws of
        p(z | x), in standard deviations of q, (steps + 1,), and "floor", that of two sets of exact draws; with two, "p"
        and "extent" as :func:`~genmodels.instruments.vae.true_posterior.true_posterior` has them.
    """
    if not isinstance(model, VAE):
        raise BadInput("This refines the posterior of a VAE.")
    if way not in WAYS or not 1 <= steps <= 200 or not 0.01 <= size <= 4:
        raise BadInput(
            f"A chain is one of {', '.join(WAYS)}, of 1 to 200 steps that are 0.01 to 4 standard deviations of q."
        )
    x, rng = example(model, data, index), random.generator(index, model.device)
    known: dict[str, Array] = (yield from true_posterior(model, data, index)) if has(model, Density) else {}
    with torch.no_grad():
        mu, logvar = model.posterior(x)
        z, sigma = model.draw_z(mu, logvar, CHAINS, rng)[0], torch.exp(0.5 * logvar[0])

    def log_density(z: Tensor) -> Tensor:
        return model.log_joint(x, z.unsqueeze(0))[0]

    moments, shares, values = [z], [1.0], [log_density(z).mean().detach()]
    for i in range(steps):
        yield 0.5 + 0.5 * i / steps
        z, accepted = hmc(log_density, z, size * sigma, WAYS[way], rng)
        moments.append(z)
        shares.append(float(accepted.double().mean()))
        with torch.no_grad():
            values.append(log_density(z).mean())
    with torch.no_grad():
        shown = torch.stack([model.decode(moment).mean(0) for moment in (moments[0], moments[-1])])
    path = torch.stack(moments)
    found = {
        "z": path.cpu().numpy(),
        "log_joint": torch.stack(values).cpu().numpy(),
        "accepted": np.array(shares),
        "x": shown.float().cpu().numpy(),
    }
    if known:
        exact, other = (draws_of(known["p"], known["extent"], CHAINS, seed).to(sigma) / sigma for seed in (0, 1))
        apart = [_apart(moment / sigma, exact) for moment in path]
        found |= {"distance": np.array(apart), "floor": np.array(_apart(other, exact))}
        if model.latent_dim == 2:
            found |= {"p": known["p"], "extent": known["extent"]}
    return found


def draws_of(p: Array, extent: Array, n: int, seed: int) -> Tensor:
    """``n`` exact draws of a density on a grid, (side,) or (side, side) with z₂ by rows: (n, L), float64."""
    rng, side = random.generator(seed), p.shape[0]
    weights = torch.as_tensor(p, dtype=torch.float64).flatten()
    cell = torch.multinomial(weights / weights.sum(), n, replacement=True, generator=rng)
    where = cell.unsqueeze(1) if p.ndim == 1 else torch.stack([cell % side, cell // side], 1)
    low, high = torch.as_tensor(extent, dtype=torch.float64).view(-1, 2).T
    return low + (where + torch.rand(where.shape, generator=rng, dtype=torch.float64)) / side * (high - low)


def _apart(a: Tensor, b: Tensor) -> float:
    return float(sliced_wasserstein1(a.cpu(), b.cpu(), rng=random.generator(0)))


def conclusion(found: dict[str, Array]) -> str:
    """How much nearer to p(z | x) the chain has come, a sentence; of what :func:`refined` returns."""
    first, last = (float(found["log_joint"][i]) for i in (0, -1))
    if not math.isfinite(first + last):
        return "log p(x, z) is not a number here: there is nothing to conclude."
    taken = f"{number(100 * float(found['accepted'][1:].mean()), 2)} % of the proposals are accepted"
    if "distance" not in found:
        return f"log p(x, z) of a draw goes from {number(first, 4)} to {number(last, 4)} nats; {taken}."
    begin, end, floor = float(found["distance"][0]), float(found["distance"][-1]), float(found["floor"])
    went = f"from {number(begin, 2)} to {number(end, 2)} standard deviations of q, with a floor of {number(floor, 2)}"
    return f"The draws come {went} to the true posterior; {taken}."

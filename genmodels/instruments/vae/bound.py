"""The bound of a VAE taken apart: one example's terms, the ladder up to log p(x), and how it differs among examples."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.instruments.arrays import Array, Arrays, Task, arrays
from genmodels.instruments.examples import example, some
from genmodels.metrics import likelihood
from genmodels.models.capabilities import Density, has
from genmodels.models.vae import VAE
from genmodels.probability.diffusion.prior import DiffusionPrior
from genmodels.probability.distributions import kl_to_standard_normal
from genmodels.probability.priors import StandardNormal
from genmodels.text import number

__all__ = ["Reconstructions", "conclusion", "kl_by_distance", "ladder", "loosest", "numbers", "reconstructions"]

DRAWS = 1000  # of z, for what one draw would leave to chance
LADDER = (1, 10, 100, 1000)


@torch.no_grad()
def numbers(model: VAE, data: Data, index: int = 0) -> dict[str, float]:
    """The terms of the bound of one test example, in nats: what the theory panel puts into the equations.

    Returns:
        "log p(x|z)", "log p(z)" and "log q(z|x)" of one z ~ q(z | x). "reconstruction", E log p(x | z), "kl", that
        to the prior, and "elbo", their difference, from :data:`DRAWS` draws of z; the standard error of each is under
        its name with " se" (0: exact).
        "iwae", the bound with as many samples; "loss", what is minimized, with the draws that a training takes.
    """
    x = example(model, data, index)
    rng = random.generator(index, model.device)
    mu, logvar = model.posterior(x)
    z = model.draw_z(mu, logvar, DRAWS, rng)
    log_px, log_pz, log_q = model.log_likelihood(x, z)[0], model.prior.log_prob(z)[0], model.log_q(mu, logvar, z)[0]
    log_q = log_q.sum(-1)
    kl = float(model.kl(mu, logvar, z, rng=rng).sum())
    drawn = torch.zeros_like(log_pz) if isinstance(model.prior, StandardNormal) else -log_pz  # what of the KL is
    if isinstance(model.prior, DiffusionPrior):
        drawn = -model.prior.bound(z, rng)[0]
    error = lambda values: float(values.double().std()) / math.sqrt(DRAWS)  # noqa: E731
    return {
        "log p(x|z)": float(log_px[0]),
        "log p(z)": float(log_pz[0]),
        "log q(z|x)": float(log_q[0]),
        "reconstruction": float(log_px.mean()),
        "reconstruction se": error(log_px),
        "kl": kl,
        "kl se": error(drawn),
        "elbo": float(log_px.mean()) - kl,
        "elbo se": error(log_px - drawn),
        "iwae": float((log_px + log_pz - log_q).double().logsumexp(0)) - math.log(DRAWS),
        "loss": float(model.loss(x, rng=random.generator(index, model.device))["loss"]),
    }


def kl_by_distance(reach: int = 6, n: int = 121) -> Arrays:
    """KL(N(μ, σ²) ‖ N(0, 1)) in nats by a distance d of q from the prior.

    Returns:
        "d" from 10^-reach to 10^reach, (n,), and the KL there: "mean" of μ = d, σ = 1; "wide" of μ = 0, σ = 1 + d;
        "narrow" of μ = 0, σ = 1/(1 + d). "examples", (2,): of μ = d, σ = 1 + d at "examples_d", 10⁵ and 10⁻⁵.
    """
    d, at = torch.logspace(-reach, reach, n, dtype=torch.float64), torch.tensor([1e5, 1e-5], dtype=torch.float64)
    none, log_wide = torch.zeros_like(d), d.log1p()
    return arrays(
        d=d,
        mean=kl_to_standard_normal(d, none),
        wide=kl_to_standard_normal(none, 2 * log_wide),
        narrow=kl_to_standard_normal(none, -2 * log_wide),
        examples=kl_to_standard_normal(at, 2 * at.log1p()),
        examples_d=at,
    )


def ladder(model: Any, data: Data, n: int = 200) -> Task:
    """The ladder of bounds on ``n`` random test examples: ELBO ≤ IWAE_k ≤ log p(x), exact for up to 2 latents of a VAE.

    A task, of whoever has ``log_weights``: a VAE, a ladder VAE. Returns "k", "iwae" (means over the examples, nats),
    "iwae_se", "elbo" of each example, and "exact" with the grid's "points" where it can be had.
    """
    x, _ = some(model, data, n)
    rng, done = random.generator(0, model.device), 0
    with torch.no_grad():
        elbo, bounds = torch.cat([model.elbo(part, rng, samples=8) for part in x.split(64)]).double(), []
    for k in LADDER:
        parts = []
        for part in x.split(32):  # twice what is weighed at once
            parts.append(likelihood.iwae(model, part, k, rng=rng))
            done += k * len(part)
            yield 0.8 * done / (sum(LADDER) * len(x))
        bounds.append(torch.cat(parts))
    iwae = torch.stack(bounds)
    rungs = arrays(k=LADDER, elbo=elbo, iwae=iwae.mean(1), iwae_se=iwae.std(1) / math.sqrt(len(x)))
    if has(model, Density):
        exact = likelihood.quadrature(model, x)
        rungs |= arrays(exact=exact.log_prob, points=exact.points)
    return rungs


def conclusion(rungs: Arrays) -> str:
    """How far the ELBO is below log p(x), and what more draws of z gain, a sentence."""
    k, best, error = int(rungs["k"][-1]), float(rungs["iwae"][-1]), float(rungs["iwae_se"][-1])
    elbo, exact = rungs["elbo"], rungs.get("exact")
    if not np.isfinite([elbo.mean(), best, error]).all() or (exact is not None and not np.isfinite(exact).all()):
        return "Not every bound is a number here: there is nothing to conclude."
    if exact is None:
        won, noise = best - float(elbo.mean()), 2 * math.hypot(error, float(elbo.std()) / math.sqrt(len(elbo)))
        if won <= min(noise, 0.01 * abs(best)):
            return f"{k:,} draws of z do not raise the bound: where z is not heard, the ELBO is log p(x)."
        return f"{k:,} draws of z raise the bound by {number(won)} nats, and log p(x) is at least that."
    gap, noise = float((exact - elbo).mean()), float((exact - elbo).std()) / math.sqrt(len(elbo))
    if gap <= 2 * noise:
        return f"The ELBO cannot be told from log p(x): {number(gap)} ± {number(noise, 2)} nats are between them."
    left = max(0.0, float(exact.mean()) - best)
    return f"The ELBO is {number(gap)} nats below log p(x); with {k:,} draws of z, {number(left, 2)} of them are left."


def loosest(model: VAE, data: Data, *, among: int = 100, k: int = 64) -> int:
    """The test example, of the first ``among``, whose ELBO is farthest below its IWAE: there q(z | x) fits worst."""
    n = min(among, len(data.test))
    x = torch.cat([example(model, data, i) for i in range(n)])
    rng = random.generator(0, model.device)
    bound = likelihood.elbo(model, x, samples=k, rng=rng).elbo
    return int((likelihood.iwae(model, x, k, rng=rng) - bound).argmax())


@dataclass(frozen=True)
class Reconstructions:
    """Test examples from the worst to the best by their ELBO: data and means of p(x | z), (N, *shape), and the ELBO."""

    x: Array
    mean: Array
    elbo_nats: Array

    def conclusion(self) -> str:
        """How far apart the best and the worst ELBO lie, a sentence."""
        worst, best = (float(self.elbo_nats[i]) for i in (0, -1))
        if not math.isfinite(best - worst):
            return "Not every ELBO is a number here: there is nothing to conclude."
        bounds = f"ELBO {number(worst, 4)} and {number(best, 4)}"
        return f"From the worst to the best of these lie {number(best - worst)} nats: {bounds}."


@torch.no_grad()
def reconstructions(model: VAE, data: Data, n: int = 9, *, among: int = 500) -> Reconstructions:
    """The worst third, the middle and the best of ``among`` random test examples by ELBO, ``n`` in all, rising."""
    x, _ = some(model, data, among)
    bound = likelihood.elbo(model, x, samples=8, rng=random.generator(0, model.device)).elbo
    order, third = bound.argsort(), max(1, n // 3)
    middle = len(order) // 2 - third // 2
    rows = torch.cat([order[:third], order[middle : middle + third], order[-third:]])
    means = model.decode(model.encode(x[rows]))
    return Reconstructions(*(t.cpu().numpy() for t in (x[rows], means, bound[rows])))

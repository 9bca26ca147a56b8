"""Posterior collapse: latent dimensions that say nothing about x, and what wakes them up."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.instruments.arrays import Array
from genmodels.instruments.examples import some
from genmodels.metrics import likelihood
from genmodels.models.vae import VAE
from genmodels.probability.diffusion.prior import DiffusionPrior
from genmodels.probability.priors import FlowPrior, StandardNormal
from genmodels.runs import store
from genmodels.runs.record import Plan
from genmodels.text import number

__all__ = ["CURES", "Usage", "cures", "usage"]

SILENT_BELOW = 0.01  # nats: of a dimension that says so little, nothing is heard
ACTIVE = 0.01  # variance of the posterior means over the data (Burda et al. 2016, section 5.2)

CURES: dict[str, tuple[dict[str, Any], str]] = {
    "as it is": ({"beta": 1.0, "anneal": 0.0, "free_bits": 0.0}, "The plain ELBO from the first step."),
    "annealing": (
        {"beta": 1.0, "anneal": 0.8, "free_bits": 0.0},
        "The KL's weight rises from 0 over 80 % of the training: first the decoder learns to listen. The same bound at "
        "the end, so a better ELBO means that the collapse was a failure of the search.",
    ),
    "free bits": (
        {"beta": 1.0, "anneal": 0.0, "free_bits": 0.25},
        "0.25 nats a dimension cost nothing. Under a normal prior they are each dimension's own, so every one takes "
        "them, needed or not; under another they are free together, whichever dimensions take them.",
    ),
    "smaller β": (
        {"beta": 0.2, "anneal": 0.0, "free_bits": 0.0},
        "A fifth of the price throughout. With β < 1 what is raised is no bound on log p(x) any more, it may lie above "
        "it; so this is judged by the ELBO, of which its optimum is none.",
    ),
}
"""What is changed of a run, and why it helps. The objective must be "elbo", whose KL these three are about."""


def cures(plan: Plan) -> dict[str, dict[str, Any]]:
    """The arguments of :func:`genmodels.runs.store.create` for each of CURES, all else as in a run's ``plan``."""
    of = f"{plan.data}, {plan.arguments['latent_dim']}-D"
    return {
        name: store.like(plan, arguments={"objective": "elbo"} | change, title=f"{name}: {of}")
        for name, (change, _) in CURES.items()
    }


@dataclass(frozen=True)
class Usage:
    """Which latent dimensions a model uses, and the ELBO of the examples that say so."""

    kl: Array  # of each dimension, nats, (L,); of a flow prior, whose dimensions cannot be told apart, the total, (1,)
    active: int  # how many dimensions are active
    latent_dim: int  # of how many
    elbo_nats: float  # mean over the examples
    elbo_nats_se: float  # its standard error
    fixed: float | None = None  # of q of fixed width, nats that a dimension at least costs under a normal prior, else 0

    def conclusion(self) -> str:
        """How many dimensions are switched off, a sentence."""
        if not np.isfinite(self.kl).all():
            return "Not every KL is a number here: there is nothing to conclude."
        L = self.latent_dim
        if self.fixed is not None:
            least = f", and a fixed width costs each at least {number(self.fixed)} nats" if self.fixed else ""
            return f"{self.active} of {L} posterior mean{'s' if L > 1 else ''} move{'s' * (self.active == 1)}{least}."
        if len(self.kl) < L:
            active = f"{self.active} {'is' if self.active == 1 else 'are'}"
            return f"All {L} dimensions together carry {number(float(self.kl[0]))} nats; {active} active."
        off = int((self.kl < SILENT_BELOW).sum())
        little = f"less than {SILENT_BELOW:g} nats"
        if off == L:
            every = f"All {L} dimensions carry" if L > 1 else "The only dimension carries"
            return f"{every} {little}: the code says nothing of x."
        if off == 0:
            least = f"{number(float(self.kl.min()))} nats"
            if L == 1:
                return f"The only dimension carries {least}: it is not switched off."
            return f"Each of {L} dimensions carries at least {least}: none is switched off."
        return f"{off} of {L} dimensions {'carries' if off == 1 else 'carry'} {little}: switched off."


def _price(model: VAE) -> float:
    """The KL of a q of fixed width to N(0, 1) whose mean stays at 0, nats; 0 where the prior may have its width."""
    variance = model.q_sigma**2
    return 0.5 * (variance - 1 - math.log(variance)) if isinstance(model.prior, StandardNormal) else 0.0


@torch.no_grad()
def usage(model: VAE, data: Data, n: int = 1000) -> Usage:
    """The KL of each latent dimension over ``n`` random test examples."""
    x, _ = some(model, data, n)
    rng = random.generator(0, model.device)
    bound = likelihood.elbo(model, x, rng=rng)
    together = isinstance(model.prior, FlowPrior | DiffusionPrior) and model.latent_dim > 1
    kl = bound.kl.mean().reshape(1) if together else likelihood.kl_per_dimension(model, x, rng=rng)
    return Usage(
        kl=kl.double().cpu().numpy(),
        active=likelihood.active_units(model, x, threshold=ACTIVE),
        latent_dim=model.latent_dim,
        elbo_nats=bound.elbo.mean().item(),
        elbo_nats_se=bound.elbo.std().item() / len(x) ** 0.5,
        fixed=_price(model) if model.q_sigma else None,
    )

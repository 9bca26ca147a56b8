"""What a VAE with one or two latents hides, made visible: the true posterior of an example beside the encoder's."""

import math

import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Arrays, Task, arrays
from genmodels.instruments.examples import example
from genmodels.metrics import likelihood
from genmodels.models.capabilities import Density, has
from genmodels.models.vae import VAE
from genmodels.probability.distributions import normal_log_prob, standard_normal_log_prob
from genmodels.text import number

__all__ = ["conclusion", "negative_elbo", "true_posterior"]

DRAWS = 4000  # of z, for the ELBO
SEEN = 12.0  # nats below its peak, where a posterior is no longer drawn


@torch.no_grad()
def true_posterior(model: VAE, data: Data, index: int, side: int = 123) -> Task:
    """p(z | x) of one test example on a grid of z, q(z | x) beside it, and what makes up log p(x). A task.

    ``side``, points a dimension, is a multiple of 3: the middle one of each three makes a grid of cells three times as
    wide, and by how much that says otherwise is a cautious estimate of the error of the fine one.

    Returns:
        "x": the example; "p": the density p(z | x), (side,) or (side, side) with z₂ by rows; "extent": of z; "mu" and
        "sigma": of q; "elbo" and its standard error, "kl" and its grid's error, and "log_prob", nats, each computed by
        itself.
    """
    if not has(model, Density):
        raise BadInput("This is for a VAE with one or two latent dimensions: then p(z | x) can be integrated.")
    if not 27 <= side <= 999 or side % 3:
        raise BadInput(f"side = {side} is not a multiple of 3 from 27 to 999: the grid has side points a dimension.")
    x = example(model, data, index)
    yield 0.1
    exact = likelihood.quadrature(model, x, tolerance=1e-3)
    yield 0.5
    mu, logvar = (t[0] for t in likelihood.posterior(model, x))
    reach = 4 * torch.exp(0.5 * logvar)
    low, high = torch.tensor(exact.low), torch.tensor(exact.high)
    for _ in range(3):  # close in on where the posterior is
        z = _grid(low, high, side).to(mu)
        log_joint = _log_joint(model, x, z)
        seen = z[log_joint > log_joint.max() - SEEN]
        margin = 1.5 * (high - low) / side
        low = torch.minimum(seen.amin(0), mu - reach).cpu() - margin
        high = torch.maximum(seen.amax(0), mu + reach).cpu() + margin
    yield 0.7
    log_joint = _log_joint(model, x, _grid(low, high, side).to(mu)).view([side] * model.latent_dim)
    cell = ((high - low) / side).prod().log().item()
    log_evidence = log_joint.flatten().logsumexp(0) + cell  # the normalizer of what is drawn
    every_third = log_joint[(slice(1, None, 3),) * model.latent_dim].flatten()
    coarse = every_third.logsumexp(0) + cell + model.latent_dim * math.log(3)
    kl = negative_elbo(model, x, mu, logvar) + log_evidence
    draws = model.log_weights(x, DRAWS, random.generator(0, model.device))[0].double()
    return arrays(
        x=x[0],
        p=(log_joint - log_evidence).exp(),
        extent=torch.stack([low, high], 1).flatten(),
        mu=mu,
        sigma=torch.exp(0.5 * logvar),
        elbo=torch.stack([draws.mean(), draws.std() / math.sqrt(DRAWS)]),
        kl=torch.stack([kl, (log_evidence - coarse).abs()]),
        log_prob=exact.log_prob,
    )


def conclusion(both: Arrays) -> str:
    """How far the encoder's guess is from the truth, a sentence; of what :func:`true_posterior` returns."""
    kl, error = (float(value) for value in both["kl"])
    if not math.isfinite(kl):
        return "The KL is not a number here: there is nothing to conclude."
    if kl <= 2 * error:
        return "The encoder's guess cannot be told from the true posterior on this grid."
    return f"The encoder's guess is {number(kl)} nats from the true posterior: so far is the ELBO below log p(x)."


@torch.no_grad()
def negative_elbo(model: VAE, x: Tensor, mu: Tensor, logvar: Tensor, *, side: int = 121) -> Tensor:
    r"""E_q[log q(z | x) − log p(x, z)] for one example, nats: KL(q(z | x) ‖ p(z | x)) less log p(x). No sampling.

    The trapezoid rule on a grid of six σ around mu, whose error for a Gaussian is far below single precision's.
    """
    t = _grid(torch.full_like(mu, -6.0).cpu(), torch.full_like(mu, 6.0).cpu(), side).to(mu)
    weight = standard_normal_log_prob(t).sum(-1).double().softmax(0)
    z = mu + torch.exp(0.5 * logvar) * t
    return (weight * (normal_log_prob(z, mu, logvar).sum(-1).double() - _log_joint(model, x, z))).sum()


def _log_joint(model: VAE, x: Tensor, z: Tensor) -> Tensor:
    """log p(x, z) of one example at points (G, L), nats, (G,), float64."""
    return next(likelihood.log_likelihood_table(model, x, z))[0].double() + model.prior.log_prob(z).double()


def _grid(low: Tensor, high: Tensor, side: int) -> Tensor:
    """The middles of ``side`` cells a dimension of a box, (side^L, L): the first dimension runs fastest."""
    step = (torch.arange(side) + 0.5) / side
    axes = [a + (b - a) * step for a, b in zip(low, high, strict=True)]
    return torch.stack(torch.meshgrid(*axes, indexing="xy"), -1).reshape(-1, len(axes))

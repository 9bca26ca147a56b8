"""Two gradients of one expectation: both are right on average, and one is so noisy that it takes far longer to be."""

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
from genmodels.models.vae import VAE
from genmodels.probability.gradients import baseline
from genmodels.text import number

__all__ = ["WAYS", "conclusion", "of_each_draw", "two_gradients"]

Array = npt.NDArray[Any]
WAYS = ("reparametrization", "score", "score-baseline")
DRAWS = 4000


def of_each_draw(model: VAE, x: Tensor, n: int, rng: torch.Generator) -> dict[str, Tensor]:
    r"""Estimates of ∇ E_q[log p(x | z)] in (mu, log σ) of the example ``x``, one a draw, (n, 2 L), by :data:`WAYS`.

    .. math:: \frac{\partial}{\partial \mu}: \; \nabla_z f \quad\text{or}\quad (f - b)\, \frac{\epsilon}{\sigma},
        \qquad \frac{\partial}{\partial \log \sigma}: \; \nabla_z f\, \sigma \epsilon
        \quad\text{or}\quad (f - b)\, (\epsilon^2 - 1)

    The draws are the same for all.
    """
    with torch.no_grad():
        mu, logvar = model.posterior(x)
        sigma = torch.exp(0.5 * logvar)
        eps = random.randn(n, model.latent_dim, rng=rng, device=mu.device).to(mu)
    z = (mu + sigma * eps).requires_grad_()
    f = model.log_likelihood(x, z.unsqueeze(0))[0]
    (slope,) = torch.autograd.grad(f.sum(), z)
    f = f.detach()
    score = torch.cat([eps / sigma, eps.square() - 1], 1)
    return {
        "reparametrization": torch.cat([slope, slope * sigma * eps], 1),
        "score": f.unsqueeze(1) * score,
        "score-baseline": (f - baseline(f)).unsqueeze(1) * score,
    }


def two_gradients(model: VAE, data: Data, index: int = 0) -> Generator[float, None, dict[str, Array]]:
    """The gradients :func:`of_each_draw` of a test example with 4,000 draws, and how far they scatter. A task.

    Returns:
        "names"; "mean" of each, and its standard error "error", (3, 2 L); "variance", summed over the 2 L numbers, and
        "needed", how many draws make the scatter of a mean as small as the gradient itself, (3,); "first", of each draw
        the derivative in the mu for which it is largest, and "which" that is, (3, n).
    """
    if not isinstance(model, VAE):
        raise BadInput("These are gradients of a VAE's bound.")
    x = example(model, data, index)
    yield 0.1
    draws = of_each_draw(model, x, DRAWS, random.generator(index, model.device))
    values = torch.stack([draws[name].double() for name in WAYS])
    mean, variance = values.mean(1), values.var(1)
    which = int(mean[0, : model.latent_dim].abs().argmax())
    size = mean[0].square().sum()  # of the gradient, squared: by the way that scatters least
    return {
        "names": np.array(WAYS),
        "mean": mean.cpu().numpy(),
        "error": (variance / DRAWS).sqrt().cpu().numpy(),
        "variance": variance.sum(1).cpu().numpy(),
        "needed": (variance.sum(1) / size).cpu().numpy(),
        "first": values[:, :, which].cpu().numpy(),
        "which": np.array(which),
    }


def conclusion(found: dict[str, Array]) -> str:
    """How much more the score function scatters, a sentence; of what :func:`two_gradients` returns."""
    variance = found["variance"]
    if not np.isfinite(variance).all() or not variance[0]:
        return "The gradient is not a number here, or 0 without any scatter: there is nothing to conclude."
    plain, better = (number(float(v / variance[0]), 2) for v in variance[1:])
    apart = np.abs(found["mean"][1:] - found["mean"][0]) / np.hypot(found["error"][1:], found["error"][0])
    agree = "agree" if np.nanmax(apart) < 5 else "differ"
    return (
        f"All three {agree} on average; the score function's variance is {plain} times that of the reparametrization, "
        f"with a baseline {better} times."
    )

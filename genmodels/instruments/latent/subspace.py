"""What PPCA and factor analysis have found: the principal subspace, each dimension's noise, how far it is to go."""

import math
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.models.latent.linear_gaussian import LinearGaussian, principal_of
from genmodels.probability.distributions import LOG_2PI
from genmodels.text import number

__all__ = ["angles", "best_log_prob", "conclusion", "covariance_and_means", "directions", "subspace"]

Array = npt.NDArray[Any]
ROWS = 2000  # examples at once


def directions(w: Tensor) -> tuple[Tensor, Tensor]:
    """Orthonormal directions that span the columns of W (D, L), (D, L), and the model's variance along each, falling.

    Any rotation of z gives a W of the same density; these directions are the same for all.
    """
    u, s, _ = torch.linalg.svd(w.double(), full_matrices=False)
    return u, s.square()


def angles(a: Tensor, b: Tensor) -> Tensor:
    """The principal angles between the spans of the columns of ``a`` and ``b``, (D, L) each, degrees, rising.

    Their cosines are the singular values of Qₐᵀ Q_b. Björck & Golub (1973), https://doi.org/10.2307/2005662.
    """
    qa, qb = (torch.linalg.qr(one.double())[0] for one in (a, b))
    return torch.rad2deg(torch.linalg.svdvals(qa.T @ qb).clamp(0, 1).arccos())


def best_log_prob(values: Tensor, latent_dim: int) -> float:
    r"""The largest mean log p of PPCA, nats, of data whose covariance has the eigenvalues ``values`` (D,), falling.

    .. math:: -\tfrac12 \Big(\sum_{j \le L} \log \lambda_j + (D - L) \log \sigma^2 + D + D \log 2\pi\Big)

    Tipping & Bishop (1999), appendix A.
    """
    d, sigma2 = len(values), values[latent_dim:].mean()
    log_det = values[:latent_dim].log().sum() + (d - latent_dim) * sigma2.log()
    return -0.5 * float(log_det + d + d * LOG_2PI)


@torch.no_grad()
def covariance_and_means(
    model: Any, data: Data, *of: Callable[[Tensor], Tensor]
) -> Generator[float, None, tuple[Tensor, list[float]]]:
    """The covariance (D, D) of all training examples as a model is given them, and the means of functions of these.

    In pieces, float64. What is learned from all of them can only fall short of the best for all of them.
    """
    n, rng = len(data.train), random.generator(0, model.device)
    total, squares, sums, seen = torch.zeros(()), torch.zeros(()), [0.0] * len(of), 0
    for part in data.train.x.split(ROWS):
        x = data.prepare(part.to(model.device), model.inputs, rng)
        flat = x.flatten(1).cpu().double()
        if not seen:
            centre = flat.mean(0)
        away = flat - centre
        total, squares = total + away.sum(0), squares + away.T @ away
        sums = [whole + float(f(x).cpu().double().sum()) for whole, f in zip(sums, of, strict=True)]
        seen += len(x)
        yield 0.8 * seen / n
    return squares / n - torch.outer(total / n, total / n), [whole / n for whole in sums]


@torch.no_grad()
def subspace(model: LinearGaussian, data: Data) -> Generator[float, None, dict[str, Array]]:
    r"""The model's subspace beside the principal one of all training examples. A task.

    Returns:
        "variance": of the model along its directions, (L,), noise included, and "eigenvalues" of the data, (D,), both
        falling; "angles" between the two subspaces, degrees, (L,); "directions" of the model and "principal" of the
        data, (L, \*shape); "psi", the variance of the noise, and "mean", \*shape; "log_prob", mean over the examples,
        and "best", the largest that PPCA can reach, nats; "diagonal": whether each dimension has a noise of its own.
    """
    latent = model.latent_dim
    covariance, (log_prob,) = yield from covariance_and_means(model, data, model.log_prob)
    w_best, _, values = principal_of(covariance, latent)
    ours, variance = directions(model.W.cpu())
    theirs = directions(w_best)[0]
    psi = model.log_psi.double().exp().cpu().expand(len(values))
    along = variance + (ours.square() * psi.unsqueeze(1)).sum(0)
    return {
        "variance": along.numpy(),
        "eigenvalues": values.numpy(),
        "angles": angles(model.W.cpu(), w_best).numpy(),
        "directions": ours.T.unflatten(1, model.shape).numpy(),
        "principal": theirs.T.unflatten(1, model.shape).numpy(),
        "psi": psi.view(model.shape).numpy(),
        "mean": model.mu.cpu().unflatten(0, model.shape).numpy(),
        "log_prob": np.array(log_prob),
        "best": np.array(best_log_prob(values, latent)),
        "diagonal": np.array(model.noise == "diagonal"),
    }


def conclusion(found: dict[str, Array]) -> str:
    """How far it is from the best PPCA, a sentence; of what :func:`subspace` returns."""
    gap, widest = float(found["best"] - found["log_prob"]), float(found["angles"].max())
    if not math.isfinite(gap):
        return "log p(x) is not a number here: there is nothing to conclude."
    if bool(found["diagonal"]):
        far, of_ppca = f"{number(abs(gap))} nats", "the best that PPCA can reach"
        if gap > 0:  # PPCA is factor analysis with equal noises
            reach = "and factor analysis too: it has not learned enough"
            return f"log p(x) is {far} below {of_ppca}, {reach}."
        return f"A noise of its own for each dimension puts log p(x) {far} above {of_ppca}."
    if gap < 1e-3 and widest < 1:
        return f"This is PPCA's maximum: its subspace is the principal one, to {number(widest, 2)} degrees."
    turned = f"its subspace is up to {number(widest)} degrees from the principal one"
    return f"log p(x) is {number(gap)} nats below PPCA's best; {turned}."

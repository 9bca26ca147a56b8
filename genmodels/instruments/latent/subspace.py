"""What PPCA and factor analysis have found: the principal subspace, each dimension's noise, how far it is to go."""

import math
from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.metrics import floors
from genmodels.models.latent.linear_gaussian import LinearGaussian, principal
from genmodels.probability.distributions import LOG_2PI
from genmodels.text import number

__all__ = ["angles", "best_log_prob", "conclusion", "directions", "subspace"]

Array = npt.NDArray[Any]
MOST = 5000  # training examples


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
def subspace(model: LinearGaussian, data: Data) -> Generator[float, None, dict[str, Array]]:
    r"""The model's subspace beside the principal one of up to 5,000 training examples. A task.

    Returns:
        "variance": of the model along its directions, (L,), noise included, and "eigenvalues" of the data, (D,), both
        falling; "angles" between the two subspaces, degrees, (L,); "directions" of the model and "principal" of the
        data, (L, \*shape); "psi", the variance of the noise, and "mean", \*shape; "log_prob", mean over the examples,
        and "best", the largest that PPCA can reach, nats; "diagonal": whether each dimension has a noise of its own.
    """
    x = floors.chosen(data.train, MOST, 0).x.to(model.device)
    x = data.prepare(x, model.inputs, random.generator(0, model.device))
    flat = x.flatten(1).double().cpu()
    latent = model.latent_dim
    yield 0.2
    w_best, _, _, values = principal(flat, latent)
    ours, variance = directions(model.W.cpu())
    theirs = directions(w_best)[0]
    psi = model.log_psi.double().exp().cpu().expand(len(values))
    along = variance + (ours.square() * psi.unsqueeze(1)).sum(0)
    log_prob = torch.cat([model.log_prob(part) for part in x.split(1000)]).double().mean()
    return {
        "variance": along.numpy(),
        "eigenvalues": values.numpy(),
        "angles": angles(model.W.cpu(), w_best).numpy(),
        "directions": ours.T.unflatten(1, model.shape).numpy(),
        "principal": theirs.T.unflatten(1, model.shape).numpy(),
        "psi": psi.view(model.shape).numpy(),
        "mean": model.mu.cpu().unflatten(0, model.shape).numpy(),
        "log_prob": np.array(float(log_prob)),
        "best": np.array(best_log_prob(values, latent)),
        "diagonal": np.array(model.noise == "diagonal"),
    }


def conclusion(found: dict[str, Array]) -> str:
    """How far it is from the best PPCA, a sentence; of what :func:`subspace` returns."""
    gap, widest = float(found["best"] - found["log_prob"]), float(found["angles"].max())
    if not math.isfinite(gap):
        return "log p(x) is not a number here: there is nothing to conclude."
    if bool(found["diagonal"]):
        far = f"{number(abs(gap))} nats {'above' if gap < 0 else 'below'}"
        return f"A noise of its own for each dimension puts log p(x) {far} the best that PPCA can reach."
    if gap < 1e-3 and widest < 1:
        return f"This is PPCA's maximum: its subspace is the principal one, to {number(widest, 2)} degrees."
    turned = f"its subspace is up to {number(widest)} degrees from the principal one"
    return f"log p(x) is {number(gap)} nats below PPCA's best; {turned}."

"""EM step by step: the bound that touches the likelihood after each E step, and what the components are meanwhile."""

import copy
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
from genmodels.models.latent.em import EM
from genmodels.models.latent.linear_gaussian import LinearGaussian
from genmodels.models.latent.mixture import GaussianMixture
from genmodels.text import number

__all__ = ["conclusion", "examples_of", "numbers", "outlines", "steps"]

Array = npt.NDArray[Any]
MOST = 100  # steps
CORNERS = 48  # of an ellipse


def examples_of(model: EM, data: Data, n: int, seed: int = 0) -> Tensor:
    r"""``n`` training examples (all, where there are fewer), as the model takes them, float64, (n, \*shape)."""
    rng = random.generator(seed)
    rows = torch.randperm(len(data.train), generator=rng)[:n].to(data.train.x.device)
    x = data.train.x[rows].to(model.device)
    return data.prepare(x, model.inputs, random.generator(seed, model.device)).double()


@torch.no_grad()
def steps(
    model: EM, data: Data, count: int = 12, n: int = 1000, begin: int = 0
) -> Generator[float, None, dict[str, Array]]:
    """``count`` steps of EM on ``n`` training examples, from the model as it is. A task.

    Args:
        model: A model that EM can train, however it was trained.
        data: What it learns from.
        count: How many E and M steps.
        n: How many examples.
        begin: 0: from the model's parameters; another number: from fresh ones, drawn with this seed.

    Returns:
        In nats, means over the examples: "log_prob", before each step and after the last, (count + 1,), which the bound
        F touches after each E step; "bound", F after each M step, (count,). Where there is a prior on the parameters
        both have log p(θ) in them. "x": up to 400 of the examples, and of a mixture "posterior", their responsibilities
        before each step, (count + 1, N, K), and "weights"; of the plane "outlines", see :func:`outlines`, and of images
        "means", what each component (or W z + μ at z = 0) looks like.
    """
    if not isinstance(model, EM):
        raise BadInput("EM is for a model whose posterior is exact: a mixture of Gaussians, PPCA or factor analysis.")
    if not 1 <= count <= MOST:
        raise BadInput(f"count = {count} is not a number of steps from 1 to {MOST}.")
    x = examples_of(model, data, n)
    if begin:
        model = model.fresh(begin)
    own, parts = copy.deepcopy(model).double().eval(), dict[str, list[Tensor]]()

    def keep(**values: Tensor) -> None:
        for name, value in values.items():
            parts.setdefault(name, []).append(value.clone())

    few = x[:400]
    for i in range(count + 1):
        keep(log_prob=own.log_prob(x).mean() + own.log_prior(), **_seen(own, few))
        if i == count:
            break
        statistics, entropy = own.expect(x)
        own.step(statistics)
        keep(bound=own.complete(statistics) + entropy + own.log_prior())
        yield (i + 1) / count
    found = {name: torch.stack(values).cpu().numpy() for name, values in parts.items()}
    return {**found, "x": few.float().cpu().numpy(), "prior_weight": np.array(own.prior_weight)}


def _seen(model: EM, x: Tensor) -> dict[str, Tensor]:
    """The parts of a model that are drawn after a step, by name."""
    shown = dict[str, Tensor]()
    if isinstance(model, GaussianMixture):
        shown = {"posterior": model.posterior(x).float(), "weights": model.logits.softmax(0)}
        if model.is_image:
            shown["means"] = model.means.unflatten(1, model.shape).clamp(0, 1).float()
    elif isinstance(model, LinearGaussian) and model.is_image:
        shown["means"] = model.mu.unflatten(0, model.shape).clamp(0, 1).float().unsqueeze(0)
    return shown if model.is_image else shown | {"outlines": torch.as_tensor(outlines(model))}


@torch.no_grad()
def outlines(model: EM, radius: float = 2.0) -> Array:
    """The ellipse ``radius`` standard deviations around each Gaussian of a model of the plane, (K, CORNERS, 2).

    Of PPCA and factor analysis a second one: x as it is at noise alone, Ψ.
    """
    if model.is_image:
        raise BadInput("Outlines are drawn of a model of points of the plane.")
    angle = torch.linspace(0, 2 * math.pi, CORNERS, dtype=torch.float64)
    circle = radius * torch.stack([angle.cos(), angle.sin()], 1)
    if isinstance(model, LinearGaussian):
        psi = model.log_psi.double().exp().expand(2).diag()
        w = model.W.double().cpu()
        covariances = torch.stack([w @ w.T + psi.cpu(), psi.cpu()])
        means = model.mu.double().cpu().expand(2, 2)
    else:
        assert isinstance(model, GaussianMixture)
        share, first, second = (t.cpu() for t in model.own())
        means = first / share.unsqueeze(1)
        second = second if second.ndim == 3 else second.diag_embed()
        outer = means.unsqueeze(2) * means.unsqueeze(1)
        if model.covariance != "full":
            outer = outer.diagonal(dim1=1, dim2=2).diag_embed()
        covariances = second / share[:, None, None] - outer
    factor = torch.linalg.cholesky(covariances + 1e-12 * torch.eye(2, dtype=torch.float64))
    return (means.unsqueeze(1) + circle @ factor.mT).numpy()


def conclusion(found: dict[str, Array]) -> str:
    """The gain in log p(x) by these steps of EM, a sentence; of what :func:`steps` returns."""
    log_prob, bound = found["log_prob"], found["bound"]
    if not (np.isfinite(log_prob).all() and np.isfinite(bound).all()):
        return "Not every bound is a number here: there is nothing to conclude."
    won, count = float(log_prob[-1] - log_prob[0]), len(bound)
    of = "log p(x) + log p(θ)" if float(found["prior_weight"]) else "log p(x)"
    if won < 1e-6:
        return (
            f"{count} steps of EM change {of} by less than a millionth of a nat: this is a maximum, or very near one."
        )
    gap = float((log_prob[1:] - bound).max())
    closed = f"the widest gap that an E step closed is {number(gap, 2)}"
    return f"{count} steps of EM raise {of} by {number(won)} nats; {closed}."


@torch.no_grad()
def numbers(model: EM, data: Data, index: int = 0) -> dict[str, float]:
    """The terms of one test example, in nats: what the theory panel puts into the equations.

    Returns:
        "log p(x)"; "expected", E[log p(x, z)] under the posterior, and "entropy", that of the posterior, whose sum it
        is; "log p(θ)" for each real example, up to a constant; of a mixture "best", the largest responsibility,
        "which", whose it is, and "log π" of that component; of the others "explained", the share of the model's
        variance that is not noise, and "sigma", the standard deviation of the noise.
    """
    x = data.prepare(
        data.test.x[index : index + 1].to(model.device), model.inputs, random.generator(index, model.device)
    )
    own = copy.deepcopy(model).double().eval()
    x = x.double()
    statistics, entropy = own.expect(x)
    terms = {
        "log p(x)": float(own.log_prob(x)),
        "expected": float(own.complete(statistics)),
        "entropy": float(entropy),
        "log p(θ)": float(own.log_prior()),
    }
    if isinstance(own, GaussianMixture):
        r = own.posterior(x)[0]
        return terms | {
            "best": float(r.max()),
            "which": int(r.argmax()) + 1,
            "log π": float(own.logits.log_softmax(0)[r.argmax()]),
        }
    assert isinstance(own, LinearGaussian)
    signal, noise = float(own.W.square().sum()), float(own.log_psi.exp().sum()) * own.mu.numel() / own.log_psi.numel()
    return terms | {"explained": signal / (signal + noise), "trace": signal, "sigma": math.sqrt(noise / own.mu.numel())}

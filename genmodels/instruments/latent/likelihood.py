r"""Maximum likelihood is the smallest KL from the data; MAP is that with a prior on the parameters.

.. math:: E_{p}[-\log p_\theta(x)] = \mathrm{KL}(p \,\|\, p_\theta) + H(p)

H(p), the entropy of the data, does not depend on θ: what makes one side small makes the other small. Bishop (2006),
Pattern Recognition and Machine Learning, section 1.6.1; MAP: section 1.2.5.
"""

import math
from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import DATASETS, Data
from genmodels.errors import BadInput
from genmodels.instruments.plane import cells
from genmodels.metrics import floors
from genmodels.models.latent.em import EM
from genmodels.models.latent.linear_gaussian import LinearGaussian
from genmodels.models.latent.mixture import GaussianMixture
from genmodels.text import number

__all__ = ["PRIORS", "conclusion_of_kl", "conclusion_of_map", "kl_and_likelihood", "map_path"]

Array = npt.NDArray[Any]
SIDE = 160  # cells of the grid on which the truth is integrated
PRIORS = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Imagined examples for each real one; the first is maximum likelihood."""
DRAWS, STEPS = 5, 60  # sets of examples, and steps of EM on each


@torch.no_grad()
def kl_and_likelihood(
    model: Any, data: Data, n: int = 1000, points: int = 41
) -> Generator[float, None, dict[str, Array]]:
    r"""KL(data ‖ model) and −log p of data along a line through the model: all of it smaller or wider. A task.

    The model is scaled by s about the data's mean c: :math:`p_s(x) = s^{-2}\, p(c + (x - c)/s)`. KL and entropy are
    sums over a grid on which the truth is known; −log p is the mean over ``n`` training points.

    Returns:
        "scale" (points,), "kl" and "nll", nats; "entropy" of the data, nats; "error", the standard error of the means
        "nll"; and "mass", what of the truth the grid holds.

    Raises:
        BadInput: If the data have no known density, or ``n`` is beyond them.
    """
    if model.is_image or data.log_prob is None:
        raise BadInput("KL(data ‖ model) is computed on a plane whose density is known.")
    if not 2 <= n <= len(data.train):
        raise BadInput(f"n = {n} is not a number of training points from 2 to {len(data.train)}.")
    half = 1.5 * DATASETS[data.name].extent
    grid, cell = cells(half, SIDE), (2 * half / SIDE) ** 2
    log_p = data.log_prob(grid.double())
    p = log_p.exp() * cell
    entropy = -float((p * log_p.clamp_min(-700)).sum() / p.sum())
    x = data.train.x.cpu()[torch.randperm(len(data.train), generator=random.generator(0))[:n]]
    centre, scales = data.train.x.mean(0).cpu(), np.geomspace(0.6, 1.8, points)
    here = torch.cat([grid[p > 1e-12], x])
    weight, kl, nll = p[p > 1e-12], list[float](), list[Tensor]()
    for i, scale in enumerate(scales.tolist()):
        yield i / points
        asked = (centre + (here - centre) / scale).to(model.device)
        log_q = torch.cat([model.log_prob(part) for part in asked.split(4000)]).double().cpu() - 2 * math.log(scale)
        on_grid, on_data = log_q[: len(weight)], log_q[len(weight) :]
        kl.append(float((weight * (log_p[p > 1e-12] - on_grid)).sum() / weight.sum()))
        nll.append(-on_data)
    values = torch.stack(nll)
    return {
        "scale": scales,
        "kl": np.array(kl),
        "nll": values.mean(1).numpy(),
        "error": (values.std(1) / math.sqrt(n)).numpy(),
        "entropy": np.array(entropy),
        "mass": np.array(float(p.sum())),
    }


def conclusion_of_kl(found: dict[str, Array]) -> str:
    """Whether KL and likelihood are best at one scale, a sentence; of what :func:`kl_and_likelihood` returns."""
    kl, nll, scale = found["kl"], found["nll"], found["scale"]
    if not (np.isfinite(kl).all() and np.isfinite(nll).all()):
        return "Not every value is a number here: there is nothing to conclude."
    at, best = (float(scale[curve.argmin()]) for curve in (kl, nll))
    where = f"Both are smallest at {number(at)}"
    if at != best:
        where = f"KL is smallest at {number(at)}, −log p of these points at {number(best)}"
    entropy = f"the entropy of the data, {number(float(found['entropy']))} nats"
    return f"{where} times the model's own width; what lies between them is {entropy}, and the luck of the draw."


@torch.no_grad()
def map_path(model: EM, data: Data, n: int = 20, side: int = 48) -> Generator[float, None, dict[str, Array]]:
    """The model learned anew from ``n`` examples under ever stronger priors: maximum likelihood, then MAP. A task.

    Returns:
        "prior" (:data:`PRIORS`); "train" and "held_out", mean log p in nats after :data:`STEPS` steps of EM on each of
        :data:`DRAWS` random sets, (DRAWS, P); "x", the first set; and of the plane "density" of what was learned from
        it, (P, side, side), x₂ by rows, with "extent"; of images "means", what the first components look like.
    """
    if not isinstance(model, EM):
        raise BadInput("MAP by EM is for a mixture of Gaussians, PPCA or factor analysis.")
    if not 2 <= n <= min(1000, len(data.train)):
        raise BadInput(f"n = {n} is not a number of training examples from 2 to {min(1000, len(data.train))}.")
    held_out = _prepared(model, data, floors.chosen(data.test, 1000, 0).x, 0)
    scores, shown = np.zeros((2, DRAWS, len(PRIORS))), list[Tensor]()
    extent = DATASETS[data.name].extent
    grid = cells(extent, side).double().to(model.device)
    for draw in range(DRAWS):
        rows = torch.randperm(len(data.train), generator=random.generator(draw))[:n]
        x = _prepared(model, data, data.train.x[rows.to(data.train.x.device)], draw)
        for i, weight in enumerate(PRIORS):
            yield (draw * len(PRIORS) + i) / (DRAWS * len(PRIORS))
            own = model.fresh(draw, prior_weight=weight).double().eval()
            for _ in range(STEPS):
                own.step(own.expect(x)[0])
            scores[:, draw, i] = float(own.log_prob(x).mean()), float(own.log_prob(held_out).mean())
            if draw == 0:
                shown.append(own.log_prob(grid).exp().view(side, side) if not own.is_image else _pictures(own))
        if draw == 0:
            first = x
    name = "means" if model.is_image else "density"
    found = {name: torch.stack(shown).float().cpu().numpy(), "x": first.float().cpu().numpy()}
    found |= {"prior": np.array(PRIORS), "train": scores[0], "held_out": scores[1]}
    return found | ({} if model.is_image else {"extent": np.array([-extent, extent] * 2)})


def _prepared(model: EM, data: Data, x: Tensor, seed: int) -> Tensor:
    return data.prepare(x.to(model.device), model.inputs, random.generator(seed, model.device)).double()


def _pictures(model: EM, most: int = 8) -> Tensor:
    """The means of a mixture's first components, or the model's mean, as pictures (k, C, H, W)."""
    if isinstance(model, GaussianMixture):
        return model.means[:most].unflatten(1, model.shape).clamp(0, 1)
    assert isinstance(model, LinearGaussian)
    return model.mu.view(1, *model.shape).clamp(0, 1)


def conclusion_of_map(found: dict[str, Array]) -> str:
    """Which prior does best on held-out data, a sentence; of what :func:`map_path` returns."""
    held_out, train = found["held_out"].mean(0), found["train"].mean(0)
    if not np.isfinite([held_out, train]).all():
        return "Not every likelihood is a number here: there is nothing to conclude."
    best, sets = int(held_out.argmax()), len(found["train"])
    apart = lambda difference: (float(difference.mean()), float(difference.std(ddof=1)) / math.sqrt(sets))  # noqa: E731
    lost, noise = apart(found["train"][:, 0] - found["held_out"][:, 0])
    won, luck = apart(found["held_out"][:, best] - found["held_out"][:, 0])  # of the same sets: paired
    more, unsure = (
        (f"{number(lost)} nats", "") if lost > 2 * noise else ("no", f" ({number(lost)} ± {number(noise)} nats)")
    )
    text = f"maximum likelihood is {more} better on its own examples than on others{unsure}"
    if won <= 2 * luck:
        return f"Here no prior helps by more than chance: {text}."
    prior, one = number(float(found["prior"][best])), found["prior"][best] == 1
    return (
        f"{text[:1].upper()}{text[1:]}; {prior} imagined example{'' if one else 's'} for each real one "
        f"win{'s' if one else ''} {number(won)} ± {number(luck)} nats on those."
    )

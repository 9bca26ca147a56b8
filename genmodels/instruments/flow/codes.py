"""Is z a Gaussian? The codes of data beside N(0, I), samples by temperature, and where a flow is undone badly."""

import math
from collections.abc import Generator, Mapping

import numpy as np
import torch

from genmodels import random
from genmodels.data.datasets import DATASETS, Data
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Array
from genmodels.instruments.examples import some
from genmodels.instruments.plane import cells
from genmodels.models.flow import Flow
from genmodels.text import number

__all__ = [
    "conclusion_of_codes",
    "conclusion_of_inverse",
    "conclusion_of_temperatures",
    "gaussianity",
    "inverse_error",
    "temperatures",
]

PROBABILITIES = (np.arange(99) + 1) / 100
TEMPERATURES = (0.5, 0.7, 0.85, 1.0, 1.15)


@torch.no_grad()
def gaussianity(model: Flow, data: Data, n: int = 1000) -> Generator[float, None, dict[str, Array]]:
    """The codes of ``n`` test examples beside N(0, I). A task.

    A flow that has learned p(x) makes each z_j a standard normal number, independent of the others, and the length of z
    that of Gaussian noise, χ with D degrees of freedom. Images have the noise that it learned with, of whose density p
    is; a conditional model is told their labels.

    Returns:
        "z", (n, D); "distance" of each dimension's distribution function from the Gaussian one (the statistic of
        Kolmogorov and Smirnov), (D,), and "critical", above which chance puts one in a hundred; "quantiles", (99, D),
        beside those of N(0, 1), "expected", (99,); "norm", (n,), and the density of χ, "chi", at "length";
        "correlation", the largest of two dimensions, by size.
    """
    n = min(n, len(data.test))
    x, y = some(model, data, n)
    rng, codes = random.generator(0, model.device), list[torch.Tensor]()
    for part, told in zip(x.split(250), y.split(250), strict=True):
        yield len(codes) * 250 / n
        v = model.noised(part, rng) if model.is_image else part
        z = model.encode(v, told.to(model.device)) if model.classes else model.encode(v)
        codes.append(z.double().cpu())
    z = torch.cat(codes)
    D = z.shape[1]
    rank = torch.arange(1, n + 1, dtype=torch.float64)[:, None] / n
    below = torch.special.ndtr(z.sort(0).values)
    distance = torch.maximum((rank - below).amax(0), (below - rank + 1 / n).amax(0))
    norm = z.norm(dim=1).numpy()
    length = np.linspace(max(0.0, math.sqrt(D) - 5), math.sqrt(D) + 5, 200)
    length = np.concatenate([[min(norm.min(), length[0])], length, [max(norm.max(), length[-1])]])
    log_chi = (
        (D - 1) * np.log(np.maximum(length, 1e-12)) - length**2 / 2 - (D / 2 - 1) * math.log(2) - math.lgamma(D / 2)
    )
    among = z[:, torch.randperm(D, generator=random.generator(0))[:200]]
    together = torch.corrcoef(among.T) - torch.eye(among.shape[1])
    return {
        "z": z.float().numpy(),
        "distance": distance.numpy(),
        "critical": np.array(1.628 / math.sqrt(n)),
        "quantiles": torch.quantile(z, torch.as_tensor(PROBABILITIES), dim=0).numpy(),
        "expected": torch.special.ndtri(torch.as_tensor(PROBABILITIES)).numpy(),
        "norm": norm,
        "length": length,
        "chi": np.exp(log_chi),
        "correlation": together.nan_to_num().abs().max().numpy(),
    }


def temperatures(model: Flow, n: int = 8, seed: int = 0) -> Generator[float, None, dict[str, Array]]:
    r"""Samples of the same noise scaled by each "temperature", (T,): "x", (T, n, \*shape). A task."""
    if not 1 <= n <= 2000:
        raise BadInput(f"n = {n} samples are not a number from 1 to 2,000.")
    drawn = []
    for i, temperature in enumerate(TEMPERATURES):
        yield i / len(TEMPERATURES)
        drawn.append(model.sample(n, rng=random.generator(seed, model.device), temperature=temperature).cpu().numpy())
    return {"x": np.stack(drawn), "temperature": np.array(TEMPERATURES)}


@torch.no_grad()
def inverse_error(model: Flow, data: Data, n: int = 64, side: int = 60) -> Generator[float, None, dict[str, Array]]:
    r"""Where single precision loses the way back, and what it does to the likelihood. A task.

    What is said to be exact is so in exact arithmetic: f⁻¹(f(x)) differs from x where f stretches much.

    Returns:
        "error", \|f⁻¹(f(x)) − x\| at its largest over the dimensions, of ``n`` test examples, (n,); "nats", how far
        log p(x) in single precision is from that in double, (n,). Of points also "map", log₁₀ of the error over the
        square, (side, side), x₂ by rows, rising, and its "half"; of images the mean over the examples, (H, W).
    """
    x, told = some(model, data, n)
    x = model.noised(x, random.generator(0, model.device))
    y = told.to(model.device) if model.classes else None
    back = model.f.inverse(model.encode(x, y), y)
    yield 0.3
    apart = (back - x).abs()
    log_prob = model.log_prob(x, y).double()
    errors = {"error": apart.flatten(1).amax(1).cpu().numpy()}
    yield 0.5
    model.double()
    try:
        errors["nats"] = (log_prob - model.log_prob(x.double(), y)).abs().cpu().numpy()
    finally:
        model.float()
    yield 0.8
    if model.is_image:
        return errors | {"map": np.log10(apart.mean((0, 1)).cpu().numpy() + 1e-12)}
    half = DATASETS[data.name].extent
    grid = cells(half, side).to(model.device)
    y = None if y is None else y.new_zeros(len(grid))  # the map is that of the first class
    error = (model.f.inverse(model.encode(grid, y), y) - grid).abs().amax(1).view(side, side)
    return errors | {"map": np.log10(error.cpu().numpy() + 1e-12), "half": np.array(half)}


# What they come to -----------------------------------------------------------------------------------------------


def conclusion_of_codes(codes: Mapping[str, Array]) -> str:
    """The length of the codes beside that of Gaussian noise, and how many dimensions are told from it: at 1 % each.

    Chance tells so many of D, 0.01 D, and by more than three standard deviations hardly ever.
    """
    D, norm = codes["z"].shape[1], codes["norm"].astype(float)
    mean = math.sqrt(2) * math.exp(math.lgamma((D + 1) / 2) - math.lgamma(D / 2))  # of χ with D degrees of freedom
    wide = math.sqrt(D - mean**2)
    beyond = int((codes["distance"] > codes["critical"]).sum())
    spread = f" ± {number(float(norm.std(ddof=1)))}" if len(norm) > 1 else ""
    text = f"Encoded test examples have norm {number(float(norm.mean()))}{spread}; a Gaussian's would be "
    text += f"{number(mean)} ± {number(wide)}. Of {D:,} dimension{'s' if D > 1 else ''}, {beyond:,} "
    text += f"{'is' if beyond == 1 else 'are'} told from N(0, 1), "
    by_chance, scatter = 0.01 * D, math.sqrt(0.01 * 0.99 * D)
    text += "more than chance tells" if beyond > by_chance + 3 * scatter else "no more than chance may tell"
    return f"{text}: {number(by_chance, 2)} ± {number(scatter, 2)}."


def conclusion_of_temperatures(drawn: Mapping[str, Array]) -> str:
    """How much samples differ from each other at the ends, beside temperature 1."""
    if drawn["x"].shape[1] < 2:
        return "One sample differs from no other: draw more."
    spread = np.sqrt(drawn["x"].astype(float).var(1).reshape(len(drawn["x"]), -1).mean(1))
    one = spread[np.abs(drawn["temperature"] - 1).argmin()]
    if not one or not np.isfinite(spread).all():
        return "These samples do not differ, or are not finite."
    share = spread / one
    low, high = (f"at T = {drawn['temperature'][k]:g}" for k in (0, -1))
    text = f"A{low[1:]} samples differ from each other {number(float(share[0]), 2)} × as much as at T = 1, "
    return text + f"{high} {number(float(share[-1]), 2)} ×."


def conclusion_of_inverse(errors: Mapping[str, Array]) -> str:
    """How far the worst example comes back, and how many nats single precision costs."""
    error, nats = float(errors["error"].max()), float(errors["nats"].max())
    if not math.isfinite(error + nats):
        return "Some of these test examples do not come back at all: the way back overflows in single precision."
    text = f"Of {len(errors['error'])} test examples the worst comes back {number(error, 2)} away, and log p(x) is at "
    return text + f"most {number(nats, 2)} nats from that in double precision: it means no more digits than these."

"""Is z a Gaussian? The codes of data beside N(0, I), samples by temperature, and where a flow is undone badly."""

import math
from collections.abc import Generator

import numpy as np
import torch

from genmodels import random
from genmodels.data.datasets import DATASETS, Data
from genmodels.errors import BadInput
from genmodels.instruments.codes import Array
from genmodels.instruments.examples import some
from genmodels.instruments.plane import cells
from genmodels.models.flow import Flow

__all__ = ["gaussianity", "inverse_error", "temperatures"]

PROBABILITIES = (np.arange(99) + 1) / 100
TEMPERATURES = (0.5, 0.7, 0.85, 1.0, 1.15)


@torch.no_grad()
def gaussianity(model: Flow, data: Data, n: int = 1000) -> Generator[float, None, dict[str, Array]]:
    """The codes of ``n`` test examples beside N(0, I). A task.

    A flow that has learned p(x) makes each z_j a standard normal number, independent of the others, and the length of z
    that of Gaussian noise, χ with D degrees of freedom.

    Returns:
        "z", (n, D); "distance" of each dimension's distribution function from the Gaussian one (the statistic of
        Kolmogorov and Smirnov), (D,), and "critical", above which chance puts one in a hundred; "quantiles", (99, D),
        beside those of N(0, 1), "expected", (99,); "norm", (n,), and the density of χ, "chi", at "length";
        "correlation", the largest of two dimensions, by size.
    """
    n = min(n, len(data.test))
    x, _ = some(model, data, n)
    codes = list[torch.Tensor]()
    for part in x.split(250):
        yield len(codes) * 250 / n
        codes.append(model.encode(part).double().cpu())
    z = torch.cat(codes)
    D = z.shape[1]
    rank = torch.arange(1, n + 1, dtype=torch.float64)[:, None] / n
    below = torch.special.ndtr(z.sort(0).values)
    distance = torch.maximum((rank - below).amax(0), (below - rank + 1 / n).amax(0))
    length = np.linspace(max(0.0, math.sqrt(D) - 5), math.sqrt(D) + 5, 200)
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
        "norm": z.norm(dim=1).numpy(),
        "length": length,
        "chi": np.exp(log_chi),
        "correlation": together.nan_to_num().abs().max().numpy(),
    }


def temperatures(model: Flow, n: int = 8, seed: int = 0) -> Generator[float, None, dict[str, Array]]:
    r"""The same noise, longer and shorter: "x", (T, n, \*shape), at each "temperature", (T,). A task."""
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
    x, _ = some(model, data, n)
    y = None if not model.classes else torch.zeros(len(x), dtype=torch.int64, device=model.device)
    back = model.f.inverse(model.encode(x, y), y)
    yield 0.3
    apart = (back - x).abs()
    log_prob = model.log_prob(x, y).double()
    found = {"error": apart.flatten(1).amax(1).cpu().numpy()}
    yield 0.5
    model.double()
    try:
        found["nats"] = (log_prob - model.log_prob(x.double(), y)).abs().cpu().numpy()
    finally:
        model.float()
    yield 0.8
    if model.is_image:
        return found | {"map": np.log10(apart.mean((0, 1)).cpu().numpy() + 1e-12)}
    half = DATASETS[data.name].extent
    grid = cells(half, side).to(model.device)
    y = None if y is None else y.new_zeros(len(grid))
    error = (model.f.inverse(model.encode(grid, y), y) - grid).abs().amax(1).view(side, side)
    return found | {"map": np.log10(error.cpu().numpy() + 1e-12), "half": np.array(half)}

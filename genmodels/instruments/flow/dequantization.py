"""What dequantization costs, in bits per dimension; and the numbers of one example, for the equations."""

import math
from collections.abc import Generator, Mapping

import numpy as np
import torch

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.flows import images
from genmodels.instruments.arrays import Array
from genmodels.instruments.examples import example as example_of
from genmodels.instruments.examples import some
from genmodels.models.flow import Flow
from genmodels.probability.distributions import standard_normal_log_prob
from genmodels.text import number

__all__ = ["MEASURES", "bits", "conclusion", "costs", "numbers"]

MEASURES = {
    "density of images in [0, 1]": "of what was scaled to the unit cube",
    "density of pixels from 0 to levels": "of what was left in grey levels",
    "density less that of the noise": "of blurred pixels, of whose cost the noise's entropy is taken off: no bound",
    "probability of whole levels": "of discrete images: a bound of dequantization, or a categorical model",
}
"""What nats may be of, and so what is added to make bits of them."""

DRAWS = (1, 4, 16)


def bits(nats: float, dimensions: int, levels: int = 0) -> float:
    """Bits per dimension of a negative log-likelihood in nats.

    Args:
        nats: −log P of whole grey levels; with ``levels``, −log p of a density of images scaled to [0, 1].
        dimensions: How many numbers an example has.
        levels: Grey levels; 0 where the nats are of whole levels already, of pixels from 0 to levels, or less the
            entropy of their noise.

    >>> bits(0.0, 784, 256)
    8.0
    >>> round(bits(784 * math.log(2), 784), 6)
    1.0
    """
    return nats / (dimensions * math.log(2)) + (math.log2(levels) if levels else 0.0)


@torch.no_grad()
def costs(model: Flow, data: Data, n: int = 64, seed: int = 0) -> Generator[float, None, dict[str, Array]]:
    """Bits per dimension of the same ``n`` test images under one model, by how its grey levels were made real. A task.

    Returns:
        "name" of each way, its "bits", their standard error "se", and whether it is a "bound" on the bits of whole grey
        levels: uniform noise, with one draw and the importance-weighted mean of more; the model's own learned noise;
        none (a density at whole levels, as if they were real numbers) and Gaussian noise of σ = 1 level, counted as the
        density of what was blurred: those two bound nothing.

    Raises:
        BadInput: If the model is one of points.
    """
    if not model.is_image:
        raise BadInput("Points of the plane are real numbers already: nothing is dequantized.")
    x, _ = some(model, data, n, seed=seed)
    grey, levels, D = images.whole(x, model.grey), model.grey, model.latent_dim
    rows: list[tuple[str, torch.Tensor, bool]] = []

    def log_prob(v: torch.Tensor) -> torch.Tensor:
        return torch.cat([model.log_prob(part) for part in v.split(32)])

    weights = []
    for i in range(DRAWS[-1]):
        yield i / (DRAWS[-1] + 4)
        v, log_q = images.uniform(grey, levels, random.generator(seed + i, x.device))
        weights.append(log_prob(v) - log_q)
    for k in DRAWS:
        tight = torch.stack(weights[:k]).logsumexp(0) - math.log(k)
        rows.append((f"uniform noise, {k} draw{'s' if k > 1 else ''}", tight, True))
    if model.dequantization == "variational":
        for k in DRAWS[:2]:
            bound = model.discrete_log_prob(x, random.generator(seed, x.device), draws=k)
            rows.append((f"learned noise, {k} draw{'s' if k > 1 else ''}", bound, True))
    yield 0.8
    middle = (grey + 0.5) / levels
    rows.append(("no noise", log_prob(middle) - D * levels.log(), False))
    blurred, _ = images.gaussian(grey, levels, 1.0, random.generator(seed, x.device))
    if model.config["pixels"] == "logit":  # which there is none of beyond (0, 1)
        edge = images.EDGE / float(levels)
        blurred = blurred.clamp(edge, 1 - edge)
    rows.append(("Gaussian noise, σ = 1", log_prob(blurred) - D * levels.log(), False))
    names, values, bounds = zip(*rows, strict=True)
    bits_of = -torch.stack(values).double().cpu() / (D * math.log(2))
    return {
        "name": np.array(names),
        "bits": bits_of.mean(1).numpy(),
        "se": bits_of.std(1).numpy() / math.sqrt(len(x)),
        "bound": np.array(bounds),
    }


@torch.no_grad()
def numbers(model: Flow, data: Data, example: int) -> dict[str, float]:
    """The terms of log p(x) of one test example, in nats; of an image with the noise that the model learned with.

    A conditional model is told the label: they are those of log p(x | y). "bound", and "bpd" of it, is on log P of the
    image in whole grey levels: of Gaussian noise, which leaves them, it is not of the noised image.

    Raises:
        BadInput: If there is no such example.
    """
    given = example_of(model, data, example)
    x = model.noised(given, random.generator(0, model.device))
    y = data.test.y[[example]].to(model.device) if model.classes else None
    z, ladj = model.f(x, y)
    base = standard_normal_log_prob(z).sum()
    terms = {"base": base.item(), "ladj": ladj.item(), "log_prob": (base + ladj).item(), "D": float(model.latent_dim)}
    terms |= {"length": z.norm().item(), "back": (model.f.inverse(z, y) - x).abs().max().item()}
    if model.is_image:
        bound = model.discrete_log_prob(given, random.generator(0, model.device), y=y, draws=1).item()
        terms |= {"bound": bound, "bpd": -bound / (model.latent_dim * math.log(2)), "levels": float(model.grey_levels)}
    return terms


def conclusion(costs: Mapping[str, Array]) -> str:
    """The bits that more draws and learned noise save, and where the numbers that bound nothing lie."""
    value = dict(zip(costs["name"].tolist(), costs["bits"].tolist(), strict=True))
    one, many = value["uniform noise, 1 draw"], value[f"uniform noise, {DRAWS[-1]} draws"]
    text = f"With uniform noise an image costs at most {number(one)} bits per dimension, "
    text += f"with {DRAWS[-1]} draws {number(many)}"
    if (learned := value.get("learned noise, 1 draw")) is not None:
        text += f", with learned noise {number(learned)}"
    blurred = value["Gaussian noise, σ = 1"]
    return text + f"; {number(blurred)} with Gaussian noise is no bound of it."

r"""Out of distribution: how likely a model finds images that are unlike its data, and how simple these images are.

A likelihood is no detector of the unfamiliar. Nalisnick et al. (2019), Do deep generative models know what they don't
know?, https://arxiv.org/abs/1810.09136, found flows, PixelCNNs and VAEs that call images of other things more likely
than test images. Likelihood is learned from neighbouring pixels most of all, and those of simple images are easy to
foresee whatever they show: bits tend to go with what a general compressor needs. Serrà et al. (2020), Input complexity
and out-of-distribution detection with likelihood-based generative models, https://arxiv.org/abs/1909.11480, figure 1.
"""

import math
import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data import datasets
from genmodels.data.datasets import DATASETS, Data
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Array, Arrays, Task, arrays
from genmodels.instruments.examples import images_only
from genmodels.metrics import floors
from genmodels.metrics.likelihood import iwae
from genmodels.models.capabilities import Density, ImportanceWeights, has
from genmodels.runs.timing import is_here
from genmodels.text import number

__all__ = ["conclusion", "likelier", "shifted", "shifts"]

ROWS, SHOWN, IMPORTANCE = 50, 6, 50  # images at once, images of each set that are kept, draws of z for a bound
MOST = 1000


def shifted(data: Data, n: int, seed: int = 0) -> dict[str, Tensor]:
    """``n`` test images and as many of other kinds, uint8 (n, C, H, W) by name; other data sets where they are at hand.

    One grey is any but black; where pixels are drawn in black and white, it is white.
    """
    x, rng = floors.chosen(data.test, n, seed).x, random.generator(seed)
    n, top = len(x), data.levels - 1
    order = torch.randperm(math.prod(data.shape[1:]), generator=rng).to(x.device)
    one = random.randint(top if data.is_drawn else 1, data.levels, n, 1, 1, 1, rng=rng).to(x)
    noise = random.randint(0, data.levels, *x.shape, rng=rng).to(x)
    sets = {"test images": x, "inverted": top - x, "rotated by 90°": x.rot90(1, (2, 3))}
    sets |= {"pixels shuffled": x.flatten(2)[..., order].view_as(x)}
    sets |= {"black": torch.zeros_like(x), "one grey": one.expand_as(x), "noise": noise}
    for name, other in DATASETS.items():
        same = (other.shape, other.levels, other.grey) == (data.shape, data.levels, "")
        if same and name not in (data.name, datasets.info(data.name).grey) and is_here(name):
            sets[other.title] = floors.chosen(datasets.load(name).test, n, seed).x.to(x.device)
    return {name: images.contiguous() for name, images in sets.items()}


@torch.no_grad()
def shifts(model: Any, data: Data, n: int = 100, seed: int = 0) -> Task:
    r"""−log₂ p(x) per dimension of the same number of images of every kind, see :func:`shifted`. A task.

    Exact, but of images that are dequantized the bound from one draw of noise, and of a VAE or a ladder VAE the
    importance-weighted bound.

    Returns:
        "names" of the K kinds, test images first; "bits" per dimension, (K, n); "simple", the bits per dimension that
        zlib makes of each image as the model sees it, (K, n); "above", the probability that an image is more likely
        than a test image, equal ones counted half, (K,); and "images", some of each, uint8 (K, SHOWN, C, H, W).

    Raises:
        BadInput: If the model is one of points or knows no likelihood, or ``n`` is not from 2 to 1,000.
    """
    images_only(model)
    if not (has(model, ImportanceWeights) or has(model, Density)):
        raise BadInput("This model knows no likelihood of images.")
    if not 2 <= n <= MOST:
        raise BadInput(f"n = {n} is not a number of images from 2 to {MOST:,}.")
    sets, D = shifted(data, n, seed), math.prod(data.shape)
    n, bits, simple, shown = len(sets["test images"]), list[Array](), list[Array](), list[Array]()
    for i, images in enumerate(sets.values()):
        nats = []
        for first in range(0, n, ROWS):
            yield (i + first / n) / len(sets)
            rng = random.generator(seed + first, model.device)
            nats.append(_nats(model, data, images[first : first + ROWS].to(model.device), rng))
        bits.append(np.concatenate(nats) / (D * math.log(2)))
        seen = _seen(model, data, images)
        simple.append(np.array([8 * len(zlib.compress(x.tobytes(), 9)) / D for x in seen]))
        shown.append(seen[:SHOWN])
    test = bits[0]
    above = [float((b[:, None] < test).mean() + (b[:, None] == test).mean() / 2) for b in bits]
    return arrays(names=list(sets), bits=bits, simple=simple, images=shown, above=above)


def _nats(model: Any, data: Data, images: Tensor, rng: torch.Generator) -> Array:
    """−log p of whole pixels, or a bound on it, (B,)."""
    x = data.prepare(images, model.inputs, rng)
    if has(model, ImportanceWeights):
        log_p = iwae(model, x, IMPORTANCE, rng=rng)
    elif model.inputs == "dequantize":
        log_p = model.discrete_log_prob(x, rng)
    else:
        log_p = model.log_prob(x)
    return -log_p.double().cpu().numpy()


def _seen(model: Any, data: Data, images: Tensor) -> Array:
    """Grey 0 to 255 of what is scored."""
    inputs = model.inputs if model.inputs in ("threshold", "stochastic") else "unit"
    x = data.prepare(images, inputs, random.generator(0, images.device))
    return (255 * x).round().to(torch.uint8).cpu().numpy()


def likelier(scored: Arrays) -> Array:
    """Which kinds are more likely than test images by more than chance, bool (K,); of what :func:`shifts` returns.

    Of two sets of n of one law "above" is ½ ± √((2n + 1)/12n²). Mann & Whitney (1947), On a test of whether one of two
    random variables is stochastically larger than the other, https://doi.org/10.1214/aoms/1177730491.
    """
    n = scored["bits"].shape[1]
    above: Array = scored["above"] > 0.5 + 2 * math.sqrt((2 * n + 1) / (12 * n**2))
    return above


def conclusion(scored: Arrays) -> str:
    """Which kinds of images are more likely than test images, and how closely bits follow how simple an image is."""
    names, bits, above = [str(name) for name in scored["names"]], scored["bits"], scored["above"]
    if not np.isfinite(bits[0]).all():
        return "The likelihood of test images is not finite here, so nothing can be held against it."
    means = [number(float(of_kind.mean())) for of_kind in bits]
    said = [f"*{name}* (in {a:.0%} of pairs; {m} bits)" for name, a, m in zip(names, above, means, strict=True)]
    surely = likelier(scored)
    more = [i for i in np.argsort(-above, kind="stable") if i and surely[i]]
    others, test = len(names) - 1, f"than *{names[0]}* ({means[0]} bits a dimension)"
    if more:
        verb = "is" if len(more) == 1 else "are"
        text = f"Of {others} other kinds of images, {len(more)} {verb} more likely {test}: "
        text += ", ".join(said[i] for i in more) + "."
    else:
        near = 1 + int(above[1:].argmax())
        chance = ", within chance" if above[near] > 0.5 else ""
        text = f"None of {others} other kinds of images is more likely {test}; the nearest is {said[near]}{chance}."
    return text + _together(bits, scored["simple"])


def _together(bits: Array, simple: Array) -> str:
    """The correlation of the ranks of bits and of what zlib needs (Spearman's), where there is one."""
    known = np.isfinite(bits)
    ours, others = _ranks(bits[known]), _ranks(simple[known])
    if known.sum() < 3 or not ours.std() or not others.std():
        return ""
    correlation = float(np.corrcoef(ours, others)[0, 1])
    return f" The rank correlation of these bits with those that zlib needs is {number(correlation, 2)}."


def _ranks(x: Array) -> Array:
    """The rank of each value, (N,); equal ones share the mean of their ranks."""
    _, place, times = np.unique(x, return_inverse=True, return_counts=True)
    return (times.cumsum() - times / 2)[place]

"""What each pixel costs after those before it, and what is said of it: the log-likelihood as a map over an image."""

import math
from collections.abc import Generator, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.examples import example as example_of
from genmodels.instruments.examples import images_only, some
from genmodels.metrics import floors
from genmodels.metrics.evaluate import labels
from genmodels.models.autoregressive import Autoregressive
from genmodels.text import number

__all__ = ["average", "conclusion", "guesses", "numbers", "where"]

Array = npt.NDArray[Any]
MOST, ROWS, LEARNED = 1000, 50, 20_000


@torch.no_grad()
def where(model: Autoregressive, data: Data, example: int = 0) -> dict[str, Array]:
    r"""A test image, "x", what each pixel of it costs, "bits" = −log₂ p(x_i | x_<i), and its expectation, "mean".

    All (C, H, W), under the first mask; a conditional model is told the image's label. "total" is their sum.
    """
    images_only(model)
    x = example_of(model, data, example)
    y = labels(model, data.test.y[example : example + 1])
    said = model.said(x, y)
    bits = -model.law.log_prob(x.flatten(1), said).view(model.shape) / math.log(2)
    maps = {"x": x[0], "bits": bits, "mean": guesses(model, said)[0].view(model.shape), "total": bits.sum()}
    return {name: one.float().cpu().numpy() for name, one in maps.items()}


def guesses(model: Autoregressive, said: Tensor) -> Tensor:
    """E[x_i | x_<i] of pixels, shape (B, D), from what is said of them, (B, D, K)."""
    levels = 2 if model.inputs == "threshold" else model.config["levels"]
    grey = torch.arange(levels, device=said.device).to(said) / (levels - 1)
    p = [model.law.log_prob(one.expand(said.shape[:2]), said).exp() * one for one in grey]
    return torch.stack(p).sum(0)


def average(model: Autoregressive, data: Data, n: int = 200) -> Generator[float, None, dict[str, Array]]:
    """The cost of each pixel on average over ``n`` random test images. A task.

    Returns:
        "bits", the mean cost of each pixel, (C, H, W); "total", that of an image; "error", its standard error; and
        "alone", what it would cost if nothing were known of the others: by each pixel's own shares in training images
        (:data:`LEARNED` at most, and one more of all levels alike). The images' own shares would promise too little.

    Raises:
        BadInput: If ``n`` is beyond 1,000.
    """
    images_only(model)
    if not 2 <= n <= MOST:
        raise BadInput(f"n = {n} is not a number of test images from 2 to {MOST}.")
    (x, y), parts = some(model, data, n), list[Tensor]()
    n = len(x)
    for rows, of_rows in zip(x.split(ROWS), y.split(ROWS), strict=True):
        with torch.no_grad():
            parts.append(-model.each(rows, labels(model, of_rows)).double().cpu() / math.log(2))
        yield min(1.0, len(parts) * ROWS / n)
    bits, total = torch.cat(parts), torch.cat(parts).flatten(1).sum(1)
    known, levels = (
        floors.chosen(data.train, LEARNED, 0).x,
        2 if model.inputs == "threshold" else model.config["levels"],
    )
    rng = random.generator(0, known.device)
    learned = _counts((data.prepare(part, model.inputs, rng) for part in known.split(1000)), levels)
    shares = (learned + 1 / levels) / (len(known) + 1)
    alone = -(_counts([x], levels) / n * shares.log2()).sum(1)
    return {
        "bits": bits.mean(0).numpy(),
        "alone": alone.view(model.shape).numpy(),
        "total": np.array(total.mean().item()),
        "error": np.array(total.std().item() / math.sqrt(n)),
    }


def _counts(parts: Iterable[Tensor], levels: int) -> Tensor:
    """How often each dimension of images in [0, 1] has each level, (D, levels), float64."""
    counts = torch.zeros((), dtype=torch.float64)
    for x in parts:
        grey = (x.flatten(1).cpu() * (levels - 1)).round().long()
        d = grey.shape[1]
        counts = counts + (grey + levels * torch.arange(d)).flatten().bincount(minlength=d * levels).view(d, levels)
    return counts


@torch.no_grad()
def numbers(model: Autoregressive, data: Data, example: int = 0, place: int = 0) -> dict[str, float]:
    """The numbers of one test example for the theory: of the whole, and of the dimension at ``place`` in the order.

    Returns:
        "log p" (of a conditional model log p(x | y), of the label that is told), "log p of mask 0" and "log p of a
        mask", the mean over the masks, which are trained by turns; and under the first mask "log p of place", "x of
        place", "dimension" (which it is, from 0), "before" (how many come before it); nats.
    """
    x, y = example_of(model, data, example), labels(model, data.test.y[example : example + 1])
    if not 0 <= place < model.orders.shape[1]:
        raise BadInput(f"place = {place} is not a place in the order: there are {model.orders.shape[1]}.")
    i = int(model.orders[0, place])
    of_masks = torch.stack([model.each(x, y, k).flatten() for k in range(model.masks)])
    each = of_masks[0]
    return {
        "log p": float(model.log_prob(x, y=y)),
        "log p of mask 0": float(each.sum()),
        "log p of a mask": float(of_masks.sum(1).mean()),
        "log p of place": float(each[i]),
        "x of place": float(x.flatten()[i]),
        "dimension": i,
        "before": place,
    }


def conclusion(mean: Mapping[str, Array]) -> str:
    """The bits that knowing the pixels before saves, and how few pixels cost most; of the average over test images."""
    bits, alone = mean["bits"].ravel(), float(mean["alone"].sum())
    total = float(bits.sum())
    if not math.isfinite(total):
        return "Some pixel of these images costs bits without end."
    text = (
        f"An image costs {number(total)} bits; each pixel by itself, by how often training images have its level, it "
    )
    text += f"would be {number(alone)}"
    if total <= 0:
        return text + "."
    most = max(1, len(bits) // 10)
    share = float(np.sort(bits)[::-1][:most].sum()) / total
    return text + f". {most:,} of {len(bits):,} pixels pay {share:.0%} of the bits."

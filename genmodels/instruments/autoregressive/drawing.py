"""Samples as they come into being, pixel by pixel, and images of which a part is given and the rest drawn."""

import math
from collections.abc import Generator, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.hyperparameters import check
from genmodels.instruments.examples import example as example_of
from genmodels.instruments.examples import images_only
from genmodels.metrics.evaluate import labels
from genmodels.models.autoregressive import Autoregressive, Drawn
from genmodels.text import number

__all__ = ["completed", "conclusion", "conclusion_of_completions", "pixel_by_pixel"]

Array = npt.NDArray[Any]
Task = Generator[float, None, dict[str, Array]]
FRAMES, MOST = 57, 100  # of 28 rows: two frames a row


def pixel_by_pixel(
    model: Autoregressive, n: int = 16, seed: int = 0, label: int | None = None, how: dict[str, Any] | None = None
) -> Task:
    r"""The way from nothing to ``n`` samples. A task.

    Args:
        model: Of images.
        n: 1 to 100.
        seed: Same seed, same samples.
        label: Of which class, where the model is conditional.
        how: Options of :meth:`Autoregressive.trajectory`.

    Returns:
        "x", grey where nothing is drawn yet, uint8 (F, n, C, H, W); "t", how many pixels are there, (F,); "bits", what
        those that were drawn cost on average, −log₂ p, (F,); "bits_each", all of each image, (n,).
    """
    images_only(model)
    y = None if label is None else torch.full((_count(n),), label, device=model.device)
    rng, how = random.generator(seed, model.device), check(Autoregressive.trajectory, how or {})
    return (yield from _film(model, model.trajectory(_count(n), y=y, rng=rng, **how)))


def completed(
    model: Autoregressive, data: Data, example: int = 0, share: float = 0.5, n: int = 15, seed: int = 0
) -> Task:
    r"""A test image of which the first pixels in the model's order are given, and the others drawn ``n`` times. A task.

    Nothing is approximated: each is a draw of p(rest | given), or of p(rest | given, y) where the model is conditional.

    Args:
        model: Of images; of a conditional one the image's label is given too.
        data: Whose test images.
        example: Which.
        share: Of the pixels that are given: more than none and less than all of them.
        n: How many, 1 to 100.
        seed: Of the noise.

    Returns:
        The film of :func:`pixel_by_pixel`, from the given part on; "real", the image, uint8 (C, H, W), and
        "bits_of_real", what its own rest costs given the same. Of several masks these and "bits_each" are of the
        mixture of all, "bits" of those that were drawn under.

    Raises:
        BadInput: If a mask gives nothing, or leaves nothing to draw.
    """
    images_only(model)
    if not isinstance(share, int | float) or not 0 < share < 1:
        raise BadInput(f"A mask that gives {share} of the pixels leaves nothing: give more than 0 and less than 1.")
    real = example_of(model, data, example)
    known, y = real.expand(_count(n), *model.shape), labels(model, data.test.y[example : example + 1].expand(n))
    d = known[0].numel()
    kept = min(max(1, round(share * d)), d - 1)
    rng = random.generator(seed, model.device)
    film = yield from _film(model, model.trajectory(n, y=y, rng=rng, known=known, kept=kept), kept, y)
    cost = _rest(model, real, None if y is None else y[:1], kept)
    return film | {"real": _bytes(real[0]), "bits_of_real": np.array(float(cost))}


@torch.no_grad()
def _rest(model: Autoregressive, x: Tensor, y: Tensor | None, kept: int) -> Tensor:
    """−log₂ p(rest | the first ``kept`` of the order), (n,): of several masks, as probable as the given makes each."""
    each = torch.stack([model.each(x, y, k).flatten(1) for k in range(model.masks)])
    given, rest = (each[..., part].sum(-1) for part in model.orders[0].tensor_split([kept]))
    return -(given.log_softmax(0) + rest).logsumexp(0) / math.log(2)


def _count(n: int) -> int:
    if not 1 <= n <= MOST:
        raise BadInput(f"n = {n} is not a number of images from 1 to {MOST}.")
    return n


def _film(model: Autoregressive, moments: Iterator[Drawn], kept: int = 0, y: Tensor | None = None) -> Task:
    """At most FRAMES moments from ``kept`` pixels to all of them, and what was drawn since costs."""
    d = math.prod(model.shape)
    shown = set(np.linspace(kept, d, min(d - kept + 1, FRAMES)).round().astype(int).tolist())
    place = model.orders[0].argsort().view(model.shape)
    frames, ts, bits, given = list[Array](), list[int](), list[float](), torch.zeros(())
    for now in moments:
        if now.t == kept:
            given = now.log_prob.clone()
        if now.t in shown:
            grey = torch.where(place < now.t, now.x, 0.5) if model.masks == 1 else now.x
            frames.append(_bytes(grey))
            ts.append(now.t)
            bits.append(float((given - now.log_prob).mean() / math.log(2)))
        yield now.t / d
    each = (given - now.log_prob) / math.log(2)
    if kept and model.masks > 1:
        each = _rest(model, now.x, y, kept)
    return {"x": np.stack(frames), "t": np.array(ts), "bits": np.array(bits), "bits_each": each.cpu().numpy()}


def _bytes(x: Tensor) -> Array:
    return (x * 255).round().to(torch.uint8).cpu().numpy()


# What they come to -----------------------------------------------------------------------------------------------


def conclusion(film: Mapping[str, Array]) -> str:
    """The cost of the drawn images in bits, and by which pixel half of it is paid, a sentence."""
    each, n = film["bits_each"].astype(float), len(film["bits_each"])
    if not np.isfinite(each).all():
        return "These images are so improbable that their bits are not finite."
    error = f" ± {number(float(each.std(ddof=1)) / math.sqrt(n), 2)}" if n > 1 else ""
    text = f"An image costs {number(float(each.mean()))}{error} bits on average"
    if film["bits"][-1] <= 0:
        return text + "."
    half = int(film["t"][(film["bits"] >= film["bits"][-1] / 2).argmax()])
    return text + f"; half of that is paid when {half:,} of {int(film['t'][-1]):,} pixels are drawn."


def conclusion_of_completions(film: Mapping[str, Array]) -> str:
    """The cost in bits of an image's real rest beside that of those drawn, a sentence."""
    each, real = film["bits_each"].astype(float), float(film["bits_of_real"])
    if not (np.isfinite(each).all() and math.isfinite(real)):
        return "The rest of this image is so improbable that its bits are not finite."
    dearer = int((each > real).sum())
    text = f"The real rest costs {number(real)} bits, those drawn {number(float(each.mean()))} on average: "
    return text + f"{dearer} of {len(each)} {'is' if dearer == 1 else 'are'} less probable than the real one."

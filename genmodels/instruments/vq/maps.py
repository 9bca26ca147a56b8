"""The map of codes of a picture: read, changed at one place, and drawn by the prior or without one."""

import math

import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Arrays, Task, arrays
from genmodels.instruments.examples import example, images_only, some
from genmodels.instruments.vq.codebook import codes_of
from genmodels.models.vq.codebook import perplexity
from genmodels.models.vq.model import VQVAE
from genmodels.text import number

__all__ = ["WAYS", "conclusion", "conclusion_of_change", "drawn", "numbers", "place", "read", "scattered"]

MOST = 12  # codes that a place is offered
WAYS = ("uniform", "frequencies", "prior")
"""How codes are drawn: all as often; each place as often as in the data, without its neighbours; by the prior."""


@torch.no_grad()
def read(model: VQVAE, data: Data, index: int) -> Arrays:
    r"""A test picture as codes: "codes" (H, W), "x" and "shown", what they stand for, \*shape; "bits" of each place.

    "bits" (H, W) is −log₂ p(k_i | k_<i), what the prior did not expect.
    """
    images_only(model)
    x = example(model, data, index)
    codes = model.codes(x)
    bits = -model.prior.each(codes)[0] / math.log(2)
    return arrays(codes=codes[0], x=x[0], shown=model.shown(codes)[0], bits=bits)


@torch.no_grad()
def place(model: VQVAE, data: Data, index: int, row: int, column: int) -> Arrays:
    r"""One place of a picture's map, with another code in it.

    Returns:
        "codes" (M,), those that the prior finds most probable there after the places before, falling, and the
        picture's own first; "probability" (M,); "x" (M, \*shape), the picture with each.

    Raises:
        BadInput: If there is no such place.
    """
    images_only(model)
    height, width = model.map
    if not (0 <= row < height and 0 <= column < width):
        raise BadInput(f"There is no place ({row}, {column}): the map of codes has {height} rows and {width} columns.")
    codes = model.codes(example(model, data, index))
    own, k = int(codes[0, row, column]), len(model.codebook.vectors)
    every = codes.expand(k, -1, -1).clone()
    every[:, row, column] = torch.arange(k, device=codes.device)
    p = torch.cat([model.prior.each(part)[:, row, column] for part in every.split(128)]).exp()
    likely = p.argsort(descending=True, stable=True)
    first = torch.cat([likely.new_tensor([own]), likely[likely != own][: MOST - 1]])
    return arrays(codes=first, probability=p[first], x=model.shown(every[first]))


def conclusion_of_change(here: Arrays, which: int) -> str:
    """How much of the picture another code changes, a sentence; of what :func:`place` returns."""
    change = abs(here["x"][which] - here["x"][0])
    if not math.isfinite(float(change.sum())):
        return "What is decoded is not a number here: there is nothing to conclude."
    if not change.max():
        return f"The picture as it is; its prior gave this code {number(100 * float(here['probability'][0]), 2)} %."
    share = float((change > 0.1 * change.max()).mean())
    p, own = (100 * float(here["probability"][k]) for k in (which, 0))
    return (
        f"{number(100 * share, 2)} % of the pixels change by more than a tenth of the largest change. After the places "
        f"before, the prior gives this code {number(p, 2)} % and the picture's own {number(own, 2)} %."
    )


# With a prior, and without --------------------------------------------------------------------------------------------


def scattered(model: VQVAE, codes: Tensor, n: int, rng: torch.Generator) -> Tensor:
    r"""``n`` maps in which each place has the code that it has in one of ``codes`` (N, \*map), drawn by itself."""
    flat = codes.flatten(1)
    rows = random.randint(0, len(flat), n, flat.shape[1], rng=rng, device=flat.device)
    return flat.gather(0, rows).view(n, *model.map)


@torch.no_grad()
def drawn(model: VQVAE, data: Data, n: int = 16, seed: int = 0) -> Task:
    r"""Samples of each of :data:`WAYS`, and what the prior says of their codes. A task.

    Returns:
        "x" (3, n, \*shape); "nats" (3,) and "error" (3,): the mean of −log p(k) over 200 such samples and its standard
        error; "data" (2,), that of as many test examples; "even", log K a place, nats.
    """
    images_only(model)
    rng, k = random.generator(seed, model.device), len(model.codebook.vectors)
    codes = codes_of(model, some(model, data, min(1000, len(data.test)))[0])
    yield 0.2
    count = max(n, 200)
    ways = (
        random.randint(0, k, count, *model.map, rng=rng, device=model.device),
        scattered(model, codes, count, rng),
        model.prior.sample(count, rng),
    )
    yield 0.6
    nats = torch.stack([-model.prior.log_prob(one) for one in ways])
    real = -model.prior.log_prob(codes[:200])
    x = torch.stack([model.shown(one[:n]) for one in ways])
    told = nats.mean(1), nats.std(1) / count**0.5
    of_data = torch.stack([real.mean(), real.std() / len(real) ** 0.5])
    return arrays(x=x, nats=told[0], error=told[1], data=of_data, even=math.prod(model.map) * math.log(k))


def conclusion(ways: Arrays) -> str:
    """How many nats the prior saves, a sentence; of what :func:`drawn` returns."""
    own, (real, error) = float(ways["nats"][2]), (float(one) for one in ways["data"])
    if not math.isfinite(own + real):
        return "−log p(k) is not a number here: there is nothing to conclude."
    saved = float(ways["even"]) - real
    return (
        f"The codes of a test example cost {number(real)} ± {number(error, 2)} nats under the prior, those of its own "
        f"samples {number(own)}; without a prior any codes cost {number(float(ways['even']))}, so it "
        f"{'saves' if saved > 0 else 'loses'} {number(abs(saved))} nats."
    )


@torch.no_grad()
def numbers(model: VQVAE, data: Data) -> dict[str, float]:
    """The terms of the loss, means over up to 100 test examples, and with points the exact "log p(x)"."""
    x = example(model, data, 0, min(100, len(data.test)))
    terms = {name: float(value) for name, value in model.loss(x).items()}
    share = model.codebook.shares(model.codes(x))
    even = math.prod(model.map) * math.log(len(share))
    known = terms | {"perplexity": float(perplexity(share)), "even": even}
    return known if model.is_image else known | {"log p(x)": float(model.log_prob(x).mean())}

r"""Trust the meter: real pictures with a known fault, and what each measure says of them.

A measure is worth what it sees. Here nothing is generated: pictures of the data themselves stand in for samples, and
into them goes a fault of a known size. Beside that is the null: as many pictures without any fault, drawn anew many
times. A fault is seen where the measure leaves the middle 95 % of that null.

Naeem et al. (2020), Reliable fidelity and diversity metrics, https://arxiv.org/abs/2002.09797, test their measures on
faults of a known size; Räisä et al. (2025), https://arxiv.org/abs/2505.22450, do so with all measures of fidelity and
diversity, each of which fails some of their checks; Salvy et al. (2025), https://arxiv.org/abs/2507.01761, clip density
and coverage so that they fall in proportion to the share of bad samples.
"""

import math
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.metrics.distances import frechet_distance, kid, sliced_wasserstein1
from genmodels.metrics.judge import Seen, judge, judges, quality
from genmodels.text import quoted

__all__ = ["FAULTS", "METERS", "Fault", "Reading", "bias", "expected_bias", "null", "reading", "response"]

Arrays = dict[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float64]

MOST, POOL = 1000, 10_000  # pictures in a set; pictures that all sets are drawn of
PART = 5  # of the pool a set is at most one in so many: so many differ, even where classes are left out
NULLS, DRAWS = 80, 8  # sets without a fault; sets with one, of each size of it
POWER = 0.8  # the share of the sets with a fault that must be seen
SHOWN = 10  # pictures
AT_ONCE = 500  # pictures that the judge looks at between two turns of a worker's other jobs


@dataclass(frozen=True)
class Fault:
    """A fault: its name, what its size is, the sizes that are tried, and what it stands for, a sentence."""

    title: str
    unit: str
    amounts: tuple[float, ...]
    about: str


FAULTS: dict[str, Fault] = {
    "blur": Fault(
        "Blur",
        "σ, % of the side",
        (0, 1, 1.5, 2, 3, 4, 5, 7, 10),
        "Every picture is smoothed by a Gaussian, as a decoder's mean is.",
    ),
    "noise": Fault(
        "Noise",
        "σ, of 1 = white",
        (0, 0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3),
        "Every pixel gets Gaussian noise, as of a diffusion that was stopped too early.",
    ),
    "classes": Fault(
        "Dropped classes",
        "classes",
        (0, 1, 2, 3, 4, 5, 6, 7),
        "So many classes, other ones in each set, are never drawn: mode collapse.",
    ),
    "copies": Fault(
        "Copies",
        "share of the set",
        (0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9),
        "A share of the set repeats pictures of the rest of it.",
    ),
    "labels": Fault(
        "Wrong labels",
        "share of the set",
        (0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.3),
        "A share of the pictures is of another class than was asked for; the pictures themselves are as they were.",
    ),
}

METERS: dict[str, tuple[str, str]] = {
    "fid": ("FID of the judge", "lower"),
    "kid": ("KID of the judge", "lower"),
    "score": ("IS of the judge", "higher"),
    "precision": ("Precision", "higher"),
    "recall": ("Recall", "higher"),
    "density": ("Density", "higher"),
    "coverage": ("Coverage", "higher"),
    "sliced_w1": ("Sliced W₁ of pixels", "lower"),
    "as_asked": ("As asked for", "higher"),
}
"""The measures by name: what they are called, and which way is better. The last alone looks at labels."""


@dataclass(frozen=True)
class Pool:
    """Pictures of all splits in [0, 1], (N, C, H, W), their labels, (N,), and what the judge sees in them."""

    x: Tensor
    y: Tensor
    seen: Seen

    @property
    def size(self) -> int:
        """How many pictures are in a set, and in the one that it is held against."""
        return min(MOST, len(self.x) // PART)


_pools: dict[str, Pool] = {}  # of this process


def pooled(data: str) -> Generator[float, None, Pool]:
    """The pool of a data set, at most :data:`POOL` pictures; looked at by the judge once.

    Raises:
        BadInput: If there is no judge of these data.
    """
    if data not in _pools:
        if data not in judges():
            raise BadInput(f"There is no judge of {quoted(data)}: meters are tried on {', '.join(judges())}.")
        yield 0.0
        whole, seen = datasets.load(data), list[Seen]()
        splits = (whole.train, whole.validation, whole.test)
        x, y = torch.cat([part.x for part in splits]), torch.cat([part.y for part in splits])
        some = torch.randperm(len(x), generator=random.generator(0))[:POOL]
        pictures = whole.prepare(x[some], "unit")
        for part in pictures.split(AT_ONCE):
            seen.append(judge(data).see(part))
            yield len(seen) * AT_ONCE / len(pictures)
        both = torch.cat([one.features for one in seen]), torch.cat([one.probabilities for one in seen])
        _pools[data] = Pool(pictures, y[some], Seen(*both))
    return _pools[data]


# Faults ---------------------------------------------------------------------------------------------------------------


def drawn(pool: Pool, fault: str, amount: float, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Two sets of pictures that share none: where the first are; the second with the fault, and its labels.

    Returns:
        The places of the first set in the pool, (n,); the places of the second, (n,); its pictures, (n, C, H, W), and
        the labels that were asked for, (n,).
    """
    n, rng = pool.size, random.generator(seed)
    order = torch.randperm(len(pool.x), generator=rng)
    first, rest = order[:n], order[n:]
    if fault == "classes":
        gone = torch.randperm(int(pool.y.max()) + 1, generator=rng)[: int(amount)]
        rest = rest[~torch.isin(pool.y[rest], gone)]
    second = rest[:n]
    if fault == "copies" and (repeated := round(amount * n)):
        kept = n - repeated
        second = torch.cat([second[:kept], second[torch.randint(kept, (repeated,), generator=rng)]])
    return first, second, _spoiled(pool.x[second], fault, amount, rng), _asked(pool.y, second, fault, amount, rng)


def _spoiled(x: Tensor, fault: str, amount: float, rng: torch.Generator) -> Tensor:
    if fault == "noise" and amount:
        return (x + amount * random.randn(*x.shape, rng=rng)).clamp(0, 1)
    if fault == "blur" and amount:
        return blurred(x, amount / 100 * x.shape[-1])
    return x


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Pictures (N, C, H, W) smoothed by a Gaussian of ``sigma`` pixels; beyond the edge it is black."""
    reach = max(1, math.ceil(3 * sigma))
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma).square())
    weights = (weights / weights.sum()).to(x)
    c = x.shape[1]
    down, across = weights.view(1, 1, -1, 1).expand(c, 1, -1, 1), weights.view(1, 1, 1, -1).expand(c, 1, 1, -1)
    return F.conv2d(F.conv2d(x, down, padding=(reach, 0), groups=c), across, padding=(0, reach), groups=c)


def _asked(y: Tensor, second: Tensor, fault: str, amount: float, rng: torch.Generator) -> Tensor:
    """The labels asked for, of which a share ``amount`` is made wrong if ``fault`` is "labels"."""
    asked = y[second].clone()
    if fault == "labels" and (wrong := round(amount * len(asked))):
        classes = int(y.max()) + 1
        asked[:wrong] = (asked[:wrong] + random.randint(1, classes, wrong, rng=rng)) % classes
    return asked


# What the meters say --------------------------------------------------------------------------------------------------


def _told(data: str, pool: Pool, fault: str, amount: float, seed: int) -> dict[str, float]:
    """Every meter of two sets, of which the second has the fault."""
    first, second, spoiled, asked = drawn(pool, fault, amount, seed)
    changed = bool(amount) and fault in ("blur", "noise")  # else the pictures are those of the pool
    of = lambda some: Seen(pool.seen.features[some], pool.seen.probabilities[some])  # noqa: E731
    fake = judge(data).see(spoiled) if changed else of(second)
    values = asdict(quality(of(first), fake, rng=random.generator(seed)))
    values["sliced_w1"] = sliced_wasserstein1(pool.x[first].flatten(1), spoiled.flatten(1), rng=random.generator(0))
    values["as_asked"] = (fake.probabilities.argmax(1) == asked).double().mean().item()
    return {name: values[name] for name in METERS}


def null(data: str) -> Generator[float, None, Arrays]:
    """The values of all meters of real pictures against real pictures, again and again. A task.

    Returns:
        Of each of :data:`METERS` the values, (NULLS,); "n", how many pictures are in a set.
    """
    pool, rows = (yield from pooled(data)), list[dict[str, float]]()
    for i in range(NULLS):
        rows.append(_told(data, pool, "", 0, 10_000 + i))
        yield (i + 1) / NULLS
    return {name: np.array([row[name] for row in rows]) for name in METERS} | {"n": np.array(pool.size)}


def response(data: str, fault: str) -> Generator[float, None, Arrays]:
    """The values of all meters of real pictures with more and more of a fault. A task.

    Returns:
        Of each of :data:`METERS` the values, (sizes of the fault, DRAWS); and "pictures" of each size of the fault, the
        same ones, bytes, (sizes, SHOWN, C, H, W).

    Raises:
        BadInput: If there is no such fault, or no judge of the data.
    """
    if fault not in FAULTS:
        raise BadInput(f"{quoted(fault)} is not a fault: it may be {', '.join(FAULTS)}.")
    pool, amounts = (yield from pooled(data)), FAULTS[fault].amounts
    rows, pictures = list[list[dict[str, float]]](), list[Tensor]()
    for i, amount in enumerate(amounts):
        some = drawn(pool, fault, amount, 0)[2]
        pictures.append(some[-SHOWN:] if fault == "copies" else some[:SHOWN])
        rows.append([])
        for seed in range(DRAWS):
            rows[-1].append(_told(data, pool, fault, amount, 1000 * i + seed))
            yield (i + (seed + 1) / DRAWS) / len(amounts)
    shown = (255 * torch.stack(pictures)).round().to(torch.uint8).numpy()
    table = {name: np.array([[one[name] for one in row] for row in rows]) for name in METERS}
    return table | {"pictures": shown}


@dataclass(frozen=True)
class Reading:
    """The values of a meter as a fault grows.

    Attributes:
        mean: Over the sets, at each size of the fault, (S,).
        low: Of the sets, (S,).
        high: Of the sets, (S,).
        null: The middle 95 % of real pictures against real ones, and their median between.
        seen: The smallest size from which on the fault is seen; None where none is.
        fooled: Whether there the meter says that the pictures are better than real ones.
    """

    mean: Floats
    low: Floats
    high: Floats
    null: tuple[float, float, float]
    seen: float | None
    fooled: bool


def reading(meter: str, fault: str, real: Floats, values: Floats) -> Reading:
    """The fault is seen where in :data:`POWER` of the sets the meter lies outside the null, at that size and above.

    Args:
        meter: One of METERS.
        fault: One of FAULTS.
        real: The null, (NULLS,).
        values: With the fault, (sizes, DRAWS).
    """
    low, middle, high = map(float, np.quantile(real, [0.025, 0.5, 0.975]))
    share = ((values < low) | (values > high)).mean(1)
    at = next((i for i in range(1, len(values)) if (share[i:] >= POWER).all()), None)
    seen = None if at is None else FAULTS[fault].amounts[at]
    above = at is not None and float(np.median(values[at])) > high
    fooled = at is not None and above == (METERS[meter][1] == "higher")
    return Reading(values.mean(1), values.min(1), values.max(1), (low, middle, high), seen, fooled)


# FID and the number of samples ----------------------------------------------------------------------------------------


def bias(data: str) -> Generator[float, None, Arrays]:
    """FID and KID of real pictures against as many other real ones, by how many there are. A task.

    Returns:
        "n", the sizes, (S,); "fid" and "kid", (S, DRAWS); "expected", (S,), see :func:`expected_bias`.
    """
    features = (yield from pooled(data)).seen.features.double()
    sizes = [n for n in (32, 64, 128, 256, 512, 1024, 2048, 4096) if 2 * n <= len(features)]
    rows: Mapping[str, list[list[float]]] = {"fid": [], "kid": []}
    for i, n in enumerate(sizes):
        for row in rows.values():
            row.append([])
        for seed in range(DRAWS):
            rng = random.generator(seed)
            order = torch.randperm(len(features), generator=rng)
            one, other = features[order[:n]], features[order[n : 2 * n]]
            rows["fid"][-1].append(frechet_distance(one, other))
            rows["kid"][-1].append(kid(one, other, rng=rng).mean)
            yield (i + (seed + 1) / DRAWS) / len(sizes)
    expected = np.array([expected_bias(torch.cov(features.T), n) for n in sizes])
    return {"n": np.array(sizes), "expected": expected, **{name: np.array(row) for name, row in rows.items()}}


def expected_bias(cov: Tensor, n: int) -> float:
    """FID of two sets of ``n`` draws of one Gaussian, to first order in 1/n, as :func:`frechet_distance` derives it.

    Args:
        cov: Its covariance, (D, D).
        n: Draws in each set.
    """
    values = torch.linalg.eigvalsh(cov.double()).clamp_min(0)
    values = values[values > 1e-9 * values.max()]
    pairs = values[:, None] * values / (values[:, None] + values)
    return (2 / n * (values.sum() + (pairs.sum() + pairs.diagonal().sum()) / 2)).item()

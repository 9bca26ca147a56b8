"""What each layer of a ladder VAE says: its KL, what changes below layers that are held, what the upper ones know."""

import math

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Arrays, Task, arrays
from genmodels.instruments.examples import example, some
from genmodels.models.latent.ladder import Ladder
from genmodels.probability.normal import Normal
from genmodels.text import number

__all__ = [
    "below",
    "conclusion",
    "conclusion_of_held",
    "conclusion_of_upper",
    "held",
    "ladders_only",
    "numbers",
    "shares",
    "upper",
]

ROWS = 250  # examples at once
DRAWS = 256  # ways down for what one would leave to chance
SILENT_BELOW = 0.01  # nats: of a layer that says so little, nothing is heard
ENOUGH = 1.1  # times the free bits, under which a layer says what it need not pay for


def ladders_only(model: Ladder) -> None:
    """Refuse a model that has no ladder."""
    if not isinstance(model, Ladder):
        raise BadInput("This is for a ladder VAE, whose latents lie in layers above each other.")


# How much each layer says ---------------------------------------------------------------------------------------------


@torch.no_grad()
def shares(model: Ladder, data: Data, n: int = 1000) -> Task:
    """The KL of each layer on ``n`` random test examples. A task.

    Returns, from z_1 beside x upwards, "kl", the mean over the examples in nats, "se", its standard error, and
    "dimensions" of z, (L,) each; "elbo", the mean of the bound; and "free", the nats of a layer that cost nothing.
    """
    ladders_only(model)
    x, _ = some(model, data, n)
    rng, kls, bounds = random.generator(0, model.device), [], []
    for i, part in enumerate(x.split(ROWS)):
        way = model.infer(part, rng)
        kls.append(model.kls(way).double().flip(1))
        bounds.append(model.log_px(part, way.h).double() - kls[-1].sum(1))
        yield min(1.0, (i + 1) * ROWS / len(x))
    kl = torch.cat(kls)
    sizes = [z[0].numel() for z in reversed(way.z)]
    told = {"kl": kl.mean(0), "se": kl.std(0) / math.sqrt(len(kl)), "elbo": torch.cat(bounds).mean()}
    return arrays(**told, dimensions=sizes, free=model.free_bits)


def conclusion(layers: Arrays) -> str:
    """Who says most and who is silent, a sentence; of what :func:`shares` returns."""
    kl = layers["kl"]
    if not np.isfinite(kl).all():
        return "Not every KL is a number here: there is nothing to conclude."
    most = int(kl.argmax())
    told = f"Of {number(float(kl.sum()))} nats, z{most + 1} says {number(float(kl[most]))}"
    if (kl < SILENT_BELOW).all():
        return f"All layers together say {number(float(kl.sum()))} nats: nothing of x."
    if silent := [f"z{i + 1}" for i, one in enumerate(kl) if one < SILENT_BELOW]:
        return f"{told}; {' and '.join(silent)} {'says' if len(silent) == 1 else 'say'} nothing."
    free = float(layers["free"])
    if bought := [f"z{i + 1}" for i, one in enumerate(kl) if one < ENOUGH * free]:
        says = "says" if len(bought) == 1 else "say each"
        return f"{told}; {' and '.join(bought)} {says} no more than the {number(free)} nats that cost nothing."
    return f"{told}, and every layer says something."


# Layers held fixed ----------------------------------------------------------------------------------------------------


@torch.no_grad()
def held(model: Ladder, n: int = 10, seed: int = 0) -> Task:
    r"""Samples that have their upper layers in common: in row k the upper k layers are held, those below drawn anew.

    A task. Returns "x", (L, n, \*shape), of k = 0 … L − 1: in the first row nothing is held, in the last one all but
    the layer beside x.
    """
    ladders_only(model)
    rng = random.generator(seed, model.device)
    first = model.descend(1, lambda i, p, d: p.draw(rng))
    rows = []
    for k in range(model.layers):
        rows.append(model.mean_of_x(below(model, first.z[:k], n, random.generator(seed + 1 + k, model.device))))
        yield (k + 1) / model.layers
    return arrays(x=torch.stack(rows))


def below(model: Ladder, z: list[Tensor], n: int, rng: torch.Generator | None) -> Tensor:
    r"""``n`` ways down under the given z of the upper layers, (1, …) each: the decoder's h, (n, \*shape)."""
    return model.descend(n, lambda i, p, d: z[i].expand(n, *z[i].shape[1:]) if i < len(z) else p.draw(rng)).h


def conclusion_of_held(rows: Arrays) -> str:
    """How much is left to each layer, a sentence; of what :func:`held` returns."""
    x = rows["x"].reshape(*rows["x"].shape[:2], -1).astype(np.float64)
    spread = np.sqrt(x.var(1).mean(1))  # (L,)
    if not np.isfinite(spread).all():
        return "Not every sample is a number: there is nothing to conclude."
    if not spread[0]:
        return "All samples are alike: no layer changes anything."
    left = [f"{number(100 * float(one / spread[0]), 2)} %" for one in spread[1:]]
    if not left:
        return "There is one layer alone, so nothing is left below it."
    layers = "layer" if len(left) == 1 else f"{len(left)} layers, one by one,"
    return f"With the top {layers} held, {', '.join(left)} of the samples' spread is left."


# From the upper layers alone ------------------------------------------------------------------------------------------


@torch.no_grad()
def upper(model: Ladder, data: Data, first: int = 0, n: int = 10) -> Task:
    r"""Reconstructions from the top k layers alone: theirs is the mean of q, that of the layers below the mean of p.

    A task. Returns "x", test examples from number ``first`` on, (n, \*shape), and "mean", (L, n, \*shape), of
    k = 1 … L.
    """
    ladders_only(model)
    n = min(n, len(data.test))
    x = example(model, data, min(first, len(data.test) - n), n)
    features, rows = model.bottom_up(x), []

    for k in range(1, model.layers + 1):

        def choose(i: int, p: Normal, d: Tensor, k: int = k) -> Tensor:
            return model.posterior(i, p, d, features).mu if i < k else p.mu

        rows.append(model.mean_of_x(model.descend(n, choose).h))
        yield k / model.layers
    return arrays(x=x, mean=torch.stack(rows))


def conclusion_of_upper(found: Arrays) -> str:
    """The error of x as more layers are kept, a sentence; of what :func:`upper` returns."""
    away = (found["mean"] - found["x"][None]).reshape(len(found["mean"]), -1).astype(np.float64)
    error = np.sqrt(np.square(away).mean(1))
    if not np.isfinite(error).all():
        return "Not every reconstruction is a number: there is nothing to conclude."
    told = ", ".join(number(float(one), 2) for one in error)
    layers = "one layer" if len(error) == 1 else f"one to {len(error)} layers"
    return f"From the top {layers}, x comes back within {told} (root mean square a dimension)."


# One example's numbers ------------------------------------------------------------------------------------------------


@torch.no_grad()
def numbers(model: Ladder, data: Data, index: int = 0) -> dict[str, float]:
    """The terms of the bound of one test example, in nats, from :data:`DRAWS` ways down: what the theory panel shows.

    Returns:
        "reconstruction", "kl", "elbo", each with " se"; "kl_1" … of each layer; "log p(z)" and "log q(z|x)" of one way
        down; "iwae", the bound with as many draws; "loss", what is minimized.
    """
    x = example(model, data, index)
    way = model.infer(x, random.generator(index, model.device), k=DRAWS)
    log_px, kls = model.log_px(x.expand(DRAWS, *x.shape[1:]), way.h).double(), model.kls(way).double()
    log_p = torch.stack([p.log_prob(z) for p, z in zip(way.p, way.z, strict=True)]).sum(0).double()
    log_q = torch.stack([q.log_prob(z) for q, z in zip(way.q, way.z, strict=True)]).sum(0).double()
    error = lambda values: float(values.std()) / math.sqrt(DRAWS)  # noqa: E731
    return {
        "reconstruction": float(log_px.mean()),
        "reconstruction se": error(log_px),
        "kl": float(kls.sum(1).mean()),
        "kl se": error(kls.sum(1)),
        "elbo": float((log_px - kls.sum(1)).mean()),
        "elbo se": error(log_px - kls.sum(1)),
        **{f"kl_{i + 1}": float(one) for i, one in enumerate(kls.mean(0).flip(0))},
        "log p(z)": float(log_p[0]),
        "log q(z|x)": float(log_q[0]),
        "iwae": float((log_px + log_p - log_q).logsumexp(0)) - math.log(DRAWS),
        "loss": float(model.loss(x, rng=random.generator(index, model.device))["loss"]),
    }

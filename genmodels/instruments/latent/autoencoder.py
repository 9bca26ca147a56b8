"""An autoencoder beside a VAE: both give back what they are shown; only of one it is known which codes occur."""

import math
from collections.abc import Generator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.codes import linear
from genmodels.instruments.examples import example, some
from genmodels.instruments.vae.partners import partner
from genmodels.models.latent.autoencoder import Autoencoder
from genmodels.models.vae import VAE
from genmodels.text import number

__all__ = ["beside", "codes_and_draws", "conclusion", "numbers"]

Array = npt.NDArray[Any]
CODES, DRAWS, SHOWN, WAY = 1500, 500, 16, 12  # test codes, draws, pictures of each, pictures of a path


@torch.no_grad()
def codes_and_draws(model: Autoencoder | VAE, data: Data) -> dict[str, Array]:
    r"""Where a model puts test examples, where codes are drawn to make samples, and how these two differ.

    Returns:
        "z" (:data:`CODES`, L) and their "labels"; "drawn" (:data:`DRAWS`, L); "x", what the first of those stand for;
        "reconstruction", a few test examples and what comes back, (2, N, \*shape); "squared", the squared error of all,
        a dimension, and "cut", whether these are black or white pixels; "near", how far a draw is from the nearest
        code, and "usual", how far a code is from the nearest other one, medians, in standard deviations: where draws
        are much farther, they fall into holes; "back", how far a draw z is from E(D(z)), the median, likewise: what is
        decoded is not what the code was for.
    """
    x, labels = some(model, data, CODES)
    rng = random.generator(0, model.device)
    z = torch.cat([model.encode(part) for part in x.split(500)])
    shown = torch.cat([model.decode(part) for part in z.split(500)])
    drawn = model.prior.sample(DRAWS, rng)
    made = torch.cat([model.decode(part) for part in drawn.split(250)])
    again = model.encode(_as_input(model, made))
    scale = z.std(0).clamp_min(1e-9)
    among = torch.cdist(z[:DRAWS] / scale, z / scale).kthvalue(2).values  # the nearest is the code itself
    return {
        "z": z.float().cpu().numpy(),
        "labels": labels.cpu().numpy(),
        "drawn": drawn.float().cpu().numpy(),
        "x": made[:SHOWN].float().cpu().numpy(),
        "reconstruction": torch.stack([x[:SHOWN], shown[:SHOWN]]).float().cpu().numpy(),
        "squared": (x - shown).square().mean().cpu().numpy(),
        "cut": np.array(model.inputs in ("threshold", "stochastic")),
        "near": torch.cdist(drawn / scale, z / scale).amin(1).median().cpu().numpy(),
        "usual": among.median().cpu().numpy(),
        "back": ((again - drawn) / scale).square().mean(1).sqrt().median().cpu().numpy(),
    }


def _as_input(model: Any, x: Tensor) -> Tensor:
    """Decoded examples as the encoder expects them: in black and white, where it learned from those."""
    return (x > 0.5).to(x) if model.inputs == "threshold" else x


@torch.no_grad()
def beside(
    model: Autoencoder, data: Data, other: str = "", first: int = 0, second: int = 1
) -> Generator[float, None, dict[str, Array]]:
    r""":func:`codes_and_draws` of an autoencoder, and of the VAE of the run ``other``. A task.

    Returns:
        Each under its name behind "ae " and "vae "; with "path", the straight line between the codes of the test
        examples ``first`` and ``second``, decoded, (WAY, \*shape).
    """
    if not isinstance(model, Autoencoder):
        raise BadInput("This is for an autoencoder: it is set beside a VAE.")
    found = dict[str, Array]()
    pair: list[tuple[str, Autoencoder | VAE]] = [("ae", model)]
    if other:
        pair.append(("vae", partner(data, other).to(model.device)))
    for i, (name, one) in enumerate(pair):
        yield i / len(pair)
        a, b = (one.encode(example(one, data, index))[0] for index in (first, second))
        way = one.decode(linear(a, b, torch.linspace(0, 1, WAY, device=one.device)))
        found |= {f"{name} {key}": value for key, value in codes_and_draws(one, data).items()}
        found[f"{name} path"] = way.float().cpu().numpy()
    return found


def conclusion(found: dict[str, Array]) -> str:
    """How far draws fall from the codes of the data, a sentence; of what :func:`beside` returns."""
    told = []
    for name, title in (("ae", "autoencoder"), ("vae", "VAE")):
        if f"{name} z" not in found:
            continue
        near, back = float(found[f"{name} near"] / found[f"{name} usual"]), float(found[f"{name} back"])
        if not math.isfinite(near + back):
            return "Not every code is a number here: there is nothing to conclude."
        told.append((title, number(near, 2), number(back, 2)))
    far = " and ".join(f"{near} times ({title})" for title, near, _ in told)
    moved = " and by ".join(f"{back} σ ({title})" for title, _, back in told)
    return (
        f"A code that is drawn lies {far} as far from the nearest code of the data as these do from each other, in "
        f"the median. Decoded and encoded again it has moved by {moved}: where it is known, little moves."
    )


@torch.no_grad()
def numbers(model: Autoencoder, data: Data) -> dict[str, float]:
    """The loss of up to 100 test examples and its parts, "loss", "error" and "size": for the theory panel."""
    found = model.loss(example(model, data, 0, min(100, len(data.test))))
    size = float(found["code size"])
    return {"loss": float(found["loss"]), "error": float(found["loss"]) - model.sparsity * size, "size": size}

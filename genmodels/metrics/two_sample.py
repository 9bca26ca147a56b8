r"""A classifier two-sample test: can somebody who has seen both tell a sample from a test example?"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from genmodels import random
from genmodels.errors import BadInput

__all__ = ["LEAST", "TwoSample", "classifier_two_sample"]

LEAST = 8  # rows in each set
ROWS = 1024  # of a distance matrix that are held at a time


class TwoSample(NamedTuple):
    """The accuracy on what was held out, its standard error, what it is by chance with its standard error, and p.

    ``p`` is the probability of so high an accuracy where both sets are of one law.
    """

    accuracy: float
    se: float
    chance: float
    chance_se: float
    p: float


def classifier_two_sample(real: Tensor, fake: Tensor, *, rng: torch.Generator | None = None) -> TwoSample:
    r"""Train a classifier on half of two sets to tell them apart, and see how often it is right on the other half.

    Of one law its accuracy is that of guessing, t ~ N(1/2, 1 / 4m) for m held-out rows; else it is higher, and where
    the sets share nothing it is 1. Lopez-Paz & Oquab (2017), Revisiting classifier two-sample tests, section 3, with
    their k nearest neighbours, k = √n of the n rows that it learns from. https://arxiv.org/abs/1610.06545

    Args:
        real: Shape (N, D).
        fake: Shape (N, D).
        rng: Which half is learned from.

    Raises:
        BadInput: If the sets do not match, or hold fewer than eight rows.
    """
    if real.ndim != 2 or real.shape != fake.shape or len(real) < LEAST:
        raise BadInput(
            f"Two sets of as many rows, eight at least, are told apart: not {tuple(real.shape)} and "
            f"{tuple(fake.shape)}."
        )
    halves = [rows.double()[random.rand(len(rows), rng=rng).argsort().to(rows.device)] for rows in (real, fake)]
    half = len(real) // 2
    learned, held_out = (torch.cat([rows[part] for rows in halves]) for part in (slice(half), slice(half, None)))
    is_fake = torch.arange(2, device=real.device).repeat_interleave(half)
    k = int(math.sqrt(len(learned)))
    k -= 1 - k % 2  # odd, so that no vote is a draw
    exact = "donot_use_mm_for_euclid_dist"
    parts = (torch.cdist(rows, learned, compute_mode=exact).topk(k, largest=False) for rows in held_out.split(ROWS))
    said = is_fake[torch.cat([part.indices for part in parts])].sum(1) > k / 2
    truth = torch.arange(2, device=real.device).repeat_interleave(len(real) - half).bool()
    m, accuracy = len(truth), (said == truth).double().mean().item()
    chance_se = 0.5 / math.sqrt(m)
    p = 0.5 * math.erfc((accuracy - 0.5) / chance_se / math.sqrt(2))
    return TwoSample(accuracy, math.sqrt(accuracy * (1 - accuracy) / m), 0.5, chance_se, p)

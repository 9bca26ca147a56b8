r"""Standard errors of distances between two sets, from random halves of both.

A bootstrap draws with replacement: the copies that it makes have a nearest neighbour at distance 0, so whatever asks
for neighbours (precision, recall, density, coverage) is another number on it. A half drawn without replacement has
none, and needs no factor either: of a mean over n independent numbers of variance σ², that over b of them, drawn
without replacement, varies about the whole's by

.. math:: \left(\tfrac1b - \tfrac1n\right) \sigma^2 = \tfrac{\sigma^2}{n} \text{ for } b = \tfrac n2

McCarthy (1969), Pseudo-replication: half samples; Shao and Wu (1989), A general theory for jackknife variance
estimation, for statistics that are smooth in the mean.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from genmodels import random
from genmodels.metrics.floors import averaged

__all__ = ["standard_errors"]


def standard_errors(
    statistic: Callable[[Tensor, Tensor], Mapping[str, float]],
    real: Tensor,
    fake: Tensor,
    *,
    draws: int,
    seed: int = 0,
) -> dict[str, float]:
    """The standard error of each number that ``statistic(real, fake)`` gives, under its name with ``_se``.

    Args:
        statistic: Of two sets.
        real: Shape (N, …).
        fake: Shape (M, …).
        draws: Pairs of halves; with fewer than two there is no error, and nothing is returned.
        seed: Of the halves.
    """
    if draws < 2:
        return {}
    rng = random.generator(seed)
    half = lambda x: x[torch.randperm(len(x), generator=rng)[: len(x) // 2]]  # noqa: E731
    told = averaged(statistic(half(real), half(fake)) for _ in range(draws))
    return {name: value * draws**0.5 for name, value in told.items() if name.endswith("_se")}

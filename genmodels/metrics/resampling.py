r"""Standard errors of distances between two sets, from random parts of both.

A bootstrap draws with replacement: the copies that it makes have a nearest neighbour at distance 0, so whatever asks
for neighbours (precision, recall, density, coverage) is another number on it. A part drawn without replacement has
none: of a mean over n independent numbers of variance σ², that over b of them varies about the whole's by

.. math:: \left(\tfrac1b - \tfrac1n\right) \sigma^2 = \frac{\sigma^2}{n} \cdot \frac{n - b}{b}

so that a half, b = n/2, needs no factor. Of large sets smaller parts do: what compares all with all costs b².

McCarthy (1969), Pseudo-replication: half samples; Shao and Wu (1989), A general theory for jackknife variance
estimation; Politis, Romano and Wolf (1999), Subsampling, section 2.2: for statistics that are smooth in the mean. One
whose first-order term vanishes, as the FID's does where both sets have one law, varies less than is told here.
"""

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from genmodels import random
from genmodels.metrics.floors import averaged

__all__ = ["standard_errors"]

MOST = 2000  # rows of a part


def standard_errors(
    statistic: Callable[[Tensor, Tensor], Mapping[str, float]],
    real: Tensor,
    fake: Tensor,
    *,
    draws: int,
    seed: int = 0,
    most: int = MOST,
    progress: Callable[[float], None] | None = None,
) -> dict[str, float]:
    """The standard error of each number that ``statistic(real, fake)`` gives, under its name with ``_se``.

    Args:
        statistic: Of two sets.
        real: Shape (N, …).
        fake: Shape (M, …).
        draws: Pairs of parts; with fewer than two there is no error, and nothing is returned.
        seed: Of the parts.
        most: Rows of a part, which is a half otherwise.
        progress: Told how much is done, 0 to 1.
    """
    if draws < 2:
        return {}
    rng, share = random.generator(seed), min(0.5, most / max(len(real), len(fake)))
    part = lambda x: x[torch.randperm(len(x), generator=rng)[: int(share * len(x))]]  # noqa: E731

    def drawn(i: int) -> Mapping[str, float]:
        if progress is not None:
            progress((i + 1) / draws)
        return statistic(part(real), part(fake))

    told = averaged(map(drawn, range(draws)))
    scale = math.sqrt(draws * share / (1 - share))  # of the spread, not of its mean over the draws
    return {name: value * scale for name, value in told.items() if name.endswith("_se")}

"""The points of a training's curves: at which steps they are, and the terms as numbers there."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from genmodels.errors import TrainingFailed
from genmodels.training.distributed import mean_over

__all__ = ["HELD_OUT_EVERY", "LOGGED", "is_point", "means", "stacked", "unstacked"]

LOGGED = 400  # points of a curve, about
HELD_OUT_EVERY = 8  # the held-out terms are measured at every eighth of them

Terms = dict[str, Tensor]
"""The terms of one step, still on the device."""


def is_point(step: int, every: int, total: int) -> bool:
    """Whether ``step`` is a point of the curves: powers of two, then evenly, and the last."""
    return step % every == 0 or step & (step - 1) == 0 or step == total


def means(pending: Sequence[Terms], last: int, world: int = 1) -> dict[str, float]:
    """The mean of each term over the steps up to ``last``: the only place where the device is waited for.

    Args:
        pending: The terms of each of the steps.
        last: The number of the last of them.
        world: How many processes have taken them together.

    Raises:
        TrainingFailed: If a term is not finite, with the term and the step.
    """
    if not pending:
        return {}
    rows = {name: torch.stack([terms[name].float() for terms in pending]) for name in pending[0]}
    table = mean_over(torch.stack(list(rows.values())), world).cpu()  # (terms, steps)
    bad = ~table.isfinite()
    if bad.any():
        at = int(bad.any(0).nonzero()[0])
        then = dict(zip(rows, table[:, at].tolist(), strict=True))
        broken = [name for name, value in then.items() if not math.isfinite(value)]
        name = min(broken, key=lambda name: name.endswith("loss"))  # the term at fault rather than their sum
        raise TrainingFailed(f"The term {name} became {then[name]} at step {last - len(pending) + 1 + at}.")
    return dict(zip(rows, table.mean(1).tolist(), strict=True))


def stacked(pending: Sequence[Terms]) -> Terms:
    """The terms of some steps as one tensor a term, shape (steps,)."""
    return {name: torch.stack([terms[name] for terms in pending]) for name in pending[0]} if pending else {}


def unstacked(rows: Terms) -> list[Terms]:
    """The terms of each step again: the other way round than :func:`stacked`."""
    return [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]

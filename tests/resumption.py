"""What is asked of every family's training: that it goes on, when it was paused, as if it never had been."""

from collections.abc import Callable

import torch

from genmodels import random
from genmodels.training import exact
from genmodels.training.loop import Training, fit


def never_paused(training: Callable[[], Training], *, at: int) -> Training:
    """One is trained through, another to step ``at``, a third goes on from there: to the same curve and the same bits.

    Returns:
        The one that was trained through.
    """
    whole, first, second = (seeded(training) for _ in range(3))
    curve = [step.terms for step in fit(whole)]
    begun = [first.step().terms for _ in range(at)]
    random.rand(5)  # the global stream stands elsewhere
    exact.restore(second, *exact.state(first))
    assert begun + [step.terms for step in fit(second)] == curve
    for of in (lambda one: exact.state(one)[0], lambda one: one.weights(), lambda one: one.model.state_dict()):
        expected, got = of(whole), of(second)
        assert expected.keys() == got.keys()
        assert [name for name in expected if not torch.equal(expected[name], got[name])] == []
    return whole


def seeded(training: Callable[[], Training]) -> Training:
    """One whose networks begin as they do each time."""
    torch.manual_seed(0)
    return training()

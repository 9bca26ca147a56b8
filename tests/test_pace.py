"""Pauses between looks grow while looks wait for each other, and shrink again."""

import itertools

from pages._ui.shared.pace import GAP, MOST, SETTLING, STEP, Pace


class Clocks:
    """A clock, and the processor time of looks."""

    def __init__(self) -> None:
        self.now = self.own = 0.0

    def look(self, pace: Pace, passed: float, worked: float) -> None:
        with pace.look():
            self.now += passed
            self.own += worked
        self.now += 0.1  # until the next


def test_one_who_looks_alone_does_so_at_full_pace() -> None:
    clocks = Clocks()
    pace = Pace(lambda: clocks.now, lambda: clocks.own)
    for _ in range(500):
        clocks.look(pace, 0.006, 0.005)
    assert pace.factor == 1.0


def test_pauses_grow_step_by_step_while_looks_wait_for_each_other_and_shrink_after() -> None:
    clocks = Clocks()
    pace = Pace(lambda: clocks.now, lambda: clocks.own)
    factors = [pace.factor]
    for crowded in (True, False):
        for _ in range(1000):
            before = pace.factor
            clocks.look(pace, 0.1 if crowded else 0.006, 0.005)
            if pace.factor != before:
                factors.append(pace.factor)
    top = factors.index(MOST)
    assert factors[:top] == [STEP**i for i in range(top)]
    assert factors[top:] == sorted(factors[top:], reverse=True)
    assert factors[-1] == 1.0


def test_pauses_change_now_and_then_and_for_one_visitor_after_the_other() -> None:
    clocks = Clocks()
    pace = Pace(lambda: clocks.now, lambda: clocks.own)
    changed = []
    for _ in range(300):
        before = pace.factor
        clocks.look(pace, 0.1, 0.005)
        if pace.factor != before:
            changed.append(clocks.now)
    assert len(changed) > 2
    assert all(b - a >= SETTLING for a, b in itertools.pairwise(changed))
    clocks.now += 1
    assert pace.is_due(1.0)
    assert not pace.is_due(1.0)  # another one, in the same moment
    clocks.now += GAP
    assert pace.is_due(1.0)
    clocks.now += GAP
    assert not pace.is_due(pace.factor)

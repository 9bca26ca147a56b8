"""How often pages look at a training: one visitor every second, and many so that they leave the processor free."""

import pytest

from pages._ui.server.pace import OFTEN, SELDOM, SHARE, WINDOW, Looks


def lasting(visitors: int, cost: float, seconds: float = 120.0) -> tuple[list[float], list[float], float]:
    """So many visitors whose looks take ``cost`` each: their paces after so long, how often each changed, the share."""
    looks, due = Looks(), [i / visitors for i in range(visitors)]
    paces, since, changes = [OFTEN] * visitors, [0.0] * visitors, [0] * visitors
    while (now := min(due)) < seconds:
        i = due.index(now)
        looks.add(cost, now)
        new = looks.every(now, paces[i], now - since[i])
        if new != paces[i]:
            paces[i], since[i], changes[i] = new, now, changes[i] + 1
        due[i] = now + paces[i]
    return paces, changes, looks.share(seconds)


def test_one_visitor_looks_every_second() -> None:
    paces, changes, _ = lasting(1, 0.1)
    assert (paces, changes) == ([OFTEN], [0])


@pytest.mark.parametrize("cost", [0.005, 0.02, 0.035, 0.065, 0.15])
@pytest.mark.parametrize("visitors", [2, 10, 30, 60])
def test_many_leave_the_processor_free_and_settle(visitors: int, cost: float) -> None:
    paces, changes, share = lasting(visitors, cost)
    assert share <= SHARE * 1.05 or paces == [SELDOM] * visitors
    assert max(changes) <= 5  # each change draws a page anew
    assert all(OFTEN <= one <= SELDOM for one in paces)


def test_they_look_often_again_once_most_have_gone() -> None:
    looks = Looks()
    for k in range(100):
        looks.add(0.1, k / 10)
    assert looks.every(10.0, 1.0, WINDOW) == 2.0
    assert looks.every(10.0, 1.0, WINDOW - 0.1) == 1.0  # the others change too: first see what that brings
    assert looks.every(10.0, SELDOM, WINDOW) == SELDOM
    assert looks.share(10.0) == pytest.approx(1.0)
    assert looks.every(30.0, 4.0, WINDOW) == 2.0


def test_a_look_costs_the_time_of_its_thread_also_where_it_ends_in_an_error() -> None:
    looks = Looks()
    with pytest.raises(StopIteration), looks.look():
        next(number for number in range(200_000) if number < 0)
    assert sum(seconds for _, seconds in looks._costs) > 0

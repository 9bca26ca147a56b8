"""How often pages look at a training: one visitor every second, and many so that they leave the processor free."""

import pytest

from pages._ui.server.pace import BUSIER, CALMER, GONE, OFTEN, PACES, SHARE, SOON, WHOLE, Looks


def lasting(visitors: int, cost: float, seconds: float = 60.0) -> tuple[list[float], list[int]]:
    """Visitors who come within four seconds, whose looks take ``cost`` each: their paces, how often each changed."""
    looks, due = Looks(), [4.0 * i / visitors for i in range(visitors)]
    paces: list[float | None] = [None] * visitors
    changes = [0] * visitors
    while (now := min(due)) < seconds:
        i = due.index(now)
        looks.add(i, cost, now)
        new = looks.every(now, OFTEN, paces[i])
        changes[i] += paces[i] not in (None, new)
        paces[i], due[i] = new, now + new
    return [pace for pace in paces if pace], changes


def test_one_visitor_looks_every_second_and_sooner_before_the_first_point() -> None:
    paces, changes = lasting(1, 0.1)
    assert (paces, changes) == ([OFTEN], [0])
    looks = Looks()
    looks.add("one", 0.05, 0.0)
    assert looks.every(0.0, SOON) == SOON
    assert looks.every(0.0, OFTEN, SOON) == OFTEN


@pytest.mark.parametrize("cost", [0.005, 0.02, 0.035, 0.065, 0.15])
@pytest.mark.parametrize("visitors", [2, 10, 30, 60])
def test_many_leave_the_processor_free_and_settle(visitors: int, cost: float) -> None:
    paces, changes = lasting(visitors, cost)
    assert sum(WHOLE * cost / pace for pace in paces) <= BUSIER * SHARE or paces == [PACES[-1]] * visitors
    assert max(changes) <= 4  # each change draws a page anew
    assert set(paces) <= set(PACES)


@pytest.mark.parametrize("due", [0.1, 0.49, 0.51, 0.9, 1.1, 3.9, 4.1, 30.0])
@pytest.mark.parametrize("least", [SOON, OFTEN])
def test_a_pace_once_taken_is_kept(due: float, least: float) -> None:
    looks = Looks()
    looks.add("all", due * SHARE / WHOLE, 0.0)
    pace = looks.every(0.0, least)
    assert pace >= max(least, min(due, PACES[-1]))
    assert looks.every(0.0, least, pace) == pace
    for part, kept in ((CALMER * 1.01, True), (CALMER * 0.99, pace == least), (BUSIER * 0.99, True)):
        looks.add("all", part * pace * SHARE / WHOLE, 0.0)
        assert (looks.every(0.0, least, pace) == pace) == kept
    looks.add("all", BUSIER * 1.01 * pace * SHARE / WHOLE, 0.0)
    assert looks.every(0.0, least, pace) == min(2 * pace, PACES[-1])


def test_who_comes_late_looks_as_seldom_as_the_others_from_the_start() -> None:
    looks = Looks()
    for i in range(30):
        looks.add(i, 0.005, 0.0)
    assert looks.every(0.0, SOON) == looks.every(0.0, OFTEN) == 2.0


def test_they_look_often_again_once_most_have_gone() -> None:
    looks = Looks()
    for i in range(30):
        looks.add(i, 0.01, 0.0)
    assert looks.once(0.0) == pytest.approx(30 * 0.01 * WHOLE)
    assert looks.every(0.0, OFTEN) == 4.0
    assert looks.once(GONE + 0.1) == 0.0
    looks.add(0, 0.01, GONE + 0.1)
    assert looks.every(GONE + 0.1, OFTEN, 4.0) == OFTEN
    assert len(looks._last) == 1


def test_a_look_costs_the_time_of_its_thread_also_where_it_ends_in_an_error() -> None:
    looks = Looks()
    with pytest.raises(StopIteration), looks.look("me"):
        next(number for number in range(200_000) if number < 0)
    assert sum(seconds for _, seconds in looks._last.values()) > 0

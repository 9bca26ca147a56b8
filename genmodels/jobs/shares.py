"""Who may have a place in the queue of runs: so many a visitor, so many an address or a wall, so many in all.

When all places are taken they are shared evenly by the addresses and walls that they were asked for from: one that has
less than such a share gets the place of a run that waits, of the one that has the most (max-min fairness; Bertsekas and
Gallager, Data Networks, 1992, section 6.5.2).
"""

from contextlib import suppress

from genmodels.errors import BadInput
from genmodels.files import inside
from genmodels.host import ownership
from genmodels.host.limits import limit
from genmodels.runs import store
from genmodels.runs.record import Status
from genmodels.runs.store import Run

__all__ = ["check"]


def check(others: list[str], n: int) -> list[Run]:
    """The waiting runs that ``n`` new ones of whoever acts now displace, often none.

    Args:
        others: The names of the runs that wait or run, the oldest first.
        n: How many places.

    Raises:
        BadInput: If they are too many; whose limit that is, and what frees it.
    """
    _check_visitor(others, n)
    _check_place(others, n)
    too_many = len(others) + n - limit("MAX_WAITING")
    if too_many <= 0:
        return []
    if len(ways := _ways(others, n)) < too_many:
        raise BadInput(f"{len(others)} runs wait or run already, of all visitors: wait until some have ended.")
    return ways[: int(too_many)]


def _check_visitor(others: list[str], n: int) -> None:
    mine, most = sum(ownership.owns(inside(store.root(), name)) for name in others), limit("MAX_RUNS_A_VISITOR")
    if mine and mine + n > most:
        raise BadInput(f"You have {mine} runs that wait or run: stop one first, {most:.0f} are a visitor's.")
    if n > most:
        raise BadInput(f"These are {n} runs at once, and {most:.0f} are a visitor's: train fewer of them.")


def _check_place(others: list[str], n: int) -> None:
    """Refuse more runs than one network address may have waiting: a browser that drops its cookie keeps its address."""
    who, most = ownership.visitor(), limit("MAX_RUNS_AN_ADDRESS")
    mine = sum(_place(name) == who.place for name in others) if who.place else 0
    if mine and mine + n > most:
        raise BadInput(f"{mine} runs wait or run {who.where}, and {most:.0f} may: wait until one of them has ended.")


def _ways(others: list[str], n: int) -> list[Run]:
    """The runs that would make way for ``n`` more of whoever acts now, the first first; none are begun."""
    here = ownership.visitor().place
    held: dict[str, list[str]] = {}
    for name in others:
        held.setdefault(_place(name), []).append(name)
    most = limit("MAX_WAITING") / len(held.keys() | {here})
    if not here or len(held.get(here, [])) + n > most:
        return []
    free = {place: [name for name in names if _is_free(name)] for place, names in held.items()}
    found: list[Run] = []
    while large := [place for place in held if free[place] and len(held[place]) > most]:
        greatest = max(large, key=lambda place: len(held[place]))
        newest = free[greatest].pop()
        held[greatest].remove(newest)
        found.append(store.find(newest))
    return found


def _place(name: str) -> str:
    return ownership.place(inside(store.root(), name))


def _is_free(name: str) -> bool:
    """Whether a run has not begun."""
    with suppress(BadInput):
        run = store.find(name)
        return run.state().status is Status.QUEUED and not run.is_held()
    return False

"""Lengths of time in words."""

__all__ = ["worded"]


def worded(seconds: float) -> str:
    """A length of time, rounded as much as an estimate deserves.

    >>> [worded(s) for s in (0.4, 38, 95, 400, 8000)]
    ['1 s', '40 s', '1½ min', '7 min', '2 h 10 min']
    """
    if seconds < 15:
        return f"{max(1, round(seconds))} s"
    if seconds < 57:
        return f"{5 * round(seconds / 5)} s"
    halves = round(seconds / 30)
    if halves < 6:
        return f"{'' if halves < 2 else halves // 2}{'½' if halves % 2 else ''} min"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(10 * round(minutes / 10), 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"

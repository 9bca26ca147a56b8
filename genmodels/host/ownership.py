"""Who may change what. On one's own machine everybody may do everything.

On a shared host a run obeys only the browser that made it: that browser keeps a random token, and beside the run lies
the token's hash, in a file that is never exported, zipped or pushed. A page asks for whoever acts
(:func:`told_by`); the command line and the workers act for the owner of the machine, and may do everything.
"""

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path

from genmodels.errors import BadInput
from genmodels.files import write
from genmodels.host.limits import is_shared

__all__ = ["check", "is_visiting", "may", "owner", "owns", "sign", "token", "told_by"]

OWNER = ".owner"


def _nobody() -> str | None:
    return None


_who: Callable[[], str | None] = _nobody


def told_by(who: Callable[[], str | None]) -> None:
    """Have ``who`` say whose browser acts now: its token, or None where nobody's does."""
    global _who
    _who = who


def is_visiting() -> bool:
    """Whether a visitor of a shared host acts now, and not the owner of the machine."""
    return is_shared() and _who() is not None


def sign(folder: Path) -> None:
    """Make whoever acts now the owner of ``folder``."""
    if is_visiting():
        write(folder / OWNER, _mark())


def owns(folder: Path) -> bool:
    """Whether whoever acts now has made ``folder``, on a shared host."""
    try:
        return is_visiting() and hmac.compare_digest((folder / OWNER).read_bytes(), _mark())
    except FileNotFoundError:
        return False


def owner(folder: Path) -> str:
    """Who has made ``folder``, by a hash; "" where no visitor has."""
    try:
        return (folder / OWNER).read_text()
    except FileNotFoundError:
        return ""


def token() -> str:
    """Whoever acts now, by a hash; "" where it is the owner of the machine."""
    return _mark().decode() if is_visiting() else ""


def may(folder: Path) -> bool:
    """Whether whoever acts now may change what lies in ``folder``."""
    return not is_visiting() or owns(folder)


def check(folder: Path, what: str) -> None:
    """Nothing, where whoever acts now may do it.

    Args:
        folder: Of the run.
        what: What is to be done: "pause", say.

    Raises:
        BadInput: If only somebody else may.
    """
    if not may(folder):
        raise BadInput(
            f"Only the browser that made this run may {what} it: many visitors share this host. "
            "Fork it to go on from it in a run of your own."
        )


def _mark() -> bytes:
    return hashlib.sha256(str(_who()).encode()).hexdigest().encode()

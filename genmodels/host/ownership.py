"""Who may change what. On one's own machine everybody may do everything.

On a shared host a run obeys only the browser that made it: that browser keeps a random token, and beside the run lies
the token's hash, in a file that is never exported, zipped or pushed. A page asks for whoever acts
(:func:`told_by`); the command line and the workers act for the owner of the machine, and may do everything.

A visitor who drops his cookie is a new one: so what is made is also counted by the *place* that it came from. That is
the wall that the visitor is on, or else the network address: a school's computers share one, and a class on a wall
counts as a class. No address is kept: only its hash, with a key that stays on this host.
"""

import functools
import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from genmodels.errors import BadInput
from genmodels.files import root, write
from genmodels.host.limits import is_shared

__all__ = [
    "Visitor",
    "check",
    "is_visiting",
    "known",
    "may",
    "network",
    "owner",
    "owns",
    "place",
    "sign",
    "token",
    "told_by",
    "visitor",
]

OWNER, PLACE, KEY = ".owner", ".place", ".key"


@dataclass(frozen=True)
class Visitor:
    """Whoever acts: the token, where from and on which wall, each by a hash; "" where it is not known or there is none.

    Attributes:
        token: Of the browser.
        address: Of the network.
        wall: That was joined.
    """

    token: str = ""
    address: str = ""
    wall: str = ""

    @property
    def place(self) -> str:
        """The group that shares the limits with the visitor: all on the wall, else all at the network address."""
        return self.wall or self.address

    @property
    def where(self) -> str:
        """The visitor's :attr:`place` in words, for a sentence."""
        return "on your wall" if self.wall else "from your network address, which a school's computers share,"


def _nobody() -> str | None:
    return None


def _nowhere() -> tuple[str, str]:
    return "", ""


_who: Callable[[], str | None] = _nobody
_where: Callable[[], tuple[str, str]] = _nowhere


def told_by(who: Callable[[], str | None], where: Callable[[], tuple[str, str]] = _nowhere) -> None:
    """Set the functions that say who acts now, and from where.

    Args:
        who: Whose browser: its token, or None where nobody's does.
        where: The network address and the code of the wall, "" each where there is none.
    """
    global _who, _where
    _who, _where = who, where


def network(address: str) -> str:
    """The network of an address: all of IPv4, the first 64 bits of IPv6; "" if it is no address.

    A household, school or office has one of them.

    >>> network("203.0.113.9"), network("::ffff:203.0.113.9"), network("2001:db8::1:2:3:4"), network("testclient")
    ('203.0.113.9', '203.0.113.9', '2001:db8::/64', '')
    """
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return ""
    if isinstance(one, ipaddress.IPv6Address):
        return str(one.ipv4_mapped or ipaddress.ip_network((int(one) >> 64 << 64, 64)))
    return str(one)


def visitor() -> Visitor:
    """Whoever acts now; of the owner of the machine nothing is known."""
    return known(str(_who()), *_where()) if is_visiting() else Visitor()


def known(token: str, address: str, wall: str = "") -> Visitor:
    """The visitor with this token, at this address, on the wall of this code; "" where there is none."""
    here = network(address)
    return Visitor(_hashed(token), _keyed(f"address {here}") if here else "", _keyed(f"wall {wall}") if wall else "")


def is_visiting() -> bool:
    """Whether a visitor of a shared host acts now, and not the owner of the machine."""
    return is_shared() and _who() is not None


def sign(folder: Path, *, by_address: bool = False) -> None:
    """Make whoever acts now the owner of ``folder``; it counts for the place, or always for the address."""
    if is_visiting():
        write(folder / OWNER, _mark())
        who = visitor()
        if place := who.address if by_address else who.place:
            write(folder / PLACE, place.encode())


def owns(folder: Path) -> bool:
    """Whether whoever acts now has made ``folder``, on a shared host."""
    try:
        return is_visiting() and hmac.compare_digest((folder / OWNER).read_bytes(), _mark())
    except FileNotFoundError:
        return False


def owner(folder: Path) -> str:
    """Who has made ``folder``, by a hash; "" where no visitor has."""
    return _said(folder / OWNER)


def place(folder: Path) -> str:
    """The place from which ``folder`` was made, by a hash; "" where it is not known."""
    return _said(folder / PLACE)


def _said(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def token() -> str:
    """Whoever acts now, by a hash; "" where it is the owner of the machine."""
    return _mark().decode() if is_visiting() else ""


def may(folder: Path) -> bool:
    """Whether whoever acts now may change what lies in ``folder``."""
    return not is_visiting() or owns(folder)


def check(folder: Path, what: str) -> None:
    """Refuse whoever acts now if the run is somebody else's.

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


def _keyed(text: str) -> str:
    return hmac.new(_key(root()), text.encode(), "sha256").hexdigest()


@functools.cache
def _key(folder: Path) -> bytes:
    """The secret key with which addresses are hashed: there are too few of them to be hidden by a hash alone."""
    if not (path := folder / KEY).exists():
        write(path, secrets.token_bytes(32))
        path.chmod(0o600)
    return path.read_bytes()


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _mark() -> bytes:
    return _hashed(str(_who())).encode()

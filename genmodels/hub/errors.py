"""Whatever goes wrong between here and the Hub, as one sentence. The client's own words may hold addresses."""

import time
from collections.abc import Callable
from typing import TypeVar

from genmodels.errors import BadInput

__all__ = ["Offline", "asked"]

T = TypeVar("T")

WAITS = 1.0, 3.0  # seconds before the Hub is asked again, where it is busy or in trouble


class Offline(BadInput):
    """The Hub cannot be reached, or does not answer in time."""


def asked(act: Callable[[], T], place: object) -> T:
    """Return ``act()``, called again where the Hub is busy or in trouble.

    Raises:
        BadInput: One sentence for whatever went wrong.
    """
    from huggingface_hub.errors import HfHubHTTPError

    transport: type[Exception] = HfHubHTTPError.__mro__[1]  # of httpx or httpx2, as the client has it
    for wait in (*WAITS, None):
        try:
            return act()
        except BadInput:
            raise
        except (OSError, RuntimeError, transport, ValueError, TypeError, KeyError, AttributeError) as error:
            cause = (
                error.__cause__ if isinstance(error, FileNotFoundError | RuntimeError) and error.__cause__ else error
            )
            status = getattr(getattr(cause, "response", None), "status_code", 0)
            if wait is None or not (status == 429 or status >= 500):
                raise _said(cause, status, place) from None
        time.sleep(wait)
    raise AssertionError


def _said(error: BaseException, status: int, place: object) -> BadInput:
    from huggingface_hub import errors

    private = "set HF_TOKEN or run `hf auth login` if it is private"
    match error:
        case errors.GatedRepoError():
            return BadInput(f"{place} asks for an agreement: accept its terms on its page on the Hub, then log in.")
        case errors.RepositoryNotFoundError():
            return BadInput(f"{place} is not on the Hub, or not for everybody: check its name, and {private}.")
        case errors.RevisionNotFoundError():
            return BadInput(f"{place} has no such revision: it is a branch, a tag or a commit of its repository.")
        case errors.EntryNotFoundError() if status:
            return BadInput(f"{place} has no such file at that revision.")
        case errors.LocalTokenNotFoundError():
            return BadInput(f"{place} can be written only by who is logged in: set HF_TOKEN or run `hf auth login`.")
    if status in (401, 403):
        return BadInput(f"The Hub does not let this token do that with {place}: {private}.")
    if status == 402:
        return BadInput(f"{place} costs money, and this account has no credit left: see its billing page on the Hub.")
    if status == 429:
        return BadInput(f"The Hub was asked too often (429) for {place}: try again in a few minutes.")
    if status >= 500:
        return BadInput(f"The Hub is in trouble ({status}), {place} cannot be had now: try again later.")
    if status:
        return BadInput(f"The Hub refused {place} ({status}).")
    if type(error).__name__ in ("RemoteProtocolError", "ReadError", "ReadTimeout"):
        return Offline(f"{place} broke off on its way: try again, and what came already is kept.")
    if isinstance(error, ValueError | TypeError | KeyError | AttributeError):
        return BadInput(f"The Hub's answer about {place} cannot be read.")
    if "Consistency check failed" in str(error):
        return BadInput(f"{place} came truncated: try again later.")
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
        return BadInput(f"{place} could not be kept: {error.strerror}.")
    return Offline(f"The Hub cannot be reached, and {place} is not on this computer yet: what ships with the app is.")

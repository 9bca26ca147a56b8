"""``/blobs/…``: what is large and shown to many, a film say, has an address; a browser fetches it once and keeps it.

In the message of a component it would be encoded, hashed and sent again at every run of its part of the page. Streamlit
serves media too, but forgets a picture as soon as a run of the page begins, though a slow browser may still want it.
"""

import functools
import hashlib
import threading

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

__all__ = ["ROUTE", "address"]

KEPT = 96 * 2**20  # bytes; those longest not shown go first
KINDS = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}

_kept: dict[str, bytes] = {}  # by name, the one shown last at the end
_lock = threading.Lock()


def address(content: bytes) -> str:
    """Where a browser finds ``content`` from now on, relative to the app's own address: PNG, JPEG or mere bytes.

    Who does not know the content cannot guess it.
    """
    name = _name(content)
    with _lock:
        _kept[name] = _kept.pop(name, content)
        size = sum(map(len, _kept.values()))
        for old in list(_kept)[:-1]:
            if size <= KEPT:
                break
            size -= len(_kept.pop(old))
    return f"blobs/{name}"


@functools.lru_cache(maxsize=256)
def _name(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def answer(request: Request) -> Response:
    """The content of that name, for good; 404 where it is not known, or no longer."""
    with _lock:
        content = _kept.get(request.path_params["name"])
    if content is None:
        return PlainTextResponse("Not found", 404, {"Cache-Control": "no-store"})
    kind = next((kind for start, kind in KINDS.items() if content.startswith(start)), "application/octet-stream")
    return Response(content, media_type=kind, headers={"Cache-Control": "private, max-age=604800, immutable"})


ROUTE = Route("/blobs/{name}", answer, methods=["GET", "HEAD"])

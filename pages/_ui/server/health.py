"""``/healthz``: 200 where the app works, 503 with a sentence that says why not."""

import sys

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from genmodels.host import health

__all__ = ["ROUTE"]


def answer(_: Request) -> JSONResponse:
    """The server's health as JSON, as :func:`genmodels.host.health.health` tells it."""
    jobs = sys.modules.get("genmodels.jobs.queue")  # importing it for this would load torch before anybody opens a page
    is_there = hasattr(jobs, "alive") and hasattr(jobs, "troubles")  # it may be half imported just now
    well, says = health.health(jobs.alive(), jobs.troubles()) if jobs and is_there else health.health(None)
    return JSONResponse(says, status_code=200 if well else 503, headers={"Cache-Control": "no-store"})


ROUTE = Route("/healthz", answer, methods=["GET", "HEAD"])

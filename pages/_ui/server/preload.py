"""Draw the first page's films before anybody comes; import the rest, and start the workers, while it is read."""

import gc
import importlib
import logging
import threading

from genmodels.host import libraries
from genmodels.host.threads import settle_threads
from genmodels.models import MODELS
from genmodels.runs import shipped

__all__ = ["films", "start"]

_started = threading.Lock()


def films() -> None:
    """Draw the films of the first page in the background, as soon as the server begins, while a browser loads."""
    threading.Thread(target=_draw, name="films", daemon=True).start()


def _draw() -> None:
    for piece in shipped.pieces():
        if piece.name in shipped.FIRST and piece.is_image:
            _ = piece.film


def start() -> None:
    """Once a server, in the background: import the models and start the workers.

    The garbage collector walks every object that an import leaves behind, holding the interpreter: frozen, they cost
    a page's rerun nothing. What importing read of the libraries and no page needs goes back to the system. What a page
    asks of a network is small: one thread each, for those of many visitors would wait for each other on every core.
    """
    if _started.acquire(blocking=False):
        threading.Thread(target=_load, name="preload", daemon=True).start()


def _load() -> None:
    modules = [
        "genmodels.figures",
        *{entry.path.split(":")[0]: None for entry in MODELS.values()},
        "genmodels.jobs.queue",
        "pandas",  # Streamlit's tables want it, at the first of them
    ]
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception:
            logging.getLogger(__name__).exception("%s could not be imported ahead", module)
    settle_threads(many=False)
    gc.collect()
    gc.freeze()
    libraries.give_back()
    importlib.import_module("genmodels.jobs.queue").pool()

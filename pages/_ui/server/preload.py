"""Import what the other pages need, and start the workers, while the visitor reads the first page."""

import gc
import importlib
import logging
import threading

from genmodels.host import libraries
from genmodels.models import MODELS

__all__ = ["start"]

_started = threading.Lock()


def start() -> None:
    """Once a server, in the background: import the models and start the workers.

    The garbage collector walks every object that an import leaves behind, holding the interpreter: frozen, they cost
    a page's rerun nothing. What importing read of the libraries and no page needs goes back to the system.
    """
    if _started.acquire(blocking=False):
        threading.Thread(target=_load, name="preload", daemon=True).start()


def _load() -> None:
    modules = [
        "genmodels.figures",
        *{entry.path.split(":")[0]: None for entry in MODELS.values()},
        "genmodels.jobs.queue",
    ]
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception:
            logging.getLogger(__name__).exception("%s could not be imported ahead", module)
    gc.collect()
    gc.freeze()
    libraries.give_back()
    importlib.import_module("genmodels.jobs.queue").pool()

"""Import what the other pages need while the visitor reads the first one."""

import gc
import importlib
import logging
import threading

from genmodels.models import MODELS

__all__ = ["start"]

_started = threading.Lock()


def start() -> None:
    """Import the figures and every model in the background, once a server; then spare them from garbage collection.

    The garbage collector walks every object that an import leaves behind, holding the interpreter: frozen, they cost
    a page's rerun nothing.
    """
    if _started.acquire(blocking=False):
        threading.Thread(target=_load, name="preload", daemon=True).start()


def _load() -> None:
    modules = ["genmodels.figures", *{entry.path.split(":")[0] for entry in MODELS.values()}]
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception:
            logging.getLogger(__name__).exception("%s could not be imported ahead", module)
    gc.collect()
    gc.freeze()

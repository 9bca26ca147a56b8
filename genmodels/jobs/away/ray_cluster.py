"""A Ray cluster (Moritz et al., 2018, arXiv 1712.05889) as a place for workers: the one module that imports Ray.

A worker is an actor that asks for a processor core a thread, and for a GPU where the cluster has any; Ray finds it a
node. It ends with the process that asked for it. Nodes need this library, of the same version: nothing is installed
there. What goes to and fro is bytes, which Ray hands on as they are. A cluster is trusted as one's own computer is:
whoever can reach it can run anything on it (https://docs.ray.io/en/latest/ray-security/index.html).
"""

import os
import re
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from genmodels.errors import BadInput
from genmodels.host.health import cores
from genmodels.host.limits import LIMITS, limit
from genmodels.jobs.away.hand import Hand
from genmodels.text import quoted, titled

__all__ = ["Lost", "RayCluster", "RayHandle", "connect"]

ANSWERS = 3.0  # seconds in which an address must answer
STORE = 200_000_000  # bytes of shared memory of a cluster that is started here
QUIET = {  # read by Ray as it is imported: nothing is reported to anybody, and nothing printed between our lines
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
}
ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})")


def connect(address: str = "") -> "RayCluster":
    """The Ray cluster at ``address``, and where there is none one of this computer alone, started now.

    Args:
        address: "host:port", asked for on one of its nodes; "": what ``RAY_ADDRESS`` says.

    Raises:
        BadInput: If Ray is not installed, or there is no cluster.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise BadInput("Ray is not installed: `pip install 'genmodels[ray]'` installs it.") from None
    address = address or os.environ.get("RAY_ADDRESS", "")
    if address and not ADDRESS.fullmatch(address):
        raise BadInput(f"{quoted(address)} is no address of a Ray cluster: it is host:port.")
    if address and not _answers(address):
        raise BadInput(f"The Ray cluster at {address} does not answer: is it running, and can it be reached from here?")
    how: dict[str, Any] = {"address": address}
    if not address:
        how = {"address": "local", "num_cpus": cores(), "include_dashboard": False, "object_store_memory": STORE}
    quiet: dict[str, Any] = {"configure_logging": False, "log_to_driver": False, "logging_level": "ERROR"}
    with _as_it_was():
        try:
            ray.init(**how, **quiet)
        except Exception as error:  # of many kinds
            with suppress(Exception):
                ray.shutdown()
            what = f"at {address} " if address else ""
            raise BadInput(f"A Ray cluster {what}cannot be had: {_sentence(error)}") from None
    return RayCluster(address)


class Lost(Exception):
    """A worker is gone, or speaks nonsense."""


class RayCluster:
    """The cluster that this process is connected to; a sentence that speaks of it begins with its ``name``."""

    def __init__(self, address: str) -> None:
        import ray

        self.name = f"The Ray cluster at {address}" if address else "The Ray cluster of this computer"
        self.address = address or ray.get_runtime_context().gcs_address
        self.needs = {"CPU": max(1, int(limit("THREADS"))), "GPU": min(1, int(ray.cluster_resources().get("GPU", 0)))}

    def places(self) -> int:
        """How many workers there may be: one a GPU, or one a processor core."""
        import ray

        needs = [(what, number) for what, number in self.needs.items() if number]
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return sum(min(int(node.get(what, 0) // number) for what, number in needs) for node in nodes)

    def start(self) -> "RayHandle":
        """A new worker, which answers once there is a place for it."""
        import ray

        needs = {"num_cpus": self.needs["CPU"], "num_gpus": self.needs["GPU"]}
        told = {f"GENMODELS_{name}": str(limit(name)) for name in LIMITS}
        return RayHandle(ray.remote(Hand).options(**needs, max_restarts=0).remote(told))

    def is_there(self) -> bool:
        """Whether the cluster still answers."""
        return _answers(self.address)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        import ray

        with _as_it_was(), suppress(Exception):
            ray.shutdown()


class RayHandle:
    """A worker, wherever it is: an actor whose one call is on its way."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self._called: Any = None

    def call(self, content: bytes) -> None:
        """Send what :meth:`Hand.advance` takes."""
        self._called = self._actor.advance.remote(content)

    def answer(self) -> bytes | None:
        """The answer to the last call; None where it has not come yet.

        Raises:
            Lost: If it never will.
        """
        import ray

        try:
            ready, _ = ray.wait([self._called], timeout=0)
            return ray.get(self._called) if ready else None
        except Exception as error:  # the actor died, its node did, its code failed, Ray did
            raise Lost(_sentence(error)) from None

    def close(self) -> None:
        """End the worker's process."""
        import ray

        with suppress(Exception):
            ray.kill(self._actor)


def _answers(address: str) -> bool:
    """Whether somebody is there who speaks HTTP/2, as Ray does: Ray itself would wait for others for minutes.

    Both sides begin with a frame of settings, type 4 (RFC 9113, section 3.4).
    """
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWERS) as there:
            if os.environ.get("RAY_USE_TLS", "0") != "0":  # it would speak in cipher
                return True
            there.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            return there.recv(9, socket.MSG_WAITALL)[3:4] == b"\x04"
    except (OSError, OverflowError, UnicodeError):
        return False


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Ray takes the process's signals for its own, and warns of what will change in it: neither is wanted."""
    is_main = threading.current_thread() is threading.main_thread()
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            for number, handler in kept.items():
                if is_main and handler is not None:
                    signal.signal(number, handler)


def _sentence(error: Exception) -> str:
    """The first line of what Ray says, which says a lot."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return titled(line).removesuffix(".") + "."

"""What this host gives its visitors: every limit is declared here, once, and set by a variable of the environment.

On one's own machine nearly nothing is limited. A host is *shared* where many visitors meet: ``GENMODELS_SHARED=1``, or
a Space of the Hugging Face Hub. Then the second of the two defaults holds.
"""

import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from genmodels.errors import BadInput
from genmodels.text import quoted

__all__ = ["LIMITS", "Limit", "check", "is_on_ray", "is_shared", "is_space", "limit", "spare_the_server", "table"]

NONE = math.inf


@dataclass(frozen=True)
class Limit:
    """One limit: its default on one's own machine and on a shared host, and what it limits."""

    own: float
    shared: float
    about: str


LIMITS: dict[str, Limit] = {
    "WORKERS": Limit(0, 0, "worker processes; 0: one a GPU, or one a CPU core"),
    "THREADS": Limit(1, 1, "threads of a worker"),
    "MAX_RUNS": Limit(64, 24, "runs at once, of all workers; the paused ones are among them"),
    "MAX_HEAVY": Limit(2, 1, "image networks at once, a worker"),
    "MAX_WAITING": Limit(NONE, 100, "runs that wait or run, of all visitors"),
    "MAX_RUNS_A_VISITOR": Limit(NONE, 5, "runs that wait or run, of one visitor"),
    "MAX_RUNS_AN_ADDRESS": Limit(NONE, 60, "runs that wait or run, of one network address or of one wall"),
    "MAX_KEPT_A_VISITOR": Limit(NONE, 30, "runs on the disk, of one visitor"),
    "MAX_DISK_MB_A_VISITOR": Limit(NONE, 1000, "all runs of one visitor together"),
    "MAX_KEPT_AN_ADDRESS": Limit(NONE, 600, "runs on the disk, of one network address or of one wall"),
    "MAX_DISK_MB_AN_ADDRESS": Limit(NONE, 5000, "all runs of one network address, or of one wall, together"),
    "MAX_WALLS_A_VISITOR": Limit(NONE, 2, "walls that stand, of one visitor"),
    "MAX_WALLS_AN_ADDRESS": Limit(NONE, 10, "walls that stand, of one network address"),
    "PLACE_SECONDS": Limit(NONE, 60, "a paused run that holds a place for so long gives it to one that waits"),
    "HELD_SECONDS": Limit(NONE, 14_400, "seconds on the clock that a run holds a place, slowly or paused"),
    "MAX_TASKS_A_VISITOR": Limit(NONE, 4, "computations that wait or run, of one visitor"),
    "MAX_TASKS_AN_ADDRESS": Limit(NONE, 60, "computations that wait or run, of one network address or of one wall"),
    "MAX_UPLOADS": Limit(NONE, 24, "uploads that are on their way at once; of one visitor it is one"),
    "MAX_FILES": Limit(NONE, 2, "files to take home that are made at once; of one visitor it is one"),
    "MAX_TASK_SECONDS": Limit(NONE, 600, "seconds of one computation"),
    "MAX_STEPS": Limit(NONE, 100_000, "steps of a run"),
    "MAX_SECONDS": Limit(NONE, 3600, "seconds of training of a run"),
    "MAX_PARAMETERS": Limit(NONE, 10e6, "parameters of a model; it is refused before it is built"),
    "MAX_BATCH": Limit(NONE, 2048, "examples in one batch"),
    "MAX_MEMORY_MB": Limit(NONE, 5000, "memory of a worker on the CPU; the run that asks for more fails, and says so"),
    "MAX_DISK_MB": Limit(NONE, 10_000, "all runs together"),
    "MAX_KEPT": Limit(NONE, 2000, "runs on the disk, ended ones included"),
    "MIN_FREE_MB": Limit(200, 1000, "what stays free on the disk: no new run where there is less"),
    "IDLE_SECONDS": Limit(NONE, 900, "a run that no page shows for so long is paused, and after twice as long stopped"),
    "KEEP_HOURS": Limit(NONE, 48, "an ended run that no page shows for so long makes room for new ones on a full disk"),
    "WALL_HOURS": Limit(12, 6, "hours that a wall of a class stands"),
}
"""By name; the variable is ``GENMODELS_<name>``, ``inf`` for no limit."""


def is_space() -> bool:
    """Whether this is a Space of the Hugging Face Hub."""
    return "SPACE_ID" in os.environ


def is_shared() -> bool:
    """Whether many visitors share this host: ``GENMODELS_SHARED`` says so (1 or 0), or else it is a Space."""
    said = os.environ.get("GENMODELS_SHARED", "").strip()
    return said != "0" if said else is_space()


def is_on_ray() -> bool:
    """Whether trainings and computations go to a Ray cluster: ``GENMODELS_ON`` says so.

    Raises:
        BadInput: If it says anything else.
    """
    where = os.environ.get("GENMODELS_ON", "").strip()
    if where not in ("", "here", "ray"):
        raise BadInput(f"GENMODELS_ON = {quoted(where)} is no place where runs are trained: it is here, or ray.")
    return where == "ray"


def limit(name: str) -> float:
    """The limit ``name`` of this host; infinity where there is none.

    Raises:
        BadInput: If its variable is no number from 0 up.
    """
    one, text = LIMITS[name], os.environ.get(f"GENMODELS_{name}", "").strip()
    if not text:
        return one.shared if is_shared() else one.own
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value >= 0:
        raise BadInput(f"GENMODELS_{name} = {quoted(text)} is not a number from 0 up, or inf for no limit.")
    return value


def check() -> None:
    """Refuse limits in the environment that are not numbers, and an unknown word for where runs are trained.

    Raises:
        BadInput: The first of them, in one sentence.
    """
    is_on_ray()
    for name in LIMITS:
        limit(name)
    for name, least in (("WORKERS", 0), ("THREADS", 1)):
        if not (float(value := limit(name)).is_integer() and value >= least):
            raise BadInput(f"GENMODELS_{name} = {quoted(f'{value:g}')} is not a whole number from {least} up.")


def table() -> str:
    """All limits as a table of Markdown, as the deployment's document has it."""
    words = lambda value: "none" if value == NONE else f"{value:,.0f}"  # noqa: E731
    rows = [f"| `GENMODELS_{n}` | {one.about} | {words(one.own)} | {words(one.shared)} |" for n, one in LIMITS.items()]
    return "\n".join(["| variable | what it limits | own machine | shared host |", "|---|---|---|---|", *rows])


def spare_the_server(*, on_cpu: bool) -> None:
    """In a worker: where memory runs out, it is this process that goes without, or goes, and not the server.

    An allocation beyond ``MAX_MEMORY_MB`` fails in the run that asks for it. Nothing is capped beside a GPU, whose
    driver reserves more addresses than there is memory; and macOS has no such cap.
    """
    score = Path("/proc/self/oom_score_adj")
    if score.exists():
        score.write_text("500")  # who is killed first where the whole machine has no memory left
    most = limit("MAX_MEMORY_MB")
    if on_cpu and most < NONE and sys.platform == "linux":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (int(most * 1e6), resource.RLIM_INFINITY))

"""The host that the app runs on: its hardware, whether what is written there stays, whether all is well.

A Space of the Hugging Face Hub says in its environment what it has (``SPACE_ID``, ``ACCELERATOR``, ``CPU_CORES``,
``MEMORY``). Its own disk is empty again whenever it wakes; a volume mounted over the folder of the runs is kept.
"""

import contextlib
import math
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from genmodels import __version__
from genmodels.errors import BadInput
from genmodels.files import held, root, write
from genmodels.host import limits
from genmodels.host.limits import is_space

__all__ = ["cores", "hardware", "health", "is_kept", "keeping"]

STARTED = time.time()
CGROUP = Path("/sys/fs/cgroup")
FORGETFUL = ("overlay", "tmpfs", "ramfs", "aufs")  # file systems of a container that go with it


def hardware() -> str:
    """The host's hardware in words: "2 CPU cores, 16 GB of memory, no GPU"."""
    memory = re.match(r"[\d.]+", os.environ.get("MEMORY", "") if is_space() else "")
    gigabytes = float(memory[0]) if memory else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return f"{_of_space() or cores():g} CPU cores, {gigabytes:.0f} GB of memory, {_gpu()}"


def cores() -> int:
    """The CPU cores that this process may use: no more than a container's quota or a Space gives, rounded up."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([here, *(math.ceil(given) for given in (_quota(), _of_space()) if given > 0)])


def _quota() -> float:
    """The cores' worth of time that the container has, by its control group, version 2 or 1; 0 where nothing limits it.

    https://docs.kernel.org/admin-guide/cgroup-v2.html, https://docs.kernel.org/scheduler/sched-bwc.html
    """
    for names in (["cpu.max"], ["cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us"]):
        with contextlib.suppress(OSError, ValueError, ZeroDivisionError):  # not there, or "max"
            quota, period = map(int, " ".join((CGROUP / name).read_text() for name in names).split())
            return max(0.0, quota / period)  # version 1 says -1 for no limit
    return 0.0


def _of_space() -> float:
    """The cores that a Space says it has; 0 elsewhere."""
    known = os.environ.get("CPU_CORES", "") if is_space() else ""
    return float(known) if re.fullmatch(r"\d+(\.\d+)?", known) else 0.0


def _gpu() -> str:
    """The accelerator as the Space names it, or the number of devices of NVIDIA's driver."""
    named = os.environ.get("ACCELERATOR", "").strip().lower() if is_space() else ""
    if named and named not in ("none", "cpu"):
        return f"GPU: {named[:40]}"
    here = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return f"{here} GPU" + "s" * (here > 1) if here else "no GPU"


def is_kept(folder: Path, mounts: str | None = None) -> bool:
    """Whether ``folder`` outlives the container that the app runs in.

    Args:
        folder: The folder.
        mounts: What ``/proc/self/mountinfo`` says; read where it is None.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mountinfo").read_text()
        except FileNotFoundError:  # no Linux, so no container
            return True
    kind, longest = "", -1
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].encode().decode("unicode_escape"))
        if (folder == point or point in folder.parents) and len(point.parts) >= longest:
            kind, longest = after.split()[0], len(point.parts)
    return kind not in FORGETFUL


def keeping() -> str:
    """Whether runs survive when a Space sleeps, a sentence; "" on a machine that never forgets."""
    if not is_space():
        return ""
    if is_kept(root()):
        return "Runs are kept on a volume: when this Space has slept, what was running is found interrupted; resume it."
    since = time.strftime("%d %b %Y, %H:%M UTC", time.gmtime(STARTED))
    return (
        f"Runs are lost when this Space sleeps or restarts: it began with an empty disk on {since}, and what was made "
        "before then is gone. Download what you want to keep."
    )


def health(workers: int | None, troubles: Sequence[str] = ()) -> tuple[bool, dict[str, Any]]:
    """Whether all is well, and how: status ("ok", or what is wrong, a sentence), version, runs, workers.

    Args:
        workers: How many worker processes live and answer; None before they were started.
        troubles: What is wrong with them, a sentence each.
    """
    folder = root()
    says: dict[str, Any] = {"status": "ok", "version": __version__, "runs": 0, "workers": workers or 0}
    try:
        limits.check()
        write(folder / ".health", b"", durable=False)
        with contextlib.suppress(BlockingIOError), held(folder):  # a run renames over files, and locks
            pass
        says["runs"] = sum(1 for _ in folder.glob("*/run.json"))
    except BadInput as error:
        says["status"] = str(error)
    except OSError as error:
        says["status"] = (
            f"The folder of the runs cannot be used ({error.strerror}): set GENMODELS_RUNS to one that can."
        )
    if troubles:
        says["status"] = " ".join(dict.fromkeys(troubles))
    elif workers == 0:
        says["status"] = "No worker process is alive: look at the log of the server."
    return says["status"] == "ok", says

"""Memory that importing libraries touched and nothing needs: given back to the system.

Importing PyTorch's build for NVIDIA reads some 200 MB of its libraries (to bind names, to unpack tables of kernels that
a processor never launches), and they stay resident in a process that imports it for its declarations alone.
"""

import ctypes
import re
import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["give_back"]

SMAPS = Path("/proc/self/smaps")
DONTNEED = 4  # MADV_DONTNEED of <sys/mman.h>
MAPPING = re.compile(r"(?P<start>[0-9a-f]+)-(?P<end>[0-9a-f]+) (?P<may>[-rwxps]{4}) \S+ \S+ \d+ *(?P<file>.*)")
LIBRARY = re.compile(r"/.*\.so[.\d]*")


def give_back() -> None:
    """Let go of every page that is as it stands in a library's file: whoever reads it again gets it from there.

    Only whole mappings are let go that cannot be written and in which nothing was ever written (no page of them is
    anonymous): there is nothing in them to lose. On Linux; elsewhere it does nothing.
    """
    if sys.platform != "linux" or not SMAPS.exists():
        return
    system = ctypes.CDLL(None)
    system.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for start, end in list(_unwritten()):
        system.madvise(start, end - start, DONTNEED)


def _unwritten() -> Iterator[tuple[int, int]]:
    """From where to where the mappings go that are as their library's file is."""
    found: re.Match[str] | None = None
    for line in SMAPS.read_text(errors="replace").splitlines():
        found = MAPPING.fullmatch(line) or found
        is_unwritten = line.startswith("Anonymous:") and line.split()[1] == "0"
        if found and is_unwritten and "w" not in found["may"] and LIBRARY.fullmatch(found["file"]):
            yield int(found["start"], 16), int(found["end"], 16)

"""How a training process asks the C library for memory: settled by the environment that it is started with.

Each step of a training frees some megabytes and takes them again. glibc hands such pieces back to the system and gets
them anew, a page of 4 kB at a time; told to keep them, and in pages of 2 MB, a step of the VAE is a tenth shorter.
Other C libraries do not know the variable and do without.
"""

import os
import sys

__all__ = ["ENVIRONMENT", "restart"]

ENVIRONMENT = {
    "GLIBC_TUNABLES": (
        "glibc.malloc.hugetlb=1:glibc.malloc.trim_threshold=1073741824:glibc.malloc.mmap_threshold=33554432"
    )
}


def restart() -> None:
    """Start this Python program again with ENVIRONMENT, unless something of it is already set."""
    if sys.platform == "linux" and not ENVIRONMENT.keys() & os.environ.keys():
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | ENVIRONMENT)

"""How many threads a computation takes, and how they wait for each other. It imports torch late: see ENVIRONMENT.

Operations of a large network are shared by several threads, which wait for each other after each of them. By default
they wait by asking again and again, for milliseconds. Where another process wants a core, the thread that is
waited for lacks it, and a step takes ten times as long as on one thread. Threads that sleep while they wait do not.
"""

import os

__all__ = ["ENVIRONMENT", "settle_threads", "sleep_while_waiting"]

ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE"}
"""What a process that computes is to have in its environment when it imports torch: OpenMP reads it there, once.

OpenMP API 5.2, section 21.2.7. https://www.openmp.org/specifications/
"""


def sleep_while_waiting() -> None:
    """Set ENVIRONMENT, where the user has not set it otherwise; before torch is imported."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def settle_threads(*, many: bool) -> None:
    """One thread a core for ``many`` large operations, and one for others; OMP_NUM_THREADS overrides both.

    It does not hang on what else runs now: that changes, and a resumed training is to have as many as it had.
    """
    import torch

    if "OMP_NUM_THREADS" not in os.environ and not many:
        torch.set_num_threads(1)

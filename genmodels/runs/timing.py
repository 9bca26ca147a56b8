"""How long a training takes on this device: a few of its steps, timed, times their number; and how fast one goes.

Nothing is guessed: before the steps have been timed here there is no answer. On a processor a step's time is what the
worker that took it had of it, whatever else the machine had to do; snapshots and its first steps are not in it.
"""

import functools
import platform
import statistics
import time
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from genmodels.data import datasets, mnist
from genmodels.host.health import cores
from genmodels.models.base import Preset, build
from genmodels.training.loop import Training
from genmodels.training.settings import Settings

__all__ = ["device", "is_here", "of", "question", "stepping", "timed"]

STEPS, SECONDS = 20, 1.5  # are timed at most, whichever comes first; of steps at least three
WARM = 2  # steps before them


@functools.cache
def device() -> str:
    """This machine: its name, its processor and how much of it is ours, its graphics cards."""
    names = Path("/proc/cpuinfo")
    models = [line.split(":")[1].strip() for line in _lines(names) if line.startswith("model name")]
    cards = sorted(path.read_text().split("Model:")[1].split("\n")[0].strip() for path in _cards())
    return ", ".join([platform.node(), (models or [platform.processor()])[0], f"{cores()} cores", *cards])


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _cards() -> list[Path]:
    return list(Path("/proc/driver/nvidia/gpus").glob("*/information"))


def is_here(data: str) -> bool:
    """Whether the data set can be loaded without a download."""
    folder = datasets.DATASETS[data].folder
    return not folder or all((datasets.home() / folder / "raw" / file).exists() for file in mnist.FILES)


def question(model: str, preset: Preset) -> dict[str, Any]:
    """The arguments of :func:`timed` for a preset of ``model`` on this device."""
    return {
        "model": model,
        "data": preset.data,
        "arguments": preset.model,
        "settings": preset.training,
        "where": device(),
    }


def timed(
    model: str, data: str, arguments: Mapping[str, Any], settings: Mapping[str, Any], where: str
) -> Generator[float, None, dict[str, npt.NDArray[Any]]]:
    """Take a few steps of a training and time them. A task; ``where`` makes it another one on another device.

    Returns:
        "seconds" of the whole training, "steps" it has, and how many were "timed".
    """
    import torch

    yield 0.0
    built = build({"model": model, "shape": list(datasets.DATASETS[data].shape), **arguments})
    chosen = Settings.of({**built.defaults, **settings})
    training = Training(built, datasets.load(data), chosen, device="cuda" if torch.cuda.is_available() else "cpu")
    step, n = yield from stepping(training, begun=0.1, share=0.9)
    told = {"seconds": training.total * step, "steps": training.total, "timed": n}
    return {name: np.array(value) for name, value in told.items()}


def stepping(training: Training, begun: float = 0.0, share: float = 1.0) -> Generator[float, None, tuple[float, int]]:
    """Take a few steps of a training and time them: ``share`` of a task of which ``begun`` is over.

    Returns:
        The seconds that a step takes, their median; and how many were timed.
    """
    import torch

    on_gpu = training.device.type == "cuda"
    spent: list[float] = []
    while len(spent) < WARM + 3 or (len(spent) < WARM + STEPS and sum(spent) < SECONDS):
        yield begun + share * len(spent) / (WARM + STEPS)
        start, of_processor = time.perf_counter(), time.process_time()
        training.step()
        if on_gpu:
            torch.cuda.synchronize()
        seconds, of_processor = time.perf_counter() - start, time.process_time() - of_processor
        spent.append(seconds if on_gpu else min(seconds, of_processor))  # no longer than the processor was given to it
    return statistics.median(spent[WARM:]), len(spent) - WARM


def of(rows: Sequence[Mapping[str, float]]) -> tuple[float, float] | None:
    """How fast a training goes, by the rows that it logged.

    Args:
        rows: "step", "seconds" and "images" of each. Seconds are those of this run alone; steps and images also count
            what a fork has from its parent, so that only their differences are divided.

    Returns:
        Seconds a step and examples a second; None before two different rows say it.

    >>> of([{"step": 1, "seconds": 0.5, "images": 100}, {"step": 5, "seconds": 2.5, "images": 500}])
    (0.5, 200.0)
    """
    if len(rows) < 2 or rows[-1]["seconds"] <= rows[0]["seconds"]:
        return None
    steps, seconds, images = (rows[-1][name] - rows[0][name] for name in ("step", "seconds", "images"))
    return seconds / steps, images / seconds

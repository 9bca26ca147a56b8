"""What can be measured of a model, declared once each; measured by a worker, and kept, so that it is done once.

Every number comes from :func:`genmodels.metrics.evaluate.measures`, with its standard error, and beside it the floor:
what real data score against other real data, as many of them.
"""

import functools
import hashlib
import json
import math
import queue
import threading
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from genmodels import __version__, random
from genmodels.data.datasets import DATASETS, Info
from genmodels.errors import BadInput
from genmodels.files import inside, read_json, root, write_json
from genmodels.metrics import evaluate, floors
from genmodels.metrics.judge import judges
from genmodels.models.base import GenerativeModel
from genmodels.runs import store
from genmodels.runs.run import Run
from genmodels.text import quoted

__all__ = [
    "MEASURES",
    "Cell",
    "How",
    "Measure",
    "cells",
    "check",
    "kept",
    "likelihood_of",
    "measure",
    "suits",
    "weights_of",
]

TIMED, TIMES = 64, 3  # samples that are drawn together to time one, and how often
PARTS = {"samples": 1, "distances": 2}  # of a measurement, after its likelihood
LOOKS = 0.05  # seconds a worker waits for news of a measurement, before the others have their turn


@dataclass(frozen=True)
class How:
    """How models are measured, so that their numbers can stand beside each other.

    Attributes:
        n: Test examples, and samples: at most as many as the data have.
        k: Samples of a VAE's IWAE bound; 0 leaves it out.
        seed: Of all noise, and of which examples.
    """

    n: int = 1000
    k: int = 100
    seed: int = 0


@dataclass(frozen=True)
class Measure:
    """Something that can be measured.

    Attributes:
        title: Its name for people.
        unit: Of its numbers; "" for pure ones.
        better: "higher" or "lower"; "" where neither is.
        keys: Its names in the table of :mod:`genmodels.metrics.evaluate`; the first that is there counts. A "*" stands
            for any number.
        needs: What the data must have: "judge", a classifier of them; "truth", a known density; "plane"; "modes";
            "levels" of grey; "" where any data will do.
        about: What it says, one sentence.
    """

    title: str
    unit: str
    better: str
    keys: tuple[str, ...]
    needs: str
    about: str


def _judged(title: str, better: str, key: str, about: str) -> Measure:
    return Measure(title, "", better, (f"judge_{key}", f"mean_judge_{key}"), "judge", about)


MEASURES: dict[str, Measure] = {
    "log_prob": Measure("log p(x), exact", "nats", "higher", ("log_prob_nats",), "", "Of test examples, on average."),
    "elbo": Measure("ELBO", "nats", "higher", ("elbo_nats",), "", "A lower bound on log p(x) of test examples."),
    "iwae": Measure("IWAE", "nats", "higher", ("iwae_*_nats",), "", "A tighter bound, of several samples."),
    "bpd": Measure("Bits per dimension", "bits/dim", "lower", ("bpd",), "levels", "What coding a pixel costs."),
    "kl": Measure("KL(p ‖ q)", "nats", "lower", ("kl_from_truth_nats",), "truth", "From the true density p."),
    "fid": _judged("FID of the judge", "lower", "fid", "Fréchet distance in the features of a classifier of the data."),
    "kid": _judged("KID of the judge", "lower", "kid", "Kernel distance in these features, unbiased."),
    "is": _judged("IS of the judge", "higher", "score", "Inception Score's formula: 1 to the number of classes."),
    "precision": _judged("Precision", "higher", "precision", "Share of samples on the data's manifold."),
    "recall": _judged("Recall", "higher", "recall", "Share of the data on the samples' manifold."),
    "density": _judged("Density", "higher", "density", "Balls around data that a sample lies in: 1 for data."),
    "coverage": _judged("Coverage", "higher", "coverage", "Share of the balls around data that a sample hits."),
    "sliced_w1": Measure(
        "Sliced W₁", "units of x", "lower", ("sliced_w1", "mean_sliced_w1"), "", "W₁ along 128 random directions."
    ),
    "w1": Measure("W₁, exact", "units of x", "lower", ("w1",), "plane", "Optimal transport of 1,000 points at most."),
    "c2st": Measure(
        "Told apart", "", "lower", ("c2st",), "plane", "How often nearest neighbours tell samples from data; ½: never."
    ),
    "modes": Measure("Modes covered", "", "higher", ("modes_covered",), "modes", "With a fifth of their even share."),
    "close": Measure("Within 3σ of a mode", "", "higher", ("share_close_to_a_mode",), "modes", "Share of the samples."),
    "parameters": Measure("Parameters", "", "", ("parameters",), "", "Numbers that were learned."),
    "seconds": Measure("Training", "s", "lower", ("training_seconds",), "", "Where it was trained, of this run alone."),
    "ms": Measure(
        "Time a sample", "ms", "lower", ("ms_per_sample",), "", "One of 64 drawn together: the fastest of three."
    ),
}
"""By the names that an experiment calls them by."""

KINDS = {"log_prob": "exact", "elbo": "bound", "iwae": "bound"}
BASES = {
    "unit": "density of grey in [0, 1]",
    "signed": "density of grey in [−1, 1]",
    "dequantize": "density of dequantized grey",
    "threshold": "probability of thresholded black and white",
    "stochastic": "probability of black and white drawn from grey",
}


def suits(name: str, info: Info, data: str) -> bool:
    """Whether the data set has what the measure needs."""
    if name not in MEASURES:
        return False
    match MEASURES[name].needs:
        case "judge":
            return data in judges()
        case "plane" | "truth":
            return info.kind == "plane"
        case "modes":
            return data in ("eight-gaussians", "gaussian-grid")
        case "levels":
            return info.levels > 0
        case _:
            return True


def check(names: list[str], data: str) -> None:
    """Refuse a measure that is none, or that the data do not have.

    Raises:
        BadInput: With those that they do have.
    """
    info = DATASETS[data]
    for name in names:
        if not suits(name, info, data):
            allowed = ", ".join(one for one in MEASURES if suits(one, info, data))
            what = "is not a measure" if name not in MEASURES else f"is not a measure of {data}"
            raise BadInput(f"{quoted(name)} {what}: it may be {allowed}.")


# Cells of a table -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """A measured number, and what belongs beside it; NaN where that is not known."""

    value: float
    se: float = math.nan
    floor: float = math.nan
    floor_se: float = math.nan


def cells(measured: Mapping[str, Any]) -> dict[str, Cell]:
    """The measures that are in a table of :func:`measure`, by name."""
    named = {name: key for name, one in MEASURES.items() if (key := _key(one, measured)) is not None}
    number = lambda key: float(measured.get(key, math.nan))  # noqa: E731
    return {
        name: Cell(number(key), number(f"{key}_se"), number(f"{key}_floor"), number(f"{key}_floor_se"))
        for name, key in named.items()
    }


def _key(one: Measure, measured: Mapping[str, Any]) -> str | None:
    for key in one.keys:
        front, star, end = key.partition("*")
        if not star and key in measured:
            return key
        wild = [n for n in measured if star and n.startswith(front) and n.endswith(end)]
        if wild:
            return wild[0]
    return None


def likelihood_of(measured: Mapping[str, Any]) -> tuple[str, Cell | None, str]:
    """The kind of a model's likelihood ("exact", "bound" or "none"), its value in nats, and its base: what it is of."""
    known = cells(measured)
    name = next((name for name in KINDS if name in known), None)
    if name is None:
        return "none", None, ""
    return KINDS[name], known[name], str(measured.get("base", ""))


def _base(info: Info, inputs: str, measured: Mapping[str, Any]) -> str:
    """What a likelihood is a density or probability of; only equal ones compare."""
    if info.kind == "plane":
        return "density on the plane"
    if inputs in ("unit", "signed") and "bpd" in measured:
        return BASES["stochastic"] if info.grey else "probability of the grey levels"
    return BASES["stochastic" if info.grey and inputs == "threshold" else inputs]  # drawn already: nothing is cut


# Measuring ------------------------------------------------------------------------------------------------------------


def kept(run: Run, how: How) -> dict[str, Any] | None:
    """The stored measurements of the run as it is now, or None where there are none."""
    try:
        return read_json(_file(run, how))
    except BadInput:
        return None


def weights_of(run: Run) -> str:
    """The SHA-256 of the run's weights as they are now: what a number that outlives them was measured of."""
    path = run.folder() / "model.safetensors"
    status = path.stat()
    return _digest(str(path), status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=1024)
def _digest(path: str, *stamp: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file(run: Run, how: How) -> Any:
    stamp = (run.folder() / "model.safetensors").stat().st_mtime_ns  # other weights of the same name are another model
    what = json.dumps([asdict(how), run.said().step, stamp, __version__])
    return inside(root() / ".measured", f"{run.id[:80]}-{hashlib.sha256(what.encode()).hexdigest()[:12]}")


def measure(run: str, n: int, k: int, seed: int) -> Generator[float, None, dict[str, npt.NDArray[Any]]]:
    """Measure a run, and keep what came out. A task.

    It is computed in a thread of its own, for one draw of a diffusion model takes longer than a worker's other runs
    may wait.

    Returns:
        "done", 1; the table is what :func:`kept` reads.
    """
    one, how = store.find(run), How(n, k, seed)
    news: queue.SimpleQueue[float | BaseException | dict[str, Any]] = queue.SimpleQueue()
    ended = threading.Event()

    def tell(fraction: float, text: str) -> None:
        if ended.is_set():
            raise BadInput("Nobody wants it any more.")
        news.put(_overall(fraction, text))

    def work() -> None:
        try:
            news.put(_measured(one, how, tell))
        except BaseException as error:
            news.put(error)

    threading.Thread(target=work, daemon=True).start()
    far = 0.0
    try:
        while True:
            try:
                said = news.get(timeout=LOOKS)
            except queue.Empty:
                yield far
                continue
            if isinstance(said, BaseException):
                raise said
            if isinstance(said, dict):
                write_json(_file(one, how), said, durable=False)
                return {"done": np.array(1)}
            far = max(far, said)
            yield far
    finally:
        ended.set()


def _overall(fraction: float, text: str) -> float:
    """Likelihood, samples and distances are told of one after the other, each from 0 to 1."""
    return 0.33 * (PARTS.get(text, 0) + fraction)


def _measured(run: Run, how: How, tell: Callable[[float, str], None]) -> dict[str, Any]:
    model, data = run.model(), run.data()
    begun = time.perf_counter()
    table = evaluate.measures(model, data, n=how.n, k=how.k, seed=how.seed, progress=tell)
    seconds = time.perf_counter() - begun
    table |= {"ms_per_sample": 1000 * _seconds(model, TIMED, how.seed) / TIMED}
    table |= {"parameters": sum(p.numel() for p in model.parameters()), "training_seconds": run.said().seconds}
    base = _base(DATASETS[run.plan.data], model.inputs, table)
    return table | {"base": base, "measuring_seconds": round(seconds, 2), "digest": floors.digest(data)}


def _seconds(model: GenerativeModel, n: int, seed: int) -> float:
    """Seconds to draw ``n`` samples: the fastest of a few times, for what disturbs only adds.

    Where one thread computes, its own time, which others of the processor do not lengthen.
    """
    alone = model.device.type == "cpu" and torch.get_num_threads() == 1
    clock, spent = time.thread_time if alone else time.perf_counter, list[float]()
    model.sample(2, rng=random.generator(seed, model.device))
    for _ in range(TIMES):
        start = clock()
        model.sample(n, rng=random.generator(seed, model.device)).cpu()  # a GPU is waited for
        spent.append(clock() - start)
    return min(spent)

"""Mode collapse: what the samples reach and miss over a training, a way to make it happen, and what mends it."""

import math
from collections.abc import Mapping
from typing import Any

from genmodels import random
from genmodels.data.datasets import DATASETS, Data
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Arrays, Task, arrays
from genmodels.instruments.gan.game import coverage, reached, w1_floor
from genmodels.metrics.distances import Modes
from genmodels.metrics.floors import chosen
from genmodels.models.adversarial import Adversarial
from genmodels.runs import store
from genmodels.text import number

__all__ = ["REMEDIES", "cases", "compared", "conclusion", "count", "history"]


def history(run: str, steps: list[int], n: int = 400) -> Task:
    """The parts of the data that samples miss, at each snapshot of ``steps``, from the same noise. A task.

    Returns:
        "step", (T,). On the plane "w1" (exact), "sliced", "estimate" of a WGAN's critic and "flow" of one under a
        gradient penalty (NaN without one), (T,) each, of :func:`.game.coverage`; "floor", mean and standard deviation
        of the exact distance of data to data. Where there are modes to count (:func:`.game.reached`) "covered" and
        "close", (T,), "counts" of samples by mode (T, K) and "best", the share of the data that is close to a mode.

    Raises:
        BadInput: If the model is none of two players, or there is no judge of its pictures.
    """
    source = store.find(run)
    data = source.data()
    distances, counts, table = [], [], arrays(step=steps)
    for i, step in enumerate(steps):
        yield i / len(steps)
        model = source.model(step)
        if not isinstance(model, Adversarial):
            raise BadInput(f"Run {run} is not one of two players.")
        if not model.is_image:
            distances.append(coverage(model, data, n))
        if modes := count(model, data, n) if model.is_image else distances[-1].modes:
            counts.append(modes)
    column = lambda rows, *names: {name: [getattr(row, name) for row in rows] for name in names}  # noqa: E731
    if distances:
        table |= arrays(**column(distances, "w1", "sliced", "estimate", "flow"))
        table |= arrays(floor=w1_floor(data, n, by_class=bool(model.classes)))
    if counts:
        table |= arrays(**column(counts, "covered", "close", "counts"), best=_best(data))
    return table


def conclusion(table: Arrays, at: int, what: str) -> str:
    """How many of the modes or classes, ``what``, are covered at row ``at`` of a history, in a sentence."""
    covered, of = int(table["covered"][at]), table["counts"].shape[1]
    how_many = {0: f"None of the {of} {what} is", of: f"All {of} {what} are", 1: f"1 of {of} {what} is"}
    between, best = (number(100 * (1 - float(share))) for share in (table["close"][at], table["best"]))
    begun = f"{how_many.get(covered, f'{covered} of {of} {what} are')} covered"
    lie = "lie between them" if what == "modes" else "leave the judge unsure"
    return f"{begun}; {between} % of the samples {lie}, as {best} % of the data do."


def compared(counts: Mapping[str, Modes]) -> str:
    """How many modes or classes each of several trainings covers, in a sentence."""
    return "Covered by now: " + ", ".join(f"{name} {m.covered} of {m.of}" for name, m in counts.items()) + "."


def count(model: Adversarial, data: Data, n: int = 200) -> Modes | None:
    """Which modes or classes ``n`` samples of always the same noise reach: :func:`.game.reached`."""
    y = chosen(data.test, n, 0).y if model.classes else None
    return reached(data, model.sample(n if y is None else len(y), y=y, rng=random.generator(0, model.device)).cpu())


def _best(data: Data) -> float:
    """The share of the data themselves that is close to a mode."""
    if data.plane is not None:
        return 1 - math.exp(-(3.0**2) / 2)
    modes = reached(data, data.prepare(chosen(data.test, 1000, 0).x, "unit").cpu())
    assert modes is not None
    return modes.close


REMEDIES: dict[str, tuple[str, dict[str, Any]]] = {
    "collapse": ("gan", {"objective": "minimax", "d_steps": 1, "beta1": 0.9}),
    "3 discriminator updates": ("gan", {"objective": "minimax", "d_steps": 3, "beta1": 0.9}),
    "non-saturating, β₁ = 0.5": ("gan", {"objective": "non-saturating", "d_steps": 1, "beta1": 0.5}),
    "gradient penalty": ("wgan", {"penalty": "gp", "penalty_weight": 1.0, "n_critic": 3}),
}
"""A recipe that collapses, and what mends it: the model and its hyperparameters."""

SHARED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "planes": ({"hidden": 64, "latent_dim": 2}, {"steps": 500, "batch_size": 128, "lr": 2e-3}),
    "images": ({"hidden": 64, "latent_dim": 16}, {"steps": 1000, "batch_size": 128, "lr": 2e-3}),
}
"""What all of them share, by the kind of data: networks, batches, learning rate, steps."""


def cases(data: str, seed: int = 0) -> dict[str, dict[str, Any]]:
    """The arguments of :func:`genmodels.runs.store.create` for each of REMEDIES on the data set ``data``."""
    networks, settings = SHARED["images" if DATASETS[data].kind == "images" else "planes"]
    return {
        name: {
            "model": model,
            "data": data,
            "arguments": networks | arguments,
            "settings": {"decay": "constant", "ema": 0.0, "seed": seed} | settings,
            "title": f"{name} on {data}",
        }
        for name, (model, arguments) in REMEDIES.items()
    }

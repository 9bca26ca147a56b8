"""Whether the order matters: any law can be written in any order, but not every network learns it as easily."""

import math
from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.examples import images_only, some
from genmodels.metrics.evaluate import labels
from genmodels.models.autoregressive import ORDERS, Autoregressive
from genmodels.text import number
from genmodels.training.loop import Training
from genmodels.training.settings import Settings

__all__ = ["ROWS", "compared", "conclusion", "conclusion_of_masks", "masks"]

Array = npt.NDArray[Any]
Task = Generator[float, None, dict[str, Array]]
ROWS = 200
MOST_STEPS, HIDDEN, CHANNELS = 2000, 256, 16


def compared(model: Autoregressive, data: Data, steps: int = 300, seed: int = 0) -> Task:
    """Train a smaller copy of the network in every order that it can have, from one seed. A task.

    Args:
        model: Of images: whose network and law of a pixel.
        data: What it learns.
        steps: Of each training, 10 to 2,000.
        seed: Of weights and batches.

    Returns:
        "names" (orders,); "step" (T,) and "nats", −log p of the held-out images as the training goes, (orders, T); and
        "test", that of test images in the end, with its standard error, (orders, 2).

    Raises:
        BadInput: If ``steps`` is not allowed.
    """
    images_only(model)
    if not 10 <= steps <= MOST_STEPS:
        raise BadInput(f"steps = {steps} is not a number of steps from 10 to {MOST_STEPS}.")
    names = [name for name in ORDERS if name != "random" or model.config["network"] != "pixelcnn"]
    own = model.config
    small = {"hidden": min(HIDDEN, own["hidden"]), "channels": min(CHANNELS, own["channels"])}
    small |= {"depth": min(3, own["depth"]), "orders": 1}
    curves, test = list[list[float]](), list[list[float]]()
    for k, name in enumerate(names):
        one = model.fresh(seed, **small, order=name)
        settings = Settings(steps=steps, batch_size=64, lr=2e-3, decay="cosine", seed=seed, precision="float32")
        training, at, curve = Training(one, data, settings, device=model.device), list[int](), list[float]()
        for step in range(1, steps + 1):
            terms = training.step().terms
            if terms and "held-out loss" in terms:
                at.append(step)
                curve.append(terms["held-out loss"])
            yield (k + step / steps) / len(names)
        curves.append(curve)
        test.append(_nats(one.eval(), data))
    return {"names": np.array(names), "step": np.array(at), "nats": np.array(curves), "test": np.array(test)}


def masks(model: Autoregressive, data: Data) -> Task:
    """The cost of test images under each mask of a model of several, and under the mean of them. A task.

    Returns:
        "each", (M, 2), and "together", (2,): −log p in nats, and its standard error.
    """
    images_only(model)
    x, numbers = some(model, data, ROWS)
    n, y, table = len(x), labels(model, numbers), []
    for k in range(model.masks):
        with torch.no_grad():
            table.append(-model.each(x, y, k).flatten(1).sum(1).double())
        yield (k + 1) / model.masks
    each = torch.stack(table)
    together = math.log(model.masks) - (-each).logsumexp(0)
    error = lambda nats: torch.stack([nats.mean(-1), nats.std(-1) / math.sqrt(n)], -1).cpu().numpy()  # noqa: E731
    return {"each": error(each), "together": error(together)}


@torch.no_grad()
def _nats(model: Autoregressive, data: Data) -> list[float]:
    x, y = some(model, data, ROWS)
    nats = -model.log_prob(x, y=labels(model, y)).double()
    return [nats.mean().item(), nats.std().item() / math.sqrt(len(x))]


# What they come to -----------------------------------------------------------------------------------------------


def conclusion(trained: Mapping[str, Array]) -> str:
    """Which order costs least, and whether the next differs by more than chance would."""
    nats, error = trained["test"].T
    names, order = trained["names"], np.argsort(nats)
    if not np.isfinite(nats).all() or len(order) < 2:
        return "These trainings cannot be compared."
    best, next_, worst = order[0], order[1], order[-1]
    least, most = (number(float(nats[k])) for k in (best, worst))
    text = f"After {int(trained['step'][-1]):,} steps *{names[best]}* costs least, {least} nats an image, "
    text += f"and *{names[worst]}* most, {most}"
    apart = float(nats[next_] - nats[best]) > 2 * math.hypot(error[best], error[next_])
    return text + (
        f"; *{names[next_]}* comes next." if apart else f"; to *{names[next_]}* it is within two standard errors."
    )


def conclusion_of_masks(costs: Mapping[str, Array]) -> str:
    """The nats that the mean of the masks saves beside one of them, a sentence."""
    each, together = costs["each"][:, 0], float(costs["together"][0])
    text = f"One mask costs {number(float(each.mean()))} nats an image on average, the best {number(float(each.min()))}"
    return text + f", and all {len(each)} together {number(together)}."

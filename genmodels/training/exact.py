"""The exact state of a training: resumed from it, a training is bit for bit the one that was never interrupted."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genmodels.data.splits import FIRST
from genmodels.nn.precision import precision, unrecorded
from genmodels.training import log

if TYPE_CHECKING:
    from genmodels.training.loop import Training

__all__ = ["restore", "state"]


def state(training: "Training") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Everything that ``training`` needs to go on exactly: tensors, and numbers that are JSON."""
    tensors = {f"model/{k}": v for k, v in training.model.state_dict().items()}
    tensors |= {f"ema/{k}": v for k, v in (training.ema or {}).items()}
    for player, optimizer in training.optimizers.items():
        for i, slots in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{player}/{i}/{slot}": torch.as_tensor(v) for slot, v in slots.items()}
    tensors |= {f"pending/{k}": v for k, v in log.stacked(training.pending).items()}
    tensors |= {"rng": training.rng.get_state(), "rng/global": training.dropout.state}
    terms = list(training.pending[0]) if training.pending else []  # in their order, which tensors by name do not keep
    numbers = {"step": training.step_, "seconds": training.seconds, "lr": training.lr, "terms": terms}
    numbers |= {"precision": training.precision, "examples": training.batches.n}
    return {k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}, numbers


def restore(training: "Training", tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
    """Put ``training`` back to a :func:`state`: exactly on the kind of device that it is of, on another with new noise.

    Raises:
        KeyError: If something is missing in it; or whatever else torch says of what does not fit.
    """
    part = lambda prefix: {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}  # noqa: E731
    training.model.load_state_dict(part("model/"))
    if training.ema is not None:
        training.ema = {k: v.to(training.device) for k, v in part("ema/").items()}
    for player, optimizer in training.optimizers.items():
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in part(f"optimizer/{player}/").items():
            i, slot = key.split("/")
            slots.setdefault(int(i), {})[slot] = value
        if len({frozenset(of_weight) for of_weight in slots.values()}) > 1:
            raise KeyError(f"optimizer/{player}: of some weights it lacks what it has of others")
        optimizer.load_state_dict(optimizer.state_dict() | {"state": slots})
        _lie_like_weights(optimizer)
    wanted, model = training.settings.precision, training.model
    said = numbers.get("precision")  # a measurement that comes out otherwise today must not change what was begun
    training.dtype = precision(said, model, training.device) if said else unrecorded(wanted, model, training.device)
    all_of_them = len(training.data.train)
    said = int(numbers.get("examples", FIRST if training.data.plane is not None else all_of_them))
    if (n := min(said, all_of_them)) != training.batches.n:
        training.learn_from(n)
    training.step_ = int(numbers["step"])
    training.seconds, training.lr = float(numbers["seconds"]), float(numbers["lr"])
    if len(tensors["rng"]) == len(training.rng.get_state()):
        training.rng.set_state(tensors["rng"])
    else:  # of another kind of device, whose noise this one cannot draw: it draws noise of its own from here on
        training.rng.manual_seed(training.settings.seed + training.step_)
    if len(tensors["rng/global"]) == len(training.dropout.state):
        training.dropout.state = tensors["rng/global"]
    kept = part("pending/")
    training.pending = log.unstacked({k: kept[k].to(training.device) for k in numbers.get("terms", kept)})


def _lie_like_weights(optimizer: torch.optim.Optimizer) -> None:
    """Lay the moments out in memory as their weights are (channels last, say): a fused step pairs them as they lie."""
    for weight, slots in optimizer.state.items():
        for name, value in slots.items():
            if value.shape == weight.shape:
                slots[name] = torch.empty_like(weight, dtype=value.dtype, device=value.device).copy_(value)

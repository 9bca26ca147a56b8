"""Newest weights that were damaged, made again from the exact state or the snapshots beside them."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from genmodels.errors import BadInput
from genmodels.files import held
from genmodels.models.base import load
from genmodels.runs.folder import EXACT

__all__ = ["mend"]


def mend(folder: Path) -> bool:
    """Make the newest weights in a run's ``folder`` again: whether that could be done.

    From the exact state, with its moving average where it has one; or else from the last snapshot that can be read.
    """
    try:
        with held(folder):
            for past in _newest_first(folder):
                try:
                    model = load(past)
                except BadInput:
                    continue
                weights = _exact(folder) or model.state_dict()
                if {k: v.shape for k, v in weights.items()} == {k: v.shape for k, v in model.state_dict().items()}:
                    model.save(folder, weights=weights)
                    return True
    except OSError:  # somebody works on it and will write them; or nothing can be written here
        pass
    return False


def _newest_first(folder: Path) -> list[Path]:
    past = [path.parent for path in folder.glob("snapshots/[0-9]*/model.safetensors") if path.parent.name.isdecimal()]
    return sorted(past, key=lambda path: -int(path.name))


def _exact(folder: Path) -> dict[str, Tensor]:
    """The weights to sample from, of the exact state; none where that cannot be read."""
    try:
        with safe_open(folder / EXACT, framework="pt") as file:
            names = list(file.keys())
            start = "ema/" if any(name.startswith("ema/") for name in names) else "model/"
            return {name.removeprefix(start): file.get_tensor(name) for name in names if name.startswith(start)}
    except (SafetensorError, OSError):
        return {}

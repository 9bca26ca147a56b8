"""Data sets: pictures and densities on the plane, resident on a device as one tensor each; a batch is an index.

Pictures are kept as the bytes they are and made into what a model's loss expects by :meth:`Data.prepare`.
"""

import functools
import json
import math
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import planes, random
from genmodels.errors import BadInput

__all__ = ["DATASETS", "TRANSFORMS", "Data", "Info", "Split", "load"]


@dataclass(frozen=True)
class Info:
    """What a data set is, before it is loaded. ``extent``: a plane is drawn on [−extent, extent]²."""

    title: str
    kind: str  # "images" or "plane"
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    about: str
    levels: int = 0
    extent: float = 0.0


@dataclass(frozen=True, eq=False)
class Split:
    """Examples ``x`` and their labels ``y``: uint8 (N, C, H, W) or float32 (N, 2), and int64 (N,)."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device | str) -> "Split":
        """The same examples on ``device``."""
        return Split(self.x.to(device), self.y.to(device))


@dataclass(frozen=True, eq=False)
class Data:
    """A loaded data set. ``levels``: how many grey levels a picture's pixel has; 0 where the data are real numbers."""

    name: str
    shape: tuple[int, ...]
    levels: int
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    log_prob: Callable[[Tensor], Tensor] | None = None
    sample: Callable[..., Tensor] | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    _placed: dict[torch.device, "Data"] = field(default_factory=dict, repr=False)

    @property
    def device(self) -> torch.device:
        """Where the examples are."""
        return self.train.x.device

    def to(self, device: torch.device | str) -> "Data":
        """The same data on ``device``; asked twice, it is copied once."""
        device = torch.empty(0, device=device).device
        if device == self.device:
            return self
        if device not in self._placed:
            splits = {part: getattr(self, part).to(device) for part in ("train", "validation", "test")}
            others = (self.log_prob, self.sample, self.arguments)
            self._placed[device] = Data(
                self.name, self.shape, self.levels, self.classes, *splits.values(), *others
            )
        return self._placed[device]

    def prepare(self, x: Tensor, inputs: str, rng: torch.Generator | None = None) -> Tensor:
        """Examples as a model's loss expects them, float32: see :data:`TRANSFORMS`. Points of the plane stay as they are."""
        if inputs not in TRANSFORMS:
            raise BadInput(f"There is no transform {inputs!r}: it may be {', '.join(TRANSFORMS)}.")
        return TRANSFORMS[inputs](x, self.levels, rng) if self.levels else x


def unit(x: Tensor, levels: int, rng: torch.Generator | None = None) -> Tensor:
    """Grey levels in [0, 1]."""
    return x.float() / (levels - 1)


def threshold(x: Tensor, levels: int, rng: torch.Generator | None = None) -> Tensor:
    """Black or white: 1 where the grey is over ½."""
    return (unit(x, levels) > 0.5).float()


def stochastic(x: Tensor, levels: int, rng: torch.Generator | None = None) -> Tensor:
    """Black or white, drawn anew at every call: 1 with the grey as its probability."""
    return (random.rand(*x.shape, rng=rng, device=x.device) < unit(x, levels)).float()


def dequantize(x: Tensor, levels: int, rng: torch.Generator | None = None) -> Tensor:
    """(x + u) / levels in (0, 1), u uniform, so that a density over real numbers is meaningful."""
    margin = 2.0**-15
    u = random.rand(*x.shape, rng=rng, device=x.device).clamp(margin, 1 - margin)
    return (x + u) / levels


def signed(x: Tensor, levels: int, rng: torch.Generator | None = None) -> Tensor:
    """Grey levels in [−1, 1]."""
    return 2 * unit(x, levels) - 1


TRANSFORMS: dict[str, Callable[..., Tensor]] = {
    "unit": unit,
    "threshold": threshold,
    "stochastic": stochastic,
    "dequantize": dequantize,
    "signed": signed,
}

NUMERALS = tuple("0123456789")

DATASETS: dict[str, Info] = {
    "digits": Info(
        "Digits 8×8", "images", (1, 8, 8), NUMERALS, "1,797 handwritten digits in 17 grey levels; needs no download.", 17
    ),
    "mnist": Info("MNIST", "images", (1, 28, 28), NUMERALS, "70,000 handwritten digits.", 256),
    "eight-gaussians": Info(
        "Eight Gaussians", "plane", (2,), NUMERALS[:8], "Eight narrow Gaussians on a circle.", extent=4.0
    ),
}

_lock = threading.Lock()


def load(
    name: str,
    *,
    device: torch.device | str = "cpu",
    root: str | Path | None = None,
    progress: Callable[[float, str], None] | None = None,
    **arguments: Any,
) -> Data:
    """The data set ``name`` on ``device``, loaded once in a process and shared by all who ask."""
    if name not in DATASETS:
        raise BadInput(f"There is no data set {str(name)[:60]!r}: it may be {', '.join(DATASETS)}.")
    root = Path(root or os.environ.get("GENMODELS_DATA") or Path.home() / ".cache" / "genmodels")
    with _lock:
        return _load(name, root, json.dumps(arguments)).to(device)


@functools.lru_cache(maxsize=16)
def _load(name: str, root: Path, arguments: str) -> Data:
    match DATASETS[name].kind, name:
        case "plane", _:
            return _plane(name)
        case _, "digits":
            return _digits()
        case _:
            return _mnist(name, root)


def _plane(name: str) -> Data:
    info, plane = DATASETS[name], planes.eight_gaussians()
    rng = random.generator(0)
    splits = [Split(*plane.draw(n, rng)) for n in (10_000, 2_000, 5_000)]
    return Data(name, info.shape, 0, info.classes, *splits, plane.log_prob, plane.sample)


def _digits() -> Data:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.RandomState(0).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    place = np.arange(len(order)) % 10
    x = torch.from_numpy(images.astype(np.uint8)).view(-1, 1, 8, 8)
    y = torch.from_numpy(labels.astype(np.int64))
    parts = [order[~np.isin(place, (0, 5))], order[place == 0], order[place == 5]]
    return Data("digits", (1, 8, 8), 17, NUMERALS, *(Split(x[i], y[i]) for i in parts))


def _mnist(name: str, root: Path) -> Data:
    folder = root / "MNIST" / "raw"
    x, y = _idx(folder / "train-images-idx3-ubyte"), _idx(folder / "train-labels-idx1-ubyte").long()
    order = torch.from_numpy(np.random.RandomState(0).permutation(60_000))
    held, kept = order[:1000], order[1000:]
    test = Split(_idx(folder / "t10k-images-idx3-ubyte")[:, None], _idx(folder / "t10k-labels-idx1-ubyte").long())
    return Data(name, (1, 28, 28), 256, NUMERALS, Split(x[kept, None], y[kept]), Split(x[held, None], y[held]), test)


def _idx(path: Path) -> Tensor:
    try:
        content = path.read_bytes()
    except OSError:
        raise BadInput(f"{path} is not there: give the folder in GENMODELS_DATA, or use digits, which needs none.") from None
    sizes = [int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(content[3])]
    if len(content) - 4 - 4 * len(sizes) != math.prod(sizes):
        raise BadInput(f"{path} is damaged.")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=4 + 4 * len(sizes)).copy()).view(sizes)

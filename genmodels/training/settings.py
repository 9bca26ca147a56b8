"""Settings: how a model is trained, each declared once, and the schedule that two of them make."""

import math
from dataclasses import dataclass
from typing import Annotated, Any

from genmodels.hyperparameters import Between, Only, Switch, check

__all__ = ["Settings", "schedule"]


@dataclass(frozen=True)
class Settings:
    """How a model is trained; each declared once, here."""

    epochs: Annotated[float, Between(0.01, 10_000, "passes over the training set", log=True)] = 20.0
    steps: Annotated[int, Between(0, 100_000_000, "training steps; 0: as many as the epochs need")] = 0
    batch_size: Annotated[int, Between(1, 65_536, "examples in one batch", log=True)] = 128
    lr: Annotated[float, Between(1e-7, 1.0, "learning rate", log=True)] = 1e-3
    warmup: Annotated[int, Between(0, 1_000_000, "steps over which the learning rate rises from 0")] = 0
    decay: Annotated[str, Only(("constant", "cosine"), "how the learning rate falls to the end")] = "constant"
    ema: Annotated[float, Between(0, 0.99999, "decay of the moving average of the weights; 0: none")] = 0.0
    clip_norm: Annotated[float, Between(0, 1e6, "gradients are scaled down to this norm; 0: never")] = 0.0
    precision: Annotated[
        str, Only(("auto", "float32", "bfloat16"), "of the networks; auto: bfloat16 where it is measured to be faster")
    ] = "auto"
    compile: Annotated[bool, Switch("compile the networks first: slower to start, faster per step")] = False
    seed: Annotated[int, Between(0, 2**31 - 1, "seed of everything random")] = 0

    @classmethod
    def of(cls, values: dict[str, Any]) -> "Settings":
        """Settings from names and values given from outside.

        Raises:
            BadInput: If a name is unknown or a value not allowed.
        """
        return cls(**check(cls, values))


def schedule(settings: Settings, step: int, total: int, *, steady: bool = False) -> float:
    """The factor on the learning rate: linear warm-up, then constant (``steady``: always) or a half cosine to zero."""
    rise = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
    if steady or settings.decay == "constant":
        return rise
    return rise * 0.5 * (1 + math.cos(math.pi * min(1.0, step / total)))

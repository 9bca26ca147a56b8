"""Settings of a diffusion that are known to work."""

from typing import Any

from genmodels.models.base import Preset

__all__ = ["PRESETS"]

SMOOTH: dict[str, Any] = {"schedule": "cosine", "predict": "v"}  # learns faster than the paper's own, the default
SMALL: dict[str, Any] = {"width": 16, "depth": 1, "patch": 1}
QUICK: dict[str, Any] = {"steps": 2700, "batch_size": 64, "lr": 4e-3, "ema": 0.995}
POINTS: dict[str, Any] = {"steps": 3000, "batch_size": 512, "lr": 2e-3}

PRESETS = (
    Preset("Small digits", "digits", SMOOTH | SMALL, QUICK),
    Preset("Plane: eight Gaussians", "eight-gaussians", SMOOTH, POINTS),
    Preset("MNIST (U-Net)", "mnist", SMOOTH, {"epochs": 10, "lr": 2e-3}),
    Preset("MNIST class-conditional", "mnist", SMOOTH | {"classes": 10}, {"epochs": 10, "lr": 2e-3}),
)

"""Settings of a diffusion that are known to work."""

from typing import Any

from genmodels.models.base import Preset

__all__ = ["PRESETS"]

SMOOTH: dict[str, Any] = {"schedule": "cosine", "predict": "v"}  # learns faster than the paper's own, the default
SMALL: dict[str, Any] = {"width": 16, "depth": 1, "patch": 1}
QUICK: dict[str, Any] = {"steps": 2700, "batch_size": 64, "lr": 4e-3, "ema": 0.995}
POINTS: dict[str, Any] = {"steps": 3000, "batch_size": 512, "lr": 2e-3}
SCORES: dict[str, Any] = {"schedule": "drawn", "knots": (6.0, -2.0), "T": 100, "predict": "score", "weighting": "noise"}
"""NCSN's: noise in geometric steps, here from 1/20 to e, the score itself said, and λ(σ) = σ²."""
BITS: dict[str, Any] = {"schedule": "learned", "weighting": "bound", "variance": "posterior"}
"""Variational diffusion's."""
REPORT: dict[str, Any] = {"T": 1000, "schedule": "linear", "predict": "eps", "levels": 4, "patch": 1}
"""What a report of the sources says of its DDPM: 1,000 steps, a linear schedule, a U-Net of four down- and upscalings,
100 epochs. It does not say how wide the U-Net is: that is ours. And it adds uniform noise within a grey level to its
pictures, which nothing here does: a 256th of the range."""

PRESETS = (
    Preset("Small digits", "digits", SMOOTH | SMALL, QUICK),
    Preset("Plane: eight Gaussians", "eight-gaussians", SMOOTH, POINTS),
    Preset("MNIST (U-Net)", "mnist", SMOOTH, {"epochs": 10, "lr": 2e-3}),
    Preset("MNIST class-conditional", "mnist", SMOOTH | {"classes": 10}, {"epochs": 10, "lr": 2e-3}),
    Preset("Plane: scores (NCSN)", "eight-gaussians", SCORES, POINTS),
    Preset("Small digits: variational", "digits", BITS | SMALL | {"fourier": 4}, QUICK),
    Preset("MNIST: variational", "mnist", BITS | {"fourier": 8}, {"epochs": 60, "lr": 1e-3, "ema": 0.9995}),
    Preset("MNIST: as in a report", "mnist", REPORT, {"epochs": 100, "decay": "constant", "warmup": 0, "ema": 0.0}),
)

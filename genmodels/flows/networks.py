"""The networks inside a coupling: from the half that stays, and a label, to what moves the other half."""

import torch
from torch import Tensor, nn

from genmodels.nn.layers import MLP, silent

__all__ = ["Convolutions", "Perceptron"]


class Perceptron(nn.Module):
    """``depth`` hidden layers of (B, inputs) → (B, outputs), 0 at first; a label is added to the first layer."""

    def __init__(self, inputs: int, outputs: int, *, hidden: int, depth: int, classes: int = 0) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, hidden)
        self.rest = nn.Sequential(nn.ReLU(), *MLP(*[hidden] * depth, outputs))
        silent(self.rest[-1])
        self.labels = nn.Parameter(torch.randn(classes, hidden)) if classes else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The parameters of the other half's transform, (B, outputs)."""
        h = self.first(x)
        if self.labels is not None:
            h = h + self.labels[y].to(h.dtype)
        return self.rest(h)


class Convolutions(nn.Module):
    """A small residual network of images (B, inputs, H, W) → (B, outputs, H, W), 0 at first: ``depth`` residual blocks.

    Without normalization: the map that a coupling makes must not depend on what else is in the batch.
    """

    def __init__(self, inputs: int, outputs: int, *, hidden: int, depth: int, classes: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, hidden, 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.Conv2d(hidden, hidden, 3, padding=1), nn.ReLU(), nn.Conv2d(hidden, hidden, 1))
            for _ in range(depth)
        )
        self.last = silent(nn.Conv2d(hidden, outputs, 3, padding=1))
        self.labels = nn.Parameter(torch.randn(classes, hidden)) if classes else None

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The parameters of the other half's transform, (B, outputs, H, W)."""
        h = self.first(x)
        if self.labels is not None:
            h = h + self.labels[y].to(h.dtype)[:, :, None, None]
        for block in self.blocks:
            h = h + block(h)
        return self.last(torch.relu(h))

"""The checkpoints that ship with the library, as films of how they learned. Without torch: a first page shows them."""

import functools
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from genmodels.errors import BadInput
from genmodels.files import CHECKPOINTS
from genmodels.images import Sprite, sprite, tile
from genmodels.runs.folder import Folder
from genmodels.runs.record import Plan, State

__all__ = ["CHECKPOINTS", "FIRST", "Piece", "pieces"]

FIRST = (
    "vae-mnist-2d",
    "ppca-mnist",
    "mixture-mnist",
    "autoencoder-mnist",
    "ladder-mnist",
    "vqvae-mnist",
    "gan-mnist",
    "wgan-mnist-gp",
    "bigan-mnist",
    "ddpm-mnist",
    "flow-mnist",
    "autoregressive-mnist-pixelcnn",
)
"""What a first page shows: every family on the same digits."""

FRAMES, IMAGES, QUALITY = 30, 16, 70  # of a film; in a frame; of its JPEG


@dataclass(frozen=True)
class Piece:
    """A checkpoint: what it drew from the same noise at each moment of its film, and at the end.

    Attributes:
        name: Its folder.
        model: A name of MODELS.
        data: A name of DATASETS.
        seconds: How long it was trained.
        steps: Of these moments, rising; the last is the end of the training.
        samples: What it drew at each, shape (T, N, ...): images in [0, 1], or points of the plane.
    """

    name: str
    model: str
    data: str
    seconds: float
    steps: tuple[int, ...]
    samples: npt.NDArray[np.float32]

    @property
    def is_image(self) -> bool:
        """Whether the samples are images."""
        return self.samples.ndim == 5

    @functools.cached_property
    def shown(self) -> list[int]:
        """The indices of the moments in its film: few enough to be sent at once."""
        n = len(self.steps)
        return sorted({round(i) for i in np.linspace(0, n - 1, min(n, FRAMES)).tolist()})

    @functools.cached_property
    def film(self) -> Sprite:
        """The first images at each of these moments: drawn once for all visitors."""
        frames = [tile(self.samples[i][:IMAGES])[..., :3].transpose(2, 0, 1) for i in self.shown]
        return sprite(np.stack(frames), quality=QUALITY)


def pieces(folder: Path = CHECKPOINTS) -> tuple[Piece, ...]:
    """The checkpoints in ``folder``: first those of :data:`FIRST`, then images, the largest of them before all."""
    known = [piece for path in sorted(folder.glob("*/run.json")) if (piece := _piece(path.parent)) is not None]
    return tuple(sorted(known, key=lambda piece: (piece.name not in FIRST, -piece.samples[0, 0].size)))


@functools.cache
def _piece(path: Path) -> Piece | None:
    folder = Folder(path)
    with suppress(BadInput):
        plan, state = Plan.read(path), State.read(path)
        film = {step: x for step in folder.frames() if (x := folder.samples(step)) is not None}
        if film:
            return Piece(path.name, plan.model, plan.data, state.seconds, tuple(film), np.stack([*film.values()]))
    return None

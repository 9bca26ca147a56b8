"""Noise: normal and uniform numbers of a training and of a sample, from a generator that the caller hands over.

Randomness is an argument, so that the same seed on the same device gives the same samples, bit for bit. Torch is asked
directly, with such a generator too, for orders and choices of examples, for an index by its weight and a point in a
cell of a grid; and without one, from its global stream, for initial weights.

The first dimension of a draw is always the batch. When one model is trained by several processes, each holds some
rows of the global batch: a :class:`Rows` generator then draws for all rows and returns this process's own, so that
N processes see exactly the noise that one process would have seen.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

__all__ = ["GlobalStream", "Rows", "generator", "rand", "randint", "randn"]


class Rows(torch.Generator):
    """A generator whose draws are shared out: process ``rank`` of ``world`` gets its rows of each of them."""

    rank: int = 0
    world: int = 1


def generator(seed: int, device: torch.device | str = "cpu", *, rank: int = 0, world: int = 1) -> torch.Generator:
    """A generator on ``device`` seeded with ``seed``, for process ``rank`` of ``world``."""
    rng = Rows(device=device) if world > 1 else torch.Generator(device=device)
    if isinstance(rng, Rows):
        rng.rank, rng.world = rank, world
    return rng.manual_seed(seed)


class GlobalStream:
    """A global stream of one's own: within :meth:`in_use` layers that cannot be handed a generator draw from it.

    So is dropout: several trainings in one process must not share the stream of their device.

    Attributes:
        state: Where the stream is; it can be saved and set.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device, self.state = device, generator(seed, device).get_state()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """The device's global stream is this one, from where it was left; afterwards it is again what it was."""
        is_gpu = self.device.type == "cuda"
        stream = torch.cuda.default_generators[self.device.index] if is_gpu else torch.default_generator
        outside = stream.get_state()
        stream.set_state(self.state)
        try:
            yield
        finally:
            self.state = stream.get_state()
            stream.set_state(outside)


def randn(*size: int, rng: torch.Generator | None = None, device: torch.device | str | None = None) -> Tensor:
    """Standard normal noise, shape ``size``, on the generator's device (or ``device``, where there is none)."""
    return _own(torch.randn(_all(size, rng), generator=rng, device=_where(rng, device)), rng)


def rand(*size: int, rng: torch.Generator | None = None, device: torch.device | str | None = None) -> Tensor:
    """Uniform noise on [0, 1), shape ``size``."""
    return _own(torch.rand(_all(size, rng), generator=rng, device=_where(rng, device)), rng)


def randint(
    low: int, high: int, *size: int, rng: torch.Generator | None = None, device: torch.device | str | None = None
) -> Tensor:
    """Uniform whole numbers in [low, high), shape ``size``, int64."""
    return _own(torch.randint(low, high, _all(size, rng), generator=rng, device=_where(rng, device)), rng)


def _where(rng: torch.Generator | None, device: torch.device | str | None) -> torch.device | str | None:
    return device if rng is None else rng.device


def _all(size: tuple[int, ...], rng: torch.Generator | None) -> tuple[int, ...]:
    return (size[0] * rng.world, *size[1:]) if isinstance(rng, Rows) else size


def _own(noise: Tensor, rng: torch.Generator | None) -> Tensor:
    return noise.chunk(rng.world)[rng.rank] if isinstance(rng, Rows) else noise

"""Noise: every random number of the library is drawn here, from a generator that the caller hands over.

Randomness is an argument, so that the same seed on the same device gives the same samples, bit for bit.

The first dimension of a draw is always the batch. When one model is trained by several processes, each holds some
rows of the global batch: a :class:`Rows` generator then draws for all rows and returns this process's own, so that
N processes see exactly the noise that one process would have seen.
"""

import torch
from torch import Tensor

__all__ = ["Rows", "generator", "rand", "randint", "randn"]


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

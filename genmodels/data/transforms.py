"""What a model's loss may expect of a picture: each transform makes bytes, 0 … levels - 1, float32 in its own range."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from genmodels import random

__all__ = ["TRANSFORMS", "binarized", "black_or_white", "dequantize", "signed", "stochastic", "threshold", "unit"]


def unit(x: Tensor, levels: int, rng: torch.Generator | None = None) -> Tensor:
    """Grey in [0, 1]."""
    return x.float() / (levels - 1)


def threshold(x: Tensor, levels: int, rng: torch.Generator | None = None) -> Tensor:
    """Black or white: 1 where the grey is over ½."""
    return (x > (levels - 1) // 2).float()


def stochastic(x: Tensor, levels: int, rng: torch.Generator | None = None) -> Tensor:
    """Black or white, drawn anew at every call: 1 with the grey as its probability."""
    return (random.rand(*x.shape, rng=rng, device=x.device) < unit(x, levels)).float()


def black_or_white(x: Tensor, levels: int, rng: torch.Generator | None = None) -> Tensor:
    """The bytes of :func:`stochastic`: 0 or levels - 1. What is black or white already stays so."""
    return (levels - 1) * stochastic(x, levels, rng).to(x.dtype)


def binarized(x: Tensor, levels: int, seed: Sequence[int]) -> Tensor:
    """Bytes 0 or 1, each 1 with the grey (to 2⁻¹⁶) as its probability: the same on every machine, and with every torch.

    A pixel takes the next 16 bits of the stream of PCG64, which NumPy promises never to change.
    """
    bits, parts = np.random.PCG64(list(seed)), list[Tensor]()
    for some in x.split(1000):
        u = bits.random_raw(-(-some.numel() // 4)).astype("<u8").view("<u2")[: some.numel()].reshape(some.shape)
        white = u.astype(np.uint32) * (levels - 1) < some.numpy().astype(np.uint32) << 16
        parts.append(torch.from_numpy(white.astype(np.uint8)))
    return torch.cat(parts)


def dequantize(x: Tensor, levels: int, rng: torch.Generator | None = None) -> Tensor:
    """(x + u) / levels in (0, 1), u uniform on [0, 1): real numbers whose density bounds the pictures' probability.

    u keeps 2⁻¹⁵ from 0 and 1, because in single precision 255 + (1 - 2⁻²⁴) is 256: so ⌊levels · result⌋ is x, always.
    """
    u = random.rand(*x.shape, rng=rng, device=x.device).clamp_(2**-15, 1 - 2**-15)
    return (x + u) / levels


def signed(x: Tensor, levels: int, rng: torch.Generator | None = None) -> Tensor:
    """Grey in [-1, 1]."""
    return 2 * unit(x, levels) - 1


TRANSFORMS: dict[str, Callable[[Tensor, int, torch.Generator | None], Tensor]] = {
    one.__name__: one for one in (unit, threshold, stochastic, dequantize, signed)
}

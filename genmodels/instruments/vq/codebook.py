"""The codebook of a VQ-VAE: what each code stands for, how often it occurs, and how many codes are needed."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from genmodels.data.datasets import DATASETS, Data
from genmodels.instruments.arrays import Arrays, Task, arrays
from genmodels.instruments.examples import images_only, points_only, some
from genmodels.instruments.plane import cells as middles
from genmodels.models.vq.codebook import perplexity
from genmodels.models.vq.model import VQVAE
from genmodels.text import number

__all__ = [
    "codes_of",
    "conclusion",
    "conclusion_of_fewer",
    "fewer",
    "kept",
    "patches",
    "voronoi",
]

SHOWN = 8  # pictures, each restored with fewer and fewer codes


@torch.no_grad()
def codes_of(model: VQVAE, x: Tensor) -> Tensor:
    r"""The codes of many examples, (N, \*map), in pieces of bounded memory."""
    return torch.cat([model.codes(part) for part in x.split(250)])


@torch.no_grad()
def patches(model: VQVAE, data: Data, n: int = 500) -> Task:
    """Pictures of each code: decoded, and the data under it. A task.

    A place of the map covers a square of S × S pixels, S = 2^depth; both networks also look at what is around it.

    Returns:
        "share" (K,), how often each code occurs among those of ``n`` test pictures, and their "perplexity"; "decoded"
        (K, C, S, S), the middle square of a picture that has this code everywhere; "mean" (K, C, S, S), the mean of
        what stands under the code in those pictures, 0 of one that does not occur.
    """
    images_only(model)
    x = some(model, data, min(n, len(data.test)))[0]
    codes = codes_of(model, x)
    yield 0.3
    (height, width), side, k = model.map, 2 ** model.config["depth"], len(model.codebook.vectors)
    padded = F.pad(x, (0, width * side - x.shape[3], 0, height * side - x.shape[2]))
    squares = padded.unflatten(3, (width, side)).unflatten(2, (height, side))  # (N, C, H, S, W, S)
    flat = squares.permute(0, 2, 4, 1, 3, 5).flatten(0, 2).flatten(1)
    total = flat.new_zeros(k, flat.shape[1]).index_add_(0, codes.flatten(), flat)
    share = model.codebook.shares(codes)
    mean = total / (share * codes.numel()).clamp_min(1).unsqueeze(1)
    yield 0.6
    everywhere = torch.arange(k, device=model.device).view(-1, 1, 1).expand(-1, height, width)
    top, left = (height - 1) // 2 * side, (width - 1) // 2 * side
    decoded = torch.cat([model.shown(part)[..., top : top + side, left : left + side] for part in everywhere.split(64)])
    square = mean.unflatten(1, (x.shape[1], side, side))
    return arrays(share=share, perplexity=perplexity(share), decoded=decoded.clamp(0, 1), mean=square)


@torch.no_grad()
def voronoi(model: VQVAE, data: Data, side: int = 120, n: int = 1000) -> Arrays:
    """Which code each place of the plane has.

    Returns:
        "border" (side, side), x₂ by rows, rising: 1 where a neighbouring cell has another code, else 0; "extent", left
        to top; "means" (K, 2), what the codes stand for; "vectors" (K, L) and "z" (n, L), the codebook and ``n`` test
        points where they are encoded; "share" and "perplexity" of their codes.
    """
    points_only(model)
    half = DATASETS[data.name].extent
    codes = codes_of(model, middles(half, side).to(model.device)).view(side, side)
    across, along = codes[:, 1:] != codes[:, :-1], codes[1:] != codes[:-1]
    border = F.pad(across, (0, 1)) | F.pad(along, (0, 0, 0, 1))
    x = some(model, data, min(n, len(data.test)))[0]
    share = model.codebook.shares(codes_of(model, x))
    every = torch.arange(len(share), device=model.device)
    return arrays(
        border=border.float(),
        extent=[-half, half] * 2,
        means=model.shown(every),
        vectors=model.codebook.vectors,
        z=model.encoded(x),
        share=share,
        perplexity=perplexity(share),
    )


def conclusion(book: Arrays) -> str:
    """How much of the codebook is in use, a sentence; of what any of these return."""
    share, even = book["share"], float(book["perplexity"])
    if not math.isfinite(even):
        return "The shares of the codes are not numbers here: there is nothing to conclude."
    count, k = int((share > 0).sum()), len(share)
    if count == 1:
        return f"One code of {k} stands for everything: the codebook has collapsed."
    return (
        f"{count} of {k} codes occur, as uncertain as {number(even)} codes would be that occur as often as each other."
    )


# Fewer codes ----------------------------------------------------------------------------------------------------------


def kept(k: int) -> list[int]:
    """1, 2, 4, … and K itself.

    >>> kept(6)
    [1, 2, 4, 6]
    """
    return [2**i for i in range(k.bit_length()) if 2**i < k] + [k]


@torch.no_grad()
def fewer(model: VQVAE, data: Data, n: int = 200) -> Task:
    r"""The reconstruction error of ``n`` test examples when only the K′ most frequent codes are left. A task.

    Nothing is learned again: each place takes the nearest of the vectors that are left.

    Returns:
        "kept" (J,), the K′; "squared" (J,), the mean squared error a dimension; "bits" (J,), what the codes of an
        example cost without a prior, places · log₂ K′; "x" (SHOWN, J + 1, \*shape), some examples, and each restored
        with 1, 2, 4, … K codes.
    """
    x = some(model, data, min(n, len(data.test)))[0]
    z = torch.cat([model.encoded(part) for part in x.split(250)])
    order = model.codebook.shares(model.codebook.nearest(z)).argsort(descending=True, stable=True)
    counts = kept(len(order))
    errors, shown = list[float](), [x[:SHOWN]]
    for count in counts:
        yield len(errors) / len(counts)
        left = order[:count]
        vectors = model.codebook.vectors[left]
        codes = left[torch.cdist(z.flatten(0, -2), vectors).argmin(1)].view(z.shape[:-1])
        back = torch.cat([model.shown(part) for part in codes.split(250)])
        errors.append((back - x).square().mean().item())
        shown.append(back[:SHOWN])
    bits = [math.prod(model.map) * math.log2(count) for count in counts]
    return arrays(kept=counts, squared=errors, bits=bits, x=torch.stack(shown, 1))


def conclusion_of_fewer(errors: Arrays) -> str:
    """How many codes come near to all of them, a sentence; of what :func:`fewer` returns."""
    squared, counts = errors["squared"], errors["kept"]
    if not np.isfinite(squared).all():
        return "The error is not a number here: there is nothing to conclude."
    enough = int(counts[squared <= 1.1 * squared[-1]][0])
    rest = f"with one it is {number(float(squared[0] / squared[-1]), 2)} times as large"
    restore = f"restore{'s' if enough == 1 else ''} to within 10 % of the error of all"
    return f"{enough} of {counts[-1]} codes {restore}; {rest}."

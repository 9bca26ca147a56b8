"""Which bijections in which order: RealNVP, Glow and spline flows are arguments of one function."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from torch import nn

from genmodels.errors import BadInput
from genmodels.flows.bijections import (
    ActNorm,
    Bijection,
    Chain,
    Coupling,
    Flatten,
    Linear,
    MultiScale,
    Permutation,
    Squeeze,
    halves_of,
)
from genmodels.flows.couplings import Affine, Transform
from genmodels.flows.images import Centred, Logit
from genmodels.flows.networks import Convolutions, Perceptron
from genmodels.flows.splines import Spline
from genmodels.hyperparameters import IMAGES, Between, Only, Switch, Where

__all__ = ["bijection"]

MASKS = ("checkerboard", "channel", "both")
MOST, WIDEST = 1 << 16, 4096  # numbers of an image that a perceptron takes, and channels of the coarsest scale
CHECKERED, IN_ROWS = (0, 3, 1, 2), (0, 1, 2, 3)  # the corners of each square of 2×2 pixels, half by half
SPLINES = Where(lambda coupling: coupling == "spline")
SCALED = Where(lambda network, kind: network == "conv" and kind == "images")


def bijection(
    shape: tuple[int, ...],
    *,
    classes: int = 0,
    coupling: Annotated[str, Only(("affine", "spline"), "how numbers are moved: x e^s + t, or a spline")] = "affine",
    couplings: Annotated[int, Between(1, 64, "couplings; of network = conv: at each scale", log=True)] = 8,
    hidden: Annotated[int, Between(8, 1024, "units, or channels, of a coupling's network", log=True)] = 64,
    depth: Annotated[int, Between(1, 6, "hidden layers of it; of conv: residual blocks")] = 2,
    bins: Annotated[int, Between(2, 128, "bins of a spline", log=True), SPLINES] = 16,
    bound: Annotated[float, Between(0.5, 50, "splines move what is in ± bound", log=True), SPLINES] = 4.0,
    mixing: Annotated[str, Only(("swap", "lu"), "between couplings: the halves swap, or a learned matrix")] = "swap",
    actnorm: Annotated[bool, Switch("stretch and shift each channel before each coupling")] = False,
    network: Annotated[str, Only(("mlp", "conv"), "of the couplings; conv: images only"), IMAGES] = "mlp",
    mask: Annotated[str, Only(MASKS, "which pixels move given the others; both: one, then the other"), IMAGES] = "both",
    scales: Annotated[int, Between(1, 6, "each halves the image, and half of it is done"), SCALED] = 2,
    pixels: Annotated[str, Only(("logit", "linear"), "what becomes of pixels in [0, 1] first"), IMAGES] = "logit",
) -> Chain:
    r"""The map f from data (B, \*shape) to z (B, D).

    RealNVP (Dinh et al. 2017) is affine and swaps; Glow (Kingma & Dhariwal 2018) has actnorm and mixing = lu; a neural
    spline flow (Durkan et al. 2019) coupling = spline.

    Raises:
        BadInput: If the shape does not go with the rest.
    """
    size = math.prod(shape)
    if network == "mlp" and size > MOST:
        raise BadInput(f"network = mlp takes images of at most {MOST:,} numbers, not {size:,}: use conv.")
    if size < 2:
        raise BadInput(f"Data of shape {list(shape)} are one number: every mask would leave nothing to condition on.")
    layers = Layers(coupling, hidden, depth, bins, bound, mixing, actnorm, network == "conv", classes)
    if len(shape) == 1:
        if network == "conv":
            raise BadInput("network = conv is for images: points of the plane take mlp.")
        return Chain(list(layers.steps(size, couplings)))
    first = Logit() if pixels == "logit" else Centred()
    if network == "conv":
        return Chain([first, multi_scale(layers, shape, couplings, scales, mask)])
    return Chain([first, Flatten(shape), *flat(layers, shape, couplings, mask)])


@dataclass(frozen=True)
class Layers:
    """How the layers of a flow are made."""

    coupling: str
    hidden: int
    depth: int
    bins: int
    bound: float
    mixing: str
    actnorm: bool
    convolutional: bool
    classes: int

    def steps(self, channels: int, n: int) -> Iterator[Bijection]:
        """``n`` couplings of the halves of the channels, with what lies between them."""
        for k in range(n):
            if self.actnorm:
                yield ActNorm(channels)
            if self.mixing == "lu":
                yield Linear(channels)  # whose permutation swaps the halves
            moves, transform = 0 if self.mixing == "lu" else k % 2, self.transform()
            sizes = halves_of(channels)
            yield Coupling(self.net(sizes[1 - moves], transform.parameters * sizes[moves]), channels, moves, transform)

    def transform(self) -> Transform:
        """The transform by which a coupling moves the numbers of a half."""
        dim = -3 if self.convolutional else -1
        return Spline(self.bins, self.bound, dim) if self.coupling == "spline" else Affine(dim, reach=2.0)

    def net(self, inputs: int, outputs: int) -> nn.Module:
        """The network of a coupling."""
        made = Convolutions if self.convolutional else Perceptron
        return made(inputs, outputs, hidden=self.hidden, depth=self.depth, classes=self.classes)


def flat(layers: Layers, shape: tuple[int, ...], couplings: int, mask: str) -> Iterator[Bijection]:
    """Couplings of rows of pixels: the squares of a checkerboard, or the upper half and the lower."""
    _, height, width = shape
    black = [i for i in range(math.prod(shape)) if (i // width % height + i % width) % 2 == 0]
    order = black + sorted(set(range(math.prod(shape))) - set(black))
    checkered = couplings if mask == "checkerboard" else (couplings + 1) // 2 if mask == "both" else 0
    if checkered:
        yield Permutation(order)
        yield from layers.steps(len(order), checkered)
    if checkered and checkered < couplings:
        yield Permutation(sorted(range(len(order)), key=order.__getitem__))
    yield from layers.steps(len(order), couplings - checkered)


def multi_scale(layers: Layers, shape: tuple[int, ...], couplings: int, scales: int, mask: str) -> MultiScale:
    """A multi-scale flow: squeeze, couplings, half of the channels split off; repeated.

    Raises:
        BadInput: If the image cannot be halved so often, or has too many channels then.
    """
    channels, height, width = shape
    if height % 2**scales or width % 2**scales:
        raise BadInput(
            f"scales = {scales} halve an image so often, and {height}×{width} pixels do not allow it: fewer scales, or "
            "network = mlp."
        )
    if channels * 2 ** (scales + 1) > WIDEST:
        raise BadInput(f"scales = {scales} of {channels} channels end in more than {WIDEST:,} of them: fewer scales.")
    levels, shapes = list[Bijection](), list[tuple[int, int, int]]()
    for _ in range(scales):
        shapes.append((4 * channels, height := height // 2, width := width // 2))
        checkered = couplings if mask == "checkerboard" else (couplings + 1) // 2 if mask == "both" else 0
        parts: list[Bijection] = [Squeeze(CHECKERED if checkered else IN_ROWS)]
        parts += layers.steps(4 * channels, checkered)
        if checkered and checkered < couplings:
            parts.append(Permutation([CHECKERED.index(i) * channels + c for i in range(4) for c in range(channels)]))
        parts += layers.steps(4 * channels, couplings - checkered)
        levels.append(Chain(parts))
        channels *= 2
    return MultiScale(levels, shapes)

"""Data sets: pictures and densities on the plane, resident on a device as one tensor each; a batch is an index.

Pictures are kept as the bytes they are; :meth:`Data.prepare` makes a batch of them what a model's loss expects.
"""

import functools
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data import digits, mnist, planes
from genmodels.data.splits import FIRST, LOCK, Later, Missing, Split
from genmodels.data.transforms import TRANSFORMS, binarized, black_or_white
from genmodels.errors import BadInput
from genmodels.files import cache
from genmodels.text import quoted

__all__ = ["DATASETS", "ELSEWHERE", "TRANSFORMS", "Data", "Info", "Split", "checked", "drawing", "home", "info", "load"]


@dataclass(frozen=True)
class Info:
    """The description of a data set, known before it is loaded.

    Attributes:
        title: Its name for people.
        kind: "images" or "plane".
        shape: Of one example: (C, H, W) or (2,).
        classes: The names of its labels, none where it has no labels (or where they depend on its arguments).
        about: One sentence.
        levels: Grey levels of a pixel; 0 on the plane.
        extent: A plane is shown whole on [-extent, extent]²; 0 for images.
        folder: Where its files are downloaded to, in torchvision's layout; "" where it needs no download.
        grey: The data set of whose grey pictures these are drawn in black and white; "" where they are kept.
    """

    title: str
    kind: str
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    about: str
    levels: int = 0
    extent: float = 0.0
    folder: str = ""
    grey: str = ""


def _of_plane(name: str, title: str, about: str) -> Info:
    plane = planes.PLANES[name]()
    return Info(title, "plane", (2,), () if name == "drawing" else plane.classes, about, extent=plane.extent)


def _like_mnist(title: str, classes: Sequence[str], about: str, folder: str = "") -> Info:
    about = f"{about}, 28×28 pixels{'; downloaded when first asked for' if folder else ''}."
    return Info(title, "images", (1, 28, 28), tuple(classes), about, 256, folder=folder)


def _drawn(name: str, of: Info) -> Info:
    about = f"{of.title} in black and white: every epoch draws each pixel anew, white as probably as it is bright; "
    about += "validation and test pictures are drawn once, from a fixed seed."
    return replace(of, title=f"{of.title}, drawn anew", about=about, grey=name)


def _drawn_once(name: str, of: Info) -> Info:
    about = f"{of.title} in black and white: each pixel drawn once, seed 0, white as probably as it is bright. Not the "
    about += "file of Larochelle & Murray, on which most papers' numbers are, but another draw of its kind."
    return replace(of, title=f"{of.title}, drawn once", about=about, levels=2, grey=name)


_NUMERALS = tuple("0123456789")
_GARMENTS = ("T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
_KANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")

_MNIST = _like_mnist("MNIST", _NUMERALS, "70,000 handwritten digits")
_SMALL = Info(
    "Digits 8×8", "images", (1, 8, 8), _NUMERALS, "1,797 handwritten digits, 8×8 pixels: small and quick.", 17
)

DATASETS: dict[str, Info] = {
    "mnist": _MNIST,
    "digits": _SMALL,
    "fashion-mnist": _like_mnist("Fashion-MNIST", _GARMENTS, "70,000 garments", "FashionMNIST"),
    "kmnist": _like_mnist("Kuzushiji-MNIST", _KANA, "70,000 characters of old Japanese", "KMNIST"),
    "mnist-dynamic": _drawn("mnist", _MNIST),
    "digits-dynamic": _drawn("digits", _SMALL),
    "mnist-static": _drawn_once("mnist", _MNIST),
    "eight-gaussians": _of_plane("eight-gaussians", "Eight Gaussians", "Eight narrow Gaussians on a circle."),
    "gaussian-grid": _of_plane("gaussian-grid", "25 Gaussians", "A 5×5 grid of narrow Gaussians, nothing between."),
    "ring": _of_plane("ring", "Ring", "A noisy circle: one connected mode with a hole."),
    "two-moons": _of_plane("two-moons", "Two moons", "Two half circles, each reaching into the other."),
    "swiss-roll": _of_plane("swiss-roll", "Swiss roll", "A noisy spiral: one line, rolled up."),
    "pinwheel": _of_plane("pinwheel", "Pinwheel", "Five Gaussian arms, twisted around the centre."),
    "checkerboard": _of_plane("checkerboard", "Checkerboard", "Uniform on eight squares: every edge is a jump."),
    "drawing": _of_plane("drawing", "Your drawing", "What you draw, inked as a density; a heart until then."),
}

PARTS = ("train", "validation", "test")
ELSEWHERE = "elsewhere"
"""Data of which nothing is here: what a model that comes from another library has learned from."""


def info(name: str) -> Info:
    """The description of a run's data set ``name``: one of :data:`DATASETS`, or :data:`ELSEWHERE`."""
    unknown = Info("Data from elsewhere", "images", (), (), "Nothing says what it learned from.", 256)
    return unknown if name == ELSEWHERE else DATASETS[name]


# A loaded data set ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Data:
    """A data set, resident on one device.

    Attributes:
        name: Its key in :data:`DATASETS`.
        shape: Of one example: (C, H, W) or (2,).
        levels: Grey levels: a pixel is 0 … levels - 1. 0 where the data are real numbers.
        classes: The names of the labels; where there are none every y is 0.
        train: What a model learns from.
        validation: What it is watched on while it learns.
        test: What it is judged on.
        log_prob: Its true log-density, nats, from points (N, 2) to (N,), where that is known.
        plane: The distribution itself, where that is known: draw more of it, or ask for its modes.
        arguments: ``load(name, arguments)`` makes the same data again; JSON.
        is_drawn: Whether a picture that is kept says how probable white is, pixel by pixel, and :meth:`prepare` draws
            it in black and white. Of one that is black and white it draws the same (validation and test sets are).
    """

    name: str
    shape: tuple[int, ...]
    levels: int
    classes: tuple[str, ...]
    train: Split
    validation: Split
    test: Split
    log_prob: Callable[[Tensor], Tensor] | None = None
    plane: planes.Plane | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    is_drawn: bool = False
    _elsewhere: dict[torch.device, "Data"] = field(init=False, repr=False, default_factory=dict)

    @property
    def shades(self) -> int:
        """Grey levels that a picture has as it is prepared: two of all its ``levels`` where it is drawn."""
        return 2 if self.is_drawn else self.levels

    @property
    def device(self) -> torch.device:
        """The device that holds the examples."""
        return self.test.x.device

    def to(self, device: torch.device | str) -> "Data":
        """These data on ``device``, copied there once, however often they are asked for."""
        device = torch.empty(0, device=device).device  # "cuda" is "cuda:0"
        if device == self.device:
            return self
        with LOCK:
            if device not in self._elsewhere:
                splits = {name: getattr(self, name).to(device) for name in PARTS}
                there = replace(self, **splits)
                there._elsewhere[self.device] = self
                self._elsewhere[device] = there
            return self._elsewhere[device]

    def prepare(self, x: Tensor, inputs: str, rng: torch.Generator | None = None) -> Tensor:
        """Examples as a model's loss expects them, float32, shape of ``x``. Points of the plane stay as they are.

        Args:
            x: Examples of this data set, as they are kept.
            inputs: A name of :data:`TRANSFORMS`.
            rng: The source of its noise, where it has some. Pictures that are drawn are always the same without it.

        Raises:
            BadInput: If there is no such transform.
        """
        if inputs not in TRANSFORMS:
            raise BadInput(f"There is no transform {quoted(inputs)}: it may be {', '.join(TRANSFORMS)}.")
        x = black_or_white(x, self.levels, rng or random.generator(0, x.device)) if self.is_drawn else x
        return TRANSFORMS[inputs](x, self.levels, rng) if self.levels else x

    def bits_per_dim(self, nll_nats: Tensor) -> Tensor:
        r"""Bits per dimension of the discrete data, from −log p, nats, of their "dequantize" transform; any shape.

        .. math:: \mathrm{bpd} = -\frac{\log p}{D \log 2} + \log_2 \mathrm{levels}

        Theis et al. (2016), A note on the evaluation of generative models, section 3.1,
        https://arxiv.org/abs/1511.01844: a bound on the average.

        Raises:
            ValueError: If the data are real numbers, of which there are no bits.
        """
        if not self.levels:
            raise ValueError(f"{self.name} has no grey levels, so there are no bits per dimension of it.")
        return nll_nats / (math.prod(self.shape) * math.log(2)) + math.log2(self.levels)


# Loading ----------------------------------------------------------------------------------------------------------


def load(
    name: str,
    arguments: Mapping[str, Any] | None = None,
    *,
    device: torch.device | str = "cpu",
    root: str | Path | None = None,
    progress: mnist.Progress | None = None,
) -> Data:
    """The data set ``name`` on ``device``: loaded once in a process, and shared by all who ask.

    Args:
        name: A key of :data:`DATASETS`.
        arguments: What makes it, JSON: ``strokes`` and ``width`` of a drawing, ``shape`` of what is elsewhere.
        device: Where to.
        root: The folder of the files that are downloaded; None: ``$GENMODELS_DATA``, or the user's cache.
        progress: Told the fraction and a line of text while files are downloaded. What it raises ends the download.

    Raises:
        BadInput: If there is no such data set, its arguments are not allowed, or its files cannot be had.
    """
    if name == ELSEWHERE:
        return Data(name, tuple((arguments or {}).get("shape", ())), 256, (), Missing(), Missing(), Missing())
    arguments = checked(name, arguments)
    info, raw = DATASETS[name], None
    if info.folder:
        raw = mnist.fetch(info.title, info.folder, Path(root or home()).expanduser().resolve(), progress)
    with LOCK:
        if name in planes.PLANES:
            data = _points(name, json.dumps(arguments))
        else:
            data = _drawn_from(name) if info.grey else _digits() if name == "digits" else _images(name, raw)
    return data.to(device)


def checked(name: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The complete ``arguments`` of the data set ``name``, JSON, without loading it: what a run keeps.

    Raises:
        BadInput: If there is no such data set, or its arguments are not allowed.
    """
    if not isinstance(name, str) or name not in DATASETS:
        raise BadInput(f"There is no data set {quoted(name)}: it may be {', '.join(DATASETS)}.")
    arguments = {} if arguments is None else arguments
    takes = ("strokes", "width") if name == "drawing" else ()
    if not isinstance(arguments, Mapping) or not set(arguments) <= set(takes):
        raise BadInput(f"The data set {name} takes {' and '.join(takes) or 'no arguments'}, not {str(arguments)[:60]}.")
    return dict(planes.PLANES[name](**arguments).arguments) if name in planes.PLANES else {}


def drawing(strokes: Sequence[Sequence[Sequence[float]]], width: float = 0.02) -> Data:
    """The visitor's drawing as a data set; see :func:`genmodels.data.planes.drawing`."""
    return load("drawing", {"strokes": strokes, "width": width})


def home() -> Path:
    """The folder of what was downloaded."""
    return Path(os.environ.get("GENMODELS_DATA") or cache()).expanduser().resolve()


@functools.lru_cache(maxsize=32)
def _points(name: str, arguments: str) -> Data:
    """50,000 / 2,000 / 5,000 points of a plane, always the same; of those to learn from all but the first come last."""
    plane = planes.PLANES[name](**json.loads(arguments))
    rng = random.generator(0)
    train, validation, test, more = (Split(*plane.draw(n, rng)) for n in (FIRST, 2_000, 5_000, 50_000 - FIRST))
    train = Split(torch.cat([train.x, more.x]), torch.cat([train.y, more.y]))
    return Data(name, (2,), 0, plane.classes, train, validation, test, plane.log_prob, plane, dict(plane.arguments))


@functools.lru_cache(maxsize=1)
def _digits() -> Data:
    """1,437 / 180 / 180 digits."""
    info, (x, y) = DATASETS["digits"], digits.pictures()
    train, validation, test = (Split(x[part], y[part]) for part in digits.parts(y))
    return Data("digits", info.shape, info.levels, info.classes, train, validation, test)


@functools.lru_cache(maxsize=4)
def _images(name: str, raw: Path | None) -> Data:
    """59,000 / 1,000 / 10,000 pictures from the folder ``raw``; the validation set is a fixed draw from "train"."""

    @functools.cache
    def learned() -> list[Split]:
        x, y = mnist.pictures(raw, "train")
        order = np.random.RandomState(0).permutation(len(y))
        return [Split(x[part], y[part]) for part in (np.sort(order[1_000:]), np.sort(order[:1_000]))]

    train, validation = Later(lambda: learned()[0]), Later(lambda: learned()[1])
    info, test = DATASETS[name], Split(*mnist.pictures(raw, "t10k"))
    return Data(name, info.shape, info.levels, info.classes, train, validation, test)


@functools.cache
def _drawn_from(name: str) -> Data:
    """A binarized data set: pixels of the grey one drawn as 0 or 1, those of validation and test here, once for all.

    Salakhutdinov & Murray (2008), On the quantitative analysis of deep belief networks, section 5.1, binarize MNIST so;
    that each epoch draws anew is Burda et al. (2016), section 5. https://arxiv.org/abs/1509.00519
    Where two levels are left, training pictures are drawn once too, as in Larochelle & Murray (2011), NADE, section 6.
    """
    grey = load(DATASETS[name].grey)
    if DATASETS[name].levels == 2:
        once = lambda part, k: Later(lambda: Split(binarized(part.x, grey.levels, (0, k)), part.y))  # noqa: E731
        train, validation, test = (once(getattr(grey, part), k) for k, part in enumerate(PARTS))
        return replace(grey, name=name, levels=2, train=train, validation=validation, test=test)

    def fixed(part: Split, seed: int) -> Split:
        return Split(black_or_white(part.x, grey.levels, random.generator(seed)), part.y)

    validation = Later(lambda: fixed(grey.validation, 1))
    return replace(grey, name=name, validation=validation, test=fixed(grey.test, 2), is_drawn=True)

"""A visitor's picture of one thing, a digit say, made into an example: checked, cut out, scaled and centred.

A picture from outside is decoded in a process of its own (:mod:`genmodels.host.apart`), where little can come of it.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

from genmodels.data.decoding import MOST_BYTES, MOST_PIXELS
from genmodels.errors import BadInput
from genmodels.host import apart

__all__ = ["MOST_BYTES", "MOST_PIXELS", "Frame", "framed", "ink", "shrunk"]

Grey = npt.NDArray[np.float32]

FAINT = 0.125  # of the range from black to white: less contrast is no drawing


class Frame(tuple[float, float, float]):
    """How the pictures of a data set sit in their frame: the longer side of what is on them, and its centre of mass.

    All three in pixels; the centre is (row, column), 0 in the middle of the first.
    """

    __slots__ = ()

    @classmethod
    def of(cls, pictures: npt.ArrayLike) -> "Frame":
        """The frame that pictures (N, H, W), brighter where there is more, have: the median size, the mean centre."""
        x = np.asarray(pictures, np.float32)
        on = x > 0.25 * x.max(initial=1e-9)
        sides = [on.any(axis) for axis in (2, 1)]
        extents = [side.shape[1] - side.argmax(1) - side[:, ::-1].argmax(1) for side in sides]
        mass = np.maximum(x.sum((1, 2)), 1e-9)
        centre = [float(((x.sum(axis) * np.arange(x.shape[3 - axis])).sum(1) / mass).mean()) for axis in (2, 1)]
        return cls((float(np.median(np.maximum(*extents))), *centre))


def ink(content: bytes, stay: Callable[[], object] = lambda: None) -> Grey:
    """The ink on a picture, PNG or JPEG: 1 where there is ink and 0 on the paper, shape (height, width).

    Dark on light or light on dark: the paper is what is at the border. At most 640 pixels a side are handed over.

    Args:
        content: The file.
        stay: Called again and again while it is decoded; what it raises ends that.

    Raises:
        BadInput: If it is no such picture, too large, of no usable shape, or shows nothing.
    """
    if len(content) > MOST_BYTES:
        raise BadInput(
            f"The file has {len(content) / 1e6:.1f} MB: a picture may have {MOST_BYTES / 1e6:.0f} MB at most."
        )
    grey = _grey(content, stay)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    away = np.asarray(grey - np.median(border), np.float32)
    away = away if away.max() >= -away.min() else -away
    if away.max() < FAINT:
        raise BadInput("The picture shows nothing: all of it is nearly the same grey.")
    return ((away / away.max() - 0.2) / 0.6).clip(0, 1).astype(np.float32)


def _grey(content: bytes, stay: Callable[[], object]) -> Grey:
    """The picture from 0, black, to 1, white; what is transparent shows white paper."""
    told, body = apart.call("picture", content, what="The picture", stay=stay)
    width, height = told["size"]
    grey, *opaque = np.frombuffer(body, np.uint8).reshape(-1, height, width).astype(np.float32) / np.float32(255)
    return np.asarray(1 - opaque[0] if opaque and np.ptp(grey) < FAINT else grey)  # white ink on nothing


def framed(drawn: npt.ArrayLike, shape: tuple[int, ...], frame: Frame) -> npt.NDArray[np.uint8]:
    """The drawing cut out, scaled and centred as ``frame`` says: grey of 0 to 255, ``shape`` (H, W).

    As MNIST was made: its digits fit a box of 20 × 20 pixels, and their centre of mass is the middle of 28 × 28.

    Args:
        drawn: Ink from 0 to 1, any (height, width).
        shape: Of the example to be made.
        frame: Where its pictures have theirs.

    Raises:
        BadInput: If nothing is drawn.
    """
    x = np.asarray(drawn, np.float32)
    rows, columns = (np.flatnonzero((x > 0.25).any(axis)) for axis in (1, 0))
    if not len(rows):
        raise BadInput("The picture is empty: draw something first.")
    cut = x[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    size, *centre = frame
    scale = size / max(cut.shape)
    small = _resized(cut, [min(most, max(1, round(scale * n))) for n, most in zip(cut.shape, shape, strict=True)])
    mass = small.sum()
    means = (small.sum(1) @ np.arange(small.shape[0]) / mass, small.sum(0) @ np.arange(small.shape[1]) / mass)
    top, left = (
        min(max(0, round(float(middle - mean))), whole - part)
        for middle, mean, whole, part in zip(centre, means, shape, small.shape, strict=True)
    )
    made = np.zeros(shape, np.uint8)
    made[top : top + small.shape[0], left : left + small.shape[1]] = np.rint(255 * small / small.max())
    return made


def shrunk(drawn: npt.ArrayLike, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """The drawing as it is, averaged to ``shape`` (H, W): grey of 0 to 255."""
    return np.rint(255 * _resized(np.asarray(drawn, np.float32), shape)).astype(np.uint8)


def _resized(x: Grey, shape: tuple[int, ...] | list[int]) -> Grey:
    """Resampled without aliasing, values kept in [0, 1]."""
    height, width = shape
    smaller = height * width < x.size
    how = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(x).resize((width, height), how), np.float32).clip(0, 1)

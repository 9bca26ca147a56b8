"""A visitor's picture of one thing, a digit say, made into an example: checked, cut out, scaled and centred.

A picture from outside is looked at before it is decoded: its bytes, what kind it is, and the size that it declares.
"""

import io
import warnings

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from genmodels.errors import BadInput

__all__ = ["MOST_BYTES", "MOST_PIXELS", "Frame", "framed", "ink", "shrunk"]

Grey = npt.NDArray[np.float32]

MOST_BYTES = 8_000_000
MOST_PIXELS = 40_000_000  # decoded, a byte or four each
LEAST_SIDE, MOST_SIDES = 8, 4  # pixels; and how many times the shorter side the longer may be
FAINT = 0.125  # of the range from black to white: less contrast is no drawing


class Frame(tuple[float, float, float]):
    """How the pictures of a data set sit in their frame: the longer side of what is on them, and its centre of mass.

    All three in pixels; the centre is (row, column), 0 in the middle of the first.
    """

    __slots__ = ()

    @classmethod
    def of(cls, pictures: npt.ArrayLike) -> "Frame":
        """Of pictures (N, H, W), brighter where there is more: the median size, the mean centre."""
        x = np.asarray(pictures, np.float32)
        on = x > 0.25 * x.max(initial=1e-9)
        sides = [on.any(axis) for axis in (2, 1)]
        extents = [side.shape[1] - side.argmax(1) - side[:, ::-1].argmax(1) for side in sides]
        mass = np.maximum(x.sum((1, 2)), 1e-9)
        centre = [float(((x.sum(axis) * np.arange(x.shape[3 - axis])).sum(1) / mass).mean()) for axis in (2, 1)]
        return cls((float(np.median(np.maximum(*extents))), *centre))


def ink(content: bytes) -> Grey:
    """What is drawn on a picture, PNG or JPEG: 1 where there is ink and 0 on the paper, shape (height, width).

    Dark on light or light on dark: the paper is what is at the border.

    Raises:
        BadInput: If it is no such picture, too large, of no usable shape, or shows nothing.
    """
    if len(content) > MOST_BYTES:
        raise BadInput(
            f"The file has {len(content) / 1e6:.1f} MB: a picture may have {MOST_BYTES / 1e6:.0f} MB at most."
        )
    grey = _grey(content)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    away = np.asarray(grey - np.median(border), np.float32)
    away = away if away.max() >= -away.min() else -away
    if away.max() < FAINT:
        raise BadInput("The picture shows nothing: all of it is nearly the same grey.")
    return ((away / away.max() - 0.2) / 0.6).clip(0, 1).astype(np.float32)


def _grey(content: bytes) -> Grey:
    """The picture from 0, black, to 1, white; what is transparent shows white paper."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size is judged below
            image: Image.Image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
        _check_size(*image.size)
        image.draft("L", (1024, 1024))  # a JPEG is decoded no finer than this
        image.load()
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):  # 16 bits
            return np.asarray(image, np.float32) / np.float32(65535)
        if not image.has_transparency_data:
            return np.asarray(image.convert("L"), np.float32) / np.float32(255)
        image = image.convert("RGBA")
    except BadInput:
        raise
    except Image.DecompressionBombError:
        raise BadInput(
            f"The picture has far more than {MOST_PIXELS / 1e6:.0f} million pixels: make it smaller."
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError):
        raise BadInput("The file is not a picture that can be read: it must be a PNG or a JPEG.") from None
    alpha = np.asarray(image.getchannel("A"), np.float32) / 255
    grey = alpha * np.asarray(image.convert("L"), np.float32) / 255 + 1 - alpha
    return np.asarray(1 - alpha if np.ptp(grey) < FAINT else grey, np.float32)  # white ink on nothing


def _check_size(width: int, height: int) -> None:
    shown = f"The picture is {width:,} × {height:,} pixels: "
    if width * height > MOST_PIXELS:
        raise BadInput(f"{shown}it may have {MOST_PIXELS / 1e6:.0f} million at most.")
    if min(width, height) < LEAST_SIDE:
        raise BadInput(f"{shown}each side must have {LEAST_SIDE} at least.")
    if max(width, height) > MOST_SIDES * min(width, height):
        raise BadInput(f"{shown}no side may be more than {MOST_SIDES} times the other.")


def framed(drawn: npt.ArrayLike, shape: tuple[int, ...], frame: Frame) -> npt.NDArray[np.uint8]:
    """What is drawn, cut out, scaled and centred as ``frame`` says: grey of 0 to 255, ``shape`` (H, W).

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
    """What is drawn, as it is, averaged to ``shape`` (H, W): grey of 0 to 255."""
    return np.rint(255 * _resized(np.asarray(drawn, np.float32), shape)).astype(np.uint8)


def _resized(x: Grey, shape: tuple[int, ...] | list[int]) -> Grey:
    """Resampled without aliasing, values kept in [0, 1]."""
    height, width = shape
    smaller = height * width < x.size
    how = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(x).resize((width, height), how), np.float32).clip(0, 1)

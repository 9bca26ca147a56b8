"""Arrays → the bytes of pictures: a tiled grid of images, and a film as one sprite."""

import io
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from genmodels.errors import BadInput
from genmodels.palette import SAMPLES, rgb

__all__ = ["Sprite", "dots", "gif", "jpeg", "png", "sprite", "tile"]

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Sprite:
    """A film in one PNG or JPEG: frame k lies in row k // columns, column k % columns.

    Attributes:
        image: The file's bytes.
        frames: How many there are.
        columns: How many lie in a row.
        size: Width and height of a frame in pixels.
    """

    image: bytes
    frames: int
    columns: int
    size: tuple[int, int]


def grey(images: npt.ArrayLike) -> Bytes:
    """Images in [0, 1], shape (N, C, H, W) or (N, H, W), as bytes of shape (N, H, W, C).

    Raises:
        BadInput: If the shape is none of these, or there are neither 1 nor 3 channels.
    """
    x = np.asarray(images)
    if x.ndim == 3:
        x = x[:, None]
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise BadInput(f"Images must be (N, 1 or 3, H, W) or (N, H, W), not {x.shape}.")
    if x.dtype != np.uint8:
        x = np.rint(np.nan_to_num(x, posinf=1).clip(0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def tile(images: npt.ArrayLike, columns: int | None = None, gap: int = 1) -> Bytes:
    """Images side by side, row by row, ``gap`` transparent pixels apart.

    Args:
        images: In [0, 1] or uint8, shape (N, C, H, W) or (N, H, W), N ≥ 1.
        columns: Images in a row; about as many as rows by default.
        gap: Pixels between two images.

    Returns:
        Red, green, blue and opacity, shape (rows, columns, 4) in pixels, uint8.
    """
    x = grey(images)
    n, h, w, channels = x.shape
    columns = min(columns or math.ceil(math.sqrt(n)), n)
    rows = math.ceil(n / columns)
    canvas = np.zeros((rows * (h + gap) - gap, columns * (w + gap) - gap, 4), np.uint8)
    for k, image in enumerate(x):
        top, left = (k // columns) * (h + gap), (k % columns) * (w + gap)
        canvas[top : top + h, left : left + w, :3] = image if channels == 3 else np.repeat(image, 3, axis=2)
        canvas[top : top + h, left : left + w, 3] = 255
    return canvas


def dots(points: npt.ArrayLike, extent: float, side: int = 112) -> Bytes:
    """Points of the square [-extent, extent]², (N, 2), in the colour of samples on nothing: (side, side, 4), uint8."""
    xy = np.asarray(points, np.float64)
    xy = xy[np.isfinite(xy).all(1)]
    at = np.floor((xy / extent + 1) / 2 * (side - 1)).astype(int)
    at = at[((at >= 0) & (at < side - 1)).all(1)]
    canvas = np.zeros((side, side, 4), np.uint8)
    for right, up in ((0, 0), (0, 1), (1, 0), (1, 1)):
        canvas[side - 1 - (at[:, 1] + up), at[:, 0] + right] = (*rgb(SAMPLES), 255)
    return canvas


def png(pixels: Bytes) -> bytes:
    """A PNG file of pixels: (H, W), (H, W, 3) or (H, W, 4), uint8; what is grey throughout has one channel in it."""
    is_grey = pixels.shape[2:] == (3,) and bool((pixels == pixels[..., :1]).all())
    return _encode(pixels[..., 0] if is_grey else pixels, "PNG", compress_level=3)


def jpeg(pixels: Bytes, quality: int = 88) -> bytes:
    """A JPEG file of pixels, (H, W) or (H, W, 3), uint8."""
    return _encode(pixels, "JPEG", quality=quality)


def sprite(frames: npt.ArrayLike, *, columns: int | None = None, quality: int | None = None) -> Sprite:
    """A film in one picture.

    Args:
        frames: Frames in [0, 1] or uint8, shape (T, C, H, W) or (T, H, W).
        columns: Frames in a row; about as many as rows by default, which keeps a long film within a browser's limits.
        quality: Of a JPEG; a PNG, exact, where it is None.
    """
    x = grey(frames)
    n, h, w, channels = x.shape
    columns = min(columns or max(1, round(math.sqrt(n * h / w))), n)
    rows = math.ceil(n / columns)
    padded = np.concatenate([x, np.zeros((rows * columns - n, h, w, channels), np.uint8)])
    sheet = padded.reshape(rows, columns, h, w, channels).swapaxes(1, 2).reshape(rows * h, columns * w, channels)
    pixels = sheet[..., 0] if channels == 1 else sheet
    return Sprite(png(pixels) if quality is None else jpeg(pixels, quality), n, columns, (w, h))


def gif(frames: npt.ArrayLike, *, fps: float = 12, scale: int = 4) -> bytes:
    """An endless GIF of frames in [0, 1] or uint8, shape (T, C, H, W) or (T, H, W), each pixel ``scale`` wide."""
    x = grey(frames).repeat(scale, axis=1).repeat(scale, axis=2)
    first, *others = [Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame) for frame in x]
    buffer = io.BytesIO()
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=round(1000 / fps), loop=0)
    return buffer.getvalue()


def _encode(pixels: Bytes, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()

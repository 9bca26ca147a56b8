"""What strangers' files hold, read where it can do no harm: each function runs in a process of its own (apart)."""

import io
import json
import math
import warnings
from typing import Any

from genmodels.errors import BadInput

__all__ = ["MOST_BYTES", "MOST_PIXELS", "picture", "samples", "weights"]

MOST_BYTES = 8_000_000
MOST_PIXELS = 4_000_000
LEAST_SIDE, MOST_SIDES = 8, 4  # pixels; and how many times the shorter side the longer may be
MOST_SCANS = 24  # of a JPEG: a progressive one has about ten, and each is work for every pixel
SHOWN = 640  # pixels a side of what is handed over
ORIENTATION = 0x0112  # how the camera was held, and what turns the picture upright
TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


MOST_HEADER = 1 << 20  # bytes of the table of tensors
MOST_SAMPLES = 4096
SIZES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}
CHUNK = 1 << 22  # numbers that are looked at together


# Pictures -------------------------------------------------------------------------------------------------------------


def picture(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The grey of a PNG or JPEG and, where it has some, its transparency: at most 640 pixels a side.

    Its bytes, kind, declared size and scans are looked at before it is decoded.

    Returns:
        "size" (width, height), "clear" whether it has transparency; and the bytes: grey on white paper, 0 to 255, by
        rows, then the same for how opaque it is.

    Raises:
        BadInput: If it is no such picture, truncated, too large, or of no usable shape.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size is judged below
            image: Image.Image = Image.open(io.BytesIO(content), formats=("PNG", "JPEG"))
        _check_size(*image.size)
        if image.format == "JPEG" and content.count(b"\xff\xda") > MOST_SCANS:
            raise BadInput(f"The picture is stored in more than {MOST_SCANS} layers: save it as a plain JPEG.")
        image.draft("L", (2 * SHOWN, 2 * SHOWN))  # a JPEG is decoded no finer than this
        image.load()
        turn = image.getexif().get(ORIENTATION, 1)
    except (BadInput, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise BadInput(
            f"The picture has far more than {MOST_PIXELS / 1e6:.0f} million pixels: make it smaller."
        ) from None
    except Exception:  # a decoder meets damage in many ways
        raise BadInput("The file is not a picture that can be read: it must be a whole PNG or JPEG.") from None
    clear = image.has_transparency_data
    parts = []
    for part in _grey(image, clear):
        part.thumbnail((SHOWN, SHOWN), Image.Resampling.BOX)
        parts.append(part if turn not in TURNS else part.transpose(Image.Transpose[TURNS[turn]]))
    return {"size": list(parts[0].size), "clear": clear}, b"".join(part.tobytes() for part in parts)


def _grey(image: Any, clear: bool) -> list[Any]:
    """Bytes of grey, on white paper where it is ``clear``; then how opaque it is."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16 bits
        return [image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")]
    if not clear:
        return [image.convert("L")]
    both = image if image.mode == "LA" else image.convert("RGBA")
    alpha, paper = both.getchannel("A"), Image.new("L", image.size, 255)
    paper.paste(both.convert("L"), mask=alpha)
    return [paper, alpha]


def _check_size(width: int, height: int) -> None:
    shown = f"The picture is {width:,} × {height:,} pixels: "
    if width * height > MOST_PIXELS:
        raise BadInput(f"{shown}it may have {MOST_PIXELS / 1e6:.0f} million at most.")
    if min(width, height) < LEAST_SIDE:
        raise BadInput(f"{shown}each side must have {LEAST_SIDE} at least.")
    if max(width, height) > MOST_SIDES * min(width, height):
        raise BadInput(f"{shown}no side may be more than {MOST_SIDES} times the other.")


# Arrays ---------------------------------------------------------------------------------------------------------------


def samples(_: bytes, *, paths: list[str], shape: list[int]) -> tuple[dict[str, Any], bytes]:
    """Refuse the NPY files ``paths`` unless each holds 1 to 4,096 finite samples of ``shape``, or images as bytes.

    Raises:
        BadInput: If one does not.
    """
    for path in paths:
        _samples(path, shape)
    return {}, b""


def _samples(path: str, shape: list[int]) -> None:
    import numpy as np

    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except MemoryError:
        raise
    except Exception:  # its head is parsed as Python: that fails in many ways
        raise BadInput("samples.npy is no array") from None
    may_be_grey = len(shape) == 3 and array.dtype == np.uint8
    if list(array.shape[1:]) != shape or (array.dtype.kind != "f" and not may_be_grey):
        raise BadInput("samples.npy holds no samples of its model")
    if not 1 <= len(array) <= MOST_SAMPLES:
        raise BadInput(f"samples.npy holds {len(array):,} samples: it may be 1 to {MOST_SAMPLES:,}")
    if not all(np.isfinite(one).all() for one in array):
        raise BadInput("samples.npy holds values that are no numbers")


def weights(_: bytes, *, paths: list[str]) -> tuple[dict[str, Any], bytes]:
    """Refuse the safetensors files ``paths`` unless each holds tensors of finite numbers side by side, nothing else.

    Raises:
        BadInput: If one does not.
    """
    for path in paths:
        _weights(path)
    return {}, b""


def _weights(path: str) -> None:
    import numpy as np

    with open(path, "rb") as file:
        content = file.read(8)
        size = int.from_bytes(content, "little")
        if len(content) < 8 or not 2 <= size <= MOST_HEADER:
            raise BadInput("its weights are no safetensors file, or have a table of more than a megabyte")
        try:
            table = json.loads(file.read(size))
            tensors = sorted(_tensor(one) for name, one in table.items() if name != "__metadata__")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            raise BadInput("the table of its weights cannot be read") from None
    data, end = np.memmap(path, np.uint8, "r", offset=8 + size) if _has_more(path, 8 + size) else np.empty(0), 0
    for start, stop, kind, count in tensors:
        if start != end or kind not in SIZES or stop - start != count * SIZES[kind] or stop > len(data):
            raise BadInput("the table of its weights does not fit the file")
        end = stop
        for at in range(start, stop, CHUNK):
            if not _is_finite(data[at : min(stop, at + CHUNK)], kind):
                raise BadInput("its weights hold values that are no numbers")
    if end != len(data):
        raise BadInput("its weights hold more than their table says")


def _tensor(one: dict[str, Any]) -> tuple[int, int, str, int]:
    """Byte range, dtype and element count of one tensor in a safetensors header."""
    start, stop = map(int, one["data_offsets"])
    return start, stop, str(one["dtype"]), math.prod(map(int, one["shape"]))


def _has_more(path: str, size: int) -> bool:
    with open(path, "rb") as file:
        return file.seek(0, io.SEEK_END) > size


def _is_finite(raw: Any, kind: str) -> bool:
    """Whether all numbers in ``raw`` bytes are finite: an exponent of ones alone is none."""
    import numpy as np

    if kind == "BF16":  # the upper half of a single
        return bool(((raw.copy().view("<u2") & 0x7F80) != 0x7F80).all())
    return not kind.startswith("F") or bool(np.isfinite(raw.copy().view(f"<f{SIZES[kind]}")).all())

"""A picture from outside: made to sit like the training pictures, or refused in one sentence before it does harm."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from genmodels.data import decoding, uploads
from genmodels.data.datasets import Data
from genmodels.data.uploads import Frame
from genmodels.errors import BadInput

MNIST = Frame((20.0, 13.5, 13.5))


def file(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def seven(height: int = 300, width: int = 200, *, ink: int = 20, paper: int = 230) -> np.ndarray:
    """A seven in the middle of a larger sheet."""
    sheet = np.full((2 * height, 3 * width), paper, np.uint8)
    top, left, pen = height // 2, width, height // 8
    sheet[top : top + pen, left : left + width] = ink
    for i in range(height):
        start = left + int((width - pen) * (1 - 0.6 * i / height))
        sheet[top + i, start : start + pen] = ink
    return sheet


def png(width: int, height: int) -> bytes:
    """A PNG that declares this size and holds next to nothing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


# Refused --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a picture"),
        (b"%PDF-1.7 no picture at all", "not a picture"),
        (b"\x89PNG\r\n\x1a\n but only at first sight", "not a picture"),
        (file(Image.new("L", (40, 40)), "GIF"), "must be a whole PNG or JPEG"),
        (file(Image.fromarray(seven()))[:400], "not a picture"),  # cut short
        (bytes(uploads.MOST_BYTES + 1), "8.0 MB: a picture may have 8 MB"),
        (png(9000, 9000), "9,000 × 9,000 pixels: it may have 4 million"),
        (png(60_000, 60_000), "4 million"),
        (png(4, 40), "4 × 40 pixels: each side must have 8"),
        (png(500, 100), "500 × 100 pixels: no side may be more than 4 times the other"),
        (file(Image.new("L", (40, 40), 200)), "shows nothing"),
        (file(Image.new("RGBA", (40, 40), (0, 0, 0, 0))), "shows nothing"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_picture_of_a_digit_is_refused_in_one_sentence(content: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        uploads.ink(content)


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: Image.Image) -> None:
        raise AssertionError("it was decoded")

    bomb = png(9000, 9000)
    monkeypatch.setattr(Image.Image, "load", load)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(BadInput, match="4 million"):
        decoding.picture(bomb)


def test_nothing_drawn_is_empty() -> None:
    with pytest.raises(BadInput, match="is empty"):
        uploads.framed(np.zeros((50, 50)), (28, 28), MNIST)


# Read -----------------------------------------------------------------------------------------------------------------


def test_dark_on_light_light_on_dark_and_transparent_are_the_same_ink() -> None:
    drawn = seven()
    dark = uploads.ink(file(Image.fromarray(drawn)))
    light = uploads.ink(file(Image.fromarray(255 - drawn)))
    np.testing.assert_allclose(dark, light, atol=1e-6)
    mask = Image.fromarray((drawn < 128).astype(np.uint8) * 255)
    for colour in ((0, 0, 0), (255, 255, 255)):
        clear = Image.new("RGBA", mask.size, (*colour, 0))
        clear.paste((*colour, 255), mask=mask)
        np.testing.assert_array_equal(uploads.ink(file(clear)) > 0.5, dark > 0.5)


@pytest.mark.parametrize("mode", ["1", "P", "L", "LA", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_is_read(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(seven().astype(np.uint16) * 257)
    else:
        image = Image.fromarray(seven()).convert(mode, dither=Image.Dither.NONE)
    found = uploads.ink(file(image))
    assert ((found > 0.5) == (seven() < 128)).mean() > 0.99


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_every_kind_of_jpeg_is_read(mode: str) -> None:
    found = uploads.ink(file(Image.fromarray(seven()).convert(mode), "JPEG"))
    assert ((found > 0.5) == (seven() < 128)).mean() > 0.97


def test_a_photograph_is_turned_as_its_camera_says() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    turned = uploads.ink(file(Image.fromarray(np.rot90(seven()).copy()), "JPEG", exif=exif))
    assert ((turned > 0.5) == (seven() < 128)).mean() > 0.97


@pytest.mark.parametrize("size", [(30, 20), (300, 200), (200, 300)])
def test_an_upload_sits_as_mnist_does(size: tuple[int, int]) -> None:
    found = uploads.framed(uploads.ink(file(Image.fromarray(seven(*size)))), (28, 28), MNIST)
    assert found.shape == (28, 28)
    assert found.dtype == np.uint8
    assert found.max() == 255
    rows, columns = np.flatnonzero(found.any(1)), np.flatnonzero(found.any(0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
    mass = found.astype(float)
    for axis in (0, 1):
        centre = (mass.sum(1 - axis) * np.arange(28)).sum() / mass.sum()
        assert centre == pytest.approx(13.5, abs=0.51)


def test_where_it_was_drawn_does_not_matter() -> None:
    small = np.zeros((112, 112), np.float32)
    small[20:60, 30:38] = 1
    moved = np.roll(small, (40, 50), (0, 1))
    np.testing.assert_array_equal(uploads.framed(small, (28, 28), MNIST), uploads.framed(moved, (28, 28), MNIST))
    assert (uploads.shrunk(small, (28, 28)) != uploads.shrunk(moved, (28, 28))).any()
    assert uploads.shrunk(small, (28, 28)).sum() == pytest.approx(255 * 320 / 16, rel=0.01)


def test_the_frame_is_the_training_pictures_own(digits: Data) -> None:
    size, *centre = Frame.of(digits.train.x[:, 0].numpy())
    assert size == 8  # they fill their frame from top to bottom
    assert centre == pytest.approx([3.5, 3.5], abs=0.2)
    x = np.zeros((1, 28, 28))
    x[0, 4:24, 10:14] = 1
    assert Frame.of(x) == (20, 13.5, 11.5)

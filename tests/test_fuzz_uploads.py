"""Whatever a stranger's file holds, it is read or refused in a sentence, in bounded time and memory."""

import io
import json
import random
import resource
import struct
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save as save_tensors

from genmodels import files
from genmodels.data import decoding, mnist, uploads
from genmodels.errors import BadInput, Damaged
from genmodels.host import apart
from tests.fuzz import BYTES, SEED, VALUES, other_json, outside, spoiled, times

TIMES = times(300)
EACH_APART = 25  # one in so many goes the whole way, to a process of its own
SECONDS, MEMORY = 5, 300e6
MODES = ("L", "RGB", "RGBA", "LA", "P", "1", "I;16", "CMYK")


def peak() -> float:
    """The most memory that this process has had, bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def picture(dice: random.Random) -> bytes:
    """A whole picture of any kind and size."""
    side, noise = dice.choice([1, 8, 28, 90]), np.random.default_rng(dice.randrange(2**32))
    width = dice.choice([side, 2 * side, 9 * side])
    image = Image.fromarray(noise.integers(0, 256, (side, width, 3), np.uint8)).convert("RGB")
    kind = dice.choice(["PNG", "PNG", "JPEG", "JPEG", "GIF", "TIFF", "BMP"])
    mode = dice.choice(MODES)
    if kind == "PNG" and mode != "CMYK":
        image = image.convert("L").convert(mode) if mode == "I;16" else image.convert(mode)
    elif kind == "JPEG":
        image = image.convert(dice.choice(["L", "RGB", "CMYK"]))
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"progressive": True} if kind == "JPEG" and dice.random() < 0.5 else {}))
    return buffer.getvalue()


def lying(dice: random.Random, content: bytes) -> bytes:
    """A PNG whose head, its checksum right, says something else; or one with a part more."""
    if not content.startswith(b"\x89PNG") or len(content) < 40:
        return content
    head = bytearray(content[16:29])
    at = dice.randrange(len(head))
    head[at] = dice.randrange(256)
    part = b"IHDR" + bytes(head)
    content = content[:12] + part + struct.pack(">I", zlib.crc32(part)) + content[33:]
    name = dice.choice([b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"tRNS", b"PLTE", b"sRGB"])
    body = dice.choice([b"", b"x" * 70_000, b"a\0\0" + zlib.compress(bytes(9_000_000)), dice.randbytes(40)])
    more = struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return content[:33] + more + content[33:] if dice.random() < 0.5 else content


def array(dice: random.Random) -> bytes:
    """A NPY file."""
    kind = dice.choice(["f4", "f8", "f2", "i4", "u1", "c8", "O", "U9", "M8[s]"])
    buffer = io.BytesIO()
    shape = dice.choice([(3, 1, 8, 8), (0, 1, 8, 8), (1, 8, 8), (), (5000, 1, 8, 8), (1, 1, 8, 8)])
    np.save(buffer, np.zeros(shape, kind))
    content = buffer.getvalue()
    if dice.random() < 0.3:
        texts = [
            b"(3, 1, 8, 8)",
            b"(9999999999999, 1, 8, 8)",
            b"(-3, 1, 8, 8)",
            b"__import__('os')",
            b"((((((((((((",
            b"1" * 90,
        ]
        content = content.replace(repr(shape).encode(), dice.choice(texts), 1)
    return content


def tensors(dice: random.Random) -> bytes:
    """A safetensors file, whose table may say something else."""
    value = dice.choice([0.0, 1.0, float("nan"), float("inf")])
    kinds = [np.float32, np.float16, np.int64, np.uint8]
    made = {
        f"w{i}": np.full((2, 3), value if i == 0 else 0.0, dice.choice(kinds[: 2 if i == 0 else 4])) for i in range(3)
    }
    content = save_tensors(made)
    if dice.random() < 0.5:
        size = int.from_bytes(content[:8], "little")
        table, _ = other_json(dice, content[8 : 8 + size].decode())
        if dice.random() < 0.5:
            one = json.loads(content[8 : 8 + size])
            one["w1"][dice.choice(["data_offsets", "shape", "dtype"])] = dice.choice(
                [*VALUES[:9], [0, 2**70], [5, 1], [[]], "F4"]
            )
            table = json.dumps(one)
        raw = table.encode(errors="surrogatepass")
        told = dice.choice([len(raw), len(raw), 0, 2**63, 2**20 + 1])
        content = told.to_bytes(8, "little") + raw + content[8 + size :]
    return content


def outcome(read: Callable[[], object], what: str) -> bool:
    """Whether it was read; else it was refused in a sentence."""
    start = time.process_time()
    try:
        read()
    except BadInput as error:
        assert 0 < len(str(error)) < 400, what  # noqa: PT017
        assert "\n" not in str(error), what  # noqa: PT017
        return False
    except Exception as error:
        pytest.fail(f"{what}: {type(error).__name__}: {error}")
    finally:
        assert time.process_time() - start < SECONDS, what
    return True


@pytest.mark.timeout(max(300, TIMES))
def test_no_picture_is_too_strange(tmp_path: Path) -> None:
    dice, read, before = random.Random(SEED), 0, peak()
    for n in range(TIMES):
        content = picture(dice)
        if dice.random() < 0.4:
            content = lying(dice, content)
        for _ in range(dice.choice((0, 1, 1, 3))):
            content = spoiled(dice, content)
        what = f"GENMODELS_FUZZ_SEED={SEED}, picture {n} of {len(content)} bytes"
        if n % EACH_APART == 0:
            read += outcome(lambda: uploads.framed(uploads.ink(content), (28, 28), uploads.Frame((20, 14, 14))), what)  # noqa: B023
        else:
            read += outcome(lambda: decoding.picture(content), what)  # noqa: B023
    assert 0 < read < TIMES
    assert peak() - before < MEMORY
    assert not outside(tmp_path, tmp_path / "runs")


@pytest.mark.parametrize(("name", "make"), [("samples", array), ("weights", tensors)])
@pytest.mark.timeout(max(300, TIMES))
def test_no_array_is_too_strange(tmp_path: Path, name: str, make: Callable[[random.Random], bytes]) -> None:
    dice, read, before = random.Random(SEED), 0, peak()
    path = tmp_path / "file"
    more = {"shape": [1, 8, 8]} if name == "samples" else {}
    for n in range(TIMES):
        content = make(dice)
        for _ in range(dice.choice((0, 0, 1, 2))):
            content = spoiled(dice, content)
        path.write_bytes(content)
        what = f"GENMODELS_FUZZ_SEED={SEED}, {name} {n} of {len(content)} bytes"
        if name == "samples":
            outcome(lambda: files.read_array(path), what)
        if n % EACH_APART == 0:
            read += outcome(lambda: apart.call(name, what=name, paths=[str(path)], **more), what)
        else:
            read += outcome(lambda: getattr(decoding, name)(b"", paths=[str(path)], **more), what)
    assert 0 < read < TIMES
    assert peak() - before < MEMORY
    assert {one.name for one in tmp_path.iterdir()} <= {"file", "runs"}


@pytest.mark.timeout(max(300, TIMES))
def test_no_downloaded_file_is_too_strange(tmp_path: Path) -> None:
    """The IDX files of a data set that somebody has put there."""
    dice, read, path = random.Random(SEED), 0, tmp_path / "labels"
    whole = bytes([0, 0, 8, 1, 0, 0, 0, 50]) + bytes(range(10)) * 5
    for n in range(TIMES):
        path.write_bytes(spoiled(dice, whole) if dice.random() < 0.9 else whole)
        read += outcome(lambda: mnist.read(path, (50,)), f"GENMODELS_FUZZ_SEED={SEED}, file {n}")
    assert 0 < read < TIMES
    for content in BYTES:
        path.write_bytes(content)
        assert not outcome(lambda: mnist.read(path, (50,)), str(content[:20]))


def test_an_array_whose_head_never_ends_is_no_array(tmp_path: Path) -> None:
    """NumPy parses the head as Python, whose tokenizer has errors of its own."""
    path, buffer = tmp_path / "samples.npy", io.BytesIO()
    np.save(buffer, np.zeros((3, 1, 8, 8), "f4"))
    path.write_bytes(buffer.getvalue().replace(b"(3, 1, 8, 8)", b"((((((((((((", 1))
    with pytest.raises(BadInput, match="no array"):
        decoding.samples(b"", paths=[str(path)], shape=[1, 8, 8])
    with pytest.raises(Damaged, match="is not a readable"):
        files.read_array(path)

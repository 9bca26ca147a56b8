"""What strangers send is decoded in a process with little memory and time, which ends when nobody waits for it."""

import io
import json
import re
import struct
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

from genmodels.data import decoding, uploads
from genmodels.errors import BadInput
from genmodels.host import apart
from genmodels.host.apart import Bounds

ROOT = Path(__file__).resolve().parents[1]
SIDE = int(decoding.MOST_PIXELS**0.5)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's memory")


def png(side: int, rows: bytes | None = None, depth: int = 16, kind: int = 6) -> bytes:
    """A PNG that declares ``side`` squared pixels of 16-bit RGBA, and holds ``rows``; all of them, black, if None."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", side, side, depth, kind, 0, 0, 0)
    content = bytes(side * (1 + 8 * side)) if rows is None else rows
    body = chunk(b"IDAT", zlib.compress(content, 9))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + body + chunk(b"IEND", b"")


def jpeg(side: int, scans: int) -> bytes:
    """A progressive JPEG whose last scan, which refines every pixel, is repeated."""
    coarse = np.random.default_rng(0).integers(0, 256, (side // 16, side // 16), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((side, side)).save(buffer, "JPEG", progressive=True, quality=30)
    content = buffer.getvalue()
    start = content.rindex(b"\xff\xda")
    last = content[start:-2]
    return content[:start] + last * scans + b"\xff\xd9"


def worst() -> list[bytes]:
    """Eight files, each the most work that is let through or the most memory that is asked for."""
    noise = np.random.default_rng(0).integers(0, 64, (SIDE, SIDE), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    black, many = png(SIDE), jpeg(SIDE, decoding.MOST_SCANS - 8)
    assert max(len(black), len(many), len(buffer.getvalue())) <= decoding.MOST_BYTES
    return [black, black, many, many, png(6300), png(SIDE, b""), jpeg(512, 400), buffer.getvalue()]


MEASURE = """
import json, os, resource, sys, threading, time
from contextlib import suppress
from pathlib import Path
from genmodels.data import uploads
from genmodels.errors import BadInput
files = [open(name, "rb").read() for name in sys.argv[1:]]
read = lambda one: uploads.ink(one)
def send(one):
    try: read(one)
    except BadInput as error: said.append(str(error))
said = []
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
def watch():  # the most that a child held since it began; what getrusage says of it holds this process's own too
    while not ended.wait(0.002):
        begun = []
        for of in Path("/proc/self/task").glob("*/children"):
            with suppress(OSError):  # a thread that has ended since
                begun += of.read_text().split()
        for child in map(Path, (f"/proc/{one}" for one in begun)):
            with suppress(OSError, IndexError):  # a child that has
                if b"genmodels.host.apart" in (child / "cmdline").read_bytes():
                    held = (child / "status").read_text().split("VmHWM:")[1].split()[0]
                    most[child.name] = 1024 * int(held)
most, ended = {}, threading.Event()
before, start = peak(), time.process_time()
watching = threading.Thread(target=watch)
watching.start()
threads = [threading.Thread(target=send, args=(one,)) for one in files]
for one in threads: one.start()
for one in threads: one.join()
ended.set()
watching.join()
kids = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"memory": peak() - before, "cpu": time.process_time() - start,
                  "child_memory": max(most.values()), "children": len(most),
                  "child_cpu": kids.ru_utime + kids.ru_stime, "said": said}))
"""


def test_eight_of_the_worst_uploads_at_once_cost_the_server_next_to_nothing(tmp_path: Path) -> None:
    """The server's own processor and memory, and those of the processes it starts, two at a time."""
    names = []
    for i, content in enumerate(worst()):
        names.append(str(tmp_path / f"{i}"))
        Path(names[-1]).write_bytes(content)
    done = subprocess.run([sys.executable, "-c", MEASURE, *names], cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    print(found)
    assert found["cpu"] < 2
    assert found["children"] == 8  # each was seen
    assert found["memory"] + apart.AT_ONCE * found["child_memory"] < 150e6
    assert found["child_cpu"] < 8 * Bounds().cpu
    assert all(re.fullmatch(r"[A-Z][^\n]{20,200}\.", one) for one in found["said"])


def test_a_file_that_only_declares_its_size_is_refused() -> None:
    for hollow in (png(1000, b""), png(1000, bytes(50_000)), jpeg(400, 1)[:2000], png(6300, b"")):
        with pytest.raises(BadInput, match=r"whole PNG or JPEG|4 million"):
            uploads.ink(hollow)


def test_a_jpeg_of_many_scans_is_refused_before_it_is_decoded() -> None:
    start = time.process_time()
    with pytest.raises(BadInput, match="layers"):
        decoding.picture(jpeg(512, 2000))
    assert time.process_time() - start < 5
    assert uploads.ink(jpeg(200, 4)).shape == (200, 200)


@pytest.mark.parametrize("bounds", [Bounds(memory=4_000_000), Bounds(cpu=1, seconds=0.0)], ids=["memory", "seconds"])
def test_a_process_that_takes_more_than_it_may_is_ended_in_a_sentence(bounds: Bounds) -> None:
    with pytest.raises(BadInput, match=r"^The picture takes more time or memory"):
        apart.call("picture", png(SIDE), what="The picture", bounds=bounds)


def test_seconds_of_the_processor_are_bounded(tmp_path: Path) -> None:
    code = "from genmodels.host.apart import bound; bound(1, 10**9)\nwhile True: pass"
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=120, check=False)
    assert done.returncode < 0  # the system has ended it
    assert time.monotonic() - start >= 0.9


def test_nothing_is_written_but_a_short_answer(tmp_path: Path) -> None:
    code = "from genmodels.host.apart import bound; bound(5, 10**9)\n"
    code += f"open({str(tmp_path / 'x')!r}, 'wb').write(bytes(10**8))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode != 0
    assert not (tmp_path / "x").exists() or (tmp_path / "x").stat().st_size <= apart.MOST_ANSWER


def test_it_is_ended_when_whoever_asked_has_gone() -> None:
    class GoneError(Exception):
        pass

    before = children()
    for looks in (0, 1):
        left = iter(range(looks))

        def stay(left: "iter[int]" = left) -> None:  # type: ignore[valid-type]
            if next(left, None) is None:
                raise GoneError

        with pytest.raises(GoneError):
            apart.call("picture", jpeg(SIDE, 16), what="The picture", stay=stay)
        assert children() == before
    assert uploads.ink(jpeg(64, 1)).shape == (64, 64)  # the turn was given back


def children() -> set[str]:
    found = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    return {one for one in found if "genmodels.host.apart" in Path(f"/proc/{one}/cmdline").read_text()}


def test_it_knows_no_secret_and_never_imports_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    seen: dict[str, object] = {}
    start = subprocess.Popen

    def watched(*words: object, **options: object) -> object:
        seen.update(options)
        return start(*words, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "Popen", watched)
    uploads.ink(jpeg(64, 1))
    assert set(seen["env"]) <= {"PATH", "LD_LIBRARY_PATH", "SYSTEMROOT"}  # type: ignore[call-overload]
    code = "import sys, genmodels.host.apart, genmodels.data.decoding\n"
    code += "print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


# Arrays of the Hub ----------------------------------------------------------------------------------------------------


def asked(name: str, path: Path, **more: object) -> None:
    apart.call(name, what="It", paths=[str(path)], **more)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_weights_that_are_no_numbers_are_refused(tmp_path: Path, kind: type, value: float) -> None:
    x = np.zeros(1000, kind)
    save_file({"a": x, "b": np.arange(5)}, tmp_path / "x")
    asked("weights", tmp_path / "x")
    x[777] = value
    save_file({"a": x}, tmp_path / "x")
    with pytest.raises(BadInput, match="no numbers"):
        asked("weights", tmp_path / "x")


def table(header: object, data: bytes = b"", size: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if size is None else size).to_bytes(8, "little") + text + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x02",
        table(b"{}", size=2**63),
        table(b"[" * 100_000),
        table(b"{}", b"more"),
        table({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}}, bytes(8)),
        table({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}, bytes(8)),
        table({"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}}, bytes(8)),
        table({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, -4]}}, bytes(8)),
        table({"a": {"dtype": "X", "shape": [], "data_offsets": [0, 0]}}),
        table({"a": [1, 2]}),
        table([1, 2]),
    ],
)
def test_a_table_of_weights_that_lies_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BadInput, match=r"weights"):
        asked("weights", tmp_path / "x")


def test_bfloat16_is_read(tmp_path: Path) -> None:
    one, nan = np.array([0x3F80] * 4, "<u2").tobytes(), np.array([0x3F80, 0x7FC0, 0, 0], "<u2").tobytes()
    header = {"a": {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]}}
    (tmp_path / "x").write_bytes(table(header, one))
    asked("weights", tmp_path / "x")
    (tmp_path / "x").write_bytes(table(header, nan))
    with pytest.raises(BadInput, match="no numbers"):
        asked("weights", tmp_path / "x")


def array(shape: tuple[int, ...], value: float = 0.0, kind: str = "f2") -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.full(shape, value, kind))
    return buffer.getvalue()


ZIP = io.BytesIO()
np.savez(ZIP, a=np.zeros(3))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no array"),
        (ZIP.getvalue(), "no array"),
        (b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 60_000, "no array"),
        (array((3, 2))[:100], "no array"),
        (array((0, 2)), "0 samples"),
        (array((40_000, 2)), "40,000 samples"),
        (array((3, 3)), "no samples of its model"),
        (array((3, 2), kind="i2"), "no samples of its model"),
        (array((3, 2), kind="u1"), "no samples of its model"),
        (array((3, 2), np.nan), "no numbers"),
        (array((3, 2))[:-1], "no array"),
    ],
)
def test_samples_that_are_none_are_refused(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "x").write_bytes(array((4096, 2)))
    asked("samples", tmp_path / "x", shape=[2])
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(BadInput, match=says):
        asked("samples", tmp_path / "x", shape=[2])


def test_of_many_files_each_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(array((4, 2)))
    (tmp_path / "bad").write_bytes(array((4, 2), np.nan))
    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "finite")
    save_file({"a": np.full(3, np.nan, np.float32)}, tmp_path / "nan")
    for name, good, bad, more in (("samples", "good", "bad", {"shape": [2]}), ("weights", "finite", "nan", {})):
        for files in ([good, good, bad], [bad, good]):
            with pytest.raises(BadInput, match="no numbers"):
                apart.call(name, what="They", paths=[str(tmp_path / one) for one in files], **more)
        apart.call(name, what="They", paths=[str(tmp_path / good)] * 3, **more)


def test_samples_of_images_may_be_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(array((16, 1, 8, 8), kind="u1"))
    asked("samples", tmp_path / "x", shape=[1, 8, 8])
    (tmp_path / "x").write_bytes(array((16, 1, 8, 8), kind="i1"))
    with pytest.raises(BadInput, match="no samples of its model"):
        asked("samples", tmp_path / "x", shape=[1, 8, 8])


def test_an_array_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{}, {}], object), allow_pickle=True)
    (tmp_path / "x").write_bytes(buffer.getvalue())
    with pytest.raises(BadInput, match="no array"):
        asked("samples", tmp_path / "x", shape=[2])

"""The files of MNIST, which come with the library, and of the data sets made like it: found, downloaded, read.

MNIST's four files are here as their authors made them, coded by xz: 9.7 MB, read in a second of one core. Those of the
others lie where torchvision puts them, ``KMNIST/raw/train-images-idx3-ubyte`` and so on, and come from its mirrors.
They are read by hand: torchvision's reader knows no xz, and takes a file of any shape for what was asked for.
"""

import functools
import gzip
import hashlib
import lzma
import math
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

import torch
from torch import Tensor

from genmodels import files
from genmodels.errors import BadInput

__all__ = ["FILES", "Progress", "fetch", "pictures", "read", "shipped"]

Progress = Callable[[float, str], None]
"""Told which fraction is done, 0 to 1, and a line of text. What it raises ends the work."""

FILES = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}
AT_MOST = 100_000_000  # bytes of a download
MNIST = Path(__file__).with_name("_mnist")
SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
"""Of MNIST's four files, uncompressed."""


def pictures(raw: Path | None, part: str) -> tuple[Tensor, Tensor]:
    """Pictures, uint8 (N, 1, 28, 28), and labels, int64 (N,), of the ``part`` "train" or "t10k", which is the test set.

    Args:
        raw: The folder of the four files; None: MNIST's, which come with the library.
        part: How the names of its two files begin.

    Raises:
        BadInput: If a file cannot be read, or is not what it should be.
    """
    names = [name for name in FILES if name.startswith(part)]
    x, y = (shipped(name) if raw is None else read(raw / name, FILES[name]) for name in names)
    return x[:, None], y.long()


def shipped(name: str) -> Tensor:
    """The bytes in one of MNIST's four files, uint8, in the shape that :data:`FILES` says.

    Raises:
        BadInput: If it is missing, or not bit for bit what the authors of MNIST made.
    """
    path, shape = MNIST / f"{name}.xz", FILES[name]
    header = _header(shape)
    content = bytearray(len(header) + math.prod(shape))
    try:
        with lzma.open(path) as file:
            file.readinto(content)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise BadInput(f"{path} cannot be read ({error}): it comes with the library; fetch it again.") from None
    if hashlib.sha256(content).hexdigest() != SHA256[name]:
        raise BadInput(f"{path} is damaged: it comes with the library; fetch it again.")
    return torch.frombuffer(content, dtype=torch.uint8, offset=len(header)).view(shape)


def read(path: Path, shape: tuple[int, ...]) -> Tensor:
    """The bytes in an IDX file of known shape, uint8.

    Raises:
        BadInput: If it cannot be read, is not whole, or is another file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}).") from None
    header = _header(shape)
    if len(content) != len(header) + math.prod(shape) or not content.startswith(header):
        wanted = f"{len(header) + math.prod(shape):,} bytes in IDX format"
        raise BadInput(f"{path} is damaged or another file: it should be {wanted}; delete it and load again.")
    values = torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=len(header)).view(shape)
    if len(shape) == 1 and values.max() > 9:
        raise BadInput(f"{path} is damaged or another file: its labels should be 0 to 9; delete it and load again.")
    return values


def _header(shape: tuple[int, ...]) -> bytes:
    """How an IDX file begins: 0, 0, 8 (for bytes), the number of dimensions; each in four bytes. The values follow."""
    return bytes([0, 0, 8, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)


def fetch(title: str, folder: str, root: Path, progress: Progress | None = None) -> Path:
    """The folder of the four files of a data set, after downloading those that are missing.

    A file appears under its name only when it is whole and its checksum right: a download that was killed is simply
    asked for again, and goes on with the first file that is missing.

    Args:
        title: Its name for people.
        folder: Its folder below ``root``, which is also the name of torchvision's class.
        root: The folder of all data sets.
        progress: Told how far the download is.

    Raises:
        BadInput: If a file is neither here nor to be had.
    """
    raw = root / folder / "raw"
    missing = {name: math.prod(shape) for name, shape in FILES.items() if not (raw / name).exists()}
    if not missing:
        return raw
    import torchvision.datasets  # for its mirrors and checksums

    source = getattr(torchvision.datasets, folder)
    checksums = dict(source.resources)
    done, total = 0, sum(missing.values())
    for name, size in missing.items():
        told = functools.partial(_tell, progress, title, done / total, size / total)
        archive = raw / f"{name}.gz"
        urls = [mirror + archive.name for mirror in source.mirrors]
        try:
            files.write(raw / name, gzip.decompress(_right_copy(archive, urls, checksums[archive.name], told)))
        except (OSError, HTTPException, zlib.error, EOFError) as error:
            raise BadInput(
                f"{title} is not in {root} and could not be downloaded ({getattr(error, 'reason', None) or error}): "
                f"connect to the network, or put torchvision's four files in {raw} (GENMODELS_DATA names the folder "
                f"above {folder}), or take the data set mnist, which works offline."
            ) from None
        done += size
    return raw


def _right_copy(archive: Path, urls: Sequence[str], md5: str, told: Callable[[int, int], None]) -> bytes:
    """The first copy with the right checksum: ``archive``, where somebody has put it, or what one of ``urls`` sends.

    Raises:
        OSError: If there is none, with the reason of the first.
    """
    reason: Exception | None = None
    sources: list[Path | str] = [archive] * archive.exists() + [*urls]
    for source in sources:
        try:
            content = source.read_bytes() if isinstance(source, Path) else _download(source, told)
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError):
                error.close()
            reason = reason or error
            continue
        if hashlib.md5(content, usedforsecurity=False).hexdigest() == md5:
            return content
        reason = reason or OSError(f"the checksum of {source} is wrong")
    raise reason or OSError("there is no mirror")


def _download(url: str, told: Callable[[int, int], None]) -> bytes:
    request = urllib.request.Request(url, headers={"User-Agent": "genmodels"})
    content = bytearray()
    with urllib.request.urlopen(request, timeout=20) as response:
        size = int(response.headers.get("Content-Length") or 0)
        while piece := response.read(1 << 16):
            content += piece
            if len(content) > AT_MOST:
                raise OSError(f"{url} is too long")
            told(len(content), size)
    return bytes(content)


def _tell(progress: Progress | None, title: str, start: float, share: float, got: int, size: int) -> None:
    if progress is not None:
        fraction = start + share * min(1.0, got / size if size else 0.0)
        progress(fraction, f"Downloading {title}: {got / 1e6:.1f} of {size / 1e6:.1f} MB of this file")

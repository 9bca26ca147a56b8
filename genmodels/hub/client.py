"""What is on the Hugging Face Hub, by its own client: names, listings, single files.

Nothing from there is trusted. A listing is read first: every name is checked, every size is known, before anything
is downloaded; what comes is compared with it (SHA-256 of the weights). Whatever goes wrong is one sentence. The client
finds the token (``HF_TOKEN``, or ``hf auth login``); it never passes through here.

A file of a known commit never changes: once here it is taken from the client's cache without asking the network, and
a branch that cannot be reached is the one last seen.
"""

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, Self

from genmodels.errors import BadInput
from genmodels.files import read_json, write_json
from genmodels.hub.errors import Offline, asked
from genmodels.text import quoted

__all__ = ["File", "Listing", "Offline", "Place", "check_size", "fetch", "file", "json_of", "look", "repository"]

CONFIG, WEIGHTS = "config.json", "model.safetensors"
MOST_JSON, MOST_WEIGHTS = 1 << 20, 2 << 30  # bytes
MOST_FILES = 20_000  # in a repository
TIMEOUT = 10.0  # seconds for a listing

Count = Callable[[int], None]
"""Told of every number of bytes as it comes."""

Weigh = Callable[[Any], tuple[int, int]]
"""Fewest and most bytes of the weights that a configuration describes."""

_WORD = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}"
_PLACE = re.compile(rf"(?:hf://)?({_WORD}/{_WORD})(?:@(refs/pr/\d+|{_WORD}))?((?:/{_WORD})*)/?")


@dataclass(frozen=True)
class Place:
    """A folder of a repository at a revision.

    >>> Place.parse("hf://ada/engines@v2/vae/small")
    Place(repo='ada/engines', revision='v2', subfolder='vae/small')
    >>> str(Place("ada/engines", subfolder="vae"))
    'hf://ada/engines/vae'
    """

    repo: str
    revision: str = ""
    subfolder: str = ""

    @classmethod
    def parse(cls, name: str, *, revision: str | None = None, subfolder: str = "") -> Self:
        """The place that ``hf://owner/repo[@revision][/subfolder]`` (``hf://`` may be left out) names.

        Args:
            name: Its name.
            revision: A branch, a tag or a commit, where the name has none.
            subfolder: The folder, where the name has none.

        Raises:
            BadInput: If it is no such name.
        """
        parts = _PLACE.fullmatch(name)
        whole = parts and cls(parts[1], parts[2] or revision or "", parts[3].strip("/") or subfolder.strip("/"))
        if not whole or not _PLACE.fullmatch(str(whole)):
            raise BadInput(f"{quoted(name)} names nothing on the Hub: write hf://owner/repo[@revision][/subfolder].")
        return whole

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"hf://{self.repo}{revision}" + (f"/{self.subfolder}" if self.subfolder else "")

    def path(self, name: str) -> str:
        """The path of a file of this folder in its repository."""
        return f"{self.subfolder}/{name}" if self.subfolder else name


@dataclass(frozen=True)
class File:
    """A file as the Hub lists it: bytes, and the hash that it must have."""

    size: int
    sha256: str | None = None
    blob: str | None = None

    def is_at(self, path: Path) -> bool:
        """Whether ``path`` holds it."""
        if path.stat().st_size != self.size:
            return False
        if self.sha256:
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == self.sha256
        if self.blob:  # git's name of a file's content
            content = path.read_bytes()
            return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == self.blob
        return True


@dataclass(frozen=True)
class Listing:
    """All files of one commit of a repository.

    Attributes:
        place: What was asked for.
        commit: 40 hexadecimal digits.
        date: Of the last change, ISO 8601; "" where the Hub does not say.
        files: By path.
        seen: When the Hub said so, seconds since 1970.
        live: Whether that was just now.
    """

    place: Place
    commit: str
    date: str = ""
    files: dict[str, File] = field(default_factory=dict)
    seen: float = 0.0
    live: bool = True


def repository() -> Place | None:
    """Where checkpoints are looked for by default: ``$GENMODELS_HUB_REPO``; Streamlit's secrets set it too."""
    name = os.environ.get("GENMODELS_HUB_REPO", "").strip()
    return Place.parse(name) if name else None


# Listings -------------------------------------------------------------------------------------------------------------


def look(place: Place) -> Listing:
    """The files of the repository of ``place``; as last seen, where the Hub cannot be reached.

    Raises:
        BadInput: If there is no such repository or revision, it may not be read, or a name in it would leave it.
    """
    known = _remembered(place)
    if known and re.fullmatch(r"[0-9a-f]{40}", place.revision):
        return known
    try:
        listing = _ask(place)
    except Offline:
        if known is None:
            raise
        return known
    with suppress(OSError):  # a cache that takes nothing costs another question
        write_json(_memory(place), asdict(listing), durable=False)
    return listing


def _ask(place: Place) -> Listing:
    from huggingface_hub import HfApi

    what: dict[str, Any] = {"revision": place.revision or None, "files_metadata": True, "timeout": TIMEOUT}
    return asked(lambda: _listing(place, HfApi(library_name="genmodels").model_info(place.repo, **what)), place)


def _listing(place: Place, info: Any) -> Listing:
    if not re.fullmatch(r"[0-9a-f]{40}", info.sha) or len(info.siblings) > MOST_FILES:
        raise BadInput(f"{place} cannot be used: it has no commit, or more than {MOST_FILES:,} files.")
    files = {}
    for one in info.siblings:
        name, size = one.rfilename, one.size
        parts = PurePosixPath(name).parts
        inside = name == "/".join(parts) and not {"..", "/", "."} & set(parts) and "\\" not in name
        if not inside or not name.isprintable():
            raise BadInput(f"{place} is not used: it lists {quoted(name)}, a name that would leave its folder.")
        if type(size) is not int or size < 0:
            raise BadInput(f"{place} is not used: the Hub does not say how large {quoted(name)} is.")
        lfs: Mapping[str, Any] = one.lfs or {}
        files[name] = File(size, lfs.get("sha256"), None if one.lfs else one.blob_id)
    date = info.last_modified.isoformat() if info.last_modified else ""
    return Listing(replace(place, subfolder=""), info.sha, date, files, time.time())


def _memory(place: Place) -> Path:
    """The file that keeps a repository's listing as last seen: beside the client's cache."""
    from huggingface_hub import constants

    question = f"{constants.ENDPOINT} {place.repo}@{place.revision}"
    return Path(constants.HF_HOME) / "genmodels" / f"{hashlib.sha256(question.encode()).hexdigest()[:32]}.json"


def _remembered(place: Place) -> Listing | None:
    try:
        kept = read_json(_memory(place))
        files = {name: File(**one) for name, one in kept.pop("files").items()}
        return Listing(**kept | {"place": Place(**kept["place"]), "files": files, "live": False})
    except (BadInput, TypeError, KeyError):
        return None


# Files ----------------------------------------------------------------------------------------------------------------


def file(listing: Listing, path: str, most: int = MOST_JSON, count: Count | None = None) -> Path:
    """One file of a repository, in the client's cache: from there, or else downloaded (and resumed).

    Args:
        listing: What the repository holds.
        path: Which file.
        most: How many bytes it may have.
        count: Told how many bytes came.

    Raises:
        BadInput: If it is not there, too large, or not what the listing says.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    entry, name = listing.files.get(path), f"{listing.place}: {path[:80]}"
    if entry is None:
        raise BadInput(f"{listing.place} holds no checkpoint there: {path[:80]} is missing.")
    if entry.size > most:
        raise BadInput(f"{name} has {entry.size / 1e6:,.1f} MB: at most {most / 1e6:,.1f} MB are allowed.")
    what: dict[str, Any] = {"repo_id": listing.place.repo, "filename": path, "revision": listing.commit}
    try:
        cached = Path(hf_hub_download(**what, local_files_only=True))
        if entry.is_at(cached):
            if count:
                count(entry.size)
            return cached
    except LocalEntryNotFoundError:
        cached = None
    if not listing.live:
        _ask(replace(listing.place, revision=listing.commit))  # one short request: the client would try for long
    what |= {"force_download": cached is not None, "tqdm_class": _meter(name, entry.size, count)}
    cached = Path(asked(lambda: hf_hub_download(**what, library_name="genmodels"), listing.place))
    if not entry.is_at(cached):
        cached.resolve().unlink()
        raise BadInput(f"{name} is not what the Hub lists (it came truncated or changed): try again later.")
    return cached


def _meter(name: str, size: int, count: Count | None) -> type:
    """The client's progress bar, which draws nothing, tells ``count``, and ends a file longer than it was listed."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

    class Meter(tqdm):
        """Counts the bytes of one file as they arrive."""

        came = 0
        monitor_interval = 0  # no thread that watches over this class for as long as the server lives

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs | {"disable": True})

        def update(self, n: float | None = 1) -> None:
            """Count ``n`` more bytes; refuse those beyond the size that was listed."""
            self.came += int(n or 0)
            if self.came > size:
                raise BadInput(f"{name} is longer than the {size:,} bytes that the Hub lists: it was not kept.")
            if count:
                count(int(n or 0))

    return Meter


def check_size(place: Place | Path, entry: File, config: Any, weigh: Weigh) -> None:
    """Refuse weights whose size cannot belong to ``config``.

    Raises:
        BadInput: If the configuration is not allowed here, or the weights cannot be its.
    """
    try:
        low, high = weigh(config)
    except BadInput as error:
        raise BadInput(f"{place} does not fit this version of genmodels: {error}") from None
    if not low <= entry.size <= high:
        raise BadInput(
            f"{place} is not what its config.json says: that takes {low:,} to {high:,} bytes of weights, "
            f"and there are {entry.size:,}."
        )


def fetch(place: Place, weigh: Weigh) -> Path:
    """The folder, in the client's cache, of config.json and model.safetensors: the weights only if they can fit.

    Args:
        place: Where they are.
        weigh: Fewest and most bytes of the weights that a configuration describes.

    Raises:
        BadInput: If they are not there, not allowed, or not what they should be.
    """
    listing = look(place)
    config = json_of(listing, place.path(CONFIG))
    path = place.path(WEIGHTS)
    if path in listing.files:
        check_size(place, listing.files[path], config, weigh)
    return file(listing, path, MOST_WEIGHTS).parent


def json_of(listing: Listing, path: str) -> Any:
    """The JSON of one small file.

    Raises:
        BadInput: If it is missing, too large, or is not JSON.
    """
    content = file(listing, path).read_bytes()
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise BadInput(f"{listing.place}: {path[:80]} is not JSON.") from None

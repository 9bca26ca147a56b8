"""Training on Hugging Face Jobs: the same command on a rented computer, whose run comes back from the Hub.

What happens there: the library's own source, as it is here, is put into the model repository that the run is to go to
(``source/<hash>.tar.gz``, once for each state of it). The job starts in a plain Python image, takes that archive,
checks its hash, installs the pinned requirements without those of the pages, trains, and pushes the run to the
repository. The token is handed over as a secret of the job: it is in no command, no file, and no line that is shown.
"""

import gzip
import hashlib
import io
import re
import secrets
import tarfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genmodels.errors import BadInput, TrainingFailed
from genmodels.hub import client
from genmodels.hub.client import Place
from genmodels.hub.errors import asked
from genmodels.text import quoted

__all__ = ["IMAGE", "Job", "archive", "find", "flavors", "follow", "place_for", "submit"]

IMAGE = "python:3.12"
TOP = Path(__file__).resolve().parents[2]
PAGES_ONLY = ("streamlit", "starlette", "plotly")
ENDED = ("COMPLETED", "CANCELED", "ERROR", "DELETED")
PROGRAM = """\
import hashlib, os, subprocess, sys, tarfile
client, repo, revision, path, place, *words = sys.argv[1:]
def run(*what):
    code = subprocess.run([sys.executable, "-m", *what]).returncode
    if code:
        sys.exit(code)
run("pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore", client)
from huggingface_hub import hf_hub_download
source = hf_hub_download(repo, path, revision=revision)
if hashlib.sha256(open(source, "rb").read()).hexdigest() not in path:
    sys.exit("The source is not the one that was sent.")
with tarfile.open(source) as files:
    files.extractall("genmodels-source", filter="data")
os.chdir("genmodels-source")
run("pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore", "-r", "requirements.txt")
run("genmodels", "train", *words, "--out", "run")
run("genmodels", "push", "run", "--to", place)
"""
"""What the job runs; its arguments are the client, where the source is, where the run goes, and the words of train."""


@dataclass(frozen=True)
class Job:
    """A job, as the Hub last said.

    Attributes:
        owner: Whose it is.
        id: The Hub's name of it.
        place: Where its run goes.
        stage: SCHEDULING, RUNNING, or one of :data:`ENDED`.
        message: Why it is there, where the Hub says so.
        url: Its page.
    """

    owner: str
    id: str
    place: Place
    stage: str
    message: str
    url: str

    @property
    def name(self) -> str:
        """The name by which :func:`find` finds the job."""
        return f"{self.owner}/{self.id}"


def archive() -> bytes:
    """The library as it is here, as a .tar.gz that is the same whenever the files are.

    Raises:
        BadInput: If the requirements are not beside the library.
    """
    if not (TOP / "requirements.txt").exists():
        raise BadInput(f"{TOP} holds no requirements.txt: start remote trainings from a checkout of the library.")
    needed = (TOP / "requirements.txt").read_text().splitlines(keepends=True)
    files = {"requirements.txt": "".join(line for line in needed if not line.startswith(PAGES_ONLY)).encode()}
    kinds = ("genmodels/**/*.py", "genmodels/data/_mnist/*", "checkpoints/features-*/*")
    for path in [path for kind in kinds for path in TOP.glob(kind)]:
        files[str(path.relative_to(TOP))] = path.read_bytes()
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in sorted(files.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def flavors() -> dict[str, float]:
    """The computers that can be had, and what an hour of each costs, US dollars.

    Raises:
        BadInput: If the Hub does not say.
    """
    hours = {"minute": 60.0, "hour": 1.0, "second": 3600.0}
    rows = asked(lambda: _api().list_jobs_hardware(), "a computer for a job")
    return {one.name: one.unit_cost_usd * hours.get(one.unit_label, 1.0) for one in rows}


def place_for(to: str | None, model: str, data: str) -> Place:
    """The place that a new run is to go to: a folder of ``to``, of the default repository, or of the user's own one.

    Raises:
        BadInput: If nobody is logged in, or ``to`` is no such place.
    """
    place = Place.parse(to) if to else client.repository() or Place(f"{_user()}/genmodels")
    if place.revision:
        raise BadInput(f"{place} names a revision: a job pushes to the repository's main branch only.")
    name = f"{model}-{data}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    return place if to and place.subfolder else Place(place.repo, subfolder=place.path(name))


def submit(
    words: Sequence[str],
    place: Place,
    *,
    flavor: str,
    image: str = IMAGE,
    timeout: str = "2h",
    private: bool = False,
) -> Job:
    """Start a job that trains as ``python -m genmodels train`` with these words would, and pushes its run to ``place``.

    Args:
        words: What stands after ``train``; they must have been checked.
        place: Where the run goes.
        flavor: The computer, one of :func:`flavors`.
        image: The Docker image: Python 3.11 or newer with pip.
        timeout: When the Hub ends it, as in "90m" or "2h".
        private: Whether a repository that must be made is for those alone who may write it.

    Raises:
        BadInput: If nobody is logged in, there is no such flavor, or the Hub does not accept it.
    """
    from huggingface_hub import __version__, get_token

    token, owner = get_token(), _user()
    if not re.fullmatch(r"[1-9][0-9]{0,5}[smhd]", timeout):
        raise BadInput(f"--timeout {timeout[:40]} is no time: write it as in 45m, 2h or 1d.")
    known = flavors()
    if flavor not in known:
        raise BadInput(f"There is no flavor {quoted(flavor)}: it may be {', '.join(known)}.")
    path, commit = _sent(place, private)
    what: dict[str, Any] = {"env": {"GENMODELS_PLACE": str(place)}, "secrets": {"HF_TOKEN": token}}
    command = ["python", "-c", PROGRAM, f"huggingface-hub=={__version__}", place.repo, commit, path, str(place), *words]
    how: dict[str, Any] = {"image": image, "command": command, "flavor": flavor, "timeout": timeout, "namespace": owner}
    return _job(asked(lambda: _api().run_job(**how, **what), f"a job of {owner}"), owner)


def find(name: str) -> Job:
    """The job named ``owner/id``, asked of the Hub.

    Raises:
        BadInput: If there is none, or it is none of ours.
    """
    owner, _, number = name.rpartition("/")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,95}", owner) or not re.fullmatch(r"[A-Za-z0-9]{1,64}", number):
        raise BadInput(f"{quoted(name)} is no job: it is owner/id, as `train --on hf-jobs` said.")
    return _job(asked(lambda: _api().inspect_job(job_id=number, namespace=owner), f"The job {name}"), owner)


def follow(job: Job) -> Iterator[str]:
    """The lines of its log, from the first, until it ends.

    Raises:
        BadInput: If the Hub cannot be asked.
        TrainingFailed: If it ended with anything but success.
    """
    from huggingface_hub import get_token

    token = get_token() or ""
    lines = iter(_api().fetch_job_logs(job_id=job.id, namespace=job.owner, follow=True))
    while (line := asked(lambda: next(lines, None), f"The log of job {job.name}")) is not None:
        shown = line.replace(token, "…") if token else line
        yield "".join(c for c in shown.rpartition("\r")[2] if c.isprintable())[:1000]
    while (now := find(job.name)).stage not in ENDED:
        time.sleep(5)
    if now.stage != "COMPLETED":
        why = f" ({now.message[:200]})" if now.message else ""
        raise TrainingFailed(f"The job {job.name} ended as {now.stage}{why}: its log is at {job.url}.")


def _api() -> Any:
    from huggingface_hub import HfApi

    return HfApi(library_name="genmodels")


def _user() -> str:
    """Who is logged in."""
    from huggingface_hub import get_token

    if not get_token():
        raise BadInput("A job needs somebody who pays for it: set HF_TOKEN or run `hf auth login`.")
    return str(asked(lambda: _api().whoami()["name"], "The Hub's name for this token"))


def _sent(place: Place, private: bool) -> tuple[str, str]:
    """The path of the library's source in the repository, sent where it is not there yet, and a commit that has it."""
    from huggingface_hub import CommitOperationAdd

    content = archive()
    path = f"source/{hashlib.sha256(content).hexdigest()}.tar.gz"
    asked(lambda: _api().create_repo(place.repo, private=private or None, exist_ok=True), place)
    listing = client.look(Place(place.repo))
    if path in listing.files:
        return path, listing.commit
    message = "The library, for a training"

    def act() -> str:
        return str(_api().create_commit(place.repo, [CommitOperationAdd(path, content)], commit_message=message).oid)

    return path, asked(act, place)


def _job(info: Any, owner: str) -> Job:
    place = (info.environment or {}).get("GENMODELS_PLACE")
    if not isinstance(place, str):
        raise BadInput(
            f"The job {owner}/{info.id} was not started by `train --on hf-jobs`: nothing says where its run is."
        )
    return Job(
        owner, str(info.id), Place.parse(place), str(info.status.stage), str(info.status.message or ""), info.url
    )

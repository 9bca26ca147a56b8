"""Do what the Dockerfile says where there is no Docker engine: ``make space-check``.

Its RUN and COPY steps are done in temporary folders instead of / and, where this is root, by user 1000; then the app is
started as the Dockerfile starts it, its code and its environment read-only, and must answer ``/healthz`` and its first
page. PyTorch and what it requires are taken from the environment that runs this, everything else is installed anew.
Not exercised: the base image, ``useradd``, the download of PyTorch.
"""

import argparse
import functools
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from importlib import metadata
from pathlib import Path

SKIPPED = ("useradd",)  # steps that would change this machine
PLACES = ("APP", "VENV", "HOME")  # the variables of the Dockerfile that hold its absolute paths
USER = 1000


def steps(text: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile, with continued lines joined and comments left out."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    pairs = [line.strip().partition(" ") for line in joined.splitlines()]
    return [(name, " ".join(rest.split())) for name, _, rest in pairs]


def expand(text: str, values: dict[str, str]) -> str:
    """``text`` with $NAME replaced by what ENV and ARG have set."""
    for name in sorted(values, key=len, reverse=True):
        text = text.replace(f"${name}", values[name])
    return text


@functools.cache
def python() -> tuple[str, tuple[str, ...]]:
    """A Python of this version that the user can run, and what makes a command the user's.

    Where root keeps its Python to itself, the user is root without any of its capabilities: bound by permissions too.
    """
    if os.getuid() != 0:
        return sys.executable, ()
    free = ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups")
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for one in (sys.executable, f"/usr/local/bin/{name}", f"/usr/bin/{name}"):
        test = [*free, "sh", "-c", f"{one} -c 'import ensurepip, venv'"]
        if subprocess.run(test, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return one, free
    return sys.executable, ("setpriv", "--bounding-set=-all", "--inh-caps=-all")


def as_user(command: list[str]) -> list[str]:
    """``command`` without any privilege."""
    return [*python()[1], *command]


def own(folder: Path, *, read_only: bool) -> None:
    """Give ``folder`` to the user; or back to root, where nobody may write in it."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_symlink():
            continue
        if f"--reuid={USER}" in python()[1]:
            os.chown(path, 0 if read_only else USER, 0 if read_only else USER)
        path.chmod(path.stat().st_mode & ~0o222 if read_only else path.stat().st_mode | 0o200)


def required(names: list[str]) -> set[str]:
    """The distributions ``names`` and all that they require, as installed here."""
    found: set[str] = set()
    while names:
        name = names.pop()
        if name in found:
            continue
        try:
            wanted = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        names += [line.split(";")[0].split("[")[0].strip(" ()").split("=")[0].rstrip("<>!~ ") for line in wanted]
    return found


def lend(names: set[str], folder: Path) -> None:
    """Links in ``folder`` to the distributions ``names`` of this environment."""
    folder.mkdir()
    for name in names:
        there = metadata.distribution(name)
        for top in {Path(str(file)).parts[0] for file in there.files or [] if not str(file).startswith("..")}:
            link, target = folder / top, Path(str(there.locate_file(top)))
            if not link.exists() and target.exists() and top != "__pycache__":
                link.symlink_to(target)


def build(space: Path, work: Path) -> tuple[dict[str, str], list[str]]:
    """Do the steps; returns the environment and the command that the image would start with."""
    values: dict[str, str] = {}
    command: list[str] = []
    places = {name: work / name.lower() for name in PLACES}
    for name, rest in steps((space / "Dockerfile").read_text()):
        if name in ("ARG", "ENV"):
            for word in shlex.split(rest):
                key, _, value = word.partition("=")
                values[key] = str(places[key]) if key in places else expand(value, values | {"PATH": os.defpath})
        elif name == "WORKDIR":
            for place in places.values():
                place.mkdir(exist_ok=True)
                own(place, read_only=False)
        elif name == "COPY":
            *sources, target = expand(rest, values).split()
            for source in sources:
                copy(space / source, Path(target))
            own(Path(target), read_only=False)
        elif name == "RUN" and not any(word in rest for word in SKIPPED):
            run(expand(rest.replace("python -m venv", f"{python()[0]} -m venv"), values), values, work)
        elif name == "USER":
            for place in ("APP", "VENV"):
                own(places[place], read_only=True)
        elif name == "CMD":
            command = json.loads(rest)
    return values, command


def copy(source: Path, target: Path) -> None:
    """As COPY does it."""
    target.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


def run(line: str, values: dict[str, str], work: Path) -> None:
    """As RUN does it, by the user; a new environment is lent PyTorch before anything is installed into it."""
    print(f"RUN {line.replace(str(work), '')}", flush=True)
    make, _, rest = line.partition(" && ")
    if " -m venv " in make:
        subprocess.run(as_user(["sh", "-ec", make]), check=True, cwd=values["APP"])
        lend(required(["torch", "torchvision"]), work / "lent")
        library = next(Path(values["VENV"]).glob("lib/python3*/site-packages"))
        (library / "lent.pth").write_text(f"{work / 'lent'}\n")
        line = rest
    subprocess.run(as_user(["sh", "-ec", line]), check=True, cwd=values["APP"], env=os.environ | values)


def start(values: dict[str, str], command: list[str]) -> None:
    """Start the app and ask it for ``/healthz`` and its first page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = {"STREAMLIT_SERVER_PORT": str(port), "STREAMLIT_SERVER_ADDRESS": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    url = f"http://127.0.0.1:{port}"
    program = str(Path(values["VENV"]) / "bin" / command[0])
    whole = as_user([program, *command[1:]])
    process = subprocess.Popen(whole, cwd=values["APP"], env=values | ours, start_new_session=True)
    try:
        print(f"/healthz: {answer(f'{url}/healthz', process)}", flush=True)
        assert b"<html" in urllib.request.urlopen(url, timeout=30).read(), "there is no first page"
        client = str(Path(__file__).with_name("first_page.py"))
        subprocess.run([sys.executable, "-W", "ignore", client, url], check=True, timeout=240)
        while json.loads(said := answer(f"{url}/healthz", process))["workers"] == 0:
            time.sleep(0.5)  # PyTorch is imported and the workers start while the first page is read
        print(f"/healthz: {said}", flush=True)
    finally:
        process.terminate()
        process.wait(60)
        gone(process.pid)


def gone(group: int, seconds: float = 60) -> None:
    """Wait until the workers, too, have ended: they save what they hold, and need their environment for that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(group, signal.SIGKILL)
    raise AssertionError(f"workers outlived their server by {seconds:.0f} s")


def answer(url: str, process: subprocess.Popen[bytes], seconds: float = 120) -> str:
    """What ``url`` answers, once it answers 200."""
    end = time.monotonic() + seconds
    while True:
        assert process.poll() is None, f"the app ended with {process.returncode}"
        try:
            return urllib.request.urlopen(url, timeout=10).read().decode()
        except (urllib.error.URLError, ConnectionError) as error:
            said = error.read().decode() if isinstance(error, urllib.error.HTTPError) else error
            assert time.monotonic() < end, said
            time.sleep(0.2)


def main() -> None:
    """Build, start, ask."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("space", type=Path, help="the folder that `make space` has assembled")
    space = parser.parse_args().space.resolve()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        work.chmod(0o755)
        values, command = build(space, work)
        start(values, command)
    who = "a user without privileges" if os.getuid() != 0 else "user 1000" if len(python()[1]) > 3 else "a bound root"
    print(f"The Dockerfile's steps work for {who}, and the app starts with them.")


if __name__ == "__main__":
    main()

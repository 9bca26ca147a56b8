"""What is installed is what was locked: all that is required, in one version, each file by its hash."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("requirements.lock", "requirements-torch.lock")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


def pins(name: str) -> dict[str, str]:
    """The lines of requirements.txt and its kin that pin something: name and version."""
    found = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return {canonicalize_name(one.split("==")[0]): one.split("==")[1] for one in found if "==" in one}


def locked(name: str) -> list[tuple[Requirement, list[str]]]:
    """The packages of a lock, each with its hashes."""
    found: list[tuple[Requirement, list[str]]] = []
    for line in (ROOT / name).read_text().splitlines():
        if line.strip().startswith("#"):
            continue
        if line[0] != " ":
            assert line.endswith(" \\"), f"{name}: {line} has no hash"
            found.append((Requirement(line.removesuffix("\\")), []))
        else:
            assert HASH.fullmatch(line), f"{name}: {line}"
            found[-1][1].append(line)
    return found


def everything() -> dict[str, list[Requirement]]:
    """All that is locked, by name: some packages in one version for each of several Pythons."""
    found: dict[str, list[Requirement]] = {}
    for name in LOCKS:
        for one, _ in locked(name):
            found.setdefault(canonicalize_name(one.name), []).append(one)
    return found


def required(name: str) -> Iterator[Requirement]:
    """What the installed package ``name`` requires here, of its extras nothing."""
    for line in metadata.requires(name) or []:
        one = Requirement(line)
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            yield one


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_with_hashes_and_from_no_named_index(name: str) -> None:
    found = locked(name)
    assert len(found) > 10
    for one, hashes in found:
        assert len(one.specifier) == 1
        assert str(one.specifier).startswith("==")
        assert "*" not in str(one.specifier)
        assert hashes, one
    assert not re.search(r"://|--(?:extra-)?index|--find-links|@", (ROOT / name).read_text())


def test_what_requirements_pins_is_locked_in_that_version() -> None:
    found, direct = everything(), pins("requirements.txt")
    assert {name: [f"=={version}"] for name, version in direct.items()} == {
        name: [str(one.specifier) for one in found.get(name, [])] for name in direct
    }, "make lock"


def test_what_is_locked_requires_nothing_that_is_not() -> None:
    """As far as it is installed here; a lock that was made before a change of requirements.txt fails."""
    found = everything()
    here = [name for name, ones in found.items() if any(one.marker is None or one.marker.evaluate() for one in ones)]
    missing = [(name, str(one)) for name in here for one in _required(name) if canonicalize_name(one.name) not in found]
    assert not missing, "make lock"


def _required(name: str) -> list[Requirement]:
    try:
        return list(required(name))
    except metadata.PackageNotFoundError:
        return []


def test_a_pytorch_from_elsewhere_finds_what_it_requires_in_the_other_lock() -> None:
    """The build for CPUs is installed without what it requires; nothing for NVIDIA's devices comes with it."""
    rest = {canonicalize_name(one.name) for one, _ in locked("requirements.lock")}
    cuda = {canonicalize_name(one.name) for one, _ in locked("requirements-torch.lock")}
    assert not any(re.match("torch|nvidia|cuda|triton", name) for name in rest)
    assert all(re.match("torch|torchvision|nvidia|cuda|triton", name) for name in cuda)
    for name in ("torch", "torchvision"):
        needs = {canonicalize_name(one.name) for one in required(name)} - {"torch"}
        assert {one for one in needs if not re.match("nvidia|cuda|triton", one)} <= rest
    for one in rest:
        assert not {canonicalize_name(other.name) for other in _required(one)} & cuda, one


def test_what_is_imported_is_required() -> None:
    given = metadata.packages_distributions()
    ours = {"genmodels", "pages", "app"}
    files = [ROOT / "app.py", *(ROOT / "pages").rglob("*.py"), *(ROOT / "genmodels").rglob("*.py")]
    used: set[str] = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                used |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                used.add(node.module.split(".")[0])
    foreign = used - ours - sys.stdlib_module_names
    distributions = {canonicalize_name(one) for name in foreign for one in given.get(name, [name])}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = {canonicalize_name(Requirement(one).name) for one in project["optional-dependencies"]["ray"]}
    assert {"starlette", "pillow"} <= distributions <= set(pins("requirements.txt")) | extra


# How it is made -------------------------------------------------------------------------------------------------------


def test_each_target_does_what_it_says() -> None:
    said = subprocess.run(
        ["make", "-n", "lock", "audit", "pin"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for words in ("docker/lock.py", "pip_audit --strict --require-hashes", *LOCKS, "docker/pin.sh Dockerfile"):
        assert words in said
    assert {"uv", "pip-audit"} <= set(pins("requirements-dev.txt"))


DOCKER = """#!/bin/sh
[ "$*" = "buildx imagetools inspect python:3.11-slim-bookworm" ] || exit 1
echo "Name:      docker.io/library/python:3.11-slim-bookworm"
echo "Digest:    $DIGEST"
echo "Manifests: "
echo "  Name:    docker.io/library/python:3.11-slim-bookworm@sha256:1"
"""


def test_the_base_image_is_named_by_its_digest() -> None:
    (base,) = re.findall(r"^ARG BASE=(.*)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert re.fullmatch(r"python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", base)


def test_the_base_image_is_pinned_by_the_digest_of_its_tag_again_and_again(tmp_path: Path) -> None:
    recipe, docker = tmp_path / "Dockerfile", tmp_path / "docker"
    recipe.write_text((ROOT / "Dockerfile").read_text())
    docker.write_text(DOCKER)
    docker.chmod(0o755)

    def pin(digest: str) -> int:
        path = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DIGEST": digest}
        command = ["sh", str(ROOT / "docker/pin.sh"), str(recipe)]
        return subprocess.run(command, env=path, capture_output=True, check=False).returncode

    for digest in ("sha256:" + "a" * 64, "sha256:" + "0" * 64):
        assert pin(digest) == 0
        (base,) = re.findall(r"^ARG BASE=(.*)$", recipe.read_text(), re.MULTILINE)
        assert base == f"python:3.11-slim-bookworm@{digest}"
    before = recipe.read_text()
    assert pin("") == 1
    assert pin("sha256:1") == 1
    assert recipe.read_text() == before

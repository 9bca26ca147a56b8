"""The package: what ``pip install .`` brings is all that the command line and the app need."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import genmodels

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked where no checkout is."""
    folder = tmp_path_factory.mktemp("package")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run([*command, "-w", str(folder), str(ROOT)], check=True)
    (wheel,) = folder.glob("*.whl")
    assert wheel.name == f"genmodels-{genmodels.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def python(installed: Path, folder: Path, *words: str) -> str:
    environment = {"PYTHONPATH": str(installed), "PATH": "", "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-P", *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_package_has_what_a_checkout_has(installed: Path) -> None:
    bundle = installed / "genmodels" / "bundle"
    for name in ("app.py", ".streamlit/config.toml", "pages/home/home.py", "pages/_ui/style.css"):
        assert (bundle / name).read_bytes() == (ROOT / name).read_bytes(), name
    shipped = {path.parent.name for path in (ROOT / "checkpoints").glob("*/config.json")}
    assert {path.parent.name for path in (bundle / "checkpoints").glob("*/config.json")} == shipped
    assert not list(installed.rglob("tests"))


def test_the_command_samples_a_checkpoint_anywhere(installed: Path, tmp_path: Path) -> None:
    assert "genmodels/bundle/checkpoints" in python(
        installed, tmp_path, "-c", "from genmodels.files import CHECKPOINTS; print(CHECKPOINTS)"
    )
    python(installed, tmp_path, "-m", "genmodels", "sample", "vae-digits-2d", "-n", "4", "--out", "x.png")
    assert (tmp_path / "x.png").read_bytes()[:4] == b"\x89PNG"


def test_its_command_is_there(installed: Path) -> None:
    module, _, name = PROJECT["scripts"]["genmodels"].partition(":")
    assert hasattr(__import__(module, fromlist=[name]), name)
    (entry,) = installed.glob("*.dist-info/entry_points.txt")
    assert "genmodels = genmodels.__main__:run" in entry.read_text()


def test_the_version_is_said_once() -> None:
    assert "version" in PROJECT["dynamic"]
    assert "version" not in PROJECT


def test_the_app_is_tested_with_what_the_package_allows() -> None:
    from packaging.requirements import Requirement

    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pinned = [Requirement(line.split("#")[0]) for line in lines if "==" in line]
    versions = {one.name: next(iter(one.specifier)).version for one in pinned}
    extras = PROJECT["optional-dependencies"]
    for one in map(Requirement, [*PROJECT["dependencies"], *extras["app"], *extras["hub"]]):
        assert one.specifier.contains(versions[one.name]), one

"""What all tests share: one thread, runs that go to a temporary folder, and registries that a test may add to."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: the tests' processes share the cores

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from genmodels.data import datasets
from genmodels.models import MODELS

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test's name says the same in every process: an object's address in it is another in each."""
    if passing := [item.nodeid for item in items if " at 0x" in item.nodeid]:
        raise pytest.UsageError(f"names that hold an object's address (give the parameter an id): {passing}")


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a folder of runs to itself."""
    folder = tmp_path / "runs"
    monkeypatch.setenv("GENMODELS_RUNS", str(folder))
    return folder


@pytest.fixture(autouse=True)
def seeded() -> None:
    """What a test draws without a generator is the same each time, whichever tests came before."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def registries() -> Iterator[None]:
    """What a test adds to a registry is gone after it."""
    kept = [(registry, dict(registry)) for registry in (MODELS, datasets.DATASETS)]
    yield
    for registry, before in kept:
        registry.clear()
        registry.update(before)


@pytest.fixture(scope="session")
def digits() -> datasets.Data:
    """The 8×8 digits: pictures that need no download."""
    return datasets.load("digits")


@pytest.fixture(scope="session")
def plane() -> datasets.Data:
    """A density on the plane whose truth is known."""
    return datasets.load("eight-gaussians")

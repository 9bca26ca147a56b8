"""What README.md shows works: the model that it adds, the commands, the files and the variables that it names."""

import os
import re
import shlex
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from genmodels.cli.parser import parsed

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^ *```python\n(.*?)```", README, re.S | re.M)
HUB = (ROOT / "docs/hub.md").read_text()
COMMANDS = re.findall(r"^    (?:python -m genmodels|torchrun .*?-m genmodels) (.*?)(?: +#.*)?$", README + HUB, re.M)

IMPORTS = """
import math
from typing import Annotated
import torch
from torch import nn
from genmodels.data import datasets as data
from genmodels import random
from genmodels.probability.distributions import normal_log_prob
from genmodels.hyperparameters import Between
from genmodels.models.base import GenerativeModel, Preset
from genmodels.training.settings import Settings
from genmodels.training.loop import Training, fit
"""
TRAIN = """
for name in ("two-moons", "digits"):
    loaded = data.load(name)
    *_, last = fit(Training(Blob(loaded.shape), loaded, Settings(steps=200, lr=0.02)))
    first = next(fit(Training(Blob(loaded.shape), loaded, Settings(steps=200, lr=0.02))))
    assert last.terms["held-out loss"] < first.terms["held-out loss"]
"""


def python(code: str) -> None:
    subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, check=True, env=os.environ | {"PYTHONPATH": "."}
    )


def test_the_model_that_it_adds_learns() -> None:
    (block,) = (block for block in BLOCKS if "class Blob" in block)
    python(IMPORTS + textwrap.dedent(block) + TRAIN)


def test_its_lines_of_python_run() -> None:
    (block,) = (block for block in BLOCKS if "load(" in block)
    python(textwrap.dedent(block) + "\nassert x.shape == (16, 1, 8, 8)")


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_are_allowed(command: str) -> None:
    parsed(shlex.split(command.split("|")[0]))


def test_what_it_names_is_there() -> None:
    assert len(COMMANDS) > 8
    code = README[README.index("## The code") : README.index("### Adding a model")]
    names = set(re.findall(r"\b\w+\.py\b", code))
    assert len(names) > 5
    there = {path.name for folder in ("genmodels", "tests") for path in (ROOT / folder).rglob("*.py")} | {"app.py"}
    assert names <= there
    folders = set(re.findall(r"^      (\w+)/ ", code, re.M))
    assert folders == {path.name for path in (ROOT / "genmodels").iterdir() if (path / "__init__.py").exists()}
    source = "".join(path.read_text() for path in (ROOT / "genmodels").rglob("*.py"))
    for variable in re.findall(r"`GENMODELS_(\w+)`", README):
        assert variable in source, variable
    for target in re.findall(r"^\| `make (\w+)`", README, re.M):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text(), target


def test_its_preset_is_one() -> None:
    from genmodels.cli.commands import preset_of
    from genmodels.models import model_class

    for model, preset in re.findall(r"train (\w+) --preset (\S+)", README):
        assert preset_of(model_class(model), preset)

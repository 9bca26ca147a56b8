"""What README.md shows works: the model that it adds, the commands, the files and the variables that it names."""

import os
import re
import shlex
import shutil
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

FILE, LINE, PAGE = (textwrap.dedent(block) for block in BLOCKS if "blob" in block.lower())
TRAIN = """
from genmodels.data import datasets
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings
for name in ("two-moons", "digits"):
    loaded = datasets.load(name)
    *_, last = fit(Training(Blob(loaded.shape), loaded, Settings(steps=200, lr=0.02)))
    first = next(fit(Training(Blob(loaded.shape), loaded, Settings(steps=200, lr=0.02))))
    assert last.terms["held-out loss"] < first.terms["held-out loss"]
"""
OPEN = """
from streamlit.testing.v1 import AppTest
from genmodels.cli.parser import main
from genmodels.jobs import queue
from genmodels.runs import store
from pages._ui.server import preload
queue.pool = preload.start = lambda: None
assert main(["train", "blob", "--preset", "a-blob-in-a-second", "--set", "scale=0.5"]) == 0
(run,) = store.every()
assert run.plan.arguments == {"scale": 0.5}
test = AppTest.from_file("pages/models/blob.py", default_timeout=60)
test.query_params["run"] = run.id
test.run()
assert not test.exception
(row,) = (one for one in test.get("button_group") if one.label == "instrument")
assert row.options == ["Density", "Nearest neighbours"]
home = AppTest.from_file("app.py", default_timeout=60).run()
assert not home.exception
assert "**Blob**" in {link.label for link in home.get("page_link")}
assert "One Gaussian for all." in {one.value for one in home.markdown}
"""


def python(code: str, folder: Path = ROOT, warnings: str = "error", **environment: str) -> None:
    command = [sys.executable, "-W", warnings, "-c", code]
    subprocess.run(command, cwd=folder, check=True, env=os.environ | {"PYTHONPATH": "."} | environment)


def test_the_model_that_it_adds_learns() -> None:
    python(FILE + TRAIN)


def test_its_file_line_and_page_are_all_that_a_model_takes(tmp_path: Path) -> None:
    here = tmp_path / "here"
    for name in ("genmodels", "pages"):
        shutil.copytree(ROOT / name, here / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "app.py", here)
    (here / "checkpoints").symlink_to(ROOT / "checkpoints")
    (here / "genmodels/models/blob.py").write_text(FILE)
    registry, begins = here / "genmodels/models/__init__.py", "MODELS: dict[str, Entry] = {\n"
    assert begins in registry.read_text()
    registry.write_text(registry.read_text().replace(begins, begins + LINE))
    (here / "pages/models/blob.py").write_text(PAGE)
    python(OPEN, here, "default", GENMODELS_RUNS=str(tmp_path / "runs"))


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

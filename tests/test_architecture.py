"""The arrows of the design, read from the imports: the maths never knows the screen, and nothing points upwards."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = sorted((ROOT / "genmodels").rglob("*.py"))
SCREEN = sorted([ROOT / "app.py", *(ROOT / "pages").rglob("*.py")])
SOURCES = [path for path in (*LIBRARY, *SCREEN) if path.exists()]

LAYERS = (  # a module imports from its own layer and from those above it in this list
    (
        "genmodels",
        "errors",
        "allocator",
        "libraries",
        "wording",
        "limits",
        "visitors",
        "space",
        "hyperparameters",
        "random",
        "files",
        "pulse",
        "record",
        "folder",
        "hub",
        "hub_errors",
        "errands",
        "idx",
        "digits",
        "strokes",
        "uploads",
        "planes",
        "noised",
        "transforms",
        "pictures",
        "gallery",
    ),
    ("distributions",),
    ("priors", "schedules", "bound", "samplers", "nn", "unet", "unet2d", "players"),
    ("models", "data", "editing", "settings"),
    ("train", "distributed", "terminal"),
    ("metrics",),
    (
        "runs",
        "recording",
        "mending",
        "export",
        "figures",
        "cards",
        "checkpoints",
        "publishing",
        "pipelines",
        "vetting",
        "keeping",
        "adopting",
        "take_home",
        "pace",
        "remote",
        "walls",
    ),
    ("instruments", "keepsakes"),
    ("room", "tasks", "watchdog", "jobs"),
    ("worker", "rehearsal"),
    ("conduct", "evaluation"),
    ("commands", "hub_commands", "remote_commands", "cli", "__main__"),
)
LAYER = {name: i for i, names in enumerate(LAYERS) for name in names}


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path, *, inner: bool = True) -> Iterator[str]:
    """The full names that ``path`` imports; ``inner``: also those inside functions and for the type checker alone."""
    nodes = ast.walk(tree(path)) if inner else iter(tree(path).body)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{relative(path)}: write imports in full, not relative ones"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part(dotted: str) -> str:
    """The part of genmodels that a full name belongs to: genmodels.metrics.distances.fid → metrics."""
    names = dotted.split(".")
    return names[1] if len(names) > 1 and names[1] in LAYER else "genmodels"


def home(path: Path) -> str:
    """The part of genmodels that a file belongs to."""
    return path.relative_to(ROOT / "genmodels").parts[0].removesuffix(".py").replace("__init__", "genmodels")


def test_there_is_something_to_read() -> None:
    assert len(LIBRARY) > 8
    assert (ROOT / "app.py").exists()
    assert any(ROOT.glob("pages/*/*.py"))


@pytest.mark.parametrize("path", LIBRARY, ids=relative)
def test_the_library_never_knows_the_screen(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & {"streamlit", "pages", "app"}


@pytest.mark.parametrize("path", [path for path in SCREEN if path.exists()], ids=relative)
def test_pages_compute_nothing(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & {"torch", "torchvision", "scipy", "sklearn"}


def test_every_figure_comes_with_its_words() -> None:
    drawn = {relative(path) for path in SCREEN if "plotly_chart(" in path.read_text()}
    assert drawn == {"pages/_ui/shared/plot.py"}  # which gives each its alternative text


@pytest.mark.parametrize("path", LIBRARY, ids=relative)
def test_every_module_has_its_layer(path: Path) -> None:
    assert home(path) in LAYER, f"say in LAYERS where {home(path)} belongs"


@pytest.mark.parametrize("path", LIBRARY, ids=relative)
def test_arrows_point_one_way(path: Path) -> None:
    here = LAYER[home(path)]
    upward = {name for name in imports(path) if name.split(".")[0] == "genmodels" and LAYER[part(name)] > here}
    assert not upward


def test_no_circle_of_imports() -> None:
    modules = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in LIBRARY
    }

    def target(dotted: str) -> str:
        return dotted if dotted in modules else dotted.rpartition(".")[0]

    arrows = {name: {target(n) for n in imports(path, inner=False)} & modules.keys() for name, path in modules.items()}
    TopologicalSorter({name: found - {name} for name, found in arrows.items()}).prepare()  # raises on a circle


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_nothing_is_unpickled(path: Path) -> None:
    assert not {name.split(".")[0] for name in imports(path)} & {"pickle", "dill", "cloudpickle", "joblib", "shelve"}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in ("torch.load", "yaml.load", "yaml.unsafe_load", "exec", "eval")
            assert not any(word.arg == "allow_pickle" for word in node.keywords)


@pytest.mark.parametrize("path", SOURCES, ids=relative)
def test_a_file_is_one_idea(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 320


def test_pages_live_in_folders_of_their_own() -> None:
    assert not list((ROOT / "pages").glob("*.py")), "a file directly in pages/ wakes Streamlit's old page discovery"


def test_names_of_models_need_no_torch() -> None:
    code = "import sys, genmodels.models, genmodels.hyperparameters; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)

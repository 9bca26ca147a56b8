"""The arrows of the design, read from the imports: the maths never knows the screen, and nothing points upwards."""

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = sorted((ROOT / "genmodels").rglob("*.py"))
SCREEN = sorted([ROOT / "app.py", *(ROOT / "pages").rglob("*.py")])
SOURCES = [path for path in (*LIBRARY, *SCREEN) if path.exists()]
UI = ROOT / "pages/_ui"

FLOORS = (  # a folder of genmodels/ imports from itself and from those above it in this list; "": the files beside them
    "",
    "glossary",
    "host",
    "nn",
    "flows",
    "probability",
    "models",
    "data",
    "training",
    "runs",
    "metrics",
    "figures",
    "instruments",
    "jobs",
    "export",
    "hub",
    "experiments",
    "cli",
)
SCREENS_FLOORS = (  # the same of pages/_ui/; "views": the folders by family
    "server",
    "components",
    "form",
    "shared",
    "views/common",
    "classroom",
    "page",
    "views",
)
MOST_MODULES = 12  # in a folder: it reads like a table of contents


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


def floor(dotted: str) -> int:
    """The floor of a full name: genmodels.metrics.distances.fid is on that of metrics."""
    names = dotted.split(".")
    return FLOORS.index(names[1]) if len(names) > 1 and names[1] in FLOORS else 0


def screens_floor(dotted: str) -> int:
    """The same of a full name of pages/_ui/: pages._ui.views.vae.bound is on that of views."""
    names = dotted.split(".")[2:]
    return SCREENS_FLOORS.index("/".join(names[:2]) if "/".join(names[:2]) in SCREENS_FLOORS else names[0])


def module(path: Path) -> str:
    """The full name of a file's module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


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


def test_every_folder_has_its_floor() -> None:
    folders = {path.relative_to(ROOT / "genmodels").parts[0] for path in LIBRARY if path.parent != ROOT / "genmodels"}
    assert folders == set(FLOORS) - {""}


@pytest.mark.parametrize("path", LIBRARY, ids=relative)
def test_imports_point_down(path: Path) -> None:
    here = floor(module(path)) if path.name != "__main__.py" else len(FLOORS)
    upward = {name for name in imports(path) if name.split(".")[0] == "genmodels" and floor(name) > here}
    assert not upward


@pytest.mark.parametrize("path", [path for path in SCREEN if UI in path.parent.parents], ids=relative)
def test_what_pages_share_imports_down_too(path: Path) -> None:
    shared = [name for name in imports(path) if name.startswith("pages.")]
    assert all(name.startswith("pages._ui.") for name in shared), "pages/_ui/ knows no page"
    assert not {name for name in shared if screens_floor(name) > screens_floor(module(path))}


@pytest.mark.parametrize("top", ["genmodels", "pages"])
def test_a_folder_reads_like_a_table_of_contents(top: str) -> None:
    folders = Counter(path.parent for path in SOURCES if path.name != "__init__.py" and top in path.parts)
    assert not {relative(folder): n for folder, n in folders.items() if n > MOST_MODULES}


def test_no_circle_of_imports() -> None:
    modules = {module(path): path for path in SOURCES}

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


def test_no_generator_leaves_gradients_switched_off() -> None:
    """What yields within ``with torch.no_grad()`` hands that to whoever asked it; a decorator does not."""
    for path in LIBRARY:
        for function in ast.walk(tree(path)):
            managed = "contextmanager" in ast.dump(ast.Module(getattr(function, "decorator_list", []), []))
            if not isinstance(function, ast.FunctionDef) or managed:
                continue
            for block in (one for one in ast.walk(function) if isinstance(one, ast.With)):
                asked = " ".join(ast.unparse(item.context_expr) for item in block.items)
                switches = any(name in asked for name in ("grad", "inference_mode"))
                yields = any(isinstance(one, ast.Yield | ast.YieldFrom) for one in ast.walk(block))
                assert not (switches and yields), f"{relative(path)}:{block.lineno}"


def test_pages_live_in_folders_of_their_own() -> None:
    assert not list((ROOT / "pages").glob("*.py")), "a file directly in pages/ wakes Streamlit's old page discovery"


def test_names_of_models_need_no_torch() -> None:
    code = "import sys, genmodels.models, genmodels.hyperparameters; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)

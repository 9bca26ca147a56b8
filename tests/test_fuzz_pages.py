"""Whatever the address of a page says, the page is shown, with a sentence where it says what cannot be."""

import random
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from genmodels.hyperparameters import declared
from genmodels.jobs import queue
from genmodels.models import MODELS, model_class
from genmodels.runs import store
from genmodels.runs.shipped import CHECKPOINTS
from genmodels.training.settings import Settings
from pages._ui.server import preload
from tests.fuzz import SEED, outside, times, word

ROOT = Path(__file__).resolve().parents[1]
TIMES, SECONDS = times(80), 60  # of a processor, a page that computes what it shows included
PAGES = [path.stem for path in ROOT.glob("pages/[a-z]*/*.py")]
VIEWS = ("Train", "Explore", "Sample", "Theory", "Dreams")
OFTEN = (
    "run",
    "view",
    "instrument",
    "step",
    "data",
    "preset",
    "seed",
    "n",
    "hide",
    "room",
    "page",
    "compare",
    "path_to",
)
FORBIDDEN = ("](//", "](https://b", "<img", "Traceback", "/site-packages/")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def keys() -> list[str]:
    """What the addresses of the pages name: every parameter that a form has, and every key that the pages' code has."""
    source = "".join(path.read_text() for path in (ROOT / "pages").rglob("*.py"))
    names = [name for model in MODELS for name in declared(model_class(model))] + list(declared(Settings))
    return sorted({*names, *(one.split('"')[0] for one in source.split('key="')[1:])})


def value(dice: random.Random, key: str) -> str:
    """Something that is right more often than not, so that the rest of the page is reached, or anything."""
    right = {
        "run": [path.name for path in CHECKPOINTS.iterdir()],
        "view": VIEWS,
        "page": PAGES,
        "step": ("0", "26", "3300"),
        "data": ("digits", "mnist", "two-moons"),
        "hide": ("form,film", "lr,preset,train", "menu", "theory"),
    }.get(key, ("0", "1", "3", "0.5", "on", "true"))
    return dice.choice(right) if dice.random() < 0.5 else word(dice)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker is started, and nothing waits for one or for a network."""
    monkeypatch.setattr(preload, "start", lambda: None)
    monkeypatch.setattr(queue, "pool", lambda: None)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("GENMODELS_SHARED", "1")
    monkeypatch.setenv("GENMODELS_MIN_FREE_MB", "0")
    monkeypatch.delenv("SPACE_ID", raising=False)


@pytest.mark.timeout(max(300, 4 * TIMES))
def test_no_address_is_too_strange(tmp_path: Path) -> None:
    dice, names, warned = random.Random(SEED), keys(), 0
    assert len(PAGES) > 8
    assert {"latent_dim", "lr"} <= set(names)
    for n in range(TIMES):
        drawn = [dice.choice(OFTEN if dice.random() < 0.6 else names) for _ in range(dice.randint(1, 6))]
        where = {"page": dice.choice(PAGES)} | {key: value(dice, key) for key in drawn}
        what = f"GENMODELS_FUZZ_SEED={SEED}, address {n}: {where}"
        start = time.process_time()
        test = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
        for key, text in where.items():
            test.query_params[key] = text
        test.run()
        assert not test.exception, f"{what}: {test.exception[0].message}"
        assert time.process_time() - start < SECONDS, what
        shown = [one.value for kind in (test.warning, test.error, test.info) for one in kind]
        warned += bool(test.warning)
        for text in shown:
            assert len(text) < 2000, what
            assert not any(part in text for part in FORBIDDEN), what
        assert not store.every(), what  # looking makes no run
    assert warned > TIMES / 4
    assert not outside(tmp_path, tmp_path / "runs")

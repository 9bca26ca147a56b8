"""Words and numbers on the pages: one declaration a term, names that the field uses, three significant digits."""

import json
import re
from pathlib import Path

import pytest

from genmodels.glossary import GLOSSARY, LABELS, explained, label
from genmodels.hyperparameters import declared
from genmodels.instruments.samples import options
from genmodels.models import MODELS
from genmodels.quantities import QUANTITIES, quantity
from genmodels.runs.shipped import CHECKPOINTS
from genmodels.text import number
from genmodels.training.settings import Settings

LOGGED = sorted(CHECKPOINTS.glob("*/metrics.jsonl"))
BOOKS = {"step", "epoch", "seconds", "images"}


def settings() -> set[str]:
    """Every hyperparameter that a form may ask for."""
    found = set(declared(Settings))
    for entry in MODELS.values():
        found |= {*declared(entry.cls), *declared(options(entry.cls))}
    return found


@pytest.mark.parametrize("path", LOGGED, ids=lambda path: path.parent.name)
def test_every_logged_term_explains_itself(path: Path) -> None:
    names = {name.removeprefix("held-out ") for name in json.loads(path.read_text().splitlines()[-1])} - BOOKS
    for name in names:
        if " (" not in name:  # drawn beside what it is of
            assert name in QUANTITIES, name
            assert quantity(name).explained


def test_a_quantity_says_what_it_is_and_how_it_is_read() -> None:
    titles = [one.title for one in QUANTITIES.values()]
    assert len(set(titles)) == len(titles)
    for one in QUANTITIES.values():
        assert one.about.endswith(".")
        assert one.better in ("", "higher", "lower")
        assert not one.healthy or one.healthy.endswith(".")
    assert quantity("reconstruction", "squared error").better == "lower"
    assert quantity("reconstruction").better == "higher"


def test_every_setting_has_a_name_that_is_no_code() -> None:
    known = settings()
    assert not {name for name in LABELS if name not in known}
    for name in known:
        assert "_" not in label(name)
        assert not label(name)[0].islower()


def test_the_glossary_is_in_order_and_explains_settings_that_there_are() -> None:
    names = [term.name for term in GLOSSARY]
    assert names == sorted(names, key=str.casefold)
    explains = [name for term in GLOSSARY for name in term.settings]
    assert len(set(explains)) == len(explains)
    assert set(explains) <= settings()
    assert all(explained(name) for name in explains)
    for term in GLOSSARY:
        assert not term.source or re.search(r"https://\S+$", term.source)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-0.5, "−0.5"),
        (99.96, "100"),
        (0.00012345, "0.000123"),
        (-4e-9, "−4×10⁻⁹"),
        (3, "3"),
        (1e-4, "0.0001"),
    ],
)
def test_numbers_are_written_as_people_read_them(value: float, text: str) -> None:
    assert number(value) == text
    assert number(float("nan")) == number(float("inf")) == "–"

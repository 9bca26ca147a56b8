"""Words and numbers on the pages: one declaration a term, names that the field uses, three significant digits."""

import json
import re
from pathlib import Path

import pytest

from genmodels.glossary import GLOSSARY, LABELS, explained, label
from genmodels.hyperparameters import Only, declared
from genmodels.instruments.samples import options
from genmodels.models import MODELS
from genmodels.quantities import QUANTITIES, quantity
from genmodels.runs.shipped import CHECKPOINTS
from genmodels.text import number
from genmodels.training.settings import Settings

LOGGED = sorted(CHECKPOINTS.glob("*/metrics.jsonl"))
BOOKS = {"step", "epoch", "seconds", "images"}


PLAIN = (
    "at auto bound class compile condition data error estimate fake first game hidden high images in instead layers "
    "levels linear low mean medium negative noised norm on pixels real reconstruction sample samples seed showing "
    "size slope squared steps strength that their to trains uniform units use value"
)
"""Words of everyday or of any first course, which no glossary has to explain."""


def asked() -> dict[str, set[str]]:
    """Every hyperparameter that a form may ask for, and the words it may be set to."""
    found: dict[str, set[str]] = {}
    for declares in (Settings, *(f for entry in MODELS.values() for f in (entry.cls, options(entry.cls)))):
        for name, one in declared(declares).items():
            found.setdefault(name, set()).update(one.rule.options if isinstance(one.rule, Only) else ())
    return found


def settings() -> set[str]:
    """Their names."""
    return set(asked())


def words(text: str) -> set[str]:
    """Those of a text in small letters, without symbols of one letter."""
    return {word for word in re.findall(r"[^\W\d_]+", text.lower()) if len(word) > 1 and word not in ("ln", "kl")}


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
        assert "dashed" not in one.healthy  # that hangs on the page
        assert not one.healthy or one.healthy.endswith(".")
    assert quantity("reconstruction", "squared error").better == "lower"
    assert quantity("reconstruction").better == "higher"


def test_every_setting_has_a_name_that_is_no_code() -> None:
    known = settings()
    assert not {name for name in LABELS if name not in known}
    for name in known:
        assert "_" not in label(name)
        assert not label(name)[0].islower()


def test_one_name_that_several_models_have_is_called_what_it_is_in_each_of_them() -> None:
    """σ is of a decoder or of noise on grey levels, levels are a U-Net's or grey, and nats are free by layer, too."""
    assert "ecoder" not in label("sigma") + explained("sigma")
    assert "esolution" not in label("levels") + explained("levels")
    assert "layer" in explained("free_bits")


def test_the_glossary_is_in_order_and_explains_settings_that_there_are() -> None:
    names = [term.name for term in GLOSSARY]
    assert names == sorted(names, key=str.casefold)
    explains = [name for term in GLOSSARY for name in term.settings]
    assert len(set(explains)) == len(explains)
    assert set(explains) <= settings() | {f"{name}={option}" for name, known in asked().items() for option in known}
    assert all(explained(*name.split("=")[:1], name.split("=")[1:]) for name in explains)
    for term in GLOSSARY:
        assert not term.source or re.search(r"https://\S+$", term.source)


def test_a_measure_of_samples_has_its_formula() -> None:
    formulas = {term.name: term.notation for term in GLOSSARY}
    for name in ("FID", "KID", "Inception score", "Precision and recall"):
        assert formulas[name]
        assert formulas[name].count("{") == formulas[name].count("}")


def test_every_technical_word_that_pages_show_is_explained() -> None:
    """In the tooltip of what it names, or as a word of the glossary; else it is a plain one."""
    known = words(PLAIN) | {word for term in GLOSSARY for word in words(term.name)}
    for name, choices in asked().items():
        assert explained(name, sorted(choices)) or words(label(name)) <= known, name
        for option in choices:
            assert explained(name) or explained(name, [option]) or words(option) <= known, f"{name} = {option}"
    for one in QUANTITIES.values():
        assert words(one.title) <= known, one.title


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

"""One declaration drives everything: what it says, what it lets through, and what it answers otherwise."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

from genmodels.errors import BadInput
from genmodels.hyperparameters import Also, Between, Numbers, Only, Switch, Where, check, declared


def example(
    shape: tuple[int, ...],
    *,
    width: Annotated[int, Between(1, 64, "units", log=True)] = 16,
    rate: Annotated[float, Between(0, 1, "how fast")] = 0.5,
    prior: Annotated[str, Only(("normal", "vamp"), "of z")] = "normal",
    learned: Annotated[bool, Switch("whether it is learned")] = False,
    row: Annotated[tuple[float, ...], Numbers(2, 4, -1, 1, "a curve")] = (0.0, 1.0),
    undeclared: int = 3,
) -> None:
    """A function with one hyperparameter of each kind."""


def test_a_signature_is_read_back_in_order() -> None:
    found = declared(example)
    assert list(found) == ["width", "rate", "prior", "learned", "row"]
    assert [one.default for one in found.values()] == [16, 0.5, "normal", False, (0.0, 1.0)]
    assert [one.type for one in found.values()] == [int, float, str, bool, tuple[float, ...]]
    assert [one.help for one in found.values()] == ["units", "how fast", "of z", "whether it is learned", "a curve"]


def test_a_class_declares_by_its_constructor() -> None:
    @dataclass
    class Settings:
        lr: Annotated[float, Between(0, 1, "rate")] = 0.1

    assert list(declared(Settings)) == ["lr"]
    assert check(Settings, {"lr": "0.5"}) == {"lr": 0.5}


def test_what_a_part_declares_is_declared_by_the_whole() -> None:
    def whole(*, T: Annotated[int, Between(1, 9, "steps")] = 3, **of_part: Annotated[Any, Also(example)]) -> int:
        return T + of_part["width"]

    assert list(declared(whole)) == ["T", *declared(example)]
    assert whole(**check(whole, {"width": "8"})) == 11
    with pytest.raises(BadInput, match="width = 65 is not a whole number from 1 to 64"):
        check(whole, {"width": 65})


def test_what_is_not_given_takes_its_default() -> None:
    assert check(example, {}) == {"width": 16, "rate": 0.5, "prior": "normal", "learned": False, "row": (0, 1)}
    assert check(example, {"width": 8})["width"] == 8


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("width", 8, 8),
        ("width", 8.0, 8),
        ("width", "8", 8),
        ("width", "8.0", 8),
        ("width", 1, 1),
        ("width", 64, 64),
        ("rate", 0, 0.0),
        ("rate", "1e-3", 1e-3),
        ("prior", "vamp", "vamp"),
        ("learned", True, True),
        ("learned", "yes", True),
        ("learned", "TRUE", True),
        ("learned", "0", False),
        ("learned", "off", False),
        ("row", [0, 1], (0.0, 1.0)),
        ("row", "0.5, -1,1e-3", (0.5, -1.0, 1e-3)),
    ],
)
def test_text_and_json_become_the_declared_type(name: str, given: object, expected: object) -> None:
    value = check(example, {name: given})[name]
    assert value == expected
    assert type(value) is type(expected)
    assert check(example, {name: json.loads(json.dumps(value))})[name] == value


@pytest.mark.parametrize("name", ["width", "rate"])
@pytest.mark.parametrize("given", [True, None, "", "x", "nan", "inf", "-1", 65, float("nan"), 10**400, [1], {"a": 1}])
def test_a_bad_number_is_named_with_what_is_allowed(name: str, given: object) -> None:
    with pytest.raises(BadInput) as error:
        check(example, {name: given})
    assert name in str(error.value)
    assert ("a whole number from 1 to 64" if name == "width" else "a number from 0 to 1") in str(error.value)
    assert len(str(error.value)) < 200


def test_a_whole_number_is_whole() -> None:
    with pytest.raises(BadInput, match=r"width = 1\.5 is not a whole number from 1 to 64"):
        check(example, {"width": 1.5})


@pytest.mark.parametrize("given", ["Vamp", "", None, 0, ["vamp"], "x" * 10_000])
def test_a_bad_word_is_named_with_the_words_allowed(given: object) -> None:
    with pytest.raises(BadInput, match=r"prior = .* is not one of normal, vamp") as error:
        check(example, {"prior": given})
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("given", [1, 0.0, "maybe", None, []])
def test_a_bad_switch_is_named(given: object) -> None:
    with pytest.raises(BadInput, match=r"learned = .* is not true or false"):
        check(example, {"learned": given})


@pytest.mark.parametrize("given", [[], [0], [0] * 5, "0", "0,x", [0, 2], [0, None], [True, 0], 3, None, {0: 1, 1: 0}])
def test_a_bad_row_is_named_with_what_is_allowed(given: object) -> None:
    with pytest.raises(BadInput, match=r"row = .* is not a row of 2 to 4 numbers from -1 to 1"):
        check(example, {"row": given})


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(BadInput, match="'widht' is not a hyperparameter here: did you mean width"):
        check(example, {"widht": 1})
    with pytest.raises(BadInput, match="it may be width, rate, prior, learned, row"):
        check(example, {"zzz": 1})
    with pytest.raises(BadInput, match="'undeclared' is not a hyperparameter"):
        check(example, {"undeclared": 1})
    with pytest.raises(BadInput, match="'shape' is not a hyperparameter"):
        check(example, {"shape": [1]})


def test_what_counts_is_a_function_of_the_others() -> None:
    def noisy(
        *,
        decoder: Annotated[str, Only(("bernoulli", "gaussian"), "p(x | z)")] = "bernoulli",
        sigma: Annotated[
            float,
            Between(0, 1, "of a gaussian"),
            Where(lambda decoder, kind: decoder == "gaussian" and kind == "plane"),
        ] = 0.5,
    ) -> None: ...

    found = declared(noisy)
    assert found["decoder"].counts({})
    assert found["sigma"].counts({"decoder": "gaussian", "kind": "plane", "more": 1})
    assert not found["sigma"].counts({"decoder": "gaussian", "kind": "images"})
    assert not found["sigma"].counts({"decoder": "bernoulli", "kind": "plane"})

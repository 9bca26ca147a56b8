"""Checkpoints that ship are measured alike: what one card of a data set says, with its error and floor, all say."""

import inspect
import math
from dataclasses import fields
from pathlib import Path

import pytest

from genmodels.data.datasets import DATASETS
from genmodels.experiments import comparison
from genmodels.export.checkpoint import describe, export
from genmodels.export.model_card import measure_in_words
from genmodels.export.remeasure import main
from genmodels.files import read_json
from genmodels.metrics import evaluate, floors
from genmodels.metrics.judge import Quality, judges
from genmodels.models import model_class
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from genmodels.runs.run import Run

SHIPPED = {run.id: run for run in store.bundled() if (run.path / "measures.json").exists()}
OF_A_JUDGE = [f"judge_{one.name}" for one in fields(Quality) if one.name != "kid_se"]
BESIDE = ("", "_se", "_floor", "_floor_se")


@pytest.mark.parametrize("name", [name for name, run in SHIPPED.items() if run.plan.arguments.get("classes")])
def test_a_checkpoint_that_learned_with_labels_says_how_often_each_was_seen(name: str) -> None:
    """Or else it draws them evenly where none is asked for, and its samples are not distributed as the data."""
    run = SHIPPED[name]
    assert len(run.model().label_shares) == run.plan.arguments["classes"]


def distances(run: Run) -> list[str]:
    """What is measured of samples of such a model and such data."""
    data = run.plan.data
    if DATASETS[data].kind == "plane":
        return ["sliced_w1", "w1", "c2st", *["share_close_to_a_mode"] * (data in ("eight-gaussians", "gaussian-grid"))]
    known = ["sliced_w1", *OF_A_JUDGE * (data in judges())]
    is_shown_in_two_ways = "draw" in inspect.signature(model_class(run.plan.model).sample).parameters
    return [f"{way}{name}" for way in (("drawn_", "mean_") if is_shown_in_two_ways else ("",)) for name in known]


@pytest.mark.parametrize("name", SHIPPED)
def test_every_card_of_a_data_set_has_the_same_measures_with_errors_and_floors(name: str) -> None:
    measured = read_json(SHIPPED[name].path / "measures.json")
    missing = [f"{one}{part}" for one in distances(SHIPPED[name]) for part in BESIDE if f"{one}{part}" not in measured]
    missing += [  # how much the exact integral changes at last is no estimate
        f"{one}_se"
        for one in measured
        if one.endswith("_nats") and one != "log_prob_change_nats" and f"{one}_se" not in measured
    ]
    assert not missing, f"python -m genmodels.export.remeasure {name}"
    numbers = [value for one, value in measured.items() if one != "command"]
    assert all(math.isfinite(value) for value in numbers)
    assert all(value >= 0 for one, value in measured.items() if one.endswith("_se"))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_card_says_what_was_measured(name: str) -> None:
    card = (SHIPPED[name].path / "README.md").read_text()
    measured = read_json(SHIPPED[name].path / "measures.json")
    for one in (*distances(SHIPPED[name]), "examples"):
        cells = [f"{measured[f'{one}{part}']:.6g}" if f"{one}{part}" in measured else "" for part in BESIDE]
        assert f"| {one} | {' | '.join(cells)} |" in card
    assert "_std |" not in card


@pytest.mark.parametrize("name", [name for name, run in SHIPPED.items() if DATASETS[run.plan.data].kind == "plane"])
def test_the_floor_on_a_card_is_that_of_the_data_as_they_are_made(name: str) -> None:
    measured, data = read_json(SHIPPED[name].path / "measures.json"), SHIPPED[name].data()
    n = measured["examples"]
    test = floors.chosen(data.test, n, 0).x
    found = floors.averaged(evaluate.sliced(test, one.x, 0) for one in floors.draws(data, n, 0))
    told = measured["sliced_w1_floor"], measured["sliced_w1_floor_se"]
    assert told == pytest.approx((found["sliced_w1"], found["sliced_w1_se"]), rel=1e-3), f"export.cards {name} -n {n}"


def test_every_checkpoint_of_mnist_stands_beside_the_floor() -> None:
    table = [row for row in comparison.compared("mnist") if row.run in SHIPPED]
    assert len(table) >= 18
    for name in ("fid", "recall", "density", "coverage", "sliced_w1"):
        of_data = comparison.measured_floor(table, name)
        assert of_data is not None
        assert of_data.se > 0
        assert all(row.cells[name].floor_se > 0 for row in table), name
        told = [row.cells[name] for row in table]
        assert all(one.se > 0 or (name == "recall" and one.value == 0) for one in told), name  # none of any half


def test_a_card_is_written_anew(tmp_path: Path) -> None:
    ship = Run(tmp_path)
    for name in ("run.json", "state.json", "config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((SHIPPED["vae-digits-2d"].path / name).read_bytes())
    describe(ship, "a line", {"examples": 5, "w1": 0.5, "w1_se": 0.25, "w1_floor": 0.125, "elbo_nats": -3.5})
    assert read_json(tmp_path / "measures.json")["w1_floor"] == 0.125
    card = (tmp_path / "README.md").read_text()
    assert "| w1 | 0.5 | 0.25 | 0.125 |  |" in card
    assert "| elbo_nats | -3.5 |  |  |  |" in card
    assert "    a line\n" in card


def test_only_what_ships_is_measured_anew(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["cards", "../../etc"])
    with pytest.raises(SystemExit):
        main()
    assert "no checkpoint that ships" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (-142.3, 1.05, "-142.3 ± 1.1"),
        (0.244, 0.0213, "0.24 ± 0.02"),
        (0.244, 0.0, "0.244"),
        (2.0, math.nan, "2"),
        (2.0, "none", "2"),
        (2.0, None, "2"),
        (1.5, 1e-300, "1.500000000000 ± 0.000000000000"),
    ],
)
def test_a_number_has_the_digits_that_its_error_leaves(value: float, error: object, words: str) -> None:
    assert measure_in_words({"judge_fid": value, "judge_fid_se": error}, "judge_fid") == words


def test_the_card_of_a_fork_says_what_it_was_trained_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    run = store.create("vae", "digits", arguments={"hidden": 16}, settings={"steps": 4})
    for made in ({}, {"steps": 7}):
        run = store.fork(run, 4, settings=made) if made else run
        recording = Recording(run)
        list(recording.steps())
        recording.close()
    ship = export(run, tmp_path / "mine", {})
    text = (ship.path / "README.md").read_text()
    assert "Trained for 3 steps in" in text
    assert "from step 4 of another run." in text
    assert f'model = load("{ship.path}")' in text

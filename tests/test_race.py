"""Races: made of a form, run by the workers, measured snapshot by snapshot."""

import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from genmodels import random
from genmodels.errors import BadInput
from genmodels.experiments import declaration, writers
from genmodels.experiments.places import Here
from genmodels.experiments.races import race, standings, tracing
from genmodels.experiments.races.race import Budget
from genmodels.jobs import queue
from genmodels.metrics.distances import sliced_wasserstein1
from genmodels.models import MODELS
from genmodels.runs import store, timing
from genmodels.runs.record import Status
from genmodels.runs.run import Run
from tests.answers import at_once, finish

STEPS = {"flow": 6, "gan": 5}
BUDGET = Budget("images", 3000)
PAGE = Path(__file__).resolve().parents[1] / "pages/lab/race.py"


@pytest.fixture(autouse=True)
def _no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "pool", lambda: None)
    monkeypatch.setattr(standings, "FRESH", 1e-9)
    monkeypatch.setattr("streamlit.page_link", lambda *page, **how: None)  # one page alone knows of no other


def begun() -> race.Race:
    return race.start("two-moons", STEPS, 2, BUDGET)


def train(one: race.Race) -> None:
    list(Here().train([run.plan for run in one.runs]))


def test_every_family_with_settings_for_a_plane_can_race() -> None:
    assert {"vae", "flow", "ddpm", "autoregressive", "gan", "wgan", "bigan"} <= set(race.entrants()) <= set(MODELS)
    for name in race.entrants():
        preset = race.entrant(name, "two-moons")
        assert preset is not None
        assert declaration.DATASETS[preset.data].kind == "plane"
    assert race.entrant("wgan", "gaussian-grid").data == "gaussian-grid"  # its own settings where there are some


def test_a_race_is_an_experiment_of_ordinary_runs_in_the_queue() -> None:
    one = begun()
    assert set(queue.waiting()) == {run.id for run in store.every()} == {i for lane in one.lanes.values() for i in lane}
    assert {name: len(lane) for name, lane in one.lanes.items()} == {"flow": 2, "gan": 2}
    for name, lane in one.lanes.items():
        for seed, run in enumerate(map(store.find, lane)):
            assert (run.plan.model, run.plan.settings["seed"], run.plan.settings["steps"]) == (name, seed, STEPS[name])
    again = declaration.parsed(tomllib.loads(writers.toml(one.experiment)), "race")
    assert [case.plan.settings for case in again.cases] == [
        case.plan.settings for case in declaration.parsed(one.experiment, "race").cases
    ]


def test_a_race_is_found_by_its_name_and_begun_once() -> None:
    one = begun()
    assert begun() == one == race.find(one.id)
    assert len(store.every()) == 4
    train(one)
    assert begun().lanes == one.lanes  # what was trained is not trained again
    assert all(run.state().status is Status.FINISHED for run in one.runs)


def test_a_race_can_be_stopped_and_started_again() -> None:
    one = begun()
    race.stop(one)
    assert not queue.waiting()
    assert {run.state().status for run in one.runs} == {Status.STOPPED}
    assert begun() == one
    assert set(queue.waiting()) == {run.id for run in one.runs}


def test_what_cannot_race_is_refused_and_nothing_is_written(runs: Path) -> None:
    for data, families, seeds, says in (
        ("two-moons", {}, 2, "choose one family"),
        ("two-moons", {"flux": 3}, 2, "flux"),
        ("digits", {"flow": 3}, 2, "planes"),
        ("two-moons", {"flow": 3}, 11, "from 1 to 10"),
    ):
        with pytest.raises(BadInput, match=says):
            race.start(data, families, seeds, BUDGET)
    for name in ("x", "../x", "a" * 12):
        with pytest.raises(BadInput):
            race.find(name)
    assert not runs.exists()


def test_a_budget_is_the_same_for_everybody() -> None:
    told = finish(race.paces("two-moons", "here"))
    assert (told["seconds"] > 0).all()
    for name, images in zip(race.entrants(), told["images"], strict=True):
        preset = race.entrant(name, "two-moons")
        assert preset is not None
        steps = Budget("images", 1e5).steps(1, float(images))
        plan = store.planned(name, "two-moons", arguments=preset.model, settings={**preset.training, "steps": steps})
        run = store.create(name, "two-moons", arguments=plan.arguments, settings={**plan.settings, "steps": 2})
        list(Here().train([run.plan]))
        assert run.metrics()[-1]["images"] / 2 == images  # of a step, as the training itself counts them
        assert abs(steps * images - 1e5) <= images


def test_what_a_step_waits_for_on_a_busy_machine_is_not_its_time() -> None:
    class Waiting:
        device = torch.device("cpu")

        def step(self) -> None:
            time.sleep(0.05)

    training: Any = Waiting()
    seconds, n = finish(timing.stepping(training))
    assert n >= 3
    assert seconds < 0.025


def test_every_snapshot_is_measured_once_by_what_all_have() -> None:
    one = begun()
    train(one)
    now = standings.standing(one.id)
    assert now.open > 0
    assert now.measured == 0
    finish(tracing.trace(one.id, 0))
    now = standings.standing(one.id)
    assert now.open == 0
    assert not now.is_going
    assert now.progress == 1
    assert finish(tracing.trace(one.id, now.measured))["measured"] == now.measured
    data = tracing.reference(one)
    for lane in now.lanes:
        run = store.find(lane.run)
        assert set(lane.points) == {step for step in run.frames() if step}
        last = run.samples(STEPS[lane.family])
        assert last is not None
        expected = sliced_wasserstein1(data.test.x, torch.from_numpy(last), rng=random.generator(0))
        assert lane.points[STEPS[lane.family]]["sliced_w1"] == pytest.approx(expected)
        assert ("kl" in lane.points[STEPS[lane.family]]) == (lane.family == "flow")
    floor = tracing.floor_of(one)
    assert 0 < floor.value < min(values["sliced_w1"] for lane in now.lanes for values in lane.points.values())


def test_two_that_ask_at_once_measure_no_snapshot_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    one = begun()
    train(one)
    measured, calls = tracing._measured, []
    monkeypatch.setattr(tracing, "_measured", lambda *what: calls.append(what[:2]) or measured(*what))
    assert not tracing.is_traced(one.id)
    first, second = tracing.trace(one.id, 0), tracing.trace(one.id, 1)
    next(first)
    assert tracing.is_traced(one.id)
    next(second)
    next(second)
    assert calls == []
    finish(first)
    assert not tracing.is_traced(one.id)
    finish(second)
    assert len(calls) == standings.standing(one.id).measured
    assert len({(run.id, step) for run, step in calls}) == len(calls)


def test_a_band_is_the_range_of_the_seeds_where_all_have_come() -> None:
    one = begun()
    train(one)
    finish(tracing.trace(one.id, 0))
    now = standings.standing(one.id)
    for by in ("seconds", "images"):
        for band in standings.bands(now, "sliced_w1", by):
            assert band.n == 2
            assert (band.low <= band.mean).all()
            assert (band.mean <= band.high).all()
            assert (np.diff(band.x) > 0).all()
    assert [band.family for band in standings.bands(now, "kl", "images")] == ["flow"]
    end = standings.finals(now, "sliced_w1")["gan"]
    values = [lane.points[5]["sliced_w1"] for lane in now.lanes if lane.family == "gan"]
    assert (end.mean, end.n) == (pytest.approx(np.mean(values)), 2)
    slow = [lane if lane.family == "flow" else _behind(lane) for lane in now.lanes]
    assert not [b for b in standings.bands(standings.Standing(slow, 0), "sliced_w1", "images") if b.family == "gan"]


def _behind(lane: standings.Lane) -> standings.Lane:
    """A lane that still learns; every second has not come to any snapshot."""
    seed = Run(store.find(lane.run).path).plan.settings["seed"]
    return replace(lane, status=Status.RUNNING, points=lane.points if seed else {})


# The page -------------------------------------------------------------------------------------------------------------


def page(monkeypatch: pytest.MonkeyPatch, **link: str) -> AppTest:
    told = {"seconds": np.full(len(race.entrants()), 0.5), "images": np.full(len(race.entrants()), 512.0)}

    def told_or_done(function: object, **arguments: object) -> object:
        return told if function is race.paces else at_once(function, **arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("pages._ui.shared.answer.answer", told_or_done)
    test = AppTest.from_file(str(PAGE), default_timeout=60)
    for key, value in link.items():
        test.query_params[key] = value
    return test.run()


def test_one_click_starts_a_race_that_its_link_shows_again(monkeypatch: pytest.MonkeyPatch) -> None:
    test = page(monkeypatch, seeds="2", of_seconds="3")
    assert not test.exception
    (button,) = [button for button in test.button if button.key == "start"]
    assert "6 × 2 runs" in button.label
    test.get("button_group")[1].set_value(["gan", "flow"])
    test.run()
    next(button for button in test.button if button.key == "start").click().run()
    assert not test.exception
    assert len(queue.waiting()) == 4
    name = test.query_params["race"]
    assert {run.plan.settings["steps"] for run in race.find(name).runs} == {6}
    again = page(monkeypatch, race=name)
    assert not again.exception
    assert "0 of 4 runs finished" in again.get("progress")[0].proto.text
    next(button for button in again.button if button.key == "stop-race").click().run()
    assert not queue.waiting()


def test_a_link_may_name_the_families_between_commas_and_is_told_what_cannot_race(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = page(monkeypatch, seeds="1", families="vae,gan", budget="images")
    assert not test.exception
    assert not test.warning
    (button,) = [button for button in test.button if button.key == "start"]
    assert "2 × 1 runs" in button.label
    assert [one.label for one in test.slider] == ["Thousands of examples"]  # as links said before
    test = page(monkeypatch, families="vae,horse")
    assert "families = 'horse': they may be vae, " in test.warning[0].value
    (button,) = [button for button in test.button if button.key == "start"]
    assert "1 × 5 runs" in button.label


def test_the_end_of_a_race_is_a_table_with_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    one = begun()
    train(one)
    finish(tracing.trace(one.id, 0))
    test = page(monkeypatch, race=one.id)
    assert not test.exception
    table = test.dataframe[0].value.to_dict("list")
    assert table["seeds"] == ["2", "2"]
    assert all("±" in cell for cell in table["Sliced W₁"])
    assert table["KL(p ‖ q)"][1] == "–"
    assert int(table["examples"][0].replace(",", "")) >= BUDGET.amount
    assert "3,000 examples a run" in test.subheader[0].value
    assert len(test.get("plotly_chart")) == 2
    test = page(monkeypatch, race=one.id, against="images")  # as links said before
    assert not test.exception
    assert test.query_params["against"] == "examples"


def test_a_race_that_ended_before_any_snapshot_has_no_floor_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    one = begun()
    race.stop(one)
    test = page(monkeypatch, race=one.id)
    assert not test.exception
    words = [caption.value for caption in test.caption]
    assert "Mean ± standard error over the seeds, at the last snapshot." in words
    assert not any("nan" in word.split() for word in words)


def test_a_link_to_no_race_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    test = page(monkeypatch, race="nothing")
    assert not test.exception
    assert "There is no race" in test.warning[0].value

"""Walls: codes, nicknames, two processes that write at once, the end of a wall, and the spread over seeds."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from genmodels import images
from genmodels.errors import BadInput
from genmodels.runs import classroom, store
from genmodels.runs.store import Run

SMALL = {"hidden": 16, "depth": 1}


def new(**settings: object) -> Run:
    return store.create("vae", "digits", arguments=SMALL, settings={"steps": 10} | settings)


def test_a_code_is_read_in_any_case_and_leads_to_the_wall():
    wall = classroom.build()
    assert len(wall.code) == 5
    assert not set(wall.code) & set("ILO0123456789")
    assert classroom.find(f" {wall.code.lower()} ").path == wall.path


@pytest.mark.parametrize("code", ["", "ABC", "ABCDEF", "../..", "ABCD0", "HELLO", "AB/CD", ".....", "<b>AB", "ÄBCDE"])
def test_what_is_no_code_is_refused_in_a_sentence(code):
    with pytest.raises(BadInput, match="is no code of a wall: a code is 5 letters, without I, L and O"):
        classroom.find(code)


def test_a_wall_that_nobody_built_is_named():
    with pytest.raises(BadInput, match="There is no wall ABCDE: it was never built, or has come down"):
        classroom.find("ABCDE")


def test_runs_are_on_it_newest_first_once_each_while_they_exist():
    wall, (first, second, third) = classroom.build(), (new(), new(), new())
    for run in (first, second, third, first):
        wall.enter(run, "Ada")
    assert [run.id for run, _ in wall.entries()] == [first.id, third.id, second.id]
    third.delete()
    assert [run.id for run, _ in wall.entries()] == [first.id, second.id]
    assert [set(one) for one in json.loads((wall.path / "wall.json").read_text())["entries"]] == [
        {"run", "who", "at"}
    ] * 3


@pytest.mark.parametrize("file", ["run.json", "state.json"])
def test_a_damaged_run_takes_no_other_off_the_wall(file):
    wall, (whole, hurt) = classroom.build(), (new(), new())
    for run in (whole, hurt):
        wall.enter(run, "Ada")
    (hurt.path / file).write_text("")
    hung = [run for run, _ in wall.entries()]
    assert [run.id for run in hung] == [run.id for run in (hurt, whole) if not run.damage()]
    assert whole.id in [run.id for run in hung]
    assert classroom.differences([run.plan for run in hung])


def test_the_oldest_makes_room(monkeypatch):
    monkeypatch.setattr(classroom, "MOST_ENTRIES", 2)
    wall, three = classroom.build(), [new() for _ in range(3)]
    for run in three:
        wall.enter(run, "Ada")
    assert [run.id for run, _ in wall.entries()] == [three[2].id, three[1].id]


def test_two_processes_that_write_at_once_lose_nothing():
    wall = classroom.build()
    code = """
import sys
from genmodels.runs import classroom as walls
wall = walls.find(sys.argv[1])
class Named:
    def __init__(self, id): self.id = id
for i in range(60):
    wall.enter(Named(f"{sys.argv[2]}-{i}"), sys.argv[2])
"""
    command = [sys.executable, "-c", code, wall.code]
    both = [subprocess.Popen([*command, who], cwd=Path(__file__).parents[1]) for who in ("ada", "bob")]
    assert [process.wait(120) for process in both] == [0, 0]
    entries = json.loads((wall.path / "wall.json").read_text())["entries"]
    assert {one["run"] for one in entries} == {f"{who}-{i}" for who in ("ada", "bob") for i in range(60)}
    assert len(entries) == 120


def test_a_wall_comes_down_after_its_hours_and_its_runs_stay(monkeypatch):
    monkeypatch.setenv("GENMODELS_WALL_HOURS", "2")
    wall, run = classroom.build(), new()
    wall.enter(run, "Ada")
    assert 7190 < wall.left() <= 7200
    late = time.time() + 7201
    monkeypatch.setattr(time, "time", lambda: late)
    with pytest.raises(BadInput, match=f"There is no wall {wall.code}: it was never built, or has come down"):
        classroom.find(wall.code)
    assert not wall.path.exists()
    assert store.find(run.id).id == run.id
    with pytest.raises(BadInput, match="has come down: build another"):
        wall.enter(run, "Ada")
    with pytest.raises(BadInput, match="has come down"):
        wall.entries()


def test_a_wall_that_comes_down_is_gone_at_once_whatever_becomes_of_its_files(monkeypatch):
    wall = classroom.build()
    with monkeypatch.context() as killed:
        killed.setattr(shutil, "rmtree", lambda *_, **__: None)  # a process that is killed just then
        killed.setenv("GENMODELS_WALL_HOURS", "0")
        with pytest.raises(BadInput, match="has come down"):
            classroom.find(wall.code)
    assert not wall.path.exists()
    classroom.build()
    assert len(classroom._all()) == 1  # what is left of it is no wall


def test_there_are_not_more_walls_than_a_host_can_bear_and_old_ones_make_room(monkeypatch):
    monkeypatch.setattr(classroom, "MOST_WALLS", 2)
    classroom.build(), classroom.build()
    with pytest.raises(BadInput, match="2 walls stand already"):
        classroom.build()
    late = time.time() + 13 * 3600
    monkeypatch.setattr(time, "time", lambda: late)
    assert classroom.build().entries() == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("  Ada\n Lovelace ", "Ada Lovelace"),
        ("", "somebody"),
        ("\x00\u200b \t", "somebody"),
        ("x" * 99, "x" * 24),
        ("<script>alert(1)</script>", "<script>alert(1)</script"),
    ],
)
def test_a_nickname_is_one_short_line(text, name):
    assert classroom.nickname(text) == name


# What is shown --------------------------------------------------------------------------------------------------------


def test_runs_that_differ_in_the_seed_alone_belong_together():
    plans = [new(seed=seed, lr=lr).plan for seed, lr in ((0, 1e-3), (1, 1e-3), (0, 1e-2), (2, 1e-3), (5, 1e-2))]
    assert classroom.seeds(plans) == [[0, 1, 3], [2, 4]]
    assert classroom.differences([plans[0], plans[2]]) == ["vae on digits, lr 0.001", "vae on digits, lr 0.01"]
    assert classroom.differences(plans[:2]) == ["vae on digits"] * 2


def test_the_spread_over_seeds_is_mean_and_range_where_all_have_come():
    table = lambda slope, last: [{"step": s, "loss": slope * s} for s in range(1, last + 1)]  # noqa: E731
    found = classroom.spread([table(1, 10), table(2, 8), table(6, 9)], "loss")
    assert found is not None
    np.testing.assert_array_equal(found.steps, range(1, 9))
    np.testing.assert_allclose(found.mean, 3 * found.steps)
    np.testing.assert_array_equal(found.low, found.steps)
    np.testing.assert_array_equal(found.high, 6 * found.steps)


def test_between_logged_steps_a_curve_is_straight():
    sparse = [{"step": 0, "loss": 0.0}, {"step": 10, "loss": 10.0}]
    dense = [{"step": s, "loss": 2.0 * s} for s in range(11)]
    found = classroom.spread([sparse, dense], "loss")
    assert found is not None
    np.testing.assert_allclose(found.low, found.steps)
    np.testing.assert_allclose(found.mean, 1.5 * found.steps)


def test_there_is_no_spread_before_all_have_begun():
    assert classroom.spread([[{"step": 1, "loss": 1.0}], []], "loss") is None
    assert classroom.spread([], "loss") is None
    assert classroom.spread([[{"step": 1, "loss": 1.0}], [{"step": 5, "loss": 1.0}]], "loss") is None


def test_points_are_drawn_where_they_are():
    picture = images.dots([[0.0, 0.0], [-2.0, 2.0], [9.0, 0.0], [np.nan, 0.0]], 2.0, side=101)
    rows, columns = np.nonzero(picture[..., 3])
    assert set(zip(rows.tolist(), columns.tolist(), strict=True)) == {
        (y, x) for y in (49, 50) for x in (50, 51)
    }  # the corner's pixels begin outside, and what is outside is left out
    assert (picture[50, 50] == (0xD5, 0x5E, 0x00, 255)).all()

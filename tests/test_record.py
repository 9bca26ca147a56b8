"""What a run says of itself is read from what any version, or a process that was cut off, has left."""

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from genmodels.errors import BadInput, Damaged
from genmodels.runs import store
from genmodels.runs.record import Origin, Parent, Plan, State, Status

PLAN = Plan(model="vae", data="digits", parent=Parent(run="a", step=3), origin=Origin(name="hf://a/b", commit="c"))
STATE = State(status=Status.RUNNING, step=3, total=9, epoch=0.5, seconds=1.5, message="m", deaths=1, pid=7)


@pytest.mark.parametrize("record", [PLAN, STATE], ids=["plan", "state"])
def test_what_was_written_is_read(record: Plan | State, tmp_path: Path) -> None:
    record.write(tmp_path)
    assert type(record).read(tmp_path) == record


def test_the_keys_on_the_disk_are_those_that_every_version_has_read(tmp_path: Path) -> None:
    """State's field is called status; its key has always been state."""
    STATE.write(tmp_path)
    text = json.loads((tmp_path / "state.json").read_text())
    assert text["state"] == "running"
    assert {"step", "total", "seconds", "message"} < text.keys()
    PLAN.write(tmp_path)
    text = json.loads((tmp_path / "run.json").read_text())
    assert text["parent"] == {"run": "a", "step": 3}
    assert text["origin"] == {"name": "hf://a/b", "commit": "c"}


def test_what_an_older_version_did_not_know_has_a_default(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"model": "vae", "data": "digits", "parent": null}')
    (tmp_path / "state.json").write_text('{"state": "stopped"}')
    plan, state = Plan.read(tmp_path), State.read(tmp_path)
    assert (plan.parent, plan.heavy, plan.data_arguments, plan.created) == (None, False, {}, 0.0)
    assert (state.step, state.total, state.message, state.progress) == (0, 0, "", 0.0)


def test_what_a_newer_version_knows_beside_is_kept() -> None:
    """Also through a change that this version makes."""
    run = store.create("vae", "digits")
    for file in ("run.json", "state.json"):
        text = json.loads((run.path / file).read_text())
        (run.path / file).write_text(json.dumps(text | {"invented": [1, 2]}))
    run.rename("another")
    run.say(step=4)
    assert json.loads((run.path / "run.json").read_text())["invented"] == [1, 2]
    assert json.loads((run.path / "state.json").read_text())["invented"] == [1, 2]
    assert (run.title, run.state().step) == ("another", 4)


WRONG = [7, -1, 1.5, "x", True, [], {}, float("nan"), float("inf"), 10**400]


@pytest.mark.parametrize("kind", [Plan, State])
def test_a_value_of_another_kind_is_damage_that_is_named(kind: type[Plan | State], tmp_path: Path) -> None:
    """Whatever a key holds: it is read as it was declared, or the file and the key are named."""
    whole = (PLAN if kind is Plan else STATE).json()
    for key in whole:
        for wrong in WRONG:
            (tmp_path / kind.FILE).write_text(json.dumps(whole | {key: wrong}))
            try:
                record = kind.read(tmp_path)
            except Damaged as error:
                assert kind.FILE in str(error)  # noqa: PT017
                assert key in str(error) or "object" in str(error) or key in ("parent", "origin")  # noqa: PT017
            else:
                assert record.json()[key] == wrong
    for key in ("model", "data", "state"):
        if key in whole:
            (tmp_path / kind.FILE).write_text(json.dumps({k: v for k, v in whole.items() if k != key}))
            with pytest.raises(Damaged, match=f"has no {key}"):
                kind.read(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "\0\0\0", "[" * 100_000, '{"state": ' + "9" * 5000 + "}"])
def test_a_file_that_was_cut_off_is_damage_that_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(Damaged, match=r"state\.json"):
        State.read(tmp_path)


def test_a_file_that_cannot_be_read_is_damage_and_one_that_is_not_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "state.json").mkdir()
    with pytest.raises(Damaged, match=r"state\.json cannot be read"):
        State.read(tmp_path)
    with pytest.raises(BadInput, match="does not exist") as caught:
        State.read(tmp_path / "state.json")
    assert type(caught.value) is BadInput


def test_what_a_status_means() -> None:
    going = {Status.QUEUED, Status.RUNNING, Status.PAUSED}
    assert {one for one in Status if one.is_going} == going
    assert {one for one in Status if one.is_held} == going - {Status.QUEUED}
    assert replace(STATE, step=12).progress == 1.0


def test_every_shipped_record_is_wholly_understood() -> None:
    for run in store.bundled():
        assert run.plan.more == run.state().more == {}
        assert set(json.loads((run.path / "run.json").read_text())) <= {one.name for one in fields(Plan)}

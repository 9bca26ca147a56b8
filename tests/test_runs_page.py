"""The page of all runs: what is chosen stays chosen while others come and go, and a click is for the run it names."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from genmodels.jobs import queue
from genmodels.runs import store
from genmodels.runs.store import Run

PAGE = Path(__file__).resolve().parents[1] / "pages/lab/runs.py"


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "pool", lambda: None)


def made(title: str) -> Run:
    return store.create("vae", "digits", title=title)


def titles() -> set[str]:
    return {run.plan.title for run in store.every()}


def opened() -> AppTest:
    test = AppTest.from_file(str(PAGE), default_timeout=60).run()
    assert not test.exception
    return test


def choose(test: AppTest, *names: str) -> AppTest:
    """As a click on the rows of ``names`` does, in the table that is on the screen."""
    [table] = test.dataframe
    rows = [table.value["name"].tolist().index(name) for name in names]
    key = table.proto.id.rpartition("$$ID-")[2].partition("-")[2]
    test.session_state[key] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    return test


def shown(test: AppTest) -> str:
    return test.run().subheader[0].value


def press(test: AppTest, label: str) -> AppTest:
    next(button for button in test.button if button.label == label).click().run()
    assert not test.exception
    return test


def test_the_choice_follows_the_run_while_others_come_and_go() -> None:
    for title in ("first", "second", "third"):
        made(title)
    test = opened()
    assert shown(choose(test, "second")) == "second"
    new = made("new")
    assert shown(test) == "second"
    new.delete()
    assert shown(test) == "second"
    assert shown(test) == "second"
    choose(test, "third")
    made("in the same moment")
    assert shown(test) == "third", "the click was on the table as it was"


def test_what_is_deleted_is_the_run_that_was_chosen() -> None:
    for title in ("first", "second", "third"):
        made(title)
    test = opened()
    assert shown(choose(test, "second")) == "second"
    made("new")
    press(test, "Delete it")
    assert titles() == {"first", "third", "new"}


def test_a_click_for_a_run_that_is_shown_no_more_does_nothing() -> None:
    made("first")
    test = opened()  # none is chosen: the newest is shown
    assert test.subheader[0].value == "first"
    made("new")
    press(test, "Delete it")
    assert titles() == {"first", "new"}
    assert test.subheader[0].value == "new"

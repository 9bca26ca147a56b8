"""The lesson: every view opens on what its words are about, and leads to the next."""

from pathlib import Path
from urllib.parse import parse_qs

import pytest
from streamlit.testing.v1 import AppTest

from genmodels.jobs import queue
from pages._ui.classroom import hour
from pages._ui.classroom.hour import HOUR
from pages._ui.server import preload

APP = str(Path(__file__).resolve().parents[1] / "app.py")
VIEWS = range(1, len(HOUR) + 1)
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preload, "start", lambda: None)
    monkeypatch.setattr(queue, "pool", lambda: None)


def opened(**link: str) -> AppTest:
    test = AppTest.from_file(APP, default_timeout=60)
    for name, value in link.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def links(test: AppTest) -> dict[str, dict[str, list[str]]]:
    """What each link of the page says, by its label."""
    return {link.label: parse_qs(link.proto.query_string) for link in test.get("page_link")}


def said(n: int, **more: str) -> dict[str, list[str]]:
    return {name: [value] for name, value in (hour.query(n) | more).items()}


@pytest.mark.parametrize("n", VIEWS)
def test_a_view_opens_on_what_its_words_are_about(n: int) -> None:
    step = HOUR[n - 1]
    test = opened(page=step.page, **hour.query(n))
    assert not test.warning
    assert f'<p class="words">{step.words}</p>' in [block.proto.body for block in test.get("html")]
    assert test.query_params["run"] == step.state["run"]
    chosen = [row.value for row in test.segmented_control if row.key.startswith("instrument-") and row.value]
    assert chosen == [step.state["instrument"]]
    found = links(test)
    assert (f"Next: {HOUR[n].title} ›" in found) if n < len(HOUR) else not any("Next" in label for label in found)
    if n < len(HOUR):
        assert found[f"Next: {HOUR[n].title} ›"] == said(n + 1)
    if n > 1:
        assert found[f"‹ Before: {HOUR[n - 2].title}"] == said(n - 1)


def test_the_list_leads_to_all_of_them_and_for_a_projector_large() -> None:
    test = opened(page="lesson")
    assert [links(test)[f"**{n}. {HOUR[n - 1].title}**"] for n in VIEWS] == [said(n) for n in VIEWS]
    test.toggle(key="large").set_value(True).run()
    assert [links(test)[f"**{n}. {HOUR[n - 1].title}**"] for n in VIEWS] == [said(n, present="1") for n in VIEWS]
    large = links(opened(page=HOUR[0].page, **hour.query(1, large=True)))
    assert large[f"Next: {HOUR[1].title} ›"] == said(2, present="1")


@pytest.mark.parametrize("n", ["0", "99", "x"])
def test_what_is_no_view_of_it_leads_nowhere(n: str) -> None:
    assert not [label for label in links(opened(page="vae", lesson=n)) if "view" in label]


def test_the_door_for_who_teaches_leads_there() -> None:
    door = next(link for link in opened().get("page_link") if link.label == "**I teach**")
    assert door.proto.page == "lesson"

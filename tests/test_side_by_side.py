"""Trainings side by side: one click starts them, the URL keeps them, and what was trained before is taken again."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from genmodels import figures
from genmodels.jobs import queue
from genmodels.runs import store
from genmodels.runs.record import Status
from genmodels.runs.recorder import Recording
from genmodels.runs.store import Run
from pages._ui.views.common import side_by_side as shown

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

APP = Path(__file__).resolve().parents[1] / "app.py"
PLANS = {
    name: {
        "model": "gan",
        "data": "eight-gaussians",
        "arguments": {"hidden": 8, "latent_dim": 2, "beta1": beta1},
        "settings": {"steps": 2, "batch_size": 16},
        "title": f"{name} at first",
    }
    for name, beta1 in (("calm", 0.5), ("hasty", 0.9))
}


def view() -> None:
    from pages._ui.views.common.side_by_side import picture, side_by_side
    from tests.test_side_by_side import PLANS

    side_by_side(
        PLANS,
        lambda name, run: picture(run, f"picture-{name}", (-2, 2, -2, 2)),
        key="two",
        all_of_them="Train both",
        each=dict.fromkeys(PLANS, ""),
    )


def drawn(**link: str) -> AppTest:
    test = AppTest.from_function(view, default_timeout=60)
    test.query_params.update(link)
    return test.run()


def linked(test: AppTest) -> list[str]:
    value = test.query_params["two"]
    return (value if isinstance(value, str) else value[0]).split(",")


def page(**link: str) -> AppTest:
    """The page of the GAN, as the app shows it."""
    test = AppTest.from_file(str(APP), default_timeout=60)
    test.query_params.update({"page": "gan"} | link)
    return test.run()


def finish(run: Run) -> None:
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    (queue.queue() / run.id).unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker is started, and there are no pages."""
    monkeypatch.setattr(queue, "pool", lambda: None)
    monkeypatch.setattr(shown.st, "page_link", lambda *_, **__: None)


def test_one_click_trains_all_and_the_link_and_a_reload_show_the_same() -> None:
    test = drawn()
    assert not test.get("progress")
    test.button(key="two-all").click().run()
    assert not test.exception
    made = [store.find(name) for name in linked(test)]
    assert [run.plan.arguments["beta1"] for run in made] == [0.5, 0.9]
    assert {run.state().status for run in made} == {Status.QUEUED}
    for run in made:
        finish(run)
    again = drawn(two=",".join(run.id for run in made))
    assert not again.exception
    captions = [caption.value for caption in again.caption]
    assert "gan on eight-gaussians, beta1 0.5" in captions  # what tells them apart is said
    assert "gan on eight-gaussians, beta1 0.9" in captions
    traces = "".join(str(chart.proto.spec) for chart in again.get("plotly_chart"))
    assert len(again.get("plotly_chart")) == 2
    assert "scattergl" not in traces


def test_a_run_of_the_same_plan_is_taken_again_whatever_its_title() -> None:
    test = drawn()
    test.button(key="two-1").click().run()
    nothing, hasty = linked(test)
    assert nothing == ""
    finish(store.find(hasty))
    store.find(hasty).rename("something else")
    other = store.create(**PLANS["calm"] | {"settings": PLANS["calm"]["settings"] | {"seed": 7}})
    other.rename(PLANS["calm"]["title"])
    test.button(key="two-all").click().run()
    assert linked(test)[1] == hasty
    assert linked(test)[0] not in ("", other.id)  # another seed is another run
    assert len(store.every()) == 3
    test.button(key="two-all").click().run()
    assert len(store.every()) == 3


def test_all_are_stopped_at_a_press_and_go_on_at_another() -> None:
    test = drawn()
    test.button(key="two-all").click().run()
    names = linked(test)
    test.button(key="two-stop").click().run()
    assert {store.find(name).state().status for name in names} == {Status.STOPPED}
    assert not [button for button in test.button if button.key == "two-stop"]
    test.button(key="two-all").click().run()
    assert linked(test) == names
    assert {store.find(name).state().status for name in names} == {Status.QUEUED}


def test_what_the_host_refuses_is_said_and_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_MAX_WAITING", "1")
    test = drawn()
    test.button(key="two-all").click().run()
    assert not test.exception
    assert "wait until some have ended" in test.error[0].value
    assert store.every() == []


def test_runs_in_any_order_are_known_by_what_they_are_and_what_is_gone_is_named() -> None:
    runs = [store.create(**plan) for plan in PLANS.values()]
    for run in runs:
        finish(run)
    other = store.create("gan", "ring", arguments={"hidden": 8, "beta1": 0.1}, settings={"steps": 2})
    test = drawn(two=f"{runs[1].id},{runs[0].id},{other.id}")
    assert not test.exception
    assert len(test.get("plotly_chart")) == 2
    assert "Its picture comes with the first snapshot." in [caption.value for caption in test.caption]
    test.button(key="two-1").click().run()
    assert linked(test) == [run.id for run in runs]
    runs[0].delete()
    test = drawn(two=f"{runs[0].id},{runs[1].id}")
    assert "Not there any more: calm." in [caption.value for caption in test.caption]


def test_few_points_take_no_webgl_and_stand_out_from_their_ground() -> None:
    few, many = ([[0.0, 1.0]] * n for n in (300, 5000))
    figure = figures.points((figures.Points("few", few, figures.SAMPLES, outlined=True),))
    assert figure.data[0].type == "scatter"
    assert (figure.data[0].marker.line.color, figure.data[0].marker.opacity) == ("white", 1.0)
    assert figures.points((figures.Points("many", many, figures.SAMPLES),)).data[0].type == "scattergl"


def test_runs_to_compare_with_are_told_apart_and_stay_in_the_link() -> None:
    shared = {"hidden": 8, "latent_dim": 2}
    plans = [(shared, 0), (shared, 0), (shared | {"beta1": 0.9}, 0), (shared, 4)]
    run, same, hasty, seeded = (
        store.create("gan", "ring", arguments=arguments, settings={"steps": 2, "seed": seed})
        for arguments, seed in plans
    )
    finish(run)
    test = page(run=run.id)
    assert not test.exception
    menu = test.multiselect(key=f"beside-{run.id}")
    assert len(set(menu.options)) == len(menu.options) >= 3
    assert f"gan on ring · beta1 0.9 · {hasty.id[-6:]}" in menu.options
    assert f"gan on ring · seed 4 · {seeded.id[-6:]}" in menu.options
    assert f"gan on ring · {same.id[-6:]}" in menu.options
    test.session_state["link"] = True  # open
    menu.set_value([hasty.id]).run()
    assert test.query_params["beside"] in (hasty.id, [hasty.id])
    link = next(code.value for code in test.code if "?" in code.value)
    assert f"beside={hasty.id}" in link
    again = page(run=run.id, beside=hasty.id)
    assert again.multiselect(key=f"beside-{run.id}").value == [hasty.id]

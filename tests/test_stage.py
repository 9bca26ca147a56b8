"""A page of a model: the picture first, curves that a link compares, instruments that apply, a view for projectors."""

import json
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from genmodels import figures
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.host import ownership
from genmodels.hyperparameters import Only, Switch
from genmodels.instruments import codes
from genmodels.jobs import queue
from genmodels.models import MODELS
from genmodels.runs import classroom, store
from genmodels.runs.forks import changeable
from genmodels.runs.record import State, Status
from pages._ui.classroom import membership
from pages._ui.classroom import wall as mosaic
from pages._ui.components import films, later
from pages._ui.form import lesson
from pages._ui.page import frames, time_machine, train_panel
from pages._ui.server import preload
from pages._ui.shared import instruments, run_cache
from pages._ui.shared import plot as plots
from pages._ui.shared.instruments import Instrument, of_images, of_points, offered
from pages._ui.shared.moment import Moment
from pages._ui.views.common import newest, shapes

CLOCK = {"step": 1, "epoch": 0.1, "images": 64, "seconds": 0.1}
APP = str(Path(__file__).resolve().parents[1] / "app.py")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preload, "start", lambda: None)
    monkeypatch.setattr(queue, "pool", lambda: None)


def opened(page: str = "vae", **link: str) -> AppTest:
    test = AppTest.from_file(APP, default_timeout=60)
    for name, value in ({"page": page} | link).items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def html(test: AppTest) -> str:
    return " ".join(block.proto.body for block in test.get("html"))


# Instruments ----------------------------------------------------------------------------------------------------------


def draws(name: str) -> Callable[[Moment], None]:
    return lambda moment: None


KNOWN = {
    "Plane": Instrument(draws("Plane"), applies=of_points),
    "Map": Instrument(draws("Map"), "Play", "Where do the sevens live?", "Drag the point.", of_images),
    "Bound": draws("Bound"),
    "Collapse": Instrument(draws("Collapse"), "When it fails"),
    "Path": Instrument(draws("Path"), "Play"),
}


def moment_of(run: str) -> Moment:
    return Moment.of(store.find(run))


def test_only_instruments_that_apply_are_offered_group_by_group() -> None:
    assert list(offered(KNOWN, moment_of("vae-digits-2d"))) == ["Map", "Path", "Bound", "Collapse"]
    assert list(offered(KNOWN, moment_of("gan-eight-gaussians"))) == ["Path", "Plane", "Bound", "Collapse"]
    with pytest.raises(ValueError, match="one of Play, Understand, When it fails, not Fun"):
        Instrument(draws("x"), "Fun")


def explores() -> None:
    from genmodels.runs import store
    from pages._ui.shared import instruments
    from pages._ui.shared.moment import Moment
    from tests.test_stage import KNOWN

    instruments.explore(KNOWN, Moment.of(store.find("vae-digits-2d")))


def test_an_instrument_asks_its_question_and_the_link_says_which_it_is() -> None:
    test = AppTest.from_function(explores, default_timeout=60).run()
    assert not test.exception
    assert [one.value for one in test.subheader] == ["Where do the sevens live?"]
    assert "Drag the point." in [one.value for one in test.markdown]
    rows = {row.key: row for row in test.segmented_control}
    assert {key: row.options for key, row in rows.items()} == {
        "instrument-Play": ["Map", "Path"],
        "instrument-Understand": ["Bound"],
        "instrument-When it fails": ["Collapse"],
    }
    rows["instrument-When it fails"].set_value("Collapse").run()
    assert test.query_params["instrument"] == "Collapse"
    assert not test.subheader
    assert {row.key: row.value for row in test.segmented_control}["instrument-Play"] is None
    again = AppTest.from_function(explores, default_timeout=60)
    again.query_params["instrument"] = "Path"
    again.run()
    assert {row.key: row.value for row in again.segmented_control}["instrument-Play"] == "Path"


def test_a_run_of_the_page_that_changes_nothing_takes_back_no_click_that_is_on_its_way() -> None:
    test = AppTest.from_function(explores, default_timeout=60).run()
    for chosen, others in (("instrument-When it fails", 1), ("instrument-Play", 1)):
        name = "Collapse" if "fails" in chosen else "Path"
        test.segmented_control(key=chosen).set_value(name).run()
        assert sum(row.proto.set_value for row in test.segmented_control) == others  # that which was chosen before
        test.run()
        assert [row.key for row in test.segmented_control if row.proto.set_value] == []


def test_a_link_to_what_does_not_apply_says_so() -> None:
    test = AppTest.from_function(explores, default_timeout=60)
    test.query_params["instrument"] = "Plane"
    test.run()
    assert not test.exception
    assert "*Plane* cannot be used on this model; shown is *Map*." in [one.value for one in test.caption]
    assert "instrument" not in test.query_params


# The film -------------------------------------------------------------------------------------------------------------


def test_a_plane_of_codes_is_shown_as_a_map_and_a_critic_under_its_samples() -> None:
    run = store.find("vae-digits-2d")
    assert codes.has_map(run.model())
    sheet = frames.maps(frames.placed(run), tuple(run.snapshots()))
    assert (sheet.frames, sheet.size) == (len(run.snapshots()), (8 * frames.SIDE, 8 * frames.SIDE))
    assert not codes.has_map(store.find("vae-mnist-20d").model())
    assert not codes.has_map(store.find("gan-digits").model())
    wgan = store.find("wgan-eight-gaussians")
    under = frames.beliefs(frames.placed(wgan), tuple(wgan.snapshots()))
    assert under is not None
    assert under.frames == len(wgan.snapshots())
    vae = store.find("vae-digits-2d")
    assert frames.beliefs(frames.placed(vae), tuple(vae.snapshots())) is None


def test_a_click_on_a_film_is_a_frame_that_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = type("Sprite", (), {"image": b"\x89PNG", "size": (1, 1), "frames": 5, "columns": 5})()
    film = films.Film("vae", "VAE", "digits", sheet, ["a"] * 5)
    for told, found in (
        (None, None),
        ({"name": "gan", "frame": 1}, None),
        ({"name": "vae", "frame": "1"}, None),
        ({"name": ["vae"], "frame": 1}, None),
        ({"name": "vae", "frame": 3}, ("vae", 3)),
        ({"name": "vae", "frame": 10**9}, ("vae", 4)),
        ({"name": "vae", "frame": -7}, ("vae", 0)),
    ):
        monkeypatch.setattr(films, "_mount", lambda told=told, **_: {"open": told})
        assert films.films([film], key="k") == found


@pytest.mark.parametrize("step", [0, 12, 584, 920])
def test_a_film_opened_at_a_moment_stands_there_and_is_named(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether its weights were kept (0 and 12) or its picture alone; also at the end, from which it does not replay."""
    films: list[dict[str, Any]] = []
    monkeypatch.setattr(time_machine, "scrubber", lambda _, **shown: films.append(shown) or shown["start"])
    run = store.find("ladder-mnist")
    test = opened("ladder", run=run.id, step=str(step))
    [film] = films
    assert film["captions"][film["start"]] == f"step {step:,}"
    assert not film["autoplay"]
    said = [one.value for one in test.markdown]
    assert any(one.startswith(f"Checkpoint **{run.id}**, step {step:,} · ") for one in said)
    about = [one.value for one in test.caption if "picture alone" in one.value]
    there = "Of step 584 there is the picture alone: below is step 920, the nearest with weights."
    assert about == ([there] if step == 584 else [])
    assert step in run.snapshots() or step == 584


def test_one_moment_alone_with_weights_is_not_called_the_nearest() -> None:
    said = [one.value for one in opened("gan", run="gan-mnist-report", step="561").caption]
    assert "Of step 561 there is the picture alone: below is step 4,000, the only one with weights." in said


def test_a_step_that_a_link_has_wrong_is_that_of_its_run_alone() -> None:
    test = opened(run="vae-digits-2d", step="77")
    assert any("step = '77'" in one.value for one in test.warning)
    test.query_params["run"] = "vae-mnist-2d"
    test.run()
    assert "".join(test.query_params["run"]) == "vae-mnist-2d"
    assert not test.warning


@pytest.mark.parametrize("left", ["gan", "vae-mnist-20d", None])
def test_what_another_form_said_is_not_what_this_one_says(left: str | None) -> None:
    """Streamlit keeps what is in the URL for a widget of that name, on whichever page it comes next."""
    test = AppTest.from_file(APP, default_timeout=60)
    for name, value in {"page": "vae", "run": "vae-digits-2d"}.items():
        test.query_params[name] = value
    for key, kept in {"latent_dim": 5, "lr": 0.05, "form of": left}.items():
        test.session_state[key] = kept
    test.run()
    assert not test.exception
    assert test.slider(key="latent_dim").value == 2
    assert "lr" not in test.query_params
    assert not [one for one in test.markdown if "Settings changed" in one.value]
    test.slider(key="latent_dim").set_value(5).run()
    assert test.slider(key="latent_dim").value == 5


def test_the_time_left_is_that_of_the_pace_asked_for() -> None:
    run = store.create("vae", "digits", settings={"steps": 840})
    state = State(status=Status.RUNNING, step=0, total=840)
    assert train_panel._left(run, state, 0.005) == pytest.approx(4.2)
    queue.slow(run, 1.0)
    assert train_panel._left(run, state, 0.005) == 840


def test_the_epoch_is_that_of_the_step() -> None:
    run = store.create("vae", "digits", settings={"steps": 3300})
    (run.path / "metrics.jsonl").write_text(json.dumps(CLOCK | {"step": 225, "epoch": 20.0, "loss": 1.0}) + "\n")
    State(status=Status.PAUSED, step=153, total=3300, epoch=20.0).write(run.path)
    bar = opened(run=run.id).get("progress")[0].proto
    assert "step 153 of 3,300 · epoch 13.6" in bar.text


@pytest.mark.parametrize("name", ["vae-digits-2d", "gan-eight-gaussians", "wgan-eight-gaussians", "ddpm-digits"])
def test_a_fork_is_offered_what_it_may_change(name: str) -> None:
    run = store.find(name)
    step, known = run.snapshots()[0], changeable(run)
    assert known
    assert not {"hidden", "latent_dim", "depth", "network"} & set(known)
    for key, one in known.items():
        now = run.plan.arguments.get(key, one.default)
        others = one.rule.options if isinstance(one.rule, Only) else [not now] if isinstance(one.rule, Switch) else []
        for value in others:
            said = ""
            try:
                store.fork(run, step, arguments={key: value}).delete()
            except BadInput as error:
                said = str(error)
            assert "keeps its parent's weights" not in said, (key, value)


# Comparing ------------------------------------------------------------------------------------------------------------


def test_the_runs_compared_are_in_the_link_and_can_be_told_apart() -> None:
    made = [store.create("vae", "digits", settings={"steps": 9, "seed": seed}) for seed in range(3)]
    for run in made:
        (run.path / "metrics.jsonl").write_text(json.dumps(CLOCK | {"loss": 1.0}) + "\n")
    first, second, third = made
    test = opened(run=first.id, beside=f"{second.id},nobody")
    menu = next(box for box in test.multiselect if box.key == f"beside-{first.id}")
    assert menu.value == [second.id]
    assert test.query_params["beside"] == second.id
    assert len(set(menu.options)) == len(menu.options)
    menu.set_value([second.id, third.id]).run()
    assert test.query_params["beside"] == f"{second.id},{third.id}"
    menu = next(box for box in test.multiselect if box.key == f"beside-{first.id}")
    menu.set_value([]).run()
    assert "beside" not in test.query_params


# A projector, and a class ---------------------------------------------------------------------------------------------


def test_a_projector_shows_one_view_alone_and_the_teachers_words_as_text() -> None:
    test = opened(run="vae-digits-2d", present="1", instrument="Reconstructions", say="<b>Look</b>  here\n now")
    assert '<p class="words">&lt;b&gt;Look&lt;/b&gt; here now</p>' in html(test)
    keys = {button.key for button in test.button}
    assert "train" not in keys
    assert not [box for box in test.selectbox if box.key in ("preset", "data")]
    assert "font-size: 23px" in html(test)
    assert "font-size: 23px" not in html(opened(run="vae-digits-2d"))


def test_on_a_projector_pictures_are_larger_and_no_legend_lies_over_a_title(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    place = SimpleNamespace(plotly_chart=lambda figure, **_: shown.append(figure))
    for presenting in (False, True):
        monkeypatch.setattr(plots, "is_presenting", lambda at=presenting: at)
        monkeypatch.setattr(shapes, "is_presenting", lambda at=presenting: at)
        lines = [figures.Curve(name, [0, 1], [0, 1], figures.DATA) for name in ("a", "b")]
        plots.plot(figures.curves(lines, title="Two", x_title="x", y_title="y"), key="two", place=place)
        shown.append(shapes.zoom((1, 28, 28), 56))
    small, usual, large, more = shown
    assert (usual, more) == (2.0, 2.0 * shapes.LARGE)
    assert large.layout.legend.font.size > small.layout.template.layout.legend.font.size
    title, legend = large.layout.title.font.size, large.layout.legend.font.size
    assert large.layout.margin.t > 1.5 * (title + legend)
    assert small.layout.margin.t == large.layout.margin.t / 2
    one_of_many = figures.curves(lines, title="Two", x_title="x", y_title="y").update_layout(height=280)
    plots.plot(one_of_many, key="small", place=place, small=True)
    assert shown[-1].layout.height == 280 < plots.HEIGHT == large.layout.height


def test_a_link_carries_the_words_that_it_is_given_and_nobodys_name() -> None:
    made = lesson.link("vae", {"who": "Ada", "say": "old", "beta": "2"}, present="1", say="Why?")
    assert made.endswith("/vae?beta=2&present=1&say=Why%3F")


def test_who_comes_by_a_link_is_asked_for_a_name_once() -> None:
    wall = classroom.build()
    test = opened(room=wall.code)
    test.text_input(key="who-asked").input("Ada")
    next(one for one in test.button if one.label == "This is me").click().run()
    assert not test.exception
    assert test.query_params["who"] == "Ada"
    assert "who-asked" not in {box.key for box in test.text_input}
    refreshed = opened(room=wall.code, who="Ada")
    assert "who-asked" not in {box.key for box in refreshed.text_input}
    refreshed.button(key="train").click().run()
    [(_, entry)] = wall.entries()
    assert entry.who == "Ada"


def on_a_wall() -> None:
    """A page that says on which wall its visitor is."""
    import streamlit as st

    from pages._ui.classroom import membership

    room = membership.wall()
    st.write(f"on {room.code if room else 'none'}")


def test_wrong_codes_of_others_take_nobody_off_a_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_SHARED", "1")
    monkeypatch.setattr(ownership, "is_visiting", lambda: True)
    guesses = [(time.monotonic(), ownership.known(f"t{i}", "198.51.100.7")) for i in range(classroom.MOST_WRONG)]
    code = classroom.build().code
    monkeypatch.setattr(classroom, "_wrong", deque())
    member = AppTest.from_function(on_a_wall)
    member.query_params["room"] = code
    member.run()
    classroom._wrong.extend(guesses)
    late = AppTest.from_function(on_a_wall)
    late.query_params["room"] = code
    assert [block.value for block in member.run().markdown] == [f"on {code}"]
    late.run()
    assert [block.value for block in late.markdown] == ["on none"]
    assert "wait a minute" in late.warning[0].value
    classroom._wrong.clear()
    assert [block.value for block in late.run().markdown] == [f"on {code}"]  # the link still says where


def test_the_projector_of_a_wall_leads_there() -> None:
    wall = classroom.build()
    shown = html(opened("wall", room=wall.code, projector="1", hide="menu"))
    address = membership.address(wall)
    assert address.endswith(f"/wall?room={wall.code}")
    assert "data:image/svg+xml" in shown
    assert f"a QR code that leads to {address}" in shown


def test_a_run_that_is_deleted_while_a_wall_is_drawn_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, run = classroom.build(), store.create("vae", "digits")
    wall.enter(run, "Ada")
    listed = wall.entries()
    monkeypatch.setattr(classroom.Wall, "entries", lambda self: listed)
    run.delete()
    shown = opened("wall", room=wall.code)
    assert "does not exist" in shown.warning[0].value


def test_what_two_models_log_under_one_name_is_not_one_chart() -> None:
    made = [store.create(model, "eight-gaussians", settings={"steps": 9}) for model in ("gan", "wgan", "gan")]
    for run in made:
        (run.path / "metrics.jsonl").write_text(json.dumps(CLOCK | {"generator_loss": 1.0}) + "\n")
    stamps = tuple(run_cache.stamp(run.path / "metrics.jsonl") for run in made)
    panels = mosaic._panels(stamps, ("a", "b", "c"))
    assert [(one.title, len(one.series)) for one in panels] == [("Generator loss, GAN", 3), ("Generator loss, WGAN", 1)]


@pytest.mark.parametrize(("runs", "said"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs")])
def test_a_wall_counts_its_runs(runs: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(mosaic.st, "html", shown.append)
    mosaic.banner("ABCDE", "http://localhost/wall?room=ABCDE", runs)
    assert f"<span>{said}</span>" in shown[0]


def test_a_wall_shows_what_is_to_be_learned() -> None:
    assert "Eight Gaussians" in mosaic._goal("eight-gaussians")
    assert mosaic._goal("drawing") == ""
    assert mosaic._goal(datasets.ELSEWHERE) == ""
    blue: Any = mosaic._blue(np.full((1, 1, 4), 255, np.uint8))
    assert blue[0, 0].tolist() == [0x00, 0x72, 0xB2, 255]
    assert instruments.GROUPS[0] == "Play"


def test_a_wall_downloads_no_data_and_shows_them_once_they_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    digits = datasets.load("digits")
    monkeypatch.setattr(datasets, "load", lambda name: loaded.append(name) or digits)
    monkeypatch.setattr(mosaic, "is_here", lambda name: False)
    assert mosaic._goal("kmnist") == ""
    assert not loaded
    monkeypatch.setattr(mosaic, "is_here", lambda name: True)
    assert "the data" in mosaic._goal("kmnist")
    assert loaded == ["kmnist"]
    mosaic._drawn_goal.cache_clear()


# What holds of all ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", sorted(MODELS))
def test_every_instrument_asks_a_question_and_says_what_to_look_for(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known: list[dict[str, Instrument]] = []
    monkeypatch.setattr(instruments, "explore", lambda offered, moment: known.append(offered))
    opened(page)
    assert known
    for name, one in known[-1].items():
        assert isinstance(one, Instrument), name
        assert one.question.endswith("?"), name
        assert one.before.endswith((".", "?")), name


def test_a_collapse_that_is_made_to_happen_is_what_the_form_says() -> None:
    test = opened("vae", run="vae-mnist-2d", instrument="Collapse")
    test.button(key="make-collapse").click().run()
    assert not test.exception
    assert "".join(test.query_params["run"]).startswith("vae-digits")
    assert test.selectbox(key="preset").value == "Posterior collapse (see it happen)"
    assert not [one for one in test.markdown if "Settings changed" in one.value]


def test_runs_shows_what_the_chosen_one_drew_last(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[bytes] = []
    monkeypatch.setattr(newest.st, "image", lambda picture, **_: drawn.append(picture))
    opened("runs")
    assert [picture[:4] for picture in drawn] == [b"\x89PNG"]


@pytest.mark.parametrize(("run", "guides"), [("ddpm-mnist", False), ("ddpm-mnist-classes", True)])
def test_samples_are_guided_only_where_the_model_knows_labels(run: str, guides: bool) -> None:
    test = opened("ddpm", run=run, view="Sample")
    widgets = [*test.number_input, *test.slider, *test.select_slider]
    assert any(one.key == "how_guidance" for one in widgets) == guides


# The picture before the charts ----------------------------------------------------------------------------------------


def keys(test: AppTest) -> set[str]:
    return {part.proto.id.rpartition("$$ID-")[2].partition("-")[2] for part in test.get("bidi_component")} | {
        part.key for part in test.get("button_group")
    }


LATE = {"curves-gan-eight-gaussians", "view"}


def test_a_browser_draws_the_picture_before_the_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(later.st.context), "url", "http://localhost:8501/gan")
    test = opened("gan")
    assert "film-gan-eight-gaussians" in keys(test)
    assert not LATE & keys(test)
    test.session_state["has_arrived"] = True
    assert keys(test.run()) >= LATE


def test_who_has_no_browser_waits_for_nothing() -> None:
    assert keys(opened("gan")) >= LATE | {"film-gan-eight-gaussians"}

"""The app as its visitors' scripts run: pages, forms, links, theory; what only a browser sees is in tests/browser."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from genmodels import images
from genmodels.hyperparameters import Between, Numbers, Only, Switch, declared
from genmodels.jobs import queue
from genmodels.models import MODELS
from genmodels.models.vae import VAE
from genmodels.probability.distributions import kl_to_standard_normal
from genmodels.runs import classroom, shipped, store
from genmodels.runs.shipped import CHECKPOINTS, FIRST, pieces
from genmodels.training.settings import Settings
from pages._ui.classroom import wall as mosaic
from pages._ui.form import lesson
from pages._ui.form.form import hyperparameters
from pages._ui.page import theory, time_machine
from pages._ui.server import preload
from pages._ui.shared import run_cache as shared_files
from tests.answers import at_once

ROOT = Path(__file__).resolve().parents[1]
APP, FORM = str(ROOT / "app.py"), str(ROOT / "tests/browser/apps/form.py")
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("pages/[a-z]*/*.py"))
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def no_preload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preload, "start", lambda: None)
    monkeypatch.setattr(queue, "pool", lambda: None)


def app() -> AppTest:
    test = unfolded(AppTest.from_file(APP, default_timeout=60)).run()
    assert not test.exception
    return test


# The router -----------------------------------------------------------------------------------------------------------


def test_home_shows_every_model_that_has_a_page() -> None:
    home = app()
    links = {link.label for link in home.get("page_link")}
    for name, entry in MODELS.items():
        assert (f"**{entry.title}**" in links) == (ROOT / "pages/models" / f"{name}.py").exists()


def test_home_shows_every_family_on_mnist_and_opens_just_what_it_shows() -> None:
    shown = {piece.model: piece for piece in pieces() if piece.name in FIRST}
    assert set(shown) == set(MODELS)
    links = {link.label: link for link in app().get("page_link")}
    for name, piece in shown.items():
        assert piece.data in ("mnist", "mnist-dynamic")
        link = links[f"**{MODELS[name].title}**"].proto
        assert link.query_string == f"run={piece.name}"
        assert opened(name, run=piece.name).query_params["run"] == piece.name


def test_the_films_of_the_first_page_are_drawn_once_for_all_visitors(monkeypatch: pytest.MonkeyPatch) -> None:
    app()
    for module in (images, shipped):
        monkeypatch.setattr(module, "sprite", None)
    app()


def unfolded(test: AppTest) -> AppTest:
    """With all that is a click away opened: what is closed has no widgets."""
    for key in ("more-model", "more-training", "link"):
        test.session_state[key] = True
    return test


def says(test: AppTest) -> str:
    """All that the page says in words."""
    return " ".join(one.value for one in (*test.markdown, *test.caption))


@pytest.mark.parametrize("name", MODELS)
def test_a_page_names_the_checkpoint_on_which_it_opens_and_its_form_says_how_it_was_made(name: str) -> None:
    test = opened(name)
    run = store.find(test.query_params["run"])
    assert run.is_bundled
    assert f"Checkpoint **{run.id}**, step {run.state().step:,}" in says(test)
    assert "Settings changed" not in says(test)
    assert test.selectbox(key="data").value == run.plan.data
    test.button(key="train").click().run()
    assert not test.exception
    made = store.every()[0].plan
    assert made.data == run.plan.data
    assert made.settings == {**made.settings, **run.plan.settings}
    known = {name: one.where for name, one in declared(MODELS[name].cls).items()}
    assert {k: v for k, v in made.arguments.items() if known[k] is None} == {
        k: type(made.arguments[k])(run.plan.arguments.get(k, made.arguments[k])) for k in known if known[k] is None
    }


@pytest.mark.parametrize("run", ["vae-mnist-20d", "vae-mnist-2d-vamp", "vae-digits-2d"])
def test_the_form_beside_a_checkpoint_is_that_of_the_checkpoint(run: str) -> None:
    plan, test = store.find(run).plan, opened("vae", run=run)
    assert test.selectbox(key="data").value == plan.data
    assert test.session_state["latent_dim"] == plan.arguments["latent_dim"]
    assert test.session_state["prior"] == plan.arguments["prior"]
    assert test.session_state["hidden"] == plan.arguments["hidden"]
    assert "Settings changed" not in says(test)
    test.slider(key="latent_dim").set_value(9).run()
    assert "Settings changed: press Train" in says(test)
    assert "Latent dimensions" in says(test)
    test.slider(key="latent_dim").set_value(plan.arguments["latent_dim"]).run()
    assert "Settings changed" not in says(test)


def test_a_link_to_settings_alone_is_beside_a_checkpoint_that_it_does_not_describe() -> None:
    test = opened("vae", latent_dim="7")
    assert test.slider(key="latent_dim").value == 7
    assert "run" not in test.query_params
    assert "Settings changed: press Train" in says(test)


def test_after_train_and_fork_the_form_is_that_of_the_new_run() -> None:
    test = opened("vae", run="vae-digits-2d")
    test.slider(key="latent_dim").set_value(5).run()
    test.button(key="train").click().run()
    assert not test.exception
    run = store.every()[0]
    assert test.query_params["run"] == run.id
    assert (run.plan.arguments["latent_dim"], test.slider(key="latent_dim").value) == (5, 5)
    assert f"Run **{run.plan.title}** · " in says(test)
    assert "Settings changed" not in says(test)
    parent = opened("vae", run="vae-digits-2d", beta="3")
    parent.session_state["fork-menu-vae-digits-2d"] = True  # open
    parent.run()
    next(one for one in parent.button if one.label == "Fork and train").click().run()
    assert not parent.exception
    assert parent.session_state["beta"] == 1.0
    assert "Settings changed" not in says(parent)


def test_six_settings_are_in_sight_and_the_rest_a_click_away() -> None:
    for name in MODELS:
        test = opened(name)
        kinds = (test.number_input, test.select_slider, test.slider, test.text_input, test.selectbox, test.toggle)
        form = {box.key for kind in (*kinds, test.get("button_group")) for box in kind}
        form &= {"preset", "data", *declared(MODELS[name].cls), *declared(Settings)}
        folded = set()
        for one in test.expander:
            if one.label.startswith("More "):
                inside = (one.number_input, one.select_slider, one.slider, one.text_input, one.selectbox, one.toggle)
                folded |= {box.key for kind in (*inside, one.get("button_group")) for box in kind}
        assert folded
        assert 2 < len(form - folded) <= 6, form - folded


@pytest.mark.parametrize("page", PAGES)
def test_every_page_draws_itself(page: str) -> None:
    test = app()
    test.switch_page(page)
    test.run()
    assert not test.exception
    assert len(test.title) == 1


def test_a_model_without_a_page_is_not_in_the_menu(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = MODELS["vae"]
    monkeypatch.setitem(MODELS, "unseen", type(entry)("Unseen", "Unseen", "Nobody has drawn it.", entry.path))
    assert "**Unseen**" not in {link.label for link in app().get("page_link")}


def test_the_first_page_waits_for_neither_torch_nor_scipy() -> None:
    code = f"""
import sys
from streamlit.testing.v1 import AppTest
from pages._ui.server import preload
preload.start = lambda: None
test = AppTest.from_file({APP!r}, default_timeout=60).run()
assert not test.exception and test.title, test.exception
found = {{"torch", "scipy", "sklearn"}} & set(sys.modules)
assert not found, found
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, timeout=120)


# The form -------------------------------------------------------------------------------------------------------------


def form(**link: str) -> AppTest:
    test = unfolded(AppTest.from_file(FORM, default_timeout=60))
    for name, value in link.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def chosen(test: AppTest) -> dict[str, object]:
    values = json.loads(test.json[0].value)
    return {"data": values["data"], **values["arguments"], **values["settings"]}


def test_a_link_is_a_setting() -> None:
    test = form(data="two-moons", latent_dim="5", hidden="300", prior="vamp", lr="3e-4", compile="yes", beta="0.5")
    expected = {"data": "two-moons", "latent_dim": 5, "hidden": 300, "prior": "vamp", "lr": 3e-4, "compile": True}
    assert chosen(test).items() >= (expected | {"beta": 0.5}).items()
    assert not test.warning
    assert test.query_params["lr"] == "0.0003"  # other spellings are put right


def test_what_a_link_has_wrong_is_named_and_the_default_taken() -> None:
    test = form(latent_dim="99", lr="nan", prior="cubist", samples="2.5", compile="maybe", hidden="300")
    said = " ".join(warning.value for warning in test.warning)
    for part in (
        "latent_dim = '99' is not a whole number from 1 to 64",
        "lr = 'nan' is not a number",
        "prior = 'cubist' is not one of normal, mixture",
        "samples = '2.5' is not a whole number",
        "compile = 'maybe' is not true or false",
    ):
        assert said.count(part) == 1
    values = chosen(test)
    usual = VAE.presets[0].training["lr"]
    assert values.items() >= {"latent_dim": 2, "lr": usual, "prior": "normal", "samples": 0, "compile": False}.items()
    assert values["hidden"] == 300
    assert set(test.query_params) == {"hidden"}


def test_a_notice_goes_when_another_value_is_chosen() -> None:
    test = form(latent_dim="99")
    assert test.warning
    test.slider(key="latent_dim").set_value(7).run()
    assert not test.warning
    assert chosen(test)["latent_dim"] == 7


def test_a_training_is_as_long_as_its_form_says() -> None:
    def lengths() -> set[str]:
        return {box.key for box in (*test.number_input, *test.select_slider)} & {"epochs", "steps"}

    test = opened("ddpm", run="ddpm-digits")  # which counted steps
    assert lengths() == {"steps"}
    test.number_input(key="steps").set_value(70).run()
    test.button(key="train").click().run()
    assert store.every()[0].plan.settings["steps"] == 70
    test.number_input(key="steps").set_value(0).run()
    assert lengths() == {"epochs", "steps"}
    test.select_slider(key="epochs").set_value(5.0).run()
    test.button(key="train").click().run()
    assert {(one.plan.settings["steps"], one.plan.settings["epochs"]) for one in store.every()} >= {(0, 5.0)}


def test_the_form_asks_for_what_counts() -> None:
    def keys(test: AppTest) -> set[str]:
        kinds = (test.number_input, test.select_slider, test.slider, test.text_input, test.selectbox, test.toggle)
        return {box.key for kind in kinds for box in kind}

    test = opened("ddpm")
    assert keys(test) & {"knots", "gamma", "widths", "width", "hidden", "patch"} == {"width", "patch"}
    test.selectbox(key="schedule").set_value("drawn").run()
    assert "knots" in keys(test)
    test.selectbox(key="data").set_value("two-moons").run()
    assert keys(test) & {"knots", "width", "hidden", "patch"} == {"knots", "hidden"}
    test.button(key="train").click().run()
    assert not test.exception
    plan = store.every()[0].plan
    assert (plan.data, plan.arguments["schedule"], plan.arguments["hidden"]) == ("two-moons", "drawn", 128)


def test_what_is_out_of_sight_is_not_in_the_way() -> None:
    test = opened("vae", network="conv", sigma="nan")
    assert "sigma = 'nan' is not a number" in " ".join(warning.value for warning in test.warning)
    test.selectbox(key="data").set_value("two-moons").run()  # which take no convolutions, nor a form that offers them
    test.button(key="train").click().run()
    assert not test.exception
    assert not test.error
    plan = store.every()[0].plan
    assert (plan.data, plan.arguments["network"]) == ("two-moons", "mlp")


def test_a_fork_in_the_queue_can_be_forked() -> None:
    parent = store.find("vae-digits-2d")
    made = store.fork(parent, parent.snapshots()[0])
    assert made.state().total == 0
    test = opened("vae", run=made.id)
    test.session_state[f"fork-menu-{made.id}"] = True  # open
    test.run()
    assert not test.exception
    step = made.snapshots()[-1]
    assert test.number_input(key=f"fork-{made.id}-{step}-steps").value > step


def test_a_fork_is_as_long_as_from_the_moment_that_is_shown() -> None:
    run = store.find("vae-digits-2d")
    early, last, total = run.snapshots()[1], run.snapshots()[-1], run.state().total
    test = opened("vae", run=run.id, step=str(early))
    test.session_state[f"fork-menu-{run.id}"] = True  # open
    test.run()
    assert test.number_input(key=f"fork-{run.id}-{early}-steps").value == total
    for kept in ("at", "opened"):  # the film is moved to its end
        test.session_state[f"{kept}/{run.id}"] = None
    test.run()
    assert test.number_input(key=f"fork-{run.id}-{last}-steps").value == last + total
    next(one for one in test.button if one.label == "Fork and train").click().run()
    assert not test.exception
    assert not test.error
    assert store.every()[0].plan.settings["steps"] == last + total


def test_a_form_that_is_not_in_the_link_does_not_read_it() -> None:
    run = store.create("vae", "digits", settings={"steps": 840})
    queue.submit(run)
    bundled = "vae-digits-2d"
    test = AppTest.from_file(APP, default_timeout=60)
    test.query_params.update({"page": "vae", "run": bundled, f"fork-{bundled}-lr": "abc"})
    test.session_state[f"fork-menu-{bundled}"] = True
    assert not test.run().exception
    assert test.select_slider(key=f"fork-{bundled}-lr").value == store.find(bundled).plan.settings["lr"]
    test = AppTest.from_file(APP, default_timeout=60)
    test.query_params.update({"page": "vae", "run": run.id, f"now-{run.id}-lr": "abc"})
    test.session_state["adjust"] = True
    assert not test.run().exception
    assert test.select_slider(key=f"now-{run.id}-lr").value == 0.001


def folded(page: str = "vae", **link: str) -> AppTest:
    """The app on a link, as it opens: with nothing unfolded."""
    test = AppTest.from_file(APP, default_timeout=60)
    for name, value in ({"page": page} | link).items():
        test.query_params[name] = value
    return test.run()


def test_what_is_folded_has_no_widgets_and_counts_all_the_same() -> None:
    test = folded(hidden="300", seed="9", lr="nan")
    keys = {box.key for kind in (test.number_input, test.select_slider, test.checkbox) for box in kind}
    assert not keys & {"hidden", "seed", "lr", "hide-form"}
    assert "lr = 'nan' is not a number" in " ".join(warning.value for warning in test.warning)
    assert "Settings changed: press Train" in says(test)
    test.button(key="train").click().run()
    assert not test.exception
    plan = store.every()[0].plan
    assert (plan.arguments["hidden"], plan.settings["seed"]) == (300, 9)


def test_what_a_preset_sets_is_in_the_link_folded_or_not_and_stays_when_it_is_unfolded() -> None:
    preset = next(one for one in VAE.presets if one.model.get("hidden", 512) != 512)
    wanted = preset.model["hidden"]
    test = folded(run="vae-mnist-20d", hidden="300")
    test.selectbox(key="preset").set_value(preset.title).run()
    assert test.query_params["hidden"] == str(wanted)
    test.session_state["more-model"] = True
    test.run()
    assert not test.exception
    assert test.session_state["hidden"] == wanted
    assert test.query_params["hidden"] == str(wanted)


def test_a_length_in_steps_that_is_taken_back_is_folded_away() -> None:
    test = folded("ddpm", run="ddpm-digits")  # which counted steps
    test.number_input(key="steps").set_value(0).run()
    test.run()
    assert not test.exception
    assert {box.key for box in test.select_slider} & {"epochs"}
    test.button(key="train").click().run()
    assert store.every()[0].plan.settings["steps"] == 0


@pytest.mark.parametrize("preset", VAE.presets, ids=lambda preset: preset.title)
def test_a_preset_sets_the_whole_form(preset: object) -> None:
    assert isinstance(preset, type(VAE.presets[0]))
    test = form(latent_dim="17", seed="3")
    test.selectbox(key="preset").set_value(preset.title).run()
    assert not test.exception
    values = chosen(test)
    assert values["data"] == preset.data
    assert values.items() >= {**preset.model, **preset.training}.items()
    assert "seed" in preset.training or values["seed"] == 0
    assert test.selectbox(key="preset").value == preset.title
    test.number_input(key="seed").set_value(8).run()
    assert test.selectbox(key="preset").value == "Custom"


def declares(
    *,
    width: Annotated[int, Between(1, 4096, "units", log=True)] = 48,
    rate: Annotated[float, Between(0, 1, "share")] = 0.5,
    decay: Annotated[float, Between(0, 0.99999, "of the average")] = 0.999,
    kind: Annotated[str, Only(("a", "b"), "letter")] = "b",
    on: Annotated[bool, Switch("or off")] = True,
    knots: Annotated[tuple[float, ...], Numbers(2, 4, -9, 9, "heights")] = (1.0, -2.5),
) -> None:
    """Every kind of hyperparameter."""


def draws() -> None:
    import streamlit as st

    from tests.test_app import declares, hyperparameters

    values = hyperparameters(declares, prefix="p_", defaults={"rate": 0.25})
    st.json({"values": list(values.values()), "names": list(values)})


def test_every_kind_of_hyperparameter_has_its_widget() -> None:
    sys.modules.setdefault("tests.test_app", sys.modules[__name__])
    test = AppTest.from_function(draws, default_timeout=60)
    test.query_params["p_knots"] = "3,2,1"
    test.run()
    assert not test.exception
    assert json.loads(test.json[0].value)["values"] == [48, 0.25, 0.999, "b", True, [3, 2, 1]]
    test.select_slider(key="p_width").set_value(64)
    test.number_input(key="p_decay").set_value(0.5)
    test.slider(key="p_rate").set_value(0.75)
    test.toggle(key="p_on").set_value(False)
    test.text_input(key="p_knots").set_value("1, 2, 3, 4, 5")
    test.run()
    assert json.loads(test.json[0].value)["values"] == [64, 0.75, 0.5, "b", False, [1, -2.5]]
    assert "p_knots" not in test.json[0].value
    assert "knots = '1, 2, 3, 4, 5' is not a row of 2 to 4 numbers from -9 to 9" in test.warning[0].value
    assert hyperparameters.__doc__


def test_a_setting_that_another_page_allows_is_none_of_this_one() -> None:
    sys.modules.setdefault("tests.test_app", sys.modules[__name__])
    test = AppTest.from_function(draws, default_timeout=60)
    test.session_state["p_kind"] = "made"
    test.session_state["p_rate"] = 5.0
    test.run()
    assert not test.exception
    assert json.loads(test.json[0].value)["values"] == [48, 0.25, 0.999, "b", True, [1, -2.5]]


# Lessons --------------------------------------------------------------------------------------------------------------


def opened(page: str = "vae", **link: str) -> AppTest:
    """The app on a link: the page in the query, as in the frame of a Space."""
    test = unfolded(AppTest.from_file(APP, default_timeout=60))
    for name, value in ({"page": page} | link).items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def shared(test: AppTest) -> dict[str, str]:
    """What the link says that the page offers."""
    text = next(code.value for code in test.code if "?" in code.value)
    where, _, query = text.partition("?")
    assert where.endswith("/vae")
    return dict(parse_qsl(query))


LESSON = {"latent_dim": "5", "lr": "0.002", "seed": "9", "data": "two-moons", "run": "vae-digits-2d", "step": "26"}


@pytest.mark.parametrize(
    ("where", "key", "bad"),
    [
        ({"page": "vae", "view": "Explore", "instrument": "Path"}, "path_from", "-3"),
        ({"page": "vae", "view": "Explore", "instrument": "Path"}, "path_way", "sideways"),
        ({"page": "vae", "view": "Explore", "instrument": "Draw a digit"}, "framed", "perhaps"),
        ({"page": "vae", "view": "Theory"}, "theory_example", "1e99"),
        ({"page": "vae", "view": "Sample"}, "n", "7"),
        ({"page": "vae", "view": "Dreams"}, "view", "Dreams"),
        ({"page": "ddpm", "view": "Explore", "instrument": "Denoise"}, "film_n", "17"),
        ({"page": "ddpm", "view": "Theory"}, "theory_t", "0"),
        ({"page": "gan", "run": "gan-digits", "view": "Explore", "instrument": "Latent"}, "path_to", "10000"),
    ],
)
def test_what_a_link_says_and_a_view_does_not_allow_is_named(where: dict[str, str], key: str, bad: str) -> None:
    test = opened(**(where | {key: bad}))
    assert any(f"{key} = '{bad}' is not" in one.value for one in test.warning), [one.value for one in test.warning]
    assert test.query_params.get(key) is None


def test_a_page_can_be_named_in_the_query() -> None:
    assert opened("wgan").title[0].value == MODELS["wgan"].title
    lost = opened("wagon")
    assert lost.title[0].value.startswith("A laboratory")
    assert "page = 'wagon'" in lost.warning[0].value


def test_a_link_carries_the_whole_state_and_back() -> None:
    state = LESSON | {"view": "Explore", "instrument": "Reconstructions"}
    test = opened(**state)
    assert not test.warning
    assert test.slider(key="latent_dim").value == 5
    given = shared(test)
    usual = {"view"}  # what a page shows anyway need not be said
    assert {name: value for name, value in state.items() if name not in usual}.items() <= given.items()
    again = opened(**given)
    assert shared(again) == given


def test_what_a_link_is_to_leave_out_is_chosen_on_the_page() -> None:
    test = opened(**LESSON)
    assert "hide" not in shared(test)
    test.checkbox(key="hide-form").check()
    test.multiselect(key="hide-settings").set_value(["lr"])
    test.run()
    assert shared(test)["hide"] == "form,lr"


def test_a_link_made_of_a_lessons_link_has_what_that_had() -> None:
    lesson = LESSON | {"hide": "curves,lr,seed", "say": "Walk from a 4 to a 9."}
    test = opened(**lesson)
    assert {name: shared(test)[name] for name in lesson} == lesson
    test.multiselect(key="hide-settings").set_value(["seed"])
    test.text_area(key="link-say").set_value("").run()
    assert shared(test)["hide"] == "curves,seed"
    assert "say" not in shared(test)


def test_what_a_lesson_leaves_out_is_not_there_and_counts_all_the_same() -> None:
    test = opened(**LESSON, hide="form,film,curves,theory,menu")
    assert not test.warning
    assert "latent_dim" not in {slider.key for slider in test.slider}
    assert "Train" in {button.label for button in test.button}
    assert test.segmented_control(key="view").options == ["Explore", "Sample"]
    test.button(key="train").click().run()
    assert not test.exception
    plan = store.every()[0].plan
    assert (plan.data, plan.arguments["latent_dim"]) == ("two-moons", 5)
    assert (plan.settings["lr"], plan.settings["seed"]) == (0.002, 9)


def test_a_lesson_may_leave_out_single_settings_and_training() -> None:
    test = opened(hide="lr,preset,train,link,explore,sample,theory")
    assert "Train" not in {button.label for button in test.button}
    assert "seed" in {number.key for number in test.number_input}
    assert "lr" not in {slider.key for slider in test.select_slider}
    assert "preset" not in {box.key for box in test.selectbox}
    assert not test.code


OF_A_PRESET = {
    "autoregressive-mnist": "MNIST, MADE",
    "autoregressive-mnist-pixelcnn": "MNIST, PixelCNN",
    "autoregressive-two-moons": "Plane: two moons, in both orders",
    "bigan-mnist": "MNIST and the way back (convolutions)",
    "bigan-two-moons": "Two moons and the way back",
    "ddpm-digits": "Small digits",
    "ddpm-eight-gaussians": "Plane: eight Gaussians",
    "flow-two-moons": "Spline flow: two moons",
    "gan-digits": "Small digits",
    "gan-eight-gaussians": "Eight modes",
    "gan-mnist": "MNIST",
    "gan-mnist-report": "MNIST: perceptrons, as in a report",
    "ladder-mnist": "MNIST, 3 layers",
    "mixture-mnist": "MNIST, 10 components",
    "ppca-mnist": "PPCA: MNIST, 10 factors",
    "vae-mnist-2d": "MNIST, 2 latent dimensions",
    "vqvae-mnist": "MNIST, 49 codes each",
    "wgan-digits-gp": "Small digits",
    "wgan-eight-gaussians": "Eight modes",
    "wgan-mnist-clip": "MNIST, clipped weights (convolutions)",
    "wgan-mnist-gp": "MNIST, gradient penalty (convolutions)",
}
"""Which of the checkpoints that ship were made by a preset; the form says its name."""


def forms() -> None:
    import streamlit as st

    from genmodels.models import model_class
    from genmodels.runs import store
    from pages._ui.form.choose import choose
    from pages._ui.page.shown import start_of

    run = store.find(st.query_params["run"])
    choose(model_class(run.plan.model), start=start_of(run.plan.model, run))


@pytest.mark.parametrize("run", [run.id for run in store.bundled()])
def test_the_form_names_the_preset_that_a_checkpoint_was_made_by(run: str) -> None:
    test = AppTest.from_function(forms, default_timeout=60)
    test.query_params["run"] = run
    test.run()
    assert not test.exception
    assert test.selectbox(key="preset").value == OF_A_PRESET.get(run, "Custom")


def test_at_a_moment_without_weights_the_panels_are_those_of_the_nearest() -> None:
    found = [time_machine.nearest([0, 26, 380], step) for step in (0, 12, 13, 14, 203, 9999, None)]
    assert found == [0, 0, 26, 26, 380, 380, 380]
    test = opened(run="vae-digits-2d", step="316")
    assert shared(test)["step"] == "316"
    said = "Of step 316 there is the picture alone: below is step 380, the nearest with weights."
    assert said in [caption.value for caption in test.caption]
    assert any(", step 316 · " in words.value for words in test.markdown)
    test = opened(run="vae-digits-2d", step="380")
    assert not any("picture alone" in caption.value for caption in test.caption)


def test_what_a_lesson_has_wrong_is_named() -> None:
    test = opened(hide="forms", step="77", view="Explain", run="vae-digits-2d", lr="9")
    said = " ".join(warning.value for warning in test.warning)
    for part in (
        "hides 'forms': what can be hidden is menu, form, train",
        "step = '77', of which there is no snapshot here: there are 0, 1, 2, 3, 4, 6,",
        "view = 'Explain' is not one of Explore, Sample, Theory",
        "lr = '9' is not a number from",
    ):
        assert part in said
    assert {"step", "view", "lr"}.isdisjoint(shared(test))


def test_on_a_space_the_link_names_the_page_in_the_query(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPACE_ID", "ada/engines")
    link = lesson.link("vae", {"beta": "2", "page": "gan", "hide": "lr"}, ["form", "lr"])
    assert link == "https://huggingface.co/spaces/ada/engines?page=vae&beta=2&hide=form,lr"


# The wall -------------------------------------------------------------------------------------------------------------


def at_wall(**link: str) -> AppTest:
    return opened("wall", **link)


def test_whoever_joins_a_wall_trains_on_it() -> None:
    test = at_wall()
    test.text_input(key="who").input("<b onclick=x()>Ada</b>")
    test.button(key="build").click().run()
    assert not test.exception
    code = test.metric[0].value
    test.switch_page("pages/models/vae.py")
    test.run()
    test.button(key="train").click().run()
    assert not test.exception
    [(run, entry)] = classroom.find(code).entries()
    assert (run.id, entry.who) == (store.every()[0].id, "<b onclick=x()>Ada</b>")
    wall = at_wall(room=code.lower())
    shown = " ".join(block.proto.body for block in wall.get("html"))
    assert "&lt;b onclick=x()&gt;Ada&lt;/b&gt;" in shown
    assert "<b onclick" not in shown
    assert "queued, step 0" in shown


def test_a_wall_for_the_projector_has_no_controls() -> None:
    wall = classroom.build()
    test = at_wall(room=wall.code, projector="1", hide="menu")
    assert not test.exception
    assert not test.button
    assert not test.text_input
    assert f"<b>{wall.code}</b>" in " ".join(block.proto.body for block in test.get("html"))


def test_a_wrong_code_is_named_and_the_door_stays_open() -> None:
    test = at_wall(room="../x")
    assert "'../x' is no code of a wall" in test.warning[0].value
    assert "room" not in test.query_params
    test.text_input(key="code").input("abcde")
    test.button(key="join").click().run()
    assert "There is no wall ABCDE" in test.warning[0].value


def test_a_run_made_this_moment_can_be_drawn_beside_its_fork() -> None:
    first = store.create("vae", "digits", settings={"steps": 9})
    assert first.id not in shared_files.others(first)  # the list is read, and kept for a while
    second = store.create("vae", "digits", settings={"steps": 9})
    assert first.id in shared_files.others(second)
    third = store.create("vae", "digits", settings={"steps": 9})
    assert {first.id, second.id} <= set(shared_files.others(third))
    second.delete()
    assert second.id not in shared_files.others(third)


def test_curves_of_one_plan_are_one_band() -> None:
    made = [store.create("vae", "digits", settings={"seed": seed, "steps": 9}) for seed in range(3)]
    made.append(store.create("vae", "digits", arguments={"beta": 4.0}, settings={"steps": 9}))
    for k, run in enumerate(made):
        lines = [
            json.dumps({"step": s, "epoch": 0.0, "images": 64 * s, "seconds": 0.1 * s, "loss": float(s * (k + 1))})
            for s in (1, 2, 4)
        ]
        (run.path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    stamps = tuple(shared_files.stamp(run.path / "metrics.jsonl") for run in made)
    [panel] = mosaic._panels(stamps, tuple(classroom.differences([run.plan for run in made])))
    assert [one.faint for one in panel.series] == [True, True, True, False, False]
    band, other = panel.series[3:]
    assert band.name == "vae on digits, beta 1.0, 3 seeds"
    np.testing.assert_array_equal(band.y, [2, 4, 8])
    np.testing.assert_array_equal(band.low, [1, 2, 4])
    np.testing.assert_array_equal(band.high, [3, 6, 12])
    assert (other.name, other.low) == ("vae on digits, beta 4.0", None)


# Theory and gallery ---------------------------------------------------------------------------------------------------


def test_the_code_shown_is_the_code_that_runs() -> None:
    where, code = theory.source(kl_to_standard_normal)
    path, line = where.rsplit(":", 1)
    original = (ROOT / path).read_text().splitlines()
    assert original[int(line) - 1].startswith("def kl_to_standard_normal(")
    assert code.splitlines()[0] == "def kl_to_standard_normal(mu, logvar):"
    body = [one for one in code.splitlines()[1:] if one.strip()]
    assert body
    assert {one.strip() for one in body} <= {one.strip() for one in original}
    assert '"""' not in code
    compile(code, where, "exec")


def test_a_method_is_shown_without_its_indentation() -> None:
    _, code = theory.source(VAE.decode)
    assert code.startswith("def decode(self")


@pytest.mark.parametrize(
    ("value", "text"), [(3.14159265, "3.1416"), (-1e-7, r"-1 \cdot 10^{-7}"), (123456.0, r"1.2346 \cdot 10^{5}")]
)
def test_numbers_in_formulas(value: float, text: str) -> None:
    assert theory.number(value) == text


def test_the_gallery_holds_what_each_checkpoint_drew() -> None:
    found = pieces()
    assert {piece.name for piece in found} == {path.parent.name for path in CHECKPOINTS.glob("*/samples.npy")}
    assert {piece.name for piece in found[: len(FIRST)]} == set(FIRST)
    for piece in found:
        assert piece.samples.shape[0] == len(piece.steps)
        assert np.isfinite(piece.samples).all()
        if piece.is_image:
            h, w = piece.samples.shape[-2:]
            assert (piece.film.frames, piece.film.size) == (min(30, len(piece.steps)), (4 * w + 3, 4 * h + 3))


def test_a_folder_without_checkpoints_is_an_empty_gallery(tmp_path: Path) -> None:
    assert pieces(tmp_path) == ()


def test_a_figure_is_told_to_those_who_do_not_see_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages._ui.shared.answer.answer", at_once)
    (counts,) = AppTest.from_file("../pages/lab/data.py", default_timeout=60).run().get("plotly_chart")
    assert counts.proto.alt.startswith("Training examples of each class. examples. 0 142, 1 146,")

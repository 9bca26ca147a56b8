"""Every instrument and the theory of a diffusion model draw what fits the run, or say what does not."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from genmodels.data.datasets import load
from genmodels.instruments.diffusion.denoising import most_judged
from genmodels.jobs import queue
from genmodels.metrics import evaluate, judge
from genmodels.probability.schedules import PREDICTIONS
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from pages._ui.page import sampling
from pages._ui.shared.moment import Moment
from pages._ui.views.common import density
from pages._ui.views.diffusion import bits, bound, denoising, edits, hierarchy, langevin, plane
from tests import answers
from tests.instruments import on_page

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "pictures": ("digits", {"T": 12, "width": 8, "depth": 1, "levels": 0, "classes": 10}),
    "pictures-of-no-label": (
        "digits",
        {
            "T": 12,
            "width": 8,
            "depth": 1,
            "levels": 0,
            "schedule": "learned",
            "weighting": "bound",
            "variance": "posterior",
        },
    ),
    "pictures-of-labels-alone": (
        "digits",
        {"T": 12, "width": 8, "depth": 1, "levels": 0, "classes": 10, "label_dropout": 0.0},
    ),
    "pictures-of-hidden-labels": (
        "digits",
        {"T": 12, "width": 8, "depth": 1, "levels": 0, "classes": 10, "label_dropout": 1.0},
    ),
    "points-of-labels-alone": (
        "eight-gaussians",
        {"T": 12, "hidden": 16, "schedule": "drawn", "classes": 8, "label_dropout": 0.0},
    ),
    "points-of-labels-alone-and-no-known-law": (
        "pinwheel",
        {"T": 12, "hidden": 16, "classes": 5, "label_dropout": 0.0},
    ),
    "points": ("eight-gaussians", {"T": 12, "hidden": 16, "schedule": "drawn"}),
    "points-of-no-known-law": ("checkerboard", {"T": 12, "hidden": 16, "predict": "score", "variance": "learned"}),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each of RUNS, two steps long."""
    root = tmp_path_factory.mktemp("home")
    for name, (data, arguments) in RUNS.items():
        run = store.create("ddpm", data, arguments=arguments, settings={"steps": 2}, folder=root / name)
        recording = Recording(run)
        list(recording.steps())
        recording.close()
    return root


@pytest.fixture(autouse=True)
def _at_once(runs: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks are done here and now, and no worker is started."""
    monkeypatch.setenv("GENMODELS_RUNS", str(home))
    for module in (bits, bound, denoising, edits, hierarchy, langevin, plane, density):
        monkeypatch.setattr(module, "answer", answers.at_once)
    monkeypatch.setattr(queue, "pool", lambda: None)
    monkeypatch.setattr(judge, "judges", lambda: ())  # what it scores is tested beside the instruments


def drawn(run: str, call: str, **link: str) -> AppTest:
    """What ``call`` draws, as on a page."""
    script = f"""
from genmodels.runs import store
from pages._ui.shared.moment import Moment
from pages._ui.views.common.density import density
from pages._ui.page import sampling
from pages._ui.views.diffusion import bits, bound, denoising, edits, hierarchy, langevin, plane, theory
{call}(Moment.of(store.find({run!r})))
"""
    test = AppTest.from_string(script, default_timeout=120)
    test.query_params.update(link)
    return test.run()


def said(test: AppTest) -> str:
    return " ".join(one.value for kind in (test.caption, test.info, test.markdown) for one in kind)


VIEWS = on_page("ddpm")


@pytest.mark.parametrize("view", [*VIEWS, "theory"])
@pytest.mark.parametrize("run", RUNS)
def test_every_view_that_is_offered_draws(view: str, run: str) -> None:
    call = "theory.theory"
    if view != "theory":
        if not VIEWS[view].applies(Moment.of(store.find(run))):
            left_out = {"Plane", "Langevin"} if run.startswith("pictures") else {"Edit", "Bits", "A deep VAE"}
            left_out |= {"Plane"} if "labels-alone" in run else set()  # the score of all data is of no label
            left_out |= {"Langevin"} if run.endswith("alone-and-no-known-law") else set()
            assert view in left_out
            return
        draw = VIEWS[view].draw
        call = f"{draw.__module__.rpartition('.')[2]}.{draw.__name__}"
    test = drawn(run, call)
    assert not test.exception
    assert not test.warning
    assert not test.info
    assert said(test)


@pytest.mark.parametrize("way", ["Fill in", "Interpolate"])
def test_a_picture_is_filled_in_and_led_to_another(way: str) -> None:
    test = drawn("pictures", "edits.edit", edit=way)
    assert not test.exception
    assert not test.warning


def test_what_lies_between_two_pictures_is_not_asked_of_a_model_that_needs_labels() -> None:
    for run in RUNS:
        if run.startswith("pictures"):
            ways = drawn(run, "edits.edit").get("button_group")[0].options
            assert ("Interpolate" in ways) == (run != "pictures-of-labels-alone")


@pytest.mark.parametrize(("run", "score"), [("points", ["exact", "learned"]), ("points-of-labels-alone", ["exact"])])
def test_particles_walk_by_the_scores_that_there_are(run: str, score: list[str]) -> None:
    test = drawn(run, "langevin.langevin_walk")
    assert [one.options for one in test.get("button_group") if one.label == "score"] == [score]


@pytest.mark.parametrize("run", ["pictures", "pictures-of-hidden-labels"])
def test_nothing_is_paid_for_a_label_that_is_not_told(run: str) -> None:
    model, data = store.find(run).model(), load("digits")
    told = answers.finish(bound.every_term(model, data, 4))["label"]
    assert (told > 0).all() == (run == "pictures")
    assert (evaluate.labels(model, data.test.y[:3]) is None) == (run != "pictures")


@pytest.mark.parametrize(
    ("run", "told"), [("pictures", True), ("pictures-of-hidden-labels", False), ("pictures-of-no-label", False)]
)
def test_an_edit_says_whether_the_model_is_told_the_label(run: str, told: bool) -> None:
    redrawn, filled = (said(drawn(run, "edits.edit", edit=way)) for way in ("Noise and denoise", "Fill in"))
    assert ("from pure noise only its class, for the model is told the label." in redrawn) == told
    assert ("from pure noise nothing of it." in redrawn) != told
    assert ("The model is told the picture's label." in filled) == told
    assert "with little noise the picture comes back" in redrawn  # of garments too
    assert "the digit" not in redrawn + filled


def test_the_bits_of_a_learned_schedule_have_a_last_step_that_asks_no_network() -> None:
    told = {run: said(drawn(run, "bits.bits")) for run in ("pictures", "pictures-of-no-label")}
    assert "which asks no network" in told["pictures-of-no-label"]
    assert "the width of that step is fixed" in told["pictures"]
    for run, words in told.items():
        assert ("the width of that step is fixed" in words) != ("which asks no network" in words), run
        assert "wider than two grey levels" not in words


def test_quality_offers_as_many_samples_as_there_are_pictures_to_hold_them_against(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 180 test pictures two sets of 90; a link that asks for more draws these."""
    monkeypatch.setattr(judge, "judges", lambda: ("digits",))
    test = drawn("pictures", "(lambda moment: denoising._judged(moment, 0, 'auto'))", judged_n="200")
    assert not test.exception
    assert not test.warning
    assert "hold that of these 90 against that of as many test pictures" in said(test)
    assert not test.get("button_group")
    assert most_judged(load("digits")) == 90
    assert most_judged(load("mnist")) >= 500


@pytest.mark.parametrize(
    ("run", "last", "step"),
    [
        ("pictures", "discretized_log_prob", "the schedule's, so C is no business"),
        ("pictures-of-no-label", "level_term", "the schedule's, so C is no business"),
        ("points", "last_term", "the schedule's, so C is no business"),
        ("points-of-no-known-law", "last_term", "so C is its business"),
    ],
)
def test_the_theory_is_that_of_the_last_step_and_the_variance_that_it_has(run: str, last: str, step: str) -> None:
    test = drawn(run, "theory.theory")
    code = " ".join(one.proto.body for one in test.get("html"))
    shown = {name for name in ("discretized_log_prob", "level_term", "last_term") if f"<b>def</b> {name}(" in code}
    assert shown == {last}
    assert step in said(test)


def test_the_variance_that_no_curve_of_the_bound_knows_is_named() -> None:
    """Weights of a learned variance are drawn with β̃, by which it is trained too."""
    assert "σ² here is β̃" in said(drawn("points-of-no-known-law", "bound.bound"))
    assert "σ² here is β̃" not in said(drawn("points", "bound.bound"))


@pytest.mark.parametrize(
    ("run", "words"), [("points", "with the same noise"), ("points-of-no-known-law", "without that noise")]
)
def test_the_density_says_what_noise_is_left_in_it(run: str, words: str) -> None:
    test = drawn(run, "density")
    assert not test.exception
    assert f"True is the data's {words}" in said(test)


@pytest.mark.parametrize(
    ("run", "sampler", "offered"),
    [
        ("points", "", set()),
        ("points", "ddim", {"eta"}),
        ("points", "langevin", {"stride", "repeats"}),
        ("pictures", "heun", {"guidance"}),
        ("pictures-of-labels-alone", "heun", set()),
    ],
)
@pytest.mark.parametrize(("tab", "prefix"), [("denoising.denoise", "film_"), ("sampling.sampling", "how_")])
def test_samples_are_asked_for_with_the_options_that_their_sampler_has(
    run: str, sampler: str, offered: set[str], tab: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "answer", lambda *_, **__: None)
    test = drawn(run, tab, **({f"{prefix}sampler": sampler} if sampler else {}))
    assert not test.exception
    widgets = [one.key for kind in (test.number_input, test.slider, test.select_slider) for one in kind]
    of_some = {"eta", "stride", "repeats", "guidance"}
    assert {name for name in of_some if prefix + name in widgets} == offered


# What stands over the curves ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told", "not_told"),
    [
        ({}, [r"\| \epsilon - \hat\epsilon(x_t, t) \|^2"], ["w_t", "vlb"]),
        ({"predict": "x0", "weighting": "snr"}, [r"w_t\, \| x_0 - \hat x_0"], ["vlb"]),
        ({"predict": "v"}, [r"\| v - \hat v", r"v = \sqrt{\bar\alpha_t}\, \epsilon"], ["w_t", "vlb"]),
        ({"predict": "score"}, [r"\| s - \hat s", r"s = -\epsilon"], ["w_t"]),
        ({"variance": "learned"}, [r"+ 0.001\, L_\text{vlb}"], ["w_t"]),
    ],
)
def test_a_diffusion_says_its_own_loss(arguments: dict[str, Any], told: list[str], not_told: list[str]) -> None:
    formula = bound.loss(arguments)
    assert all(part in formula for part in told)
    assert not any(part in formula for part in not_told)


def test_every_prediction_has_a_formula() -> None:
    assert tuple(bound.SAYS) == PREDICTIONS
    assert r"-\lambda'(t)" in bound.loss({"schedule": "learned", "predict": "v"})


def test_the_page_says_the_loss_of_the_run_that_it_shows() -> None:
    test = AppTest.from_file("../pages/models/ddpm.py", default_timeout=120)
    test.query_params["run"] = "ddpm-mnist"
    (formula,) = [one.value for one in test.run().latex]
    assert formula.strip("$\n") == bound.loss(store.find("ddpm-mnist").plan.arguments)
    assert r"\hat v" in formula

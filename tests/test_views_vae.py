"""Every instrument that the page of a VAE offers, and the theory, draw what they say of the run at hand."""

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from genmodels.instruments.vae import collapse
from genmodels.instruments.vae.drawing import Reading
from genmodels.jobs import queue
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from genmodels.runs.store import Run
from pages._ui.components.drawing_pad import Drawing
from pages._ui.shared.moment import Moment
from pages._ui.views.common import chosen, codes, density, shifts
from pages._ui.views.latent import gradients, linear_vae, refinement
from pages._ui.views.vae import bound, geometry, priors
from pages._ui.views.vae import drawing as drawing_view
from pages._ui.views.vae.collapse import dimensions_used
from tests import answers
from tests.instruments import on_page

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

EXPLORE = on_page("vae")


def trained(data: str, **arguments: object) -> Run:
    arguments = {"hidden": 16, "depth": 1} | arguments
    run = store.create("vae", data, arguments=arguments, settings={"steps": 20, "batch_size": 32})
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    return run


def drawn(run: Run, view: str, **link: str) -> AppTest:
    """The view, drawn as a page would."""
    call = f"EXPLORE[{view!r}].draw" if view in EXPLORE else "theory.theory"
    script = f"""
from genmodels.runs import store
from pages._ui.shared.moment import Moment
from pages._ui.views.vae import theory
from tests.test_views_vae import EXPLORE
{call}(Moment.of(store.find({run.id!r})))
"""
    test = AppTest.from_string(script, default_timeout=60)
    test.query_params.update(link)
    return test.run()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks are done here and now, and no worker is started."""
    for module in (codes, density, shifts, bound, geometry, priors, gradients, linear_vae, refinement):
        monkeypatch.setattr(module, "answer", answers.at_once)
    monkeypatch.setattr(queue, "pool", lambda: None)
    monkeypatch.setattr(st, "page_link", lambda *_, **__: None)  # there are no pages here


@pytest.mark.parametrize("view", [*(name for name in EXPLORE if name != "Four priors"), "theory"])
@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        ("digits", {"prior": "mixture"}),
        ("digits", {"latent_dim": 3, "prior": "flow", "decoder": "continuous-bernoulli"}),
        ("two-moons", {}),
        ("pinwheel", {"latent_dim": 1}),
        ("digits", {"depth": 0, "decoder": "gaussian"}),
    ],
    ids=str,
)
def test_every_view_that_applies_draws_and_others_are_not_offered(
    view: str, data: str, arguments: dict[str, Any]
) -> None:
    run = trained(data, **arguments)
    latent_dim, pictures = arguments.get("latent_dim", 2), data == "digits"
    impossible = {
        "Prior and posterior": latent_dim != 2,
        "Shapes": latent_dim != 2,
        "True posterior": latent_dim > 2,
        "Draw a digit": not pictures,
        "Dimensions": not pictures,
        "Out of distribution": not pictures,
        "p(x)": pictures,
        "Linear VAE": arguments.get("depth") != 0,
        "How the prior draws": arguments.get("prior") != "diffusion",
    }
    applies = view == "theory" or EXPLORE[view].applies(Moment.of(run))
    assert applies != impossible.get(view, False)
    if applies:
        test = drawn(run, view)
        assert not test.exception
        assert bool(test.info) == (view == "Draw a digit"), [one.value for one in test.info]  # nothing is drawn yet


def test_the_dimensions_that_say_most_come_first_and_by_their_number() -> None:
    used = collapse.Usage(np.array([0.1, 2.0, 0.5]), 3, 3, -10.0, 0.1)
    (bars,) = dimensions_used(used).data
    assert list(bars.x) == ["z2", "z3", "z1"]
    assert list(bars.y) == [2.0, 0.5, 0.1]
    assert list(dimensions_used(collapse.Usage(np.array([2.6]), 3, 3, -10.0, 0.1)).data[0].x) == ["all together"]


@pytest.mark.parametrize(
    ("names", "what"), [(("0", "1"), "a digit"), (("Bag", "Coat"), "something like the"), ((), "something like the")]
)
def test_what_is_to_be_drawn_is_what_the_data_are_of(names: tuple[str, ...], what: str) -> None:
    moment = SimpleNamespace(data=SimpleNamespace(classes=names))
    assert chosen._one(moment).startswith(what)  # type: ignore[arg-type]


def test_an_example_is_clicked_or_typed_and_stays_in_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    tiles: dict[str, Any] = {}
    monkeypatch.setattr(chosen, "image_grid", lambda _, *, key, **how: tiles.update({key: how}))
    run = trained("digits")
    test = drawn(run, "Dimensions", example="7")
    row = tiles["example-tiles"]
    assert [name.rsplit(" ", 1)[1] for name in row["choices"]] == [str(i) for i in first_of_each(run)]
    assert row["chosen"] == first_of_each(run).index(7)
    assert test.number_input(key="example").value == 7
    drawn(run, "Dimensions", example="100")
    assert tiles["example-tiles"]["chosen"] is None
    drawn(run, "Path", path_to="999999")  # a link beyond the data
    assert {"path_from-tiles", "path_to-tiles"} <= set(tiles)


def first_of_each(run: Run) -> list[int]:
    y = run.data().test.y.tolist()
    return [y.index(label) for label in range(10)]


# The visitor's own ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("exact", "words"), [(-9.5, "0.5 above the ELBO"), (-10.25, "0.25 below the ELBO")])
def test_an_elbo_of_draws_may_seem_to_lie_above_what_it_bounds(
    monkeypatch: pytest.MonkeyPatch, exact: float, words: str
) -> None:
    notes: list[Any] = []
    monkeypatch.setattr(drawing_view, "nats", lambda label, value, note="", **_: notes.append(note))
    common: dict[str, Any] = dict.fromkeys(("x", "mean", "mu", "sigma", "near_z", "near_x"), np.zeros(1))
    drawing_view._bounds(Reading(elbo_nats=-10.0, iwae_nats=-9.9, log_prob_nats=exact, below=(0.5, 500), **common))
    assert notes == ["", "", words]


def test_trainings_by_each_gradient_say_what_they_do_not_take_over() -> None:
    plan = store.planned("vae", "digits", arguments={"prior": "mixture"})
    assert gradients._but(plan) == " but prior = normal"
    assert gradients._but(store.planned("vae", "digits")) == ""


def pad(monkeypatch: pytest.MonkeyPatch, pixels: np.ndarray) -> None:
    monkeypatch.setattr(chosen, "drawing_pad", lambda **_: Drawing((), pixels))


def test_a_drawing_is_answered_with_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = np.zeros((112, 112), np.uint8)
    sheet[20:90, 50:60] = 255
    pad(monkeypatch, sheet)
    test = drawn(trained("digits"), "Draw a digit")
    assert not test.exception
    said = {metric.label: float(metric.value.removesuffix(" nats").replace("−", "-")) for metric in test.metric}
    assert said["ELBO"] <= said["IWAE, k = 500"] + 0.1 <= said["log p(x), exact"] + 0.3


def test_an_empty_drawing_and_a_broken_upload_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained("digits")
    faint = np.zeros((112, 112), np.uint8)
    faint[3, 3] = 20
    pad(monkeypatch, faint)
    test = drawn(run, "Draw a digit")
    assert "is empty" in test.warning[0].value
    test.file_uploader(key="picture").upload("digit.png", b"no picture", "image/png").run()
    assert not test.exception
    assert "must be a whole PNG or JPEG" in test.warning[0].value


# Trainings ------------------------------------------------------------------------------------------------------------


def test_four_priors_are_those_that_ship_until_own_ones_are_trained() -> None:
    run = trained("digits")
    test = drawn(run, "Four priors")
    assert not test.exception
    assert any("Is p(z) = N(0, I) a restriction?" in one.value for one in test.caption)
    draws = (
        "They differ in one setting more, the draws of z for each KL: 64 under mixture, 16 under vamp, 16 under flow."
    )
    assert any(draws in caption.value for caption in test.caption)
    test.button(key="priors-all").click().run()
    assert not test.exception
    four = [store.find(name) for name in test.query_params["priors"].split(",")]
    assert [one.plan.arguments["prior"] for one in four] == ["normal", "mixture", "vamp", "flow"]
    assert four[0].id == run.id  # which is that very model
    made = [one for one in store.every() if one.id != run.id]
    assert {one.id for one in made} == {one.id for one in four[1:]}
    for one in made:
        assert one.plan.settings == run.plan.settings
        recording = Recording(one)
        for _ in recording.steps():
            pass
        recording.close()
    test.run()
    assert not test.exception
    first, *_, last = made[0].snapshots()
    test.select_slider(key=f"four-at-{run.id}").set_value(first).run()
    assert not test.exception
    assert first < last


def test_four_priors_learn_by_the_gradient_that_all_of_them_have(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(priors, "side_by_side", lambda plans, *_, **__: asked.extend(plans.values()) or plans)
    run = trained("digits", gradient="score-baseline")
    priors.four_priors(Moment.of(run))
    plans = [store.planned(**plan) for plan in asked]
    assert [plan.arguments["prior"] for plan in plans] == list(priors.PRIORS)
    assert {plan.arguments["gradient"] for plan in plans} == {"reparametrization"}


def test_a_cure_is_a_click_away_and_its_run_is_in_the_link() -> None:
    run = trained("digits", latent_dim=4, beta=3.0)
    test = drawn(run, "Collapse")
    test.button(key="cures-1").click().run()
    assert not test.exception
    (made,) = (one for one in store.every() if one.id != run.id)
    assert made.plan.arguments["anneal"] == collapse.CURES["annealing"][0]["anneal"]
    assert made.plan.arguments["latent_dim"] == 4
    assert test.query_params["cures"] == f",{made.id},,"
    recording = Recording(made)
    for _ in recording.steps():
        pass
    recording.close()
    test.run()
    assert not test.exception
    assert sum(metric.label == "active dimensions" for metric in test.metric) == 2
    test.button(key="cures-all").click().run()
    four = test.query_params["cures"].split(",")
    assert four[1] == made.id  # which is not trained again
    assert {one.id for one in store.every()} == {run.id, *four}
    assert len(set(four)) == 4
    assert not drawn(run, "Collapse", cures="no-such-run,,,").exception


def test_collapse_is_made_to_happen_at_the_press_of_a_button() -> None:
    test = drawn(trained("digits"), "Collapse")
    test.button(key="make-collapse").click().run()
    assert not test.exception
    made = store.find(test.query_params["run"])
    assert made.title == "Posterior collapse (see it happen)"
    assert made.state().status == "queued"


# Theory ---------------------------------------------------------------------------------------------------------------

CLOSED = r"\mu_j^2 + \sigma_j^2 - 1 - \log \sigma_j^2"
OF_PRIOR = {"normal": CLOSED, "mixture": r"w_k \, N(z; \mu_k", "vamp": r"q(z \mid u_k)", "flow": r"\log N(u; 0, I)"}
OF_DECODER = {
    "bernoulli": r"\log (1 - \lambda_i)",
    "continuous-bernoulli": r"A(\eta_i(z))",
    "gaussian": r"\log 2 \pi \sigma^2\right)",
}
OF_LOSS = {
    "elbo": r"\mathcal L = \beta \, KL(q(z",
    "free bits": r"\max(",
    "iwae": r"\right)^{\beta}",
}


@pytest.mark.parametrize(
    ("data", "arguments", "law", "loss"),
    [
        ("digits", {}, "bernoulli", "elbo"),
        ("digits", {"prior": "mixture", "decoder": "gaussian", "free_bits": 0.5}, "gaussian", "free bits"),
        ("digits", {"prior": "vamp", "decoder": "continuous-bernoulli"}, "continuous-bernoulli", "elbo"),
        ("two-moons", {"prior": "flow", "objective": "iwae", "beta": 2.0}, "gaussian", "iwae"),
    ],
    ids=str,
)
def test_the_theory_shows_the_equations_of_this_model_and_no_others(
    data: str, arguments: dict[str, Any], law: str, loss: str
) -> None:
    test = drawn(trained(data, **arguments), "theory")
    assert not test.exception
    without_inks = lambda latex: re.sub(r"\{\\textcolor\{\w+\}\{(\w)\}\}", r"\1", latex)  # noqa: E731
    shown = "\n".join(without_inks(one.value) for one in test.latex)
    for known, is_shown in ((OF_PRIOR, arguments.get("prior", "normal")), (OF_DECODER, law), (OF_LOSS, loss)):
        assert [name for name, part in known.items() if part in shown] == [is_shown]
    assert "= =" not in shown.replace("&", "")
    assert (r"\pm" in shown.split(r"\text{ELBO}")[1]) is True
    assert any("Assignment 3, question 1.5" in one.value for one in test.markdown) == ("prior" not in arguments)

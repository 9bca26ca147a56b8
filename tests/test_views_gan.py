"""Every instrument and the theory of GAN, WGAN and BiGAN draw what fits the run, or say what does not."""

import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from genmodels.instruments.gan import critics, modes
from genmodels.jobs import queue
from genmodels.models.gan import OBJECTIVES
from genmodels.nn.adversarial import normalize_spectrally
from genmodels.runs import store
from genmodels.runs.record import Plan
from genmodels.runs.recorder import Recording
from genmodels.runs.store import Run
from pages._ui.components.drawing_pad import Drawing
from pages._ui.shared.instruments import offered
from pages._ui.shared.moment import Moment
from pages._ui.views.common import chosen, codes, side_by_side
from pages._ui.views.gan import bigan, missed, theory
from pages._ui.views.gan import turns as gan_play_view
from pages._ui.views.gan.instruments import shared
from tests import answers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WHERE = {
    "plane": "game",
    "latent": "game",
    "game": "turns",
    "modes": "missed",
    "distances": "missed",
    "critics": "critics",
    "there_and_back": "bigan",
    "drawn": "bigan",
}


def trained(model: str, data: str, **arguments: object) -> Run:
    arguments = {"hidden": 8, "latent_dim": 3} | arguments
    run = store.create(model, data, arguments=arguments, settings={"steps": 2, "batch_size": 16})
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    return run


def drawn(run: Run, view: str, **link: str) -> AppTest:
    """The view, drawn as a page would."""
    module, name = (WHERE[view], view) if view in WHERE else ("theory", run.plan.model)
    script = f"""
from genmodels.runs import store as runs
from pages._ui.shared.moment import Moment
from pages._ui.views.gan import {module}
{module}.{name}(Moment.of(runs.find({run.id!r})))
"""
    test = AppTest.from_string(script, default_timeout=60)
    test.query_params.update(link)
    return test.run()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks are done here and now, and no worker is started."""

    def history(moment: Moment, *_: str):
        return answers.finish(modes.history(moment.id, moment.run.snapshots(), 50))

    monkeypatch.setattr(missed, "history", history)
    monkeypatch.setattr(gan_play_view, "answer", answers.at_once)
    monkeypatch.setattr(queue, "pool", lambda: None)


@pytest.mark.parametrize(
    ("model", "data", "arguments"),
    [
        ("gan", "eight-gaussians", {}),
        ("gan", "ring", {"objective": "least-squares"}),
        ("gan", "digits", {"classes": 10}),
        ("wgan", "eight-gaussians", {"penalty": "gp", "classes": 8}),
        ("wgan", "gaussian-grid", {"penalty": "clip", "latent_dim": 1}),
        ("wgan", "digits", {"penalty": "spectral"}),
        ("bigan", "two-moons", {}),
        ("bigan", "digits", {"stochastic": True, "classes": 10, "latent_dim": 1}),
    ],
)
def test_every_instrument_that_is_offered_draws(model: str, data: str, arguments: dict[str, object]) -> None:
    run = trained(model, data, **arguments)
    apply = {one.draw.__name__ for one in offered(shared("critic"), Moment.of(run)).values()}
    wanted = {"latent", "critics"} if data == "digits" else {"plane", "distances", "game", "critics"}
    assert apply == wanted | ({"modes"} if data in ("eight-gaussians", "gaussian-grid", "digits") else set())
    own = {"bigan": {"there_and_back", *(["drawn"] if data == "digits" else [])}}.get(model, set())
    for view in apply | own | {"theory"}:
        test = drawn(run, view)
        assert not test.exception, (view, test.exception)
        assert not test.info or view == "drawn", view  # which asks for a digit
        if view == "theory":
            assert sum('class="source"' in one.proto.body for one in test.get("html")) >= 4
        assert test.get("plotly_chart") or view in ("theory", "latent", "drawn"), view


@pytest.mark.parametrize(
    ("model", "arguments", "told"),
    [
        ("gan", {"spectral": True}, "spectral norms bound its slope as well"),
        ("bigan", {"spectral": True}, "spectral norms bound its slope as well"),
        ("gan", {}, "Only a WGAN asks for slopes of at most 1"),
        ("wgan", {"penalty": "spectral"}, "Spectral norms bound the slope by 1"),
    ],
)
def test_what_keeps_a_critic_from_being_steep_is_said(model: str, arguments: dict[str, object], told: str) -> None:
    said = [one.value for one in drawn(trained(model, "two-moons", **arguments), "critics").caption]
    assert sum(told in one for one in said) == 1
    assert ("Only a WGAN" in " ".join(said)) == told.startswith("Only")


@pytest.mark.parametrize(("model", "noisy"), [("vae", True), ("ladder", True), ("flow", False), ("autoencoder", False)])
def test_a_map_of_points_speaks_of_a_decoders_noise_where_there_is_some(
    model: str, noisy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(codes.st, "caption", said.append)
    for name in ("plot", "concluded"):
        monkeypatch.setattr(codes, name, lambda *_, **__: None)
    run = store.create(model, "two-moons", arguments={"hidden": 16}, settings={"steps": 1})
    recording = Recording(run)
    list(recording.steps())
    recording.close()
    codes.latent_map(Moment.of(run))
    assert ("A decoder's noise" in said[0]) == noisy


def test_a_drawing_is_framed_as_the_training_pictures_are_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    sheet = np.zeros((112, 112), np.uint8)
    sheet[50:60, 10:30] = 255  # small, and not in the middle
    monkeypatch.setattr(chosen, "drawing_pad", lambda **_: Drawing((), sheet))
    shown: list[np.ndarray] = []
    monkeypatch.setattr(bigan, "pictures", lambda x, *_, **__: shown.append(x))
    run = trained("bigan", "digits")
    test = drawn(run, "drawn")
    assert not test.exception
    assert not test.info
    assert any("What comes back differs by" in one.value for one in test.markdown)
    test.toggle(key="framed").set_value(False).run()
    assert not test.exception
    framed, whole = (x[0, 0] > 0.2 for x in shown)
    assert framed.any(0).all()  # its longer side is as long as a digit's, which is that of the frame
    assert whole.any(0).sum() <= 3


def test_five_critics_start_at_a_press_and_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained("gan", "eight-gaussians")
    submitted = []
    monkeypatch.setattr(queue, "submit", submitted.append)
    monkeypatch.setattr(side_by_side.st, "page_link", lambda *_, **__: None)  # no page has been announced here
    test = drawn(run, "critics")
    test.button(key="five-all").click().run()
    assert not test.exception
    assert [one.plan.model for one in submitted] == ["gan", "gan", "wgan", "wgan", "wgan"]
    assert {one.plan.settings["steps"] for one in submitted} == {1000}
    link = ",".join(one.id for one in submitted)
    assert test.query_params["five"] in (link, [link])
    for one in submitted[:2]:
        one.delete()
    short = {"gradient penalty": "gp", "spectral norm": "spectral", "clipping": "clip"}
    least = trained("gan", "eight-gaussians", objective="least-squares")
    names = [run.id, least.id, *(trained("wgan", "eight-gaussians", penalty=p).id for p in short.values())]
    shown = drawn(run, "critics", five=",".join(names))
    assert not shown.exception
    assert set(shown.dataframe[0].value["critic"]) == set(critics.RIVALS)  # known by what they are
    gone = drawn(run, "critics", five=link)
    assert not gone.exception
    assert "Not there any more: log loss, least squares." in [caption.value for caption in gone.caption]


def test_five_critics_are_not_offered_of_networks_that_three_of_them_lack() -> None:
    test = drawn(trained("gan", "eight-gaussians", network="residual"), "critics")
    assert not test.exception
    assert "five-all" not in [button.key for button in test.button]
    assert "no residual networks" in test.caption[-1].value


@pytest.mark.parametrize(("model", "data"), [("gan", "eight-gaussians"), ("wgan", "digits")])
def test_collapse_and_each_remedy_start_at_a_press_and_are_counted_beside_each_other(
    monkeypatch: pytest.MonkeyPatch, model: str, data: str
) -> None:
    run, submitted = trained(model, data), []
    monkeypatch.setattr(queue, "submit", submitted.append)
    monkeypatch.setattr(side_by_side.st, "page_link", lambda *_, **__: None)
    test = drawn(run, "modes")
    for i in range(len(modes.REMEDIES)):
        test.button(key=f"mend-{i}").click().run()
        assert not test.exception
    assert [one.plan.model for one in submitted] == ["gan", "gan", "gan", "wgan"]
    assert {one.plan.data for one in submitted} == {data}
    assert submitted[0].plan.arguments["objective"] == "minimax"
    assert submitted[-1].plan.arguments["n_critic"] == 3
    assert any("three turns of it for each of the generator's" in caption.value for caption in test.caption)
    link = ",".join(one.id for one in submitted)
    assert test.query_params["mend"] in (link, [link])
    submitted[0].delete()
    shown = drawn(run, "modes", mend=f"{submitted[0].id},{run.id}")
    assert not shown.exception
    assert "Not there any more: collapse." in [caption.value for caption in shown.caption]
    assert "Covered over the training" in str([chart.proto.spec for chart in shown.get("plotly_chart")])


def test_the_players_move_at_a_press_and_the_link_remembers_it() -> None:
    run = trained("wgan", "eight-gaussians")
    test = drawn(run, "game")
    test.button(key="play-d").click().run()
    test.button(key="play-b").click().run()
    assert not test.exception
    assert test.query_params["moves"] in ("d5b5", ["d5b5"])
    assert "After turn 15" in str([chart.proto.spec for chart in test.get("plotly_chart")])
    test.button(key="play-again").click().run()
    assert "Before the first turn" in str([chart.proto.spec for chart in test.get("plotly_chart")])
    wrong = drawn(run, "game", moves="x9")
    assert "no list of moves" in wrong.warning[0].value


@pytest.mark.parametrize(
    ("of_pairs", "effect"),
    [(False, "the dots move, the ground stays"), (True, "the dots move, and the ground with the encoder")],
)
def test_a_turn_of_the_generator_moves_the_ground_where_it_has_the_encoder_with_it(of_pairs: bool, effect: str) -> None:
    film = {"names": np.array(["value", "generator_loss"]), "turn": np.arange(3), "mover": np.array([-1, 0, 1])}
    film["terms"] = np.array([[0.0, 1.0], [0.5, 1.0], [0.5, 0.25]])
    _, of_critic, of_generator = gan_play_view._captions(film, "discriminator", of_pairs=of_pairs)
    assert of_critic.endswith("the ground moves, the dots stay")
    assert of_generator == f"turn 2, generator: loss 1 → 0.25; {effect}"


@pytest.mark.parametrize(("model", "unit"), [("wgan", "f(x)"), ("gan", "D − ½"), ("bigan", "D − ½")])
def test_the_large_map_of_the_game_says_what_it_shows(model: str, unit: str) -> None:
    data = "two-moons" if model == "bigan" else "eight-gaussians"
    (chart,) = [chart.proto.spec for chart in drawn(trained(model, data), "game").get("plotly_chart")]
    (heatmap,) = [trace for trace in json.loads(chart)["data"] if trace["type"] == "heatmap"]
    assert heatmap["colorbar"]["title"]["text"] == unit


def test_by_least_squares_a_score_is_no_logit() -> None:
    run = trained("gan", "ring", objective="least-squares")
    assert any("by least squares the chance itself" in caption.value for caption in drawn(run, "critics").caption)
    charts = str([chart.proto.spec for chart in drawn(run, "theory").get("plotly_chart")])
    assert "score s of a sample" in charts
    assert "logit" not in charts


def test_a_conditional_critic_may_be_twice_as_steep_and_the_theory_says_so() -> None:
    run = trained("gan", "eight-gaussians", spectral=True, classes=8)
    assert run.model().discriminator.bound() == 2
    assert "of dense layers by 1, with labels by 2" in theory.TRAINING[normalize_spectrally]


# What stands over the curves ------------------------------------------------------------------------------------------

SAYS = {
    "minimax": r"\min_G \; E_z[\log(1 - D(G(z)))]",
    "non-saturating": r"\min_G \; -E_z[\log D(G(z))]",
    "least-squares": r"\min_G \; \tfrac12 E_z[(s(G(z)) - 1)^2]",
    "relativistic": r"\min_G \; -E_{x \sim p,\, z}[\log \sigma(s(G(z)) - s(x))]",
}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_gan_says_what_its_own_players_minimize(objective: str) -> None:
    run = trained("gan", "two-moons", objective=objective, r1=0.1)
    test = AppTest.from_file("../pages/models/gan.py", default_timeout=60)
    test.query_params["run"] = run.id
    (formula,) = [one.value for one in test.run().latex]
    assert SAYS[objective] in formula
    assert r"\gamma_1 R_1" in formula
    assert "R_2" not in formula
    assert all(other == objective or text not in formula for other, text in SAYS.items())


@pytest.mark.parametrize("objective", ["another", ["minimax"], None])
def test_an_objective_that_there_is_not_ends_in_a_sentence(objective: object) -> None:
    run = trained("gan", "two-moons")
    raw = json.loads((run.path / Plan.FILE).read_text())
    raw["arguments"]["objective"] = objective
    (run.path / Plan.FILE).write_text(json.dumps(raw))
    test = AppTest.from_file("../pages/models/gan.py", default_timeout=60)
    test.query_params["run"] = run.id
    test.run()
    assert not test.exception
    assert not test.latex
    assert any("objective" in error.value for error in test.error)

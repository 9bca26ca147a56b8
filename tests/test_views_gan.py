"""Every instrument and the theory of GAN, WGAN and BiGAN draw what fits the run, or say what does not."""

import pytest
from streamlit.testing.v1 import AppTest

from genmodels import jobs, runs
from genmodels.instruments import gan_lab as lab
from genmodels.recording import Recording
from genmodels.runs import Run
from pages._ui.moment import Moment
from pages._ui.views import gan_distance, gan_lab

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SHARED = {"gan": ("plane", "latent", "modes", "critics", "distances", "theory")}
VIEWS = {
    "gan": SHARED["gan"],
    "wgan": SHARED["gan"],
    "bigan": ("there_and_back", "drawn", "plane", "latent", "modes", "distances", "theory"),
}
WHERE = {
    "plane": "gan",
    "latent": "gan",
    "modes": "gan_distance",
    "distances": "gan_distance",
    "critics": "gan_lab",
    "there_and_back": "bigan",
    "drawn": "bigan",
}


def trained(model: str, data: str, **arguments: object) -> Run:
    arguments = {"hidden": 8, "latent_dim": 3} | arguments
    run = runs.create(model, data, arguments=arguments, settings={"steps": 2, "batch_size": 16})
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    return run


def drawn(run: Run, view: str, **link: str) -> AppTest:
    """The view, drawn as a page would."""
    module, name = (WHERE[view], view) if view in WHERE else ("gan_theory", run.plan["model"])
    script = f"""
from genmodels import runs
from pages._ui.moment import Moment
from pages._ui.views import {module}
{module}.{name}(Moment.of(runs.find({run.id!r})))
"""
    test = AppTest.from_string(script, default_timeout=60)
    test.query_params.update(link)
    return test.run()


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks are done here and now, and no worker is started."""

    def history(moment: Moment):
        steps = lab.history(moment.id, moment.run.snapshots(), 50)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value

    monkeypatch.setattr(gan_distance, "_history", history)
    monkeypatch.setattr(jobs, "pool", lambda: None)


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
def test_every_instrument_draws_or_says_why_not(model: str, data: str, arguments: dict[str, object]) -> None:
    run = trained(model, data, **arguments)
    is_image = data == "digits"
    for view in VIEWS[model]:
        test = drawn(run, view)
        assert not test.exception, (view, test.exception)
        refused = bool(test.info)
        if view in ("plane", "distances"):
            assert refused == is_image, view
        elif view == "latent":
            assert refused != is_image
        elif view == "modes":
            assert refused == (data not in ("eight-gaussians", "gaussian-grid"))
        elif view == "theory":
            assert len(test.code) >= 4
        charts = len(test.get("plotly_chart"))
        assert charts or refused or view in ("theory", "latent", "drawn"), view


def test_five_critics_start_at_a_press_and_stand_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained("gan", "eight-gaussians")
    submitted = []
    monkeypatch.setattr(jobs, "submit", submitted.append)
    monkeypatch.setattr(gan_lab.st, "page_link", lambda *_, **__: None)  # no page has been announced here
    test = drawn(run, "critics")
    test.button(key="five").click().run()
    assert not test.exception
    assert [one.plan["model"] for one in submitted] == ["gan", "gan", "wgan", "wgan", "wgan"]
    assert {one.plan["settings"]["steps"] for one in submitted} == {1000}
    link = ",".join(one.id for one in submitted)
    assert test.query_params["five"] in (link, [link])
    for one in submitted[:2]:
        one.delete()
    short = {"gradient penalty": "gp", "spectral norm": "spectral", "clipping": "clip"}
    names = [run.id, run.id, *(trained("wgan", "eight-gaussians", penalty=p).id for p in short.values())]
    shown = drawn(run, "critics", five=",".join(names))
    assert not shown.exception
    assert len(shown.dataframe[0].value) == 5
    gone = drawn(run, "critics", five=link)
    assert not gone.exception
    assert "Not there any more: log loss, least squares." in [caption.value for caption in gone.caption]

"""From page to page in one visit of the app: what one page was left with is not what the next one says."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from genmodels.jobs import queue
from genmodels.runs import store
from pages._ui.server import preload

APP = str(Path(__file__).resolve().parents[1] / "app.py")
VAE, GAN, FLOW = ("pages/models/vae.py", "pages/models/gan.py", "pages/models/flow.py")
RUN = "vae-digits-2d"
TURNS = {"run": "gan-eight-gaussians", "instrument": "Turn by turn", "hide": "form,train,film,curves", "present": "1"}
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preload, "start", lambda: None)
    monkeypatch.setattr(queue, "pool", lambda: None)


@pytest.fixture
def test() -> AppTest:
    return AppTest.from_file(APP, default_timeout=60).run()


def go(test: AppTest, page: str, **link: str) -> AppTest:
    """As a link of the app does: the page, and nothing in the URL but what the link says."""
    for name in list(test.query_params):
        del test.query_params[name]
    test.switch_page(page)
    test.query_params.update(link)
    test.run()
    assert not test.exception
    return test


def changed(test: AppTest) -> bool:
    return any("Settings changed" in one.value for one in test.markdown)


def warnings(test: AppTest) -> list[str]:
    return [one.value for one in test.warning]


# Tabs and moments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tab", ["Theory", "Sample"])
def test_a_link_that_names_no_tab_opens_on_the_first(test: AppTest, tab: str) -> None:
    go(test, VAE, run=RUN)
    test.segmented_control(key="view").set_value(tab).run()
    assert test.run().segmented_control(key="view").value == tab
    go(test, GAN, **TURNS)
    assert test.session_state["view"] == "Explore"
    go(test, "pages/lab/glossary.py")
    go(test, VAE, run=RUN, view=tab)
    assert test.segmented_control(key="view").value == tab


def standing(test: AppTest, run: str) -> int | None:
    return test.session_state[f"at/{run}"]


def test_without_a_film_the_moment_is_what_the_link_says(test: AppTest) -> None:
    early, later = store.find(RUN).frames()[:2]
    go(test, VAE, run=RUN, step=str(early))
    assert standing(test, RUN) == early
    go(test, VAE, run=RUN)
    assert standing(test, RUN) == early, "the reader finds the film where he left it"
    go(test, "pages/lab/glossary.py")
    go(test, VAE, run=RUN, hide="film", instrument="Reconstructions")
    assert standing(test, RUN) is None
    assert "step" not in test.query_params
    go(test, VAE, run=RUN, hide="film", step=str(later))
    assert standing(test, RUN) == later
    assert standing(test.run(), RUN) == later
    assert "".join(test.query_params["step"]) == str(later)


# The form -------------------------------------------------------------------------------------------------------------


def test_what_a_page_of_the_lab_is_set_to_is_no_setting_of_a_model(test: AppTest) -> None:
    go(test, VAE, run=RUN)
    go(test, "pages/lab/data.py", data="two-moons")
    test.selectbox(key="data").set_value("pinwheel").run()
    go(test, VAE)
    assert test.selectbox(key="data").value == "digits"
    assert not changed(test)
    go(test, "pages/lab/compare.py", data="two-moons", show="Samples")
    test.number_input(key="seed").set_value(7).run()
    go(test, VAE, run=RUN)
    assert not changed(test)
    assert {"data", "seed"}.isdisjoint(test.query_params)


def test_a_reader_who_comes_back_finds_the_form_as_he_left_it(test: AppTest) -> None:
    go(test, VAE, run=RUN)
    test.slider(key="latent_dim").set_value(5).run()
    test.selectbox(key="data").set_value("two-moons").run()
    go(test, "pages/lab/data.py", data="pinwheel")
    go(test, VAE)
    assert test.slider(key="latent_dim").value == 5
    assert test.selectbox(key="data").value == "two-moons"
    assert {"latent_dim": "5", "data": "two-moons"}.items() <= test.query_params.items()
    go(test, "pages/lab/glossary.py")
    go(test, VAE, run=RUN, latent_dim="7")
    assert test.slider(key="latent_dim").value == 7, "what the link says is so"
    assert test.selectbox(key="data").value == "two-moons"


# What a link has wrong ------------------------------------------------------------------------------------------------


def test_what_a_link_has_wrong_is_said_on_the_page_that_it_leads_to_and_no_other(test: AppTest) -> None:
    assert len(warnings(go(test, VAE, run=RUN, lr="abc", step="77"))) == 2
    assert len(warnings(test.run())) == 2
    assert not warnings(go(test, GAN))
    assert not warnings(go(test, VAE, run=RUN))


def test_who_chooses_others_is_told_no_more_which_of_many_the_link_had_wrong(test: AppTest) -> None:
    go(test, "pages/lab/race.py", families="flow,xx")
    assert test.pills(key="families").value == ["flow"]
    assert warnings(test.run())[0].startswith("The link says families = 'xx'")
    test.pills(key="families").set_value(["gan"]).run()
    assert not warnings(test)
    go(test, "pages/lab/race.py", families="flow,xx")
    assert not warnings(go(test, "pages/lab/glossary.py"))
    assert not warnings(go(test, "pages/lab/race.py"))

"""The instruments of a VQ-VAE: its codebook, its cells, a code exchanged, codes left out, and draws without a prior."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from genmodels import random
from genmodels.errors import BadInput
from genmodels.instruments import codes
from genmodels.instruments.examples import example
from genmodels.instruments.vq import codebook, maps
from genmodels.jobs import queue
from genmodels.models.vq.model import VQVAE
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from pages._ui.views.vq import codebook as book_view
from pages._ui.views.vq import maps as map_view
from tests import answers
from tests.instruments import applies, on_page

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Digits of 16 codes each, and points with and without networks."""
    root = tmp_path_factory.mktemp("home")
    small = {"codes": 16, "hidden": 32, "prior_channels": 16, "prior_depth": 2}
    for name, data, arguments, steps in (
        ("digits", "digits", small | {"decoder": "gaussian"}, 200),
        ("points", "two-moons", {"codes": 12, "hidden": 16}, 60),
        ("k-means", "two-moons", {"codes": 12, "depth": 0}, 60),
    ):
        settings = {"steps": steps, "batch_size": 128, "lr": 3e-3, "decay": "cosine"}
        recording = Recording(store.create("vqvae", data, arguments=arguments, settings=settings, folder=root / name))
        list(recording.steps())
        recording.close()
    return root


@pytest.fixture(autouse=True)
def _at_once(runs: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(home))
    for view in (book_view, map_view):
        monkeypatch.setattr(view, "answer", answers.at_once)
    monkeypatch.setattr(queue, "pool", lambda: None)


def of(name: str) -> tuple[VQVAE, object]:
    run = store.find(name)
    model = run.model()
    assert isinstance(model, VQVAE)
    return model, run.data()


def test_the_mean_under_a_code_is_that_of_the_squares_that_have_it() -> None:
    model, data = of("digits")
    found = answers.finish(codebook.patches(model, data, 100))
    assert found["share"].sum() == pytest.approx(1, abs=1e-5)
    assert found["decoded"].shape == found["mean"].shape == (16, 1, 2, 2)
    x = example(model, data, 0)  # any picture: one square at a time, by hand
    all_x = codebook.some(model, data, 100)[0]
    codes = model.codes(all_x)
    k = int(model.codes(x)[0, 1, 2])
    squares = [all_x[n, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2] for n, i, j in (codes == k).nonzero().tolist()]
    np.testing.assert_allclose(found["mean"][k], torch.stack(squares).mean(0), atol=1e-5)


def test_without_networks_the_cells_are_voronois() -> None:
    model, data = of("k-means")
    found = codebook.voronoi(model, data, side=40)
    np.testing.assert_allclose(found["means"], found["vectors"])
    half = found["extent"][1]
    axis = (np.arange(40) + 0.5) / 40 * 2 * half - half
    grid = np.stack(np.meshgrid(axis, axis), -1)
    nearest = np.square(grid[:, :, None] - found["vectors"]).sum(-1).argmin(-1)
    border = np.zeros((40, 40), bool)
    border[:, :-1] |= nearest[:, 1:] != nearest[:, :-1]
    border[:-1] |= nearest[1:] != nearest[:-1]
    np.testing.assert_array_equal(found["border"] > 0, border)


@pytest.mark.parametrize("name", ["digits", "points"])
def test_with_all_codes_left_nothing_is_lost(name: str) -> None:
    model, data = of(name)
    found = answers.finish(codebook.fewer(model, data, 100))
    k = len(model.codebook.vectors)
    assert found["kept"].tolist() == codebook.kept(k)
    assert found["squared"][0] > found["squared"][-1]
    x = codebook.some(model, data, 100)[0]
    with torch.no_grad():
        back = model.shown(model.codes(x))
    assert found["squared"][-1] == pytest.approx((back - x).square().mean().item(), rel=1e-4)
    np.testing.assert_allclose(found["x"][:, 0], x[:8], atol=1e-6)
    np.testing.assert_allclose(found["x"][:, -1], back[:8], atol=1e-5)
    assert found["bits"][-1] == pytest.approx(math.prod(model.map) * math.log2(k))
    assert f"of {k} codes" in codebook.conclusion_of_fewer(found)
    few = {"kept": np.array([1, 2]), "squared": np.array([1.05, 1.0])}
    assert codebook.conclusion_of_fewer(few).startswith("1 of 2 codes restores to within 10 % of the error of all;")


def test_the_most_frequent_codes_are_left() -> None:
    """Of one code alone every picture is what that code shows at each place."""
    model, data = of("digits")
    found = answers.finish(codebook.fewer(model, data, 100))
    count = torch.bincount(model.codes(codebook.some(model, data, 100)[0]).flatten(), minlength=16)
    assert count.min() < count.max()
    commonest = (count == count.max()).nonzero()[:, 0]
    with torch.no_grad():
        shown = model.shown(commonest.view(-1, 1, 1).expand(-1, *model.map))
    apart = np.abs(found["x"][:, None, 1] - shown.numpy()).reshape(len(found["x"]), len(commonest), -1).max(2)
    assert (apart.min(1) < 1e-4).all()


def test_another_code_at_one_place_changes_what_is_around_it() -> None:
    model, data = of("digits")
    found, here = maps.read(model, data, 3), maps.place(model, data, 3, 1, 2)
    assert here["codes"][0] == found["codes"][1, 2]
    np.testing.assert_allclose(here["x"][0], found["shown"], atol=1e-5)
    assert (np.diff(here["probability"][1:]) <= 1e-6).all()
    assert here["probability"].sum() <= 1 + 1e-5
    assert -math.log2(here["probability"][0]) == pytest.approx(found["bits"][1, 2], abs=1e-3)
    codes = torch.as_tensor(found["codes"])[None].clone()
    codes[0, 1, 2] = int(here["codes"][1])
    with torch.no_grad():
        np.testing.assert_allclose(here["x"][1], model.shown(codes)[0], atol=1e-5)
        nats = -model.prior.log_prob(torch.as_tensor(found["codes"])[None]).item()
    assert found["bits"].sum() * math.log(2) == pytest.approx(nats, rel=1e-4)
    assert "as it is" in maps.conclusion_of_change(here, 0)
    assert "of the pixels change" in maps.conclusion_of_change(here, 1)
    with pytest.raises(BadInput, match="There is no place"):
        maps.place(model, data, 3, 4, 0)


def test_the_prior_finds_its_own_codes_likelier_than_any() -> None:
    """On average −log p(k) of its own draws is an entropy, at most that of an even law; of even draws at least."""
    model, data = of("digits")
    found = answers.finish(maps.drawn(model, data))
    uniform, _, prior = found["nats"]
    assert prior < found["even"] + 6 * found["error"][2]
    assert uniform > found["even"] - 6 * found["error"][0]
    assert prior < uniform - 5  # of what it has learned
    assert found["x"].shape == (3, 16, 1, 8, 8)
    assert "saves" in maps.conclusion(found)


def test_scattered_codes_keep_the_frequencies_of_each_place() -> None:
    model, _ = of("digits")
    codes = torch.arange(16).view(1, 4, 4).expand(50, 4, 4)  # a place has one code, and is not mixed up with others
    assert torch.equal(maps.scattered(model, codes, 9, random.generator(0)), codes[:9])


def test_a_collapsed_codebook_is_named() -> None:
    share = np.eye(8)[0]
    assert "collapsed" in codebook.conclusion({"share": share, "perplexity": np.array(1.0)})
    assert "nothing to conclude" in codebook.conclusion({"share": share, "perplexity": np.array(math.nan)})


@pytest.mark.parametrize(
    ("run", "view", "call"),
    [
        ("digits", "codebook", "book"),
        ("digits", "codebook", "fewer"),
        ("points", "codebook", "fewer"),
        ("points", "codebook", "cells"),
        ("k-means", "codebook", "cells"),
        ("digits", "maps", "changed"),
        ("digits", "maps", "with_and_without"),
        ("digits", "theory", "theory"),
        ("points", "theory", "theory"),
    ],
)
def test_every_view_draws(run: str, view: str, call: str) -> None:
    script = f"""
from genmodels.runs import store
from pages._ui.shared.moment import Moment
from pages._ui.views.vq import {view}
{view}.{call}(Moment.of(store.find({run!r})))
"""
    test = AppTest.from_string(script, default_timeout=120).run()
    assert not test.exception
    assert not test.warning
    assert test.caption
    assert not any("fork" in one.value for one in test.caption)  # a fork keeps the model, and so its K


@pytest.mark.parametrize("run", ["digits", "points", "k-means"])
def test_no_path_is_pulled_tight_where_codes_are_rounded(run: str) -> None:
    model, data = of(run)
    with pytest.raises(BadInput, match="rounded: it has no slope"):
        answers.finish(codes.geodesic(model, data, 0, 1))
    script = f"""
from genmodels.runs import store
from pages._ui.shared.moment import Moment
from pages._ui.views.common.codes import path
path(Moment.of(store.find({run!r})))
"""
    test = AppTest.from_string(script, default_timeout=120).run()
    assert not test.exception
    assert [one.options for one in test.get("button_group") if one.label == "way"] == [["straight", "spherical"]]


def test_every_instrument_asks_a_question_and_is_offered_where_it_applies() -> None:
    offered = on_page("vqvae")
    assert all(one.question.endswith("?") and one.before for one in offered.values())
    names = {kind: {name for name, one in offered.items() if applies(one, is_image=kind)} for kind in (True, False)}
    assert names[True] == {"Codebook", "Codes of a picture", "Fewer codes", "Why a prior"}
    assert names[False] == {"Cells", "Fewer codes"}


def test_what_is_for_pictures_refuses_points() -> None:
    model, data = of("points")
    for steps in (codebook.patches(model, data), maps.drawn(model, data)):
        with pytest.raises(BadInput, match="done with images"):
            next(steps)
    with pytest.raises(BadInput, match="done with images"):
        maps.read(model, data, 0)
    with pytest.raises(BadInput, match="done with points"):
        codebook.voronoi(*of("digits"))

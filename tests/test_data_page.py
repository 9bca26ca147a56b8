"""The page of the data sets: a worker has them in memory and computes what is seen of them, not the server."""

from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from genmodels.data import datasets
from genmodels.data.datasets import DATASETS, Data
from genmodels.errors import BadInput
from genmodels.instruments import data as instruments
from genmodels.jobs import queue, tasks
from tests.answers import at_once, finish

PAGE = str(Path(__file__).resolve().parents[1] / "pages/lab/data.py")


def test_what_is_seen_of_pictures(digits: Data) -> None:
    seen = finish(instruments.look("digits"))
    assert seen["examples"].shape == (10, instruments.EXAMPLES, *digits.shape)
    assert seen["sizes"].tolist() == [len(digits.train), len(digits.validation), len(digits.test)]
    assert seen["counts"].sum(1).tolist() == seen["sizes"].tolist()
    threes = digits.train.x[digits.train.y == 3].double() / (digits.levels - 1)
    np.testing.assert_allclose(seen["mean"][3], threes.mean(0), rtol=1e-5)
    np.testing.assert_allclose(seen["examples"][3], threes[: instruments.EXAMPLES], rtol=1e-6)


def test_what_is_seen_of_a_plane(plane: Data) -> None:
    seen = finish(instruments.look("eight-gaussians"))
    assert seen["sizes"].tolist() == [len(plane.train), len(plane.validation), len(plane.test)]
    left, right, bottom, top = seen["extent"]
    cell = (right - left) * (top - bottom) / seen["density"].size
    assert seen["density"].sum() * cell == pytest.approx(1, abs=0.01)  # all of it is in sight
    assert (np.abs(seen["points"]) <= right).mean() > 0.99


def test_the_entropy_of_a_plane_is_the_integral_of_its_density(plane: Data) -> None:
    (mean, error), reach = instruments.entropy(plane), DATASETS[plane.name].extent
    at = (torch.arange(400, dtype=torch.float64) + 0.5) / 400 * 2 * reach - reach
    log_p = plane.log_prob(torch.cartesian_prod(at, at))
    exact = -(log_p.exp() * log_p).sum().item() * (at[1] - at[0]).item() ** 2
    assert 0 < error < 0.1
    assert mean == pytest.approx(exact, abs=4 * error)
    assert finish(instruments.look(plane.name))["entropy"].tolist() == [mean, error]


def test_the_entropy_of_a_checkerboard_is_the_logarithm_of_its_area() -> None:
    board = datasets.load("checkerboard")
    (peak,) = board.log_prob(board.test.x[:1].double()).tolist()
    mean, error = instruments.entropy(board)
    assert mean == pytest.approx(-peak)
    assert error < 1e-9


def test_what_has_no_known_density_has_no_known_entropy(digits: Data) -> None:
    assert instruments.entropy(digits) == ()


def test_what_is_no_data_set_is_said() -> None:
    with pytest.raises(BadInput, match="There is no data set"):
        finish(instruments.look("engines"))


def test_the_server_asks_a_worker_and_loads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the server loads a data set")

    monkeypatch.setattr(queue, "pool", lambda: None)
    monkeypatch.setattr(datasets, "load", refuse)
    monkeypatch.setattr(instruments, "load", refuse)
    page = AppTest.from_file(PAGE, default_timeout=60).run()
    assert not page.exception
    assert len(list(tasks.queue().iterdir())) == 1


@pytest.mark.parametrize("name", ["digits", "two-moons", "drawing"])
def test_every_kind_is_drawn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pages._ui.shared.answer.answer", at_once)
    page = AppTest.from_file(PAGE, default_timeout=60)
    page.query_params["data"] = name
    page.run()
    assert not page.exception
    assert page.get("plotly_chart")
    assert any("Entropy" in one.value for one in page.markdown) == (name != "digits")
    assert any("fixed and disjoint" in one.value for one in page.caption)

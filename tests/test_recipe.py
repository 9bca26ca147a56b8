"""The README's recipe, done for real: one file, one line and one page make a new model a member of the house."""

import ast
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from genmodels.cli.parser import main
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.jobs import queue
from genmodels.models import MODELS, Entry
from genmodels.models.base import build, load
from genmodels.runs import store
from pages._ui.server import preload
from tests import answers

FOLDER = Path(__file__).parent / "recipe"
LINE = Entry("Affine flow", "Flows", "A Gaussian, stretched and turned.", "affine_flow:AffineFlow")
PAGE = FOLDER / "page.py"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(autouse=True)
def a_new_model(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The model's file is importable, its line is in the registry; no worker is started."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setitem(MODELS, "affine", LINE)
    monkeypatch.setattr(queue, "pool", lambda: None)
    monkeypatch.setattr(preload, "start", lambda: None)
    for name in ("views.common.density", "views.common.neighbours", "page.sampling"):
        monkeypatch.setattr(importlib.import_module(f"pages._ui.{name}"), "answer", answers.at_once)
    yield
    sys.modules.pop("affine_flow", None)


def trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> store.Run:
    """Its preset, by the command line."""
    assert main(["train", "affine", "--data", "two-moons", "--steps", "300", "--lr", "0.02"]) == 0
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    return store.find(said["run"])


def page(run: store.Run | None = None, **link: str) -> AppTest:
    test = AppTest.from_file(str(PAGE), default_timeout=60)
    if run is not None:
        test.query_params["run"] = run.id
    test.query_params.update(link)
    test.run()
    assert not test.exception
    return test


def test_it_is_short() -> None:
    lines = sum(len((FOLDER / name).read_text().splitlines()) for name in ("affine_flow.py", "page.py")) + 1
    assert lines <= 130


def test_its_density_is_that_of_a_gaussian() -> None:
    model = build({"model": "affine", "shape": [2]}).double()
    with torch.no_grad():
        model.b += torch.tensor([1.0, -2.0])
        model.lower += 0.7
        model.log_diagonal += 0.3
    x = torch.randn(50, 2, dtype=torch.float64)
    truth = torch.distributions.MultivariateNormal(model.b, scale_tril=model.matrix)
    torch.testing.assert_close(model.log_prob(x), truth.log_prob(x))
    torch.testing.assert_close(model.decode(model.encode(x)), x)


def test_the_form_and_the_url_know_its_hyperparameter() -> None:
    test = page(scale="2.5")
    assert test.session_state["scale"] == 2.5
    refused = page(scale="-1")
    assert any("scale" in one.value for one in refused.warning)


def test_the_command_line_knows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "affine"]) == 0
    assert "standard deviation at first" in capsys.readouterr().out
    assert main(["train", "affine", "--set", "scale=99"]) == 2
    assert "scale = '99' is not a number from 0.01 to 10" in capsys.readouterr().err


def test_it_trains_to_the_gaussian_of_the_data_and_can_be_forked_measured_and_taken_home(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(tmp_path, capsys)
    model, data = run.model(), datasets.load("two-moons")
    x = data.train.x
    torch.testing.assert_close(model.b, x.mean(0), atol=0.1, rtol=0)
    torch.testing.assert_close(model.matrix @ model.matrix.T, x.T.cov(), atol=0.15, rtol=0)
    other = store.fork(run, run.snapshots()[0], settings={"lr": 0.01})
    assert other.plan.parent.run == run.id
    assert main(["evaluate", run.id]) == 0
    measured = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert measured["kl_from_truth_nats"] > 3 * measured["kl_from_truth_nats_se"]  # two moons are no Gaussian
    assert main(["export", run.id, str(tmp_path / "out")]) == 0
    assert torch.equal(load(tmp_path / "out").b.half(), model.b.half())
    assert main(["export", run.id, str(tmp_path / "again"), "--to", "script"]) == 0
    ast.parse((tmp_path / "again" / f"{run.id}.py").read_text())


def test_five_instruments_come_for_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(tmp_path, capsys)
    test = page(run)
    control = next(one for one in test.get("button_group") if one.label == "instrument")
    assert control.options == ["Density", "Latent map", "Path", "Nearest neighbours"]
    for instrument in control.options:
        drawn = page(run, instrument=instrument)
        assert len(drawn.get("plotly_chart")) >= 1, instrument
    assert any(one.label == "KL(true ‖ learned)" for one in page(run, instrument="Density").metric)
    samples = page(run, view="Sample")
    assert len(samples.get("plotly_chart")) == 1


def test_what_it_cannot_do_is_not_offered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from genmodels.instruments import plane

    assert main(["train", "affine", "--data", "digits", "--steps", "5"]) == 0
    run = store.find(json.loads(capsys.readouterr().out.splitlines()[-1])["run"])
    control = next(one for one in page(run).get("button_group") if one.label == "instrument")
    assert control.options == ["Latent map", "Path", "Dimensions", "Nearest neighbours"]
    for instrument in control.options[:3]:
        assert not page(run, instrument=instrument).warning
    with pytest.raises(BadInput, match="points of the plane"):
        next(plane.density(run.model(), run.data()))


def test_the_nearest_neighbours_are_the_nearest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from genmodels.instruments.neighbours import neighbours

    run = trained(tmp_path, capsys)
    data = run.data()
    found = answers.finish(neighbours(run.model(), data, n=20, k=3))
    all_distances = np.linalg.norm(found["x"][:, None] - data.train.x.numpy()[None], axis=2) / np.sqrt(2)
    np.testing.assert_allclose(found["distance"], np.sort(all_distances, axis=1)[:, :3], atol=1e-4)
    gaps = np.linalg.norm(found["x"][:, None] - found["near"], axis=2) / np.sqrt(2)
    np.testing.assert_allclose(found["distance"], gaps, atol=1e-4)

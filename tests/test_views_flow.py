"""Every instrument and the theory of a flow draw what fits the run, or say what does not; and what they say is so."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from streamlit.testing.v1 import AppTest

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.flows import images
from genmodels.instruments import codes as paths
from genmodels.instruments.examples import example, some
from genmodels.instruments.flow import codes, dequantization, microscope
from genmodels.jobs import queue
from genmodels.models.flow import Flow
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from pages._ui.shared.moment import Moment
from pages._ui.views.common import density
from pages._ui.views.common import shifts as shifts_view
from pages._ui.views.common.everybody import for_everybody
from pages._ui.views.flow import bits as bits_view
from pages._ui.views.flow import codes as codes_view
from pages._ui.views.flow import microscope as microscope_view
from pages._ui.views.flow.instruments import INSTRUMENTS
from tests import answers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "pictures": ("digits", {"network": "conv", "couplings": 2, "hidden": 8, "dequantization": "variational"}),
    "classes": ("digits", {"couplings": 2, "hidden": 8, "classes": 10}),
    "points": ("two-moons", {"coupling": "spline", "couplings": 2, "hidden": 16}),
    "points-and-classes": (
        "eight-gaussians",
        {"couplings": 2, "hidden": 16, "mixing": "lu", "actnorm": True, "classes": 8},
    ),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each of RUNS, six steps long."""
    root = tmp_path_factory.mktemp("home")
    for name, (data, arguments) in RUNS.items():
        settings = {"steps": 6, "batch_size": 64, "lr": 5e-3, "ema": 0.0}
        recording = Recording(store.create("flow", data, arguments=arguments, settings=settings, folder=root / name))
        list(recording.steps())
        recording.close()
    return root


@pytest.fixture(autouse=True)
def _at_once(runs: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks are done here and now, and no worker is started."""
    monkeypatch.setenv("GENMODELS_RUNS", str(home))
    for module in (microscope_view, codes_view, bits_view, density, shifts_view):
        monkeypatch.setattr(module, "answer", answers.at_once)
    monkeypatch.setattr(queue, "pool", lambda: None)


def model_and_data(name: str) -> tuple[Flow, Any]:
    run = store.find(name)
    return run.model(), run.data()


@pytest.mark.parametrize("view", [*INSTRUMENTS, "theory"])
@pytest.mark.parametrize("run", RUNS)
def test_every_view_draws_or_says_why_not(view: str, run: str) -> None:
    call, image = f"INSTRUMENTS[{view!r}].draw", RUNS[run][0] == "digits"
    if view == "theory":
        call = "theory.theory"
    elif not INSTRUMENTS[view].applies(SimpleNamespace(model=SimpleNamespace(is_image=image))):  # type: ignore[arg-type]
        assert image == (view == "Microscope")
        assert view in {"Microscope", "Dequantization", "Curve", "Out of distribution", "Nats and bits"}
        return
    script = f"""
from genmodels.runs import store
from pages._ui.shared.moment import Moment
from pages._ui.views.flow import theory
from pages._ui.views.flow.instruments import INSTRUMENTS
{call}(Moment.of(store.find({run!r})))
"""
    test = AppTest.from_string(script, default_timeout=120).run()
    assert not test.exception
    assert not test.warning
    assert test.caption
    assert not test.info
    if view == "Nats and bits":
        assert any(one.label == "bits per dimension" for one in test.metric)


@pytest.mark.parametrize(("run", "label"), [("pictures", None), ("classes", 3), ("points", None)])
def test_paths_are_pulled_tight_of_points_for_pictures_are_in_whole_greys(run: str, label: int | None) -> None:
    model, data = model_and_data(run)
    assert paths.is_smooth(model, label) == (run == "points")
    if run != "points":
        with pytest.raises(BadInput, match="rounded"):
            next(paths.geodesic(model, data, 0, 1, label=label))


def converted(**link: str) -> AppTest:
    script = """
from genmodels.runs import store
from pages._ui.shared.moment import Moment
from pages._ui.views.flow import bits
bits.converter(Moment.of(store.find("pictures")))
"""
    test = AppTest.from_string(script, default_timeout=120)
    for name, value in link.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    assert not test.warning
    return test


def test_nats_are_at_first_the_models_own_and_a_link_has_them_as_set() -> None:
    """And what stands as an equation is one."""
    run, own = store.find("pictures"), converted()
    held = [row["held-out loss"] for row in run.metrics() if "held-out loss" in row][-1]
    assert own.number_input[0].value == pytest.approx(held)
    assert f"= {own.metric[0].value}: nats" in own.caption[0].value
    assert float(own.metric[0].value) == pytest.approx(held / (64 * math.log(2)), abs=5e-4)
    told = {"bits_nats": "619", "bits_D": "784", "bits_levels": "16", "bits_of": "density of images in [0, 1]"}
    linked = converted(**told)
    bits = 619 / (784 * math.log(2)) + 4
    assert float(linked.metric[0].value) == pytest.approx(bits, abs=5e-4)
    assert f"619 / (784 · ln 2) + log₂ 16 = {linked.metric[0].value}: nats" in linked.caption[0].value


def test_what_is_offered_of_a_flow_says_something_of_it() -> None:
    """No map of two of an image's hundreds of codes; no bits of points, which have no grey levels."""
    for name, offers in (("flow-mnist", False), ("points", True)):
        moment = Moment.of(store.find(name))
        assert ("Latent map" in for_everybody(moment)) is offers
        assert INSTRUMENTS["Nats and bits"].applies(moment) is not offers


def test_codes_far_from_a_gaussian_are_within_the_axes() -> None:
    model, data = model_and_data("points")
    model.encode = lambda x, y=None: 20 + 3 * x
    found = answers.finish(codes.gaussianity(model, data, n=100))
    assert found["length"][0] <= found["norm"].min()
    assert found["length"][-1] >= found["norm"].max() > 20
    assert len(found["chi"]) == len(found["length"])
    assert np.isfinite(found["chi"]).all()


def test_the_densities_of_every_stage_are_exact() -> None:
    """Each integrates to one, and the divergence of the two is the same before and after every layer."""
    model, data = model_and_data("points")
    found = answers.finish(microscope.passage(model, data, n=500, side=160))
    cell = (2 * float(found["half"]) / 160) ** 2
    p, q = found["true"].astype(float), found["learned"].astype(float)
    assert len(p) == len(q) == len(model.f.parts) + 1 == len(microscope.layers(model)) + 1
    for stage in (*p, *q):
        assert stage.sum() * cell == pytest.approx(1, abs=0.02)
    kl = [
        float(np.where(a > 1e-9, a * np.log(np.maximum(a, 1e-30) / np.maximum(b, 1e-30)), 0).sum()) * cell
        for a, b in zip(p, q, strict=True)
    ]
    assert max(kl) - min(kl) < 0.03
    assert found["kl"][0] == pytest.approx(kl[0], abs=5 * found["kl"][1] + 0.02)
    x = data.test.x[:500]
    np.testing.assert_allclose(found["points"][-1], model.encode(x).detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(found["ladj"][-1], model.f(x)[1].detach().numpy(), atol=1e-5)


def test_the_film_glides_from_data_to_codes() -> None:
    model, data = model_and_data("points-and-classes")
    found = answers.finish(microscope.passage(model, data, n=50, side=20, label=3))
    assert "true" not in found
    frames = microscope.film(found, "#ffffff", side=64)
    assert frames.shape == (len(model.f.parts) * microscope.BETWEEN + 1, 3, 64, 128)
    assert frames.dtype == np.uint8
    assert (frames[0] != frames[-1]).any()
    assert len(microscope_view.captions(microscope.layers(model))) == len(frames)
    with pytest.raises(BadInput, match="this flow makes images"):
        answers.finish(microscope.passage(*model_and_data("pictures")))


def test_codes_of_noise_are_found_gaussian_and_codes_of_data_are_not() -> None:
    model, data = model_and_data("points")
    found = answers.finish(codes.gaussianity(model, data, n=1000))
    z = torch.randn(1000, 2, dtype=torch.float64)
    monkey = type(
        "Alike",
        (),
        {"encode": lambda self, x: z[: len(x)], "inputs": "unit", "device": torch.device("cpu")}
        | {"is_image": False, "classes": 0},
    )()
    honest = answers.finish(codes.gaussianity(monkey, data, n=250))
    assert (honest["distance"] < 2.2 / math.sqrt(250)).all()  # of Kolmogorov's law: once in ten thousand
    assert found["distance"].max() > found["critical"]  # six steps do not make two moons Gaussian
    assert trapezoid(found["chi"], found["length"]) == pytest.approx(1, abs=1e-3)
    mean = trapezoid(found["chi"] * found["length"], found["length"])
    assert mean == pytest.approx(math.sqrt(2) * math.gamma(1.5) / math.gamma(1), abs=1e-3)


def test_images_are_encoded_under_the_noise_that_the_flow_learned_with() -> None:
    """Noise of a hundred levels makes Gaussians of seventeen: a flow that scales them to one is right."""
    data, sigma = datasets.load("digits"), 100.0
    model = Flow((1, 8, 8), couplings=1, hidden=8, dequantization="gaussian", pixels="linear", sigma=sigma)
    model.grey_levels = 17
    x = data.test.x.double()
    mean, wide = x.mean(0).flatten(), (x.var(0).flatten() + sigma**2).sqrt()
    model.f.forward = lambda v, y=None: ((17 * v.flatten(1) - 0.5 - mean) / wide, v.new_zeros(len(v)))
    found = answers.finish(codes.gaussianity(model, data, n=1000))
    assert (found["distance"] > found["critical"]).sum() <= 6  # of 64 by chance 0.6, more than 6 once in a million


def test_codes_of_a_conditional_flow_are_of_the_label_that_is_told() -> None:
    model, data = model_and_data("points-and-classes")
    x, y = some(model, data, 50)
    found = answers.finish(codes.gaussianity(model, data, n=50))
    np.testing.assert_allclose(found["z"], model.log_prob_and_code(x, y)[1].detach().numpy(), atol=1e-5)


def test_the_numbers_of_an_image_are_of_the_noise_that_the_flow_learned_with() -> None:
    """Over noise of its own their log p(v) is that of the bound's v, which uniform noise is not."""
    model, data = model_and_data("pictures")
    x = example(model, data, 3)
    grey = images.whole(x, model.grey)
    with torch.no_grad():
        _, log_q = model.dequantizer(grey, model.grey, random.generator(0))
    it = dequantization.numbers(model, data, 3)
    assert it["log_prob"] - float(log_q) == pytest.approx(it["bound"], abs=1e-3)


def test_the_bound_of_the_theory_is_on_the_image_itself_whatever_the_noise() -> None:
    """Gaussian noise of several levels makes another image of it."""
    data = datasets.load("digits")
    model = Flow((1, 8, 8), couplings=2, hidden=8, dequantization="gaussian", pixels="linear", sigma=3.0)
    model.grey_levels = 17
    x = example(model, data, 3)
    assert (images.whole(model.noised(x, random.generator(0)), model.grey) != images.whole(x, model.grey)).any()
    with torch.no_grad():
        bound = model.discrete_log_prob(x, random.generator(0)).item()
    it = dequantization.numbers(model, data, 3)
    assert it["bound"] == pytest.approx(bound, rel=1e-6)
    assert it["bpd"] == pytest.approx(-bound / (64 * math.log(2)), rel=1e-6)


def test_temperatures_scale_the_same_noise() -> None:
    model, _ = model_and_data("points")
    found = answers.finish(codes.temperatures(model, n=5))
    z = torch.stack([model.encode(torch.as_tensor(x)) for x in found["x"]]).detach().numpy()
    for one, temperature in zip(z, found["temperature"], strict=True):
        np.testing.assert_allclose(one / temperature, z[3], atol=1e-3)


@pytest.mark.parametrize("run", RUNS)
def test_the_way_back_is_measured(run: str) -> None:
    model, data = model_and_data(run)
    found = answers.finish(codes.inverse_error(model, data, n=20))
    assert 0 < found["error"].max() < 1e-2
    assert 0 < found["nats"].max() < 1
    assert next(model.parameters()).dtype == torch.float32
    assert np.isfinite(found["map"]).all()


def test_what_dequantization_costs() -> None:
    model, data = model_and_data("pictures")
    found = answers.finish(dequantization.costs(model, data, n=40))
    value = dict(zip(found["name"].tolist(), found["bits"], strict=True))
    assert value["uniform noise, 16 draws"] < value["uniform noise, 4 draws"] < value["uniform noise, 1 draw"]
    assert value["learned noise, 4 draws"] < value["learned noise, 1 draw"]
    assert found["bound"].tolist() == [True] * 5 + [False] * 2
    with pytest.raises(BadInput, match="nothing is dequantized"):
        answers.finish(dequantization.costs(*model_and_data("points")))


def test_numbers_add_up() -> None:
    for run in RUNS:
        it = dequantization.numbers(*model_and_data(run), 3)
        assert it["base"] + it["ladj"] == pytest.approx(it["log_prob"], abs=1e-3)
    with pytest.raises(BadInput, match="are not all there"):
        dequantization.numbers(*model_and_data("points"), 10**6)


def test_nats_are_bits_of_the_right_measure() -> None:
    levels, D = 256, 784
    unit, pixels = -1000.0, -1000.0 + D * math.log(levels)  # one density, of images in [0, 1] and of pixels
    assert dequantization.bits(unit, D, levels) == pytest.approx(dequantization.bits(pixels, D))

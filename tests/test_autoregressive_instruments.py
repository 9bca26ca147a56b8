"""What the pages show of an autoregressive model: the numbers are those of the model, the pictures of what they say."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.instruments import neighbours as nearest
from genmodels.instruments.autoregressive import bits, drawing, orders, receptive, slices
from genmodels.instruments.examples import example, some
from genmodels.jobs import queue
from genmodels.metrics import evaluate
from genmodels.models.autoregressive import Autoregressive
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from pages._ui.views.common import density, neighbours, shifts
from tests import answers
from tests.answers import finish
from tests.instruments import applies, on_page

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
DIGITS = {"network": "pixelcnn", "channels": 6, "depth": 2}


def make(shape: tuple[int, ...] = (1, 8, 8), **arguments: Any) -> Autoregressive:
    torch.manual_seed(0)
    model = Autoregressive(shape, **arguments).eval()
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return model


@pytest.fixture(scope="module")
def data() -> datasets.Data:
    return datasets.load("digits-dynamic")


# Drawing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [DIGITS, {"hidden": 64}, {"hidden": 64, "orders": 3}, {**DIGITS, "classes": 10}])
def test_the_film_goes_from_nothing_to_the_samples(arguments: dict[str, Any]) -> None:
    model = make(**arguments)
    label = 3 if model.classes else None
    film = finish(drawing.pixel_by_pixel(model, n=4, seed=7, label=label, how={"temperature": 0.8}))
    y = torch.full((4,), 3) if model.classes else None
    expected = model.sample(4, y=y, rng=random.generator(7), temperature=0.8)
    np.testing.assert_array_equal(film["x"][-1], (255 * expected).numpy())
    assert film["t"][0] == 0
    assert film["t"][-1] == 64
    assert len(film["x"]) == len(film["t"]) == len(film["bits"]) <= drawing.FRAMES
    assert (np.diff(film["bits"]) >= -1e-4).all()  # each pixel costs something
    if model.masks == 1:
        cost = -model.log_prob(expected, y=y).detach().numpy() / np.log(2)
        np.testing.assert_allclose(film["bits_each"], cost, rtol=1e-4)
        assert film["bits"][-1] == pytest.approx(cost.mean(), rel=1e-4)
        assert set(np.unique(film["x"][0])) == {128}


@pytest.mark.parametrize("arguments", [DIGITS, {**DIGITS, "order": "columns"}, {"hidden": 64, "classes": 10}])
def test_a_completion_keeps_what_is_given_and_says_what_the_real_rest_costs(
    arguments: dict[str, Any], data: datasets.Data
) -> None:
    model = make(**arguments)
    film = finish(drawing.completed(model, data, example=5, share=0.25, n=6))
    real = example(model, data, 5)
    y = data.test.y[5:6] if model.classes else None
    given = model.orders[0, :16]
    assert film["t"][0] == 16
    np.testing.assert_array_equal(film["real"], (255 * real[0]).numpy())
    last = film["x"][-1].reshape(6, -1)
    np.testing.assert_array_equal(last[:, given], np.repeat(film["real"].reshape(1, -1)[:, given], 6, 0))
    with torch.no_grad():
        each = -model.each(real, y).flatten() / np.log(2)
        assert film["bits_of_real"] == pytest.approx(each[model.orders[0, 16:]].sum().item(), rel=1e-5)
    assert film["bits"][0] == 0


@pytest.mark.parametrize("arguments", [{"hidden": 64, "orders": 4}, {"hidden": 64, "orders": 3, "classes": 10}])
def test_drawn_and_real_rests_are_held_against_each_other_under_one_law(
    arguments: dict[str, Any], data: datasets.Data
) -> None:
    """p(x) = p(given) p(rest | given): given the same, rests are as far apart as the whole images are."""
    model = make(**arguments)
    film = finish(drawing.completed(model, data, example=5, share=0.5, n=8))
    real, y = example(model, data, 5), data.test.y[5:6] if model.classes else None
    drawn = torch.as_tensor(film["x"][-1] / 255).float()
    with torch.no_grad():
        whole = [-model.log_prob(x, y=None if y is None else y.expand(len(x))) / np.log(2) for x in (drawn, real)]
    np.testing.assert_allclose(film["bits_each"] - film["bits_of_real"], whole[0] - whole[1], atol=1e-2, rtol=1e-3)


@torch.no_grad()
def test_all_ways_to_go_on_are_one_together() -> None:
    model = make((1, 2, 3), hidden=16, orders=3)
    rest = torch.cartesian_prod(*3 * [torch.arange(2.0)])
    x = torch.cat([torch.tensor([1.0, 0, 1]).expand(8, 3), rest], 1).view(8, 1, 2, 3)
    assert (2 ** -drawing._rest(model, x, None, 3)).sum() == pytest.approx(1, abs=1e-5)


def test_what_cannot_be_drawn_is_refused(data: datasets.Data) -> None:
    model = make(**DIGITS)
    for share in (0, 1, -1, float("nan"), 1.5):
        with pytest.raises(BadInput, match=r"A mask that gives .* leaves nothing"):
            finish(drawing.completed(model, data, share=share))
    with pytest.raises(BadInput, match="n = 0 is not a number of images from 1 to 100"):
        finish(drawing.pixel_by_pixel(model, n=0))
    with pytest.raises(BadInput, match="temperature = 0"):
        finish(drawing.pixel_by_pixel(model, how={"temperature": 0}))
    with pytest.raises(BadInput, match="are not all there"):
        finish(drawing.completed(model, data, example=len(data.test)))
    for task in (drawing.pixel_by_pixel(make((2,), hidden=16)), orders.compared(make((2,), hidden=16), data)):
        with pytest.raises(BadInput, match="this model makes points"):
            finish(task)


# Bits -------------------------------------------------------------------------------------------------------------


def test_bits_add_up_to_the_likelihood_and_the_guess_is_the_expectation(data: datasets.Data) -> None:
    model = make(**DIGITS)
    found, x = bits.where(model, data, 3), example(model, data, 3)
    with torch.no_grad():
        assert found["total"] == pytest.approx(-model.log_prob(x).item() / np.log(2), rel=1e-5)
        p = model.said(x)[..., 0].sigmoid().view(1, 8, 8)
    assert found["bits"].sum() == pytest.approx(found["total"], rel=1e-5)
    np.testing.assert_allclose(found["mean"], p, rtol=1e-5)
    np.testing.assert_array_equal(found["x"], x[0])


def test_the_expectation_of_grey_pixels_is_that_of_their_law() -> None:
    model, grey = make(hidden=64, pixels="logistics", levels=17, components=3), datasets.load("digits")
    found = bits.where(model, grey, 0)
    x = example(model, grey, 0)
    said = model.said(x)[:, 20].expand(4000, -1)
    drawn = model.law.draw(said.detach(), random.generator(0))
    assert abs(drawn.mean() - found["mean"].reshape(-1)[20]) < 6 * drawn.std() / 4000**0.5


def test_the_average_is_that_of_the_test_set_and_never_dearer_alone_for_a_model_of_means(data: datasets.Data) -> None:
    model = make(**DIGITS)
    found = finish(bits.average(model, data, n=60))
    x, _ = some(model, data, 60)
    with torch.no_grad():
        nats = -model.log_prob(x).double()
    assert found["total"] * np.log(2) == pytest.approx(nats.mean().item(), rel=1e-5)
    assert found["error"] * np.log(2) == pytest.approx(nats.std().item() / 60**0.5, rel=1e-5)
    assert found["bits"].sum() == pytest.approx(found["total"], rel=1e-5)
    learned = data.prepare(data.train.x, "threshold")
    p, n = x.double().mean(0).numpy(), len(learned)
    white = (learned.double().sum(0).numpy() + 0.5) / (n + 1)
    cost = -p * np.log2(white) - (1 - p) * np.log2(1 - white)
    np.testing.assert_allclose(found["alone"], cost, atol=0.15)  # its training pixels are drawn anew
    np.testing.assert_allclose(found["alone"].sum(), cost.sum(), rtol=0.02)
    with pytest.raises(BadInput, match="n = 1 is not a number"):
        finish(bits.average(model, data, n=1))


@pytest.mark.parametrize("levels", [17, 256])
def test_what_pixels_cost_alone_is_no_less_than_their_entropy(levels: int) -> None:
    """Of noise log₂ levels a pixel, whoever foresees it; few images' own shares would say log₂ n at most."""
    rng, data = random.generator(0), datasets.load("digits")
    noise = lambda n: datasets.Split(  # noqa: E731
        torch.randint(levels, (n, 1, 8, 8), generator=rng).to(torch.uint8), torch.zeros(n, dtype=torch.long)
    )
    data = replace(data, train=noise(20 * levels), test=noise(200), levels=levels)
    found = finish(bits.average(make(hidden=16, pixels="categorical", levels=levels), data, n=100))
    assert found["alone"].shape == (1, 8, 8)
    assert found["alone"].mean() == pytest.approx(np.log2(levels), rel=0.02)
    assert found["alone"].mean() > np.log2(levels)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)])
def test_the_numbers_of_the_theory_are_the_models(shape: tuple[int, ...]) -> None:
    model = make(shape, hidden=32, orders=2, order="random")
    loaded = datasets.load("digits-dynamic" if len(shape) == 3 else "two-moons")
    it, x = bits.numbers(model, loaded, 4, 1), example(model, loaded, 4)
    i = int(model.orders[0, 1])
    with torch.no_grad():
        assert it["log p"] == pytest.approx(model.log_prob(x).item(), rel=1e-5)
        assert it["log p of place"] == pytest.approx(model.each(x).flatten()[i].item(), rel=1e-5)
        of_masks = [model.each(x, k=k).sum().item() for k in range(2)]
    assert (it["dimension"], it["x of place"]) == (i, pytest.approx(x.flatten()[i].item()))
    assert it["log p of mask 0"] == pytest.approx(of_masks[0], rel=1e-5)
    assert it["log p of a mask"] == pytest.approx(sum(of_masks) / 2, rel=1e-5)
    assert it["log p of a mask"] < it["log p"]


def test_an_evaluation_says_bits_of_the_discrete_picture(data: datasets.Data) -> None:
    found = evaluate.likelihoods(make(**DIGITS), data, n=20)
    assert found["bpd"] == pytest.approx(-found["log_prob_nats"] / (64 * np.log(2)))
    plane = evaluate.likelihoods(make((2,), hidden=16), datasets.load("two-moons"), n=50)
    assert "bpd" not in plane
    assert plane["kl_from_truth_nats"] > 0


@pytest.mark.parametrize("name", ["digits", "digits-dynamic"])
def test_samples_in_black_and_white_are_held_against_such_data(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, loaded = make(**DIGITS), datasets.load(name)
    perfect = loaded.prepare(loaded.test.x[:40], "threshold")
    monkeypatch.setattr(model, "sample", lambda n, **_: perfect[:n])
    assert evaluate.samples_against(model, loaded, n=40)["sliced_w1"] == pytest.approx(0, abs=1e-6)


def test_who_copies_black_and_white_training_images_is_found_and_who_draws_new_ones_is_not() -> None:
    model, loaded = make(**DIGITS), datasets.load("digits")

    def drawing_of(part: datasets.Split) -> Any:
        rows = lambda n, rng: torch.randint(len(part), (n,), generator=rng)  # noqa: E731
        return lambda n, rng=None: loaded.prepare(part.x[rows(n, rng)], "threshold")

    model.sample = drawing_of(loaded.train)
    copied = finish(nearest.neighbours(model, loaded, n=40, k=2))
    assert nearest.conclusion(copied) == "40 of 40 samples are copies."
    np.testing.assert_array_equal(copied["near"][:, 0], copied["x"])
    model.sample = drawing_of(loaded.test)
    shares = []
    for seed in range(12):
        near = finish(nearest.neighbours(model, loaded, n=60, k=1, seed=seed))
        apart = near["distance"][:, :1] - near["test_distance"]
        shares.append((apart < 0).mean() + (apart == 0).mean() / 2)
    assert np.mean(shares) == pytest.approx(0.5, abs=5 * np.std(shares) / len(shares) ** 0.5)
    assert np.std(shares) < 0.1


def test_no_average_is_of_the_first_examples(data: datasets.Data) -> None:
    """A data set is in some order: here its first images are all black, and cost the same."""
    x = data.test.x.clone()
    x[:60] = 0
    ordered, model = replace(data, test=datasets.Split(x, data.test.y)), make(hidden=64, orders=2, order="random")
    assert finish(bits.average(model, ordered, n=40))["alone"].sum() > 1
    assert (finish(orders.masks(model, ordered))["each"][:, 1] > 0).all()
    assert orders._nats(model, ordered)[1] > 0


# Sight ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [DIGITS, {"hidden": 200, "order": "random"}, {"network": "nade", "hidden": 16}])
def test_what_is_seen_came_before(arguments: dict[str, Any], data: datasets.Data) -> None:
    found = receptive.field(make(**arguments), data, 4, 3)
    assert found["slope"].shape == found["before"].shape == (8, 8)
    assert found["slope"][found["before"]].max() > 0
    assert not found["slope"][~found["before"]].any()


def test_what_is_seen_is_a_matter_of_the_law_alone() -> None:
    """Logits that all move together change nothing: who says so too hangs on the same pixels as much."""
    grey = datasets.load("digits")
    model, other = (make(hidden=64, pixels="categorical", levels=17) for _ in range(2))
    plain, said = receptive.field(model, grey, 4, 4), other.said
    other.said = lambda x, y=None, k=0: (r := said(x, y)) - r.mean(-1, keepdim=True) + x.sum((1, 2, 3))[:, None, None]
    x = example(model, grey, 0, 20)
    with torch.no_grad():
        torch.testing.assert_close(other.log_prob(x), model.log_prob(x), atol=1e-3, rtol=1e-5)
    np.testing.assert_allclose(receptive.field(other, grey, 4, 4)["slope"], plain["slope"], atol=1e-5)
    assert plain["slope"].max() > 1e-2


def test_the_slope_is_the_mean_size_of_each_examples() -> None:
    grey = datasets.load("digits")
    model = make(hidden=64, pixels="logistics", levels=17, components=2)
    found, (x, _) = receptive.field(model, grey, 4, 4)["slope"], some(model, grey, receptive.EXAMPLES)
    h, changed = 1e-2, x.clone()
    changed[:, 0, 2, 3] += h
    with torch.no_grad():
        far, near = (bits.guesses(model, model.said(one))[:, 36] for one in (changed, x))
    assert found[2, 3] == pytest.approx(((far - near).abs().mean() / h).item(), rel=0.1)


def test_the_blind_spot_is_the_masked_networks_alone() -> None:
    before = torch.get_rng_state()
    found = receptive.blind_spot(6, 8, 5)
    assert torch.equal(torch.get_rng_state(), before)
    assert not found["masked"][~found["before"]].any()
    assert not found["gated"][~found["before"]].any()
    assert (found["gated"] >= found["masked"]).all()
    # up and to the right of 45° nothing reaches the pixel, however near; two stacks see it
    for up, right in ((1, 2), (1, 3), (2, 3)):
        assert not found["masked"][8 - up, 5 + right]
        assert found["gated"][8 - up, 5 + right]
    deeper = receptive.blind_spot(16, 8, 5)
    assert not deeper["masked"][7, 7]
    assert deeper["gated"][deeper["before"]].all()
    for wrong in ((0, 8, 5), (17, 8, 5), (3, 15, 0), (3, 0, -1)):
        with pytest.raises(BadInput):
            receptive.blind_spot(*wrong)


# Orders -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["pixelcnn", "made"])
def test_orders_are_trained_alike_and_compared(network: str, data: datasets.Data) -> None:
    found = finish(orders.compared(make(network=network, hidden=32, channels=6), data, steps=20))
    assert found["names"].tolist() == ["raster", "reversed", "columns"] + ["random"] * (network == "made")
    assert found["nats"].shape == (len(found["names"]), len(found["step"]))
    assert (found["nats"][:, -1] < found["nats"][:, 0]).all()
    assert found["test"].shape == (len(found["names"]), 2)
    with pytest.raises(BadInput, match="steps = 5 is not a number of steps"):
        finish(orders.compared(make(hidden=32), data, steps=5))


def test_a_mean_of_masks_is_never_dearer_than_they_are_on_average(data: datasets.Data) -> None:
    found = finish(orders.masks(make(hidden=64, orders=4, order="random"), data))
    assert found["each"].shape == (4, 2)
    assert found["together"][0] <= found["each"][:, 0].mean()


@pytest.mark.parametrize("arguments", [{}, {"orders": 2, "order": "random"}])
def test_slices_are_laws_and_make_the_density(arguments: dict[str, Any]) -> None:
    model, plane = make((2,), hidden=16, components=3, **arguments), datasets.load("two-moons")
    found = slices.slices(model, plane, 0.3)
    width = found["axis"][1] - found["axis"][0]
    assert found["true_first"].sum() * width == pytest.approx(1, abs=0.02)
    assert found["true_second"].sum() * width == pytest.approx(1, abs=1e-4)
    if not arguments:
        k = int(np.abs(found["axis"] - 0.3).argmin())
        near = slices.slices(model, plane, float(found["axis"][k]))
        x = torch.tensor([[found["axis"][k], found["axis"][100]]], dtype=torch.float32)
        with torch.no_grad():
            assert near["first"][k] * near["second"][100] == pytest.approx(model.log_prob(x).exp().item(), rel=1e-4)


def test_slices_of_a_model_with_labels_are_those_of_one_class() -> None:
    model, plane = make((2,), hidden=16, components=3, classes=2), datasets.load("two-moons")
    with pytest.raises(BadInput, match="of one class where they have labels"):
        slices.slices(model, plane)
    found = slices.slices(model, plane, label=1)
    assert set(found) == {"axis", "first", "second", "coordinate"}
    x = torch.tensor([[found["axis"][7], 0.0]], dtype=torch.float32)
    with torch.no_grad():
        of_class = [model.each(x, torch.tensor([y]))[0, 0].exp().item() for y in (0, 1)]
    assert found["first"][7] == pytest.approx(of_class[1], rel=1e-5)
    assert of_class[0] != pytest.approx(of_class[1], rel=1e-5)


# Pages ------------------------------------------------------------------------------------------------------------

RUNS: dict[str, tuple[str, dict[str, Any]]] = {
    "drawn": ("digits-dynamic", DIGITS),
    "labels": ("digits", {"network": "nade", "hidden": 16, "classes": 10}),
    "grey": ("digits", {"hidden": 32, "pixels": "logistics", "levels": 17, "orders": 2}),
    "points": ("two-moons", {"hidden": 16, "components": 3, "orders": 2, "order": "random"}),
    "points-of-classes": ("eight-gaussians", {"hidden": 16, "components": 3, "classes": 8}),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each of RUNS, two steps long."""
    root = tmp_path_factory.mktemp("home")
    for name, (data, arguments) in RUNS.items():
        run = store.create("autoregressive", data, arguments=arguments, settings={"steps": 2}, folder=root / name)
        recording = Recording(run)
        list(recording.steps())
        recording.close()
    return root


@pytest.fixture
def _at_once(runs: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pages._ui.views.autoregressive import bits as of_bits
    from pages._ui.views.autoregressive import drawing as of_drawing

    monkeypatch.setenv("GENMODELS_RUNS", str(home))
    for module in (of_bits, of_drawing, density, neighbours, shifts):
        monkeypatch.setattr(module, "answer", answers.at_once)
    monkeypatch.setattr(queue, "pool", lambda: None)


VIEWS = on_page("autoregressive")


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize("view", [*VIEWS, "theory"])
@pytest.mark.parametrize("run", RUNS)
def test_every_view_that_is_offered_draws_what_fits_the_run(run: str, view: str) -> None:
    from streamlit.testing.v1 import AppTest

    points, call = run.startswith("points"), "theory.theory"
    if view != "theory":
        if not applies(VIEWS[view], is_image=not points):
            assert points
            assert view != "Pixel by pixel"
            return
        draw = VIEWS[view].draw
        call = f"{draw.__module__.rpartition('.')[2]}.{draw.__name__}"
    script = f"""
import streamlit as st
from genmodels.hyperparameters import declared
from genmodels.models.autoregressive import Autoregressive
from genmodels.runs import store
from genmodels.training.settings import Settings
for name in [*declared(Autoregressive), *declared(Settings)]:
    st.text_input(name, key=name)  # as the form's widgets are called: no instrument may have the key of one
from pages._ui.shared.moment import Moment
from pages._ui.views.autoregressive import bits, drawing, theory
from pages._ui.views.common import shifts
try:
    {call}(Moment.of(store.find({run!r})))
except Exception as error:
    from genmodels.errors import BadInput
    if not isinstance(error, BadInput):
        raise
    st.info(str(error))
"""
    test = AppTest.from_string(script, default_timeout=120)
    test.query_params["order_steps"] = "100"
    test.run()
    assert not test.exception
    if draws := [one.value for one in test.caption if "these are draws of" in one.value]:
        told = "p(rest | given, y): the model is told the label y." in draws[0]
        assert told is ("classes" in RUNS[run][1])
    if view == "theory":
        said = " ".join(one.value for one in test.latex)
        assert (r"p(x \mid y)" in said) is ("classes" in RUNS[run][1])  # whose number it is
        assert sum('class="source"' in one.proto.body for one in test.get("html")) >= 5
    else:
        assert not test.info
        assert len(test.get("plotly_chart")) + len(test.get("bidi_component")) + len(test.get("download_button")) >= 2

"""Out of distribution, and the curve in bits: the numbers are those of the model, whatever images are scored."""

import math
import zlib
from typing import Any

import numpy as np
import pytest
import torch

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.flows import images
from genmodels.instruments import shifts
from genmodels.instruments.examples import some
from genmodels.instruments.flow import curve, dequantization
from genmodels.models import MODELS
from genmodels.models.flow import Flow
from tests.answers import finish

KINDS = ["test images", "inverted", "rotated by 90°", "pixels shuffled", "black", "one grey", "noise"]


def make(name: str, data: str, **arguments: Any) -> tuple[Any, datasets.Data]:
    torch.manual_seed(0)
    loaded = datasets.load(data)
    model = MODELS[name].cls(loaded.shape, **arguments).eval()
    if isinstance(model, Flow):
        model.grey_levels = loaded.levels
    return model, loaded


def test_every_kind_is_made_of_the_same_images() -> None:
    data = datasets.load("digits")
    sets = shifts.shifted(data, 20, 3)
    assert list(sets) == KINDS
    x = sets["test images"]
    assert all(one.shape == x.shape and one.dtype == torch.uint8 and one.max() <= 16 for one in sets.values())
    assert torch.equal(sets["inverted"] + x, torch.full_like(x, 16))
    shuffled = sets["pixels shuffled"].flatten(1)
    assert torch.equal(shuffled.sort(1).values, x.flatten(1).sort(1).values)
    order = [int((column[None] == shuffled.T).all(1).nonzero()[0, 0]) for column in x.flatten(1).T.unique(dim=0)]
    assert len(set(order)) == len(order)  # one order for all images: each column of numbers is found again
    assert (sets["one grey"].flatten(1) == sets["one grey"].flatten(1)[:, :1]).all()
    assert torch.equal(sets["rotated by 90°"].rot90(-1, (2, 3)), x)
    drawn = shifts.shifted(datasets.load("digits-dynamic"), 20)
    assert drawn["one grey"].unique().tolist() == [16]
    assert (sets["one grey"] > 0).all()


def test_mnist_is_at_hand_for_garments_and_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    mnist = datasets.load("mnist")
    monkeypatch.setattr(shifts, "is_here", lambda name: name == "mnist")
    assert list(shifts.shifted(mnist, 2)) == KINDS
    garments = datasets.Data("fashion-mnist", mnist.shape, 256, (), mnist.train, mnist.validation, mnist.test)
    assert list(shifts.shifted(garments, 2)) == [*KINDS, "MNIST"]


@pytest.mark.parametrize(
    ("name", "data", "arguments"),
    [
        ("flow", "digits", {"couplings": 2, "hidden": 8}),
        ("autoregressive", "digits", {"hidden": 16}),
        ("autoregressive", "digits", {"hidden": 16, "pixels": "logistics", "levels": 17, "classes": 10}),
        ("autoregressive", "digits-dynamic", {"network": "pixelcnn", "channels": 4, "depth": 1}),
        ("vae", "digits", {"hidden": 16}),
        ("ladder", "digits", {"hidden": 16, "layers": 2}),
    ],
)
def test_bits_are_those_of_the_model(name: str, data: str, arguments: dict[str, Any]) -> None:
    model, loaded = make(name, data, **arguments)
    scored = finish(shifts.shifts(model, loaded, n=12, seed=1))
    assert scored["names"].tolist() == KINDS
    assert scored["bits"].shape == scored["simple"].shape == (7, 12)
    assert np.isfinite(scored["bits"]).all()
    assert scored["above"][0] == 0.5  # as likely as themselves
    assert scored["images"].shape == (7, shifts.SHOWN, 1, 8, 8)
    assert (scored["simple"][4] < scored["simple"][6]).all()  # black is simpler than noise
    if name == "autoregressive":
        x = loaded.prepare(shifts.shifted(loaded, 12, 1)["inverted"], model.inputs)
        with torch.no_grad():
            expected = -model.log_prob(x).double().numpy() / (64 * math.log(2))
        np.testing.assert_allclose(scored["bits"][1], expected, rtol=1e-5)
    assert shifts.conclusion(scored)


def test_above_counts_what_is_likelier_and_simple_is_in_bits() -> None:
    """Of a density that falls with the ink: black is likelier than every digit, a digit inverted than hardly any."""
    model, loaded = make("autoregressive", "digits", hidden=8)
    model.log_prob = lambda x, **_: -x.flatten(1).sum(1)
    scored = finish(shifts.shifts(model, loaded, n=12, seed=1))
    above = dict(zip(scored["names"].tolist(), scored["above"], strict=True))
    assert above["black"] == 1
    assert above["inverted"] < 0.5
    expected = [[8 * len(zlib.compress(x.tobytes(), 9)) / 64 for x in kind] for kind in scored["images"]]
    np.testing.assert_allclose(scored["simple"][:, : shifts.SHOWN], expected)


def test_what_knows_no_likelihood_of_images_is_refused() -> None:
    with pytest.raises(BadInput, match="knows no likelihood"):
        finish(shifts.shifts(*make("gan", "digits", hidden=8)))
    with pytest.raises(BadInput, match="makes points"):
        finish(shifts.shifts(*make("flow", "two-moons", couplings=2, hidden=8)))
    with pytest.raises(BadInput, match="n = 1 is not"):
        finish(shifts.shifts(*make("autoregressive", "digits", hidden=8), n=1))


def test_the_conclusion_names_what_is_likelier_than_the_data() -> None:
    names = np.array(["test images", "black", "noise"])
    bits, simple = np.array([[1.0, 1.2], [0.1, 0.1], [8.0, 9.0]]), np.array([[1.5, 1.6], [0.2, 0.2], [8.2, 8.2]])
    bits, simple = bits.repeat(25, 1), simple.repeat(25, 1)  # of fifty images each
    scored = {"names": names, "bits": bits, "simple": simple, "above": np.array([0.5, 1.0, 0.0])}
    said = shifts.conclusion(scored)
    assert said.startswith(
        "Of 2 other kinds of images, 1 is more likely than *test images* (1.1 bits a dimension): *black* (in 100% of "
        "pairs; 0.1 bits). "
        "The rank correlation of these bits with those that zlib needs is "
    )
    none = shifts.conclusion(scored | {"above": np.array([0.5, 0.1, 0.0])})
    assert none.startswith("None of 2 other kinds of images is more likely than *test images* (1.1 bits a dimension);")
    chance = scored | {"above": np.array([0.5, 0.61, 0.0])}  # two standard deviations of fifty to fifty are 0.116
    assert "None of 2" in shifts.conclusion(chance)
    assert "*black* (in 61% of pairs; 0.1 bits), within chance." in shifts.conclusion(chance)
    assert shifts.likelier(chance).tolist() == [False, False, False]
    assert shifts.likelier(scored | {"above": np.array([0.5, 0.62, 0.0])}).tolist() == [False, True, False]
    assert "correlation" not in shifts.conclusion(scored | {"simple": np.ones((3, 50))})
    lost = np.array([[1.0, math.nan], [0.1, 0.1], [8.0, 9.0]]).repeat(25, 1)
    assert "not finite" in shifts.conclusion(scored | {"bits": lost})
    black = np.array([[1.0, 1.2], [0.1, 0.1], [math.inf, math.inf]]).repeat(25, 1)
    assert "inf" not in shifts.conclusion(scored | {"bits": black})
    assert "nan" not in shifts.conclusion(scored | {"bits": black})


# The curve ------------------------------------------------------------------------------------------------------------

ROWS = [
    {"step": 1, "loss": 350.0, "bpd": 350 / (64 * math.log(2)), "held-out loss": 360.0},
    {"step": 10, "loss": 200.0},
    {"step": 20, "loss": 150.0, "held-out loss": 160.0},
    {"step": 40, "loss": 140.0, "held-out loss": 170.0},
]


def test_the_curve_is_the_log_in_bits() -> None:
    model, _ = make("flow", "digits", couplings=2, hidden=8)
    table = curve.learned(model, ROWS)
    assert table["bits"][0] == pytest.approx(ROWS[0]["bpd"])  # what the model says itself
    assert table["step"].tolist() == [1, 10, 20, 40]
    assert table["held-out step"].tolist() == [1, 20, 40]
    assert table["uniform"] == pytest.approx(math.log2(17))
    assert curve.conclusion(table, 64) == (
        "After 40 steps held-out images cost 3.83 bits per dimension, 170 nats each; pixels of which nothing is known "
        "cost 4.09. The least was 3.61, at step 20."
    )
    until = curve.learned(model, ROWS, 20)
    assert until["step"].tolist() == [1, 10, 20]
    assert "The least" not in curve.conclusion(until, 64)
    early = curve.conclusion(curve.learned(model, [{"step": 1, "loss": 300.0}]), 64)
    assert early.startswith("After 1 step the images it trains on cost 6.76 bits")
    assert curve.conclusion(curve.learned(model, []), 64) == "Nothing has been logged yet."
    with pytest.raises(BadInput, match="no bits per dimension"):
        curve.learned(make("flow", "two-moons", couplings=2, hidden=8)[0], ROWS)


def test_the_curve_says_what_its_bits_are_of() -> None:
    bounded, _ = make("flow", "digits", couplings=2, hidden=8, dequantization="variational")
    blurred, _ = make("flow", "digits", couplings=2, hidden=8, dequantization="gaussian", pixels="linear")
    assert curve.measure(bounded) == "probability of whole levels"
    assert curve.measure(blurred) == "density less that of the noise"
    assert {curve.measure(bounded), curve.measure(blurred)} < set(dequantization.MEASURES)


def test_bits_under_gaussian_noise_are_those_of_the_density_less_the_entropy_of_the_noise() -> None:
    sigma = 2.0
    model, data = make("flow", "digits", couplings=2, hidden=8, dequantization="gaussian", pixels="linear", sigma=sigma)
    model.grey_levels = 17
    x = data.prepare(data.test.x[:200], "dequantize", random.generator(0))
    with torch.no_grad():
        told = [float(model.loss(x, rng=random.generator(i))["bpd of noised images"]) for i in range(30)]
        of_density = [float(-model.log_prob(model.noised(x, random.generator(i))).mean()) for i in range(30)]
    density = dequantization.bits(float(np.mean(of_density)), 64, 17)  # of pixels from 0 to levels
    entropy = math.log2(2 * math.pi * math.e * sigma**2) / 2
    assert np.mean(told) == pytest.approx(density - entropy, abs=0.01)
    table = curve.learned(model, ROWS)
    assert "uniform" not in table
    assert "nothing is known" not in curve.conclusion(table, 64)


def test_blurred_pixels_stay_where_the_blur_put_them() -> None:
    """Unless a logit ends at 0 and 1: of a density that a few of digits' dark levels leave on both sides."""
    model, data = make("flow", "digits", couplings=2, hidden=8, dequantization="gaussian", pixels="linear")
    model.grey_levels = 17
    found = finish(dequantization.costs(model, data, n=30))
    x, _ = some(model, data, 30)
    v = images.gaussian(images.whole(x, model.grey), model.grey, 1.0, random.generator(0))[0]
    assert v.min() < 0
    with torch.no_grad():
        nats = -model.log_prob(v).double().mean().item()
    bits = dict(zip(found["name"].tolist(), found["bits"], strict=True))["Gaussian noise, σ = 1"]
    assert bits == pytest.approx(dequantization.bits(nats, 64, 17), abs=1e-4)


@pytest.mark.parametrize("pixels", ["logit", "linear"])
def test_a_density_of_1_costs_the_levels_logarithm_however_its_images_were_made_real(pixels: str) -> None:
    model, data = make("flow", "digits", couplings=2, hidden=8, pixels=pixels)
    model.log_prob = lambda v, y=None: v.new_zeros(len(v))
    found = finish(dequantization.costs(model, data, n=4))
    np.testing.assert_allclose(found["bits"], math.log2(17), rtol=1e-5)

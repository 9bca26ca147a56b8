"""What is measured of a model: the truth itself scores the floor, and others score worse."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from genmodels.data.datasets import Data, Split
from genmodels.instruments.neighbours import neighbours
from genmodels.metrics import floors
from genmodels.metrics.evaluate import likelihoods, measures
from genmodels.models.adversarial import Classes
from genmodels.models.base import GenerativeModel, build
from genmodels.models.ddpm import DDPM
from tests.answers import finish


class Truth(GenerativeModel):
    """The density of a plane itself, moved by ``shift`` to the right."""

    data: Data
    shift: Tensor

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.nothing = nn.Parameter(torch.zeros(()))

    def log_prob(self, x: Tensor) -> Tensor:
        return self.data.log_prob(x - self.shift)

    def sample(self, n: int, *, y: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        return self.data.plane.draw(n, rng)[0] + self.shift


def truth(data: Data, shift: float = 0.0) -> Truth:
    model = Truth(data.shape)
    model.data, model.shift = data, torch.tensor([shift, 0.0])
    return model


def test_the_truth_scores_the_floor(plane: Data) -> None:
    found = measures(truth(plane), plane, n=1000)
    assert found["kl_from_truth_nats"] == 0
    assert found["log_prob_nats"] == pytest.approx(
        plane.log_prob(floors.chosen(plane.test, 1000, 0).x).double().mean().item()
    )
    assert found["w1"] == pytest.approx(found["w1_floor"], rel=0.5)
    assert found["sliced_w1"] < 3 * found["sliced_w1_floor"]
    assert found["modes_covered"] == found["modes"] == found["modes_covered_floor"] == 8
    assert found["modes_covered_se"] == found["modes_covered_floor_se"] == 0  # so is every half of the samples
    # 98.9 % of a Gaussian of the plane lies within three standard deviations
    assert found["share_close_to_a_mode"] == pytest.approx(1 - math.exp(-4.5), abs=4 * math.sqrt(0.011 / 1000))


def test_a_shift_is_its_own_distance(plane: Data) -> None:
    found = measures(truth(plane, shift=3.0), plane, n=500)
    assert found["w1"] == pytest.approx(3.0, abs=0.15)  # W1 of a translation is its length
    # of projections on random directions: 3 E|cos θ| = 6/π
    assert found["sliced_w1"] == pytest.approx(6 / math.pi, abs=0.3)
    assert found["kl_from_truth_nats"] > 10


def test_standard_errors_are_those_of_means(plane: Data) -> None:
    found = measures(truth(plane), plane, n=400)
    values = plane.log_prob(floors.chosen(plane.test, 400, 0).x).double()
    assert found["log_prob_nats_se"] == pytest.approx(values.std().item() / 20)


def made(name: str, data: Data) -> GenerativeModel:
    torch.manual_seed(0)
    return build({"model": name, "shape": list(data.shape)}).eval()


def test_an_untrained_model_of_pictures_is_far_from_the_floor(digits: Data) -> None:
    found = measures(made("gan", digits), digits, n=150)
    assert found["sliced_w1"] > 3 * found["sliced_w1_floor"]
    assert found["judge_fid"] > 3 * found["judge_fid_floor"]
    assert found["judge_recall"] < 0.1 < found["judge_recall_floor"]
    assert not {name for name in found if "nats" in name}  # a GAN has no likelihood


class Copier(GenerativeModel):
    """Shows a training picture of the label that is asked for."""

    data: Data

    def __init__(self, shape: tuple[int, ...], *, classes: Classes = 10) -> None:
        super().__init__(shape)
        self.nothing = nn.Parameter(torch.zeros(()))

    def sample(self, n: int, *, y: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        x, of = self.data.prepare(self.data.train.x, "unit"), self.data.train.y
        y = torch.zeros(n, dtype=torch.long) if y is None else y
        return torch.stack([x[of == label][i % 7] for i, label in enumerate(y.tolist())])


def test_a_model_with_labels_is_asked_for_those_of_the_test_set(digits: Data) -> None:
    model = Copier(digits.shape)
    model.data = digits
    found = measures(model, digits, n=200)
    assert found["judge_as_asked"] > 0.97
    share = torch.bincount(digits.test.y[:200], minlength=10) / 200
    assert found["judge_rarest"] == pytest.approx(share.min().item(), abs=0.02)
    assert found["judge_commonest"] == pytest.approx(share.max().item(), abs=0.02)
    one = measures(made("gan", digits), digits, n=50)
    assert "judge_as_asked" not in one
    assert one["judge_commonest"] >= 0.1 >= one["judge_rarest"]


def test_bits_per_dimension_of_a_bound_on_discrete_pictures(digits: Data) -> None:
    found = measures(made("ddpm", digits), digits, n=20)
    assert found["bpd"] == pytest.approx(-found["elbo_nats"] / (64 * math.log(2)))
    assert found["bpd"] > 0


def test_what_an_autoencoder_shows_is_grey_and_so_are_the_data_beside_it(digits: Data) -> None:
    """It learns black and white pixels, and its D(z) is held against pictures as they are."""
    found, flat = (measures(made(name, digits), digits, n=60) for name in ("autoencoder", "gan"))
    assert found["sliced_w1_floor"] == flat["sliced_w1_floor"]
    drawn = measures(made("autoregressive", digits), digits, n=60)
    assert drawn["sliced_w1_floor"] != flat["sliced_w1_floor"]


def test_a_mixtures_pictures_are_real_numbers_and_so_are_the_data_beside_it(
    digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, whole = made("mixture", digits), measures(made("gan", digits), digits, n=180)
    of_data = lambda n, rng, **_: digits.prepare(digits.train.x[-n:], model.inputs, rng)  # noqa: E731
    monkeypatch.setattr(model, "sample", of_data)
    found = measures(model, digits, n=180)
    assert found["sliced_w1_floor"] != whole["sliced_w1_floor"]
    assert found["sliced_w1"] < 1.5 * found["sliced_w1_floor"]
    assert found["judge_fid"] < 1.5 * found["judge_fid_floor"]


def test_among_neighbours_of_a_mixtures_samples_are_examples_in_whole_grey_levels(digits: Data) -> None:
    near = finish(neighbours(made("mixture", digits), digits, n=4, k=2))["near"] * (digits.levels - 1)
    np.testing.assert_allclose(near, near.round(), atol=1e-4)


def test_no_two_examples_share_their_noise(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """Examples are scored in parts; a bound of each part is of noise of its own."""
    monkeypatch.setattr("genmodels.metrics.evaluate.ROWS", 5)
    model, states = made("flow", digits), list[bytes]()
    bound = model.discrete_log_prob
    monkeypatch.setattr(
        model, "discrete_log_prob", lambda x, rng, **k: (states.append(bytes(rng.get_state())), bound(x, rng, **k))[1]
    )
    likelihoods(model, digits, n=15, k=2)
    assert len(states) == 6  # of one draw and of several, in turn
    assert len(set(states[0::2])) == len(set(states[1::2])) == 3


def test_no_more_examples_than_there_are(digits: Data) -> None:
    assert measures(made("wgan", digits), digits, n=10**6)["examples"] == len(digits.test)


def test_the_seed_decides_the_measures(digits: Data) -> None:
    first, again, other = (measures(made("vae", digits), digits, n=40, k=5, seed=seed) for seed in (0, 0, 1))
    assert first == again
    assert first["iwae_5_nats"] != other["iwae_5_nats"]
    assert first["mean_sliced_w1_floor"] != other["mean_sliced_w1_floor"]


class Blobs(GenerativeModel):
    """The density of a plane by its modes, which are what it shows unless x is to be drawn."""

    data: Data

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.nothing = nn.Parameter(torch.zeros(()))

    def sample(
        self, n: int, *, y: Tensor | None = None, rng: torch.Generator | None = None, draw: bool = False
    ) -> Tensor:
        return self.data.plane.draw(n, rng)[0] if draw else torch.zeros(n, 2)


def test_points_are_draws_of_the_model_and_no_means(plane: Data) -> None:
    model = Blobs(plane.shape)
    model.data = plane
    found = measures(model, plane, n=500)
    assert found["modes_covered"] == 8
    assert found["w1"] == pytest.approx(found["w1_floor"], rel=0.6)


def test_a_vaes_pictures_are_measured_as_drawn_and_as_shown(digits: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    model = made("vae", digits)
    seen: list[tuple[bool, Tensor]] = []

    def perfect(n: int, *, y: object = None, rng: object = None, draw: bool = False) -> Tensor:
        """Test digits: black and white where they are drawn, grey where they are shown."""
        x = digits.prepare(digits.test.x[:n], "threshold" if draw else "unit")
        seen.append((draw, x))
        return x

    monkeypatch.setattr(model, "sample", perfect)
    found = measures(model, digits, n=len(digits.test), k=0)
    assert {draw for draw, _ in seen} == {True, False}
    for what in ("drawn", "mean"):  # each is compared with its like
        assert found[f"{what}_sliced_w1"] == pytest.approx(0, abs=1e-6)
        assert found[f"{what}_judge_fid"] == pytest.approx(0, abs=1e-3)
        assert found[f"{what}_sliced_w1_floor"] > 0
    assert found["drawn_sliced_w1_floor"] != found["mean_sliced_w1_floor"]
    assert "sliced_w1" not in found


def test_progress_is_told(plane: Data) -> None:
    told: list[tuple[str, float]] = []
    measures(truth(plane), plane, n=1200, progress=lambda fraction, text: told.append((text, fraction)))
    assert list(dict.fromkeys(text for text, _ in told)) == ["likelihood", "samples", "distances"]
    for part in ("likelihood", "samples", "distances"):
        fractions = [fraction for text, fraction in told if text == part]
        assert fractions[-1] == 1
        assert all(0 < before < after for before, after in itertools.pairwise(fractions))
    assert len(told) > 20  # each of the halves


class Told(DDPM):
    """Of each of the eight Gaussians by its label the best answer; of none nonsense."""

    data: Data

    def eps_hat(self, x_t: Tensor, t: Tensor, y: Tensor | None = None, *, guidance: float = 1.0) -> Tensor:
        if y is None:
            return 0 * x_t
        a, sigma = self.schedule.rates(t, x_t)
        plane = self.data.plane
        return sigma * (x_t - a * plane.modes.to(x_t)[y]) / (a**2 * plane.sigma**2 + sigma**2)


@pytest.mark.parametrize("T", [10, 100])
def test_a_perfect_conditional_diffusion_is_at_no_distance_from_the_truth(plane: Data, T: int) -> None:
    """Its density is the mixture over its labels, and at t = 1 that of the data under the last noise."""
    n = 1000  # one point's difference, of x_T from white noise, is some 0.008: its mean's standard error 0.0003
    model = Told((2,), T=T, classes=8, hidden=16).eval()
    model.data = plane
    found = likelihoods(model, plane, n=n)
    assert found["noise_left"] == pytest.approx(model.schedule.noise_left)
    assert abs(found["kl_from_truth_nats"]) < 1e-3
    assert found["kl_from_truth_nats_se"] < 1e-3
    model.label_shares = (0.3, 0.1, *[0.1] * 6)
    wrong = likelihoods(model, plane, n=n)["kl_from_truth_nats"]
    counts = torch.bincount(plane.test.y[:n], minlength=8) / n
    expected = (counts * (1 / 8 / torch.tensor(model.label_shares)).log()).sum().item()
    assert wrong == pytest.approx(expected, abs=0.02 if T > 10 else 0.2)


def test_a_bound_of_a_model_with_labels_pays_for_the_label(digits: Data) -> None:
    torch.manual_seed(0)
    model = build({"model": "ddpm", "shape": [1, 8, 8], "classes": 10, "T": 20, "width": 8, "depth": 1}).eval()
    even = likelihoods(model, digits, n=20)["elbo_nats"]
    model.label_shares = (0.9, *[0.1 / 9] * 9)
    found = likelihoods(model, digits, n=20)["elbo_nats"]
    paid = model.label_log_prob()[digits.test.y[:20]].mean() + math.log(10)
    assert found - even == pytest.approx(paid.item(), rel=1e-4)


def test_samples_may_be_fewer_than_the_examples_of_a_likelihood(digits: Data) -> None:
    model = made("ddpm", digits)
    found, few, many = (measures(model, digits, n=n, samples=m) for n, m in ((60, 30), (30, 0), (60, 60)))
    assert (found["examples"], found["samples"]) == (60, 30)
    assert "samples" not in few | many
    of_samples = [name for name in few if name.startswith(("judge", "sliced"))]
    assert len(of_samples) > 40
    assert all(found[name] == few[name] for name in of_samples)
    assert found["elbo_nats"] == many["elbo_nats"] != few["elbo_nats"]


def test_a_floor_does_not_hang_on_the_order_of_the_data(digits: Data) -> None:
    order = [split.y.argsort(stable=True) for split in (digits.train, digits.test)]
    train, test = (Split(s.x[o], s.y[o]) for s, o in zip((digits.train, digits.test), order, strict=True))
    sorted_ = replace(digits, train=train, test=test)
    one, other = (measures(made("gan", digits), data, n=90) for data in (digits, sorted_))
    for name in ("sliced_w1_floor", "judge_fid_floor"):
        assert one[f"{name}_se"] > 0
        assert other[name] == pytest.approx(one[name], rel=0.5)
    labels = floors.chosen(sorted_.test, 90, 0).y
    assert len(labels.unique()) == 10
    assert all(len(part.y.unique()) == 10 for part in floors.draws(sorted_, 90, 0))


def test_a_digest_tells_points_apart_and_not_the_last_bits_of_a_processor(plane: Data, digits: Data) -> None:
    rows = torch.arange(len(plane.train))
    train = lambda i: replace(plane, train=Split(plane.train.x[i], plane.train.y[i]))  # noqa: E731
    assert floors.digest(train(rows)) == floors.digest(plane)
    others = [train(rows[:10_000]), train(rows.flip(0)), replace(plane, test=plane.validation)]
    assert len({floors.digest(one) for one in (plane, *others)}) == 4
    assert floors.digest(digits) == ""
    shaken = Split(plane.test.x * (1 + 1e-7), plane.test.y)
    assert floors.digest(replace(plane, test=shaken)) == floors.digest(plane)

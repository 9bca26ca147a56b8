"""Autoregressive models: output i sees what comes before it alone, probabilities add up to 1, sampling is scoring."""

import itertools
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.models.autoregressive import ORDERS, Autoregressive
from genmodels.models.base import load
from genmodels.nn.autoregressive import Recursion
from genmodels.nn.pixelcnn import PixelCNN
from genmodels.probability.conditionals import Bernoulli, Categorical, Gaussians, Logistics
from genmodels.runs import store
from genmodels.training.loop import Training
from genmodels.training.settings import Settings
from tests.resumption import never_paused

IMAGE, SMALL = (1, 5, 4), (1, 3, 3)
MANY = {
    "made": {"network": "made", "hidden": 200, "depth": 2},
    "made, one layer": {"network": "made", "hidden": 200, "depth": 1},
    "made, 3 masks": {"network": "made", "hidden": 200, "depth": 3, "orders": 3},
    "made, 3 orders": {"network": "made", "hidden": 200, "depth": 2, "orders": 3, "order": "random"},
    "made, columns": {"network": "made", "hidden": 200, "order": "columns"},
    "nade": {"network": "nade", "hidden": 16},
    "nade, reversed": {"network": "nade", "hidden": 16, "order": "reversed"},
    "nade, random": {"network": "nade", "hidden": 16, "order": "random"},
    "pixelcnn": {"network": "pixelcnn", "channels": 6, "depth": 3},
    "pixelcnn, columns": {"network": "pixelcnn", "channels": 6, "depth": 2, "order": "columns"},
    "pixelcnn, reversed": {"network": "pixelcnn", "channels": 6, "depth": 2, "reach": 2, "order": "reversed"},
    "pixelcnn, labels": {"network": "pixelcnn", "channels": 6, "depth": 2, "classes": 3},
    "made, labels": {"network": "made", "hidden": 200, "classes": 3},
    "nade, labels": {"network": "nade", "hidden": 16, "classes": 3},
    "made, 4 levels": {"network": "made", "hidden": 200, "pixels": "categorical", "levels": 4},
    "nade, logistics": {"network": "nade", "hidden": 16, "pixels": "logistics", "levels": 5, "components": 3},
    "pixelcnn, logistics": {"network": "pixelcnn", "channels": 6, "pixels": "logistics", "levels": 5},
}


def make(shape: tuple[int, ...], seed: int = 0, **arguments: Any) -> Autoregressive:
    """One in float64 whose every weight is away from 0, as after a training."""
    torch.manual_seed(seed)
    model = Autoregressive(shape, **arguments).double().eval()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def labels(model: Autoregressive, n: int) -> Tensor | None:
    return torch.arange(n) % model.classes if model.classes else None


def pictures(model: Autoregressive, n: int) -> Tensor:
    levels = 2 if model.config["pixels"] == "bernoulli" else model.config["levels"]
    whole = torch.randint(0, levels, (n, *model.shape), generator=random.generator(3))
    return whole.double() / (levels - 1)


# What a network sees ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MANY)
def test_what_is_said_of_a_dimension_hangs_on_those_before_it_alone(name: str) -> None:
    model = make(IMAGE, **MANY[name])
    d = math.prod(IMAGE)
    for k in range(model.masks):
        x = torch.rand(64, *IMAGE, dtype=torch.float64, generator=random.generator(1)).requires_grad_()
        said = model.said(x, labels(model, 64), k)  # (B, D, K)
        weights = torch.randn(said.shape[2], dtype=torch.float64, generator=random.generator(2))
        sees = torch.zeros(d, d, dtype=torch.bool)
        for i in range(d):
            (of_x,) = torch.autograd.grad((said[:, i] * weights).sum(), x, retain_graph=True, allow_unused=True)
            sees[i] = False if of_x is None else (of_x.flatten(1) != 0).any(0)
        place = model.orders[k].argsort()
        before = place[None] < place[:, None]
        assert not (sees & ~before).any(), "it sees itself or what comes after"
        if "pixelcnn" not in name:  # whose layers here are too few to reach everywhere
            assert (sees == before).all(), "it is blind to something before it"


@pytest.mark.parametrize("order", ORDERS[:3])
def test_a_deep_pixelcnn_has_no_blind_spot(order: str) -> None:
    model = make((1, 7, 7), network="pixelcnn", channels=8, depth=4, order=order)
    x = torch.rand(16, 1, 7, 7, dtype=torch.float64, generator=random.generator(1)).requires_grad_()
    said, place = model.said(x)[..., 0].sum(0), model.orders[0].argsort()
    for i in range(49):
        (of_x,) = torch.autograd.grad(said[i], x, retain_graph=True)
        assert torch.equal((of_x.flatten(1) != 0).any(0), place < place[i]), i


def test_masks_connect_a_made_in_different_ways() -> None:
    model = make(IMAGE, **MANY["made, 3 masks"])
    x = pictures(model, 4)
    a, b = model.each(x, k=0), model.each(x, k=1)
    assert not torch.allclose(a, b)
    assert torch.equal(model.orders[0], model.orders[1])
    random_ones = make(IMAGE, **MANY["made, 3 orders"])
    assert len({tuple(row) for row in random_ones.orders.tolist()}) == 3


def test_the_recursion_of_nade_is_differentiated_right() -> None:
    rng = random.generator(0)
    shapes = ((3, 5), (5, 4), (5, 4, 2), (3, 4))
    inputs = [torch.randn(s, dtype=torch.float64, generator=rng).requires_grad_() for s in shapes]
    assert torch.autograd.gradcheck(Recursion.apply, inputs)


def test_nade_is_what_the_paper_says() -> None:
    model = make(SMALL, network="nade", hidden=8)
    x, nade = pictures(model, 6).flatten(1), model.network
    for i in range(9):
        h = (nade.c + x[:, :i] @ nade.W[:i]).sigmoid()
        torch.testing.assert_close(model.said(x.view(-1, *SMALL))[:, i], h @ nade.V[i] + nade.b[i])


# Probabilities ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in MANY if "levels" not in name and "logistics" not in name])
def test_the_probabilities_of_all_512_images_add_up_to_1(name: str) -> None:
    model = make(SMALL, **MANY[name])
    every = torch.tensor(list(itertools.product((0.0, 1.0), repeat=9)), dtype=torch.float64).view(-1, *SMALL)
    with torch.no_grad():
        assert model.log_prob(every).exp().sum().item() == pytest.approx(1, abs=1e-10)


@pytest.mark.parametrize("name", [name for name in MANY if "levels" in name or "logistics" in name])
def test_the_probabilities_of_all_grey_images_add_up_to_1(name: str) -> None:
    model = make((1, 2, 2), **MANY[name])
    levels = model.config["levels"]
    every = torch.tensor(list(itertools.product(range(levels), repeat=4)), dtype=torch.float64).view(-1, 1, 2, 2)
    with torch.no_grad():
        assert model.log_prob(every / (levels - 1)).exp().sum().item() == pytest.approx(1, abs=1e-10)


OF_POINTS = [{}, {"orders": 2, "order": "random"}, {"classes": 3}, {"network": "nade"}]


def of_points(arguments: dict[str, Any]) -> tuple[Autoregressive, Tensor, Tensor]:
    """A model of the plane, the middles of the cells of a square beyond which it is nearly nowhere, and their mass."""
    model = make((2,), hidden=16, components=3, **arguments)
    if model.classes:  # N(0, 1) at first: too far apart for one square
        for table in (model.network.to_hidden, model.network.to_out):
            table.weight.data *= 0.3
    axis = torch.linspace(-15, 15, 501, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).view(-1, 2)
    with torch.no_grad():
        density = torch.cat([model.log_prob(part).exp() for part in grid.split(50_000)])
    return model, grid, density * (axis[1] - axis[0]) ** 2


@pytest.mark.parametrize("arguments", OF_POINTS)
def test_a_density_of_the_plane_integrates_to_1_and_points_are_drawn_from_it(arguments: dict[str, Any]) -> None:
    model, grid, mass = of_points(arguments)
    assert mass.sum().item() == pytest.approx(1, abs=2e-3)
    n = 20_000
    x = model.sample(n, rng=random.generator(0))
    for a, b in ((0.0, 0.0), (-1.0, 1.0), (0.5, -0.5), (2.0, 2.0)):
        corner = torch.tensor([a, b], dtype=torch.float64) + 0.03  # between two middles
        p = mass[(grid < corner).all(1)].sum()
        assert abs((x < corner).all(1).double().mean() - p) < 6 * math.sqrt(0.25 / n) + 2e-3


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_laws_of_grey_levels_are_laws(levels: int) -> None:
    x = torch.arange(levels, dtype=torch.float64) / (levels - 1)
    for law in (Categorical(levels), Logistics(levels, 4)):
        for scale in (0.1, 1, 10):
            said = scale * torch.randn(5, 1, law.size, dtype=torch.float64, generator=random.generator(0))
            total = law.log_prob(x.expand(5, -1), said.expand(5, levels, law.size)).exp().sum(1)
            torch.testing.assert_close(total, torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize("law", [Bernoulli(), Categorical(5), Logistics(5, 3)], ids=lambda law: type(law).__name__)
def test_what_is_drawn_is_as_frequent_as_it_is_probable(law: Any) -> None:
    n, levels = 40_000, 2 if law.size == 1 else 5
    said = torch.randn(1, law.size, dtype=torch.float64, generator=random.generator(1))
    x = torch.arange(levels, dtype=torch.float64) / (levels - 1)
    p = law.log_prob(x, said.expand(levels, -1)).exp()
    drawn = law.draw(said.expand(n, -1), random.generator(2))
    counts = torch.stack([(drawn - one).abs() < 1e-9 for one in x]).double().mean(1)
    assert ((counts - p).abs() < 6 * (p / n).sqrt() + 1e-9).all()


def test_gaussians_are_drawn_as_they_are_scored() -> None:
    law, n = Gaussians(3), 40_000
    said = torch.randn(1, 9, dtype=torch.float64, generator=random.generator(1))
    drawn, axis = law.draw(said.expand(n, -1), random.generator(2)), torch.linspace(-20, 20, 20_001).double()
    cdf = law.log_prob(axis, said.expand(len(axis), -1)).exp().cumsum(0) * (axis[1] - axis[0])
    empirical = torch.searchsorted(drawn.sort().values, axis).double() / n
    # Dvoretzky, Kiefer and Wolfowitz: further off with probability 1e-8 only
    assert (empirical - cdf).abs().max() < math.sqrt(math.log(2 / 1e-8) / (2 * n)) + 2e-3


@pytest.mark.parametrize("law", [Bernoulli(), Categorical(5)], ids=lambda law: type(law).__name__)
def test_a_temperature_is_a_power_of_the_law(law: Any) -> None:
    n, levels = 40_000, 2 if law.size == 1 else 5
    said = torch.randn(1, law.size, dtype=torch.float64, generator=random.generator(1))
    x = torch.arange(levels, dtype=torch.float64) / (levels - 1)
    p = law.log_prob(x, said.expand(levels, -1)).exp() ** 2
    p /= p.sum()
    drawn = law.draw(said.expand(n, -1), random.generator(2), 0.5)
    counts = torch.stack([(drawn - one).abs() < 1e-9 for one in x]).double().mean(1)
    assert ((counts - p).abs() < 6 * (p / n).sqrt() + 1e-9).all()


@pytest.mark.parametrize("T", [0.25, 1.0, 2.0])
def test_a_temperature_scales_what_is_drawn_of_real_numbers(T: float) -> None:
    """p(x)^(1/T) of a Gaussian has T times its variance; a logistic number's scale is multiplied by T."""
    n = 1000
    apart = lambda law, said, T: law.draw(said.expand(n, -1), random.generator(2), T).diff()  # noqa: E731
    said = torch.tensor([[0.3, 0.5, -0.2]], dtype=torch.float64)
    law = Gaussians(1)
    torch.testing.assert_close(apart(law, said, T), T**0.5 * apart(law, said, 1.0))
    levels = Logistics(2001, 1)  # around the middle of them, within which nearly all lie
    said = torch.tensor([[0.0, 1.0, -1.0]], dtype=torch.float64)
    near = (apart(levels, said, T) - T * apart(levels, said, 1.0)).abs() < (2 + 2 * T) / 2000
    assert near.double().mean() > 0.9


# Sampling ---------------------------------------------------------------------------------------------------------


@torch.no_grad()
def naive(
    model: Autoregressive, n: int, rng: torch.Generator, y: Tensor | None, k: int, known: Tensor | None
) -> Tensor:
    """The whole network, once for every dimension of an image."""
    x = torch.zeros(n, math.prod(model.shape), dtype=torch.float64)
    for i in model.orders[k].tolist():
        said = model.said(x.view(n, *model.shape), y, k)[:, i]
        x[:, i] = model.law.draw(said, rng) if known is None else known.flatten(1)[:, i]
    return x.view(n, *model.shape)


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("shape", [IMAGE, (1, 2, 9), (1, 9, 2)], ids=str)
def test_fast_sampling_is_the_naive_loop(name: str, shape: tuple[int, ...]) -> None:
    model = make(shape, **MANY[name])
    if model.masks > 1:
        model = make(shape, **{**MANY[name], "orders": 1})
    y = labels(model, 6)
    fast = model.sample(6, y=y, rng=random.generator(5))
    assert torch.equal(fast, naive(model, 6, random.generator(5), y, 0, None))
    assert len(fast.flatten(1).unique(dim=0)) > 1


@pytest.mark.parametrize("name", MANY)
def test_every_step_of_sampling_says_what_scoring_says(name: str) -> None:
    model = make(IMAGE, **MANY[name])
    y, x = labels(model, 8), pictures(model, 8)
    for k in range(model.masks):
        walk, scored = model.network.walk(8, y, k), model.said(x, y, k)
        i, said = next(walk)
        for t in range(math.prod(IMAGE)):
            assert i == model.orders[k, t]
            torch.testing.assert_close(said, scored[:, i], rtol=1e-9, atol=1e-9)
            if t < math.prod(IMAGE) - 1:
                i, said = walk.send(x.flatten(1)[:, i])


@pytest.mark.parametrize("name", [name for name in MANY if "3" not in name])
def test_a_trajectory_ends_at_samples_with_their_log_prob(name: str) -> None:
    model = make(IMAGE, **MANY[name])
    y = labels(model, 4)
    moments = [replace(now, x=now.x.clone()) for now in model.trajectory(4, y=y, rng=random.generator(0))]
    assert [now.t for now in moments] == list(range(21))
    assert not moments[0].x.any()
    for before, after in itertools.pairwise(moments):
        i = model.orders[0, before.t]
        changed = (before.x != after.x).flatten(1).any(0).nonzero()[:, 0].tolist()
        assert changed in ([], [i])
    torch.testing.assert_close(moments[-1].log_prob, model.log_prob(moments[-1].x, y=y))
    assert torch.equal(moments[-1].x, model.sample(4, y=y, rng=random.generator(0)))


@pytest.mark.parametrize("name", ["made", "made, 3 masks", "made, 3 orders", "nade", "pixelcnn, labels"])
def test_images_are_drawn_as_often_as_they_are_probable(name: str) -> None:
    model, n = make((1, 2, 2), **MANY[name]), 20_000
    every = torch.tensor(list(itertools.product((0.0, 1.0), repeat=4)), dtype=torch.float64).view(-1, 1, 2, 2)
    with torch.no_grad():
        p = model.log_prob(every).exp()
    code = (model.sample(n, rng=random.generator(1)).flatten(1) @ torch.tensor([8.0, 4, 2, 1]).double()).long()
    counts = code.bincount(minlength=16) / n
    assert ((counts - p).abs() < 6 * (p / n).sqrt() + 1e-9).all()


@pytest.mark.parametrize("name", ["made", "made, 3 masks", "nade, reversed", "pixelcnn, columns"])
def test_what_is_known_is_kept_and_the_rest_is_as_probable_as_given_it(name: str) -> None:
    model, n, kept = make((1, 2, 2), **MANY[name]), 20_000, 2
    known = pictures(model, 1).expand(n, 1, 2, 2)
    *_, last = model.trajectory(n, rng=random.generator(1), known=known, kept=kept)
    first, rest = model.orders[0, :kept], model.orders[0, kept:]
    flat = last.x.flatten(1)
    assert torch.equal(flat[:, first], known.flatten(1)[:, first])
    every = known[:4].flatten(1).clone()
    every[:, rest] = torch.tensor(list(itertools.product((0.0, 1.0), repeat=2)), dtype=torch.float64)
    with torch.no_grad():
        p = model.log_prob(every.view(-1, 1, 2, 2)).softmax(0)
    counts = (flat[:, rest] @ torch.tensor([2.0, 1.0]).double()).long().bincount(minlength=4) / n
    assert ((counts - p).abs() < 6 * (p / n).sqrt() + 1e-9).all()


# Training ---------------------------------------------------------------------------------------------------------


def test_masks_take_turns_and_a_paused_training_goes_on_with_the_next(tmp_path: Any) -> None:
    data = datasets.load("digits-dynamic")

    def training() -> Training:
        model = Autoregressive((1, 8, 8), hidden=64, orders=3, order="random")
        return Training(model, data, Settings(steps=7, batch_size=16, ema=0.9))

    whole = never_paused(training, at=4)
    assert whole.model.turn == 7
    whole.model.save(tmp_path)
    again = load(tmp_path)
    x = data.prepare(data.test.x[:5], "threshold")
    assert torch.equal(again.log_prob(x), whole.model.eval().log_prob(x))


def test_a_mixture_of_masks_is_the_mean_of_their_probabilities() -> None:
    model = make(IMAGE, **MANY["made, 3 orders"])
    x = pictures(model, 5)
    each = torch.stack([model.each(x, k=k).flatten(1).sum(1).exp() for k in range(3)])
    torch.testing.assert_close(model.log_prob(x).exp(), each.mean(0))


# What is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((2,), {"network": "pixelcnn"}, "network = pixelcnn takes images of one channel"),
        ((3, 8, 8), {"network": "pixelcnn"}, "network = pixelcnn takes images of one channel"),
        ((1, 8, 8), {"network": "pixelcnn", "order": "random"}, "order = random leaves a pixelcnn no neighbours"),
        ((1, 1, 1), {}, "leaves nothing"),
        ((1, 8, 8), {"levels": 1}, "levels = 1 is not a whole number from 2 to 256"),
        ((1, 8, 8), {"levels": 257}, "levels = 257"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(shape: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Autoregressive(shape, **arguments)


@pytest.mark.parametrize("pixels", ["categorical", "logistics"])
def test_levels_that_are_not_those_of_the_data_are_refused_before_anything_is_written(
    pixels: str, tmp_path: Any
) -> None:
    with pytest.raises(BadInput, match="levels = 256 does not suit data of 17 grey levels: say that many"):
        store.create("autoregressive", "digits", arguments={"pixels": pixels}, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(BadInput, match="levels = 256 does not suit data of 17"):
        Training(Autoregressive((1, 8, 8), pixels=pixels), datasets.load("digits"), Settings())
    store.create("autoregressive", "digits", arguments={"pixels": pixels, "levels": 17}, folder=tmp_path / "run")


@pytest.mark.parametrize("temperature", [0, math.nan, math.inf, -1, "hot", 100])
def test_temperatures_that_are_none_are_refused(temperature: Any) -> None:
    model = make(SMALL, **MANY["made"])
    with pytest.raises(BadInput, match=r"temperature = .* is not a number from 0.05 to 5"):
        model.sample(2, temperature=temperature)
    with pytest.raises(BadInput, match="temperature = "):
        next(model.trajectory(2, temperature=temperature))


def test_masks_and_labels_that_are_none_are_refused() -> None:
    model, told = make(SMALL, **MANY["made"]), make(SMALL, **MANY["made, labels"])
    x = pictures(model, 2)
    for kept in (-1, 9, 10):
        with pytest.raises(BadInput, match=f"keeps {kept} of 9 dimensions leaves nothing to draw: keep 0 to 8"):
            next(model.trajectory(2, known=x, kept=kept))
    several = make(SMALL, **MANY["made, 3 orders"])
    with pytest.raises(BadInput, match="set orders = 1"):
        next(several.trajectory(2, known=x, kept=4))
    with pytest.raises(BadInput, match="the model has classes = 0"):
        model.sample(2, y=torch.tensor([0, 1]))
    for wrong in (torch.tensor([0]), torch.tensor([0, 3])):
        with pytest.raises(BadInput, match="classes = 3"):
            told.sample(2, y=wrong)


def test_only_a_pixelcnn_has_convolutions() -> None:
    assert isinstance(make(SMALL, **MANY["pixelcnn"]).network, PixelCNN)
    assert make(SMALL, **MANY["nade"]).log_prob(pictures(make(SMALL, **MANY["nade"]), 3)).shape == (3,)

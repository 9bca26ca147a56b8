"""Wasserstein GAN: the critic's algebra, its penalty, its estimate against the exact distance, and exact resuming."""

import math

import pytest
import torch
from torch import nn

from genmodels import random
from genmodels.data.datasets import Data, Split
from genmodels.errors import BadInput
from genmodels.metrics.distances import wasserstein1
from genmodels.models.base import load, only
from genmodels.models.wgan import PENALTIES, WGAN, between, gradient_norm
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings


class Fixed(nn.Module):
    """A generator that hands out the points it holds."""

    def __init__(self, points):
        super().__init__()
        self.points = points

    def forward(self, z):
        return self.points[: len(z)]


def data_of(x, shape, levels=0):
    split = Split(x, torch.arange(len(x)) % 3)
    return Data("eight-gaussians" if shape == (2,) else "digits", shape, levels, tuple("abc"), split, split, split)


def test_a_constant_critic_scores_nought_and_pays_the_whole_penalty():
    model = WGAN((2,), hidden=8)
    for parameter in model.critic.parameters():
        nn.init.zeros_(parameter)
    nn.init.constant_(model.critic.score.bias, 3.0)
    terms = model.loss(random.randn(16, 2, rng=random.generator(0)), player="critic", rng=random.generator(1))
    assert terms["wasserstein"] == 0
    assert terms["gradient norm"] == 0
    assert terms["penalty"] == 1
    assert terms["loss"] == 10
    terms["loss"].backward()  # the norm's slope at nought is a number
    assert all(p.grad.isfinite().all() for p in model.critic.parameters())


def test_the_penalty_of_a_linear_critic_is_its_length_minus_one_squared():
    w = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    norm = gradient_norm(lambda x: x @ w, random.randn(10, 2, rng=random.generator(0)).double())
    torch.testing.assert_close(norm, torch.full((10,), 5.0, dtype=torch.float64))
    penalty = (norm - 1).square().mean()
    assert penalty.item() == pytest.approx(16)
    (slope,) = torch.autograd.grad(penalty, w)
    torch.testing.assert_close(slope, 2 * 4 * w.detach() / 5)  # d/dw (‖w‖ − 1)²


def test_the_second_derivative_of_the_penalty_agrees_with_differences():
    torch.manual_seed(0)
    critic = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    x = random.randn(5, 3, rng=random.generator(0)).double()
    parameters = dict(critic.named_parameters())

    def penalty(*values):
        called = dict(zip(parameters, values, strict=True))
        norm = gradient_norm(lambda points: torch.func.functional_call(critic, called, points).squeeze(1), x)
        return (norm - 1).square().mean()

    assert torch.autograd.gradcheck(penalty, tuple(parameters.values()))


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8)])
def test_the_models_own_penalty_has_the_right_slope_in_float64(shape):
    torch.manual_seed(0)
    model = WGAN(shape, hidden=8, latent_dim=2).double()
    x = random.randn(6, *shape, rng=random.generator(0)).double()

    def penalty():
        return model.loss(x, player="critic", rng=random.generator(1))["penalty"]

    w = model.critic.features[-2].weight
    (slope,) = torch.autograd.grad(penalty(), w)
    place, step = (1, 2), 1e-6
    with torch.no_grad():
        values = []
        for sign in (1, -1):
            w[place] += sign * step
            values.append(penalty().item())
            w[place] -= sign * step
    assert slope[place].item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-5, abs=1e-9)


def test_the_penalty_is_measured_also_where_gradients_are_off():
    model = WGAN((2,), hidden=8)
    x = random.randn(8, 2, rng=random.generator(0))
    on = model.loss(x, player="critic", rng=random.generator(1))
    with torch.no_grad():
        off = model.loss(x, player="critic", rng=random.generator(1))
    assert off["penalty"] == on["penalty"]
    assert not off["penalty"].requires_grad


def test_the_points_of_the_penalty_lie_between_real_and_generated():
    real, fake = torch.zeros(100, 1, 2, 2), torch.ones(100, 1, 2, 2)
    x = between(real, fake, random.generator(0))
    assert (x == x[:, :, :1, :1]).all()  # one place for each picture
    assert ((x > 0) & (x < 1)).all()
    assert x.flatten(1)[:, 0].mean() == pytest.approx(0.5, abs=4 / math.sqrt(12 * 100))


def test_clipped_weights_stay_within_c():
    x = random.randn(64, 2, rng=random.generator(0))
    training = Training(WGAN((2,), penalty="clip", clip=0.02, hidden=16), data_of(x, (2,)), Settings(steps=3, lr=1e-2))
    for _ in fit(training):
        weights = torch.cat([w.flatten() for w in training.model.critic.parameters()])
        assert weights.abs().max() <= 0.02
        assert (weights.abs() == torch.tensor(0.02)).any()  # and the bound is felt
    assert max(w.abs().max() for w in training.model.generator.parameters()) > 0.02


def test_each_variant_has_the_optimizer_of_its_paper():
    assert isinstance(WGAN((2,), penalty="clip").optimizer("critic", 1e-3), torch.optim.RMSprop)
    adam = WGAN((2,), penalty="gp").optimizer("generator", 1e-3)
    assert isinstance(adam, torch.optim.Adam)
    assert adam.defaults["betas"] == (0.0, 0.9)


def test_a_spectrally_normalized_critic_is_lipschitz():
    torch.manual_seed(0)
    model = WGAN((2,), penalty="spectral", hidden=32)
    for parameter in model.critic.parameters():
        parameter.data *= 10
    for _ in range(50):
        model.critic(random.randn(4, 2))
    x, y = random.randn(2, 500, 2, rng=random.generator(0))
    difference = (model.critic(x) - model.critic(y)).abs()
    assert (difference <= (x - y).norm(dim=1) * 1.01).all()


def estimate(x, points, penalty_weight):
    """The mean of the critic's last estimates, where it alone learns."""
    torch.manual_seed(0)
    model = WGAN((2,), hidden=64, latent_dim=2, penalty_weight=penalty_weight)
    model.generator = Fixed(points)
    rng, optimizer = random.generator(0), model.optimizer("critic", 2e-3)
    estimates = []
    for _ in range(500):
        terms = model.loss(x, player="critic", rng=rng)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        estimates.append(terms["wasserstein"].item())
    return sum(estimates[-100:]) / 100


def test_the_estimate_approaches_the_exact_distance():
    """The penalty is soft: a slope k costs λ(k − 1)² and gains kW, so that the best estimate is W (1 + W/2λ)."""
    x = 0.3 * random.randn(256, 2, rng=random.generator(0))
    moved = x + torch.tensor([1.0, 1.0])
    w = wasserstein1(x, moved)
    assert w == pytest.approx(math.sqrt(2), rel=1e-6)
    assert estimate(x, moved, 10.0) == pytest.approx(w * (1 + w / 20), rel=0.015)
    assert estimate(x, moved, 1.0) == pytest.approx(w * (1 + w / 2), rel=0.015)
    torn = torch.cat([x[:128] * 2 + 1, x[128:] - 1])
    assert estimate(x, torn, 50.0) == pytest.approx(wasserstein1(x, torn), rel=0.05)


@pytest.mark.parametrize("w", [0.01, 0.5, 3.0])
@pytest.mark.parametrize("weight", [0.3, 1.0, 10.0])
def test_the_estimate_of_a_critic_that_can_do_all_is_solved_for_the_distance(w, weight):
    """The best slope of k W − λ(k − 1)² is found by search, not by the formula."""
    slopes = torch.linspace(1, 12, 1_100_001, dtype=torch.float64)
    k = slopes[(slopes * w - weight * (slopes - 1) ** 2).argmax()]
    model = WGAN((2,), hidden=8, penalty_weight=weight)
    assert model.at_slope_1(k * w).item() == pytest.approx(w, rel=1e-4)
    assert model.at_slope_1(torch.tensor(-0.2)).item() == pytest.approx(-0.2)
    assert WGAN((2,), hidden=8, penalty="clip").at_slope_1(k * w) == k * w


def test_held_out_on_the_plane_the_exact_distance_stands_beside_the_estimate():
    model = WGAN((2,), hidden=8).eval()
    x = random.randn(500, 2, rng=random.generator(0))
    points = random.randn(500, 2, rng=random.generator(1))
    model.generator = Fixed(points)
    terms = model.loss(x, player="critic", rng=random.generator(2))
    assert terms["wasserstein (exact)"].item() == pytest.approx(wasserstein1(x[:400], points[:400]))
    assert "wasserstein (exact)" not in model.train().loss(x, player="critic", rng=random.generator(2))
    pictures = WGAN((1, 8, 8), hidden=8).eval()
    assert "wasserstein (exact)" not in pictures.loss(torch.zeros(4, 1, 8, 8), player="critic")


CONFIGURATIONS = [
    ((2,), {"penalty": "gp", "hidden": 8, "classes": 3}),
    ((2,), {"penalty": "clip", "hidden": 8, "n_critic": 2}),
    ((1, 8, 8), {"penalty": "spectral", "network": "conv", "hidden": 16, "classes": 3}),
    ((1, 28, 28), {"penalty": "gp", "network": "conv", "hidden": 8, "latent_dim": 4}),
    ((1, 8, 8), {"penalty": "none", "network": "mlp", "hidden": 8}),
]


@pytest.mark.parametrize(("shape", "values"), CONFIGURATIONS)
@pytest.mark.parametrize("player", ["critic", "generator"])
def test_each_players_loss_moves_all_of_it_and_nothing_else(shape, values, player):
    torch.manual_seed(0)
    model = WGAN(shape, **values)
    x, y = random.randn(6, *shape, rng=random.generator(0)), torch.arange(6) % 3
    with only(model, player):
        model.loss(x, y, player=player, rng=random.generator(1))["loss"].backward()
    for name, part in model.players().items():
        for parameter in part.parameters():
            assert (parameter.grad is not None and parameter.grad.isfinite().all()) == (name == player)


@pytest.mark.parametrize(("shape", "values"), CONFIGURATIONS)
def test_saved_and_loaded_is_the_same_and_one_sample_is_enough(shape, values, tmp_path):
    model = WGAN(shape, **values)
    x, y = random.randn(6, *shape, rng=random.generator(0)), torch.arange(6) % 3
    for player in model.players():
        model.loss(x, y, player=player, rng=random.generator(1))
    model.save(tmp_path)
    again = load(tmp_path)
    model.eval()
    assert again.config == model.config
    assert torch.equal(again.critic(x, y), model.critic(x, y))
    assert model.critic(x, y).shape == (6,)
    for n in (1, 4):
        assert again.sample(n).shape == (n, *shape)
        assert torch.equal(again.sample(n, rng=random.generator(0)), model.sample(n, rng=random.generator(0)))


@pytest.mark.parametrize("penalty", PENALTIES)
def test_resumed_is_bit_for_bit_never_stopped(penalty):
    shape = (1, 8, 8)
    data = data_of(random.randint(0, 17, 64, *shape, rng=random.generator(3)).byte(), shape, 17)

    def training():
        torch.manual_seed(0)
        model = WGAN(shape, penalty=penalty, network="conv", hidden=8, n_critic=2, classes=3)
        return Training(model, data, Settings(steps=5, batch_size=16, ema=0.9))

    straight = training()
    for _ in fit(straight):
        pass
    first = training()
    for step in fit(first):
        if step.step == 2:
            break
    second = training()
    second.restore(*first.state())
    for _ in fit(second):
        pass
    for one, other in ((straight.state()[0], second.state()[0]), (straight.weights(), second.weights())):
        assert all(torch.equal(one[k], other[k]) for k in one)


def test_without_labels_a_conditional_critic_says_so():
    with pytest.raises(BadInput, match="labels y"):
        WGAN((2,), classes=3).loss(torch.zeros(4, 2), player="critic")


def test_a_short_training_brings_the_samples_closer():
    torch.manual_seed(0)
    x = 0.2 * random.randn(2000, 2, rng=random.generator(0)) + torch.tensor([1.0, -1.0])
    model = WGAN((2,), hidden=32, latent_dim=2, n_critic=3, penalty_weight=1.0)

    def distance():
        return wasserstein1(x[:300], model.sample(300, rng=random.generator(5)))

    before = distance()
    for _ in fit(Training(model, data_of(x, (2,)), Settings(steps=300, batch_size=64, lr=5e-3))):
        pass
    assert distance() < 0.25 * before

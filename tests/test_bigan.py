"""Bidirectional GAN: two players of which one is encoder and generator, and a way back that nobody measured."""

import statistics
from dataclasses import replace

import pytest
import torch

from genmodels import random
from genmodels.data.datasets import Data, Split
from genmodels.models.base import load, only
from genmodels.models.bigan import BiGAN
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings
from tests.resumption import never_paused

CONFIGURATIONS = [
    ((2,), {"hidden": 8, "latent_dim": 2}),
    ((1, 8, 8), {"network": "mlp", "hidden": 8, "stochastic": True, "classes": 3}),
    ((1, 8, 8), {"network": "conv", "hidden": 16, "spectral": True}),
    ((3, 19, 30), {"network": "conv", "hidden": 8, "stochastic": True}),
    ((1, 9, 8), {"network": "conv", "hidden": 8, "r1": 0.5, "r2": 0.25, "classes": 3}),
]


def batch(shape, n=6):
    return random.randn(n, *shape, rng=random.generator(0)), torch.arange(n) % 3


@pytest.mark.parametrize(("shape", "values"), CONFIGURATIONS)
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_each_players_loss_moves_all_of_it_and_nothing_else(shape, values, player):
    torch.manual_seed(0)
    model = BiGAN(shape, **values)
    with only(model, player):
        model.loss(*batch(shape), player=player, rng=random.generator(1))["loss"].backward()
    for name, part in model.players().items():
        for parameter in part.parameters():
            assert (parameter.grad is not None and parameter.grad.isfinite().all()) == (name == player)


def test_encoder_and_generator_are_one_player_and_every_weight_has_one():
    model = BiGAN((2,), hidden=8)
    owned = [p for part in model.players().values() for p in part.parameters()]
    assert len({id(p) for p in owned}) == len(owned) == len(list(model.parameters()))
    theirs = {id(p) for p in model.players()["generator"].parameters()}
    assert theirs == {id(p) for part in (model.encoder, model.generator) for p in part.parameters()}


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_the_losses_are_those_of_the_pairs(player):
    model = BiGAN((2,), hidden=8, latent_dim=3).double()
    x = batch((2,))[0].double()
    loss = model.loss(x, player=player, rng=random.generator(1))["loss"]
    z = model.noise(x, random.generator(1))
    real = model.discriminator(x, model.encode(x)).sigmoid()
    fake = model.discriminator(model.generate(z), z).sigmoid()
    if player == "discriminator":
        expected = -(real.log() + (1 - fake).log()).mean()
    else:
        expected = -((1 - real).log() + fake.log()).mean()
    torch.testing.assert_close(loss, expected)


def test_penalties_are_the_slope_in_the_example_and_its_code_together():
    """By finite differences of one pair after the other, in float64: R1 of the pairs (x, E(x)), R2 of (G(z), z)."""
    torch.manual_seed(0)
    x, losses = batch((2,))[0].double(), []
    model = BiGAN((2,), hidden=8, latent_dim=3).double()
    for model.r1, model.r2 in ((0.5, 0.25), (0.0, 0.0)):
        losses.append(model.loss(x, player="discriminator", rng=random.generator(1)))
    z = model.noise(x, random.generator(1))
    for name, pairs in {"R1": (x, model.encode(x)), "R2": (model.generate(z), z)}.items():
        both = torch.cat(pairs, 1).detach()
        moves = 1e-5 * torch.eye(5, dtype=torch.float64)
        score = lambda at: model.discriminator(*at.split([2, 3], 1))  # noqa: E731
        slopes = torch.stack([(score(both + m) - score(both - m)) / 2e-5 for m in moves], 1)
        torch.testing.assert_close(losses[0][name], 0.5 * slopes.square().sum(1).mean(), rtol=1e-6, atol=0)
    penalty = 0.5 * losses[0]["R1"] + 0.25 * losses[0]["R2"]
    torch.testing.assert_close(losses[0]["loss"] - losses[1]["loss"], penalty)
    assert losses[1].keys().isdisjoint({"R1", "R2"})


@pytest.mark.parametrize(("shape", "values"), CONFIGURATIONS)
def test_codes_reconstructions_and_scores_have_their_shapes_and_survive_saving(shape, values, tmp_path):
    model = BiGAN(shape, **values)
    x, y = batch(shape)
    labels = y if model.classes else None
    for player in model.players():
        model.loss(x, y, player=player, rng=random.generator(1))
    model.save(tmp_path)
    again = load(tmp_path)
    model.eval()
    assert again.config == model.config
    assert again.encode(x).shape == (6, model.latent_dim)
    assert again.reconstruct(x, labels).shape == x.shape
    assert again.critic(x, labels).shape == (6,)
    assert torch.equal(again.reconstruct(x, labels), model.reconstruct(x, labels))
    assert torch.equal(again.critic(x, labels), model.critic(x, labels))
    assert again.sample(1, rng=random.generator(0)).shape == (1, *shape)
    if len(shape) == 3:
        assert ((again.reconstruct(x, labels) >= 0) & (again.reconstruct(x, labels) <= 1)).all()


def test_a_stochastic_encoder_draws_around_its_mean():
    model = BiGAN((2,), hidden=8, latent_dim=2, stochastic=True).eval()
    x = batch((2,), 1)[0].repeat(4000, 1)
    z = model.infer(x, random.generator(0))
    mu, logvar = model.encoder(x[:1]).chunk(2, 1)
    sigma = (0.5 * logvar).exp()[0]
    assert torch.equal(model.encode(x[:1]), mu)
    assert ((z.mean(0) - mu[0]).abs() < 4 * sigma / 4000**0.5).all()
    torch.testing.assert_close(z.std(0), sigma, rtol=0.05, atol=0)


@pytest.mark.parametrize("stochastic", [False, True])
def test_resumed_is_bit_for_bit_never_stopped(stochastic):
    shape = (1, 8, 8)
    split = Split(random.randint(0, 17, 64, *shape, rng=random.generator(3)).byte(), torch.arange(64) % 3)
    data = Data("digits", shape, 17, tuple("abc"), split, split, split)

    def training():
        model = BiGAN(shape, network="conv", hidden=16, spectral=True, stochastic=stochastic, classes=3)
        return Training(model, data, Settings(steps=5, batch_size=16, ema=0.9))

    never_paused(training, at=2)


def test_the_way_back_is_learned_though_nobody_compares_x_with_its_reconstruction():
    """Of five seeds the median: most come to less than 0.15 of the variance, single ones to 0.4."""
    x = 0.2 * random.randn(2000, 2, rng=random.generator(0)) * torch.tensor([1.0, 4.0]) + torch.tensor([1.0, -1.0])
    split = Split(x, torch.zeros(len(x), dtype=torch.int64))
    data, left = Data("eight-gaussians", (2,), 0, (), split, split, split), []
    settings = Settings(steps=700, batch_size=64, lr=5e-3, decay="cosine", precision="float32")
    for seed in range(5):
        torch.manual_seed(seed)
        model, terms = BiGAN((2,), hidden=32, latent_dim=2, d_steps=3), {}
        for step in fit(Training(model, data, replace(settings, seed=seed))):
            terms |= step.terms or {}
        model.eval()
        error = (model.reconstruct(x) - x).square().mean().detach()
        assert terms["held-out reconstruction"] == pytest.approx(error.item(), rel=0.01)
        left.append(float(error / (x - x.mean(0)).square().mean()))
    assert statistics.median(left) < 0.25

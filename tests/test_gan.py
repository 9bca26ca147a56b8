"""GANs: what the objectives' optima are, who learns from which loss, and what is kept exactly."""

import math

import numpy as np
import pytest
import torch

from genmodels import random
from genmodels.data.datasets import Data, Split
from genmodels.errors import BadInput
from genmodels.instruments.gan.dirac import dirac
from genmodels.models.adversarial import penalized
from genmodels.models.base import load, only
from genmodels.models.gan import GAN, OBJECTIVES, discriminator_loss, generator_loss, generator_slope
from genmodels.models.wgan import WGAN
from genmodels.nn.fixup import Block
from genmodels.training.loop import Training
from genmodels.training.settings import Settings
from tests.resumption import never_paused


def densities():
    """Two densities on a grid of the line, as probabilities of its cells, float64."""
    x = torch.linspace(-5, 5, 401, dtype=torch.float64)
    p, q = (-0.5 * x.square()).exp(), (-0.5 * ((x - 1) / 1.5).square()).exp()
    return p / p.sum(), q / q.sum()


def expected_discriminator_loss(objective, s, p, q):
    """The loss when each cell has a score of its own: expectations instead of means over a batch."""
    zero = s.new_zeros(1)
    at_zero = discriminator_loss(objective, zero, zero)
    real = torch.stack([discriminator_loss(objective, one[None], zero) for one in s])
    fake = torch.stack([discriminator_loss(objective, zero, one[None]) for one in s])
    return (p * real).sum() + (q * fake).sum() - at_zero


@pytest.mark.parametrize("objective", ["minimax", "non-saturating", "least-squares"])
def test_the_best_discriminator_is_p_over_p_plus_q(objective):
    p, q = densities()
    best = p / (p + q)
    s = (best if objective == "least-squares" else torch.logit(best)).requires_grad_()
    loss = expected_discriminator_loss(objective, s, p, q)
    (slope,) = torch.autograd.grad(loss, s)
    assert slope.abs().max() < 1e-12  # the functional derivative vanishes there
    other = s.detach() + 0.1 * random.randn(len(s), rng=random.generator(0))
    assert expected_discriminator_loss(objective, other, p, q) > loss


def test_least_squares_are_halved():
    """Mao et al. (2017), eq. 2: of 3 for data, wanted 1, and of 2 for samples, wanted 0, ½ (3 − 1)² + ½ 2²."""
    assert discriminator_loss("least-squares", torch.tensor([3.0]), torch.tensor([2.0])).item() == 4


def test_the_players_turns_and_momenta_are_those_asked_for():
    model = GAN((2,), d_steps=3, beta1=0.1, beta2=0.7)
    assert model.turns() == ("discriminator",) * 3 + ("generator",)
    assert model.optimizer("generator", 1e-3).defaults["betas"] == (0.1, 0.7)
    assert WGAN((2,), n_critic=4).turns() == ("critic",) * 4 + ("generator",)


def test_the_value_at_the_optimum_is_twice_jensen_shannon_minus_log_4():
    p, q = densities()
    m = (p + q) / 2
    js = ((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2
    loss = expected_discriminator_loss("minimax", torch.logit(p / (p + q)), p, q)
    assert -loss.item() == pytest.approx((2 * js - math.log(4)).item(), rel=1e-10)
    assert -expected_discriminator_loss("minimax", 0 * p, p, p).item() == pytest.approx(-math.log(4))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_slope_that_is_logged_is_that_of_the_loss(objective):
    s = torch.linspace(-6, 6, 25, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(generator_loss(objective, s).sum(), s)
    torch.testing.assert_close(generator_slope(objective, s.detach()), slope.abs())


def test_minimax_saturates_where_the_discriminator_is_sure_and_the_others_push():
    sure = torch.tensor([-12.0], dtype=torch.float64)
    slopes = {objective: generator_slope(objective, sure).item() for objective in OBJECTIVES}
    assert slopes["minimax"] < 1e-5
    assert slopes["non-saturating"] > 1 - 1e-5
    assert slopes["least-squares"] == 13
    assert slopes["relativistic"] > 1 - 1e-5


def test_minimax_generator_and_discriminator_play_for_one_value():
    real, fake = random.randn(2, 50, rng=random.generator(0)).double()
    value = real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean()
    assert discriminator_loss("minimax", real, fake).item() == pytest.approx(-value.item())
    zero_sum = real.sigmoid().log().mean() + generator_loss("minimax", fake).mean()
    assert zero_sum.item() == pytest.approx(value.item())


def test_scores_far_out_stay_finite():
    far = torch.tensor([-1e4, 1e4], requires_grad=True)
    loss = discriminator_loss("minimax", far, far) + generator_loss("minimax", far).sum()
    loss.backward()
    assert loss.isfinite()
    assert far.grad.isfinite().all()


def images(n=64, shape=(1, 8, 8), classes=3):
    rng = random.generator(3)
    x, y = random.randint(0, 17, n, *shape, rng=rng).byte(), random.randint(0, classes, n, rng=rng)
    split = Split(x, y)
    return Data("digits", shape, 17, tuple("abc"), split, split, split)


def points(n=64):
    rng = random.generator(3)
    split = Split(random.randn(n, 2, rng=rng) * 0.2 + 1, random.randint(0, 3, n, rng=rng))
    return Data("eight-gaussians", (2,), 0, tuple("abc"), split, split, split)


RELATIVISTIC = {"objective": "relativistic", "network": "residual", "r1": 0.5, "r2": 0.25, "hidden": 16}
CONFIGURATIONS = [
    ((2,), RELATIVISTIC),
    ((1, 8, 8), RELATIVISTIC | {"classes": 3}),
    ((3, 19, 30), RELATIVISTIC),
    ((2,), {"spectral": True, "hidden": 16}),
    ((1, 8, 8), {"network": "mlp", "hidden": 8, "classes": 3, "objective": "least-squares", "d_steps": 2}),
    ((1, 8, 8), {"network": "conv", "hidden": 16, "spectral": True, "classes": 3}),
    ((1, 28, 28), {"network": "conv", "hidden": 8, "latent_dim": 5}),
    ((3, 19, 30), {"network": "conv", "hidden": 8}),
]


@pytest.mark.parametrize(("shape", "values"), CONFIGURATIONS)
@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_each_players_loss_moves_all_of_it_and_nothing_else(shape, values, player):
    torch.manual_seed(0)
    model = GAN(shape, **values)
    x, y = random.randn(6, *shape, rng=random.generator(0)), torch.arange(6) % 3
    with only(model, player):
        model.loss(x, y, player=player, rng=random.generator(1))["loss"].backward()
    for name, part in model.players().items():
        for parameter in part.parameters():
            if name == player:
                assert parameter.grad.isfinite().all()
                assert parameter.requires_grad
            else:
                assert parameter.grad is None


def test_the_discriminators_turn_leaves_the_generator_alone_even_unasked():
    model = GAN((2,), hidden=8)
    model.loss(random.randn(4, 2), player="discriminator")["loss"].backward()
    assert all(p.grad is None for p in model.generator.parameters())


@pytest.mark.parametrize(("shape", "values"), CONFIGURATIONS)
def test_samples_have_the_shape_and_range_of_the_data(shape, values):
    model = GAN(shape, **values)  # in training mode: sampling must not use or change a batch's statistics
    before = {k: v.clone() for k, v in model.state_dict().items()}
    for n in (0, 1, 5):
        x = model.sample(n, rng=random.generator(0))
        assert x.shape == (n, *shape)
        assert x.dtype == torch.float32
        if len(shape) == 3:
            assert ((x >= 0) & (x <= 1)).all()
    assert model.training
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert torch.equal(model.sample(5, rng=random.generator(0)), model.sample(5, rng=random.generator(0)))


@pytest.mark.parametrize(("shape", "values"), CONFIGURATIONS)
def test_saved_and_loaded_is_the_same(shape, values, tmp_path):
    model = GAN(shape, **values)
    x, y = random.randn(6, *shape, rng=random.generator(0)), torch.arange(6) % 3
    for player in model.players():  # moves the running statistics
        model.loss(x, y, player=player, rng=random.generator(1))
    model.save(tmp_path)
    again = load(tmp_path)
    assert again.config == model.config
    model.eval()
    labels = y if model.classes else None
    assert torch.equal(again.critic(x, labels), model.critic(x, labels))
    assert torch.equal(again.sample(4, rng=random.generator(0)), model.sample(4, rng=random.generator(0)))


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (points(), {"spectral": True, "hidden": 16, "d_steps": 2}),
        (images(), {"network": "mlp", "hidden": 8}),  # batch normalization and dropout
        (images(), {"network": "conv", "hidden": 16, "spectral": True, "classes": 3}),
        (points(), RELATIVISTIC | {"network": "mlp"}),
        (images(), RELATIVISTIC | {"classes": 3}),
    ],
)
def test_resumed_is_bit_for_bit_never_stopped(data, values):
    settings = Settings(steps=7, batch_size=16, ema=0.9)
    never_paused(lambda: Training(GAN(data.shape, **values), data, settings), at=3)


def test_spectral_normalization_bounds_every_layer():
    model = GAN((2,), spectral=True, hidden=32)
    for parameter in model.discriminator.parameters():
        parameter.data *= 5
    for _ in range(50):  # power iterations
        model.discriminator(random.randn(4, 2))
    for layer in model.discriminator.modules():
        if isinstance(layer, torch.nn.Linear):
            assert torch.linalg.matrix_norm(layer.weight, 2).item() == pytest.approx(1, abs=1e-3)


def test_labels_change_what_is_drawn_and_what_is_believed():
    model = GAN((2,), classes=3, hidden=16).eval()
    x = random.randn(3, 2, rng=random.generator(0))
    zero, one = torch.zeros(3, dtype=torch.int64), torch.ones(3, dtype=torch.int64)
    assert not torch.equal(model.critic(x, zero), model.critic(x, one))
    a, b = (model.sample(3, y=y, rng=random.generator(0)) for y in (zero, one))
    assert not torch.equal(a, b)
    with pytest.raises(BadInput, match="labels y"):
        model.critic(x)
    with pytest.raises(BadInput, match="3 to 3 are not those of a model with classes = 3"):
        model.sample(3, y=one + 2)
    with pytest.raises(BadInput, match=r"Labels of shape \(2,\) for 3 examples"):
        model.sample(3, y=one[:2])


def test_convolutions_are_for_images():
    with pytest.raises(BadInput, match="use mlp"):
        GAN((2,), network="conv")


def test_the_discriminator_learns_p_over_p_plus_q():
    """Against a generator that stands still, D(x) approaches p / (p + q) of two known Gaussians.

    Whatever the initialization: three seeds ended 0.007 to 0.016 away on average, a third of the bar.
    """
    torch.manual_seed(0)
    model = GAN((2,), hidden=32, latent_dim=2)
    model.generator = torch.nn.Identity()  # q = N(0, I)
    rng, optimizer = random.generator(0), torch.optim.Adam(model.discriminator.parameters(), lr=3e-3)
    shift = torch.tensor([1.0, 0.0])
    for _ in range(400):
        optimizer.zero_grad()
        model.loss(random.randn(256, 2, rng=rng) + shift, player="discriminator", rng=rng)["loss"].backward()
        optimizer.step()
    x = random.randn(500, 2, rng=rng)
    best = (x[:, 0] - 0.5).sigmoid()  # log p − log q = x·shift − ‖shift‖²/2
    belief = model.belief(model.critic(x)).detach()
    assert (belief - best).abs().mean() < 0.05


# Relativistic pairs, and penalties ------------------------------------------------------------------------------------


def pairs_loss(s, p, q):
    """The relativistic loss where each cell has a score of its own: over all pairs, not over a batch of them."""
    real, fake = s[:, None].expand(-1, len(s)), s[None, :].expand(len(s), -1)
    each = torch.func.vmap(torch.func.vmap(lambda a, b: discriminator_loss("relativistic", a, b)))(real, fake)
    return (p[:, None] * q * each).sum()


def test_the_best_relativistic_score_is_the_log_ratio_up_to_any_constant():
    p, q = (density[::4] / density[::4].sum() for density in densities())
    s = ((p / q).log() + 3.0).requires_grad_()
    loss = pairs_loss(s, p, q)
    (slope,) = torch.autograd.grad(loss, s)
    assert slope.abs().max() < 1e-12
    one, other = p[:, None] * q, q[:, None] * p
    half = (one + other) / 2
    js = ((one * (one / half).log()).sum() + (other * (other / half).log()).sum()) / 2
    assert loss.item() == pytest.approx(math.log(2) - js.item(), rel=1e-10)


def test_a_constant_added_to_the_scores_changes_nothing_relativistic():
    real, fake = random.randn(2, 50, rng=random.generator(0)).double()
    for c in (-7.0, 100.0):
        here, there = (discriminator_loss("relativistic", real + d, fake + d) for d in (0.0, c))
        torch.testing.assert_close(here, there)
    model = GAN((2,), **RELATIVISTIC).double()
    x = random.randn(64, 2, rng=random.generator(1)).double()
    push = generator_push(model, x)
    model.discriminator.score.bias.data += 5
    torch.testing.assert_close(generator_push(model, x), push)


def generator_push(model, x):
    """The gradient of the generator's loss in all its weights."""
    loss = model.loss(x, player="generator", rng=random.generator(2))["loss"]
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.generator.parameters()))])


def test_where_samples_are_data_a_flat_discriminator_moves_nobody():
    """The game's fixed point: equal distributions and s constant, with penalties and without."""
    model = GAN((2,), **RELATIVISTIC | {"network": "mlp"}).double()
    for parameter in (model.discriminator.score.weight, model.discriminator.score.bias):
        torch.nn.init.zeros_(parameter)
    rng = random.generator(0)
    z = random.randn(32, model.latent_dim, rng=random.generator(5)).double()
    model.noise = lambda x, rng: z
    x = model.generate(z).detach()  # data and samples are the same points
    for player in model.players():
        with only(model, player):
            loss = model.loss(x, player=player, rng=rng)["loss"]
            weights = [w for w in model.players()[player].parameters() if w.requires_grad]
            gradients = torch.autograd.grad(loss, weights, allow_unused=True)
        assert loss.item() == pytest.approx(math.log(2))
        assert all(g is None or g.abs().max() < 1e-12 for g in gradients), player


def test_the_penalties_are_half_the_squared_slopes_and_so_are_their_gradients():
    """Against the full Jacobian, and the second derivative by differences, float64."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Softplus(), torch.nn.Linear(8, 1)).double()
    score = lambda x: net(x).squeeze(1)  # noqa: E731
    x = random.randn(5, 3, rng=random.generator(0)).double()
    jacobian = torch.autograd.functional.jacobian(score, x)  # (5, 5, 3), a diagonal of slopes
    s, half = penalized(score, x)
    torch.testing.assert_close(half, 0.5 * jacobian.diagonal(dim1=0, dim2=1).T.square().sum(1))
    torch.testing.assert_close(s, score(x))
    (slope,) = torch.autograd.grad(half.mean(), net[0].weight)
    direction, step = random.randn(8, 3, rng=random.generator(1)).double(), 1e-5
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            net[0].weight += sign * step * direction
        values.append(penalized(score, x)[1].mean().item())
        with torch.no_grad():
            net[0].weight -= sign * step * direction
    assert (slope * direction).sum().item() == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-6)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_loss_is_the_objectives_and_its_weights_times_the_penalties(objective):
    values = RELATIVISTIC | {"objective": objective, "network": "mlp"}
    x, losses = random.randn(16, 2, rng=random.generator(0)).double(), []
    for weights in ({}, {"r1": 0.0, "r2": 0.0}):
        torch.manual_seed(0)
        model = GAN((2,), **values | weights).double().eval()
        terms = model.loss(x, player="discriminator", rng=random.generator(1))
        losses.append(terms["loss"].item())
        if not weights:
            penalties = values["r1"] * terms["R1"].item() + values["r2"] * terms["R2"].item()
            R1 = penalized(model.critic, x)[1].mean().item()
            assert terms["R1"].item() == pytest.approx(R1, rel=1e-9)  # of data; R2 of samples
            assert terms["R2"].item() != pytest.approx(R1, rel=1e-3)
    assert terms.keys().isdisjoint({"R1", "R2"})
    assert penalties > 0
    assert losses[0] - losses[1] == pytest.approx(penalties, rel=1e-9)


def test_the_constant_of_a_relativistic_discriminator_makes_its_belief_a_probability():
    """The loss leaves it open; the last bias finds it: D is then ½ on average over data and samples."""
    model = GAN((2,), **RELATIVISTIC).double().eval()
    model.discriminator.score.bias.data += 4
    x = random.randn(64, 2, rng=random.generator(0)).double() + 1
    bias = model.discriminator.score.bias
    optimizer = torch.optim.SGD([bias], lr=1.0)
    for _ in range(300):
        optimizer.zero_grad()
        terms = model.loss(x, player="discriminator", rng=random.generator(1))
        terms["loss"].backward(inputs=[bias])
        optimizer.step()
    assert (terms["D(real)"] + terms["D(fake)"]).item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("weight", [0.0, 0.4])
def test_the_smallest_gan_goes_round_without_a_penalty_and_comes_to_rest_with_one(weight):
    """Mescheder et al. (2018): the steps are those of the losses, and near the end each multiplies by √(1 − ηγ)."""
    rate = 0.2
    theta, psi = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (1.0, 0.0))
    for there in dirac(weight, rate=rate, steps=20)[1:]:
        score = lambda x: psi * x[:, 0]  # noqa: B023, E731
        at = torch.zeros(1, 1, dtype=torch.float64)
        s, half = penalized(score, at)
        loss = discriminator_loss("relativistic", s, psi * theta.detach()[None]) + weight * half.mean()
        (slope,) = torch.autograd.grad(loss, psi)
        psi = (psi.detach() - rate * slope).requires_grad_()
        (slope,) = torch.autograd.grad(generator_loss("relativistic", psi.detach() * theta), theta)
        theta = (theta.detach() - rate * slope).requires_grad_()
        assert (theta.item(), psi.item()) == pytest.approx(tuple(there), abs=1e-12)
    near = dirac(weight, rate=rate, steps=2000, start=(1e-4, 0.0))
    radius = np.linalg.norm(near, axis=1)
    if weight:
        rates = (radius[500] / radius[100]) ** (1 / 400)
        assert rates == pytest.approx(math.sqrt(1 - rate * weight), rel=0.01)
    else:
        assert 0.9 * radius[0] < radius.min() <= radius.max() < 1.2 * radius[0]


def test_a_residual_network_begins_as_a_linear_one_and_learns_at_every_layer():
    for shape in ((2,), (1, 28, 28)):
        model = GAN(shape, **RELATIVISTIC)
        for block in (part for part in model.discriminator.modules() if isinstance(part, Block)):
            h = random.randn(3, *((16,) if len(shape) == 1 else (block.branch[0].in_features, 7, 7)))
            assert torch.equal(block(h), h)
    with pytest.raises(BadInput, match="spectral = true is for network = mlp or conv"):
        GAN((2,), network="residual", spectral=True)

"""What the pages show of adversarial models: each picture is of what it says."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.instruments import codes
from genmodels.instruments.examples import some
from genmodels.instruments.gan import divergence
from genmodels.instruments.gan import game as instruments
from genmodels.instruments.plane import cells
from genmodels.metrics.distances import wasserstein1
from genmodels.metrics.floors import chosen
from genmodels.models.bigan import BiGAN
from genmodels.models.gan import GAN
from genmodels.models.wgan import WGAN
from genmodels.nn.adversarial import Critic


@pytest.fixture(scope="module")
def data() -> datasets.Data:
    return datasets.load("eight-gaussians")


def made(cls, shape=(2,), **arguments):
    torch.manual_seed(0)
    return cls(shape, **{"hidden": 16, "latent_dim": 2} | arguments).eval()


class Normal(torch.nn.Module):
    """A generator whose density is known: N(mu, sigma² I)."""

    def __init__(self, mu, sigma):
        super().__init__()
        self.mu, self.sigma = torch.tensor(mu), sigma

    def forward(self, z):
        return self.mu + self.sigma * z


@pytest.mark.parametrize("cls", [GAN, BiGAN])
def test_the_surface_is_the_belief_at_each_point(cls):
    model = made(cls)
    found = instruments.surface(model, 2.0, side=5)
    assert found.values.shape == (5, 5)
    assert ((found.values > 0) & (found.values < 1)).all()
    point = torch.tensor([[-1.6, 0.8]])  # the middle of the first cell of the fourth row
    assert found.values[3, 0] == pytest.approx(model.belief(model.critic(point)).item(), rel=1e-5)
    assert (found.middle, found.name) == (0.5, "D(x)")


def test_the_critics_surface_is_its_score_up_to_a_constant():
    model = made(WGAN, classes=3)
    found = instruments.surface(model, 2.0, side=5, label=1)
    assert found.values.mean() == pytest.approx(0, abs=1e-6)
    y = torch.tensor([1, 1])
    scores = model.critic(torch.tensor([[-1.6, -1.6], [1.6, 1.6]]), y)
    assert found.values[4, 4] - found.values[0, 0] == pytest.approx((scores[1] - scores[0]).item(), abs=1e-5)
    with pytest.raises(BadInput, match="label = 3"):
        instruments.surface(model, 2.0, label=3)


@pytest.mark.parametrize("cls", [GAN, WGAN, BiGAN])
def test_a_small_move_along_the_arrows_lowers_the_generators_loss(cls, data):
    model = made(cls)
    at, push = instruments.arrows(model, data, 20)
    z = random.randn(20, 2, rng=random.generator(0))
    x = model.generate(z)
    np.testing.assert_allclose(at, x.detach().numpy())

    def loss(points):
        return model.generator_loss(model.fake_scores(points, z)).detach().numpy()

    push = torch.as_tensor(push)
    step = 1e-2 / push.norm(dim=1, keepdim=True)
    assert (loss(x + step * push) < loss(x)).all()
    fall = (loss(x) - loss(x + step * push)) / 1e-2
    assert np.median(np.abs(fall / push.norm(dim=1).numpy() - 1)) < 0.01  # where no kink is near, the slope


@pytest.mark.parametrize("classes", [0, 8])
def test_relativistic_arrows_are_the_mean_over_examples_and_of_the_same_class(classes, data):
    """By hand: −∂/∂x of the mean of log(1 + exp(s(x′) − s(x))) over test examples x′."""
    model = made(GAN, objective="relativistic", classes=classes)
    label = 3 if classes else None
    at, push = instruments.arrows(model, data, 7, label=label)
    x, y = some(model, data, 256)
    x, y = (x[y == label], y[y == label]) if classes else (x, None)
    points = torch.as_tensor(at).requires_grad_()
    own = torch.full((7,), 3) if classes else None
    with torch.no_grad():
        rivals = model.critic(x, y)
    loss = torch.log1p((rivals[None] - model.critic(points, own)[:, None]).exp()).mean(1).sum()
    (slope,) = torch.autograd.grad(loss, points)
    assert np.abs(push).max() > 0
    np.testing.assert_allclose(push, -slope.numpy(), rtol=1e-4, atol=1e-8)


def test_a_wgans_arrows_are_the_slope_of_the_critic(data):
    model = made(WGAN)
    x = torch.as_tensor(instruments.arrows(model, data, 7)[0]).requires_grad_()
    (slope,) = torch.autograd.grad(model.critic(x).sum(), x)
    np.testing.assert_allclose(instruments.arrows(model, data, 7)[1], slope.numpy(), rtol=1e-5)


def js_of_normal(data, mu, sigma):
    """JS(p, q) of the data and N(mu, sigma² I), by a fine sum over the plane."""
    axis = torch.linspace(-5, 5, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    log_p = data.log_prob(grid).double()
    log_q = -(grid - torch.tensor(mu).double()).square().sum(1) / (2 * sigma**2) - math.log(2 * math.pi * sigma**2)
    middle = torch.logaddexp(log_p, log_q) - math.log(2)
    return 0.5 * sum(float((log.exp() * (log - middle)).sum()) for log in (log_p, log_q)) * (10 / 800) ** 2


@pytest.mark.parametrize(("mu", "sigma"), [([0.5, 0.0], 1.0), ([3.0, 0.0], 0.2)])
def test_the_best_discriminator_is_right_for_a_known_generator_and_its_divergence_a_bound(data, mu, sigma):
    model = made(GAN)
    model.generator = Normal(mu, sigma)
    surface, bound = divergence.best_discriminator(model, data, 3.0, side=40)
    grid = cells(3.0, 40)
    log_q = -(grid - torch.tensor(mu)).square().sum(1) / (2 * sigma**2) - math.log(2 * math.pi * sigma**2)
    exact = (data.log_prob(grid) - log_q).sigmoid().reshape(40, 40).numpy()
    best = surface.values
    shown = np.isfinite(best)
    assert shown.mean() > 0.1
    assert np.abs(best - exact)[shown].mean() < 0.02
    true = js_of_normal(data, mu, sigma)
    assert bound.js < true + 4 * bound.js_se  # a bound, but for the draw
    assert bound.js > 0.85 * true
    assert bound.learned < 2 * true - math.log(4) + 4 * bound.learned_se
    with pytest.raises(BadInput, match="density is known"):
        divergence.best_discriminator(made(GAN, classes=3), data, 2.0)


@pytest.mark.parametrize("name", ["eight-gaussians", "gaussian-grid", "pinwheel", "checkerboard"])
def test_the_divergence_of_a_perfect_generator_is_nought_within_its_error(name):
    """More than four standard errors above 0 would be chance once in 30,000; below 0 is none."""
    data, model = datasets.load(name), made(GAN)
    model.sample = lambda n, rng=None: data.plane.sample(n, random.generator(2))
    _, bound = divergence.best_discriminator(model, data, 2.2, side=10)
    assert 0 <= bound.js <= 4 * bound.js_se + 1e-9
    assert bound.js_se < 0.01


def test_a_value_is_a_mean_with_its_standard_error():
    real, fake = random.rand(2, 4000, rng=random.generator(0)).double().clamp(0.01, 0.99)
    found, error = divergence.value(real, fake)
    assert found == pytest.approx((real.log().mean() + (1 - fake).log().mean()).item())
    means = [
        divergence.value(*pair)[0] for pair in zip(real.view(40, 100), fake.view(40, 100), strict=True)
    ]  # of 40 parts: their spread is √40 times the error of all, ± 11 %
    assert np.std(means) / math.sqrt(40) == pytest.approx(error, rel=0.5)


def test_neighbours_are_counted_and_far_from_all_nothing_is_known():
    real, fake = torch.zeros(3, 2), torch.tensor([[1.0, 0.0]])
    found = divergence.neighbours(real, fake, torch.tensor([[0.0, 0.0], [1.0, 0.0], [50.0, 0.0]]))
    narrow = torch.tensor([3.5 / 4, 0.5 / 2, 0.5], dtype=torch.float64)
    torch.testing.assert_close(found[0], narrow)
    near = math.exp(-1 / (2 * divergence.WIDTHS[-1] ** 2))
    assert found[-1, 0].item() == pytest.approx(3.5 / (4 + near), rel=1e-5)


def test_a_kernel_estimate_integrates_to_one_and_knows_its_kernel():
    axis = torch.linspace(-4, 4, 161)
    grid = torch.cartesian_prod(axis, axis)
    density = divergence.kde(random.randn(100, 2, rng=random.generator(0)) * 0.5, grid, 0.2).exp()
    assert density.sum() * 0.05**2 == pytest.approx(1, abs=1e-3)
    one = divergence.kde(torch.zeros(1, 2), torch.tensor([[0.0, 0.2]]), 0.2)
    assert one.item() == pytest.approx(-math.log(2 * math.pi * 0.04) - 0.5)


def test_the_slopes_of_a_critic_on_a_plane_are_its_length(data):
    model = made(WGAN)
    model.critic = Critic(torch.nn.Identity(), 2)
    model.critic.score.weight.data = torch.tensor([[0.6, 0.9]])
    found = instruments.slopes(model, data, 50)
    np.testing.assert_allclose(found, np.full((3, 50), math.hypot(0.6, 0.9)), rtol=1e-5)


@pytest.mark.parametrize("cls", [GAN, WGAN, BiGAN])
def test_slopes_of_images_too_and_no_gradient_is_left_behind(cls):
    digits = datasets.load("digits")
    model = made(cls, (1, 8, 8), classes=10)
    found = instruments.slopes(model, digits, 30)
    assert found.shape == (3, 30)
    assert all(p.grad is None for p in model.parameters())
    assert set(instruments.numbers(model, digits, 30)) >= {f"{player}_loss" for player in model.players()}


def test_coverage_of_the_data_by_itself_is_full_and_as_far_as_the_floor(data):
    model = made(WGAN)
    fresh = data.plane.sample(400, random.generator(1))
    model.sample = lambda n, y=None, rng=None: fresh[:n]
    found = instruments.coverage(model, data)
    assert (found.modes.covered, found.modes.of) == (8, 8)
    assert found.modes.close > 0.95
    mean, spread = instruments.w1_floor(data)
    assert abs(found.w1 - mean) < 6 * spread
    assert found.sliced < found.w1
    model.sample = lambda n, y=None, rng=None: torch.tensor([[1.4, 0.0]]).repeat(n, 1)
    collapsed = instruments.coverage(model, data)
    assert collapsed.modes.covered == 1
    assert collapsed.w1 > 5 * found.w1
    assert instruments.coverage(model, datasets.load("two-moons")).modes is None
    assert math.isnan(instruments.coverage(made(GAN), data).estimate)


def test_the_estimate_and_the_exact_distance_are_of_the_same_points(data):
    """A shift by v, and the critic that is best for it: what it finds is |v|, exactly."""
    model = made(WGAN)
    v = torch.tensor([0.6, 0.8])
    model.critic = Critic(torch.nn.Identity(), 2)
    model.critic.score.weight.data = v[None]
    real = chosen(data.test, 400, 0).x
    model.sample = lambda n, y=None, rng=None: real - v
    found = instruments.coverage(model, data)
    assert found.estimate == pytest.approx(1, rel=1e-4)
    assert found.flow == pytest.approx(1, rel=1e-4)  # no penalty
    assert found.w1 == pytest.approx(1, rel=1e-4)
    model.critic.score.weight.data = 2 * v[None]
    found = instruments.coverage(model, data)
    assert found.estimate == pytest.approx(2, rel=1e-4)
    assert found.flow == pytest.approx(2 - 2 * 10.0 * (2 - 1) ** 2, rel=1e-4)
    model.penalty = "clip"
    assert math.isnan(instruments.coverage(model, data).flow)


def test_of_a_conditional_model_the_distance_and_the_floor_are_of_each_class():
    """Each label's samples are the other's data: together they are near, each class by itself is not."""
    data, model = datasets.load("two-moons"), made(WGAN, classes=2)
    other = {k: data.train.x[data.train.y == 1 - k] for k in (0, 1)}

    def swapped(n, y=None, rng=None):
        return torch.stack([other[int(k)][i] for i, k in enumerate(y)])

    model.sample = swapped
    found = instruments.coverage(model, data)
    fake, real, y = instruments.pairs(model, data)
    each = [(y == k).float().mean().item() * wasserstein1(fake[y == k], real[y == k]) for k in (0, 1)]
    assert found.w1 == pytest.approx(sum(each))
    assert found.w1 > 5 * wasserstein1(fake, real)
    model.sample = lambda n, y=None, rng=None: torch.stack([other[1 - int(k)][i] for i, k in enumerate(y)])
    mean, spread = instruments.w1_floor(data, by_class=True)
    assert abs(instruments.coverage(model, data).w1 - mean) < 6 * spread


def test_what_is_measured_does_not_hang_on_the_order_of_the_test_set(data):
    """Of a test set sorted along the first axis the first 400 are its left end; these are as good as of one in none."""
    order = data.test.x[:, 0].argsort()
    test = datasets.Split(data.test.x[order], data.test.y[order])
    ordered = dataclasses.replace(data, test=test)
    x = chosen(test, 400, 0).x
    se = test.x.std(0) / math.sqrt(400)
    assert ((x.mean(0) - test.x.mean(0)).abs() < 4 * se).all()
    (mean, spread), (usual, about) = instruments.w1_floor(ordered), instruments.w1_floor(data)
    assert abs(mean - usual) < 4 * math.hypot(spread, about)


def test_a_map_is_the_generator_on_a_grid_of_noise(data):
    model = made(GAN, (1, 8, 8), latent_dim=3, classes=4)
    found = codes.latent_map(model, 5, label=2)
    assert found.x.shape == (5, 5, 1, 8, 8)
    mass = torch.distributions.Normal(0, 1).cdf(torch.as_tensor(np.stack(found.axes)))
    torch.testing.assert_close(mass, torch.linspace(0.02, 0.98, 5, dtype=torch.float64).expand(2, 5))
    z = torch.tensor([[found.axes[0][1], found.axes[1][4], 0.0]]).float()  # the second column of the last row
    expected = model.decode(z, torch.tensor([2]))[0].detach().numpy()
    np.testing.assert_allclose(found.x[4, 1], expected, atol=1e-6)
    assert codes.latent_map(made(GAN, latent_dim=1), 3).x.shape == (3, 3, 2)
    with pytest.raises(BadInput, match="label = 4"):
        codes.latent_map(model, 5, label=4)


def test_arcs_keep_their_length_and_lines_do_not():
    a, b, t = torch.tensor([2.0, 0.0, 0.0]), torch.tensor([0.0, 2.0, 0.0]), torch.linspace(0, 1, 5)
    arc, line = codes.spherical(a, b, t), codes.linear(a, b, t)
    torch.testing.assert_close(arc.norm(dim=1), torch.full((5,), 2.0))
    torch.testing.assert_close(line[2], torch.tensor([1.0, 1.0, 0.0]))
    for way in (arc, line):
        torch.testing.assert_close(way[0], a)
        torch.testing.assert_close(way[-1], b, atol=1e-6, rtol=0)
    torch.testing.assert_close(arc[1], torch.tensor([2 * math.cos(math.pi / 8), 2 * math.sin(math.pi / 8), 0.0]))
    torch.testing.assert_close(codes.spherical(a, 2 * a, t), codes.linear(a, 2 * a, t))


def test_a_path_goes_from_one_seeds_sample_to_the_others_within_a_class():
    digits, model = datasets.load("digits"), made(GAN, (1, 8, 8), latent_dim=4, classes=10)
    film = codes.path(model, digits, 3, 7, frames=6, label=5)
    assert film.shape == (6, 1, 8, 8)
    z = random.randn(4, rng=random.generator(7))
    expected = model.decode(z[None], torch.tensor([5]))[0].detach().numpy()
    np.testing.assert_allclose(film[-1], expected, atol=1e-5)


def test_a_path_of_who_encodes_goes_from_one_example_to_another():
    digits, model = datasets.load("digits"), made(BiGAN, (1, 8, 8), latent_dim=4)
    film = codes.path(model, digits, 3, 7, frames=6, arc=True)
    x = digits.prepare(digits.test.x[[3, 7]], model.inputs, random.generator(0))
    ends = model.decode(model.encode(x)).detach().numpy()
    np.testing.assert_allclose(film[[0, -1]], ends, atol=1e-5)


def test_pictures_of_the_plane_refuse_images(data):
    for instrument in (lambda model: instruments.arrows(model, data), lambda model: instruments.surface(model, 2.0)):
        with pytest.raises(BadInput, match="points of the plane"):
            instrument(made(GAN, (1, 8, 8)))

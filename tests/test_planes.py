"""The densities on the plane: normalised, sampled as they say, and each equal to what it claims to be."""

import functools
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import integrate, stats
from torch import Tensor

from genmodels import random
from genmodels.data import planes
from genmodels.data.planes import PLANES, Curves
from genmodels.errors import BadInput

NAMES = tuple(PLANES)
LETTER = [[[0.2, 0.8], [0.2, 0.2], [0.7, 0.2]], [[0.8, 0.8]]]  # an L and a dot


def lattice(half: float, n: int) -> tuple[Tensor, float]:
    """The middles of n × n cells of [-half, half]², float64 (n², 2), and the area of a cell."""
    step = 2 * half / n
    places = -half + step * (torch.arange(n, dtype=torch.float64) + 0.5)
    return torch.cartesian_prod(places, places), step**2


@functools.cache
def truth(name: str) -> tuple[Tensor, float]:
    """The log-density on a lattice whose step is half the narrowest sigma, so that a sum over it is the integral."""
    x, area = lattice(4.0, 232)  # no cell crosses an edge of the checkerboard
    return PLANES[name]().log_prob(x), area


def draw(name: str, n: int, seed: int = 1) -> Tensor:
    return PLANES[name]().sample(n, random.generator(seed))


@pytest.mark.parametrize("name", NAMES)
def test_the_density_integrates_to_one(name: str) -> None:
    log_p, area = truth(name)
    assert (log_p.exp().sum() * area).item() == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_distributed_as_the_density_says(name: str) -> None:
    plane, n, bins, fine = PLANES[name](), 20_000, 20, 10
    x, area = lattice(plane.extent, bins * fine)
    mass = (plane.log_prob(x).exp() * area).view(bins, fine, bins, fine).sum((1, 3)).numpy()
    square = [(-plane.extent, plane.extent)] * 2
    seen, _ = np.histogramdd(draw(name, n).double().numpy(), bins=bins, range=square)
    many = mass * n >= 5  # Pearson's rule; the rest and what lies outside are one cell more
    observed = np.append(seen[many], n - seen[many].sum())
    expected = np.append(mass[many], 1 - mass[many].sum()) * n
    if expected[-1] < 5:
        observed, expected = observed[:-1], expected[:-1] * observed[:-1].sum() / expected[:-1].sum()
    assert stats.chisquare(observed, expected).pvalue > 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_the_mean_log_density_of_samples_is_the_negative_entropy(name: str) -> None:
    plane, n = PLANES[name](), 20_000
    log_p, area = truth(name)
    negative_entropy = torch.special.xlogy(log_p.exp(), log_p.exp()).sum() * area
    of_samples = plane.log_prob(draw(name, n, seed=2).double())
    assert of_samples.isfinite().all()
    assert of_samples.mean().item() == pytest.approx(
        negative_entropy.item(), abs=4 * of_samples.std().item() / math.sqrt(n) + 1e-9
    )


@pytest.mark.parametrize("name", NAMES)
def test_samples_fit_the_picture_and_have_about_unit_variance(name: str) -> None:
    plane, x = PLANES[name](), draw(name, 20_000)
    assert (x.abs() <= plane.extent).all(1).double().mean() > 0.999
    assert 0.7 < x.var(0).mean() < 1.4
    assert x.mean(0).abs().max() < 0.4


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_draws_the_same_points_each_with_its_part(name: str) -> None:
    plane = PLANES[name]()
    x, y = plane.draw(1_000, random.generator(3))
    again, _ = plane.draw(1_000, random.generator(3))
    assert torch.equal(x, again)
    assert not torch.equal(x, plane.sample(1_000, random.generator(4)))
    assert (x.dtype, x.shape) == (torch.float32, (1_000, 2))
    assert (y.dtype, y.shape) == (torch.int64, (1_000,))
    assert sorted(y.unique().tolist()) == list(range(max(1, len(plane.classes))))
    assert plane.sample(1, random.generator(0)).shape == (1, 2)


@pytest.mark.parametrize("name", NAMES)
def test_the_density_keeps_the_precision_of_its_points(name: str) -> None:
    plane, x = PLANES[name](), draw(name, 500)
    single, double = plane.log_prob(x), plane.log_prob(x.double())
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    assert single.shape == (500,)
    torch.testing.assert_close(single.double(), double, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "checkerboard"])
def test_the_score_is_the_slope_of_the_log_density(name: str) -> None:
    x = draw(name, 20).double().requires_grad_()
    assert torch.autograd.gradcheck(PLANES[name]().log_prob, (x,))


@pytest.mark.parametrize(("name", "n"), [("eight-gaussians", 8), ("gaussian-grid", 25)])
def test_modes_are_told_apart_and_equally_likely(name: str, n: int) -> None:
    plane = PLANES[name]()
    assert plane.modes is not None
    assert torch.pdist(plane.modes).min() > 6 * plane.sigma
    x, y = plane.draw(20_000, random.generator(5))
    nearest = torch.cdist(x.double(), plane.modes).argmin(1)
    assert (nearest == y).double().mean() > 0.999
    assert stats.chisquare(y.bincount(minlength=n).numpy()).pvalue > 1e-4


def test_a_mixture_of_gaussians_is_the_one_of_torch() -> None:
    plane = planes.eight_gaussians()
    assert plane.modes is not None
    components = torch.distributions.MultivariateNormal(plane.modes, 0.14**2 * torch.eye(2, dtype=torch.float64))
    mixture = torch.distributions.MixtureSameFamily(torch.distributions.Categorical(torch.ones(8)), components)
    x, _ = lattice(2.0, 20)
    torch.testing.assert_close(plane.log_prob(x), mixture.log_prob(x))


def test_many_points_at_once_are_as_few_at_a_time() -> None:
    x, _ = lattice(2.0, 30)
    plane = planes.two_moons()
    t, weights = planes._gauss_legendre(128)
    nodes = torch.cat([curve(t) for curve in plane.curves])
    few = planes._log_mixture(x, nodes, weights.repeat(2) / 2, plane.sigma, at_once=1_000)
    torch.testing.assert_close(plane.log_prob(x), few)


@pytest.mark.parametrize("make", [planes.two_moons, planes.swiss_roll])
def test_the_quadrature_along_a_curve_has_converged(make: Callable[[], Curves]) -> None:
    plane, (x, _) = make(), lattice(3.0, 60)
    coarse = plane.log_prob(x)
    plane.nodes *= 2
    torch.testing.assert_close(coarse, plane.log_prob(x), atol=1e-9, rtol=0)


@pytest.mark.parametrize("make", [planes.two_moons, planes.swiss_roll])
def test_the_density_along_a_curve_is_what_an_independent_integrator_finds(make: Callable[[], Curves]) -> None:
    plane = make()
    for point in plane.sample(3, random.generator(1)).double():

        def density(t: float, curve: int, point: Tensor = point) -> float:
            c = plane.curves[curve](torch.tensor([t], dtype=torch.float64))[0]
            return float((-(point - c).square().sum() / (2 * plane.sigma**2)).exp() / (2 * math.pi * plane.sigma**2))

        parts = [integrate.quad(density, 0, 1, args=(k,), limit=200)[0] for k in range(len(plane.curves))]
        assert plane.log_prob(point[None]).exp() == pytest.approx(np.mean(parts), rel=1e-7)


def test_the_ring_is_the_integral_over_its_directions() -> None:
    ring, (x, _) = planes.Ring(radius=1.0, sigma=0.3), lattice(2.5, 30)
    angles = 2 * math.pi * torch.arange(200, dtype=torch.float64) / 200  # periodic: the trapezoid rule is exact
    centres = torch.stack([angles.cos(), angles.sin()], 1)
    component = torch.distributions.MultivariateNormal(centres, 0.09 * torch.eye(2, dtype=torch.float64))
    expected = component.log_prob(x[:, None]).logsumexp(1) - math.log(200)
    torch.testing.assert_close(ring.log_prob(x), expected)


def test_the_twist_of_the_pinwheel_preserves_area_and_is_undone() -> None:
    plane = planes.Pinwheel()
    v = torch.randn(50, 2, dtype=torch.float64, generator=random.generator(6))
    jacobians = torch.func.vmap(torch.func.jacrev(lambda one: plane.twisted(one[None])[0]))(v)
    torch.testing.assert_close(torch.linalg.det(jacobians), torch.ones(50, dtype=torch.float64))
    torch.testing.assert_close(plane.twisted(plane.twisted(v), -1), v)


def test_the_pinwheel_turned_by_one_arm_is_itself() -> None:
    plane, (x, _) = planes.Pinwheel(), lattice(2.0, 20)
    turned = planes._rotated(x, torch.tensor(2 * math.pi / 5, dtype=torch.float64))
    torch.testing.assert_close(plane.log_prob(turned), plane.log_prob(x))


def test_the_checkerboard_is_flat_on_dark_squares_and_nothing_elsewhere() -> None:
    board = planes.Checkerboard()
    x = torch.tensor([[-1.5, -1.5], [-0.5, -1.5], [0.5, 1.5], [0.5, -0.5], [1.5, 1.5], [2.5, 0.5], [-2.5, -2.5]])
    flat, nothing = -math.log(8), -math.inf
    assert board.log_prob(x).tolist() == pytest.approx([flat, nothing, nothing, nothing, flat, nothing, nothing])


# Drawings ---------------------------------------------------------------------------------------------------------


def test_a_straight_stroke_is_evenly_inked() -> None:
    plane = planes.drawing([[[0.1, 0.5], [0.3, 0.5], [0.9, 0.5]]], width=0.02)
    along = torch.linspace(-1.0, 1.0, 101, dtype=torch.float64)
    middle = plane.log_prob(torch.stack([along, torch.zeros_like(along)], 1))
    sigma, length = 0.08, 3.2  # a uniform line with Gaussian ink across it: N(0; 0, σ²) / length
    expected = -math.log(length * sigma * math.sqrt(2 * math.pi))
    torch.testing.assert_close(middle, torch.full_like(middle, expected), atol=1e-7, rtol=0)


def test_ink_is_shared_by_length_and_each_point_knows_its_stroke() -> None:
    plane = planes.drawing([[[0.1, 0.2], [0.4, 0.2]], [[0.1, 0.8], [0.4, 0.8], [0.7, 0.8], [0.7, 0.8]]])
    x, y = plane.draw(10_000, random.generator(7))
    assert plane.classes == ("stroke 1", "stroke 2")
    assert torch.equal(y, (x[:, 1] > 0).long())
    assert y.double().mean() == pytest.approx(2 / 3, abs=4 * math.sqrt(2 / 9 / 10_000))


def test_any_drawing_is_a_density_that_its_samples_follow() -> None:
    plane = planes.drawing(LETTER, width=0.05)
    x, area = lattice(4.0, 232)
    assert plane.log_prob(x).exp().sum() * area == pytest.approx(1, abs=1e-9)
    samples = plane.sample(20_000, random.generator(8)).double()
    mean = (plane.log_prob(x).exp()[:, None] * x).sum(0) * area
    assert ((samples.mean(0) - mean).abs() < 4 * samples.std(0) / math.sqrt(20_000)).all()


def test_a_dot_is_one_gaussian() -> None:
    plane = planes.drawing([[[0.75, 0.25]]], width=0.1)
    assert plane.log_prob(torch.tensor([[1.0, -1.0]])).item() == pytest.approx(-math.log(2 * math.pi * 0.4**2))


def test_a_scribble_has_a_bounded_number_of_beads() -> None:
    there_and_back = [[0.0, 0.0], [1.0, 1.0]] * 5_000
    assert len(planes.drawing([there_and_back], width=0.005).means) <= 2_001


def test_a_drawing_is_made_again_from_its_arguments() -> None:
    plane = planes.drawing([((0.123456, 0.5), (0.2, 1))], width=0.03)
    again = planes.drawing(**plane.arguments)
    assert again.arguments == plane.arguments == {"strokes": [[[0.1235, 0.5], [0.2, 1.0]]], "width": 0.03}
    assert torch.equal(again.sample(100, random.generator(9)), plane.sample(100, random.generator(9)))


@pytest.mark.parametrize(
    ("strokes", "message"),
    [
        ([], "The drawing is empty"),
        ([[], []], "The drawing is empty"),
        ("strokes", "must be a list of strokes"),
        ({"x": 1}, "must be a list of strokes"),
        ([1, 2], "must be a list of strokes"),
        ([[[0.5, math.nan]]], "not a pair of numbers from 0 to 1"),
        ([[[0.5, math.inf]]], "not a pair of numbers from 0 to 1"),
        ([[[0.5, 1.01]]], "not a pair of numbers from 0 to 1"),
        ([[[0.5, -0.01]]], "not a pair of numbers from 0 to 1"),
        ([[[0.5]]], "not a pair of numbers from 0 to 1"),
        ([[[0.5, 0.5, 0.5]]], "not a pair of numbers from 0 to 1"),
        ([[["0.5", 0.5]]], "not a pair of numbers from 0 to 1"),
        ([[[True, 0.5]]], "not a pair of numbers from 0 to 1"),
        ([[None]], "not a pair of numbers from 0 to 1"),
        ([[[0.5, 0.5]]] * 101, "it may have 100 strokes"),
        ([[[0.5, 0.5]] * 10_001], "10,000 points"),
    ],
)
def test_what_is_no_drawing_is_refused_in_words(strokes: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        planes.drawing(strokes)


@pytest.mark.parametrize("width", [0, 0.004, 0.21, math.nan, math.inf, "0.02", None, True])
def test_a_width_that_is_not_allowed_is_refused(width: object) -> None:
    with pytest.raises(BadInput, match=r"width = .* is not a number from"):
        planes.drawing(LETTER, width)

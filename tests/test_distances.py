"""Distances between samples: closed forms, bounds, and agreement with an independent implementation."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from scipy.stats import wasserstein_distance

from genmodels import random
from genmodels.errors import BadInput
from genmodels.metrics.distances import (
    frechet_distance,
    frechet_gaussians,
    inception_score,
    kid,
    manifolds,
    mmd2,
    modes_covered,
    sliced_wasserstein1,
    wasserstein1,
)
from genmodels.metrics.resampling import standard_errors
from genmodels.metrics.two_sample import classifier_two_sample


def normal(*size, seed=0):
    return random.randn(*size, rng=random.generator(seed)).double()


def precision_recall(real, fake, k=3):
    return manifolds(real, fake, k=k, wide=k)[0]


def density_coverage(real, fake, k=5):
    return manifolds(real, fake, k=k, wide=k)[1]


def covariance(d, seed, rank=None):
    a = normal(d, rank or d, seed=seed)
    return a @ a.T / d


def test_frechet_of_commuting_gaussians_is_the_distance_of_means_and_deviations():
    s1, s2 = torch.tensor([1.0, 2.0, 0.5]), torch.tensor([3.0, 0.1, 0.5])
    mu = torch.tensor([1.0, -2.0, 0.0])
    distance = frechet_gaussians(torch.zeros(3), s1.square().diag(), mu, s2.square().diag())
    assert distance == pytest.approx(5 + (s1 - s2).square().sum().item(), rel=1e-6)


@pytest.mark.parametrize("rank", [None, 2])
def test_frechet_agrees_with_the_matrix_square_root_also_where_it_is_singular(rank):
    c1, c2 = covariance(6, 1, rank), covariance(6, 2, rank)
    root = torch.linalg.eigvals(c1 @ c2).real.clamp_min(0).sqrt().sum()
    ours = frechet_gaussians(torch.zeros(6), c1, torch.zeros(6), c2)
    assert ours == pytest.approx((c1.trace() + c2.trace() - 2 * root).item(), abs=1e-6)
    if rank is None:
        sqrtm = np.trace(scipy.linalg.sqrtm((c1 @ c2).numpy())).real
        assert ours == pytest.approx((c1.trace() + c2.trace()).item() - 2 * sqrtm, rel=1e-9)


def test_frechet_of_more_dimensions_than_rows_is_finite_and_nought_with_itself():
    x = normal(10, 50)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-6)
    assert math.isfinite(frechet_distance(x, normal(10, 50, seed=1)))


def test_frechet_of_moved_data_is_the_squared_move_and_ignores_rotations():
    x, shift = normal(300, 4), torch.tensor([1.0, 2.0, 0.0, -1.0], dtype=torch.float64)
    assert frechet_distance(x, x + shift) == pytest.approx(6, rel=1e-9)
    y, rotation = normal(200, 4, seed=3) * 2, torch.linalg.qr(normal(4, 4, seed=4)).Q
    assert frechet_distance(x @ rotation, y @ rotation) == pytest.approx(frechet_distance(x, y), rel=1e-9)


def test_frechet_and_kernel_distance_agree_with_torchmetrics():
    from torchmetrics.image.fid import _compute_fid
    from torchmetrics.image.kid import poly_mmd

    x, y = normal(400, 8), normal(300, 8, seed=1) * 1.2 + 0.3
    theirs = _compute_fid(x.mean(0), torch.cov(x.T), y.mean(0), torch.cov(y.T)).item()
    assert frechet_distance(x, y) == pytest.approx(theirs, rel=1e-9)
    assert mmd2(x[:300], y) == pytest.approx(poly_mmd(x[:300], y).item(), rel=1e-9)


def test_mmd_is_the_mean_over_pairs_without_the_diagonal():
    x, y = normal(7, 3), normal(5, 3, seed=1)

    def k(a, b):
        return (float(a @ b) / 3 + 1) ** 3

    xx = np.mean([k(x[i], x[j]) for i in range(7) for j in range(7) if i != j])
    yy = np.mean([k(y[i], y[j]) for i in range(5) for j in range(5) if i != j])
    xy = np.mean([k(a, b) for a in x for b in y])
    assert mmd2(x, y) == pytest.approx(xx + yy - 2 * xy, rel=1e-10)


def test_kid_is_unbiased_and_sees_a_difference():
    rng = random.generator(0)
    same = [kid(normal(400, 4, seed=2 * i), normal(400, 4, seed=2 * i + 1), block=100, rng=rng) for i in range(20)]
    means = torch.tensor([one.mean for one in same])
    assert abs(means.mean()) < 3 * means.std() / math.sqrt(20)
    assert min(means) < 0  # an unbiased estimate of zero goes below it
    assert same[0].blocks == 10
    other = kid(normal(400, 4), normal(400, 4, seed=9) + 0.5, block=100, rng=rng)
    assert other.mean > 5 * other.se


def test_kid_of_few_rows_has_blocks_of_two_and_is_reproducible():
    x, y = normal(11, 4), normal(30, 4, seed=1)
    assert kid(x, y, rng=random.generator(5)) == kid(x, y, rng=random.generator(5))
    assert kid(x, y, rng=random.generator(5)).blocks == 5


def test_inception_score_is_one_where_nothing_is_told_and_the_classes_where_all_is():
    assert inception_score(torch.full((50, 10), 0.1)) == pytest.approx(1)
    assert inception_score(torch.eye(10).repeat(5, 1)) == pytest.approx(10)
    assert inception_score(torch.eye(10)[:4]) == pytest.approx(4)


@pytest.mark.filterwarnings("ignore:.*degrees of freedom", "ignore:.*memory footprint")
def test_inception_score_agrees_with_torchmetrics():
    from torchmetrics.image.inception import InceptionScore

    logits = normal(200, 10).float() * 3
    metric = InceptionScore(feature=torch.nn.Identity(), splits=1)
    metric.update(logits)
    assert inception_score(logits.softmax(1)) == pytest.approx(metric.compute()[0].item(), rel=1e-5)


def test_inception_score_refuses_logits():
    with pytest.raises(BadInput, match="sum to one"):
        inception_score(normal(5, 10))


def test_precision_and_recall_by_hand():
    real = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    fake = torch.tensor([[0.5], [100.0], [101.0], [102.0]])
    precision, recall = precision_recall(real, fake, k=1)  # balls of radius 1 round the real points
    assert precision == 0.25
    assert recall == 1.0  # the ball of 0.5 reaches to 100: one outlier of the samples covers everything
    precision, recall = precision_recall(real, fake[1:], k=1)
    assert (precision, recall) == (0, 0)


def test_precision_falls_with_quality_and_recall_with_diversity():
    real, alike = normal(500, 3), normal(500, 3, seed=1)
    same, narrow, wide = (precision_recall(real, scale * alike) for scale in (1, 0.3, 3))
    assert min(same) > 0.85
    assert narrow.precision > 0.95 > 0.5 > narrow.recall
    assert wide.precision < 0.5
    assert precision_recall(alike, real) == same[::-1]


def test_wasserstein_of_a_translation_is_its_length():
    x = normal(200, 2)
    assert wasserstein1(x, x[torch.arange(199, -1, -1)] + torch.tensor([3.0, -4.0])) == pytest.approx(5, rel=1e-12)


def test_wasserstein_on_the_line_is_that_of_sorted_points_and_scales_without_a_square():
    x, y = normal(100, 1), 2 * normal(100, 1, seed=1) + 0.3
    assert wasserstein1(x, y) == pytest.approx(wasserstein_distance(x[:, 0], y[:, 0]), rel=1e-12)
    assert wasserstein1(5 * x, 5 * y) == pytest.approx(5 * wasserstein1(x, y), rel=1e-12)


def test_no_other_assignment_is_cheaper():
    from itertools import permutations

    x, y = normal(6, 2), normal(6, 2, seed=1)
    cheapest = min((x - y[list(order)]).norm(dim=1).mean().item() for order in permutations(range(6)))
    assert wasserstein1(x, y) == pytest.approx(cheapest, rel=1e-12)


def test_sliced_wasserstein_of_a_translation_of_the_plane():
    x, shift = normal(50, 2), torch.tensor([3.0, -4.0])
    sliced = sliced_wasserstein1(x, x + shift, directions=20_000, rng=random.generator(0))
    error = 5 * math.sqrt((0.5 - (2 / math.pi) ** 2) / 20_000)  # of the mean of |cos| over directions
    assert sliced == pytest.approx(5 * 2 / math.pi, abs=4 * error)


def test_sliced_wasserstein_is_no_more_than_wasserstein():
    x, y = normal(100, 2), normal(100, 2, seed=1) * 2
    assert sliced_wasserstein1(x, y, rng=random.generator(0)) <= wasserstein1(x, y)


def test_modes_by_hand():
    means = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    x = torch.tensor([[0.1, 0.0], [0.0, 2.9], [10.0, 3.1], [5.0, 5.0]])
    found = modes_covered(x, means, 1.0)
    assert found == (1, 3, 0.5, (2, 0, 0))
    assert modes_covered(x, means, 1.0, least=3).covered == 0
    assert modes_covered(x, means, 1.1).counts == (2, 1, 0)
    assert modes_covered(torch.cat([x, *20 * [x[:1]]]), means, 1.1).covered == 1  # one of 24 is no fifth of a third


def test_the_share_of_a_gaussian_within_three_deviations():
    n = 20_000
    close, p = modes_covered(0.2 * normal(n, 2), torch.zeros(1, 2), 0.2).close, 1 - math.exp(-4.5)
    assert close == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / n))


@pytest.mark.parametrize("distance", [frechet_distance, kid, precision_recall, wasserstein1, sliced_wasserstein1])
def test_what_cannot_be_compared_is_refused(distance):
    x = normal(20, 3)
    with pytest.raises(BadInput, match="rows of one length"):
        distance(x, normal(20, 4))
    with pytest.raises(BadInput, match="At least"):
        distance(x, x[:0])
    with pytest.raises(BadInput, match="not finite"):
        distance(x, torch.full_like(x, math.nan))


@pytest.mark.parametrize("distance", [wasserstein1, sliced_wasserstein1])
def test_transport_needs_equally_many(distance):
    with pytest.raises(BadInput, match="as many points"):
        distance(normal(20, 2), normal(19, 2))


def test_the_frechet_distance_is_biased_by_what_its_docstring_says():
    """Of two samples of one Gaussian: the means' part, and the second order in the covariances'."""
    rng, n, m, rounds = torch.Generator().manual_seed(0), 1000, 2000, 200
    for values in (torch.ones(8).double(), torch.tensor([4.0, 2, 1, 0.5, 0.1]).double()):
        draw = lambda k, v=values: torch.randn(k, len(v), generator=rng, dtype=torch.float64) * v.sqrt()  # noqa: E731
        found = torch.tensor([frechet_distance(draw(n), draw(m)) for _ in range(rounds)])
        pairs = values[:, None] * values * (1 + torch.eye(len(values))) / (values[:, None] + values)
        expected = (1 / n + 1 / m) * (values.sum() + pairs.sum() / 2)
        assert abs(found.mean() - expected) < 4.5 * found.std() / math.sqrt(rounds) + 0.01 * expected
        if (values == 1).all():
            assert expected.item() == pytest.approx((1 / n + 1 / m) * 8 * 13 / 4)


def test_the_standard_error_of_a_kernel_distance_is_how_much_it_differs():
    rng = torch.Generator().manual_seed(0)
    draws = [kid(*(torch.randn(200, 3, generator=rng) for _ in range(2)), rng=rng) for _ in range(200)]
    spread = torch.tensor([one.mean for one in draws]).std().item()
    assert draws[0].blocks == 10
    said = torch.tensor([one.se for one in draws]).square().mean().sqrt().item()
    assert said == pytest.approx(spread, rel=0.35)  # of 200 draws: five standard deviations of a spread's own estimate


def test_density_and_coverage_follow_their_definition_and_are_one_for_a_copy():
    real, fake, k = normal(40, 3, seed=2), 0.5 * normal(30, 3, seed=3) + 1, 5
    distance = torch.cdist(real, real)
    radii = distance.sort(1).values[:, k]  # column 0 is the point itself
    inside = torch.cdist(fake, real) <= radii
    found = density_coverage(real, fake, k=k)
    assert found.density == pytest.approx(inside.sum().item() / (k * 30), abs=1e-12)
    assert found.coverage == pytest.approx(inside.any(0).double().mean().item(), abs=1e-12)
    assert density_coverage(real, real).coverage == 1
    assert density_coverage(real, real + 100) == (0, 0)


def test_the_standard_error_of_halves_is_that_of_a_mean():
    x, y = normal(400, 1, seed=4), normal(400, 1, seed=5)
    found = standard_errors(lambda a, b: {"gap": (a.mean() - b.mean()).item()}, x, y, draws=400)
    exact = ((x.var() + y.var()) / 400).sqrt().item()
    assert found["gap_se"] == pytest.approx(exact, rel=0.2)  # of 400 draws 3.5 %: five of these and more
    assert standard_errors(lambda a, b: {"gap": 0.0}, x, y, draws=0) == {}


@pytest.mark.parametrize("most", [150, 400])
def test_the_standard_error_of_smaller_parts_is_that_of_a_mean_too(most):
    x, y = normal(1000, 1, seed=4), normal(1000, 1, seed=5)
    found = standard_errors(lambda a, b: {"gap": (a.mean() - b.mean()).item()}, x, y, draws=400, most=most)
    assert found["gap_se"] == pytest.approx(((x.var() + y.var()) / 1000).sqrt().item(), rel=0.2)


def test_the_standard_error_of_halves_is_how_much_a_distance_differs_among_sets():
    def distance(a, b):
        return {"fid": frechet_distance(a, b)}

    sets = [(normal(200, 4, seed=2 * i), normal(200, 4, seed=2 * i + 1) + 1) for i in range(60)]
    spread = torch.tensor([distance(*pair)["fid"] for pair in sets]).std().item()
    told = [standard_errors(distance, *pair, draws=20)["fid_se"] for pair in sets[:10]]
    assert sum(told) / len(told) == pytest.approx(spread, rel=0.5)  # of 60 sets 9 %, of 10 × 20 halves 5 %


# Told apart -----------------------------------------------------------------------------------------------------------


def test_a_classifier_guesses_where_both_sets_are_of_one_law():
    """Of 200 pairs at 5 % between 1 and 24 are rejected: Binomial(200, 0.05) leaves that less than once in 10,000."""
    told = [classifier_two_sample(normal(100, 2, seed=2 * i), normal(100, 2, seed=2 * i + 1)) for i in range(200)]
    assert 1 <= sum(one.p < 0.05 for one in told) <= 24
    mean = sum(one.accuracy for one in told) / len(told)
    assert abs(mean - 0.5) < 4 * told[0].chance_se / math.sqrt(len(told))


def test_a_classifier_tells_apart_what_shares_nothing_and_grows_with_the_shift():
    x, y = normal(400, 2, seed=0), normal(400, 2, seed=1)
    told = [classifier_two_sample(x, y + shift) for shift in (0.5, 1.0, 20.0)]
    assert told[0].accuracy < told[1].accuracy < told[2].accuracy == 1
    assert told[2].se == 0
    assert told[1].p < 1e-6
    best = 0.5 * (1 + math.erf(math.sqrt(2) / 2 / math.sqrt(2)))  # of the shift (1, 1): half its length to the border
    assert told[1].accuracy < best + 4 * told[1].se


def test_the_classifier_is_the_nearest_neighbours_of_scikit_learn():
    neighbors = pytest.importorskip("sklearn.neighbors")
    x, y = normal(200, 3, seed=0), normal(200, 3, seed=1) * 1.3
    ours = classifier_two_sample(x, y, rng=random.generator(5))
    rng = random.generator(5)
    x, y = (rows[random.rand(len(rows), rng=rng).argsort()].numpy() for rows in (x, y))
    learned, held_out = np.concatenate([x[:100], y[:100]]), np.concatenate([x[100:], y[100:]])
    labels = np.repeat([0, 1], 100)
    model = neighbors.KNeighborsClassifier(13).fit(learned, labels)  # the odd number up to the root of 200
    assert ours.accuracy == pytest.approx(model.score(held_out, labels))
    assert ours.chance_se == pytest.approx(0.5 / math.sqrt(200))


def test_sets_that_cannot_be_told_apart_are_refused():
    for x, y in ((normal(7, 2), normal(7, 2)), (normal(20, 2), normal(20, 3)), (normal(20, 2), normal(19, 2))):
        with pytest.raises(BadInput, match="told apart"):
            classifier_two_sample(x, y)


# As others define them ------------------------------------------------------------------------------------------------


def naive_manifolds(real, fake, k_pr=3, k_dc=5):
    """Precision, recall, density, coverage as their papers define them, pair by pair, in NumPy."""
    distance = lambda a, b: np.sqrt(((a[:, None] - b) ** 2).sum(-1))  # noqa: E731
    reach = lambda a, k: np.sort(distance(a, a), 1)[:, k]  # noqa: E731, its own 0 is the first
    cross = distance(real, fake)
    precision = (cross <= reach(real, k_pr)[:, None]).any(0).mean()  # Kynkäänniemi et al. 2019, eqs. 1-2
    recall = (cross <= reach(fake, k_pr)).any(1).mean()
    balls = cross <= reach(real, k_dc)[:, None]
    density = balls.sum() / (k_dc * len(fake))  # Naeem et al. 2020, eqs. 3-4
    return precision, recall, density, balls.any(1).mean()


@pytest.mark.parametrize("seed", range(3))
def test_manifolds_agree_with_their_definitions(seed):
    real, fake = normal(120, 8, seed=seed), 0.8 * normal(90, 8, seed=seed + 10) + 0.3
    ours = sum(manifolds(real, fake), ())
    assert ours == pytest.approx(naive_manifolds(real.numpy(), fake.numpy()), abs=1e-4)

"""The normalizing flow: its density is one, zuko says the same of the same weights, and images are counted right."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.flows import images
from genmodels.flows.splines import LEAST, Spline
from genmodels.instruments.plane import cells
from genmodels.metrics.evaluate import likelihoods
from genmodels.models.base import build
from genmodels.models.flow import Flow
from genmodels.runs import store
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings
from tests.test_flow_layers import far

PLANES: dict[str, dict[str, Any]] = {
    "affine": {"couplings": 4},
    "affine, one coupling": {"couplings": 1},
    "spline": {"coupling": "spline", "couplings": 4, "bins": 6},
    "spline, one coupling": {"coupling": "spline", "couplings": 1, "bins": 6},
    "matrices and actnorm": {"couplings": 3, "mixing": "lu", "actnorm": True},
    "all": {"coupling": "spline", "couplings": 3, "bins": 6, "mixing": "lu", "actnorm": True},
}


def flow(shape: tuple[int, ...] = (2,), **arguments: Any) -> Flow:
    torch.manual_seed(0)
    model = far(build({"model": "flow", "shape": list(shape), "hidden": 16, **arguments}))
    assert isinstance(model, Flow)
    return model


def trained(model: Flow, data: str, **settings: Any) -> Flow:
    how = {**model.defaults, "steps": 150, "batch_size": 256, "lr": 3e-3, "ema": 0.0} | settings
    for _ in fit(Training(model, datasets.load(data), Settings.of(how))):
        pass
    return model.eval()


# The density ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLANES)
@torch.no_grad()
def test_the_density_integrates_to_one(name: str) -> None:
    half, side = 9.0, 540
    grid = cells(half, side).double()
    mass = sum(flow(**PLANES[name]).log_prob(part).exp().sum().item() for part in grid.split(100_000))
    assert mass * (2 * half / side) ** 2 == pytest.approx(1, abs=0.002)


def test_a_trained_density_integrates_to_one_and_is_nearer_to_the_truth() -> None:
    data = datasets.load("two-moons")
    model = build({"model": "flow", "shape": [2], "coupling": "spline", "couplings": 4, "hidden": 32})
    x = data.test.x
    before = data.log_prob(x).mean() - model.log_prob(x).mean()
    trained(model, "two-moons")
    with torch.no_grad():
        after = (data.log_prob(x).mean() - model.log_prob(x).mean()).item()
        grid = cells(5.0, 600)
        mass = sum(model.log_prob(part).double().exp().sum().item() for part in grid.split(100_000))
    assert 0 < after < 0.5 * before.item()
    assert mass * (10 / 600) ** 2 == pytest.approx(1, abs=0.002)


@pytest.mark.parametrize("name", PLANES)
@torch.no_grad()
def test_samples_have_the_density(name: str) -> None:
    """Counts of 20,000 samples in cells, against the density summed over them."""
    model, n, bins, fine, half = flow(**PLANES[name]), 20_000, 16, 30, 8.0
    mass = model.log_prob(cells(half, bins * fine).double()).exp().view(bins, fine, bins, fine).sum((1, 3))
    mass *= (2 * half / (bins * fine)) ** 2
    x = model.sample(n, rng=random.generator(3)).double()
    seen = torch.histogramdd(x.flip(1).contiguous(), [bins] * 2, range=[-half, half] * 2).hist
    likely = n * mass > 10
    excess = (seen - n * mass)[likely] / (n * mass * (1 - mass))[likely].sqrt()
    assert likely.sum() >= 5
    assert excess.abs().max() < 5


@pytest.mark.parametrize("coupling", ["affine", "spline"])
@torch.no_grad()
def test_zuko_says_the_same_of_the_same_weights(coupling: str) -> None:
    zuko = pytest.importorskip("zuko", reason="zuko is not installed: it says the same of the same weights")
    from zuko.transforms import ComposedTransform, CouplingTransform, DependentTransform, MonotonicRQSTransform

    model = flow(coupling=coupling, couplings=5, bins=6, depth=1)
    spline = Spline(6, 4.0)

    def univariate(raw: Tensor) -> torch.distributions.Transform:
        if coupling == "affine":
            s, t = raw.chunk(2, -1)
            return zuko.transforms.MonotonicAffineTransform(t, inverted(2 * (s / 2).tanh()))
        w, h, d = (part.unsqueeze(-2) for part in raw.split([6, 6, 5], -1))  # one number is moved
        made = MonotonicRQSTransform(w, h, d, bound=4.0)
        edges = lambda v: nn.functional.pad(8 * (LEAST + (1 - 6 * LEAST) * v.softmax(-1)).cumsum(-1), (1, 0)) - 4  # noqa: E731
        made.horizontal, made.vertical = edges(w), edges(h)
        slope = LEAST + nn.functional.softplus(d + math.log(math.expm1(1 - LEAST)))
        made.derivatives = nn.functional.pad(slope, (1, 1), value=1.0)
        return made

    def inverted(log_scale: Tensor) -> Tensor:
        """What zuko's softclip makes ``log_scale`` of."""
        return log_scale / (1 - (log_scale / math.log(1e-3)).abs())

    parts = [
        CouplingTransform(
            lambda given, net=part.networks[0]: DependentTransform(univariate(net(given)), 1),
            torch.tensor([part.moved[0] != 0, part.moved[0] != 1]),
        )
        for part in model.f.parts
    ]
    base = zuko.distributions.DiagNormal(torch.zeros(2).double(), torch.ones(2).double())
    theirs = zuko.distributions.NormalizingFlow(ComposedTransform(*parts), base)
    x = 2 * torch.randn(500, 2, generator=random.generator(0)).double()
    torch.testing.assert_close(model.log_prob(x), theirs.log_prob(x), atol=1e-9, rtol=0)
    assert spline.parameters == 17


@torch.no_grad()
def test_encoded_and_decoded_are_the_same_points() -> None:
    model = flow(coupling="spline", mixing="lu", actnorm=True)
    x = torch.randn(100, 2, dtype=torch.float64)
    z = model.encode(x)
    assert z.shape == (100, model.latent_dim)
    torch.testing.assert_close(model.decode(z), x, atol=1e-10, rtol=0)


# Images ---------------------------------------------------------------------------------------------------------------


def grey(n: int = 6, levels: int = 17) -> Tensor:
    return torch.randint(0, levels, (n, 1, 8, 8), generator=random.generator(0)).double()


@pytest.mark.parametrize("network", ["mlp", "conv"])
@torch.no_grad()
def test_images_come_back_in_their_grey_levels(network: str) -> None:
    model = flow((1, 8, 8), network=network, mask="both")
    model.grey_levels = 17
    x = (grey() + 0.5) / 17
    z = model.encode(x)
    assert z.shape == (6, 64)
    torch.testing.assert_close(model.decode(z) * 16, grey(), atol=1e-9, rtol=0)


@torch.no_grad()
def test_the_bound_is_the_density_less_that_of_the_noise_and_bits_are_counted_from_the_unit_cube() -> None:
    data = datasets.load("digits")
    assert data.bits_per_dim(torch.zeros(())).item() == pytest.approx(math.log2(17))  # a density of 1 knows nothing
    model = flow((1, 8, 8))
    model.grey_levels = 17
    x = data.prepare(data.test.x[:50], "dequantize", random.generator(0)).double()
    bound = model.discrete_log_prob(x, random.generator(1))
    v, log_q = images.uniform(images.whole(x, 17), torch.tensor(17), random.generator(1))
    torch.testing.assert_close(bound, model.log_prob(v) - log_q)
    torch.testing.assert_close(log_q, torch.full_like(log_q, 64 * math.log(17)))
    bpd = data.bits_per_dim(-model.log_prob(v).mean()).item()
    assert -bound.mean().item() / (64 * math.log(2)) == pytest.approx(bpd)


@pytest.mark.parametrize("dequantization", ["uniform", "variational"])
@torch.no_grad()
def test_more_draws_tighten_the_bound(dequantization: str) -> None:
    """E[log mean of K weights] rises with K (Burda et al. 2016, theorem 1)."""
    model = flow((1, 8, 8), dequantization=dequantization, network="conv", couplings=2)
    model.grey_levels = 17
    x = ((grey(1) + 0.5) / 17).expand(400, -1, -1, -1)
    one, ten = (model.discrete_log_prob(x, random.generator(0), draws=k) for k in (1, 10))
    error = math.sqrt((one.var() + ten.var()).item() / 400)
    assert ten.mean() - one.mean() > 4 * error


@torch.no_grad()
def test_the_bounds_of_all_images_sum_to_less_than_one() -> None:
    """Of two pixels of three levels: Σ_x exp(bound) ≤ 1, and with many draws it is the mass of the unit square."""
    model = flow((1, 1, 2), pixels="linear", couplings=2, depth=1)
    model.grey_levels = 3
    every = torch.cartesian_prod(torch.arange(3), torch.arange(3)).view(9, 1, 1, 2).double()
    x = ((every + 0.5) / 3).repeat_interleave(2000, 0)
    weights = model.discrete_log_prob(x, random.generator(0)).view(9, 2000)
    loose, tight = weights.mean(1).exp().sum().item(), weights.exp().mean(1).sum().item()
    side = (torch.arange(400).double() + 0.5) / 400
    square = torch.cartesian_prod(side, side).view(-1, 1, 1, 2)
    mass = model.log_prob(square).exp().mean().item()
    assert loose < tight
    assert tight == pytest.approx(mass, abs=5 * (weights.exp().var(1).sum() / 2000).sqrt().item())
    assert mass < 1


@torch.no_grad()
def test_gaussian_noise_is_no_dequantization() -> None:
    """What the noise says of its entropy: the number falls as σ grows, and the same model's bound does not."""
    grey_levels, x = torch.tensor(256), grey(4, 256)
    narrow, wide = (images.gaussian(x, grey_levels, s, random.generator(0))[1] for s in (0.1, 10.0))
    torch.testing.assert_close(narrow - wide, torch.full((4,), 64 * math.log(100), dtype=torch.float64))
    v, _ = images.gaussian(x, grey_levels, 1.0, random.generator(0))
    assert not torch.equal(images.whole(v, grey_levels), x)
    model = flow((1, 8, 8), dequantization="gaussian", pixels="linear")
    terms = model.loss((x + 0.5) / 256, rng=random.generator(0))
    assert set(terms) == {"loss", "bpd of noised images"}
    assert model.discrete_log_prob((x + 0.5) / 256, random.generator(0)).isfinite().all()  # by uniform noise


def test_the_measures_of_a_flow_have_both_bounds() -> None:
    model = build({"model": "flow", "shape": [1, 8, 8], "couplings": 2}).eval()
    model.grey_levels = 17
    data = datasets.load("digits")
    table = likelihoods(model, data, n=40, k=4)
    assert table["iwae_4_bpd"] < table["bpd"]
    x = data.prepare(data.test.x[:40], "dequantize", random.generator(0))
    bound = -model.discrete_log_prob(x, random.generator(0), draws=4).double().mean().item() / (64 * math.log(2))
    assert table["iwae_4_bpd"] == pytest.approx(bound, abs=1e-6)
    assert "iwae_4_bpd" not in likelihoods(model, data, n=40)


def test_the_bits_that_are_measured_are_those_of_the_noise_that_was_learned() -> None:
    model = build({"model": "flow", "shape": [1, 8, 8], "couplings": 2, "dequantization": "variational"})
    model.grey_levels = 17
    data = datasets.load("digits")
    trained(model, "digits", steps=10)
    model.eval()
    told = likelihoods(model, data, n=180)["bpd"]
    x = data.prepare(data.test.x[:180], "dequantize", random.generator(1))
    with torch.no_grad():
        each = torch.stack([-model.discrete_log_prob(x, random.generator(i)).double() for i in range(20)])
        uniform = data.bits_per_dim(-model.log_prob(x).double().mean()).item()
    bits, spread = each.mean(1) / (64 * math.log(2)), each.mean(1).std().item() / (64 * math.log(2))
    assert abs(told - bits.mean().item()) < 6 * spread
    assert abs(told - uniform) > 6 * spread


def test_learned_noise_is_learned() -> None:
    model = build({"model": "flow", "shape": [1, 8, 8], "dequantization": "variational", "network": "conv"})
    before = [p.clone() for p in model.dequantizer.parameters()]
    trained(model, "digits", steps=10)
    assert sum(bool((a != b).any()) for a, b in zip(before, model.dequantizer.parameters(), strict=True)) > 4
    assert model.grey_levels == 17


def test_black_and_white_images_are_refused_and_why() -> None:
    model = flow((1, 8, 8)).float()
    with pytest.raises(BadInput, match="black or white pixels have none"):
        model.loss(grey(4, 2).float())
    with pytest.raises(BadInput, match="black or white pixels have none"):
        model.log_prob(grey(4, 2).float())
    with pytest.raises(BadInput, match="black or white pixels have none"):
        model.loss((255 * grey(4, 2).float() + 0.3) / 256)
    with pytest.raises(BadInput, match="black or white pixels have none"):
        model.grey_levels = 2
    assert model.log_prob(torch.full((1, 1, 8, 8), 0.3 / 256)).isfinite().all()  # an image may be all black


def test_black_and_white_data_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="black or white pixels have none"):
        store.create("flow", "mnist-static", folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("data", ["digits-dynamic", "mnist-static"])
@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("flow", {}),
        ("ppca", {}),
        ("mixture", {}),
        ("vqvae", {"decoder": "gaussian"}),
        ("autoregressive", {"network": "pixelcnn", "pixels": "categorical"}),
    ],
)
def test_data_that_are_drawn_in_black_and_white_have_no_density_either(
    data: str, model: str, arguments: dict[str, Any]
) -> None:
    """Each epoch draws them anew from pictures in grey, and what a model sees is black or white."""
    with pytest.raises(BadInput, match=r"black or white|does not suit data of 2 grey levels"):
        store.planned(model, data, arguments=arguments)
    loaded = datasets.load("digits-dynamic")
    built = build({"model": model, "shape": [1, 8, 8], **arguments})
    with pytest.raises(BadInput, match=r"black or white|does not suit data of 2 grey levels"):
        Training(built, loaded, Settings())


# Labels, temperatures, what is asked wrongly --------------------------------------------------------------------------


@torch.no_grad()
def test_a_conditional_flow_is_a_mixture_over_its_labels() -> None:
    model = flow(classes=3, coupling="spline", bins=4)
    model.label_shares = (0.2, 0.3, 0.5)
    x = torch.randn(20, 2, dtype=torch.float64)
    each = torch.stack([model.log_prob(x, torch.full((20,), k)) for k in range(3)], 1)
    expected = (each + torch.tensor([0.2, 0.3, 0.5]).double().log()).logsumexp(1)
    torch.testing.assert_close(model.log_prob(x), expected)
    assert not torch.allclose(each[:, 0], each[:, 1])
    y = (each + model.label_log_prob()).argmax(1)
    torch.testing.assert_close(model.decode(model.encode(x), y), x, atol=1e-10, rtol=0)
    assert model.sample(5, y=torch.tensor([0, 1, 2, 0, 1])).shape == (5, 2)


def test_labels_that_are_missing_or_wrong_are_named() -> None:
    model, x = flow(classes=3), torch.randn(2, 2, dtype=torch.float64)
    with pytest.raises(BadInput, match="has to be told the labels of 2 examples"):
        model.decode(x)
    with pytest.raises(BadInput, match="are not those of a model with classes = 3"):
        model.log_prob(x, torch.tensor([0, 3]))


@torch.no_grad()
def test_a_temperature_is_the_standard_deviation_of_the_noise() -> None:
    model = flow(couplings=1)
    for temperature in (0.3, 1.0, 2.0):
        z = model.encode(model.sample(4000, rng=random.generator(0), temperature=temperature).double())
        assert z.std().item() == pytest.approx(temperature, rel=0.05)
    for wrong in (0.0, math.nan, 3.0, -1.0):
        with pytest.raises(BadInput, match=r"temperature = .* is not a number from 0.05 to 2"):
            model.sample(2, temperature=wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"bins": 1}, "bins = 1 is not a whole number from 2 to 128"),
        ({"coupling": "cubic"}, "coupling = 'cubic' is not one of affine, spline"),
        ({"bound": math.nan}, "bound = nan is not a number"),
        ({"mask": "none"}, "mask = 'none' is not one of checkerboard, channel, both"),
        ({"shape": [1, 7, 7], "network": "conv", "scales": 1}, "7×7 pixels do not allow it"),
        ({"shape": [1, 8, 8], "dequantization": "gaussian"}, "needs pixels = linear"),
        ({"shape": [1, 1, 1]}, "would leave nothing to condition on"),
    ],
)
def test_what_a_flow_cannot_be_is_one_sentence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        build({"model": "flow", "shape": [2], **arguments})

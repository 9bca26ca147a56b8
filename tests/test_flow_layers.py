"""Every layer of a flow, alone and composed: its log-determinant is autograd's, its inverse undoes it."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.errors import BadInput
from genmodels.flows import images
from genmodels.flows.architecture import bijection
from genmodels.flows.bijections import ActNorm, Bijection, Coupling, Flatten, Linear, Permutation, Squeeze
from genmodels.flows.couplings import Affine
from genmodels.flows.networks import Convolutions, Perceptron
from genmodels.flows.splines import Spline

IMAGE = (1, 4, 4)


def coupling(transform: Affine | Spline, channels: int, moves: int) -> Coupling:
    halves = ((channels + 1) // 2, channels // 2)
    made = Convolutions if transform.dim == -3 else Perceptron
    network = made(halves[1 - moves], transform.parameters * halves[moves], hidden=16, depth=1)
    return Coupling(network, channels, moves, transform)


LAYERS: dict[str, tuple[Callable[[], Bijection], tuple[int, ...]]] = {
    "affine": (lambda: coupling(Affine(), 5, 0), (5,)),
    "affine of images": (lambda: coupling(Affine(-3), 4, 1), (4, 3, 3)),
    "spline": (lambda: coupling(Spline(6, 2.0), 5, 1), (5,)),
    "spline of images": (lambda: coupling(Spline(4, 2.0, -3), 3, 0), (3, 2, 2)),
    "actnorm": (lambda: ActNorm(3), (3, 2, 2)),
    "matrix": (lambda: Linear(4), (4,)),
    "1×1 convolution": (lambda: Linear(3), (3, 2, 2)),
    "permutation": (lambda: Permutation([2, 0, 1]), (3,)),
    "squeeze": (Squeeze, (2, 4, 2)),
    "flatten": (lambda: Flatten((2, 2, 2)), (2, 2, 2)),
    "logit": (images.Logit, (1, 2, 2)),
    "centred": (images.Centred, (1, 2, 2)),
    "RealNVP": (lambda: bijection((2,)), (2,)),
    "RealNVP of an image": (lambda: bijection(IMAGE, mask="both"), IMAGE),
    "report": (lambda: bijection((1, 3, 3), mask="checkerboard", couplings=20, depth=1, hidden=16), (1, 3, 3)),
    "spline flow": (lambda: bijection((2,), coupling="spline", mixing="lu"), (2,)),
    "Glow": (
        lambda: bijection((2, 4, 4), network="conv", scales=2, mixing="lu", actnorm=True, couplings=3, hidden=8),
        (2, 4, 4),
    ),
    "multi-scale RealNVP": (lambda: bijection(IMAGE, network="conv", scales=2, hidden=8, couplings=4), IMAGE),
    "splines of images": (
        lambda: bijection(IMAGE, network="conv", scales=1, coupling="spline", bins=4, hidden=8, mask="channel"),
        IMAGE,
    ),
}


def far(layer: nn.Module, seed: int = 0) -> nn.Module:
    """In double precision, its parameters away from where they start."""
    rng = torch.Generator().manual_seed(seed)
    layer = layer.double().eval()
    for parameter in layer.parameters():
        parameter.data += 0.07 * torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
    return layer


def data(shape: tuple[int, ...], n: int = 6) -> Tensor:
    """Inside the unit cube, where every layer is defined; of points, on the plane."""
    rng = torch.Generator().manual_seed(1)
    if len(shape) == 3:
        return 0.02 + 0.96 * torch.rand(n, *shape, generator=rng, dtype=torch.float64)
    return torch.randn(n, *shape, generator=rng, dtype=torch.float64)


@pytest.mark.parametrize("name", LAYERS)
def test_the_log_determinant_is_that_of_the_jacobian(name: str) -> None:
    make, shape = LAYERS[name]
    layer, x = far(make()), data(shape)
    _, ladj = layer(x)
    assert ladj.shape == (len(x),)
    for one, found in zip(x, ladj, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda v: layer(v[None])[0].flatten(), one)
        expected = torch.linalg.slogdet(jacobian.reshape(one.numel(), -1)).logabsdet
        assert found.item() == pytest.approx(expected.item(), abs=1e-9)


@pytest.mark.parametrize("name", LAYERS)
@torch.no_grad()
def test_the_inverse_undoes_it(name: str) -> None:
    make, shape = LAYERS[name]
    layer, x = far(make()), data(shape, 50)
    z, _ = layer(x)
    assert z.numel() == x.numel()
    torch.testing.assert_close(layer.inverse(z), x, atol=1e-10, rtol=0)
    if name not in ("permutation", "squeeze", "flatten"):
        assert (z.flatten() - x.flatten()).abs().max() > 1e-3  # it does something


@pytest.mark.parametrize("name", ["RealNVP", "RealNVP of an image", "spline flow", "Glow"])
def test_with_labels_it_is_another_map_for_each(name: str) -> None:
    arguments = {
        "RealNVP": ((2,), {}),
        "RealNVP of an image": (IMAGE, {}),
        "spline flow": ((2,), {"coupling": "spline"}),
        "Glow": ((1, 4, 4), {"network": "conv", "mixing": "lu", "actnorm": True, "hidden": 8, "couplings": 3}),
    }
    shape, how = arguments[name]
    layer, x = far(bijection(shape, classes=3, **how)), data(shape, 3)
    y = torch.tensor([0, 1, 2])
    z, ladj = layer(x, y)
    torch.testing.assert_close(layer.inverse(z, y), x, atol=1e-10, rtol=0)
    assert not torch.allclose(layer(x, y.flip(0))[0], z)
    for one, label, found in zip(x, y, ladj, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda v, k=label[None]: layer(v[None], k)[0].flatten(), one)
        expected = torch.linalg.slogdet(jacobian.reshape(one.numel(), -1)).logabsdet
        assert found.item() == pytest.approx(expected.item(), abs=1e-9)


@pytest.mark.parametrize("mask", ["checkerboard", "channel"])
@pytest.mark.parametrize("network", ["mlp", "conv"])
@torch.no_grad()
def test_a_mask_moves_half_of_the_pixels(mask: str, network: str) -> None:
    """A bump of one pixel: what a single coupling leaves where it was does not depend on the others."""
    how = {"network": network, "mask": mask, "couplings": 1, "scales": 1, "pixels": "linear", "hidden": 32}
    f = far(bijection(IMAGE, **how))
    x = data(IMAGE, 1)
    jacobian = torch.autograd.functional.jacobian(lambda v: f(v)[0].flatten(), x).reshape(16, 16)
    kept = (jacobian != 0).sum(1) == 1  # rows of z that are one pixel, stretched by 2
    assert kept.sum() == 8
    pixels = jacobian[kept].abs().argmax(1)
    places = {(int(i) // 4, int(i) % 4) for i in pixels}
    if mask == "checkerboard":
        assert len({(r + c) % 2 for r, c in places}) == 1
    else:
        assert len({r // 2 if network == "mlp" else r % 2 for r, _ in places}) == 1


def test_a_spline_begins_as_the_identity_and_is_it_outside() -> None:
    spline, x = Spline(8, 2.0), torch.linspace(-4, 4, 101, dtype=torch.float64)[:, None]
    y, slope = spline.forward(x, torch.zeros(101, spline.parameters, dtype=torch.float64))
    torch.testing.assert_close(y, x)
    torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-12, rtol=0)
    raw = 3 * torch.randn(1, spline.parameters, dtype=torch.float64).expand(101, -1)
    y, slope = spline.forward(x, raw)
    outside = x.abs() > 2
    assert torch.equal(y[outside], x[outside])
    assert (slope[outside] == 0).all()
    assert (y.diff(dim=0) > 0).all()
    near = torch.tensor([[2.0 - 1e-12], [2.0 + 1e-12], [-2.0 - 1e-12], [-2.0 + 1e-12]], dtype=torch.float64)
    at, slopes = spline.forward(near, raw[:4])
    torch.testing.assert_close(at, near, atol=1e-6, rtol=0)
    torch.testing.assert_close(slopes, torch.zeros_like(slopes), atol=1e-5, rtol=0)  # its derivative has no jump


def test_a_spline_goes_through_its_knots() -> None:
    spline = Spline(5, 3.0)
    raw = torch.randn(1, 14, dtype=torch.float64)
    size = spline.sizes(raw)[0][0]
    start = size.cumsum(-1) - size - 3.0
    torch.testing.assert_close(size.sum(-1), torch.full((2,), 6.0, dtype=torch.float64))
    y, _ = spline.forward(start[0][:, None], raw.expand(5, -1))
    torch.testing.assert_close(y[:, 0], start[1])


def test_a_spline_is_not_rounded_where_networks_are() -> None:
    """Of the numbers beside a bin it takes products of matrices, which autocast would round to 8 bits."""
    spline, rng = Spline(6, 3.0), random.generator(0)
    x, raw = 2 * random.randn(200, 1, rng=rng), random.randn(200, spline.parameters, rng=rng)
    y, slope = spline.forward(x, raw)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(spline.forward(x, raw)[0], y)
        assert torch.equal(spline.forward(x, raw)[1], slope)
        torch.testing.assert_close(spline.inverse(y, raw), x, atol=1e-4, rtol=0)


def test_actnorm_sets_itself_once_from_the_first_batch_of_a_training() -> None:
    layer = ActNorm(3)
    x = 5 + 3 * torch.randn(200, 3, 4, 4, generator=random.generator(0))
    torch.testing.assert_close(layer.eval()(x)[0], x)  # not in training: nothing is set
    z, _ = layer.train()(x)
    channels = z.transpose(0, 1).flatten(1)
    torch.testing.assert_close(channels.mean(1), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(channels.var(1), torch.ones(3), atol=1e-2, rtol=0)
    before = layer.shift.clone()
    layer(x + 100)
    assert torch.equal(layer.shift, before)
    again = ActNorm(3).train()
    again.load_state_dict(layer.state_dict())
    again(x + 100)
    assert torch.equal(again.shift, before)


# Dequantization -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("convolutional", [True, False])
def test_learned_noise_has_the_density_that_it_says(convolutional: bool) -> None:
    """log q(v | x) is that of Gaussian noise through the map ε → v, by autograd's Jacobian; and u is in [0, 1)."""
    made = Convolutions if convolutional else Perceptron
    noise = images.Learned(IMAGE, lambda i, o: made(i, o, hidden=8, depth=1), couplings=3, convolutional=convolutional)
    noise, levels = far(noise), torch.tensor(17)
    x = torch.randint(0, 17, (2, *IMAGE), generator=random.generator(0)).double()
    v, log_q = noise(x, levels, random.generator(1))
    assert torch.equal(images.whole(v, levels), x)
    eps = random.randn(2, *IMAGE, rng=random.generator(1)).double()
    for i in range(2):

        def moved(one: Tensor, i: int = i) -> Tensor:
            fixed = torch.cat([eps[:i], one[None], eps[i + 1 :]])
            return _with(fixed, lambda: noise(x, levels, None)[0][i].flatten())

        jacobian = torch.autograd.functional.jacobian(moved, eps[i]).reshape(16, 16)
        expected = torch.distributions.Normal(0, 1).log_prob(eps[i]).sum() - torch.linalg.slogdet(jacobian).logabsdet
        assert log_q[i].item() == pytest.approx(expected.item(), abs=1e-5)


def _with(eps: Tensor, function: Callable[[], Tensor]) -> Tensor:
    """``function`` with ``eps`` for the noise that it draws."""
    drawn, random.randn = random.randn, lambda *_, **__: eps
    try:
        return function()
    finally:
        random.randn = drawn


def test_noise_begins_uniform_and_keeps_its_grey_level() -> None:
    noise = images.Learned(
        (1, 8, 8), lambda i, o: Convolutions(i, o, hidden=8, depth=1), couplings=2, convolutional=True
    )
    levels = torch.tensor(256)
    x = torch.randint(0, 256, (500, 1, 8, 8), generator=random.generator(0)).float()
    with torch.no_grad():
        v, log_q = noise(x, levels, random.generator(1))
    u = (v * 256 - x).flatten().sort().values
    assert (u - torch.linspace(0, 1, len(u))).abs().max() < 2 / math.sqrt(len(u))  # Kolmogorov: p < 0.001
    torch.testing.assert_close(log_q, torch.full((500,), 64 * math.log(256)), atol=0.02, rtol=0)
    same, at = images.uniform(x, levels, random.generator(1))
    torch.testing.assert_close(at, torch.full((500,), 64 * math.log(256)))
    assert torch.equal(images.whole(same, levels), x)
    assert torch.equal(images.whole(v, levels), x)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(BadInput, match="would leave nothing to condition on"):
        bijection((1, 1, 1))
    with pytest.raises(BadInput, match="scales = 3 halve an image so often, and 28×28 pixels do not allow it"):
        bijection((1, 28, 28), network="conv", scales=3)
    with pytest.raises(BadInput, match="network = conv is for images"):
        bijection((2,), network="conv")
    with pytest.raises(BadInput, match="at most 65,536 numbers, not 68,719,476,736: use conv"):
        bijection((4096, 4096, 4096))  # before anything of that size is made
    with pytest.raises(BadInput, match=r"scales = 6 of 4096 channels end in more than 4,096 of them"):
        bijection((4096, 4096, 4096), network="conv", scales=6)

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from genmodels.nn.denoiser import denoiser
from genmodels.nn.layers import GroupNorm
from genmodels.nn.unet import Conditioning, attend, time_features


def woken(network: nn.Module) -> nn.Module:
    """The network in float64 with no weight left at the zero it starts from."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    return network.double()


def unet(*shape: int, classes: int = 0, **chosen: Any) -> nn.Module:
    """What a diffusion's settings make of it; the rest as they are usual."""
    return denoiser(shape, T=1000, classes=classes, **chosen)


def data(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(3, *shape, generator=rng, dtype=torch.float64)
    return x, torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64)


NETWORKS = {
    "8x8": ((1, 8, 8), {"width": 8}),
    "8x8 by pixels": ((1, 8, 8), {"width": 8, "patch": 1, "levels": 2}),
    "28x28 four halvings": ((1, 28, 28), {"width": 8, "levels": 4, "depth": 1}),
    "odd sides, colour": ((3, 7, 10), {"width": 8, "levels": 2, "depth": 1, "patch": 4}),
    "one grid, no attention": ((1, 6, 6), {"width": 12, "levels": 0, "attention": False}),
    "points": ((2,), {"hidden": 16, "depth": 3}),
}


def one_of(name: str, **more: Any) -> tuple[nn.Module, tuple[int, ...]]:
    """A network of ``NETWORKS``, and the shape of an example."""
    shape, chosen = NETWORKS[name]
    return unet(*shape, **chosen, **more), shape


@pytest.mark.parametrize("name", NETWORKS)
def test_the_shape_comes_back_and_every_weight_has_a_say(name: str) -> None:
    network, shape = one_of(name, classes=3)
    x, u = data(*shape)
    out = woken(network)(x, u, torch.tensor([0, 2, 3]))
    assert out.shape == x.shape
    out.square().sum().backward()
    silent = [
        n for n, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all() or not p.grad.any()
    ]
    assert not silent


@pytest.mark.parametrize("name", NETWORKS)
def test_it_answers_0_before_training_and_its_last_layer_can_learn(name: str) -> None:
    network, shape = one_of(name)
    x, u = data(*shape)
    out = network(x.float(), u.float())
    assert not out.any()
    (out - x.float()).square().sum().backward()
    assert all(p.grad is not None for p in network.parameters())
    assert any(p.grad.any() for p in network.head.parameters())


@pytest.mark.parametrize("name", NETWORKS)
def test_time_and_label_matter_and_examples_do_not_mix(name: str) -> None:
    network, shape = one_of(name, classes=3)
    x, u = data(*shape)
    y = torch.tensor([0, 2, 1])
    network = woken(network)
    out = network(x, u, y)
    assert not torch.allclose(out, network(x, u * 0.9, y))
    assert not torch.allclose(out[0], network(x, u, torch.tensor([1, 2, 1]))[0])
    torch.testing.assert_close(network(x, u), network(x, u, torch.tensor([3, 3, 3])))  # not told is the last label
    for i in range(3):
        torch.testing.assert_close(network(x[i : i + 1], u[i : i + 1], y[i : i + 1]), out[i : i + 1])


def test_every_pixel_can_see_every_other() -> None:
    network = woken(unet(1, 8, 8, width=8))
    x, u = data(1, 8, 8)
    x.requires_grad_()
    network(x, u)[0, 0, 0, 0].backward()
    assert (x.grad[0] != 0).all()
    assert not x.grad[1:].any()


def test_attention_written_out_is_the_fused_one() -> None:
    q, k, v = torch.randn(3, 2, 10, 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(attend(q, k, v), F.scaled_dot_product_attention(q, k, v))


@pytest.mark.parametrize("channels", [16, 64], ids=["narrow groups, by way of float32", "wide ones"])
def test_group_norm_takes_its_moments_in_float32(channels: int) -> None:
    x = 50 + torch.randn(4, channels, 7, 7, generator=torch.Generator().manual_seed(0)).bfloat16()
    x = x.contiguous(memory_format=torch.channels_last)
    norm = GroupNorm(4, channels)
    out = norm(x)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, F.group_norm(x.float(), 4).bfloat16())
    assert norm(x.float()).dtype == torch.float32
    assert norm.double()(x.double()).dtype == torch.float64


def test_as_many_groups_as_divide_the_channels() -> None:
    assert [GroupNorm(8, channels).num_groups for channels in (16, 12, 7)] == [8, 4, 1]


def test_bfloat16_is_close_and_the_answer_stays_in_float32() -> None:
    network = woken(unet(1, 8, 8, width=16)).float()
    x, u = (part.float() for part in data(1, 8, 8))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = network(x, u)
    exact = network(x, u)
    assert out.dtype == torch.float32
    assert (out - exact).norm() < 0.05 * exact.norm()


def test_dropout_is_only_for_training() -> None:
    for name in ("8x8", "points"):
        network, shape = one_of(name, dropout=0.5)
        x, u = data(*shape)
        network = woken(network)
        assert not torch.allclose(network(x, u), network(x, u))
        network.eval()
        torch.testing.assert_close(network(x, u), network(x, u), rtol=0, atol=0)


def test_time_features_tell_times_apart() -> None:
    u = torch.linspace(0.001, 1, 1000, dtype=torch.float64)
    features = time_features(u, 64)
    assert features.shape == (1000, 64)
    torch.testing.assert_close(features.square().sum(1), torch.full_like(u, 32))  # cos² + sin² = 1
    distances = torch.cdist(features, features).fill_diagonal_(torch.inf)
    assert distances.min() > 0.1
    assert Conditioning(8).double()(u).shape == (1000, 8)

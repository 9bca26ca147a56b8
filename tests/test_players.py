"""The players' own layers: dropout by whole bits, and convolutions whose channels lie last."""

import math

import pytest
import torch
from torch import nn

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.models.gan import GAN
from genmodels.models.wgan import WGAN
from genmodels.nn.adversarial import Dropout, critic_features
from genmodels.training import exact
from genmodels.training.loop import Training
from genmodels.training.settings import Settings


@pytest.mark.parametrize(("p", "dtype"), [(0.3, torch.float32), (0.5, torch.bfloat16), (0.01, torch.float64)])
def test_dropout_drops_its_share_and_keeps_the_mean(p, dtype):
    torch.manual_seed(0)
    x = torch.ones(401, 251, dtype=dtype)
    y = Dropout(p)(x)
    n = x.numel()
    assert (y == 0).double().mean().item() == pytest.approx(p, abs=4 * math.sqrt(p * (1 - p) / n))
    kept = y[y != 0]
    torch.testing.assert_close(
        kept, torch.full_like(kept, 1 / (1 - p)), rtol=1e-2 if dtype == torch.bfloat16 else 2e-4, atol=0
    )
    rows, columns = ((y == 0).double().mean(i) for i in (1, 0))  # no row or column is dropped more than another
    for share, of in ((rows, 251), (columns, 401)):
        assert (share - p).abs().max() < 5 * math.sqrt(p * (1 - p) / of) + 1 / of


def test_dropout_follows_the_global_stream_its_gradient_its_mask_and_rests_in_evaluation():
    layer, x = Dropout(0.3), torch.randn(64, 33, requires_grad=True)
    torch.manual_seed(1)
    first = layer(x)
    torch.manual_seed(1)
    assert torch.equal(first, layer(x))
    assert not torch.equal(first, layer(x))
    (slope,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(slope, torch.where(first == 0, 0.0, first / x))
    assert torch.equal(layer.eval()(x), x)
    assert isinstance(layer, nn.modules.dropout._DropoutNd)  # a training looks for it


def test_a_critics_convolutions_have_their_channels_last_and_the_same_values():
    torch.manual_seed(0)
    features, width = critic_features("conv", (1, 28, 28), 16, dropout=0.0)
    convolutions = [layer for layer in features if isinstance(layer, nn.Conv2d)]
    assert all(layer.weight.is_contiguous(memory_format=torch.channels_last) for layer in convolutions)
    x = random.randn(3, 1, 28, 28, rng=random.generator(0))
    found = features(x)
    assert found.shape == (3, width)
    torch.testing.assert_close(found, features.to(memory_format=torch.contiguous_format)(x))


@pytest.mark.parametrize("model", [GAN, WGAN])
def test_a_loaded_optimizer_lies_in_memory_as_the_weights_do(digits: Data, model):
    def training():
        torch.manual_seed(0)
        return Training(model((1, 8, 8), network="conv", hidden=8), digits, Settings(steps=4, batch_size=8))

    first, second = training(), training()
    first.step()
    tensors, numbers = exact.state(first)
    assert all(tensor.is_contiguous() for tensor in tensors.values())
    exact.restore(second, tensors, numbers)
    for optimizer in second.optimizers.values():
        for weight, slots in optimizer.state.items():
            assert all(slot.stride() == weight.stride() for slot in slots.values() if slot.shape == weight.shape)
    first.step()
    second.step()
    ours, theirs = exact.state(first)[0], exact.state(second)[0]
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)

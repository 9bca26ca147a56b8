"""Spectral norms of what is sampled from: of averaged weights, and of files in which u and v were averaged."""

import math

import pytest
import torch

from genmodels import random
from genmodels.data.datasets import Data, Split
from genmodels.models.base import half, load
from genmodels.models.bigan import BiGAN
from genmodels.models.gan import GAN
from genmodels.models.wgan import WGAN, gradient_norm
from genmodels.training.loop import Training
from genmodels.training.settings import Settings

LAG = 1.05  # of the product of all norms: one power iteration a step follows weights that move, and is a little behind


def norms(model):
    layers = [layer for layer in model.modules() if hasattr(layer, "parametrizations")]
    assert len(layers) > 2
    return [torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() for layer in layers]


def data_of(shape):
    x = random.randint(0, 17, 96, *shape, rng=random.generator(3)).byte()
    if shape == (2,):
        x = random.randn(256, 2, rng=random.generator(3)) * torch.tensor([1.0, 3.0])
    split = Split(x, torch.arange(len(x)) % 3)
    return Data("two-moons" if shape == (2,) else "digits", shape, 17 * (len(shape) > 1), (), split, split, split)


@pytest.mark.parametrize(
    ("shape", "of"),
    [
        ((2,), lambda: WGAN((2,), penalty="spectral", hidden=32, n_critic=1)),
        ((1, 8, 8), lambda: WGAN((1, 8, 8), penalty="spectral", hidden=16, n_critic=1, network="conv", classes=3)),
        ((1, 8, 8), lambda: GAN((1, 8, 8), spectral=True, hidden=16, network="mlp")),
        ((2,), lambda: BiGAN((2,), spectral=True, hidden=32)),
    ],
    ids=["WGAN", "WGAN of pictures with labels", "GAN of pictures", "BiGAN"],
)
def test_an_averaged_critic_has_spectral_norms_of_1_too(shape, of):
    torch.manual_seed(0)
    model, data = of(), data_of(shape)
    settings = Settings(steps=300, batch_size=32, ema=0.99, lr=2e-3, precision="float32")
    training = Training(model, data, settings)
    for _ in range(300):
        training.step()
    model.load_state_dict(training.weights())
    model.eval()
    assert math.prod(norms(model)) <= LAG
    if isinstance(model, WGAN):
        x = data.prepare(data.train.x, model.inputs)
        y = data.train.y if model.config["classes"] else None
        assert gradient_norm(lambda x: model.critic(x, y), x).max() <= LAG


def test_vectors_that_were_averaged_are_found_anew_and_others_are_as_they_were_saved(tmp_path):
    torch.manual_seed(0)
    model = WGAN((1, 8, 8), penalty="spectral", hidden=16, network="conv", classes=3)
    weights = {key: 0.4 * v if key.endswith(("._u", "._v")) else v for key, v in model.state_dict().items()}
    model.save(tmp_path / "old", weights=half(weights))
    assert norms(load(tmp_path / "old")) == pytest.approx([1] * 5, abs=2e-3)
    for saved in (half(model.state_dict()), model.state_dict()):
        model.save(tmp_path / "new", weights=saved)
        again = load(tmp_path / "new").state_dict()
        assert all(torch.equal(again[key], value.float()) for key, value in saved.items())

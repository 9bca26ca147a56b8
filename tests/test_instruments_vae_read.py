"""A visitor's picture, read: its numbers are the model's, its neighbours the nearest."""

import math

import numpy as np
import pytest
import torch

from genmodels.data.datasets import Data
from genmodels.data.uploads import Frame
from genmodels.errors import BadInput
from genmodels.instruments.examples import frame
from genmodels.instruments.vae.drawing import NEAR, Reading, known, read
from genmodels.metrics import likelihood
from genmodels.metrics.floors import chosen
from genmodels.models.vae import VAE


def model(**arguments: object) -> VAE:
    torch.manual_seed(0)
    return VAE((1, 8, 8), **{"hidden": 16, "depth": 1} | arguments).eval()


def reading(vae: VAE, data: Data, pixels: np.ndarray) -> Reading:
    return read(vae, data, pixels, known(vae, data))


@pytest.mark.parametrize("decoder", ["bernoulli", "gaussian"])
def test_a_test_digit_is_read_as_the_model_sees_it(decoder: str, digits: Data) -> None:
    vae = model(decoder=decoder, **({"sigma": 0.5} if decoder == "gaussian" else {}))
    found = reading(vae, digits, digits.test.x[3, 0].numpy() * (255 / 16))
    x = digits.prepare(digits.test.x[3:4], vae.inputs)
    np.testing.assert_allclose(found.x, x[0])
    mu, logvar = (t.detach()[0] for t in vae.posterior(x))
    np.testing.assert_allclose(found.mu, mu, atol=1e-6)
    np.testing.assert_allclose(found.sigma, torch.exp(0.5 * logvar), rtol=1e-5)
    exact = likelihood.quadrature(vae, x).log_prob.item()
    assert found.log_prob_nats == pytest.approx(exact, abs=0.05)
    draws = vae.log_weights(x, 5000, torch.Generator().manual_seed(1)).detach()
    assert found.elbo_nats == pytest.approx(draws.mean().item(), abs=5 * draws.std().item() / math.sqrt(500))
    assert found.elbo_nats < found.iwae_nats < exact + 0.5


def test_neighbours_are_the_nearest_in_both_spaces(digits: Data) -> None:
    vae = model(latent_dim=3)
    found = reading(vae, digits, digits.train.x[7, 0].numpy() * (255 / 16))
    assert found.log_prob_nats is None  # three dimensions
    train = digits.train.x.float() / 16
    np.testing.assert_allclose(found.near_x[0], train[7])
    order = (train - train[7]).square().flatten(1).sum(1).argsort(stable=True)
    sizes = [float(np.square(image - train[7].numpy()).sum()) for image in found.near_x]
    expected = [(train[i] - train[7]).square().sum().item() for i in order[:8]]
    np.testing.assert_allclose(sizes, expected, atol=1e-4)
    np.testing.assert_allclose(found.near_z[0], train[7])
    assert found.near_z.shape == found.near_x.shape == (8, 1, 8, 8)
    assert NEAR > 1437


def test_what_is_no_picture_of_the_models_size_is_said(digits: Data) -> None:
    with pytest.raises(BadInput, match="is empty"):
        reading(model(), digits, np.zeros((8, 8)))
    with pytest.raises(BadInput, match="is wanted"):
        reading(model(), digits, np.zeros((28, 28)))


def test_the_frame_is_that_of_the_training_pictures(digits: Data) -> None:
    found = frame(model(), digits)
    assert found[0] == 8
    assert found == Frame.of(chosen(digits.train, 1000, 0).x[:, 0])

"""Two settings of a VAE against collapse: a decoder that sees z in every layer, and a q whose width is fixed."""

import math

import pytest
import torch

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.metrics import likelihood
from genmodels.models.base import build
from genmodels.models.vae import VAE
from genmodels.nn.layers import MLP, SkipMLP


def vae(**arguments: object) -> VAE:
    torch.manual_seed(0)
    model = build({"model": "vae", "shape": [1, 8, 8], "hidden": 24, "depth": 3, **arguments})
    assert isinstance(model, VAE)
    return model


def test_a_skip_mlp_sees_its_input_at_every_layer() -> None:
    """Whichever layer is made deaf to the one before, the output still hangs on z: not so of an MLP."""
    z = torch.randn(5, 3)
    for i in range(1, 4):
        network = SkipMLP(3, 16, 16, 16, 7)
        with torch.no_grad():
            network.layers[i].weight[:, :16] = 0
        assert network(z).std(0).max() > 1e-3
    plain = MLP(3, 16, 16, 16, 7)
    with torch.no_grad():
        plain[4].weight.zero_()
    assert plain(z).std(0).max() == 0
    assert [layer.in_features for layer in SkipMLP(3, 16, 16, 7).layers] == [3, 19, 19]
    only = SkipMLP(3, 7)
    torch.testing.assert_close(only(z), only.layers[0](z))


def test_only_the_decoder_skips() -> None:
    model = vae(network="skip")
    assert any(isinstance(part, SkipMLP) for part in model.decoder.modules())
    assert not any(isinstance(part, SkipMLP) for part in model.encoder.modules())
    with pytest.raises(BadInput, match="network = mlp, not gaussian and skip"):
        build({"model": "vae", "shape": [2], "network": "skip"})


def test_a_q_of_fixed_width_costs_at_least_what_its_width_does() -> None:
    """½ (σ² − 1 − log σ²) nats a dimension, whatever the encoder says: its KL can never be 0. And it stays a bound."""
    model, digits = vae(q_sigma=0.5), datasets.load("digits")
    x = digits.prepare(digits.test.x[:50], "threshold")
    with torch.no_grad():
        mu, logvar = model.posterior(x)
        assert torch.equal(logvar, torch.full_like(logvar, 2 * math.log(0.5)))
        least = 0.5 * (0.25 - 1 - math.log(0.25))
        assert (model.kl(mu, logvar, mu.unsqueeze(1)) >= least - 1e-6).all()
        elbo = likelihood.elbo(model, x, samples=500, rng=random.generator(0)).elbo
        assert (elbo.mean() < model.log_prob(x).mean()).item()


def test_a_width_that_is_learned_is_the_usual_one() -> None:
    torch.manual_seed(0)
    before = build({"model": "vae", "shape": [1, 8, 8], "hidden": 24, "depth": 3})
    x = torch.rand(4, 1, 8, 8).round()
    assert torch.equal(before.posterior(x)[1], vae().posterior(x)[1])  # type: ignore[operator]
    assert vae().posterior(x)[1].std() > 0

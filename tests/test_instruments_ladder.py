"""The numbers that the page of a ladder VAE shows: which layer is which, and the bounds of the model itself."""

import numpy as np
import pytest
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.instruments.examples import example, some
from genmodels.instruments.latent import ladder as instruments
from genmodels.models.latent.ladder import Ladder
from tests.answers import finish


@pytest.fixture
def model() -> Ladder:
    """Three layers, each of which says something else."""
    model = Ladder((1, 8, 8), layers=3, latent_dim=4, latent_channels=2, hidden=16, free_bits=0.0, anneal=0.0).eval()
    with torch.no_grad():
        for p in model.parameters():
            p += 0.05 * torch.randn_like(p)
    return model


def told(model: Ladder, x: Tensor, k: int = 1, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The KL of each layer, from that beside x upwards, and log p(x | z), of each way down, by the model itself."""
    way = model.infer(x, random.generator(seed), k=k)
    return model.kls(way).double().flip(1), model.log_px(x.expand(len(way.h), *x.shape[1:]), way.h).double()


@torch.no_grad()
def test_shares_begin_with_the_layer_beside_x(model: Ladder, digits: Data) -> None:
    found = finish(instruments.shares(model, digits, n=30))
    kl, log_px = told(model, some(model, digits, 30)[0])
    np.testing.assert_allclose(found["kl"], kl.mean(0), rtol=1e-4)
    assert found["elbo"] == pytest.approx(float((log_px - kl.sum(1)).mean()), abs=1e-2)
    assert found["dimensions"].tolist() == [2 * 16, 2 * 4, 4]


@torch.no_grad()
def test_numbers_begin_with_the_layer_beside_x(model: Ladder, digits: Data) -> None:
    found, (kl, log_px) = instruments.numbers(model, digits), told(model, example(model, digits, 0), instruments.DRAWS)
    for i in (1, 2, 3):
        assert found[f"kl_{i}"] == pytest.approx(float(kl[:, i - 1].mean()), rel=1e-4)
    assert found["elbo"] == pytest.approx(float((log_px - kl.sum(1)).mean()), abs=1e-2)


@torch.no_grad()
def test_the_importance_weighted_bound_is_the_models_own(model: Ladder, digits: Data) -> None:
    own = model.iwae(example(model, digits, 0), instruments.DRAWS, random.generator(0))
    assert instruments.numbers(model, digits)["iwae"] == pytest.approx(float(own), abs=1e-2)

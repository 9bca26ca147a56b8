"""The maps of prior and aggregate posterior hold all of their mass, however narrow; and one KL is shown everywhere."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.vae.geometry import aggregate
from genmodels.metrics import likelihood
from genmodels.models.vae import VAE
from tests.answers import finish

PRIORS = ["normal", "mixture", "vamp", "flow"]


def model(**arguments: object) -> VAE:
    torch.manual_seed(0)
    return VAE((1, 8, 8), **{"hidden": 16, "depth": 1} | arguments).eval()


def narrow(vae: VAE, by: float = 200.0) -> VAE:
    """The same model with q(z | x) far narrower than a cell of any map, and its means further apart."""
    with torch.no_grad():
        last = [one for one in vae.encoder.modules() if isinstance(one, nn.Linear)][-1]
        last.bias[2:] -= math.log(by)
        last.weight[:2] *= 20
    return vae


def cell(maps: dict[str, np.ndarray]) -> float:
    return ((maps["extent"][1] - maps["extent"][0]) / len(maps["prior"])) ** 2


@pytest.mark.parametrize("prior", PRIORS)
@pytest.mark.parametrize("side", [12, 80])
def test_no_cell_misses_what_is_narrower_than_it(prior: str, side: int, digits: Data) -> None:
    maps = finish(aggregate(narrow(model(prior=prior)), digits, side=side))
    assert maps["posterior"].sum() * cell(maps) == pytest.approx(1, abs=0.01)
    assert maps["prior"].sum() * cell(maps) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("prior", PRIORS)
def test_a_map_is_the_density_where_cells_are_small(prior: str, digits: Data) -> None:
    vae = model(prior=prior)
    maps = finish(aggregate(vae, digits, side=200))
    left, right, bottom, top = maps["extent"].tolist()
    row, column = 90, 115  # no mirror image of each other
    z = torch.tensor([[left + (column + 0.5) / 200 * (right - left), bottom + (row + 0.5) / 200 * (top - bottom)]])
    x = digits.prepare(digits.test.x, vae.inputs)
    with torch.no_grad():
        assert maps["prior"][row, column] == pytest.approx(vae.prior.log_prob(z).exp().item(), rel=0.02)
        posterior = likelihood.aggregate_posterior(vae, x, z).exp().item()
    assert maps["posterior"][row, column] == pytest.approx(posterior, rel=0.02)


def test_a_grid_beyond_memory_is_said_in_one_sentence(digits: Data) -> None:
    with pytest.raises(BadInput, match="A grid of 100,000 points a side is not possible: from 2 to 1,000 are"):
        next(aggregate(model(), digits, side=100_000))
    with pytest.raises(BadInput, match="latent_dim = 2"):
        next(aggregate(model(latent_dim=3), digits))


def test_the_kl_is_that_of_the_whole_test_set_whatever_the_map(digits: Data) -> None:
    vae = model()
    x = digits.prepare(digits.test.x, vae.inputs)
    expected = likelihood.marginal_kl(vae, x, rng=random.generator(0))
    for side in (10, 80):
        maps = finish(aggregate(vae, digits, side=side))
        np.testing.assert_allclose(maps["kl"], expected, rtol=1e-6)
        assert maps["mu"].shape == (180, 2)
        assert maps["prior"].shape == maps["posterior"].shape == (side, side)

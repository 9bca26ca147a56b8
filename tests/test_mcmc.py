"""Markov chains keep the density that they are for, and the encoder's guess is made better by them."""

import math
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.latent import refinement as instruments
from genmodels.jobs import queue
from genmodels.models.vae import VAE
from genmodels.probability.mcmc import hmc
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from pages._ui.views.latent import refinement as view
from tests import answers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SPREAD = torch.tensor([[1.0, 0.7], [0.7, 1.5]], dtype=torch.float64)


def log_density(z: Tensor) -> Tensor:
    """N((1, −2), SPREAD) without its normalizer."""
    away = z - torch.tensor([1.0, -2.0], dtype=torch.float64)
    return -0.5 * (away @ torch.linalg.inv(SPREAD) * away).sum(1)


def exact(n: int) -> Tensor:
    noise = torch.randn(n, 2, generator=random.generator(1), dtype=torch.float64)
    return torch.tensor([1.0, -2.0], dtype=torch.float64) + noise @ torch.linalg.cholesky(SPREAD).T


def moments_within(z: Tensor, standard_errors: float) -> bool:
    n = len(z)
    mean, away = torch.tensor([1.0, -2.0], dtype=torch.float64), z - torch.tensor([1.0, -2.0], dtype=torch.float64)
    products = away.unsqueeze(2) * away.unsqueeze(1)
    first = ((z.mean(0) - mean).abs() < standard_errors * z.std(0) / math.sqrt(n)).all()
    return bool(first and ((products.mean(0) - SPREAD).abs() < standard_errors * products.std(0) / math.sqrt(n)).all())


@pytest.mark.parametrize("leaps", [1, 8])
@pytest.mark.parametrize("size", [0.3, 1.2])
def test_exact_draws_stay_exact_draws(leaps: int, size: float) -> None:
    """Whatever the size of the steps: moments within six standard errors. Without the acceptance they would not."""
    z, rng, shares = exact(20_000), random.generator(0), []
    for _ in range(5):
        z, accepted = hmc(log_density, z, size, leaps, rng)
        shares.append(accepted.double().mean().item())
    assert moments_within(z, 6)
    assert 0.05 < min(shares) <= max(shares) < 1


@pytest.mark.parametrize("leaps", [1, 8])
def test_a_chain_forgets_where_it_began(leaps: int) -> None:
    z, rng = torch.full((10_000, 2), 4.0, dtype=torch.float64), random.generator(0)
    for _ in range(150 if leaps == 1 else 30):  # of HMC far enough, and not half a turn: that would only mirror z
        z, _ = hmc(log_density, z, 0.6 if leaps == 1 else 0.4, leaps, rng)
    assert moments_within(z, 6)


def test_small_steps_are_all_accepted_and_wild_ones_none() -> None:
    z, rng = exact(1000), random.generator(0)
    assert hmc(log_density, z, 1e-3, 3, rng)[1].double().mean() > 0.99
    there, accepted = hmc(log_density, z, 1e6, 1, rng)
    assert not accepted.any()
    assert torch.equal(there, z)


def test_draws_of_a_grid_are_of_its_density() -> None:
    p = torch.zeros(3, 3, dtype=torch.float64)
    p[2, 0], p[0, 1] = 3.0, 1.0  # z₂ by rows
    z = instruments.draws_of(p.numpy(), torch.tensor([0.0, 3.0, 10.0, 13.0]).numpy(), 4000, 0)
    high = (z[:, 0] < 1) & (z[:, 1] >= 12)
    low = (z[:, 0] >= 1) & (z[:, 0] < 2) & (z[:, 1] < 11)
    assert (high | low).all()
    assert abs(high.double().mean().item() - 0.75) < 6 * math.sqrt(0.75 * 0.25 / 4000)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("home")
    for name, latent_dim in (("two", 2), ("five", 5)):
        arguments = {"hidden": 32, "latent_dim": latent_dim}
        run = store.create("vae", "digits", arguments=arguments, settings={"steps": 300}, folder=root / name)
        recording = Recording(run)
        list(recording.steps())
        recording.close()
    return root


@pytest.fixture(autouse=True)
def _at_once(runs: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(home))
    monkeypatch.setattr(view, "answer", answers.at_once)
    monkeypatch.setattr(queue, "pool", lambda: None)


def test_the_encoders_guess_comes_nearer_to_the_true_posterior() -> None:
    run = store.find("two")
    found = answers.finish(instruments.refined(run.model(), run.data(), 3, "HMC", 20, 0.5))
    assert found["z"].shape == (21, instruments.CHAINS, 2)
    assert found["distance"][-1] < max(found["distance"][0], 2 * found["floor"])
    assert found["distance"][-1] < 3 * found["floor"]
    assert "standard deviations of q, with a floor" in instruments.conclusion(found)
    five = store.find("five")
    more = answers.finish(instruments.refined(five.model(), five.data(), 3, "Langevin", 5, 0.5))
    assert "distance" not in more
    assert "of a draw goes from" in instruments.conclusion(more)


def test_what_is_told_of_small_steps_is_that_they_are_accepted(digits: Data) -> None:
    vae = VAE((1, 8, 8), hidden=16, depth=1, latent_dim=5).eval()
    found = answers.finish(instruments.refined(vae, digits, 3, "Langevin", 5, 0.01))
    assert found["accepted"].shape == (6,)
    assert found["accepted"].min() > 0.9


def test_bad_input_is_named() -> None:
    run = store.find("two")
    for wrong in ({"way": "walking"}, {"steps": 0}, {"size": 0.0}):
        with pytest.raises(BadInput, match="A chain is one of Langevin, HMC, of 1 to 200 steps"):
            next(instruments.refined(run.model(), run.data(), **wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize("run", ["two", "five"])
def test_the_view_draws(run: str) -> None:
    script = f"""
from genmodels.runs import store
from pages._ui.shared.moment import Moment
from pages._ui.views.latent.refinement import REFINEMENT
REFINEMENT.draw(Moment.of(store.find({run!r})))
"""
    test = AppTest.from_string(script, default_timeout=120).run()
    assert not test.exception
    assert not test.warning
    assert len(test.get("plotly_chart")) == 2

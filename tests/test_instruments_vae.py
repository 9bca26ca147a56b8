"""What the pages show of a VAE: shapes, and that each picture is of what it says."""

import itertools

import numpy as np
import pytest
import torch

from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.instruments.vae import geometry
from genmodels.instruments.vae import latent_space as instruments
from genmodels.metrics import likelihood
from genmodels.models.vae import VAE
from genmodels.runs import store
from genmodels.runs.recorder import Recording


@pytest.fixture(scope="module")
def data() -> datasets.Data:
    return datasets.load("digits")


def model(**arguments) -> VAE:
    torch.manual_seed(0)
    return VAE((1, 8, 8), **{"hidden": 16, "depth": 1} | arguments).eval()


def test_the_manifold_is_the_decoder_on_a_grid_of_equal_probability():
    vae = model()
    found = instruments.manifold(vae, 7)
    assert found.images.shape == (7, 7, 1, 8, 8)
    normal = torch.distributions.Normal(0, 1)
    mass = normal.cdf(torch.as_tensor(found.axes[0]))
    assert torch.allclose(mass.diff(), mass.diff()[0])
    z = torch.tensor([[found.axes[0][2], found.axes[1][5]]], dtype=torch.float32)
    assert np.allclose(found.images[5, 2], vae.decode(z)[0].detach().numpy(), atol=1e-6)
    with pytest.raises(BadInput, match="latent_dim = 2"):
        instruments.manifold(model(latent_dim=3))


def test_a_grid_beyond_memory_is_said_in_one_sentence(data):
    with pytest.raises(BadInput, match="A grid of 100,000 points a side is not possible: from 2 to 200 are"):
        instruments.manifold(model(), 100_000)
    with pytest.raises(BadInput, match="A grid of 100,000 points a side is not possible: from 2 to 1,000 are"):
        instruments.densities(model(), data, side=100_000)


@pytest.mark.parametrize("prior", ["normal", "mixture", "vamp", "flow"])
def test_both_densities_integrate_to_one(prior, data):
    found = instruments.densities(model(prior=prior), data, side=160, n=300)
    cell = ((found.extent[1] - found.extent[0]) / 159) ** 2
    assert found.posterior.sum() * cell == pytest.approx(1, abs=0.05)
    assert found.prior.sum() * cell == pytest.approx(1, abs=0.05)
    assert found.kl_nats > -0.05
    assert instruments.manifold(model(prior=prior), 5).images.shape == (5, 5, 1, 8, 8)


def test_reconstructions_go_from_the_worst_to_the_best(data):
    found = instruments.reconstructions(model(), data, 9, among=100)
    assert found.x.shape == found.mean.shape == (9, 1, 8, 8)
    assert (np.diff(found.elbo_nats) >= 0).all()


def test_a_path_ends_at_its_two_examples(data):
    vae = model(latent_dim=4)
    x = data.prepare(data.test.x[[3, 5]], vae.inputs)
    ends = vae.decode(likelihood.posterior(vae, x)[0]).detach().numpy()
    for spherical in (False, True):
        film = instruments.path(vae, data, 3, 5, frames=6, spherical=spherical)
        assert film.shape == (6, 1, 8, 8)
        assert np.allclose(film[[0, -1]], ends, atol=1e-5)


def test_a_sweep_moves_one_dimension(data):
    assert instruments.sweep(model(latent_dim=3), data, 0, steps=5).shape == (3, 5, 1, 8, 8)


def test_the_numbers_add_up(data):
    found = instruments.numbers(model(), data, 4)
    assert found["elbo"] == pytest.approx(found["log p(x|z)"] - found["kl"])
    sampled = instruments.numbers(model(estimator="sampled"), data, 4)
    assert sampled.keys() == found.keys()


def test_the_ladder_rises_to_the_exact_likelihood(tmp_path, monkeypatch):
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    run = store.create("vae", "digits", arguments={"hidden": 32, "depth": 1}, settings={"steps": 200})
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    steps = instruments.ladder(run.id, None, 40)
    progress = []
    while True:
        try:
            progress.append(next(steps))
        except StopIteration as end:
            found = end.value
            break
    assert progress == sorted(progress)
    means = [found["elbo"].mean(), *found["iwae"], found["exact"].mean()]
    assert all(b > a - 0.3 for a, b in itertools.pairwise(means))
    assert means[-1] > means[0]
    assert found["kl"].shape == found["active"].shape == (2,)


# Geometry -----------------------------------------------------------------------------------------------------------


def test_ellipses_are_one_sigma():
    found = geometry.ellipses([[1.0, 2.0]], [[0.5, 0.25]], sides=4)
    assert np.allclose(found[0], [[1.5, 2], [1, 2.25], [0.5, 2], [1, 1.75], [1.5, 2]])


def test_the_stretch_of_a_linear_decoder_is_the_same_everywhere(monkeypatch):
    vae = model()
    A = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(VAE, "decode", lambda self, z: (z @ A.T).view(-1, 1, 8, 8))
    found = geometry.stretch(vae, side=6)
    assert found.log10.shape == (6, 6)
    exact = 0.5 * torch.linalg.det(A.T.double() @ A.double()).log10()
    assert np.allclose(found.log10, exact, atol=1e-4)


def finish(steps):
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_a_geodesic_is_never_longer_than_the_straight_line_and_the_gap_closes(tmp_path, monkeypatch):
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    run = store.create("vae", "digits", arguments={"hidden": 32, "depth": 1}, settings={"steps": 300})
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    path = finish(geometry.geodesic(run.id, 0, 3, frames=8, iterations=60))
    assert path["x"].shape == (8, 1, 8, 8)
    assert np.allclose(path["z"][[0, -1]], path["straight"][[0, -1]])
    assert path["energy"][-1] <= path["energy"][0]
    found = finish(geometry.gap(run.id, 5, steps=60))
    assert found["elbo"][-1] >= found["elbo"][0] - 1e-3
    assert found["elbo"][-1] <= found["exact"][0] + 0.05
    assert found["mu"].shape == found["sigma"].shape == (2, 2)

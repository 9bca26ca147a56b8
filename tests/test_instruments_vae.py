"""What the pages show of a VAE: shapes, and that each picture is of what it says."""

import numpy as np
import pytest
import torch

from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.instruments import codes, examples
from genmodels.instruments.data import choices
from genmodels.instruments.vae import bound, geometry
from genmodels.metrics import likelihood
from genmodels.models.bigan import BiGAN
from genmodels.models.vae import VAE
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from tests.answers import finish


@pytest.fixture(scope="module")
def data() -> datasets.Data:
    return datasets.load("digits")


def model(**arguments) -> VAE:
    torch.manual_seed(0)
    return VAE((1, 8, 8), **{"hidden": 16, "depth": 1} | arguments).eval()


@pytest.mark.parametrize("latent_dim", [2, 4])
def test_the_map_is_the_decoder_on_a_grid_of_equal_probability(latent_dim: int):
    vae = model(latent_dim=latent_dim)
    found = codes.latent_map(vae, 7)
    assert found.x.shape == (7, 7, 1, 8, 8)
    normal = torch.distributions.Normal(0, 1)
    mass = normal.cdf(torch.as_tensor(found.axes[0]))
    assert torch.allclose(mass.diff(), mass.diff()[0])
    z = torch.zeros(1, latent_dim)
    z[0, :2] = torch.tensor([found.axes[0][2], found.axes[1][5]])
    assert np.allclose(found.x[5, 2], vae.decode(z)[0].detach().numpy(), atol=1e-6)


@pytest.mark.parametrize("prior", ["mixture", "vamp", "flow"])
def test_the_map_holds_nearly_all_of_a_prior_that_is_not_normal(prior: str):
    """Each side of the box leaves out half a percent of the samples that made it, and little more of others."""
    vae = model(prior=prior)
    with torch.no_grad():
        z = vae.prior.sample(20_000, torch.Generator().manual_seed(1)).numpy()
    for axis, values in zip(codes.latent_map(vae, 5).axes, z.T, strict=True):
        assert np.allclose(np.diff(axis), np.diff(axis)[0])
        outside = np.array([(values < axis[0]).mean(), (values > axis[-1]).mean()])
        assert (outside < 0.012).all()
        assert (outside > 0.001).all()


def test_a_grid_beyond_memory_is_said_in_one_sentence():
    with pytest.raises(BadInput, match="A grid of 100,000 points a side is not possible: from 2 to 200 are"):
        codes.latent_map(model(), 100_000)


def test_reconstructions_go_from_the_worst_to_the_best(data):
    found = bound.reconstructions(model(), data, 9, among=100)
    assert found.x.shape == found.mean.shape == (9, 1, 8, 8)
    assert (np.diff(found.elbo_nats) >= 0).all()


def test_what_is_measured_or_shown_of_many_is_no_first_part_of_an_ordered_set(data):
    x, y = examples.some(model(decoder="gaussian", sigma=0.5), data, 60)
    place = {picture.numpy().tobytes(): i for i, picture in enumerate(data.test.x)}
    chosen = [place[(picture * 16).round().to(torch.uint8).numpy().tobytes()] for picture in x]
    assert len(set(chosen)) == 60
    assert max(chosen) > 120  # by chance once in 10^30
    assert y.tolist() == data.test.y[chosen].tolist()
    again, _ = examples.some(model(decoder="gaussian", sigma=0.5), data, 60)
    assert torch.equal(x, again)


def test_a_path_ends_at_its_two_examples(data):
    vae = model(latent_dim=4)
    x = data.prepare(data.test.x[[3, 5]], vae.inputs)
    ends = vae.decode(likelihood.posterior(vae, x)[0]).detach().numpy()
    for spherical in (False, True):
        film = codes.path(vae, data, 3, 5, frames=6, arc=spherical)
        assert film.shape == (6, 1, 8, 8)
        assert np.allclose(film[[0, -1]], ends, atol=1e-5)


def test_a_sweep_moves_one_dimension(data):
    vae = model(latent_dim=3)
    found = codes.sweep(vae, data, 6, steps=5)
    assert found.shape == (3, 5, 1, 8, 8)
    z = vae.encode(examples.example(vae, data, 6)).detach()
    z[0, 1] = -1.25  # the second of five from −2.5 to 2.5
    assert np.allclose(found[1, 1], vae.decode(z)[0].detach().numpy(), atol=1e-5)


def test_a_sweep_of_a_conditional_model_stays_in_the_class_that_is_asked_for(data):
    torch.manual_seed(0)
    bigan = BiGAN((1, 8, 8), latent_dim=3, hidden=8, classes=10).eval()
    z = bigan.encode(examples.example(bigan, data, 6)).detach()
    z[0, 2] = 2.5
    expected = bigan.decode(z, torch.tensor([4]))[0].detach().numpy()
    assert np.allclose(codes.sweep(bigan, data, 6, steps=5, label=4)[2, 4], expected, atol=1e-5)


# Geometry -----------------------------------------------------------------------------------------------------------


def test_ellipses_are_one_sigma():
    found = geometry.ellipses([[1.0, 2.0]], [[0.5, 0.25]], sides=4)
    assert np.allclose(found[0], [[1.5, 2], [1, 2.25], [0.5, 2], [1, 1.75], [1.5, 2]])


def test_the_stretch_of_a_linear_decoder_is_the_same_everywhere(monkeypatch):
    vae = model()
    A = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(VAE, "decode", lambda self, z: (z @ A.T).view(-1, 1, 8, 8))
    decades, extent = geometry.stretch(vae, side=6)
    assert decades.shape == (6, 6)
    exact = 0.5 * torch.linalg.det(A.T.double() @ A.double()).log10()
    assert np.allclose(decades, exact, atol=1e-4)
    tail = torch.distributions.Normal(0, 1).icdf(torch.tensor(0.98)).item()
    assert extent == pytest.approx((-tail, tail, -tail, tail), abs=1e-5)


def test_only_a_plane_of_codes_is_drawn_as_one(data):
    for draw in (geometry.stretch, lambda vae: geometry.posteriors(vae, data)):
        with pytest.raises(BadInput, match="latent_dim = 2, and this model has 3"):
            draw(model(latent_dim=3))


def test_the_posteriors_are_those_of_random_test_examples(data):
    vae = model()
    ellipses, labels = geometry.posteriors(vae, data, 20)
    x, y = examples.some(vae, data, 20)
    mu, logvar = (t.detach() for t in vae.posterior(x))
    assert labels.tolist() == y.tolist()
    assert np.allclose(ellipses.shape, (20, 25, 2))
    assert np.allclose(ellipses[:, :-1].mean(1), mu, atol=1e-5)
    assert np.allclose(ellipses[:, 0, 0] - mu[:, 0].numpy(), torch.exp(0.5 * logvar[:, 0]), atol=1e-5)


def test_a_geodesic_is_never_longer_than_the_straight_line_and_the_gap_closes(tmp_path, monkeypatch):
    monkeypatch.setenv("GENMODELS_RUNS", str(tmp_path / "runs"))
    run = store.create("vae", "digits", arguments={"hidden": 32, "depth": 1}, settings={"steps": 300})
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    vae, data = run.model(), run.data()
    path = finish(codes.geodesic(vae, data, 0, 3, frames=8, iterations=60))
    assert path["x"].shape == (8, 1, 8, 8)
    assert np.allclose(path["z"][[0, -1]], path["straight"][[0, -1]])
    assert path["energy"][-1] <= path["energy"][0]
    ends = vae.decode(vae.encode(torch.cat([examples.example(vae, data, i) for i in (0, 3)])))
    assert np.allclose(path["x"][[0, -1]], ends.detach().numpy(), atol=1e-5)
    found = finish(geometry.gap(vae, data, 5, steps=60))
    assert found["elbo"][-1] >= found["elbo"][0] - 1e-3
    assert found["elbo"][-1] <= found["exact"][0] + 0.05
    assert found["mu"].shape == found["sigma"].shape == (2, 2)


def test_the_examples_to_choose_from_are_one_of_each_class(data):
    numbers, x = choices(data, 100, 3)
    assert numbers[10:] in ([100, 3], [100])
    assert data.test.y[numbers[:10]].tolist() == list(range(10))
    assert x.shape == (len(numbers), 1, 8, 8)
    np.testing.assert_allclose(x[10], data.test.x[100] / (data.levels - 1))
    assert len(set(numbers)) == len(numbers)

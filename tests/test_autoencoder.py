"""The autoencoder: what it learns, the Gaussian fitted to its codes, and what a VAE has that it has not."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch.distributions import MultivariateNormal

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.instruments import codes
from genmodels.instruments.latent import autoencoder as instruments
from genmodels.instruments.latent.subspace import angles
from genmodels.jobs import queue
from genmodels.models.base import build
from genmodels.models.latent.autoencoder import Autoencoder, FittedGaussian
from genmodels.models.latent.linear_gaussian import principal
from genmodels.quantities import quantity
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings
from pages._ui.shared.run_cache import stamp
from pages._ui.views.latent import autoencoder as view
from tests import answers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def trained(data: str, steps: int, **arguments: Any) -> Autoencoder:
    torch.manual_seed(0)
    loaded = datasets.load(data)
    model = build({"model": "autoencoder", "shape": list(loaded.shape), "hidden": 64, **arguments})
    for _ in fit(Training(model, loaded, Settings(steps=steps, batch_size=128, lr=3e-3, decay="cosine"))):
        pass
    assert isinstance(model, Autoencoder)
    return model.eval()


def test_the_fitted_gaussian_is_the_mean_and_covariance_of_what_it_saw() -> None:
    """Of as many batches as count alike, exactly; and it goes along where codes move."""
    z = torch.randn(50, 20, 3, dtype=torch.float64, generator=random.generator(0)) @ torch.randn(3, 3).double() + 2
    fitted = FittedGaussian(3).double()
    for batch in z:
        fitted.see(batch)
    flat = z.flatten(0, 1)
    torch.testing.assert_close(fitted.mean, flat.mean(0))
    torch.testing.assert_close(fitted.covariance, flat.T.cov(correction=0))
    for _ in range(2000):
        fitted.see(z[0] - 5)
    torch.testing.assert_close(fitted.mean, z[0].mean(0) - 5, atol=1e-4, rtol=0)
    torch.testing.assert_close(fitted.covariance, z[0].T.cov(correction=0), atol=1e-3, rtol=1e-3)
    truth = MultivariateNormal(fitted.mean, fitted.factor() @ fitted.factor().T)
    torch.testing.assert_close(fitted.log_prob(z[0]), truth.log_prob(z[0]))
    drawn = fitted.sample(200_000, random.generator(1))
    error = drawn.std(0) / 200_000**0.5
    assert ((drawn.mean(0) - fitted.mean).abs() < 6 * error).all()
    torch.testing.assert_close(drawn.T.cov(), fitted.covariance, atol=0.03, rtol=0.03)


def test_only_training_changes_the_fitted_gaussian() -> None:
    model = build({"model": "autoencoder", "shape": [2]})
    x = torch.randn(30, 2)
    before = copy.deepcopy(model.state_dict())
    model.eval().loss(x)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    model.train().loss(x)
    assert not torch.equal(before["prior.mean"], model.state_dict()["prior.mean"])


def test_a_linear_autoencoder_finds_the_principal_subspace() -> None:
    """Baldi & Hornik (1989): the least squared error of a linear one is that of the principal subspace."""
    moons = datasets.load("two-moons")
    model = trained("two-moons", 1500, depth=0, latent_dim=1)
    x = moons.train.x
    layer = next(part for part in model.decoder.modules() if isinstance(part, torch.nn.Linear))
    w, _, sigma2, _ = principal(x, 1)
    assert angles(layer.weight.detach(), w).max() < 3
    with torch.no_grad():
        error = model.reconstruction_error(x, model.encode(x)).mean().item()
    assert error == pytest.approx(float(sigma2), rel=0.02)  # what is left over is the smallest eigenvalue


def test_a_penalty_makes_codes_small() -> None:
    free, sparse = (trained("digits", 300, latent_dim=16, sparsity=weight) for weight in (0.0, 1.0))
    digits = datasets.load("digits")
    x = digits.prepare(digits.test.x[:200], "threshold")
    with torch.no_grad():
        sizes = [model.encode(x).abs().mean().item() for model in (free, sparse)]
        unused = [(model.encode(x).abs().mean(0) < 0.1).float().mean().item() for model in (free, sparse)]
    assert sizes[1] < 0.5 * sizes[0]
    assert unused[1] > unused[0]


def test_a_squared_error_is_no_likelihood() -> None:
    """It is made small and has another name than what is made large."""
    x = torch.rand(4, 1, 8, 8)
    squared, crossed = (
        build({"model": "autoencoder", "shape": [1, 8, 8], "error": e}) for e in ("squared", "cross-entropy")
    )
    terms = squared.loss(x)
    assert terms["squared error"] == terms["loss"]
    assert "reconstruction" not in terms
    assert quantity("squared error").better == "lower"
    assert (terms := crossed.loss(x.round()))["reconstruction"] == -terms["loss"]


def test_bad_input_is_named() -> None:
    with pytest.raises(BadInput, match="network = conv needs images"):
        build({"model": "autoencoder", "shape": [2], "network": "conv"})
    with pytest.raises(BadInput, match="sparsity = -1 is not a number from 0 to 100"):
        build({"model": "autoencoder", "shape": [2], "sparsity": -1})


# Beside a VAE ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An autoencoder and a VAE of the same digits, and of points."""
    root = tmp_path_factory.mktemp("home")
    for name, model, data, arguments, steps in (
        ("ae", "autoencoder", "digits", {"hidden": 128}, 1500),
        ("vae", "vae", "digits", {"hidden": 128}, 1500),
        ("ae-points", "autoencoder", "two-moons", {"hidden": 16, "latent_dim": 1}, 5),
        ("vae-points", "vae", "two-moons", {"hidden": 16, "latent_dim": 1}, 5),
    ):
        settings = {"steps": steps, "batch_size": 128, "lr": 2e-3}
        recording = Recording(store.create(model, data, arguments=arguments, settings=settings, folder=root / name))
        list(recording.steps())
        recording.close()
    return root


@pytest.fixture(autouse=True)
def _at_once(runs: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(home))
    monkeypatch.setattr(view, "answer", answers.at_once)
    monkeypatch.setattr(queue, "pool", lambda: None)


def test_both_reconstruct_and_only_the_vae_can_be_drawn_from() -> None:
    """The same network: the autoencoder's error is no larger; its draws fall farther from the codes than the VAE's."""
    run = store.find("ae")
    found = answers.finish(instruments.beside(run.model(), run.data(), "vae"))
    assert found["ae squared"] < 1.05 * found["vae squared"]
    holes = {name: float(found[f"{name} near"] / found[f"{name} usual"]) for name in ("ae", "vae")}
    assert holes["ae"] > holes["vae"]
    assert found["ae back"] > 0
    assert found["ae path"].shape == found["vae path"].shape == (instruments.WAY, 1, 8, 8)
    assert "times (VAE) as far" in instruments.conclusion(found)
    with torch.no_grad():
        (begin,) = run.model().decode(_code(run, 0).unsqueeze(0))
    np.testing.assert_allclose(found["ae path"][0], begin.numpy(), atol=1e-5)


def test_each_code_is_swept_over_where_codes_are() -> None:
    """They are no draws from N(0, I), and may lie anywhere."""
    run = store.find("ae")
    model, data = run.model(), run.data()
    x = codes.sweep(model, data, 0, steps=5)
    z = model.prior.sample(4000, random.generator(0)).quantile(torch.tensor([codes.TAIL / 4, 1 - codes.TAIL / 4]), 0)
    own = _code(run, 0).repeat(2, 1)
    own[:, 0] = z[:, 0]
    with torch.no_grad():
        np.testing.assert_allclose(x[0, [0, -1]], model.decode(own).numpy(), atol=1e-4)
    assert not codes.is_noise(model)
    assert codes.is_noise(store.find("vae").model())


def _code(run: store.Run, index: int) -> torch.Tensor:
    x = run.data().prepare(run.data().test.x[index : index + 1], "threshold")
    with torch.no_grad():
        return run.model().encode(x)[0]


@pytest.mark.parametrize("run", ["ae", "ae-points"])
@pytest.mark.parametrize("call", ["beside", "theory"])
def test_every_view_draws(run: str, call: str) -> None:
    script = f"""
from genmodels.runs import store
from pages._ui.shared.moment import Moment
from pages._ui.views.latent import autoencoder
autoencoder.{call}(Moment.of(store.find({run!r})))
"""
    test = AppTest.from_string(script, default_timeout=120).run()
    assert not test.exception
    assert not test.warning
    assert test.caption


@pytest.mark.parametrize(("error", "pixel"), [("squared", "grey"), ("cross-entropy", "black or white")])
def test_a_squared_error_says_of_which_pixels_it_is(error: str, pixel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A VAE beside it may have learned from others."""
    captions: list[str] = []
    monkeypatch.setattr(view, "pictures", lambda *_, caption, **__: captions.append(caption))
    monkeypatch.setattr(view, "plot", lambda *_, **__: None)
    data = store.find("ae").data()
    model = build({"model": "autoencoder", "shape": list(data.shape), "hidden": 16, "error": error}).eval()
    moment = SimpleNamespace(model=model, data=data)
    view._column(moment, "ae", instruments.codes_and_draws(model, data) | {"path": np.zeros((2, 1, 8, 8))})  # type: ignore[arg-type]
    assert captions[0].endswith(f" a {pixel} pixel")


def test_what_is_no_vae_of_its_data_is_named() -> None:
    run = store.find("ae")
    for other in ("ae", "vae-points"):
        with pytest.raises(BadInput, match="is no VAE of digits"):
            answers.finish(instruments.beside(run.model(), run.data(), other))
    with pytest.raises(BadInput, match="for an autoencoder"):
        next(instruments.beside(store.find("vae").model(), run.data()))


def test_the_vae_beside_it_has_as_many_numbers_a_code_if_there_is_one() -> None:
    for dimensions, first in ((2, "vae-mnist-2d"), (20, "vae-mnist-20d")):
        known = view._vaes("mnist", dimensions, stamp(store.root()), 0.0)
        assert known[0] == first
        assert {"vae-mnist-2d", "vae-mnist-20d"} <= set(known)

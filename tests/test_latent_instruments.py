"""What is shown of a mixture, PPCA, factor analysis and a linear VAE: the numbers are true, every view draws."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest

from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.latent import likelihood, linear_vae, steps, subspace
from genmodels.jobs import queue
from genmodels.models.base import build
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from pages._ui.views.common import density
from pages._ui.views.latent import em as em_view
from pages._ui.views.latent import estimates as estimates_view
from pages._ui.views.latent import likelihood as likelihood_view
from pages._ui.views.latent import linear_vae as linear_view
from pages._ui.views.latent import subspace as subspace_view
from tests import answers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RUNS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "mixture-points": ("mixture", "two-moons", {"components": 4, "covariance": "full", "prior_weight": 0.1}),
    "mixture-pictures": ("mixture", "digits", {"components": 5}),
    "ppca-points": ("ppca", "two-moons", {"learn": "gradient"}),
    "ppca-pictures": ("ppca", "digits", {"latent_dim": 3}),
    "factors-pictures": ("ppca", "digits", {"latent_dim": 2, "noise": "diagonal"}),
    "vae-linear": ("vae", "digits", {"depth": 0, "decoder": "gaussian", "latent_dim": 3}),
}
OWN = {"mixture": ("EM", "p(x)", "Maximum likelihood", "MAP"), "vae": ("Linear VAE",)}
OWN["ppca"] = (*OWN["mixture"], "Subspace", "Estimates of log p(x)")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each of RUNS, ten steps long."""
    root = tmp_path_factory.mktemp("home")
    for name, (model, data, arguments) in RUNS.items():
        settings = {"steps": 10, "batch_size": 256}
        recording = Recording(store.create(model, data, arguments=arguments, settings=settings, folder=root / name))
        list(recording.steps())
        recording.close()
    return root


@pytest.fixture(autouse=True)
def _at_once(runs: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tasks are done here and now, and no worker is started."""
    monkeypatch.setenv("GENMODELS_RUNS", str(home))
    for module in (em_view, likelihood_view, subspace_view, linear_view, estimates_view, density):
        monkeypatch.setattr(module, "answer", answers.at_once)
    monkeypatch.setattr(queue, "pool", lambda: None)


def model_and_data(name: str) -> tuple[Any, Any]:
    run = store.find(name)
    return run.model(), run.data()


@pytest.mark.parametrize(
    ("run", "view"), [(run, view) for run, (model, _, _) in RUNS.items() for view in (*OWN[model], "theory")]
)
def test_every_view_draws_what_applies(run: str, view: str) -> None:
    model, data, _ = RUNS[run]
    if view == "theory" and model == "vae":
        return  # its own tests draw it
    call = "theory.theory(moment)"
    if view != "theory":
        moment = f"instruments.on_page({model!r})[{view!r}]"
        call = f"one = {moment}\nif one.applies(moment):\n    one.draw(moment)\nelse:\n    st.info('not offered')"
    script = f"""
import streamlit as st
from genmodels.runs import store
from pages._ui.shared.moment import Moment
from pages._ui.views.latent import theory
from tests import instruments
moment = Moment.of(store.find({run!r}))
{call}
"""
    test = AppTest.from_string(script, default_timeout=120).run()
    assert not test.exception
    assert not test.warning
    offered = view not in (("p(x)", "Maximum likelihood") if data == "digits" else ("Estimates of log p(x)",))
    assert bool(test.info) != offered
    assert not offered or test.caption


def test_the_staircase_climbs_and_touches() -> None:
    for name in RUNS:
        if name == "vae-linear":
            continue
        model, data = model_and_data(name)
        found = answers.finish(steps.steps(model, data, count=8, n=300))
        log_prob, bound = found["log_prob"], found["bound"]
        assert (log_prob[:-1] <= bound + 1e-9).all()
        assert (bound <= log_prob[1:] + 1e-9).all()
        assert "8 steps of EM raise log p(x)" in steps.conclusion(found)
        if "posterior" in found:
            np.testing.assert_allclose(found["posterior"].sum(2), 1, atol=1e-5)
        fresh = answers.finish(steps.steps(model, data, count=1, n=300, begin=3))
        other = answers.finish(steps.steps(model, data, count=1, n=300, begin=4))
        assert fresh["log_prob"][0] != log_prob[0]
        if "mixture" in name or "ppca" in name:  # first parameters that are drawn
            assert fresh["log_prob"][1] != other["log_prob"][1]


def test_an_outline_is_two_standard_deviations() -> None:
    for name in ("mixture-points", "ppca-points"):
        model, _ = model_and_data(name)
        (first, *_) = steps.outlines(model)
        if name == "ppca-points":
            sigma = (model.W @ model.W.T).detach().numpy() + np.eye(2) * float(model.log_psi.detach().exp())
            mean = model.mu.detach().numpy()
        else:
            a = model.log_scale.exp()[0].diag() + model.lower[0].tril(-1)
            sigma = np.linalg.inv((a @ a.T).detach().numpy())
            mean = model.means[0].detach().numpy()
        away = first - mean
        far = np.einsum("ci,ij,cj->c", away, np.linalg.inv(sigma), away)
        np.testing.assert_allclose(far, 4, rtol=1e-3)


@pytest.mark.parametrize("covariance", ["diagonal", "spherical"])
def test_an_outline_without_correlations_stands_upright(covariance: str) -> None:
    model = build({"model": "mixture", "shape": [2], "components": 4, "covariance": covariance})
    with torch.no_grad():
        model.means.copy_(torch.tensor([[1.5, 1.0], [-1.0, 2.0], [0.5, -1.0], [2.0, 2.0]]))
        model.log_scale.copy_(0.5 + 0.3 * torch.randn_like(model.log_scale))
        away = torch.as_tensor(steps.outlines(model)) - model.means.unsqueeze(1)
        far = (away * model.log_scale.exp().unsqueeze(1)).square().sum(2)
    torch.testing.assert_close(far, torch.full_like(far, 4), rtol=1e-3, atol=0)


@pytest.mark.parametrize("noise", ["isotropic", "diagonal"])
def test_what_is_explained_is_the_variance_that_is_not_noise(noise: str, digits: Data) -> None:
    model = build({"model": "ppca", "shape": [1, 8, 8], "latent_dim": 3, "noise": noise}).eval()
    with torch.no_grad():
        model.W.normal_()
        model.log_psi.normal_()
        signal, psi = float(model.W.square().sum()), float(model.log_psi.exp().expand(64).sum())
    terms = steps.numbers(model, digits, 3)
    assert terms["explained"] == pytest.approx(signal / (signal + psi), rel=1e-4)
    assert terms["sigma"] == pytest.approx(math.sqrt(psi / 64), rel=1e-4)


def test_the_numbers_of_the_theory_add_up() -> None:
    for name in ("mixture-points", "mixture-pictures", "ppca-points", "factors-pictures"):
        model, data = model_and_data(name)
        terms = steps.numbers(model, data, 3)
        assert terms["expected"] + terms["entropy"] == pytest.approx(terms["log p(x)"], rel=1e-6, abs=1e-6)
        assert (terms["log p(θ)"] != 0) == (name == "mixture-points")


def test_likelihood_and_kl_differ_by_the_entropy_of_the_data() -> None:
    """Within five standard errors of the mean of −log p, at every width; and the lowest points are neighbours."""
    model, data = model_and_data("mixture-points")
    found = answers.finish(likelihood.kl_and_likelihood(model, data, n=len(data.train), points=9))
    assert float(found["mass"]) == pytest.approx(1, abs=1e-3)
    gap = found["nll"] - found["kl"] - found["entropy"]
    assert (np.abs(gap) < 5 * found["error"] + 2e-3).all()
    assert (found["kl"] > 0).all()
    assert abs(int(found["kl"].argmin()) - int(found["nll"].argmin())) <= 1
    assert "smallest at" in likelihood.conclusion_of_kl(found)


def test_maximum_likelihood_believes_few_examples_and_a_prior_does_not() -> None:
    """On its own examples nothing beats maximum likelihood; on others a prior does, of four Gaussians for ten."""
    model, data = model_and_data("mixture-points")
    found = answers.finish(likelihood.map_path(model, data, n=10, side=8))
    assert found["train"].shape == (likelihood.DRAWS, len(likelihood.PRIORS))
    train, held_out = found["train"].mean(0), found["held_out"].mean(0)
    assert train[0] > train[-1]
    assert held_out[0] < held_out[1:].max() - 1
    assert re.search(r"imagined examples? for each real one wins? ", likelihood.conclusion_of_map(found))
    assert found["density"].shape == (len(likelihood.PRIORS), 8, 8)


def test_a_subspace_is_compared_by_its_angles() -> None:
    for name in ("ppca-points", "ppca-pictures", "factors-pictures"):
        model, data = model_and_data(name)
        found = answers.finish(subspace.subspace(model, data))
        assert ((found["angles"] >= 0) & (found["angles"] <= 90)).all()
        if name != "factors-pictures":
            assert found["log_prob"] <= found["best"] + 1e-6
        assert subspace.conclusion(found).endswith(".")
        flat = found["directions"].reshape(model.latent_dim, -1)
        np.testing.assert_allclose(flat @ flat.T, np.eye(model.latent_dim), atol=1e-6)


def test_the_variance_along_a_direction_is_the_models_noise_included() -> None:
    for name in ("ppca-points", "ppca-pictures", "factors-pictures"):
        model, data = model_and_data(name)
        found = answers.finish(subspace.subspace(model, data))
        u, w = found["directions"].reshape(model.latent_dim, -1), model.W.detach().double().numpy()
        covariance = w @ w.T + np.diag(found["psi"].ravel())
        np.testing.assert_allclose(found["variance"], np.einsum("ld,de,le->l", u, covariance, u), rtol=1e-4)


@torch.no_grad()
def test_what_a_linear_vae_leaves_open_is_its_true_posterior(digits: Data) -> None:
    vae = build({"model": "vae", "shape": [1, 8, 8], "depth": 0, "latent_dim": 3, "decoder": "gaussian"}).eval()
    for p in vae.decoder.parameters():
        p.normal_(0, 0.4)
    (w,) = (p.double() for p in vae.decoder.parameters() if p.ndim == 2)
    covariance = torch.linalg.inv(torch.eye(3).double() + w.T @ w / vae.log_sigma.double().exp().square())
    found, scale = answers.finish(linear_vae.linear(vae, digits)), covariance.diagonal().sqrt()
    np.testing.assert_allclose(found["left"], covariance.diagonal(), rtol=1e-4)
    np.testing.assert_allclose(found["correlation"], covariance / scale.outer(scale), rtol=1e-4, atol=1e-6)


NAN = np.array([math.nan])


def of_map(train: list[float], held_out: list[list[float]], weight: float) -> str:
    """What is said of maximum likelihood and of one prior, by set of examples."""
    known = {"train": np.array([[one, -20.0] for one in train]), "held_out": np.array(held_out)}
    return likelihood.conclusion_of_map(known | {"prior": np.array([0.0, weight])})


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            steps.conclusion(
                {"log_prob": np.array([-3.0, -2.0]), "bound": np.array([-2.25]), "prior_weight": np.array(0)}
            ),
            "1 steps of EM raise log p(x) by 1 nats; the widest gap that an E step closed is 0.25.",
        ),
        (steps.conclusion({"log_prob": NAN, "bound": NAN}), "there is nothing to conclude."),
        (
            linear_vae.conclusion(
                {
                    "elbo": np.array(-3.0),
                    "log_prob": np.array(-2.5),
                    "best": np.array(-2.0),
                    "angles": np.array([1.0, 7.0]),
                }
            ),
            "loses 0.5 nats of log p(x), and the decoder misses 0.5 of PPCA's best; its subspace is 7 degrees from",
        ),
        (
            of_map([-1.0, -1.5, -0.5], [[-9.0, -4.0], [-8.5, -3.0], [-9.5, -5.0]], 0.1),
            "8 nats better on its own examples than on others; 0.1 imagined examples for each real one win 5 ± 0.289",
        ),
        (
            of_map([-1.0, -1.5, -0.5], [[-9.0, -4.0], [-8.5, -3.0], [-9.5, -5.0]], 1.0),
            "; 1 imagined example for each real one wins 5 ± 0.289 nats on those.",
        ),
        (
            of_map([-1.0, -1.5, -0.5], [[-9.0, -8.0], [-8.5, -9.5], [-9.5, -8.0]], 0.1),  # 0.5 ± 0.764
            "Here no prior helps by more than chance: maximum likelihood is 8 nats better on its own examples than on",
        ),
        (
            of_map([-9.0, -8.0, -9.5], [[-9.0, -4.0], [-8.5, -3.0], [-9.5, -5.0]], 0.1),
            "Maximum likelihood is no better on its own examples than on others (0.167 ± 0.167 nats); 0.1 imagined",
        ),
        (
            subspace.conclusion(
                {
                    "best": np.array(1.0),
                    "log_prob": np.array(1.5),
                    "angles": np.array([3.0]),
                    "diagonal": np.array(True),
                }
            ),
            "puts log p(x) 0.5 nats above the best that PPCA can reach",
        ),
        (
            subspace.conclusion(
                {
                    "best": np.array(1.5),
                    "log_prob": np.array(1.0),
                    "angles": np.array([3.0]),
                    "diagonal": np.array(True),
                }
            ),
            "0.5 nats below the best that PPCA can reach, and factor analysis too: it has not learned enough.",
        ),
    ],
)
def test_a_conclusion_says_what_the_numbers_say(said: str, sentence: str) -> None:
    assert sentence in said


def test_bad_input_is_named() -> None:
    points, data = model_and_data("mixture-points")
    pictures, digits = model_and_data("mixture-pictures")
    vae, _ = model_and_data("vae-linear")
    for call, message in (
        (lambda: next(steps.steps(vae, digits)), "whose posterior is exact"),
        (lambda: next(steps.steps(points, data, count=0)), "count = 0 is not a number of steps from 1 to 100"),
        (lambda: next(likelihood.kl_and_likelihood(pictures, digits)), "a plane whose density is known"),
        (lambda: next(likelihood.kl_and_likelihood(points, data, n=1)), "n = 1 is not a number of training points"),
        (lambda: next(likelihood.map_path(points, data, n=1)), "n = 1 is not a number of training examples"),
        (lambda: next(likelihood.map_path(vae, digits)), "MAP by EM is for"),
        (lambda: steps.outlines(pictures), "points of the plane"),
    ):
        with pytest.raises(BadInput, match=message):
            call()

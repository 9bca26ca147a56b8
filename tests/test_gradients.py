"""Two gradients of one expectation: each is right on average, their scatter is known, and a VAE learns by either."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import Tensor

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.instruments.latent import gradients as instruments
from genmodels.jobs import queue
from genmodels.models.base import build
from genmodels.models.vae import VAE
from genmodels.probability.distributions import normal_log_prob
from genmodels.probability.gradients import baseline, score_function
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings
from pages._ui.views.latent import gradients as view
from tests import answers

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def vae(**arguments: Any) -> VAE:
    torch.manual_seed(0)
    model = build({"model": "vae", "shape": [1, 8, 8], "hidden": 32, "depth": 1, **arguments})
    assert isinstance(model, VAE)
    return model


@pytest.mark.parametrize("with_baseline", [False, True])
def test_the_score_function_of_a_square_is_right_on_average(with_baseline: bool) -> None:
    """E (z − 3)² under N(μ, σ²) is (μ − 3)² + σ²: its derivatives, to six standard errors; the value stays itself."""
    mu, log_sigma = torch.tensor(0.5, dtype=torch.float64), torch.tensor(-0.3, dtype=torch.float64)
    draws = []
    for seed in range(400):
        mu_, log_sigma_ = mu.clone().requires_grad_(), log_sigma.clone().requires_grad_()
        z = mu + log_sigma.exp() * torch.randn(50, generator=random.generator(seed), dtype=torch.float64)
        f = (z - 3).square()
        log_q = normal_log_prob(z, mu_, 2 * log_sigma_)
        surrogate = score_function(f, log_q, with_baseline=with_baseline)
        assert torch.equal(surrogate.detach(), f)
        draws.append(torch.stack(torch.autograd.grad(surrogate.mean(), (mu_, log_sigma_))))
    found = torch.stack(draws)
    truth = torch.stack([2 * (mu - 3), 2 * (2 * log_sigma).exp()])
    assert ((found.mean(0) - truth).abs() < 6 * found.std(0) / math.sqrt(len(found))).all()


def test_a_baseline_is_the_mean_of_the_others() -> None:
    f = torch.tensor([[1.0, 2.0], [4.0, 9.0]])
    torch.testing.assert_close(baseline(f), torch.tensor([[5.0, 14 / 3], [4.0, 7 / 3]]))
    assert baseline(torch.tensor([3.0])).item() == 0


def gradient(model: VAE, x: Tensor, seed: int) -> Tensor:
    """Of the loss in the encoder's last layer."""
    weights = list(model.encoder.parameters())[-2:]
    loss = model.loss(x, rng=random.generator(seed))["loss"]
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, weights)]).double()


def test_a_vae_gets_the_same_gradient_on_average_by_each() -> None:
    """Along a fixed direction, the means of 600 batches' gradients within five standard errors of their difference."""
    digits = datasets.load("digits")
    x = digits.prepare(digits.train.x[:32], "threshold")
    along = torch.randn(33 * 4, generator=random.generator(7), dtype=torch.float64)
    told = {}
    for name in instruments.WAYS:
        model = vae(gradient=name)
        values = torch.stack([gradient(model, x, seed) @ along for seed in range(600)])
        told[name] = values.mean(), values.std() / math.sqrt(len(values))
        if name != "reparametrization":
            mean, error = told["reparametrization"]
            assert (told[name][0] - mean).abs() < 5 * (told[name][1].square() + error.square()).sqrt()
    errors = [float(told[name][1]) for name in instruments.WAYS]
    assert errors[0] < errors[2] < errors[1]


def test_the_decoder_learns_alike_by_each() -> None:
    """Its gradient needs no trick: with the same draws it is the same."""
    digits = datasets.load("digits")
    x = digits.prepare(digits.train.x[:32], "threshold")
    found = []
    for name in instruments.WAYS:
        model = vae(gradient=name)
        loss = model.loss(x, rng=random.generator(0))["loss"]
        found.append(torch.autograd.grad(loss, list(model.decoder.parameters())))
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            torch.testing.assert_close(a, b)


def test_the_instruments_formulas_are_what_autograd_says() -> None:
    model, digits = vae().double(), datasets.load("digits")
    x = digits.prepare(digits.test.x[:1], "threshold").double()
    draws = instruments.of_each_draw(model, x, 5, random.generator(3))
    eps = random.randn(5, 2, rng=random.generator(3)).double()
    for i in range(5):
        mu, logvar = (t.detach() for t in model.posterior(x))
        mu_, log_sigma = mu.clone().requires_grad_(), (0.5 * logvar).clone().requires_grad_()
        z = mu_ + log_sigma.exp() * eps[i]
        f = model.log_likelihood(x, z.unsqueeze(1))[0, 0]
        by_z = torch.cat(torch.autograd.grad(f, (mu_, log_sigma)), 1)[0]
        torch.testing.assert_close(draws["reparametrization"][i], by_z)
        log_q = normal_log_prob(z.detach(), mu_, 2 * log_sigma).sum()
        by_score = torch.cat(torch.autograd.grad(log_q, (mu_, log_sigma)), 1)[0] * f.detach()
        torch.testing.assert_close(draws["score"][i], by_score)


def test_what_is_measured_agrees_on_average_and_scatters_as_it_should() -> None:
    model, digits = vae(), datasets.load("digits")
    found = answers.finish(instruments.two_gradients(model, digits, 0))
    apart = np.abs(found["mean"][1:] - found["mean"][0]) / np.hypot(found["error"][1:], found["error"][0])
    assert apart.max() < 5.5
    assert found["variance"][0] < found["variance"][2] < found["variance"][1]
    assert found["first"].shape == (3, instruments.DRAWS)
    np.testing.assert_allclose(found["needed"] * np.square(found["mean"][0]).sum(), found["variance"], rtol=1e-6)
    assert "All three agree on average" in instruments.conclusion(found)


@pytest.mark.parametrize("name", ["score", "score-baseline"])
def test_a_vae_learns_by_its_score_function(name: str) -> None:
    moons = datasets.load("two-moons")
    torch.manual_seed(0)
    model = build({"model": "vae", "shape": [2], "hidden": 32, "depth": 1, "latent_dim": 1, "gradient": name})
    losses = [step.terms for step in fit(Training(model, moons, Settings(steps=400, batch_size=256, lr=3e-3)))]
    told = [terms["held-out elbo"] for terms in losses if terms and "held-out elbo" in terms]
    assert told[-1] > told[0] + 0.3


def test_bad_input_is_named() -> None:
    for other in ({"prior": "mixture"}, {"objective": "iwae"}, {"estimator": "sampled"}):
        with pytest.raises(BadInput, match="gradient = score needs objective = elbo, estimator = analytic and prior"):
            vae(gradient="score", **other)
    with pytest.raises(BadInput, match="gradients of a VAE's bound"):
        next(instruments.two_gradients(build({"model": "ppca", "shape": [2]}), datasets.load("two-moons")))  # type: ignore[arg-type]


def test_the_view_draws(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "pool", lambda: None)
    monkeypatch.setattr(view, "answer", answers.at_once)
    for data in ("digits", "two-moons"):
        run = store.create("vae", data, arguments={"hidden": 16}, settings={"steps": 3, "batch_size": 32})
        recording = Recording(run)
        list(recording.steps())
        recording.close()
        script = f"""
from genmodels.runs import store
from pages._ui.shared.moment import Moment
from pages._ui.views.latent.gradients import GRADIENTS
GRADIENTS.draw(Moment.of(store.find({run.id!r})))
"""
        test = AppTest.from_string(script, default_timeout=120).run()
        assert not test.exception
        assert len(test.get("plotly_chart")) == 2

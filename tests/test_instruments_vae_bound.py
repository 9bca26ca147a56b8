"""One example's terms of the bound against torch's distributions, the ladder, and the example with the widest gap."""

import itertools
import math

import pytest
import torch
from torch.distributions import Bernoulli, ContinuousBernoulli, Independent, MixtureSameFamily, Normal

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.instruments.examples import example
from genmodels.instruments.vae import bound as instruments
from genmodels.metrics import likelihood
from genmodels.models.vae import VAE
from genmodels.runs import store
from genmodels.runs.recorder import Recording


def model(**arguments: object) -> VAE:
    torch.manual_seed(0)
    return VAE((1, 8, 8), **{"hidden": 16, "depth": 1} | arguments).eval()


@torch.no_grad()
@pytest.mark.parametrize("prior", ["normal", "mixture", "vamp"])
@pytest.mark.parametrize("decoder", ["bernoulli", "continuous-bernoulli", "gaussian"])
def test_each_number_is_what_its_equation_says(prior: str, decoder: str, digits: Data) -> None:
    """By other code and other draws of z: torch's distributions, 200,000 draws, and the standard errors said."""
    vae = model(prior=prior, decoder=decoder, beta=3.0, **({"sigma": 0.4} if decoder == "gaussian" else {}))
    found = instruments.numbers(vae, digits, 4)
    x = example(vae, digits, 4)
    mean, logvar_q = vae.posterior(x)
    q = Independent(Normal(mean, torch.exp(0.5 * logvar_q)), 1)
    if prior == "normal":
        p = Independent(Normal(torch.zeros(2), torch.ones(2)), 1)
    else:
        mu, logvar = vae.prior.components()
        parts = Independent(Normal(mu, torch.exp(0.5 * logvar)), 1)
        p = MixtureSameFamily(torch.distributions.Categorical(logits=vae.prior.logits), parts)
    z = q.sample((200_000,))
    ratio = (q.log_prob(z)[:, 0] - p.log_prob(z[:, 0])).double()
    few = z[:20_000, 0]
    h = vae.x_params(few)
    of_x = {
        "bernoulli": lambda: Bernoulli(logits=h),
        "continuous-bernoulli": lambda: ContinuousBernoulli(logits=h),
        "gaussian": lambda: Normal(h, 0.4),
    }[decoder]()
    log_px = of_x.log_prob(x).flatten(1).sum(1).double()
    error = {name: 5 * found[f"{name} se"] + 1e-3 for name in ("kl", "reconstruction", "elbo")}
    kl, reconstruction = ratio.mean().item(), log_px.mean().item()
    error["kl"] += 5 * ratio.std().item() / math.sqrt(len(ratio))
    error["reconstruction"] += 5 * log_px.std().item() / math.sqrt(len(log_px))
    error["elbo"] += error["kl"] + error["reconstruction"]
    assert found["kl"] == pytest.approx(kl, abs=error["kl"])
    assert found["reconstruction"] == pytest.approx(reconstruction, abs=error["reconstruction"])
    assert found["elbo"] == pytest.approx(reconstruction - kl, abs=error["elbo"])
    assert (found["kl se"] == 0) == (prior == "normal")
    assert found["iwae"] > found["elbo"]
    spread = 5 * math.hypot(log_px.std().item(), 3 * ratio.std().item()) + error["elbo"]  # of one draw
    assert found["loss"] == pytest.approx(3 * kl - reconstruction, abs=spread)


@torch.no_grad()
def test_the_kl_is_from_q_to_the_prior_and_not_back(digits: Data) -> None:
    vae = model(prior="mixture", components=1)
    vae.prior.mu.zero_()
    vae.prior.logvar.fill_(2 * math.log(3.0))
    found = instruments.numbers(vae, digits, 1)
    mu, logvar = vae.posterior(example(vae, digits, 1))
    q, p = Normal(mu, torch.exp(0.5 * logvar)), Normal(torch.zeros(2), torch.full((2,), 3.0))
    there, back = (torch.distributions.kl_divergence(*pair).sum().item() for pair in ((q, p), (p, q)))
    assert abs(there - back) > 1
    assert found["kl"] == pytest.approx(there, abs=5 * found["kl se"])
    assert found["kl se"] < 0.1


@torch.no_grad()
def test_the_importance_weighted_bound_is_the_models_own(digits: Data) -> None:
    vae = model()
    own = vae.iwae(example(vae, digits, 4), instruments.DRAWS, random.generator(4))
    assert instruments.numbers(vae, digits, 4)["iwae"] == pytest.approx(float(own), abs=1e-2)


def test_the_ladder_rises_to_the_exact_likelihood() -> None:
    run = store.create("vae", "digits", arguments={"hidden": 32, "depth": 1}, settings={"steps": 200})
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    steps = instruments.ladder(run.model(), run.data(), 40)
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


def test_the_loosest_bound_is_far_below_what_it_bounds(digits: Data) -> None:
    """An encoder that is right but for one example is caught there."""
    torch.manual_seed(0)
    vae = VAE((1, 8, 8), hidden=16, depth=1).eval()
    honest = vae.posterior
    odd = example(vae, digits, 37)

    def encode(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mu, logvar = honest(x)
        wrong = (x == odd).flatten(1).all(1, keepdim=True)
        return torch.where(wrong, mu + 4, mu), logvar

    vae.posterior = encode
    assert instruments.loosest(vae, digits, among=60) == 37
    x = torch.cat([example(vae, digits, i) for i in range(60)])
    gaps = likelihood.quadrature(vae, x).log_prob - likelihood.elbo(vae, x, samples=64).elbo
    assert gaps.argmax() == 37


def test_the_kl_over_a_distance_is_the_closed_form_and_the_examples_are_the_assignments() -> None:
    told = instruments.kl_by_distance(3, 31)
    standard = Normal(torch.zeros((), dtype=torch.float64), 1.0)
    d = torch.as_tensor(told["d"])
    for name, mu, sigma in (("mean", d, 1 + 0 * d), ("wide", 0 * d, 1 + d), ("narrow", 0 * d, 1 / (1 + d))):
        expected = torch.distributions.kl_divergence(Normal(mu, sigma), standard)
        torch.testing.assert_close(torch.as_tensor(told[name]), expected, rtol=1e-6, atol=1e-15)
    assert told["examples"] == pytest.approx([1.00001e10, 1.4999967e-10], rel=1e-5)
    near, far = told["d"][0], told["d"][-1]
    assert [told[name][0] / near**2 for name in ("mean", "wide", "narrow")] == pytest.approx([0.5, 1, 1], rel=0.01)
    assert [told[name][-1] / far**2 for name in ("mean", "wide")] == pytest.approx([0.5, 0.5], rel=0.01)
    assert told["narrow"][-1] == pytest.approx(math.log(far) - 0.5, abs=0.01)

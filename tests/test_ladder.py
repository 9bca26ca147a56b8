"""The ladder VAE: its bound is a VAE's with one layer, its layers' KL add up, and its merge is Bayes' rule."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn
from torch.distributions import Normal as Reference
from torch.distributions import kl_divergence

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.instruments.latent import ladder as instruments
from genmodels.instruments.vae import bound
from genmodels.jobs import queue
from genmodels.metrics import evaluate, likelihood
from genmodels.models.base import weigh
from genmodels.models.latent.ladder import Descent, Ladder
from genmodels.models.vae import VAE
from genmodels.probability.normal import Normal
from genmodels.quantities import QUANTITIES
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from pages._ui.views.latent import ladder as view
from pages._ui.views.vae import bound as bound_view
from tests import answers

SE = 5.0  # standard errors: of a Gaussian error, passed by chance once in 1.7 million
DIGITS: dict[str, Any] = {"hidden": 16, "latent_dim": 3, "latent_channels": 2, "free_bits": 0.0, "anneal": 0.0}
BOTH = ("precision", "network")


@pytest.fixture(params=BOTH)
def model(request: pytest.FixtureRequest) -> Ladder:
    """Small digits, three layers, its weights no longer as they begin: p of every rung depends on those above."""
    torch.manual_seed(0)
    model = Ladder((1, 8, 8), merge=request.param, **DIGITS).double().eval()
    for p in model.parameters():
        p.data += 0.05 * torch.randn_like(p)
    return model


@pytest.fixture
def x() -> Tensor:
    data = datasets.load("digits")
    return data.prepare(data.test.x[:5], "threshold").double()


def gaussians(seed: int = 0) -> tuple[Normal, Normal]:
    rng = random.generator(seed)
    draws = [torch.randn(6, 2, 3, dtype=torch.float64, generator=rng) for _ in range(4)]
    return Normal(*draws[:2]), Normal(*draws[2:])


# One Gaussian and two -------------------------------------------------------------------------------------------------


def test_density_and_divergence_are_those_of_torch() -> None:
    a, b = gaussians()
    theirs = [Reference(one.mu, (0.5 * one.logvar).exp()) for one in (a, b)]
    torch.testing.assert_close(a.log_prob(b.mu), theirs[0].log_prob(b.mu).sum((1, 2)))
    torch.testing.assert_close(a.kl(b), kl_divergence(*theirs).sum((1, 2)))


def test_the_merge_is_the_product_of_the_densities() -> None:
    """log p₁ + log p₂ − log of what they make is the same for every z: so it is their product, normalized."""
    a, b = gaussians()
    merged = a.times(b)
    z = torch.randn(50, 6, 2, 3, dtype=torch.float64, generator=random.generator(1))
    left = torch.stack([a.log_prob(one) + b.log_prob(one) - merged.log_prob(one) for one in z])
    torch.testing.assert_close(left, left[:1].expand_as(left))
    precision = (-a.logvar).exp() + (-b.logvar).exp()
    torch.testing.assert_close(merged.logvar.exp(), 1 / precision)
    means = (a.mu * (-a.logvar).exp() + b.mu * (-b.logvar).exp()) / precision
    torch.testing.assert_close(merged.mu, means)


def test_what_says_nothing_changes_nothing() -> None:
    p, _ = gaussians()
    for merged in (p.times(Normal(p.mu + 3, p.logvar + 60)), Normal(p.mu + 3, p.logvar + 60).times(p)):
        torch.testing.assert_close(merged.mu, p.mu)
        torch.testing.assert_close(merged.logvar, p.logvar)


def test_draws_have_the_moments_that_are_said() -> None:
    p = Normal(torch.tensor([[1.0, -2.0]]).expand(20_000, 2), torch.tensor([[0.0, 1.0]]).expand(20_000, 2))
    z = p.draw(random.generator(0), temperature=0.5)
    spread = 0.5 * (0.5 * p.logvar[0]).exp()
    assert ((z.mean(0) - p.mu[0]).abs() < SE * spread / 20_000**0.5).all()
    assert ((z.std(0) - spread).abs() < SE * spread / 40_000**0.5).all()


# The bound ------------------------------------------------------------------------------------------------------------


class OfTop(nn.Module):
    """What the ladder's networks say of one layer alone, as a VAE's encoder says it: mu and log σ."""

    def __init__(self, ladder: Ladder) -> None:
        super().__init__()
        self.ladder = ladder

    def forward(self, x: Tensor) -> Tensor:
        features = self.ladder.bottom_up(x)
        p = Normal(x.new_zeros(len(x), self.ladder.latent_dim), x.new_zeros(len(x), self.ladder.latent_dim))
        q = self.ladder.posterior(0, p, features[0], features)
        return torch.cat([q.mu, q.logvar / 2], 1)


class Down(nn.Module):
    """The ladder's way from the top's z to h, as a VAE's decoder."""

    def __init__(self, ladder: Ladder) -> None:
        super().__init__()
        self.ladder = ladder

    def forward(self, z: Tensor) -> Tensor:
        return self.ladder.descend(len(z), lambda i, p, d: z).h


@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)])
def test_with_one_layer_it_is_the_vae(shape: tuple[int, ...]) -> None:
    """The same networks in both: ELBO, IWAE and loss agree, the loss with the same noise to the last digits."""
    torch.manual_seed(0)
    ladder = Ladder(shape, layers=1, latent_dim=3, hidden=16, free_bits=0.0).double().eval()
    for p in ladder.parameters():
        p.data += 0.05 * torch.randn_like(p)
    vae = VAE(shape, latent_dim=3, hidden=16).double().eval()
    vae.encoder, vae.decoder = OfTop(ladder), Down(ladder)
    if ladder.likelihood == "gaussian":
        vae.log_sigma = ladder.log_sigma
    data = datasets.load("digits" if len(shape) == 3 else "two-moons")
    x = data.prepare(data.test.x[:5], ladder.inputs).double()
    for ours, theirs in (
        (ladder.elbo(x, random.generator(1), samples=7), vae.elbo(x, random.generator(1), samples=7)),
        (ladder.iwae(x, 9, random.generator(1)), vae.iwae(x, 9, random.generator(1))),
        (ladder.loss(x, rng=random.generator(1))["loss"], vae.loss(x, rng=random.generator(1))["loss"]),
        (ladder.encode(x), vae.encode(x)),
        (ladder.decode(x.new_ones(4, 3)), vae.decode(x.new_ones(4, 3))),
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@torch.no_grad()
def test_the_layers_kl_add_up_to_log_q_less_log_p(model: Ladder, x: Tensor) -> None:
    """In expectation, rung by rung: the closed form given those above is the mean of log q − log p of a drawn z."""
    way = model.infer(x[:1], random.generator(0), k=20_000)
    drawn = torch.stack([q.log_prob(z) - p.log_prob(z) for p, q, z in zip(way.p, way.q, way.z, strict=True)], 1)
    apart = drawn - model.kls(way)  # of mean 0 whatever the rungs above are
    assert (apart.mean(0).abs() < SE * apart.std(0) / len(apart) ** 0.5).all()
    assert (model.kls(way) >= 0).all()


@torch.no_grad()
def test_the_weights_mean_is_the_elbo_and_their_log_mean_is_above_it(model: Ladder, x: Tensor) -> None:
    weights = model.log_weights(x, 4000, random.generator(0))
    elbo = model.elbo(x, random.generator(1), samples=4000)
    error = weights.std(1) * (2 / 4000) ** 0.5
    assert ((weights.mean(1) - elbo).abs() < SE * error).all()
    assert (model.iwae(x, 4000, random.generator(2)) > elbo - SE * error).all()


@torch.no_grad()
@pytest.mark.parametrize("merge", BOTH)
def test_the_bound_is_of_what_is_sampled(merge: str) -> None:
    """E over z ~ p of p(x | z) is p(x), and so is that of the weights: two estimates that share p alone.

    Two latents, and q about as wide as p: so the weights have a variance, and both means an error that is known.
    """
    torch.manual_seed(0)
    model = Ladder((2,), layers=2, latent_dim=1, latent_channels=1, hidden=16, merge=merge, sigma=1.0).double().eval()
    for p in model.parameters():
        p += 0.05 * torch.randn_like(p)
    for rung in model.rungs:
        rung.evidence[-1].bias.fill_(0.3)  # type: ignore[index, union-attr]
    n, x, rng = 40_000, torch.tensor([[0.5, -0.3]], dtype=torch.float64), random.generator(0)
    estimates = (
        model.log_px(x, model.descend(n, lambda i, p, d: p.draw(rng)).h),
        model.log_weights(x, n, random.generator(1))[0],
    )
    means = [w.logsumexp(0) for w in estimates]
    errors = [w.softmax(0).std() * n / n**0.5 for w in estimates]  # of the mean weight, relative to it
    assert abs(means[0] - means[1]) < SE * torch.stack(errors).norm()
    assert torch.stack(errors).norm() < 0.05


@torch.no_grad()
def test_q_is_p_times_what_x_says(x: Tensor) -> None:
    """By precision q is never wider than p, and is their product; the other merge is free to be wider."""
    torch.manual_seed(1)
    model = Ladder((1, 8, 8), merge="precision", **DIGITS).double().eval()
    way = model.infer(x, random.generator(0))
    for p, q in list(zip(way.p, way.q, strict=True))[1:]:
        assert (q.logvar < p.logvar).all()
    torch.testing.assert_close(way.q[0].mu, model.encode(x))


def test_the_top_is_standard_normal_and_grids_lie_below(model: Ladder) -> None:
    with torch.no_grad():
        way = model.descend(4, lambda i, p, d: p.draw(random.generator(i)))
    assert not way.p[0].mu.any()
    assert not way.p[0].logvar.any()
    assert [z.shape[1:] for z in way.z] == [(3,), (2, 2, 2), (2, 4, 4)]


# Training -------------------------------------------------------------------------------------------------------------


def test_free_bits_and_warm_up_change_the_loss_alone(x: Tensor) -> None:
    torch.manual_seed(0)
    plain = Ladder((1, 8, 8), **DIGITS).double().eval()
    terms = plain.loss(x, rng=random.generator(0))
    assert set(terms) <= set(QUANTITIES)
    kl = torch.stack([terms[f"kl_{i}"] for i in (1, 2, 3)])
    torch.testing.assert_close(kl.sum(), terms["kl"])
    torch.testing.assert_close(terms["loss"], -terms["elbo"])
    for changed, paid in (({"free_bits": 2.0}, kl.clamp_min(2.0).sum()), ({"anneal": 0.5}, 0.4 * kl.sum())):
        torch.manual_seed(0)
        other = Ladder((1, 8, 8), **(DIGITS | changed)).double().eval()
        other.progress(0.2)
        found = other.loss(x, rng=random.generator(0))
        torch.testing.assert_close(found["loss"], paid - terms["reconstruction"])
        torch.testing.assert_close(found["elbo"], terms["elbo"])


def test_it_is_weighed_without_the_compiler() -> None:
    code = (
        "import sys; from genmodels.models.base import weigh;"
        "weigh({'model': 'ladder', 'shape': [1, 28, 28]}); assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent)
    least, most = weigh({"model": "ladder", "shape": [1, 28, 28], "layers": 5})
    numbers = sum(p.numel() for p in Ladder((1, 28, 28), layers=5).parameters())
    assert least <= 2 * numbers <= most


def test_what_cannot_be_is_named() -> None:
    with pytest.raises(BadInput, match="decoder = gaussian"):
        Ladder((2,), decoder="bernoulli")
    with pytest.raises(BadInput, match="network = conv"):
        Ladder((1, 4, 4))


# Instruments and views ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ladders")
    for name, data, arguments, steps in (
        ("digits", "digits", {"hidden": 16}, 60),
        ("one", "digits", {"hidden": 16, "layers": 1, "merge": "network", "free_bits": 1.0}, 3),
        ("points", "two-moons", {"hidden": 16, "layers": 2, "latent_dim": 2, "merge": "network"}, 3),
    ):
        settings = {"steps": steps, "batch_size": 128, "lr": 2e-3}
        recording = Recording(store.create("ladder", data, arguments=arguments, settings=settings, folder=root / name))
        list(recording.steps())
        recording.close()
    return root


@pytest.fixture
def home(runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GENMODELS_RUNS", str(runs))
    for one in (view, bound_view):
        monkeypatch.setattr(one, "answer", answers.at_once)
    monkeypatch.setattr(queue, "pool", lambda: None)
    return runs


def test_samples_of_temperature_0_are_all_the_same(model: Ladder) -> None:
    """Every z is then the mean of its law."""
    cold, usual = (model.sample(4, rng=random.generator(0), temperature=T) for T in (0.0, 1.0))
    assert (cold == cold[:1]).all()
    assert not (usual == usual[:1]).all()


def test_held_layers_are_the_same_in_a_row(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In row k the z of the upper k layers are one way's, and those below differ."""
    model = store.find("digits").model()
    descend, ways = model.descend, list[Descent]()

    def noted(n: int, choose: Any) -> Descent:
        ways.append(descend(n, choose))
        return ways[-1]

    monkeypatch.setattr(model, "descend", noted)
    rows = answers.finish(instruments.held(model, n=5))["x"]
    assert rows.shape == (3, 5, 1, 8, 8)
    first, *others = ways
    for k, way in enumerate(others):
        for i, z in enumerate(way.z):
            held = [torch.equal(one, first.z[i][0]) for one in z]
            assert all(held) if i < k else not any(held)


@torch.no_grad()
def test_the_top_alone_is_what_is_decoded_and_all_layers_are_the_mean_of_q(home: Path) -> None:
    run = store.find("digits")
    model, x = run.model(), run.data().prepare(run.data().test.x[:10], "threshold")
    found = answers.finish(instruments.upper(model, run.data()))
    assert found["mean"].shape == (3, 10, 1, 8, 8)
    torch.testing.assert_close(torch.as_tensor(found["mean"][0]), model.decode(model.encode(x)))
    features = model.bottom_up(x)
    way = model.descend(10, lambda i, p, d: model.posterior(i, p, d, features).mu)
    torch.testing.assert_close(torch.as_tensor(found["mean"][2]), way.h.sigmoid())


@torch.no_grad()
def test_numbers_and_shares_are_of_the_bound(home: Path) -> None:
    run = store.find("digits")
    terms = instruments.numbers(run.model(), run.data())
    assert terms["elbo"] == pytest.approx(terms["reconstruction"] - terms["kl"])
    assert sum(terms[f"kl_{i}"] for i in (1, 2, 3)) == pytest.approx(terms["kl"])
    assert terms["iwae"] > terms["elbo"]
    shares = answers.finish(instruments.shares(run.model(), run.data(), n=300))
    assert shares["dimensions"].tolist() == [4 * 16, 4 * 4, 16]
    x = run.data().prepare(run.data().test.x[:300], "threshold")
    kls = run.model().kls(run.model().infer(x, random.generator(1))).sum(1)
    assert abs(float(shares["kl"].sum()) - float(kls.mean())) < 2 * SE * float(kls.std()) / 300**0.5


def test_measures_and_the_ladder_of_bounds_know_it(home: Path) -> None:
    run = store.find("digits")
    table = evaluate.likelihoods(run.model(), run.data(), n=100, k=50)
    error = table["iwae_50_nats_se"] + table["elbo_nats_se"]
    assert table["iwae_50_nats"] > table["elbo_nats"] - SE * error
    rungs = answers.finish(bound.ladder(run.model(), run.data(), n=20))
    assert rungs["elbo"].mean() < rungs["iwae"][-1] + SE * rungs["iwae_se"][-1]
    assert "exact" not in rungs
    with torch.no_grad():
        x = run.data().prepare(run.data().test.x[:20], "threshold")
        assert likelihood.iwae(run.model(), x, 3, rng=random.generator(0)).shape == (20,)


@pytest.mark.parametrize("run", ["digits", "one", "points"])
@pytest.mark.parametrize("call", ["ladder.held", "ladder.layers", "ladder.upper", "ladder.theory", "bound.ladder"])
def test_every_view_draws(run: str, call: str, home: Path) -> None:
    script = f"""
from genmodels.runs import store
from pages._ui.shared.moment import Moment
from pages._ui.views.latent import ladder
from pages._ui.views.vae import bound
{call}(Moment.of(store.find({run!r})))
"""
    test = AppTest.from_string(script, default_timeout=120).run()
    assert not test.exception
    assert not test.warning
    assert "nothing to conclude" not in " ".join(one.value for one in test.markdown)


def test_what_is_no_ladder_is_refused(home: Path) -> None:
    vae = VAE((1, 8, 8), hidden=16)
    for task in (
        instruments.held(vae),  # type: ignore[arg-type]
        instruments.shares(vae, datasets.load("digits")),  # type: ignore[arg-type]
        instruments.upper(vae, datasets.load("digits")),  # type: ignore[arg-type]
    ):
        with pytest.raises(BadInput, match="for a ladder VAE"):
            next(task)


def test_conclusions_name_the_silent_layer() -> None:
    said = lambda *kl, free=0.0: instruments.conclusion({"kl": np.array(kl), "free": np.array(free)})  # noqa: E731
    assert said(10.0, 3.0, 0.001) == "Of 13 nats, z1 says 10; z3 says nothing."
    assert said(0.004, 0.001, 0.001) == "All layers together say 0.006 nats: nothing of x."
    assert "every layer says something" in said(10.0, 3.0)
    assert "every layer says something" in said(10.0, 3.0, free=1.0)
    assert (
        said(10.0, 3.0, 1.02, free=1.0) == "Of 14 nats, z1 says 10; z3 says no more than the 1 nats that cost nothing."
    )
    assert "nothing to conclude" in said(np.nan)

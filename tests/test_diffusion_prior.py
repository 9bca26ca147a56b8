"""A diffusion as a prior: it starts as N(0, I), its density is that of its samples, and its bound is one."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.instruments.vae import denoising, geometry
from genmodels.jobs import queue
from genmodels.models.vae import VAE
from genmodels.probability.diffusion.prior import MANY, SLOW, TOLERANCE, DiffusionPrior, T
from genmodels.probability.diffusion.table import tabulated
from genmodels.probability.distributions import normal_entropy, standard_normal_log_prob
from genmodels.probability.samplers import _divergence
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from pages._ui.views.vae import priors as view
from pages._ui.views.vae import theory
from tests import answers

SE = 5.0  # standard errors: of a Gaussian error, passed by chance once in 1.7 million


class Gaussian(nn.Module):
    """What a network that knows N(m, s²) of each dimension adds to σ_t z_t."""

    def __init__(self, prior: DiffusionPrior, m: float, s: float) -> None:
        super().__init__()
        self.rates, self.m, self.s = prior.schedule.rates, m, s
        self.dtype = nn.Parameter(torch.zeros(()))

    def forward(self, z_t: Tensor, u: Tensor) -> Tensor:
        alpha, sigma = self.rates(u * SLOW * T, z_t)
        return sigma * (z_t - alpha * self.m) / (alpha**2 * self.s**2 + sigma**2) - sigma * z_t


def knowing(dim: int, m: float, s: float) -> DiffusionPrior:
    prior = DiffusionPrior(dim)
    prior.network = Gaussian(prior, m, s)  # type: ignore[assignment]
    return prior.double()


def test_the_density_on_the_page_is_that_of_the_prior() -> None:
    """log N(z_T; 0, I) + L/2 log ᾱ_T, and the integral from ς_1 to ς_T with the sign that the page gives it."""
    torch.manual_seed(0)
    prior = DiffusionPrior(2).double()
    for weights in prior.network.parameters():
        nn.init.normal_(weights, 0, 0.15)
    z, schedule = torch.randn(5, 2, dtype=torch.float64, generator=random.generator(0)), prior.schedule
    first, last = (-schedule.log_snr[[1, T]] / 2).tolist()
    h, x, integral = (last - first) / 2000, schedule.alpha_bar[1].sqrt() * z, torch.zeros(5, dtype=torch.float64)

    def flow(log_s: float, x: Tensor) -> tuple[Tensor, Tensor]:
        t = schedule.time(torch.full((5,), -2 * log_s, dtype=torch.float64))
        share = 1 / math.sqrt(1 + math.exp(-2 * log_s))  # ς √ᾱ
        noise, divergence = _divergence(prior._at_once, x, t)
        return share * (noise - share * x), share * divergence

    for i in range(2000):
        half, _ = flow(first + i * h, x)
        slope, divergence = flow(first + (i + 0.5) * h, x + h / 2 * half)
        x, integral = (x + h * slope).detach(), integral + h * divergence.detach()
    shown = " ".join(theory.PRIORS["diffusion"].split())
    assert r"+ \int_{\varsigma_1}^{\varsigma_T}" in shown
    ends = standard_normal_log_prob(x).sum(1) + schedule.alpha_bar[T].log()
    torch.testing.assert_close(ends + integral, prior.exact(z), atol=0.02, rtol=0)
    assert ((ends - integral) - prior.exact(z)).abs().min() > 1


def test_it_starts_as_standard_normal() -> None:
    prior = DiffusionPrior(3).double()
    z = torch.randn(40, 3, dtype=torch.float64, generator=random.generator(0))
    normal = standard_normal_log_prob(z).sum(1)
    torch.testing.assert_close(prior.log_prob(z), normal, atol=5e-3, rtol=0)
    with torch.no_grad():
        bound = prior.bound(z.unsqueeze(1).expand(-1, 512, -1), random.generator(1)).mean(1)
    assert ((bound - normal).mean() / ((bound - normal).std() / 40**0.5)).abs() < SE
    x = prior.sample(20_000, random.generator(2))
    assert (x.mean(0).abs() < SE / 20_000**0.5).all()
    assert ((x.std(0) - 1).abs() < SE / 40_000**0.5).all()


@pytest.mark.parametrize(("m", "s"), [(1.5, 0.2), (-0.5, 2.0)])
def test_a_network_that_knows_a_gaussian_makes_it_that(m: float, s: float) -> None:
    """Along the flow (z_t − α m) / √(α² s² + σ²) stays as it is, so what N(0, 1) at time T becomes is known."""
    prior = knowing(2, m, s)
    alpha, sigma = (float(rate) for rate in prior.schedule.rates(T, torch.zeros(1, 1, dtype=torch.float64)))
    spread = math.hypot(s, prior.schedule.noise_left) / math.hypot(alpha * s, sigma)
    truth = torch.distributions.Normal(torch.tensor(m - spread * alpha * m, dtype=torch.float64), spread)
    z = truth.sample((100, 2))
    torch.testing.assert_close(prior.log_prob(z), truth.log_prob(z).sum(1), atol=0.02, rtol=0)
    x = prior.sample(20_000, random.generator(0))
    error = SE * s / 20_000**0.5
    assert (x.mean(0) - truth.mean).abs().max() < error + 0.01 * s  # of noise, and of the sampler
    assert (x.std(0) - spread).abs().max() < error + 0.01 * s


@torch.no_grad()
def test_the_bound_is_below_minus_the_entropy_and_meets_it_where_the_network_knows() -> None:
    """E_q[log p(z)] ≤ −H(q) for every prior: so is the bound of one that knows nothing, and of one that knows q."""
    m, s = 1.0, 0.3
    rng = random.generator(0)
    z = m + s * torch.randn(4000, 8, 1, dtype=torch.float64, generator=rng)
    limit = -float(normal_entropy(torch.tensor(2 * math.log(s), dtype=torch.float64)))
    for prior, knows in ((knowing(1, m, s), True), (knowing(1, 0.0, 1.0), False)):
        each = prior.bound(z, rng).mean(1)
        error = SE * float(each.std()) / 4000**0.5
        assert float(each.mean()) < limit + error
        assert (float(each.mean()) > limit - error - 0.01) == knows


@torch.no_grad()
def test_samples_have_the_density_and_it_integrates_to_one() -> None:
    torch.manual_seed(0)
    prior = DiffusionPrior(1)
    for p in prior.parameters():
        p += 0.02 * torch.randn_like(p)
    prior, n, bins, fine = prior.double(), 20_000, 40, 25
    z = (torch.arange(bins * fine, dtype=torch.float64).unsqueeze(1) + 0.5) / (bins * fine) * 16 - 8
    mass = prior.log_prob(z).exp() * 16 / len(z)
    assert mass.sum().item() == pytest.approx(1, abs=2e-3)
    seen = torch.histc(prior.sample(n, random.generator(1))[:, 0], bins, -8, 8)
    expected = n * mass.view(bins, fine).sum(1)
    likely = expected > 20
    assert likely.sum() > 8
    assert ((seen - expected)[likely].abs() < SE * expected[likely].sqrt() + 0.01 * expected[likely]).all()


# The table of the density -----------------------------------------------------------------------------------------


def learned(dim: int) -> DiffusionPrior:
    """One that is no Gaussian."""
    torch.manual_seed(0)
    prior = DiffusionPrior(dim)
    with torch.no_grad():
        for p in prior.parameters():
            p += 0.05 * torch.randn_like(p)
    return prior


@pytest.mark.parametrize("dim", [1, 2])
def test_table_and_equation_say_the_same(dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also beyond where samples are, and of other weights another."""
    prior = learned(dim)
    seen = prior.sample(MANY, random.generator(1))
    wide = 1.5 * seen.abs().max() * (2 * random.rand(MANY, dim, rng=random.generator(2)) - 1)
    z = torch.cat([seen, wide])
    read, exact = prior.log_prob(z), prior.exact(z)
    assert (exact - standard_normal_log_prob(z).sum(1)).abs().max() > 0.5
    torch.testing.assert_close(read, exact, atol=TOLERANCE, rtol=0)
    table = prior.table()
    assert table is not None
    assert table.change <= TOLERANCE
    assert (read[:MANY] - exact[:MANY]).abs().max() > 0  # it was read off
    assert 0 < table.holds(z).sum() < len(z)
    assert prior.table() is table
    asked: list[int] = []
    monkeypatch.setattr(prior, "exact", lambda z: asked.append(len(z)) or torch.zeros(len(z)))
    prior.log_prob(seen)
    assert sum(asked) < MANY / 10  # what lies beyond it
    monkeypatch.undo()
    with torch.no_grad():
        prior.network.head.bias += 0.1
    torch.testing.assert_close(prior.log_prob(z), prior.exact(z), atol=TOLERANCE, rtol=0)
    assert (prior.exact(z) - exact).abs().max() > 2 * TOLERANCE


def test_a_table_knows_cubic_polynomials_and_gives_up_where_a_function_is_rough() -> None:
    low, high = torch.tensor([-1.0, 0.0]), torch.tensor([2.0, 5.0])
    cubic = lambda z: z[:, 0] ** 3 * z[:, 1] ** 2 - 4 * z[:, 1] ** 3 + z[:, 0]  # noqa: E731
    table = tabulated(cubic, low, high, tolerance=1e-6)
    assert table is not None
    z = low + (high - low) * torch.rand(500, 2, dtype=torch.float64, generator=random.generator(0))
    assert table.holds(z).all()
    torch.testing.assert_close(table(z), cubic(z), atol=1e-9, rtol=0)
    assert table.holds(torch.tensor([[2.9, 1.0], [0.0, -1.0], [math.nan, 1.0]])).sum() == 0
    assert tabulated(lambda z: (1e4 * z[:, 0]).sin(), low, high, tolerance=0.01) is None
    assert tabulated(lambda z: z[:, 0] / 0, low, high, tolerance=0.01) is None


def test_gradients_reach_encoder_and_prior() -> None:
    torch.manual_seed(0)
    vae = VAE((1, 8, 8), hidden=16, prior="diffusion")
    data = datasets.load("digits")
    x = data.prepare(data.train.x[:8], "threshold")
    vae.loss(x, rng=random.generator(0))["loss"].backward()
    assert all(p.grad is not None for p in vae.parameters())
    assert vae.prior.network.head.weight.grad.abs().max() > 0  # type: ignore[union-attr]
    assert vae.elbo(x, random.generator(1)).shape == (8,)


def test_what_it_cannot_is_refused() -> None:
    for wrong in ({"latent_dim": 9}, {"objective": "iwae"}, {"estimator": "sampled"}):
        with pytest.raises(BadInput, match="prior = diffusion needs"):
            VAE((1, 8, 8), hidden=16, prior="diffusion", **wrong)
    vae = VAE((1, 8, 8), hidden=16)
    with pytest.raises(BadInput, match="prior = diffusion"):
        next(denoising.denoised(vae, datasets.load("digits")))


# Instruments and views ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("priors")
    for name, data in (("digits", "digits"), ("points", "two-moons")):
        arguments = {"hidden": 16, "depth": 1, "prior": "diffusion"}
        run = store.create("vae", data, arguments=arguments, settings={"steps": 3}, folder=root / name)
        recording = Recording(run)
        list(recording.steps())
        recording.close()
    return root


def test_the_film_ends_at_the_prior(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(runs))
    run = store.find("digits")
    model = run.model()
    film = answers.finish(denoising.denoised(model, run.data(), n=50))
    assert film["z"].shape == (6, 50, 2)
    assert film["x"].shape == (6, 8, 1, 8, 8)
    assert (np.diff(film["sigma"]) < 0).all()
    drawn = model.prior.sample(50, random.generator(0)).numpy()
    np.testing.assert_allclose(film["z"][-1] / math.sqrt(1 - film["sigma"][-1] ** 2), drawn, atol=1e-5)
    assert "nothing to conclude" not in denoising.conclusion(film)
    maps = answers.finish(geometry.aggregate(model, run.data(), side=20))
    cell = (maps["extent"][1] - maps["extent"][0]) / 20
    assert maps["prior"].sum() * cell**2 == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("run", ["digits", "points"])
@pytest.mark.parametrize("call", ["priors.denoised_prior", "theory.theory"])
def test_every_view_draws(run: str, call: str, runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENMODELS_RUNS", str(runs))
    monkeypatch.setattr(view, "answer", answers.at_once)
    monkeypatch.setattr(queue, "pool", lambda: None)
    script = f"""
from genmodels.runs import store
from pages._ui.shared.moment import Moment
from pages._ui.views.vae import priors, theory
{call}(Moment.of(store.find({run!r})))
"""
    test = AppTest.from_string(script, default_timeout=120).run()
    assert not test.exception
    assert not test.warning

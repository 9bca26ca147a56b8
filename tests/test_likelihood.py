"""The ladder ELBO ≤ IWAE ≤ log p(x), its top by quadrature, and what the gaps are made of."""

import math

import pytest
import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.metrics import likelihood
from genmodels.metrics.floors import chosen
from genmodels.models.vae import VAE
from genmodels.probability.distributions import kl_to_standard_normal, normal_log_prob
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings

SIGMA = 0.5


@pytest.fixture(scope="module")
def trained() -> tuple[VAE, Tensor]:
    """A 2-D VAE after a second on the digits, and test digits for it."""
    torch.manual_seed(0)
    data = datasets.load("digits")
    model = VAE(data.shape, hidden=64)
    for _ in fit(Training(model, data, Settings(steps=300, lr=3e-3))):
        pass
    return model.eval(), data.prepare(data.test.x[:40], model.inputs)


def linear(latent_dim: int = 2, **arguments: object) -> tuple[VAE, torch.distributions.MultivariateNormal]:
    """p(x | z) = N(Wz + b, σ²I) with a plain linear encoder that is not the posterior; and p(x) for z ~ N(0, I)."""
    torch.manual_seed(0)
    model = VAE((2,), latent_dim=latent_dim, hidden=16, sigma=SIGMA, **arguments).double()
    model.decoder = nn.Linear(latent_dim, 2).double()
    model.encoder = nn.Linear(2, 2 * latent_dim).double()
    w, b = model.decoder.weight.detach(), model.decoder.bias.detach()
    return model, torch.distributions.MultivariateNormal(b, w @ w.T + SIGMA**2 * torch.eye(2, dtype=torch.float64))


# The exact likelihood -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latent_dim", [1, 2])
def test_quadrature_of_a_linear_gaussian_model_is_its_closed_form(latent_dim: int) -> None:
    model, exact = linear(latent_dim)
    x = 2 * random.randn(30, 2, rng=random.generator(0)).double()
    found = likelihood.quadrature(model, x)
    torch.testing.assert_close(found.log_prob, exact.log_prob(x), atol=1e-5, rtol=0)
    assert found.outside < 1e-6
    assert found.change <= 5e-3


def test_box_of_the_quadrature_holds_the_prior_wherever_it_went() -> None:
    model, _ = linear(prior="mixture", components=3)
    prior, decoder = model.prior, model.decoder
    prior.mu.data = torch.tensor([[-30.0, 0.0], [10.0, 25.0], [0.0, 1.0]], dtype=torch.float64)
    w, b = decoder.weight.detach(), decoder.bias.detach()
    parts = [
        torch.distributions.MultivariateNormal(
            w @ mu + b, w @ torch.diag(logvar.exp()) @ w.T + SIGMA**2 * torch.eye(2, dtype=torch.float64)
        )
        for mu, logvar in zip(prior.mu.detach(), prior.logvar.detach(), strict=True)
    ]
    x = torch.cat([part.sample((10,)) for part in parts])
    exact = torch.logsumexp(torch.stack([part.log_prob(x) for part in parts]), 0) - math.log(3)
    found = likelihood.quadrature(model, x)
    torch.testing.assert_close(found.log_prob, exact, atol=1e-4, rtol=0)
    assert found.low[0] < -32
    assert found.high[1] > 27


def test_box_grows_while_its_border_carries_mass() -> None:
    model, exact = linear()
    model.decoder.weight.data *= 0.1  # so that an x far away needs a z far outside of six standard deviations
    w, b = model.decoder.weight.detach(), model.decoder.bias.detach()
    exact = torch.distributions.MultivariateNormal(b, w @ w.T + 0.01**2 * torch.eye(2, dtype=torch.float64))
    model.sigma = 0.01
    x = b + torch.tensor([[0.7, 0.0], [0.0, -0.6]], dtype=torch.float64)
    found = likelihood.quadrature(model, x)
    assert found.high[0] > 6
    torch.testing.assert_close(found.log_prob, exact.log_prob(x), atol=1e-4, rtol=1e-6)


def test_quadrature_of_all_pictures_sums_to_one() -> None:
    torch.manual_seed(0)
    model = VAE((1, 2, 3), hidden=16, prior="flow")
    for parameter in model.parameters():
        parameter.data *= 2
    every = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 6).view(64, 1, 2, 3)
    assert likelihood.quadrature(model, every).log_prob.exp().sum().item() == pytest.approx(1, abs=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("prior", ["normal", "flow"])
def test_leaving_tiles_out_leaves_nothing_out(prior: str) -> None:
    """Against the plain sum over a fine grid of a large box, for a decoder with sharp and several peaks."""
    torch.manual_seed(1)
    model = VAE((1, 8, 8), hidden=32, prior=prior)
    for parameter in model.decoder.parameters():
        parameter.data *= 3
    if prior == "flow":
        for parameter in model.prior.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    x = (model.sample(12, rng=random.generator(0), draw=True)).float()
    found = likelihood.quadrature(model, x, tolerance=0.0, refinements=4)
    side = torch.linspace(-9, 9, 901)
    total = torch.full((12,), -math.inf, dtype=torch.float64)
    for z in torch.cartesian_prod(side, side).split(50_000):
        joint = next(likelihood.log_likelihood_table(model, x, z)) + model.prior.log_prob(z)
        total = torch.logaddexp(total, joint.double().logsumexp(1))
    torch.testing.assert_close(found.log_prob, total + 2 * math.log(18 / 900), atol=2e-4, rtol=0)


def test_the_grid_is_refined_until_the_mean_stands(trained: tuple[VAE, Tensor]) -> None:
    model, x = trained
    coarse = likelihood.quadrature(model, x, tolerance=1e-2)
    assert coarse.change < 1e-2
    fine = likelihood.quadrature(model, x, tolerance=0.0, refinements=3)
    assert fine.spacing < coarse.spacing
    assert fine.points > coarse.points
    assert fine.change < coarse.change
    assert abs(fine.log_prob.mean() - coarse.log_prob.mean()) < 1e-2
    only = likelihood.quadrature(model, x, refinements=0)
    assert only.change != only.change  # nothing to compare with


def test_a_broken_model_has_no_likelihood_rather_than_a_wrong_one() -> None:
    model = VAE((1, 8, 8), hidden=16)
    next(model.decoder.parameters()).data[:] = math.nan
    assert likelihood.quadrature(model, torch.zeros(2, 1, 8, 8)).log_prob.isnan().all()


def test_quadrature_is_for_one_or_two_dimensions() -> None:
    with pytest.raises(BadInput, match="latent_dim = 3"):
        likelihood.quadrature(VAE((2,), latent_dim=3, hidden=16), torch.zeros(1, 2))


@torch.no_grad()
@pytest.mark.parametrize("decoder", ["bernoulli", "continuous-bernoulli", "gaussian"])
@pytest.mark.parametrize("sigma", [0.0, 0.02])
def test_table_is_the_likelihood_of_every_pair(decoder: str, sigma: float) -> None:
    torch.manual_seed(0)
    model = VAE((1, 8, 8), hidden=32, decoder=decoder, sigma=sigma)
    x, z = torch.rand(5, 1, 8, 8), 3 * torch.randn(7, 2)
    table = torch.cat(list(likelihood.log_likelihood_table(model, x, z)))
    expected = model.log_likelihood(x, z.expand(5, 7, 2))
    torch.testing.assert_close(table.float(), expected, rtol=2e-6, atol=1e-4)


# The ladder -----------------------------------------------------------------------------------------------------------


def test_the_ladder_of_bounds_rises_to_the_exact_value(trained: tuple[VAE, Tensor]) -> None:
    model, x = trained
    exact = likelihood.quadrature(model, x).log_prob
    runs = 24
    rungs = [
        torch.stack([likelihood.iwae(model, x, k, rng=random.generator(seed)) for seed in range(runs)])
        for k in (1, 2, 5, 20, 100)
    ]
    means = [rung.mean() for rung in rungs]
    errors = [rung.mean(1).std() / math.sqrt(runs) for rung in rungs]
    elbo = torch.stack([likelihood.elbo(model, x, rng=random.generator(seed)).elbo for seed in range(runs)])
    assert abs(elbo.mean() - means[0]) < 4.5 * (elbo.mean(1).std() / math.sqrt(runs) + errors[0])
    for lower, higher, error in zip(means, means[1:], errors[1:], strict=False):
        assert higher > lower - 3 * error
    assert means[-1] > means[0] + 10 * errors[0]
    assert means[-1] < exact.mean() + 3 * errors[-1]


def test_iwae_with_many_samples_meets_the_quadrature() -> None:
    model, exact = linear()
    model.encoder.weight.data *= 0.2
    model.encoder.bias.data = torch.tensor(
        [0.0, 0.0, 0.15, 0.15], dtype=torch.float64
    )  # wide enough for every posterior
    x = exact.sample((20,))
    estimates = torch.stack([likelihood.iwae(model, x, 5000, rng=random.generator(seed)) for seed in range(4)])
    torch.testing.assert_close(estimates.mean(0), likelihood.quadrature(model, x).log_prob, atol=0.05, rtol=0)


def test_iwae_in_pieces_is_the_models_own(trained: tuple[VAE, Tensor]) -> None:
    model, x = trained
    with torch.no_grad():
        whole = model.iwae(x[:16], 50, random.generator(0))
    torch.testing.assert_close(likelihood.iwae(model, x[:16], 50, rng=random.generator(0)).float(), whole)
    weights = []
    rng = random.generator(0)
    with torch.no_grad():
        for k in (64, 64, 22):
            weights.append(model.log_weights(x[:16], k, rng).double())
    expected = torch.cat(weights, 1).logsumexp(1) - math.log(150)
    torch.testing.assert_close(likelihood.iwae(model, x[:16], 150, rng=random.generator(0)), expected)


def test_progress_reaches_one_and_can_end_the_work(trained: tuple[VAE, Tensor]) -> None:
    model, x = trained
    told: list[float] = []
    likelihood.iwae(model, x, 10, progress=lambda fraction, text: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0

    def stop(fraction: float, text: str) -> None:
        raise InterruptedError(text)

    with pytest.raises(InterruptedError, match="IWAE"):
        likelihood.iwae(model, x, 10, progress=stop)
    with pytest.raises(InterruptedError, match="grid of spacing"):
        likelihood.quadrature(model, x, progress=stop)


# The latent space -----------------------------------------------------------------------------------------------------


def test_a_dimension_that_says_nothing_is_not_active() -> None:
    model, exact = linear()
    model.encoder.weight.data[1] = 0.0  # mu_2
    x = exact.sample((500,))
    expected = (x @ model.encoder.weight.detach()[0]).var()
    torch.testing.assert_close(likelihood.activity(model, x), torch.stack([expected, torch.zeros_like(expected)]))
    assert likelihood.active_units(model, x) == 1


def test_kl_by_dimension_adds_up_for_the_normal_prior(trained: tuple[VAE, Tensor]) -> None:
    model, x = trained
    by_dimension = likelihood.kl_per_dimension(model, x)
    mu, logvar = likelihood.posterior(model, x)
    torch.testing.assert_close(by_dimension, kl_to_standard_normal(mu, logvar).double().mean(0), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(by_dimension.sum(), likelihood.elbo(model, x).kl.mean(), rtol=1e-5, atol=1e-5)


def test_kl_by_dimension_to_a_mixture_of_one_component_is_closed() -> None:
    model, exact = linear(prior="mixture", components=1)
    x = exact.sample((100,))
    mu, logvar = likelihood.posterior(model, x)
    prior = torch.distributions.Normal(model.prior.mu.detach()[0], torch.exp(0.5 * model.prior.logvar.detach()[0]))
    expected = torch.distributions.kl_divergence(torch.distributions.Normal(mu, torch.exp(0.5 * logvar)), prior)
    found = likelihood.kl_per_dimension(model, x, samples=500, rng=random.generator(0))
    torch.testing.assert_close(found, expected.mean(0), rtol=0.03, atol=0.02)


def test_kl_by_dimension_of_a_flow_is_refused_unless_there_is_one() -> None:
    with pytest.raises(BadInput, match="flow"):
        likelihood.kl_per_dimension(linear(prior="flow")[0], torch.zeros(3, 2).double())
    model, exact = linear(1, prior="flow")
    x = exact.sample((200,))
    mu, logvar = likelihood.posterior(model, x)  # the flow starts as N(0, 1)
    found = likelihood.kl_per_dimension(model, x, samples=500, rng=random.generator(0))
    torch.testing.assert_close(found, kl_to_standard_normal(mu, logvar).mean(0), rtol=0.03, atol=0.02)


def test_aggregate_posterior_is_the_mean_of_the_posteriors_and_integrates_to_one() -> None:
    model, exact = linear()
    x = exact.sample((1500,))  # more than one block of rows
    z = random.randn(20, 2, rng=random.generator(0)).double()
    mu, logvar = likelihood.posterior(model, x)
    expected = normal_log_prob(z.unsqueeze(1), mu, logvar).sum(-1).logsumexp(1) - math.log(1500)
    torch.testing.assert_close(likelihood.aggregate_posterior(model, x, z), expected)
    side = torch.linspace(-10, 10, 201, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    assert likelihood.aggregate_posterior(model, x[:50], grid).exp().sum().item() * 0.01 == pytest.approx(1, abs=1e-3)


def spread(x: Tensor, log_sigma: float, **arguments: object) -> VAE:
    """A model of the plane whose encoder says q(z | x) = N(x, σ²I)."""
    model, _ = linear(**arguments)
    model.encoder.weight.data = torch.cat([torch.eye(2), torch.zeros(2, 2)]).double()
    model.encoder.bias.data = torch.tensor([0.0, 0.0, log_sigma, log_sigma], dtype=torch.float64)
    return model


def estimates(model: VAE, x: Tensor, runs: int = 30, draws: int = 500) -> tuple[float, float, list[float]]:
    """The mean of many estimates of KL(q(z) ‖ p(z)), its error, and by how many of its errors each of them is off."""
    every = [likelihood.marginal_kl(model, x, draws=draws, rng=random.generator(seed)) for seed in range(runs)]
    values, errors = torch.tensor(every, dtype=torch.float64).T
    assert (values >= 0).all()
    mean = values.mean().item()
    return mean, values.std().item() / math.sqrt(runs), ((values - mean) / errors).tolist()


@pytest.mark.parametrize("log_sigma", [-1.0, 1.0])
def test_kl_of_the_aggregate_posterior_of_one_example_is_closed(log_sigma: float) -> None:
    """From q to p, not back: at σ = e the two differ by 9 nats."""
    x = torch.tensor([[0.5, -0.4]], dtype=torch.float64)
    model = spread(x, log_sigma)
    mu, logvar = likelihood.posterior(model, x)
    expected = kl_to_standard_normal(mu, logvar).sum().item()
    mean, error, off = estimates(model, x)
    assert mean == pytest.approx(expected, abs=4.5 * error)
    assert torch.tensor(off).std() == pytest.approx(1, abs=0.5)  # the errors said are those made


def test_kl_of_narrow_posteriors_is_found_where_no_grid_would_find_it() -> None:
    """Far apart, N posteriors lose log N of their own KL and nothing else; σ is 0.001 and a map's cell 0.1."""
    x = torch.tensor([[-3.0, -3.0], [-1.0, 2.0], [0.31, 0.17], [2.0, -1.0], [3.0, 3.0]], dtype=torch.float64)
    model = spread(x, math.log(1e-3))
    mu, logvar = likelihood.posterior(model, x)
    expected = kl_to_standard_normal(mu, logvar).sum(1).mean().item() - math.log(5)
    mean, error, _ = estimates(model, x)
    assert mean == pytest.approx(expected, abs=4.5 * error)
    assert error < 0.1


def test_kl_is_nothing_where_the_prior_is_the_aggregate_posterior() -> None:
    """A VampPrior whose pseudo-inputs are the data."""
    x = 2 * random.randn(16, 2, rng=random.generator(0)).double()
    model = spread(x, -2.0, prior="vamp", components=16)
    model.prior.pseudo_inputs.data = x.clone()
    model.prior.logits.data.zero_()
    kl, error = likelihood.marginal_kl(model, x, rng=random.generator(0))
    assert 0 <= kl < 1e-9
    assert 0 <= error < 1e-9


# The amortization gap -------------------------------------------------------------------------------------------------


def test_refining_reaches_log_p_x_where_the_posterior_is_in_the_family() -> None:
    model, exact = linear(1)  # in one dimension every Gaussian posterior is diagonal
    x = exact.sample((5,))
    found = likelihood.refine(model, x, steps=300, lr=0.05, rng=random.generator(0))
    assert found.elbo.shape == (301, 5)
    assert (found.elbo[0] < exact.log_prob(x) - 0.1).any()
    torch.testing.assert_close(found.elbo[-1], exact.log_prob(x), atol=6e-3, rtol=0)


def test_refining_raises_the_elbo_and_touches_no_weight(trained: tuple[VAE, Tensor]) -> None:
    model, x = trained
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.zero_grad()
    found = likelihood.refine(model, x[:10], steps=60, rng=random.generator(0))
    assert (found.elbo[-1] > found.elbo[0] - 0.05).all()
    assert found.elbo[-1].mean() > found.elbo[0].mean() + 0.03
    exact = likelihood.quadrature(model, x[:10]).log_prob
    assert (found.elbo[-1] < exact + 0.2).all()  # 256 draws of z
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert all(p.grad is None for p in model.parameters())


def test_refining_q_of_fixed_width_moves_its_mean_alone() -> None:
    """At the true posterior's mean it lacks the KL of a width that is not the true one, which no guess could save."""
    model, exact = linear(1, q_sigma=0.2)
    x = exact.sample((5,))
    found = likelihood.refine(model, x, steps=300, lr=0.05, rng=random.generator(0))
    torch.testing.assert_close(found.logvar, torch.full_like(found.logvar, math.log(0.04)))
    variance = 1 / (1 + model.decoder.weight.square().sum().item() / SIGMA**2)
    price = 0.5 * (0.04 / variance - 1 - math.log(0.04 / variance))
    assert price > 0.1
    torch.testing.assert_close(found.elbo[-1], exact.log_prob(x) - price, atol=0.02, rtol=0)


# All of it ------------------------------------------------------------------------------------------------------------


def test_evaluate_gives_every_measure_with_its_standard_error(trained: tuple[VAE, Tensor]) -> None:
    model, _ = trained
    found = likelihood.evaluate(model, datasets.load("digits"), n=40, k=30)
    names = ["elbo_nats", "reconstruction_nats", "kl_nats", "iwae_30_nats", "log_prob_nats"]
    assert all(found[f"{name}_se"] > 0 for name in names)
    assert found["elbo_nats"] < found["iwae_30_nats"] < found["log_prob_nats"]
    assert found["elbo_nats"] == pytest.approx(found["reconstruction_nats"] - found["kl_nats"])
    data = datasets.load("digits")
    exact = likelihood.quadrature(model, data.prepare(chosen(data.test, 40, 0).x, model.inputs)).log_prob
    assert found["log_prob_nats"] == pytest.approx(exact.mean().item())
    assert found["log_prob_nats_se"] == pytest.approx(exact.std().item() / math.sqrt(40))
    assert found["examples"] == 40
    assert found["active_units"] <= found["latent_dim"] == 2
    again = likelihood.evaluate(model, datasets.load("digits"), n=40, k=30)
    assert found == again


def test_evaluate_leaves_out_what_cannot_be_had() -> None:
    found = likelihood.evaluate(VAE((1, 8, 8), hidden=16, latent_dim=5), datasets.load("digits"), n=10, k=0)
    assert not any("iwae" in name or "log_prob" in name for name in found)

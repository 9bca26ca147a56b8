"""What a network of a diffusion may be asked for: all parametrizations are one model; a variance that is learned."""

import pytest
import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.errors import BadInput
from genmodels.instruments.diffusion.denoising import evaluations
from genmodels.models.ddpm import DDPM, OF_BOUND
from genmodels.probability import diffusion_elbo
from genmodels.probability.samplers import SAMPLERS
from genmodels.probability.schedules import PREDICTIONS, Schedule
from tests.analytic import Mixture
from tests.test_ddpm import TWO, WHITE, batch, woken

T = 30


class Says(nn.Module):
    """A network that is wrong, the same in every parametrization: it knows the answer about another mixture."""

    def __init__(self, schedule: Schedule, predict: str, share: float | None = None, of: tuple = TWO) -> None:
        super().__init__()
        self.mixture, self.predict, self.share = Mixture(schedule, *of), predict, share
        self.anchor = nn.Parameter(torch.zeros(()))  # a model has parameters

    def forward(self, x: Tensor, u: Tensor, y: Tensor | None = None) -> Tensor:
        schedule = self.mixture.schedule
        t = u * schedule.T
        t = t if (t - t.round()).abs().max() > 1e-6 else t.round().long()
        x = x / schedule.edm(t, x)[2] if self.predict == "edm" else x  # c_in
        eps = self.mixture.eps(x, t)
        said = schedule.target(schedule.to_x_0(eps, x, t, "eps"), eps, t, self.predict)
        return said if self.share is None else torch.cat([said, torch.full_like(said, 2 * self.share - 1)], 1)


def saying(predict: str, share: float | None = None, of: tuple = TWO, **how: object) -> DDPM:
    if share is not None:
        how["variance"] = "learned"
    model = DDPM((2,), T=T, predict=predict, **how)
    model.network = Says(model.schedule, predict, share, of)
    return model.double()


X = batch((2,), 200).double()


@pytest.mark.parametrize("schedule", ["linear", "cosine", "drawn"])
@pytest.mark.parametrize("predict", PREDICTIONS)
def test_each_parametrization_says_the_same_noise_and_data(predict: str, schedule: str) -> None:
    s, rng = Schedule.named(schedule, T, (9.0, -4.0)), random.generator(0)
    x, eps = X, random.randn(200, 2, rng=rng).double()
    t = random.randint(1, T + 1, 200, rng=rng)
    x_t = s.noised(x, eps, t)
    said = s.target(x, eps, t, predict)
    torch.testing.assert_close(s.to_eps(said, x_t, t, predict), eps, rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(s.to_x_0(said, x_t, t, predict), x, rtol=1e-7, atol=1e-7)


def test_mu_is_the_mean_of_the_step_back_also_between_two_steps() -> None:
    s = Schedule.named("cosine", T)
    t, eps = torch.arange(1, T + 1), random.randn(T, 2, rng=random.generator(0)).double()
    x_t = s.noised(X[:T], eps, t)
    torch.testing.assert_close(s.target(X[:T], eps, t, "mu"), s.posterior(x_t, X[:T], t)[0])
    whole, real = s.in_mu(t, X), s.in_mu(t.double(), X)
    torch.testing.assert_close(real, whole)
    middle = s.in_mu(t[:-1] + 0.5, X)[0]
    torch.testing.assert_close(middle, (whole[0][1:] + whole[0][:-1]) / 2)


@pytest.mark.parametrize("predict", PREDICTIONS)
def test_all_parametrizations_are_one_model(predict: str) -> None:
    first, model = saying("eps"), saying(predict)
    bounds = [one.bound(X[:20], random.generator(0)).nats for one in (first, model)]
    torch.testing.assert_close(bounds[1], bounds[0], rtol=1e-6, atol=1e-6)
    for sampler in (*SAMPLERS, "langevin"):
        drawn = [one.sample(5, rng=random.generator(1), sampler=sampler, steps=6) for one in (first, model)]
        torch.testing.assert_close(drawn[1], drawn[0], rtol=1e-4, atol=1e-5)  # x_T is float32
    density = [one.log_prob(X[:5], steps=8) for one in (first, model)]
    torch.testing.assert_close(density[1], density[0], rtol=1e-2, atol=1e-2)  # between steps mu is linear in t


@pytest.mark.parametrize("weighting", ["noise", "snr", "bound"])
@pytest.mark.parametrize("predict", PREDICTIONS)
def test_a_weighting_that_is_of_the_noise_or_the_data_is_one_loss_of_all(predict: str, weighting: str) -> None:
    """Where the weight belongs to t = 1 … T of one quantity, what the network says of it does not matter."""
    losses = [saying(one, weighting=weighting).loss(X, rng=random.generator(0)) for one in ("eps", predict)]
    for name in losses[0]:
        torch.testing.assert_close(losses[1][name], losses[0][name], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("predict", PREDICTIONS)
def test_what_is_trained_says_what_an_error_of_eps_weighs(predict: str) -> None:
    model = saying(predict)
    s, rng = model.schedule, random.generator(0)
    eps, wrong = (random.randn(T, 2, rng=rng).double() for _ in range(2))
    t = torch.arange(1, T + 1)
    x_t = s.noised(X[:T], eps, t)
    said, other = (s.target(s.to_x_0(one, x_t, t, "eps"), one, t, predict) for one in (eps, wrong))
    ratio = (said - other).square().sum(1) / (eps - wrong).square().sum(1)
    torch.testing.assert_close(s.weight_of_eps(model.weight.double(), predict)[1:], ratio, rtol=1e-5, atol=1e-10)


# Before -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("predict", ["eps", "x0", "v"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)], ids=str)
def test_a_run_without_the_new_settings_trains_bit_for_bit_as_before(predict: str, shape: tuple[int, ...]) -> None:
    """The loss written out with the formulas of "eps", "x0" and "v" alone: the same bits, and the same gradients."""
    model, x = woken(DDPM(shape, predict=predict, T=50, width=8, depth=1)), batch(shape)
    rng = random.generator(4)
    t = random.randint(1, 51, 16, rng=rng)
    eps = random.randn(16, *shape, rng=rng)
    a, sigma = model.schedule.rates(t, x)
    x_t = a * x + sigma * eps
    target = {"eps": eps, "x0": x, "v": a * eps - sigma * x}[predict]
    output = model.network(x_t, t.float() / 50)
    loss = (torch.ones(51)[t] * (output - target).square().flatten(1).mean(1)).mean()
    before = torch.autograd.grad(loss, list(model.parameters()))
    terms = model.loss(x, rng=random.generator(4))
    now = torch.autograd.grad(terms["loss"], list(model.parameters()))
    assert torch.equal(terms["loss"], loss)
    assert all(torch.equal(one, other) for one, other in zip(now, before, strict=True))
    assert terms.keys() == {"loss", "mse_t1", "mse_t2", "mse_t3", "mse_t4"}


# A learned variance -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("share", "name"), [(0.0, "posterior"), (1.0, "beta")])
def test_the_ends_of_a_learned_variance_are_the_fixed_ones(share: float, name: str) -> None:
    fixed, model = saying("eps", variance=name), saying("eps", share)
    bounds = [one.bound(X[:20], random.generator(0)) for one in (fixed, model)]
    for one, other in zip(*bounds, strict=True):
        torch.testing.assert_close(other, one)
    for steps in (4, T):
        drawn = [one.sample(5, rng=random.generator(1), sampler="ancestral", steps=steps) for one in (fixed, model)]
        torch.testing.assert_close(drawn[1], drawn[0])


def test_of_white_data_the_bound_is_least_where_the_variance_is_the_true_one() -> None:
    """For x_0 ~ N(0, I) the step back has variance β_t (ν = 1), and the bound is then −log p(x) itself."""
    nats = [saying("eps", share, WHITE).bound(X, random.generator(0)).nats.mean() for share in (1.0, 0.9, 0.5, 0.0)]
    assert nats == sorted(nats)


@pytest.mark.parametrize("shape", [(1, 8, 8), (2,)], ids=str)
@pytest.mark.parametrize("weighting", ["simple", "bound"])
def test_the_bound_trains_the_variance_and_never_the_mean(shape: tuple[int, ...], weighting: str) -> None:
    how = {"variance": "learned", "T": T, "width": 8, "depth": 1, "patch": 1, "weighting": weighting}
    model = woken(DDPM(shape, **how))
    head = model.network.head[-1] if len(shape) == 3 else model.network.head
    terms = model.loss(batch(shape), rng=random.generator(0))
    assert terms.keys() == {"loss", "mse_t1", "mse_t2", "mse_t3", "mse_t4", "vlb"}
    n = shape[0]
    (of_bound,) = torch.autograd.grad(terms["vlb"], head.weight, retain_graph=True)
    (of_error,) = torch.autograd.grad(terms["loss"] - OF_BOUND * terms["vlb"], head.weight)
    assert not of_bound[:n].any()
    assert of_bound[n:].any()
    assert of_error[:n].any()
    assert of_error[n:].abs().max() < 1e-6 * of_bound.abs().max()


def test_each_term_of_the_bound_is_at_its_own_time() -> None:
    model = saying("eps", 0.3)
    t = torch.tensor([1, 2, 17, 1])
    x, eps = X[:4], random.randn(4, 2, rng=random.generator(0)).double()
    x_t = model.schedule.noised(x, eps, t)
    guess, share = model.x_0_hat(x_t, t), model.share(x_t, t)
    found = diffusion_elbo.term(model.schedule, x, x_t, guess, t, share, 0)
    step = diffusion_elbo.step_term(model.schedule, x[1:3], x_t[1:3], guess[1:3], t[1:3], share[1:3])
    torch.testing.assert_close(found[1:3], step)
    last = diffusion_elbo.last_term(model.schedule, x, x_t, guess, share, 0)
    torch.testing.assert_close(found[[0, 3]], last[[0, 3]])


@pytest.mark.parametrize("sampler", ["ancestral", "ddim"])
def test_a_learned_variance_is_asked_for_and_counted(sampler: str) -> None:
    model, asked = DDPM((2,), T=T, variance="learned", hidden=16), []
    model.network.register_forward_hook(lambda *_: asked.append(1))
    model.sample(2, sampler=sampler, steps=6)
    assert len(asked) == evaluations(sampler, 6, learned=True) == (11 if sampler == "ancestral" else 6)


def test_a_network_of_diffusers_says_no_variance() -> None:
    with pytest.raises(BadInput, match="network = unet2d says no variance"):
        DDPM((1, 8, 8), variance="learned", network="unet2d")

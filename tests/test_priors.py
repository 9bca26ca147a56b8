"""Each prior integrates to one, and its samples have its density."""

import math

import pytest
import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.probability.distributions import standard_normal_log_prob
from genmodels.probability.priors import FlowPrior, MixtureOfGaussians, StandardNormal, VampPrior

NAMES = ["normal", "mixture", "vamp", "flow"]


def prior(name: str, latent_dim: int) -> nn.Module:
    """A prior in double precision whose parameters are far from where they start."""
    torch.manual_seed(0)
    match name:
        case "normal":
            made = StandardNormal(latent_dim)
        case "mixture":
            made = MixtureOfGaussians(latent_dim, 5)
        case "vamp":
            encoder = nn.Linear(3, 2 * latent_dim)
            made = VampPrior(lambda u: encoder(u.float()).to(u.dtype).chunk(2, -1), (3,), 5)
        case _:
            made = FlowPrior(latent_dim)
    for parameter in made.parameters():
        parameter.data += (0.15 if name == "flow" else 0.5) * torch.randn_like(parameter)
    return made.double()


def grid(latent_dim: int, n: int, reach: float = 12.0) -> tuple[Tensor, float]:
    """The midpoints of the cells of a box, and the volume of a cell."""
    side = (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2 * reach - reach
    return torch.cartesian_prod(*[side] * latent_dim).view(-1, latent_dim), (2 * reach / n) ** latent_dim


@pytest.mark.parametrize(("latent_dim", "n"), [(1, 4000), (2, 800)])
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_integrates_to_one(name: str, latent_dim: int, n: int) -> None:
    z, cell = grid(latent_dim, n)
    assert prior(name, latent_dim).log_prob(z).exp().sum().item() * cell == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("latent_dim", [1, 2])
@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_samples_have_the_density(name: str, latent_dim: int) -> None:
    made, n = prior(name, latent_dim), 20_000
    bins, fine = (60, 40) if latent_dim == 1 else (24, 25)
    z, cell = grid(latent_dim, bins * fine)
    mass = (made.log_prob(z).exp() * cell).view([bins, fine] * latent_dim)
    mass = mass.sum(1) if latent_dim == 1 else mass.sum((1, 3))
    drawn = made.sample(n, random.generator(3))
    assert drawn.shape == (n, latent_dim)
    seen = torch.histogramdd(drawn, [bins] * latent_dim, range=[-12.0, 12.0] * latent_dim).hist
    likely = n * mass > 10
    assert likely.sum() >= 5
    excess = (seen - n * mass)[likely] / (n * mass * (1 - mass))[likely].sqrt()
    assert excess.abs().max() < 4.5
    assert abs(excess.square().mean().item() - 1) < 6 * math.sqrt(2 / likely.sum().item())


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_leading_dimensions_broadcast(name: str) -> None:
    made = prior(name, 3)
    z = torch.randn(4, 5, 3, dtype=torch.float64)
    torch.testing.assert_close(made.log_prob(z), torch.stack([made.log_prob(row) for row in z]))


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_repeatable_and_of_the_parameters(name: str) -> None:
    made = prior(name, 2)
    with torch.no_grad():
        first, again, other = (made.sample(7, random.generator(seed)) for seed in (5, 5, 6))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first, other)
    assert made.sample(1).shape == (1, 2)


def test_mixture_draws_one_component_for_the_whole_vector() -> None:
    made = MixtureOfGaussians(3, 2)
    made.mu.data = torch.tensor([[-100.0] * 3, [100.0] * 3])
    made.logits.data = torch.tensor([0.0, math.log(3)])
    with torch.no_grad():
        z = made.sample(4000, random.generator(0))
    assert (z.sign() == z.sign()[:, :1]).all()  # never one dimension from each
    share = (z[:, 0] > 0).float().mean().item()
    assert abs(share - 0.75) < 4 * math.sqrt(0.75 * 0.25 / 4000)


@pytest.mark.parametrize("name", ["normal", "mixture", "vamp"])
@torch.no_grad()
def test_marginals_are_the_joint_integrated(name: str) -> None:
    made = prior(name, 2)
    z, _ = grid(2, 600)
    joint = made.log_prob(z).exp().view(600, 600)
    marginal = made.marginal_log_prob(z).exp().view(600, 600, 2)
    torch.testing.assert_close(joint.sum(1) * 24 / 600, marginal[:, 0, 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(joint.sum(0) * 24 / 600, marginal[0, :, 1], atol=1e-4, rtol=0)


def test_gradient_reaches_pseudo_inputs_weights_and_encoder() -> None:
    encoder = nn.Linear(3, 4)

    def encode(u: Tensor) -> tuple[Tensor, Tensor]:
        mu, logvar = encoder(u).chunk(2, -1)
        return mu, logvar

    made = VampPrior(encode, (3,), 4)
    assert {name for name, _ in made.named_parameters()} == {"pseudo_inputs", "logits"}  # the encoder stays the model's
    made.log_prob(torch.randn(6, 2)).sum().backward()
    for parameter in (made.pseudo_inputs, made.logits, encoder.weight):
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0


def test_vamp_is_the_mixture_of_its_pseudo_inputs_posteriors() -> None:
    made = prior("vamp", 2)
    mu, logvar = made.encode(made.pseudo_inputs)
    same = MixtureOfGaussians(2, 5).double()
    same.mu.data, same.logvar.data, same.logits.data = mu, logvar, made.logits.data
    z = torch.randn(10, 2, dtype=torch.float64)
    torch.testing.assert_close(made.log_prob(z), same.log_prob(z))


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_flow_counts_the_determinant_of_its_jacobian_once(latent_dim: int) -> None:
    made = prior("flow", latent_dim)

    def noise(z: Tensor) -> Tensor:
        return made.normalize(z)[0]

    z = torch.randn(latent_dim, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(noise, z)
    expected = standard_normal_log_prob(noise(z)).sum() + torch.linalg.slogdet(jacobian).logabsdet
    torch.testing.assert_close(made.log_prob(z), expected)


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
@torch.no_grad()
def test_flow_samples_by_the_inverse(latent_dim: int) -> None:
    made = prior("flow", latent_dim)
    z = made.sample(50, random.generator(0))
    u = random.randn(50, latent_dim, rng=random.generator(0)).double()
    torch.testing.assert_close(made.normalize(z)[0], u, atol=1e-5, rtol=0)


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_flow_starts_standard_normal_and_every_weight_learns(latent_dim: int) -> None:
    made = FlowPrior(latent_dim)
    z = torch.randn(20, latent_dim)
    torch.testing.assert_close(made.log_prob(z), standard_normal_log_prob(z).sum(-1))
    made = prior("flow", latent_dim)
    made.log_prob(z.double()).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in made.parameters())


def test_flow_keeps_full_precision_under_autocast() -> None:
    made = prior("flow", 2).float()
    z = torch.randn(20, 2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(made.log_prob(z), made.log_prob(z.clone()))
        inside = made.log_prob(z)
    torch.testing.assert_close(inside, made.log_prob(z), rtol=0, atol=0)

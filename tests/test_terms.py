"""What a loss tells beside itself: each curve of a training is of what its name says, in the units that it says."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.models.autoregressive import Autoregressive
from genmodels.models.base import build
from genmodels.models.bigan import BiGAN
from genmodels.models.ddpm import DDPM
from genmodels.models.flow import Flow
from genmodels.models.gan import GAN
from genmodels.models.latent.ladder import Ladder
from genmodels.probability import diffusion_elbo
from tests.test_latent import data, made
from tests.test_variational import SMALL, VDM

BITS = 64 * math.log(2)  # nats of an 8 × 8 picture that are one bit per dimension


def points() -> Tensor:
    return random.randn(64, 2, rng=random.generator(0)).double() + 1


# Two players ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [GAN, BiGAN])
@torch.no_grad()
def test_a_discriminator_tells_what_it_believes_of_data_and_of_samples(cls: type) -> None:
    model, x = cls((2,), hidden=16, latent_dim=2).double().eval(), points()
    told = model.loss(x, player="discriminator", rng=random.generator(1))
    z = model.noise(x, random.generator(1))
    real, fake = model.critic(x).sigmoid(), model.fake_scores(model.generate(z), z).sigmoid()
    torch.testing.assert_close(told["D(real)"], real.mean())
    torch.testing.assert_close(told["D(fake)"], fake.mean())
    torch.testing.assert_close(told["value"], (real.log() + (1 - fake).log()).mean())
    torch.testing.assert_close(told["loss"], -told["value"])


@torch.no_grad()
def test_a_sample_is_pushed_where_it_is_not_believed_and_in_minimax_where_it_is() -> None:
    """|d(−log D)/ds| = 1 − D, and |d log(1 − D)/ds| = D."""
    for objective, push in (("non-saturating", lambda D: 1 - D), ("minimax", lambda D: D)):
        model, x = GAN((2,), objective=objective, hidden=16, latent_dim=2).double().eval(), points()
        model.discriminator.score.bias += 1.0
        told = model.loss(x, player="generator", rng=random.generator(1))
        fake = model.critic(model.generate(model.noise(x, random.generator(1)))).sigmoid()
        torch.testing.assert_close(told["push"], push(fake).mean())


# Layers, and parameters with a prior ----------------------------------------------------------------------------------


@torch.no_grad()
def test_a_ladders_first_kl_is_that_of_the_layer_beside_x(digits: Data) -> None:
    """A top that says μ = 3 in each of its 4 dimensions says 18 nats at least, and its number is the last."""
    model = Ladder((1, 8, 8), layers=3, hidden=16, latent_dim=4, latent_channels=2, free_bits=0.0, anneal=0.0).eval()
    x = digits.prepare(digits.test.x[:9], "threshold")
    said = model.posterior

    def loud(i: int, *rest: Any) -> Any:
        q = said(i, *rest)
        return q if i else type(q)(q.mu * 0 + 3, q.logvar)

    model.posterior = loud
    kls = model.kls(model.infer(x, random.generator(0))).mean(0)  # from the top
    terms = model.loss(x, rng=random.generator(0))
    for i in (1, 2, 3):
        torch.testing.assert_close(terms[f"kl_{i}"], kls[3 - i])
    assert terms["kl_3"] >= 0.5 * 4 * 3**2


@pytest.mark.parametrize(("name", "arguments"), [("mixture", {"components": 3, "covariance": "full"}), ("ppca", {})])
def test_a_prior_on_the_parameters_is_maximized_with_the_likelihood(name: str, arguments: dict[str, Any]) -> None:
    """MAP by gradient: its slope is that of EM's bound with the prior (Fisher's identity)."""
    model, x = made(name, (2,), arguments | {"learn": "gradient"}, 0.5), data((2,))
    terms, weights = model.loss(x), list(model.parameters())
    torch.testing.assert_close(terms["nll"], -model.log_prob(x).mean())
    torch.testing.assert_close(terms["loss"], terms["nll"] - model.log_prior())
    of_loss = torch.autograd.grad(terms["loss"], weights)
    of_bound = torch.autograd.grad(model.complete(model.expect(x)[0]) + model.log_prior(), weights)
    for ours, theirs in zip(of_loss, of_bound, strict=True):
        torch.testing.assert_close(ours, -theirs, atol=1e-8, rtol=1e-8)


# Bits -----------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_bits_per_dimension_are_the_losses_nats(digits: Data) -> None:
    flow, grey = Flow((1, 8, 8), couplings=2, hidden=8).eval(), digits.test.x[:9]
    flow.grey_levels = digits.levels
    for model, x in (
        (Autoregressive((1, 8, 8), hidden=16).eval(), digits.prepare(grey, "threshold")),
        (flow, digits.prepare(grey, "dequantize", random.generator(0))),
    ):
        terms = model.loss(x, rng=random.generator(0))
        torch.testing.assert_close(terms["bpd"] * BITS, terms["loss"])
    model = build({"model": "vqvae", "shape": [1, 8, 8], "codes": 5, "hidden": 8, "blocks": 1, "prior_channels": 8})
    terms = model.loss(digits.prepare(grey, "threshold"))
    torch.testing.assert_close(terms["bpd"] * BITS, -terms["elbo"])  # with the codes' own nats


@torch.no_grad()
def test_a_learned_schedule_pays_for_both_its_ends(digits: Data) -> None:
    model, x = DDPM((1, 8, 8), T=50, **VDM, **SMALL).eval(), digits.prepare(digits.test.x[:16], "signed")
    model.grey_levels = digits.levels
    model.schedule.ends.copy_(torch.tensor([-3.0, 1.0]))  # so that there is something to pay at either
    parts = model.schedule.bound(lambda x_t, t: model.answer(x_t, t)[0], x, digits.levels, random.generator(0))
    whole = sum(float(part.mean()) for part in parts.values())
    assert float(model.loss(x, rng=random.generator(0))["loss"]) * 64 == pytest.approx(whole, rel=1e-4)
    assert parts.keys() == {"steps", "prior", "last"}
    assert min(float(parts[end].mean()) for end in ("prior", "last")) > 0.01 * whole
    torch.testing.assert_close(parts["prior"], diffusion_elbo.prior_term(model.schedule, x), rtol=1e-4, atol=1e-4)

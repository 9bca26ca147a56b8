"""What is drawn has the spread that its model says, and every code its share."""

import math

import pytest
import torch
from torch import Tensor

from genmodels import random
from genmodels.models.vae import VAE
from tests.test_vq import make

N = 20_000
SE = 6.0  # standard errors: of a Gaussian error, passed by chance once in 500 million


@pytest.mark.parametrize("sigma", [0.0, 0.3])
@torch.no_grad()
def test_a_gaussian_decoder_draws_with_its_standard_deviation(sigma: float) -> None:
    """Learned, or given."""
    model = VAE((2,), hidden=16, sigma=sigma)
    if not sigma:
        model.log_sigma.fill_(math.log(0.3))
    x = model.draw_x(torch.tensor([1.0, -2.0]).expand(N, 2), random.generator(0)).double()
    assert ((x.mean(0) - torch.tensor([1.0, -2.0])).abs() < SE * 0.3 / N**0.5).all()
    assert ((x.std(0) - 0.3).abs() < SE * 0.3 / (2 * N) ** 0.5).all()


@torch.no_grad()
def test_points_of_a_vqvae_lie_around_their_codes_with_its_standard_deviation() -> None:
    """The variance of the mixture: that of the means, and σ² = e^−1.4."""
    model = make((2,), codes=9, hidden=16).float()
    model.prior.logits.uniform_(-1, 1)
    model.log_sigma.fill_(-0.7)
    weights, means = model.prior.logits.softmax(0).double(), model.shown(torch.arange(9)).double()
    mean = weights @ means
    variance = weights @ means.square() - mean.square() + math.exp(-1.4)
    square = (model.sample(N, rng=random.generator(0)).double() - mean).square()
    assert ((square.mean(0) - variance).abs() < SE * square.std(0) / N**0.5).all()


@pytest.mark.parametrize("uniform", [False, True])
@torch.no_grad()
def test_codes_are_drawn_by_the_prior_or_each_as_often(uniform: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model, seen = make((2,), codes=5, hidden=16).float(), list[Tensor]()
    shown = model.shown
    monkeypatch.setattr(model, "shown", lambda codes: (seen.append(codes), shown(codes))[1])
    model.prior.logits.copy_(torch.tensor([2.0, 0.0, 0.0, -1.0, 1.0]))
    model.sample(N, rng=random.generator(0), uniform=uniform)
    share = torch.bincount(seen[0].flatten(), minlength=5).double() / N
    p = torch.full((5,), 0.2) if uniform else model.prior.logits.softmax(0)
    assert ((share - p).abs() < SE * (p * (1 - p) / N).sqrt()).all()

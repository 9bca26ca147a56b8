"""The VQ-VAE: the gradient through a choice, k-means as its codebook, a bound that nothing above exceeds, its prior."""

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from genmodels import random
from genmodels.data import datasets
from genmodels.errors import BadInput
from genmodels.models.base import build
from genmodels.models.vq.codebook import Codebook, perplexity, straight_through
from genmodels.models.vq.model import VQVAE
from genmodels.models.vq.priors import CodeFrequencies, CodeMaps
from genmodels.training.loop import Training, fit
from genmodels.training.settings import Settings
from tests.resumption import never_paused

SMALL = {"hidden": 8, "blocks": 1, "prior_channels": 8, "prior_depth": 2, "code_dim": 3}


def make(shape: tuple[int, ...] = (1, 8, 8), seed: int = 0, **arguments: Any) -> VQVAE:
    torch.manual_seed(seed)
    model = build({"model": "vqvae", "shape": list(shape), **SMALL, **arguments})
    assert isinstance(model, VQVAE)
    return model.double()


def pictures(n: int, seed: int = 0) -> Tensor:
    return (torch.rand(n, 1, 8, 8, generator=random.generator(seed), dtype=torch.float64) > 0.5).double()


# A gradient through a choice ------------------------------------------------------------------------------------------


def test_the_encoder_gets_the_decoders_gradient_at_the_vector_that_was_chosen() -> None:
    model, x = make(codes=7), pictures(5)
    z = model.encoded(x).detach().requires_grad_()
    e = model.codebook(model.codebook.nearest(z)).detach().requires_grad_()
    (of_z,) = torch.autograd.grad(model.log_likelihood(x, straight_through(z, e)).sum(), z)
    (of_e,) = torch.autograd.grad(model.log_likelihood(x, e).sum(), e)
    assert torch.equal(straight_through(z, e), e)
    assert torch.equal(of_z, of_e)
    assert of_z.abs().max() > 0


def test_each_term_teaches_whom_it_is_for() -> None:
    """The decoder no vector, −log p(k) no encoder; the codebook's own loss draws vectors to what is encoded as them."""
    model, x = make(codes=7, codebook="straight-through", commitment=0.0), pictures(20)
    z = model.encoded(x).detach()
    codes = model.codebook.nearest(z)
    model.loss(x)["loss"].backward()
    away = model.codebook.vectors.detach()[codes] - z
    expected = torch.zeros_like(model.codebook.vectors).index_add_(0, codes.flatten(), 2 * away.flatten(0, -2) / len(x))
    torch.testing.assert_close(model.codebook.vectors.grad, expected)
    of_encoder = [p.grad.clone() for p in model.encoder.parameters()]
    model.zero_grad()
    e = model.codebook(codes).detach()
    (-model.log_likelihood(x, straight_through(model.encoded(x), e)).mean()).backward()
    assert all(torch.equal(a, p.grad) for a, p in zip(of_encoder, model.encoder.parameters(), strict=True))
    model.zero_grad()
    (-model.prior.log_prob(model.codes(x)).mean()).backward()
    assert all(p.grad is None for part in (model.encoder, model.decoder) for p in part.parameters())
    assert all(p.grad is not None for p in model.prior.parameters())


def test_the_commitment_draws_the_encoder_to_its_vectors() -> None:
    free, held = (make(codes=7, commitment=beta) for beta in (0.0, 2.0))
    x = pictures(9)
    found = [model.loss(x) for model in (free, held)]
    torch.testing.assert_close(found[1]["loss"] - found[0]["loss"], 2 * found[0]["distance"])
    z = held.encoded(x)
    far = (z - held.codebook(held.codebook.nearest(z))).square().sum() / len(x)
    torch.testing.assert_close(found[0]["distance"], far)


@pytest.mark.parametrize("codebook", ["ema", "straight-through"])
def test_codes_settle_while_decoder_and_prior_learn_on(codebook: str) -> None:
    model, x = make(codes=7, codebook=codebook, settle=0.5), pictures(20)
    for passed, moves in ((0.4, True), (0.5, False), (0.9, False)):
        model.progress(passed)
        model.zero_grad()
        before = model.codebook.vectors.detach().clone()
        terms = model.loss(x)
        terms["loss"].backward()
        for part, learns in ((model.encoder, moves), (model.decoder, True), (model.prior, True)):
            assert any(bool(p.grad.any()) for p in part.parameters()) == learns  # type: ignore[union-attr]
        if codebook == "ema":
            model.after_turn("model")
            assert torch.equal(model.codebook.vectors, before) != moves
        else:
            assert bool(model.codebook.vectors.grad.any()) == moves  # type: ignore[union-attr]
    model.progress(0.0)
    again = model.loss(x)  # its value does not hang on it
    assert all(torch.equal(terms[name], again[name]) for name in terms)


# The codebook ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_without_memory_the_moving_average_is_a_step_of_k_means(seed: int) -> None:
    torch.manual_seed(seed)
    book, z = Codebook(6, 2, 0.0).double(), torch.randn(200, 2, dtype=torch.float64)
    book.vectors.normal_()
    book.vectors[5] = 100.0  # nothing is nearest to it
    before, codes = book.vectors.clone(), book.nearest(z)
    assert torch.equal(codes, torch.cdist(z, before).argmin(1))
    error = (z - before[codes]).square().sum()
    book.see(z, codes)
    book.follow()
    for k in range(6):
        mean = z[codes == k].mean(0) if (codes == k).any() else before[k]
        torch.testing.assert_close(book.vectors[k], mean, rtol=1e-5, atol=1e-5)
    assert (z - book.vectors[book.nearest(z)]).square().sum() <= error + 1e-6  # Lloyd's error never rises


def test_the_moving_average_is_that_of_counts_and_sums() -> None:
    """Equations 6 to 8 as they stand, over ten batches of a codebook that moves."""
    torch.manual_seed(0)
    book = Codebook(4, 3, 0.9)
    counts, sums = torch.zeros(4), torch.zeros(4, 3)
    for _ in range(10):
        z = torch.randn(50, 3)
        codes = book.nearest(z)
        is_k = torch.nn.functional.one_hot(codes, 4).float()
        counts, sums = 0.9 * counts + 0.1 * is_k.sum(0), 0.9 * sums + 0.1 * is_k.T @ z
        book.see(z, codes)
        book.follow()
        there = counts > 0
        torch.testing.assert_close(book.vectors[there], sums[there] / counts[there, None], rtol=1e-4, atol=1e-5)


def test_a_vector_that_lies_idle_begins_anew_at_something_encoded() -> None:
    torch.manual_seed(0)
    idle, restarted = (Codebook(5, 2, 0.9, restart).double() for restart in (0.0, 0.5))
    z = torch.randn(200, 2, dtype=torch.float64)
    for book in (idle, restarted):
        book.vectors.fill_(100)
        book.vectors[0] = 0  # nearest of all
        before = book.vectors.clone()
        book.see(z, book.nearest(z), random.generator(0))
        book.follow()
        torch.testing.assert_close(book.vectors[0], z.mean(0))
        if book is idle:
            assert torch.equal(book.vectors[1:], before[1:])
        else:
            assert torch.cdist(book.vectors[1:], z).amin(1).max() < 1e-6
            assert len(book.nearest(z).unique()) == 5


def test_k_means_of_points_finds_what_it_should() -> None:
    """z = x on the plane: the codebook comes to rest where every vector is the mean of its cell."""
    moons = datasets.load("two-moons")
    torch.manual_seed(0)
    model = build({"model": "vqvae", "shape": [2], "codes": 8, "depth": 0, "codebook_decay": 0.0, "restart": 0})
    for _ in fit(Training(model, moons, Settings(steps=100, batch_size=len(moons.train), lr=1e-2))):
        pass
    assert isinstance(model, VQVAE)
    codes = model.eval().codes(moons.train.x)
    means = torch.stack([moons.train.x[codes == k].mean(0) for k in range(8)])
    torch.testing.assert_close(model.codebook.vectors, means, atol=0.02, rtol=0)


def test_only_training_moves_the_codebook() -> None:
    model, x = make(codes=5), pictures(9)
    before = model.codebook.vectors.clone()
    model.eval().loss(x)
    model.after_turn("model")
    assert torch.equal(model.codebook.vectors, before)
    model.train().loss(x)
    model.after_turn("model")
    assert not torch.equal(model.codebook.vectors, before)


@pytest.mark.parametrize("k", [2, 7, 64])
def test_perplexity_is_the_count_of_codes_that_occur_as_often(k: int) -> None:
    share = torch.zeros(100, dtype=torch.float64)
    share[:k] = 1 / k
    assert perplexity(share).item() == pytest.approx(k)
    mixed = torch.rand(k, dtype=torch.float64, generator=random.generator(k))
    assert 1 < perplexity(mixed / mixed.sum()).item() < k
    book = Codebook(k, 2, 0.5)
    codes = torch.arange(k).repeat(3)
    torch.testing.assert_close(book.shares(codes), torch.full((k,), 1 / k))


# The bound ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decoder", ["bernoulli", "gaussian"])
def test_the_bound_is_below_the_sum_over_all_maps(decoder: str) -> None:
    """81 maps of 2 × 2 codes: their probabilities add up to 1, and what the bound leaves out is −log p(k | x)."""
    model, x = make(codes=3, depth=2, decoder=decoder).eval(), pictures(6)
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    with torch.no_grad():
        log_pk = model.prior.log_prob(every)
        assert log_pk.double().exp().sum().item() == pytest.approx(1, abs=1e-5)
        repeated = x.repeat_interleave(len(every), 0)
        log_px = model.log_likelihood(repeated, model.codebook(every).repeat(len(x), 1, 1, 1)).view(len(x), -1)
        exact = (log_px + log_pk).logsumexp(1)
        bound, codes = model.elbo(x), model.codes(x)
    assert (bound <= exact).all()
    own = (every == codes[:, None]).all(-1).all(-1).double()
    log_posterior = ((log_px + log_pk - exact[:, None]) * own).sum(1)
    torch.testing.assert_close(exact - bound, -log_posterior)
    assert model.loss(x)["elbo"].item() == pytest.approx(bound.mean().item())


def test_of_points_the_density_is_exact() -> None:
    model = make((2,), codes=9, hidden=16)
    model.prior.logits.data.uniform_(-1, 1)
    model.log_sigma.data.fill_(-0.7)
    axis = torch.arange(-6, 6, 0.1, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).flatten(0, 1)
    with torch.no_grad():
        log_p = model.log_prob(grid)
        assert (log_p.exp().sum() * 0.1**2).item() == pytest.approx(1, abs=1e-4)
        assert (model.elbo(grid) <= log_p + 1e-9).all()
        drawn = model.float().sample(20_000, rng=random.generator(0)).double()
        weights, means = model.prior.logits.softmax(0).double(), model.shown(torch.arange(9)).double()
    expected = weights @ means
    variance = weights @ means.square() - expected.square() + math.exp(-1.4)
    assert ((drawn.mean(0) - expected).abs() < 6 * (variance / 20_000).sqrt()).all()


def test_bits_are_of_whole_pixels() -> None:
    digits = datasets.load("digits")
    black, grey = make(codes=5).float(), make(codes=5, decoder="gaussian").float()
    grey.grey_levels = digits.levels
    nats = torch.tensor(100.0)
    assert black.bits(nats).item() == pytest.approx(100 / (64 * math.log(2)))
    torch.testing.assert_close(grey.bits(nats), digits.bits_per_dim(nats / 1))
    with pytest.raises(BadInput, match="decoder = gaussian needs images in grey"):
        grey.check_levels(2)
    black.check_levels(2)


def test_what_is_decoded_is_first_a_code() -> None:
    model, x = make(codes=6).eval(), pictures(4)
    with torch.no_grad():
        z = model.encode(x)
        assert z.shape == (4, model.latent_dim)
        torch.testing.assert_close(model.decode(z), model.shown(model.codes(x)))
        near = z + 1e-6 * torch.randn(z.shape, dtype=z.dtype)
        torch.testing.assert_close(model.decode(near), model.decode(z))
        assert model.decode(z.view(2, 2, -1)).shape == (2, 2, 1, 8, 8)


# The prior ------------------------------------------------------------------------------------------------------------


def test_the_prior_draws_what_it_says() -> None:
    """All 16 maps of 2 × 2 with two codes, as often as it says: a χ² of 15, exceeded by 60 once in 3 million."""
    torch.manual_seed(1)
    prior = CodeMaps(2, (2, 2), channels=6, depth=2)
    every = torch.tensor(list(itertools.product(range(2), repeat=4))).view(-1, 2, 2)
    with torch.no_grad():
        p = prior.log_prob(every).double().exp()
    drawn = prior.sample(20_000, random.generator(0)).flatten(1)
    counts = torch.bincount((drawn * torch.tensor([8, 4, 2, 1])).sum(1), minlength=16)
    assert ((counts - 20_000 * p).square() / (20_000 * p)).sum() < 60
    assert p.max() > 1.2 * p.min()


def test_a_temperature_is_a_power_of_the_priors_laws() -> None:
    torch.manual_seed(1)
    maps, alone, n = CodeMaps(2, (2, 2), channels=6, depth=2), CodeFrequencies(3), 20_000
    every = torch.tensor(list(itertools.product(range(2), repeat=4))).view(-1, 2, 2)
    with torch.no_grad():
        for weight in maps.parameters():
            weight.add_(0.5 * torch.randn_like(weight))  # as it begins, both codes are nearly as probable
        alone.logits.copy_(torch.tensor([0.0, 1.0, -1.0]))
        first = maps.log_prob(every).double().exp().view(2, 8).sum(1)  # of the first place, which knows no other
        laws = {maps: first, alone: alone.log_prob(torch.arange(3)).double().exp()}
    for prior, p in laws.items():
        q = p**2 / (p**2).sum()
        drawn = prior.sample(n, random.generator(0), 0.5).reshape(n, -1)[:, 0]
        shares = torch.bincount(drawn, minlength=len(q)) / n
        assert ((shares - q).abs() < 5 * (q * (1 - q) / n).sqrt()).all()
        assert ((p - q).abs() > 10 * (q * (1 - q) / n).sqrt()).any()  # which the prior as it is would not pass


def test_a_place_is_told_of_those_before_it_alone() -> None:
    torch.manual_seed(0)
    prior = CodeMaps(5, (3, 4), channels=6, depth=2)
    codes = torch.randint(0, 5, (1, 3, 4))
    each = prior.each(codes).flatten()
    for i in range(12):
        other = codes.clone()
        other.view(-1)[i] = (other.view(-1)[i] + 1) % 5
        changed = (prior.each(other).flatten() != each).nonzero()[:, 0]
        assert changed.min() == i
        assert len(changed) > 1 or i == 11


def test_codes_are_symbols_to_the_prior() -> None:
    """Other numbers for the same codes, and rows of its tables exchanged likewise: the same probability."""
    torch.manual_seed(0)
    prior, other = CodeMaps(6, (2, 3), channels=6, depth=1), CodeMaps(6, (2, 3), channels=6, depth=1)
    renamed = torch.tensor([3, 0, 5, 1, 2, 4])
    other.load_state_dict(prior.state_dict())
    last = other.network.head[3]
    with torch.no_grad():
        for table, of in (
            (other.network.symbols.weight, prior.network.symbols.weight),
            (last.weight, prior.network.head[3].weight),
            (last.bias, prior.network.head[3].bias),
        ):
            table[renamed] = of
        codes = torch.randint(0, 6, (7, 2, 3))
        torch.testing.assert_close(other.log_prob(renamed[codes]), prior.log_prob(codes))


# Training -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("codebook", ["ema", "straight-through"])
@pytest.mark.parametrize("data", ["digits", "two-moons"])
def test_paused_and_resumed_is_never_paused(data: str, codebook: str) -> None:
    loaded = datasets.load(data)
    config = {"model": "vqvae", "shape": list(loaded.shape), **SMALL, "codebook": codebook}
    never_paused(lambda: Training(build(config), loaded, Settings(steps=8, batch_size=16, ema=0.9)), at=4)


def test_a_training_brings_the_codebook_into_use() -> None:
    digits = datasets.load("digits")
    torch.manual_seed(0)
    model = build({"model": "vqvae", "shape": [1, 8, 8], "codes": 16, "hidden": 16, "prior_channels": 16})
    steps = list(fit(Training(model, digits, Settings(steps=100, lr=2e-3, decay="cosine"))))
    terms = [step.terms for step in steps if step.terms]
    assert terms[-1]["perplexity"] > 5
    assert terms[-1]["codes in use"] > 0.5
    assert terms[-1]["elbo"] > terms[0]["elbo"] + 10


def test_a_gaussian_mean_that_has_gone_to_black_can_come_back() -> None:
    model = build({"model": "vqvae", "shape": [1, 8, 8], "hidden": 8, "prior_channels": 4, "decoder": "gaussian"})
    torch.nn.init.constant_(model.decoder.out.bias, -50.0)
    model.loss(torch.full((4, 1, 8, 8), 0.5))["loss"].backward()
    assert model.decoder.out.bias.grad.abs().min() > 1  # nats a unit; of a saturated sigmoid 1e-20

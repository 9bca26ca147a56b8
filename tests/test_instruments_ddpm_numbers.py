"""What the pages show of a diffusion model, number by number: which way arrows point, which unit a term has."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from genmodels.data.datasets import Data
from genmodels.instruments.diffusion import bound, denoising, edits, score
from genmodels.models.ddpm import DDPM
from genmodels.probability.samplers import SAMPLERS
from tests.answers import finish
from tests.test_instruments_ddpm import model


def test_arrows_point_where_the_data_are_denser(plane: Data) -> None:
    """Of whoever says that the data are N(0, I) they are −σ x; in most noise the best ones are nearly so."""
    white = DDPM((2,), T=40, hidden=16).eval()
    white.eps_hat = lambda x, t, y=None, guidance=1.0: white.schedule.rates(t, x)[1] * x
    found = finish(score.field(white, plane, n=4, frames=4))
    sigma = (1 - white.schedule.alpha_bar[found["t"]]).sqrt().numpy()[:, None, None]
    np.testing.assert_allclose(found["learned"], -sigma * found["at"], atol=1e-4)
    assert (found["best"][0] * found["at"]).sum() < 0


def test_weights_are_those_of_the_loss_and_those_of_the_bound() -> None:
    ddpm = DDPM((2,), T=20, hidden=16)  # which weighs every error of ε̂ alike
    found, due = bound.weights(ddpm), ddpm.schedule.weight("bound", "eps")[2:]
    np.testing.assert_allclose(found["trained"], 1, rtol=1e-5)
    np.testing.assert_allclose(found["due"], due / due.mean(), rtol=1e-5)
    assert found["due"].max() > 1.5


def test_the_bits_of_the_bound_are_its_nats(digits: Data) -> None:
    found = finish(bound.every_term(model(T=12), digits, n=6))
    assert found["bpd"] * 64 * math.log(2) == pytest.approx(found["nats"].mean(), rel=1e-5)


def test_the_gap_of_a_sampler_is_the_root_mean_square_to_all_steps_of_the_best(plane: Data) -> None:
    ddpm = DDPM((2,), T=40, hidden=16).eval()
    for p in ddpm.parameters():
        nn.init.normal_(p, std=0.1)
    found = finish(denoising.compared(ddpm, plane, n=40))
    exact, ddim = found["samples"][SAMPLERS.index("heun"), -1], SAMPLERS.index("ddim")
    expected = np.sqrt(np.square(found["samples"][ddim] - exact).mean((1, 2)))
    np.testing.assert_allclose(found["gap"][ddim], expected, rtol=1e-3, atol=1e-6)


def test_a_path_begins_at_the_first_picture_and_ends_at_the_second(digits: Data) -> None:
    """A network that answers 0 makes the equation linear: there and back is exact."""
    ddpm = model()
    ddpm.network.forward = lambda x, *_: torch.zeros_like(x)
    found = finish(edits.interpolated(ddpm, digits, first=0, second=3, n=5, steps=8))
    assert found["error"] < 1e-3
    assert np.abs(found["path"][[0, -1]].astype(int) - found["x"]).max() <= 1

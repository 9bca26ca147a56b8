"""What the instruments of the VAE, and those of every model, come to: the sentence says what the numbers say."""

import math
from typing import Any

import numpy as np
import pytest

from genmodels.instruments import codes, neighbours, plane
from genmodels.instruments.vae import bound, collapse, geometry, true_posterior
from genmodels.instruments.vae.drawing import Reading

NAN = float("nan")
NOTHING = "there is nothing to conclude."


def usage(*kl: float, latent_dim: int | None = None) -> str:
    return collapse.Usage(np.array(kl), 2, latent_dim or len(kl), -10.0, 0.1).conclusion()


@pytest.mark.parametrize(
    ("kl", "sentence"),
    [
        ((1.0, 0.001, 0.0, 2.5), "2 of 4 dimensions carry less than 0.01 nats: switched off."),
        ((1.0, 0.001), "1 of 2 dimensions carries less than 0.01 nats: switched off."),
        ((1.0, 2.0), "Each of 2 dimensions carries at least 1 nats: none is switched off."),
        ((0.0, 0.002), "All 2 dimensions carry less than 0.01 nats: the code says nothing of x."),
        ((0.0,), "The only dimension carries less than 0.01 nats: the code says nothing of x."),
    ],
)
def test_which_dimensions_are_switched_off(kl: tuple[float, ...], sentence: str) -> None:
    assert usage(*kl) == sentence


def test_a_flow_priors_dimensions_are_counted_by_their_means() -> None:
    assert usage(7.25, latent_dim=16) == "All 16 dimensions together carry 7.25 nats; 2 are active."
    assert collapse.Usage(np.array([7.25]), 1, 16, -10.0, 0.1).conclusion().endswith("nats; 1 is active.")
    assert usage(1.0, NAN).endswith(NOTHING)


def rungs(elbo: list[float], best: float, exact: list[float] | None = None) -> str:
    known = {"k": np.array([1, 1000]), "elbo": np.array(elbo), "iwae": np.array([0.0, best]), "iwae_se": np.zeros(2)}
    return bound.conclusion(known | ({"exact": np.array(exact)} if exact else {}))


def test_the_ladder_says_what_is_left_to_the_top() -> None:
    told = rungs([-14.0, -12.0], -11.1, [-12.0, -10.0])
    assert told == "The ELBO is 2 nats below log p(x); with 1,000 draws of z, 0.1 of them are left."
    assert rungs([-14.0, -12.0], -10.9, [-12.0, -10.0]).endswith("0 of them are left.")  # an estimate above the truth
    assert "raise the bound by 1.9 nats, and log p(x) is at least that" in rungs([-14.0, -12.0], -11.1)
    assert "do not raise the bound" in rungs([-14.0, -12.0], -13.0005)
    assert "cannot be told from log p(x): 0.05 ± 0.11 nats" in rungs([-14.0, -12.0], -13.0, [-13.8, -12.1])
    assert rungs([NAN, -12.0], -11.0).endswith(NOTHING)
    assert rungs([-14.0, -12.0], -11.0, [NAN, -10.0]).endswith(NOTHING)


@pytest.mark.parametrize(
    ("elbo", "exact", "sentence"),
    [
        ([-14.1, -12.8], -10.0, "The encoder's guess costs 1.3 nats of the 4.1 between the ELBO and log p(x)."),
        ([-14.1, -12.8], None, "The encoder's guess costs 1.3 nats."),
        ([-14.1, -12.8], -12.9, "The encoder's guess costs 1.3 nats: all that the ELBO lacks to log p(x)."),
        ([-14.1, -12.8], -12.7999, "The encoder's guess costs 1.3 nats, nearly all that the ELBO lacks to log p(x)."),
        ([-14.1, -14.1], -12.9, "Gradient steps find no better q(z | x) here than the encoder's guess."),
        ([-14.1, NAN], None, "Not every bound is a number here: " + NOTHING),
        ([-14.1, -12.8], NAN, "Not every bound is a number here: " + NOTHING),
    ],
)
def test_what_the_encoders_guess_costs(elbo: list[float], exact: float | None, sentence: str) -> None:
    refined = {"elbo": np.array(elbo)} | ({} if exact is None else {"exact": np.array([exact])})
    assert geometry.conclusion_of_gap(refined) == sentence


def test_reconstructions_say_how_far_apart_they_are() -> None:
    made = lambda *elbo: bound.Reconstructions(np.zeros(2), np.zeros(2), np.array(elbo)).conclusion()  # noqa: E731
    assert made(-31.25, -9.5) == "From the worst to the best of these lie 21.8 nats: ELBO −31.25 and −9.5."
    assert made(NAN, -9.5).endswith(NOTHING)


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.0, "less likely than each of 500"), (1.0, "more likely than each of 500"), (0.998, "than 99.8 % of 500")],
)
def test_a_drawing_is_compared_with_the_data(share: float, words: str) -> None:
    empty = np.zeros(1)
    common: dict[str, Any] = dict.fromkeys(("x", "mean", "mu", "sigma", "near_z", "near_x"), empty)
    numbers: dict[str, Any] = {"iwae_nats": -1.0, "log_prob_nats": None, "below": (share, 500)}
    assert words in Reading(elbo_nats=-2.0, **common, **numbers).conclusion()
    assert Reading(elbo_nats=NAN, **common, **numbers).conclusion().endswith(NOTHING)


@pytest.mark.parametrize(
    ("kl", "error", "of_prior", "of_density"),
    [
        (math.log(2), 0.01, "is 2 times (geometric mean) that of the prior", "is 2 times (geometric mean) the learned"),
        (0.01, 0.01, "cannot be told from the prior: KL 0.01 ± 0.01 nats", "cannot be told from the truth: KL 0.01"),
        (math.inf, NAN, "where the prior has no density", "where the model has no density"),
        (5000.0, 1.0, "e^5,000 times", "e^5,000 times"),
        (NAN, 0.1, NOTHING, NOTHING),
        (1.0, NAN, NOTHING, NOTHING),
    ],
)
def test_two_densities_are_as_far_apart_as_their_kl(kl: float, error: float, of_prior: str, of_density: str) -> None:
    maps = {"kl": np.array([kl, error]), "mass": np.array(0.993)}
    assert of_prior in geometry.conclusion(maps)
    assert of_density in plane.conclusion(maps)


def test_without_a_truth_only_the_mass_is_known() -> None:
    assert plane.conclusion({"mass": np.array(0.993)}).startswith("99.3 % of what was learned lies in this square")


def test_the_closest_prior_is_named() -> None:
    known = {"normal": (0.42, 0.01), "flow": (0.061, 0.005), "vamp": (0.1, 0.005), "mixture": (NAN, 0.01)}
    told = geometry.compared(known)
    assert told == "Of these 3, the flow prior is 0.061 nats from its codes, the normal prior 0.42."
    told = geometry.compared({"normal": (0.394, 0.008), "mixture": (0.183, 0.005), "vamp": (0.173, 0.005)})
    assert told == (
        "Of these 3, the vamp prior is 0.173 nats from its codes, the mixture prior within two standard errors of that,"
        " the normal prior 0.394."
    )
    assert geometry.compared({"flow": (0.1, 0.01), "vamp": (0.11, 0.01)}).endswith(
        "within two standard errors of that."
    )
    assert geometry.compared({"normal": (0.42, 0.01)}).endswith("there is nothing to compare.")


def test_the_true_posterior_is_as_far_as_its_kl() -> None:
    told = lambda *kl: true_posterior.conclusion({"kl": np.array(kl)})  # noqa: E731
    assert told(0.153, 0.001).startswith("The encoder's guess is 0.153 nats from the true posterior")
    assert "cannot be told" in told(0.001, 0.001)
    assert told(NAN, 0.0).endswith(NOTHING)


def test_the_stretch_is_a_ratio() -> None:
    assert "up to 100 times as much" in geometry.conclusion_of_stretch(np.array([[-1.0, 1.0]]))
    assert geometry.conclusion_of_stretch(np.array([[-15.0, 1.0]])).endswith("changes nothing.")
    assert geometry.conclusion_of_stretch(np.array([[NAN, 1.0]])).endswith(NOTHING)


# Of every model -------------------------------------------------------------------------------------------------------


def test_copies_are_counted_and_samples_like_data_are_no_sign() -> None:
    rng = np.random.default_rng(0)
    real = rng.uniform(0.1, 0.2, 64)
    near = {"x": np.zeros((64, 1, 8, 8)), "distance": real[::-1, None].copy(), "test_distance": real}
    assert neighbours.conclusion(near).startswith("In 50 % of pairs")
    assert neighbours.conclusion(near).endswith("no sign of learning by heart.")
    closer = near | {"distance": real[:, None] - 0.09}
    assert "more than chance" in neighbours.conclusion(closer)
    copied = near | {"distance": np.where(np.arange(64)[:, None] < 5, 0.0, 0.1)}
    assert neighbours.conclusion(copied) == "5 of 64 samples are copies."
    assert "copies" not in neighbours.conclusion(copied | {"x": np.zeros((64, 2))})  # points lie as near by chance
    one = near | {"distance": np.where(np.arange(64)[:, None] < 1, 0.0, 0.1)}
    assert neighbours.conclusion(one) == "1 of 64 samples is a copy of a training example."
    assert neighbours.conclusion(near | {"test_distance": np.full(64, NAN)}).endswith(NOTHING)


def test_a_map_says_how_evenly_it_changes() -> None:
    x = np.zeros((3, 3, 1, 2, 2))
    axes = np.zeros(3), np.zeros(3)
    assert codes.Map(axes, x).conclusion() == "Every code of this map is decoded alike."
    x[0, 0] = 1.0
    assert "by 0 in the median and by 1 at most" in codes.Map(axes, x).conclusion()
    x[0, 0] = NAN
    assert codes.Map(axes, x).conclusion().endswith(NOTHING)


def test_a_path_says_where_it_jumps_and_what_pulling_it_tight_has_won() -> None:
    x = np.array([0.0, 0.0, 1.0, 1.0])[:, None, None, None]
    assert codes.conclusion_of_path(x).startswith("Of 3 steps of this path, the largest changes x 3 times as much")
    assert codes.conclusion_of_path(x * 0) == "Both ends are decoded alike, and all between."
    assert codes.conclusion_of_path(x * NAN).endswith(NOTHING)
    tight = lambda *energy: codes.conclusion_of_geodesic({"energy": np.array(energy)})  # noqa: E731
    assert tight(10.0, 6.5) == "Pulled tight, the path has 65 % of the straight line's energy."
    assert tight(10.0, 10.0) == "No shorter path than the straight one is found."
    assert tight(10.0, NAN).endswith(NOTHING)


def test_the_code_that_changes_most_is_named() -> None:
    x = np.zeros((3, 5, 1, 2, 2))
    assert codes.conclusion_of_sweep(x) == "No code changes this example."
    x[1, -1], x[2, -1] = 0.5, 0.25
    told = codes.conclusion_of_sweep(x)
    assert told.startswith("From end to end z2 changes this example by 0.5, more than any other code, and z1 by 0, the")
    assert codes.conclusion_of_sweep(x[1:2]).startswith("From end to end z1 changes this example by 0.5 (")
    assert codes.conclusion_of_sweep(x * NAN).endswith(NOTHING)

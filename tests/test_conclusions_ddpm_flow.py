"""The sentence at the end of each instrument says what was measured, whatever was measured: none, all, not finite."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from genmodels.instruments.autoregressive import bits, drawing, orders, receptive, slices
from genmodels.instruments.diffusion import bound, denoising, edits, score
from genmodels.instruments.flow import codes, dequantization, microscope
from genmodels.probability.samplers import SAMPLERS

NAN = math.nan
Result = Mapping[str, Any]


def arrays(**values: Any) -> dict[str, Any]:
    return {name: np.asarray(value) for name, value in values.items()}


# Diffusion ------------------------------------------------------------------------------------------------------------


def test_a_schedule_says_when_noise_takes_over() -> None:
    table = arrays(t=[1, 2, 3, 4], log_snr=[2.0, 0.5, -0.5, -3.0], signal=[0.9, 0.8, 0.6, 0.2])
    assert denoising.conclusion_of_schedule(table) == (
        "From t = 3 on there is as much noise as signal or more; at t = T = 4, √ᾱ = 0.2 of x₀ is left."
    )
    never = table | arrays(log_snr=[3.0, 2.0, 1.0, 0.5])
    assert denoising.conclusion_of_schedule(never).startswith("There is more signal than noise at every t")


def test_a_film_says_when_the_guess_is_near() -> None:
    x_0 = np.array([1.0, 0.6, 0.4, 0.05, 0.0])[:, None, None] * np.ones((5, 3, 2))
    film = {"t": np.array([1000, 700, 400, 100, 0]), "x_0": x_0, "x_t": np.zeros((5, 3, 2))}
    assert denoising.conclusion_of_film(film) == (
        "The first guess x̂₀ is 1 from the sample, root mean square; "
        "half of it is left at t = 400 and a tenth of it is left at t = 100."
    )
    images = {"t": film["t"], "x_0": (255 * x_0).astype(np.uint8), "x_t": np.zeros((5, 3, 2), np.uint8)}
    assert "x̂₀ is 1 from the sample, root mean square of grey from 0 to 1;" in denoising.conclusion_of_film(images)
    assert "already" in denoising.conclusion_of_film(film | {"x_0": 0 * x_0})
    assert "not finite" in denoising.conclusion_of_film(film | {"x_0": NAN * x_0})


def test_samplers_say_who_is_nearest_to_the_solution_and_to_the_data() -> None:
    gap = np.full((len(SAMPLERS), 2), NAN)
    ddim, heun = SAMPLERS.index("ddim"), SAMPLERS.index("heun")
    gap[ddim], gap[heun] = [0.2, 0.05], [0.3, 0.01]
    made = arrays(steps=[5, 50], gap=gap, evaluations=[[5 + i, 50 + i] for i in range(len(SAMPLERS))])
    assert denoising.conclusion_of_samplers(made) == (
        f"In 5 steps ({5 + ddim} evaluations) ddim is nearest to the solution, 0.2 away; "
        f"in 50 steps ({50 + heun} evaluations) heun is nearest to the solution, 0.01 away."
    )
    w1 = np.where(np.isnan(gap), 0.5, gap)
    of = lambda **known: denoising.conclusion_of_samplers(made | arrays(w1=w1, **known))  # noqa: E731
    far = "; nearest to the data is heun in 50 steps, 0.01 away, 2 × as far as other data are."
    assert of(floor=0.005, floor_sd=0.001).endswith(far)
    assert "×" not in of(floor=0.0, floor_sd=0.0)
    both = w1.copy()
    both[ddim, 1] = 0.011
    near = denoising.conclusion_of_samplers(made | arrays(w1=both, floor=0.005, floor_sd=0.001))
    assert "; nearest to the data are heun in 50 steps and, within chance, 1 other, 0.01 away, 2 × as far as" in near
    alike = (
        f"; 1 of {w1.size} pairs of sampler and steps is no farther from the data than other data are, 0.02 ± 0.002."
    )
    assert of(floor=0.02, floor_sd=0.002).endswith(alike)
    assert "finite" in denoising.conclusion_of_samplers(made | arrays(gap=NAN * gap))
    alone = made | arrays(steps=[5], gap=gap[:, :1])
    assert denoising.conclusion_of_samplers(alone).count("steps") == 1


def test_a_judge_says_the_least_fid() -> None:
    fid = np.full((len(SAMPLERS), 2), 30.0)
    fid[1], fid[2] = [20.0, 12.0], [18.0, 15.0]
    of = lambda fid, **known: denoising.conclusion_of_judged(arrays(steps=[5, 50], fid=fid, **known))  # noqa: E731
    assert of(fid, fid_floor=2.5, fid_floor_sd=0.5) == (
        f"The least FID, 12, is that of {SAMPLERS[1]} in 50 steps; the least in 5 steps is 18, of {SAMPLERS[2]}. "
        "As many test pictures have 2.5 ± 0.5."
    )
    assert of(fid, fid_floor=2.5, fid_floor_sd=1.5).startswith(
        f"The least FID, 12, is that of {SAMPLERS[1]} in 50 steps and, within chance, 1 other; the least in 5 steps is "
        f"18, of {SAMPLERS[2]} and, within chance, 1 other. "
    )
    pairs = f"of {fid.size} pairs of sampler and steps have no larger FID than as many test pictures"
    assert of(fid, fid_floor=13.0, fid_floor_sd=1.0) == (
        f"2 {pairs}, 13 ± 1; the least in 5 steps is 18, of {SAMPLERS[2]} and, within chance, 1 other."
    )
    assert of(fid, fid_floor=17.0, fid_floor_sd=1.0) == f"3 {pairs}, 17 ± 1; 1 of them in 5 steps."
    assert "No FID" in of(NAN * fid, fid_floor=2.5, fid_floor_sd=0.5)
    alone = arrays(steps=[5], fid=fid[:, :1], fid_floor=2.5, fid_floor_sd=0.5)
    assert "; the" not in denoising.conclusion_of_judged(alone)


def test_a_bound_says_what_small_t_costs_and_how_far_it_is_above_the_truth() -> None:
    terms = arrays(t=np.arange(2, 101), steps=np.full(99, 0.1), last=[1.0, 1.0], nats=[11.0, 12.0], prior=[0.0, 0.0])
    said = bound.conclusion(terms)
    assert said == "The last tenth of the steps, t ≤ 10, costs 1.9 of 11.5 nats, 17%."
    assert "%" not in bound.conclusion(terms | arrays(nats=[-1.0, -1.0]))
    exact = bound.conclusion(terms | arrays(exact=[10.0, 10.0]))
    assert exact.endswith(" The bound is 1.5 ± 0.5 nats above the true −log p(x).")
    alike = bound.conclusion(terms | arrays(exact=[12.0, 11.5]))
    assert alike.endswith(" The bound cannot be told from the true −log p(x): the difference is −0.25 ± 0.75 nats.")
    one = bound.conclusion(terms | arrays(nats=[11.0], exact=[11.5]))
    assert one.endswith(" The bound is 0.5 nats below the true −log p(x).")  # its noise has one draw alone
    assert "true" not in bound.conclusion(terms | arrays(exact=[10.0, math.inf]))
    assert bound.conclusion(terms | arrays(nats=[NAN, 1.0])) == "The bound is not finite here."


def test_a_field_says_what_is_left_to_learn() -> None:
    field = arrays(t=[900, 500, 40], mse=[0.2, 0.5, 0.8], floor=[0.2, 0.4, 0.6], gap=[0.0, 0.1, 0.2])
    assert score.conclusion(field) == (
        "Over these times the squared error of ε̂ is 0.5 per dimension on average: 0.4 that no network can avoid and "
        "0.1 left to learn, the most at t = 40."
    )
    del field["gap"]
    assert score.conclusion(field).endswith("and largest, 0.8, at t = 40.")


def test_edits_say_how_far_they_lead() -> None:
    x = np.zeros((1, 4, 4), np.uint8)
    ends = np.stack([x, x + 255])
    film = {"x": x, "x_t": ends[None]}
    assert edits.conclusion(film) == (
        "At the end the images are 0.707 away from the picture and 1 from each other, root mean square of grey from 0 "
        "to 1."
    )
    assert "each other" not in edits.conclusion({"x": x, "x_t": ends[None, :1]})
    path = np.random.default_rng(0).integers(0, 255, (3, 1, 4, 4), np.uint8)
    way = {"error": np.array(0.0123), "x": path[[0, 2]], "path": path, "blend": path // 2}
    assert edits.conclusion_of_path(way).startswith("The two pictures come back to within 0.0123, root mean square")
    assert "%" in edits.conclusion_of_path(way)
    assert "%" not in edits.conclusion_of_path(way | {"x": 0 * path[[0, 2]]})


# Flows ----------------------------------------------------------------------------------------------------------------


def test_codes_of_noise_have_the_norm_of_noise() -> None:
    z = np.random.default_rng(0).standard_normal((4000, 784))
    told = arrays(z=z, norm=np.linalg.norm(z, axis=1), distance=np.zeros(784), critical=0.05)
    said = codes.conclusion_of_codes(told)
    assert said.startswith("Encoded test examples have norm 28 ± 0.7") or "norm 28" in said
    assert "a Gaussian's would be 28 ± 0.707. Of 784 dimensions, 0 are told from" in said
    told["distance"][:16] = 0.1  # at 1 % each, chance tells 7.84 of 784, with a standard deviation of 2.79
    none = codes.conclusion_of_codes(told)
    assert none.endswith("Of 784 dimensions, 16 are told from N(0, 1), no more than chance may tell: 7.8 ± 2.8.")
    told["distance"][:17] = 0.1
    assert codes.conclusion_of_codes(told).endswith("17 are told from N(0, 1), more than chance tells: 7.8 ± 2.8.")
    one = codes.conclusion_of_codes(arrays(z=z[:1, :1], norm=[1.0], distance=[0.3], critical=0.05))
    assert one == (
        "Encoded test examples have norm 1; a Gaussian's would be 0.798 ± 0.603. Of 1 dimension, 1 is told from N(0, 1)"
        ", more than chance tells: 0.01 ± 0.099."
    )


def test_temperatures_say_how_samples_spread() -> None:
    z = np.random.default_rng(0).standard_normal((5, 2))
    drawn = {"temperature": np.array([0.5, 1.0, 1.15]), "x": np.stack([0.5 * z, z, 1.15 * z])}
    assert codes.conclusion_of_temperatures(drawn) == (
        "At T = 0.5 samples differ from each other 0.5 × as much as at T = 1, at T = 1.15 1.1 ×."
    ) or codes.conclusion_of_temperatures(drawn).endswith("at T = 1.15 1.2 ×.")
    assert "draw more" in codes.conclusion_of_temperatures(drawn | {"x": drawn["x"][:, :1]})
    assert "do not differ" in codes.conclusion_of_temperatures(drawn | {"x": 0 * drawn["x"]})
    assert "not finite" in codes.conclusion_of_temperatures(drawn | {"x": NAN * drawn["x"]})


def test_the_way_back_says_what_it_loses() -> None:
    said = codes.conclusion_of_inverse(arrays(error=[1e-7, 2e-5], nats=[0.001, 0.0024]))
    assert "the worst comes back 2×10⁻⁵ away" in said
    assert "0.0024 nats" in said
    assert "overflows" in codes.conclusion_of_inverse(arrays(error=[math.inf], nats=[0.1]))


def test_dequantization_says_what_is_no_bound() -> None:
    names = ["uniform noise, 1 draw", "uniform noise, 16 draws", "no noise", "Gaussian noise, σ = 1"]
    costs = arrays(name=names, bits=[1.1, 1.08, 0.5, 3.2])
    said = dequantization.conclusion(costs)
    assert said == (
        "With uniform noise an image costs at most 1.1 bits per dimension, with 16 draws 1.08; 3.2 with Gaussian noise "
        "is no bound of it."
    )
    learned = arrays(name=[*names, "learned noise, 1 draw"], bits=[1.1, 1.08, 0.5, 3.2, 1.05])
    assert ", with learned noise 1.05;" in dequantization.conclusion(learned)


def test_the_microscope_says_how_much_is_stretched() -> None:
    passage: dict[str, Any] = arrays(ladj=[[0.0, 0.0, 0.0, 0.0], [1.0, -0.5, 2.0, 3.0]])
    assert microscope.conclusion(passage) == (
        "On the whole way f stretches space at 75% of test points; the middle log-determinant is 1.5 nats."
    )
    assert "KL(true ‖ learned) is 0.0213 ± 0.003 nats" in microscope.conclusion(passage | arrays(kl=[0.0213, 0.003]))


# Autoregressive models ------------------------------------------------------------------------------------------------


def test_a_drawing_says_what_it_costs() -> None:
    film = arrays(t=[0, 28, 56, 84], bits=[0.0, 10.0, 30.0, 40.0], bits_each=[30.0, 50.0])
    assert drawing.conclusion(film) == (
        "An image costs 40 ± 10 bits on average; half of that is paid when 56 of 84 pixels are drawn."
    )
    assert "±" not in drawing.conclusion(film | arrays(bits_each=[40.0]))
    assert "half" not in drawing.conclusion(film | arrays(bits=[0.0, 0.0, 0.0, 0.0], bits_each=[0.0, 0.0]))
    assert "not finite" in drawing.conclusion(film | arrays(bits_each=[math.inf, 1.0]))
    rest = drawing.conclusion_of_completions(arrays(bits_each=[30.0, 50.0, 10.0], bits_of_real=20.0))
    assert rest == "The real rest costs 20 bits, those drawn 30 on average: 2 of 3 are less probable than the real one."
    assert "1 of 1 is less" in drawing.conclusion_of_completions(arrays(bits_each=[30.0], bits_of_real=20.0))
    assert "not finite" in drawing.conclusion_of_completions(arrays(bits_each=[30.0], bits_of_real=math.inf))


def test_bits_say_which_pixels_pay() -> None:
    pixels = np.r_[np.full(10, 9.0), np.full(90, 0.1)]
    mean = arrays(bits=pixels.reshape(1, 10, 10), alone=np.full((1, 10, 10), 2.0))
    assert bits.conclusion(mean) == (
        "An image costs 99 bits; each pixel by itself, by how often training images have its level, it would be 200. "
        "10 of 100 pixels pay 91% of the bits."
    )
    assert "%" not in bits.conclusion(mean | arrays(bits=np.zeros((1, 10, 10))))
    assert "without end" in bits.conclusion(mean | arrays(bits=np.full((1, 10, 10), math.inf)))


def test_sight_says_how_much_is_seen() -> None:
    before = np.arange(16).reshape(4, 4) < 8
    slope = np.where(before, 1.0, 0.0)
    slope[0, 0] = 0
    assert receptive.conclusion({"slope": slope, "before": before}) == (
        "It sees 88% of the 8 pixels before; 4 of them have half of all the slope."
    )
    steep = np.where(before, 0.01, 0.0)
    steep[0, 1] = 9.0
    assert "; 1 of them has half of all the slope." in receptive.conclusion({"slope": steep, "before": before})
    one = np.arange(16).reshape(4, 4) < 1
    assert receptive.conclusion({"slope": steep, "before": one}) == "It sees the one pixel before."
    assert receptive.conclusion({"slope": 0 * steep, "before": one}) == "It does not see the one pixel before."
    assert "hangs on no other" in receptive.conclusion({"slope": slope, "before": before & False})
    assert "none of the 8" in receptive.conclusion({"slope": 0 * slope, "before": before})


def test_orders_say_whether_chance_is_in_it() -> None:
    trained = arrays(
        names=["raster", "reversed", "random"], step=[1, 300], test=[[100.0, 1.0], [101.0, 1.0], [130.0, 2.0]]
    )
    assert orders.conclusion(trained) == (
        "After 300 steps *raster* costs least, 100 nats an image, and *random* most, 130; to *reversed* it is within "
        "two standard errors."
    )
    apart = trained | arrays(test=[[100.0, 1.0], [110.0, 1.0], [130.0, 2.0]])
    assert orders.conclusion(apart).endswith("; *reversed* comes next.")
    assert "cannot be compared" in orders.conclusion(trained | arrays(test=[[NAN, 1.0], [101.0, 1.0], [130.0, 2.0]]))
    masks = orders.conclusion_of_masks(arrays(each=[[100.0, 1.0], [104.0, 1.0]], together=[99.0, 1.0]))
    assert masks == "One mask costs 102 nats an image on average, the best 100, and all 2 together 99."


@pytest.mark.parametrize("known", [True, False])
def test_slices_say_how_far_they_are_from_the_truth(known: bool) -> None:
    axis = np.linspace(-1, 1, 101)
    flat, half = np.full(101, 0.5), np.where(axis < 0, 1.0, 0.0)
    laws = arrays(axis=axis, first=flat, second=flat)
    if known:
        said = slices.conclusion(laws | arrays(true_first=half, true_second=flat))
        assert said.startswith("Half the area between learned and true is 0.505 for the first coordinate and 0 for")
        empty = slices.conclusion(laws | arrays(true_first=half, true_second=0 * flat))
        assert empty.endswith("so the second has no true law.")
    else:
        assert "not known" in slices.conclusion(laws)

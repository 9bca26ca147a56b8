"""The critic's laboratory: exact beside estimate, slopes, five critics, the way back, and the curves of the theory."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from genmodels.errors import BadInput
from genmodels.hyperparameters import declared
from genmodels.instruments import codes
from genmodels.instruments.gan import bigan, critics, divergence, game, modes, turns
from genmodels.metrics.distances import Modes, modes_covered, wasserstein1
from genmodels.metrics.floors import chosen
from genmodels.models.bigan import BiGAN
from genmodels.models.gan import GAN, generator_loss
from genmodels.models.wgan import WGAN
from genmodels.nn.adversarial import Critic
from genmodels.runs import store
from genmodels.runs.recorder import Recording
from genmodels.text import number


def made(cls, shape=(2,), **arguments):
    torch.manual_seed(0)
    return cls(shape, **{"hidden": 16, "latent_dim": 2} | arguments).eval()


def linear_critic(*slope):
    critic = Critic(torch.nn.Identity(), 2)
    critic.score.weight.data = torch.tensor([slope])
    return critic


def finish(steps):
    progress = []
    while True:
        try:
            progress.append(next(steps))
        except StopIteration as end:
            return progress, end.value


def test_history_is_the_coverage_of_each_snapshot(plane):
    run = store.create("wgan", "eight-gaussians", arguments={"hidden": 16, "latent_dim": 2}, settings={"steps": 8})
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    steps = run.snapshots()
    progress, found = finish(modes.history(run.id, steps, 100))
    assert progress == sorted(progress)
    assert len(progress) == len(steps) > 2
    assert found["step"].tolist() == steps
    last = game.coverage(run.model(steps[-1]), plane, 100)
    assert found["w1"][-1] == pytest.approx(last.w1)
    assert found["floor"] == pytest.approx(game.w1_floor(plane, 100))
    assert found["estimate"][-1] == pytest.approx(last.estimate)
    assert found["flow"][-1] == pytest.approx(last.flow)
    assert found["counts"].shape == (len(steps), 8)
    assert (found["counts"].sum(1) == np.rint(100 * found["close"])).all()
    own = modes_covered(plane.test.x, plane.plane.modes, plane.plane.sigma).close
    assert found["best"] == pytest.approx(own, abs=0.01)


def test_the_best_plan_has_the_exact_distance_and_is_a_permutation(plane):
    model = made(WGAN)
    found = game.coverage(model, plane, 50)
    real = chosen(plane.test, 50, 0).x
    assert sorted(map(tuple, found.real.tolist())) == sorted(map(tuple, real.tolist()))
    assert found.w1 == pytest.approx(wasserstein1(torch.as_tensor(found.fake), real))
    assert found.w1 == pytest.approx(np.linalg.norm(found.real - found.fake, axis=1).mean(), rel=1e-5)


def test_a_critic_that_is_optimal_for_a_shift_climbs_with_slope_one(plane):
    model = made(WGAN)
    model.critic = linear_critic(1.0, 0.0)
    model.sample = lambda n, y=None, rng=None: chosen(plane.test, n, 0).x - torch.tensor([5.0, 0.0])
    found = game.coverage(model, plane, 60)
    assert found.w1 == pytest.approx(5.0, rel=1e-4)
    # an optimal plan of a shift may pass points on, but the cost and the mean rise are those of the shift
    assert found.climb.max() <= 1 + 1e-5
    ways = np.linalg.norm(found.real - found.fake, axis=1)
    assert (found.climb * ways).mean() == pytest.approx(5.0, rel=1e-4)


def test_the_steepness_of_a_linear_critic_is_its_length_everywhere():
    model = made(GAN)
    model.discriminator = linear_critic(0.6, 0.8)
    found = game.steepness(model, 2.0, side=7)
    np.testing.assert_allclose(found.values, np.ones((7, 7)), rtol=1e-5)
    model.discriminator = Critic(torch.nn.Tanh(), 2)
    model.discriminator.score.weight.data = torch.tensor([[1.0, 0.0]])
    found = game.steepness(model, 1.0, side=3)
    slope = 1 / math.cosh(2 / 3) ** 2  # in the middle of the outer cells
    np.testing.assert_allclose(found.values, [[slope, 1, slope]] * 3, rtol=1e-5)
    with pytest.raises(BadInput, match="plane"):
        game.steepness(made(GAN, (1, 8, 8)), 2.0)


OF_A_WGAN = {
    **{"n_critic": 4, "clip": 0.2, "penalty_weight": 2.0},
    **{"generator_lr": 0.3, "critic_decay": False, "activation": "elu"},
}


@pytest.mark.parametrize("model", ["gan", "wgan"])
def test_the_five_differ_only_in_what_is_minimized(model):
    own = {"hidden": 16, "latent_dim": 3} | (OF_A_WGAN if model == "wgan" else {"d_steps": 4})
    run = store.create(model, "ring", arguments=own, settings={"seed": 7, "lr": 2e-3, "steps": 9})
    made = {name: store.create(**one).plan for name, one in critics.rivals(run.plan, 5).items()}
    assert list(made) == list(critics.RIVALS)
    for plan in made.values():
        assert plan.data == "ring"
        assert plan.settings == run.plan.settings | {"steps": 5}
        arguments = plan.arguments
        assert (arguments["hidden"], arguments["latent_dim"]) == (16, 3)
        assert arguments.get("n_critic", arguments.get("d_steps")) == 4
    assert [plan.arguments.get("penalty") for plan in made.values()] == [None, None, "clip", "gp", "spectral"]
    assert [plan.arguments.get("objective") for plan in made.values()][:2] == ["non-saturating", "least-squares"]
    usual = {key: one.default for key, one in declared(WGAN).items()}
    kept = OF_A_WGAN if model == "wgan" else {key: usual[key] for key in OF_A_WGAN} | {"n_critic": 4}
    for name in ("clipping", "gradient penalty", "spectral norm"):
        assert {key: made[name].arguments[key] for key in kept} == kept


def test_there_are_no_five_of_networks_that_a_wgan_has_not():
    run = store.create("gan", "ring", arguments={"network": "residual"})
    assert critics.rivals(run.plan, 5) == {}


def test_the_verdict_is_of_planes_and_of_images(plane, digits):
    model = made(WGAN)
    model.critic = linear_critic(0.0, 0.5)
    found = critics.verdict(model, plane, 100)
    np.testing.assert_allclose(found.slopes, np.full((3, 100), 0.5), rtol=1e-4)
    assert found.coverage.w1 == game.coverage(model, plane, 100).w1
    assert found.floor == pytest.approx(game.w1_floor(plane, 100)[0])
    model = made(GAN, (1, 8, 8))
    own = chosen(digits.test, 100, 0).x.float() / 16
    model.sample = lambda n, y=None, rng=None: own[:n]
    found = critics.verdict(model, digits, 100)
    assert found.sliced == 0
    assert found.coverage is found.floor is None


def test_there_and_back_of_an_encoder_that_undoes_the_generator_is_no_way(plane):
    model = made(BiGAN)
    model.generator, model.encoder = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    inverse = torch.linalg.inv(model.generator.weight.data)
    model.encoder.weight.data, model.encoder.bias.data = inverse, -inverse @ model.generator.bias.data
    found, x = bigan.back(model, plane, 30), chosen(plane.test, 30, 0).x
    np.testing.assert_allclose(found.mean, x.numpy(), atol=1e-4)
    assert found.error.max() < 1e-7
    np.testing.assert_allclose(found.z, (x @ inverse.T + model.encoder.bias.data).numpy(), atol=1e-4)


def test_a_drawn_digit_is_read_as_the_test_digit_it_is(digits):
    model = made(BiGAN, (1, 8, 8), latent_dim=4, classes=10)
    some = chosen(digits.test, 4, 0)
    found = bigan.read(model, digits, some.x[3, 0].float().numpy() / 16 * 255, label=int(some.y[3]))
    known = bigan.back(model, digits, 4)
    np.testing.assert_allclose(found.x[0], known.x[3])
    np.testing.assert_allclose(found.z[0], known.z[3], atol=1e-5)
    np.testing.assert_allclose(found.mean[0], known.mean[3], atol=1e-5)
    assert found.error[0] == pytest.approx(((2 * (known.mean[3] - known.x[3])) ** 2).mean(), rel=1e-4)
    with pytest.raises(BadInput, match="empty"):
        bigan.read(model, digits, np.zeros((8, 8)))
    with pytest.raises(BadInput, match="is wanted"):
        bigan.read(model, digits, np.zeros((28, 28)))


def test_the_slopes_of_the_objectives_are_their_derivatives():
    found = critics.saturation(5.0, 11)
    s = torch.as_tensor(found["s"]).requires_grad_()
    for objective in ("minimax", "non-saturating", "least-squares"):
        (slope,) = torch.autograd.grad(generator_loss(objective, s).sum(), s)
        np.testing.assert_allclose(found[objective], slope.abs().numpy(), rtol=1e-5)
    assert found["minimax"][0] < 0.01 < 0.99 < found["non-saturating"][0]


def test_far_apart_the_divergence_is_flat_and_near_it_is_the_integral():
    found = critics.apart(0.1, 2.0, 41)
    assert found["js"][0] == pytest.approx(0, abs=1e-12)
    assert found["js"][-1] == pytest.approx(math.log(2), abs=1e-9)
    assert (np.diff(found["js"]) > -1e-12).all()
    theta = found["theta"][2]
    x = np.linspace(-1, 1 + theta, 20_001)
    p, q = (np.exp(-(((x - m) / 0.1) ** 2) / 2) / (0.1 * math.sqrt(2 * math.pi)) for m in (0, theta))
    js = sum((0.5 * d * np.log(d / ((p + q) / 2))).sum() * (x[1] - x[0]) for d in (p, q))
    assert found["js"][2] == pytest.approx(js, abs=1e-6)
    assert found["tv"][2] == pytest.approx(0.5 * np.abs(p - q).sum() * (x[1] - x[0]), abs=1e-6)
    assert found["kl"][2] == pytest.approx((p * np.log(p / q)).sum() * (x[1] - x[0]), abs=1e-6)
    assert (found["kl"] >= 2 * found["tv"] ** 2).all()  # Pinsker
    assert (found["tv"][0], found["kl"][0], found["tv"][-1]) == (0, 0, pytest.approx(1, abs=1e-12))
    np.testing.assert_array_equal(found["w1"], found["theta"])


def test_total_variation_and_js_bound_each_other():
    """Lin (1991), theorem 3, and Pinsker's inequality for JS, the mean of two KL divergences to the middle."""
    found = critics.apart(0.1, 2.0, 41)
    assert (found["js"] <= found["tv"] * math.log(2) + 1e-9).all()
    assert (found["js"] >= found["tv"] ** 2 / 2 - 1e-9).all()


def test_the_normal_density_integrates_to_one():
    z, density = codes.normal(8.0, 401)
    assert density.sum() * (z[1] - z[0]) == pytest.approx(1)


def test_data_of_the_plane_without_modes_have_no_counts():
    run = store.create("gan", "two-moons", arguments={"hidden": 16}, settings={"steps": 1})
    recording = Recording(run)
    for _ in recording.steps():
        pass
    recording.close()
    _, found = finish(modes.history(run.id, run.snapshots(), 50))
    assert "covered" not in found
    assert np.isnan(found["estimate"]).all()


# What an instrument concludes -----------------------------------------------------------------------------------------

ONE = np.zeros((3, 2))


def covered(w1, estimate=math.nan):
    return game.Coverage(ONE, ONE, ONE[:, 0], None, w1, 0.0, estimate, math.nan)


def test_what_comes_back_is_compared_with_two_examples(plane):
    model = made(BiGAN)
    x = plane.test.x[:40].numpy()
    way = bigan.Back(x, np.roll(x, 1, 0), x, np.zeros(40), np.square(x - np.roll(x, 1, 0)).mean(1))
    assert bigan.conclusion(way).endswith(", 100 % of what two test examples differ by.")
    one = bigan.Back(x[:1], x[:1], x[:1], np.zeros(1), np.array([0.25]))
    assert bigan.conclusion(one) == "What comes back differs by a mean squared error of 0.25."
    others = bigan.back(model, plane, 30)
    mean = number(float(others.error.mean()))
    assert bigan.conclusion(one, others).endswith(f"of 0.25; what comes back of test examples by {mean} on average.")
    assert "error of –" in bigan.conclusion(dataclasses.replace(one, error=np.array([math.nan])))


def test_an_estimate_is_beside_the_exact_distance_what_it_must_be():
    told = lambda w1, estimate, kept, floor=None: covered(w1, estimate).conclusion(kept, floor)  # noqa: E731
    below = "The critic's estimate, 0.11, is below the exact distance, 0.14"
    assert told(0.14, 0.11, "spectral") == f"{below}, as a lower bound must be."
    assert told(0.14, 0.14, "spectral").endswith("as a lower bound must be.")
    assert told(0.14, 0.11, "gp").startswith(f"{below};")
    for kept in ("gp", "spectral"):
        assert told(0.14, 0.2, kept).endswith("the critic is somewhere steeper than 1.")
    assert "unknown factor" in told(0.14, 0.2, "clip")
    assert told(0.14, -3.21, "none") == (
        "The critic's estimate, −3.21, says nothing of the exact distance, 0.14, for nothing bounds the critic's slope."
    )
    assert told(0.14, math.nan, "gp") == told(0.14, 0.3, None)  # what was not measured is not spoken of
    assert "2 times as far as data are from other data, 0.07" in told(0.14, 0.3, None, (0.07, 0.01))
    assert "no farther than data are from other data, 0.07 ± 0.01" in told(0.08, 0.3, None, (0.07, 0.01))


@pytest.mark.parametrize("penalty", ["spectral", "gp"])
def test_a_critic_that_is_nowhere_steeper_than_one_is_below_the_exact_distance(plane, penalty):
    """A theorem: of any critic of slope 1, on the points themselves."""
    model = made(WGAN, penalty=penalty)
    angle = 0.3
    model.critic = linear_critic(math.cos(angle), math.sin(angle))
    found = game.coverage(model, plane, 50)
    assert found.estimate == pytest.approx(
        (found.climb * np.linalg.norm(found.real - found.fake, axis=1)).mean(), rel=1e-4
    )
    assert " is below " in found.conclusion(penalty)


def test_a_slope_is_above_one_somewhere_everywhere_or_nowhere():
    steep = np.full((3, 50), 0.5)
    assert (
        critics.conclusion(steep, "critic")
        == "At none of 150 points is this critic steeper than 1; the steepest is 0.5."
    )
    steep[0, :3] = 2
    told = critics.conclusion(steep, "discriminator")
    assert told == "At 2 % of 150 points this discriminator is steeper than 1, up to 2: it is not 1-Lipschitz."
    assert critics.conclusion(steep + 1, "critic").startswith("At 100 % of 150 points")
    steep[1, 1] = math.nan
    assert "not finite" in critics.conclusion(steep, "critic")


def test_of_several_critics_the_nearest_and_the_farthest_are_named():
    verdict = lambda far: critics.Verdict(ONE, far)  # noqa: E731
    known = {
        "clipping": verdict(0.6),
        "log loss": verdict(0.2),
        "spectral norm": verdict(math.nan),
        "none": verdict(0.4),
    }
    assert critics.compared(known) == (
        "Of these 3, log loss comes nearest to the data, sliced W₁ = 0.2, and clipping stays farthest, 0.6."
    )
    assert critics.compared({"clipping": verdict(0.6)}) == critics.compared({}) == ""
    exact = lambda far: critics.Verdict(ONE, 0.0, covered(far), 0.1)  # noqa: E731
    assert "a comes nearest to the data, W₁ = 0.1, and b" in critics.compared({"b": exact(0.3), "a": exact(0.1)})


def test_what_is_covered_is_none_one_some_or_all():
    table = {"covered": np.array([0, 1, 7, 8]), "close": np.array([0, 0.5, 0.958, 1]), "counts": np.zeros((4, 8))}
    table["best"] = np.array(0.989)
    told = [modes.conclusion(table, i, "modes") for i in range(4)]
    assert told[0] == "None of the 8 modes is covered; 100 % of the samples lie between them, as 1.1 % of the data do."
    assert told[1].startswith("1 of 8 modes is covered; 50 %")
    assert told[2].startswith("7 of 8 modes are covered; 4.2 % of the samples lie between them")
    assert told[3].startswith("All 8 modes are covered; 0 %")
    assert "leave the judge unsure" in modes.conclusion(table, 3, "classes")
    counted = {"collapse": Modes(1, 8, 0.1, ()), "gradient penalty": Modes(8, 8, 0.9, ())}
    assert modes.compared(counted) == "Covered by now: collapse 1 of 8, gradient penalty 8 of 8."


def test_what_a_critic_makes_of_data_and_samples_is_told_as_it_is(plane):
    told = game.conclusion(game.numbers(made(GAN), plane, 50))
    assert told.startswith("On average the discriminator gives data D = 0.")
    model = made(WGAN)
    estimate = game.numbers(model, plane, 50)["wasserstein"]
    assert number(estimate) in game.conclusion({"wasserstein": estimate})
    assert game.conclusion({"wasserstein": 0.113}) == "On average the critic scores data 0.113 higher than samples."
    for value, text in ((-0.5, "−0.5"), (0.0, "0"), (math.nan, "–")):
        assert f"no higher than samples: {text} is the difference." in game.conclusion({"wasserstein": value})


def test_a_divergence_within_its_error_is_no_difference():
    told = divergence.Bound(0.2, 0.01, -1.2, 0.02).conclusion()
    assert "JS(p, q) is at least 0.2 ± 0.01 nats" in told
    assert told.endswith(f"shows {number((-1.2 + math.log(4)) / 2)} nats of it.")
    assert divergence.Bound(0.2, 0.01, -3.0, 0.02).conclusion().endswith("shows 0 nats of it.")
    for js, error in ((0.0, 0.0), (0.01, 0.01)):
        assert "no discriminator" in divergence.Bound(js, error, -1.4, 0.02).conclusion().lower()


def test_a_game_is_told_by_who_moved():
    film = {
        "points": np.zeros((2, 5, 2)),
        "names": np.array(["loss", "wasserstein"]),
        "terms": np.array([[0, 0.1], [0, 0.2]]),
    }
    assert turns.conclusion(film, "", "critic").startswith("Nobody has moved yet")
    assert turns.conclusion(film, "d1", "critic") == (
        "In 1 turn of the critic the samples moved by 0 on average, and the critic's estimate went from 0.1 to 0.2."
    )
    film["points"][1] = [3, 4]
    told = turns.conclusion(film, "b2g3", "critic")
    assert told.startswith("In 2 turns of the critic and 5 turns of the generator the samples moved by 5 on average")

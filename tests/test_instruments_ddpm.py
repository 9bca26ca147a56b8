"""What the pages show of a diffusion model: shapes, and that each picture is of what it says."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from genmodels.data import datasets, planes
from genmodels.data.noised import best_eps, noised
from genmodels.errors import BadInput
from genmodels.instruments.diffusion import bound, edits, hierarchy, langevin, score
from genmodels.instruments.diffusion import denoising as instruments
from genmodels.instruments.diffusion.film import FRAMES, film_of
from genmodels.instruments.plane import cells, density, shades
from genmodels.models.ddpm import DDPM
from genmodels.probability.diffusion import learned
from genmodels.probability.samplers import SAMPLERS
from genmodels.probability.schedules import Schedule
from genmodels.runs.recorder import Recording
from genmodels.runs.store import create, find
from tests.analytic import Mixture
from tests.answers import finish

TINY = {"T": 40, "width": 8, "depth": 1, "levels": 0, "attention": False}


@pytest.fixture(scope="module")
def data() -> datasets.Data:
    return datasets.load("digits")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def _at_home(runs: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests of this file share their runs: training takes longer than all the rest."""
    monkeypatch.setenv("GENMODELS_RUNS", str(home))


def trained(home: Path, data: str, steps: int, **arguments) -> str:
    settings = {"steps": steps, "batch_size": 128, "ema": 0.9}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GENMODELS_RUNS", str(home))
        run = create("ddpm", data, arguments=arguments, settings=settings)
        recording = Recording(run)
        for _ in recording.steps():
            pass
        recording.close()
    return run.id


@pytest.fixture(scope="module")
def digits(home: Path) -> str:
    return trained(home, "digits", 3, classes=10, **TINY)


@pytest.fixture(scope="module")
def plane(home: Path) -> str:
    return trained(home, "eight-gaussians", 600, T=40, hidden=64)


def done(task) -> dict[str, np.ndarray]:
    """The answer of a task, whose progress must rise from 0 to 1."""
    told = []
    while True:
        try:
            told.append(next(task))
        except StopIteration as end:
            assert told
            assert told == sorted(told)
            assert 0 <= told[0] <= told[-1] <= 1
            return end.value


def of(run: str) -> tuple[DDPM, datasets.Data]:
    """What a task about a run is given: its model and its data."""
    return find(run).model(), find(run).data()


def model(**arguments) -> DDPM:
    torch.manual_seed(0)
    return DDPM((1, 8, 8), **TINY | arguments).eval()


# Noising and the theory's numbers -------------------------------------------------------------------------------------


def test_noising_goes_from_the_data_to_noise(data):
    ddpm = model(T=1000)
    found = instruments.noising(ddpm, data, 3, 2, frames=50)
    assert found["x_t"].shape == (50, 2, 1, 8, 8)
    assert (found["t"][0], found["t"][-1]) == (0, 1000)
    assert np.abs(found["x_t"][0] - data.test.x[3:5].numpy() / 16 * 255.0).max() <= 0.5
    assert found["log_snr"][1:] == pytest.approx(ddpm.schedule.log_snr.numpy()[found["t"][1:]])
    with pytest.raises(BadInput, match="not all there"):
        instruments.noising(ddpm, data, len(data.test))


def test_tables_hold_the_models_own_schedule_first():
    found = instruments.tables(model(schedule="cosine"))
    assert list(found) == ["cosine", "linear"]
    assert list(instruments.tables(model(schedule="drawn"))) == ["drawn", "linear", "cosine"]
    for curves in found.values():
        assert set(instruments.CURVES) < set(curves)
        assert curves["signal"] ** 2 + curves["noise"] ** 2 == pytest.approx(np.ones(40))


@pytest.mark.parametrize("variance", ["beta", "posterior"])
def test_the_divergence_is_the_weighted_error_of_the_noise(data, variance):
    """DDPM eq. 8 and eq. 12 are the same number, to the constant that no network can change."""
    found = bound.numbers(model(variance=variance), data, 4, 20)
    written = found["weight"] * found["D"] * found["mse"]
    assert found["L"] - found["constant"] == pytest.approx(written, rel=1e-4)
    assert found["snr"] == pytest.approx(found["alpha_bar"] / (1 - found["alpha_bar"]))
    assert found["mse"] == pytest.approx(found["snr"] * found["mse of x_0"], rel=1e-4)
    with pytest.raises(BadInput, match="2 to 40"):
        bound.numbers(model(), data, 0, 1)


@pytest.mark.parametrize("weighting", ["simple", "snr", "bound"])
@pytest.mark.parametrize("times", ["uniform", "log-normal"])
@pytest.mark.parametrize("predict", ["eps", "v"])
def test_what_an_error_weighs_is_what_the_loss_makes_of_it(monkeypatch, weighting, times, predict):
    """The loss at each t, as often as t is drawn, is the mean over t of that weight and the error of the noise."""
    torch.manual_seed(0)
    ddpm = DDPM((2,), T=20, hidden=16, predict=predict, weighting=weighting, times=times)
    x, chance = torch.randn(500, 2), torch.full((21,), 1 / 20) if ddpm.chance is None else ddpm.chance
    found = written = 0.0
    for t in range(1, 21):
        monkeypatch.setattr(ddpm, "training_times", lambda n, *_, t=t: torch.full((n,), t))
        terms = ddpm.loss(x, rng=torch.Generator().manual_seed(t))
        mse = sum(value for name, value in terms.items() if name.startswith("mse")) / 4
        mse *= 1 if ddpm.chance is None else 20 * chance[t]  # it is logged as if every t were drawn alike
        found += float(chance[t] * terms["loss"].detach())
        written += float(bound.in_loss(ddpm)[t] * mse) / 20
    assert found == pytest.approx(written, rel=1e-4)


def test_the_weight_of_a_learned_schedule_is_that_of_the_schedule_as_it_is():
    """Trained is the bound of continuous time: γ′/2 for an error, which T weights of so many steps come near to."""
    torch.manual_seed(0)
    ddpm = DDPM((1, 8, 8), schedule="learned", weighting="bound", variance="posterior", **TINY).eval()
    before = bound.numbers(ddpm, datasets.load("digits"), 0, 20)
    with torch.no_grad():
        for parameter in ddpm.schedule.parameters():
            parameter.add_(0.3)
    after = bound.numbers(ddpm, datasets.load("digits"), 0, 20)
    assert after["trained"] != pytest.approx(before["trained"], rel=1e-3)
    u = torch.tensor([(20 - 1) / (ddpm.T - 1)], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(ddpm.schedule.gamma(u).sum(), u)
    assert after["trained"] == pytest.approx(slope.item() / 2, rel=1e-6)
    assert after["trained"] != pytest.approx(ddpm.T * after["weight"], rel=0.05)
    finer = learned.Learned(4000)
    finer.load_state_dict(ddpm.schedule.state_dict())
    of_steps = finer.weight("bound", "eps", variance="posterior")
    assert finer.weights[1000].item() == pytest.approx(of_steps[1000].item(), rel=0.01)


def test_the_loss_of_a_learned_schedule_is_the_weighted_error(monkeypatch):
    """At each of its steps, of as many images at that time."""
    torch.manual_seed(0)
    ddpm = DDPM((1, 8, 8), schedule="learned", weighting="bound", **TINY).eval()
    monkeypatch.setattr(learned, "even", lambda n, *_: torch.full((n,), (20 - 1) / (ddpm.T - 1)))
    x, seen = torch.rand(30, 1, 8, 8) * 2 - 1, []

    def eps_hat(x_t, t):
        seen.append(x_t)
        return torch.zeros_like(x_t)

    terms = ddpm.schedule.bound(eps_hat, x, 17, torch.Generator().manual_seed(0))
    gamma = ddpm.schedule.gamma(torch.tensor([19 / (ddpm.T - 1)]))
    eps = (seen[0] - (-gamma).sigmoid().sqrt() * x) / gamma.sigmoid().sqrt()
    expected = bound.in_loss(ddpm)[20] * eps.square().flatten(1).sum(1)
    assert terms["steps"].detach().numpy() == pytest.approx(expected.detach().numpy(), rel=1e-3)


def test_samples_are_twenty_evaluations_where_nothing_else_is_said():
    ddpm, asked = model(), []
    ddpm.network.register_forward_hook(lambda *_: asked.append(1))
    x = ddpm.sample(3, rng=torch.Generator().manual_seed(0))
    assert x.shape == (3, 1, 8, 8)
    assert len(asked) == 20


# Denoising and samplers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", [*SAMPLERS, "langevin"])
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_evaluations_are_how_often_the_network_is_asked(sampler, guidance):
    ddpm, asked = model(classes=10), []
    ddpm.network.register_forward_hook(lambda *_: asked.append(1))
    y = torch.zeros(2, dtype=torch.long)
    for _ in ddpm.trajectory(2, y=y, sampler=sampler, steps=6, guidance=guidance):
        pass
    assert len(asked) == instruments.evaluations(sampler, 6, guided=guidance != 1, repeats=10)


@pytest.mark.parametrize("label", [None, 3])
@pytest.mark.parametrize("guidance", [0.0, 1.0, 3.0])
def test_a_film_says_how_often_the_network_was_asked(label, guidance):
    """Where no label is asked for, one is drawn: guidance asks twice all the same."""
    ddpm, asked = model(classes=10), []
    ddpm.network.register_forward_hook(lambda *_: asked.append(1))
    found = done(instruments.denoised(ddpm, n=2, label=label, how={"steps": 5, "guidance": guidance}))
    assert found["evaluations"] == len(asked)


def test_denoising_keeps_few_frames_and_ends_with_the_samples(digits):
    found = done(instruments.denoised(of(digits)[0], n=4, label=3, how={"steps": 40, "sampler": "ancestral"}))
    assert found["x_t"].shape == found["eps"].shape == found["x_0"].shape == (41, 4, 1, 8, 8)
    assert found["x_t"].dtype == np.uint8
    assert (found["t"][0], found["t"][-1]) == (40, 0)
    assert (found["x_t"][-1] == found["x_0"][-1]).all()
    assert found["evaluations"] == 40
    with pytest.raises(BadInput, match="n = 0"):
        done(instruments.denoised(of(digits)[0], n=0))
    with pytest.raises(BadInput, match="'stepz' is not"):
        done(instruments.denoised(of(digits)[0], how={"stepz": 3}))


def test_a_long_way_is_thinned_to_its_first_and_last_steps():
    steps = iter(range(1001))
    task = film_of(steps, 1000)
    told = []
    while True:
        try:
            told.append(next(task))
        except StopIteration as end:
            film = end.value
            break
    assert len(film) == FRAMES
    assert (film[0], film[-1], len(told)) == (0, 1000, 1001)


def test_samplers_start_from_the_same_noise_and_come_to_one_answer(plane):
    found = done(instruments.compared(*of(plane), n=200))
    assert found["samples"].shape == (5, 4, 200, 2)
    assert list(found["steps"]) == [5, 10, 25, 40]
    assert np.isnan(found["gap"][:2]).all(), "those that draw fresh noise"
    ode = dict(zip(SAMPLERS, found["gap"], strict=True))
    assert np.isnan(ode["heun"][-1]), "in all steps there are it is what the others are held against"
    assert ode["heun"][2] < ode["heun"][0]
    assert all(ode[name][-1] < ode[name][0] for name in ("ddim", "dpm-solver"))
    assert ode["heun"][2] < ode["ddim"][2]  # second order beats first
    assert found["w1"].shape == (5, 4)
    assert 0 < found["floor"] < found["w1"][2, 0]


def test_samplers_of_images_are_bytes(digits):
    found = done(instruments.compared(*of(digits), n=2, spacing="uniform"))
    assert found["samples"].shape == (5, 4, 2, 1, 8, 8)
    assert found["samples"].dtype == np.uint8
    assert "w1" not in found


def test_a_judge_sees_every_sampler_come_nearer_to_the_data():
    found = done(instruments.judged(*of("ddpm-digits"), n=100, spacing="uniform"))
    assert found["fid"].shape == found["sure"].shape == found["evaluations"].shape == (5, 4)
    few, many = found["fid"][:, 0], found["fid"][:, -1]
    assert (many < few).all()
    assert (few > found["fid_floor"]).all()
    assert found["sure_of_data"] > 0.95 > found["sure"].max() > 0.7
    with pytest.raises(BadInput, match="n = 20 is not a number of samples from 50"):
        done(instruments.judged(*of("ddpm-digits"), n=20))


def test_a_judge_sees_early_times_bring_the_sde_solver_there_in_five_steps():
    """And more bring it nothing that 100 samples could tell; the judge is as sure of them as of data."""
    found = done(instruments.judged(*of("ddpm-digits"), n=100))
    slow = np.array([sampler != "sde-dpm-solver" for sampler in SAMPLERS])
    few, many = found["fid"][:, 0], found["fid"][:, -1]
    assert (many < few)[slow].all()
    assert few[~slow] < 2 * many.min()
    assert (few > found["fid_floor"]).all()
    assert found["sure_of_data"] > 0.95 > found["sure"][slow].max() > 0.7
    assert found["sure"][~slow].max() < found["sure_of_data"] + 0.06  # three standard errors of 90 samples


def test_only_pictures_have_a_judge(plane):
    with pytest.raises(BadInput, match="with images"):
        done(instruments.judged(*of(plane)))


# The bound ------------------------------------------------------------------------------------------------------------


def test_the_bound_is_the_sum_of_its_terms_and_lies_above_the_truth(plane):
    found = done(bound.every_term(*of(plane), n=100))
    assert found["t"].tolist() == list(range(2, 41))
    whole = found["prior"].mean() + found["steps"].sum() + found["last"].mean()
    assert found["nats"].mean() == pytest.approx(whole, rel=1e-4)
    assert found["nats"].mean() > found["exact"].mean()


def test_the_bound_of_images_agrees_with_the_models_own(digits, data):
    found = done(bound.every_term(*of(digits), n=8))
    ddpm, _ = of(digits)
    x = data.prepare(data.test.x[:8], "signed")
    own = ddpm.bound(x, torch.Generator().manual_seed(1), bins=17).nats
    spread = float((torch.as_tensor(found["nats"]) - own).std()) / math.sqrt(8)
    assert abs(found["nats"].mean() - float(own.mean())) < 5 * spread
    assert found["levels"] == 17
    assert found["mse"].shape == found["steps"].shape == (39,)


# Labels ---------------------------------------------------------------------------------------------------------------


def test_what_asks_the_branch_without_labels_says_that_it_was_never_trained(data):
    """A deep VAE walks back with the label that its bound is told."""
    hidden = {"classes": 10, "label_dropout": 0.0}
    pictures, plane = DDPM((1, 8, 8), **hidden, **TINY).eval(), datasets.load("eight-gaussians")
    points = DDPM((2,), classes=8, label_dropout=0.0, T=40, hidden=16).eval()
    for task in (
        score.field(points, plane, n=4, frames=2),
        langevin.walked(points, plane, score="learned", n=4, steps=4),
        edits.interpolated(pictures, data, steps=2),
        instruments.denoised(pictures, n=1, how={"steps": 2, "guidance": 3.0}),
    ):
        with pytest.raises(BadInput, match="never learned without labels"):
            finish(task)
    with torch.no_grad():
        pictures.network.conditioning.label.weight[10] = torch.nan
    beside = finish(hierarchy.both(pictures, data, "vae-digits-2d"))
    assert np.isfinite(beside["nats"])
    assert beside["down"].min() < beside["down"].max()


# Edits ----------------------------------------------------------------------------------------------------------------


def test_a_digit_is_drawn_again_from_a_time(digits, data):
    found = done(edits.redrawn(*of(digits), example=2, t=7, n=3, steps=25))
    assert found["x_t"].shape == (8, 3, 1, 8, 8)
    assert found["t"].tolist() == [7, 6, 5, 4, 3, 2, 1, 0]
    assert np.abs(found["x"] - data.test.x[2].numpy() / 16 * 255.0).max() <= 0.5
    with pytest.raises(BadInput, match="t = 41"):
        done(edits.redrawn(*of(digits), t=41))


@pytest.mark.parametrize("hidden", edits.MASKS)
def test_what_is_seen_stays_and_what_is_hidden_does_not(digits, hidden):
    found = done(edits.filled(*of(digits), example=1, hidden=hidden, n=2, steps=4, resample=1))
    seen = edits.mask((1, 8, 8), hidden).numpy().astype(bool)
    assert seen.mean() == (0.75 if hidden == "middle" else 0.5)
    assert (found["x_t"][-1][:, seen] == found["x"][seen]).all()
    assert (found["x_t"][-1][:, ~seen] != found["x"][~seen]).any()
    assert (found["seen"][~seen] == 128).all()


def test_an_unknown_mask_is_named(digits):
    with pytest.raises(BadInput, match="'corner' is not one of right"):
        done(edits.filled(*of(digits), hidden="corner"))


def test_a_path_goes_from_one_digit_to_the_other(digits):
    found = done(edits.interpolated(*of(digits), first=0, second=3, n=5, steps=8))
    assert found["path"].shape == found["blend"].shape == found["x_T"].shape == (5, 1, 8, 8)
    assert (found["blend"][[0, -1]] == found["x"]).all()
    assert found["error"] >= 0


def test_points_are_no_images_and_images_no_points(digits, plane):
    for task in (edit(*of(plane)) for edit in (edits.redrawn, edits.filled, edits.interpolated)):
        with pytest.raises(BadInput, match="makes points"):
            next(task)
    with pytest.raises(BadInput, match="makes images"):
        next(score.field(*of(digits)))
    with pytest.raises(BadInput, match="points of the plane"):
        next(density(*of(digits)))


# The plane ------------------------------------------------------------------------------------------------------------


def test_a_mixture_under_noise_is_the_analytic_one():
    plane, schedule = planes.PLANES["eight-gaussians"](), Schedule.named("linear", 100)
    S = (plane.sigma**2 * torch.eye(2, dtype=torch.float64)).tolist()
    truth = Mixture(schedule, [1 / 8] * 8, plane.means.tolist(), [S] * 8)
    x = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for t in (1, 30, 100):
        a, sigma = (float(rate) for rate in schedule.rates(t, x))
        law = noised(plane, a, sigma)
        assert law.log_prob(x).numpy() == pytest.approx(truth.log_prob(x, t).numpy())
        assert best_eps(law, x, sigma).numpy() == pytest.approx(truth.eps(x, t).numpy(), abs=1e-9)


@pytest.mark.parametrize("name", [name for name in planes.PLANES if name not in ("pinwheel", "checkerboard")])
def test_the_law_of_noised_points_is_theirs(name):
    """Its density integrates to one, and the mean log-density of noised points is its own, minus its entropy."""
    plane, (a, sigma) = planes.PLANES[name](), (0.8, 0.6)
    law, rng = noised(plane, a, sigma), torch.Generator().manual_seed(0)
    x = a * plane.sample(4000, rng) + sigma * torch.randn(4000, 2, generator=rng)
    grid = cells(5.0, 100).double()
    log_p = law.log_prob(grid)
    assert float(log_p.exp().sum()) * 0.1**2 == pytest.approx(1, abs=1e-3)
    found = law.log_prob(x.double())
    error = float(found.std()) / math.sqrt(len(x))
    assert float(found.mean()) == pytest.approx(float((log_p.exp() * log_p).sum()) * 0.1**2, abs=4 * error)


def test_a_law_without_a_closed_form_is_none():
    assert noised(planes.PLANES["checkerboard"](), 0.8, 0.6) is None
    assert noised(None, 0.8, 0.6) is None


def test_what_cannot_be_known_and_what_is_not_learned_add_up(plane):
    found = done(score.field(*of(plane), n=50, frames=12))
    assert found["particles"].shape == (13, 50, 2)
    assert found["learned"].shape == found["best"].shape == (12, 361, 2)
    assert found["map"].shape == (12, 64, 64)
    assert (np.diff(found["t"]) < 0).all()
    # what is left is twice the mean of (ε − ε*)(ε* − ε̂) over 1,000 points, whose first factor has mean 0 given x_t
    error = 2 * np.sqrt(found["floor"] * found["gap"]) / math.sqrt(1000)
    assert (np.abs(found["mse"] - found["floor"] - found["gap"]) < 6 * error).all()


def test_the_density_of_a_perfect_network_is_the_true_one_at_t_1(plane, monkeypatch):
    law = planes.PLANES["eight-gaussians"]()
    S = (law.sigma**2 * torch.eye(2, dtype=torch.float64)).tolist()

    def best(self, x_t, t, y=None, *, guidance=1.0):
        truth = Mixture(self.schedule, [1 / 8] * 8, law.means.tolist(), [S] * 8)
        return truth.eps(x_t.double(), t.double()).to(x_t)

    monkeypatch.setattr(DDPM, "eps_hat", best)
    found = done(density(*of(plane), side=64, n=100))
    assert found["mass"] == pytest.approx(1, abs=5e-3)
    assert found["alike"]
    assert found["noise"] == pytest.approx(math.exp(-float(Schedule.named("linear", 40).log_snr[1]) / 2))
    assert (np.abs(found["kl"]) < 2e-3).all()
    np.testing.assert_allclose(found["learned"], found["true"], atol=2e-2 * found["true"].max())


def test_the_learned_density_is_held_against_the_truth(plane):
    found = done(density(*of(plane), side=40, n=200))
    assert found["true"].sum() * (2 * found["extent"][1] / 40) ** 2 == pytest.approx(1, abs=1e-2)
    kl, error = found["kl"]
    assert kl + 4 * error > 0


def test_the_error_of_the_bound_is_that_of_a_mean_and_the_label_is_paid(digits):
    found = done(bound.every_term(*of(digits), n=6))
    assert found["error"] == pytest.approx(np.std(found["nats"], ddof=1) / math.sqrt(6))
    whole = found["prior"].mean() + found["steps"].sum() + found["last"].mean() + found["label"].mean()
    assert found["nats"].mean() == pytest.approx(whole, rel=1e-5)
    assert found["label"].mean() == pytest.approx(math.log(10), abs=0.1)
    for name in ("trained", "due"):
        assert found[name].mean() == pytest.approx(1)


def test_shades_go_from_paper_to_ink():
    maps = np.array([[[0.0, 0.0], [0.0, 1.0]]])
    frames = shades(maps, "#0000ff", "#0000ff", "#ffffff", ink=0.75)
    assert frames.shape == (1, 3, 2, 2)
    assert frames[0, :, 1, 0].tolist() == [255, 255, 255]
    assert frames[0, :, 0, 1].tolist() == [64, 64, 255]

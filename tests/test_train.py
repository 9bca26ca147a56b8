"""The one training loop: what it does to the weights, what it reports, and that paused is the same as never paused."""

import math
from dataclasses import replace
from typing import Annotated, Any

import pytest
import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from genmodels import random
from genmodels.data import datasets
from genmodels.data.datasets import Data, Split
from genmodels.errors import BadInput, TrainingFailed
from genmodels.hyperparameters import Between
from genmodels.models import MODELS, Entry
from genmodels.models.base import GenerativeModel, build
from genmodels.models.ddpm import DDPM
from genmodels.training import exact, loop
from genmodels.training.loop import Batches, Step, Training, fit
from genmodels.training.settings import Settings

Curve = list[dict[str, float]]


class Denoiser(GenerativeModel):
    """Predicts a point from the point with noise added: small, random, and with every kind of term."""

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        dropout: Annotated[float, Between(0, 0.9, "share of units dropped")] = 0.0,
        breaks: Annotated[float, Between(0, 1, "moment at which the penalty is no number; 0: never")] = 0.0,
    ) -> None:
        super().__init__(shape)
        self.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 2))
        self.breaks, self.told = breaks, 0.0

    def progress(self, fraction: float) -> None:
        self.told = fraction

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        error = (self.net(x + random.randn(*x.shape, rng=rng, device=x.device)) - x).square().mean()
        penalty = 0.01 * sum(p.square().sum() for p in self.parameters())
        if self.breaks and self.told >= self.breaks:
            penalty = penalty * math.nan
        return {"loss": error + penalty, "error": error, "penalty": penalty}

    def sample(self, n: int, *, y: Tensor | None = None, rng: torch.Generator | None = None) -> Tensor:
        with torch.no_grad():
            return self.net(random.randn(n, 2, rng=rng, device=self.device))


class Duel(GenerativeModel):
    """A generator that moves a cloud and a critic that tells it from the data: two players, three turns a step."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.generator, self.critic = (
            nn.Linear(2, 2),
            nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1, bias=False)),
        )
        self.moved: list[str] = []

    def players(self) -> dict[str, nn.Module]:
        return {"critic": self.critic, "generator": self.generator}

    def turns(self) -> tuple[str, ...]:
        return ("critic", "critic", "generator")

    def after_turn(self, player: str) -> None:
        self.moved.append(player)

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        fake = self.critic(self.generator(random.randn(*x.shape, rng=rng, device=x.device))).mean()
        if player == "generator":
            return {"loss": -fake}
        real = self.critic(x).mean()
        return {"loss": fake - real + 0.1 * (fake - real).square(), "distance": real - fake}


@pytest.fixture(autouse=True)
def toys() -> None:
    """The toys are models like all others."""
    for cls in (Denoiser, Duel):
        MODELS[cls.__name__.lower()] = Entry(cls.__name__, "Toys", "", f"{cls.__module__}:{cls.__qualname__}")


def made(
    data: Data, kind: type[GenerativeModel] = Denoiser, arguments: dict[str, Any] | None = None, **settings: Any
) -> Training:
    """A training whose initial weights follow from its seed, as in a run."""
    chosen = Settings.of({"steps": 24, "batch_size": 32, **settings})
    torch.manual_seed(chosen.seed)
    return Training(kind(data.shape, **(arguments or {})), data, chosen)


def run(training: Training, steps: int | None = None) -> Curve:
    """Train for some steps (None: to the end) and return the logged terms."""
    logged = []
    for step in fit(training):
        if step.terms is not None:
            logged.append({"step": step.step, **step.terms})
        if steps is not None and (steps := steps - 1) == 0:
            break
    return logged


def same_weights(a: Training, b: Training) -> bool:
    return all(
        torch.equal(u, v) for u, v in zip(a.model.state_dict().values(), b.model.state_dict().values(), strict=True)
    )


# Batches --------------------------------------------------------------------------------------------------------------


def test_an_epoch_sees_every_example_at_most_once_and_the_next_in_another_order() -> None:
    batches = Batches(100, 32, 0, torch.device("cpu"))
    first, second = (torch.cat([batches(3 * epoch + j) for j in range(3)]) for epoch in range(2))
    assert len(first) == len(first.unique()) == 96
    assert not torch.equal(first, second)


def test_the_kth_batch_is_a_function_of_seed_and_k_alone() -> None:
    there, back = Batches(100, 32, 5, torch.device("cpu")), Batches(100, 32, 5, torch.device("cpu"))
    forwards = [there(k) for k in range(10)]
    backwards = [back(k) for k in reversed(range(10))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not torch.equal(forwards[0], Batches(100, 32, 6, torch.device("cpu"))(0))


def test_a_batch_is_at_most_the_training_set(plane: Data) -> None:
    few = Data("few", (2,), 0, (), *[Split(s.x[:10], s.y[:10]) for s in (plane.train, plane.validation, plane.test)])
    training = made(few, batch_size=4096, steps=0, epochs=3.0)
    assert training.total == 3
    assert len(training.batches(0)) == 10
    run(training)


# What a step does -----------------------------------------------------------------------------------------------------


def test_training_improves_the_model(plane: Data) -> None:
    curve = run(made(plane, steps=300, lr=1e-2))
    assert curve[-1]["held-out error"] < 0.7 * curve[0]["held-out error"]


def test_epochs_become_steps_and_steps_overrule_them(plane: Data) -> None:
    per_epoch = len(plane.train) // 100
    assert made(plane, steps=0, epochs=2.0, batch_size=100).total == 2 * per_epoch
    assert made(plane, steps=0, epochs=0.5, batch_size=100).total == per_epoch // 2
    assert made(plane, steps=7, epochs=2.0).total == 7
    # a step of Duel takes three batches
    assert made(plane, Duel, steps=0, epochs=3.0, batch_size=100).total == per_epoch


def test_turns_are_taken_in_order_with_a_new_batch_each(plane: Data) -> None:
    training = made(plane, Duel, steps=2, batch_size=100)
    steps = list(fit(training))
    assert training.model.moved == ["critic", "critic", "generator"] * 2
    assert [step.images for step in steps] == [300, 600]
    assert steps[-1].epoch == pytest.approx(600 / len(plane.train))
    assert {"critic_loss", "generator_loss", "distance"} <= steps[0].terms.keys()
    assert "loss" not in steps[0].terms


def test_a_turn_moves_its_player_alone(plane: Data) -> None:
    training = made(plane, Duel)
    before = {k: v.clone() for k, v in training.model.state_dict().items()}
    training.lr = 0.1
    training._turn("critic", 0)
    after = training.model.state_dict()
    assert all(torch.equal(before[k], after[k]) == k.startswith("generator") for k in before)
    assert all(p.grad is None for p in training.model.generator.parameters())
    assert all(p.requires_grad for p in training.model.parameters())


def test_numbers_too_small_for_a_float_are_flushed_whoever_steps(plane: Data) -> None:
    """Moments of weights that learn no more end there, and would slow every later step."""
    torch.set_flush_denormal(False)
    tiny = torch.full((64,), 1e-39)
    assert (tiny * 0.9).all()
    Training(Denoiser(plane.shape), plane, Settings()).step()
    assert not (tiny * 0.9).any()


def test_only_parameters_are_asked_for_a_gradient(plane: Data) -> None:
    """A penalty's points need one within the loss; from the loss it would be work for nothing."""
    points: list[Tensor] = []

    class Sloped(Denoiser):
        def loss(
            self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
        ) -> dict[str, Tensor]:
            with torch.enable_grad():
                points.append(x.clone().requires_grad_())
                slope = torch.autograd.grad(self.net(points[-1]).sum(), points[-1], create_graph=True)[0]
            return {"loss": slope.norm()}

    model = Sloped(plane.shape)
    before = model.net[0].weight.detach().clone()
    Training(model, plane, Settings()).step()
    assert points[0].grad is None
    assert not torch.equal(model.net[0].weight, before)


def test_the_model_is_told_its_progress(plane: Data) -> None:
    training, told = made(plane, steps=4), []
    for _ in fit(training):
        told.append(training.model.told)
    assert told == [0, 0.25, 0.5, 0.75]


def test_the_learning_rate_rises_then_falls_as_half_a_cosine(plane: Data) -> None:
    training, rates = made(plane, steps=20, lr=0.1, warmup=5, decay="cosine"), []
    for _ in fit(training):
        rates.append(training.optimizers["model"].param_groups[0]["lr"])
    expected = [0.1 * min(1, (k + 1) / 5) * (1 + math.cos(math.pi * k / 20)) / 2 for k in range(20)]
    assert rates == pytest.approx(expected)


def test_a_constant_learning_rate_can_be_changed_while_running(plane: Data) -> None:
    training = made(plane, lr=0.1)
    training.step()
    training.lr = 0.01
    training.step()
    assert training.optimizers["model"].param_groups[0]["lr"] == pytest.approx(0.01)


@pytest.mark.parametrize("bound", [1e-3, 1e3])
def test_gradients_are_clipped_to_a_norm(plane: Data, bound: float) -> None:
    free, clipped = made(plane, steps=1), made(plane, steps=1, clip_norm=bound)
    norms = []
    for training in (free, clipped):
        training.step()
        norms.append(torch.cat([p.grad.flatten() for p in training.model.parameters()]).norm().item())
    assert norms[1] == pytest.approx(min(bound, norms[0]), rel=1e-3)


def test_the_gradient_of_each_player_is_measured_before_it_is_clipped(plane: Data) -> None:
    free, clipped = made(plane, Duel, steps=1), made(plane, Duel, steps=1, clip_norm=1e-3)
    for training in (free, clipped):
        training.closely = True
    terms = free.step().terms
    for name, part in free.model.players().items():
        norm = torch.cat([p.grad.flatten() for p in part.parameters()]).norm().item()
        assert terms[f"{name}_gradient"] == pytest.approx(norm, rel=1e-5)
    again = clipped.step().terms
    assert again["critic_gradient"] > 0.01
    assert torch.cat([p.grad.flatten() for p in clipped.model.players()["critic"].parameters()]).norm() <= 1.001e-3


def test_the_moving_average_follows_its_recurrence(plane: Data) -> None:
    training = made(plane, ema=0.6, steps=12)
    expected = {k: v.double() for k, v in training.model.state_dict().items()}
    for k, _ in enumerate(fit(training), 1):
        decay = min(0.6, (1 + k) / (10 + k))
        for name, value in training.model.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * value
    averaged = training.weights()
    assert all(torch.allclose(averaged[k].double(), expected[k], atol=1e-6) for k in expected)
    assert not torch.equal(averaged["net.0.weight"], training.model.net[0].weight)


def test_without_an_average_the_weights_are_the_models_own(plane: Data) -> None:
    training = made(plane)
    assert training.weights()["net.0.weight"].data_ptr() == training.model.net[0].weight.data_ptr()


def test_held_out_terms_leave_no_trace(plane: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring must not change what is learned, or how often one looks would be a hyperparameter."""
    looked, not_looked = made(plane, arguments={"dropout": 0.5}), made(plane, arguments={"dropout": 0.5})
    run(looked)
    monkeypatch.setattr(Training, "_held_out", lambda self: {})
    run(not_looked)
    assert same_weights(looked, not_looked)
    assert looked.model.training


# What is reported -----------------------------------------------------------------------------------------------------


def test_every_step_is_reported_and_some_are_logged(plane: Data) -> None:
    training = made(plane, steps=1000)
    steps: list[Step] = list(fit(training))
    assert [step.step for step in steps] == list(range(1, 1001))
    logged = [step.step for step in steps if step.terms is not None]
    powers = {2**k for k in range(10)}
    assert logged == sorted(powers | set(range(2, 1001, 2)))
    assert len(logged) < 1.1 * 500
    assert steps[-1].seconds > steps[0].seconds > 0


def test_a_point_of_the_curve_is_the_mean_since_the_last(plane: Data) -> None:
    often, seldom = made(plane, steps=16), made(plane, steps=16)
    seldom.log_every = 16
    each, few = run(often), run(seldom)
    assert [row["step"] for row in few] == [1, 2, 4, 8, 16]
    for name in ("loss", "error", "penalty"):
        assert few[-1][name] == pytest.approx(sum(row[name] for row in each[8:16]) / 8, rel=1e-6)


def test_held_out_terms_are_measured_on_the_same_noise(plane: Data) -> None:
    training = made(plane, steps=24)
    rows = [row for row in run(training) if "held-out loss" in row]
    assert [row["step"] for row in rows] == [1, 8, 16, 24]
    assert rows[-1]["held-out error"] == training._held_out()["held-out error"]


class Mean(GenerativeModel):
    """Its loss says which examples it was shown."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.weight = nn.Parameter(torch.zeros(()))

    def loss(self, x, y=None, *, player="model", rng=None):
        return {"loss": x.mean() + 0 * self.weight, "label": y.double().mean()}


def test_held_out_is_the_validation_set(plane: Data) -> None:
    parts = [Split(torch.full((64, 2), float(k)), torch.full((64,), k)) for k in range(3)]
    data = replace(plane, train=parts[0], validation=parts[1], test=parts[2], log_prob=None, plane=None)
    (row,) = run(Training(Mean((2,)), data, Settings(steps=1, batch_size=8)))
    assert (row["loss"], row["held-out loss"], row["held-out label"]) == (0, 1, 1)


def test_what_is_no_number_stops_the_training_with_term_and_step(plane: Data) -> None:
    training = made(plane, arguments={"breaks": 0.5}, steps=24)
    with pytest.raises(TrainingFailed, match=r"^The term penalty became nan at step 13\.$"):
        run(training)


def test_the_step_is_named_even_when_it_was_not_logged(plane: Data) -> None:
    training = made(plane, arguments={"breaks": 0.75}, steps=40)
    training.log_every = 100
    with pytest.raises(TrainingFailed, match=r"The term penalty became nan at step 31\."):
        run(training)
    assert training.step_ == 32  # the next point of the curve


# Paused is the same as never paused -----------------------------------------------------------------------------------

KINDS = [
    pytest.param(Denoiser, {}, {}, id="plain"),
    pytest.param(Denoiser, {}, {"ema": 0.9}, id="moving average"),
    pytest.param(Denoiser, {"dropout": 0.5}, {}, id="dropout"),
    pytest.param(Denoiser, {}, {"precision": "bfloat16"}, id="bfloat16"),
    pytest.param(Denoiser, {}, {"warmup": 10, "decay": "cosine", "clip_norm": 0.5}, id="schedule"),
    pytest.param(Duel, {}, {"ema": 0.9}, id="two players"),
]


def passed_through_a_file(training: Training) -> tuple[dict[str, Tensor], dict[str, Any]]:
    tensors, numbers = exact.state(training)
    return load(save(tensors)), numbers


@pytest.mark.parametrize("at", [1, 5, 8])
@pytest.mark.parametrize(("kind", "arguments", "settings"), KINDS)
def test_resumed_is_bit_for_bit_never_interrupted(
    plane: Data, kind: type[GenerativeModel], arguments: dict[str, Any], settings: dict[str, Any], at: int
) -> None:
    whole, first, second = (made(plane, kind, arguments, **settings) for _ in range(3))
    for training in (whole, first, second):
        training.log_every = 6  # a pause at 5 is in the middle of an interval
    expected = run(whole)
    curve = run(first, at)
    run(second, 3)  # what it was before does not matter
    exact.restore(second, *passed_through_a_file(first))
    assert curve + run(second) == expected
    assert same_weights(whole, second)
    assert all(torch.equal(value, second.weights()[name]) for name, value in whole.weights().items())


@pytest.mark.parametrize("says", [True, False])
def test_what_was_begun_with_fewer_points_goes_on_with_them(plane: Data, says: bool) -> None:
    """Planes had 10,000 points to learn from, and what a training saved then did not say how many it knew."""
    fewer = replace(plane, train=Split(plane.train.x[:10_000], plane.train.y[:10_000]))
    whole, first = (made(fewer, steps=0, epochs=3, batch_size=2000) for _ in range(2))
    second = made(plane, steps=0, epochs=3, batch_size=2000)
    expected, curve = run(whole), run(first, 7)
    tensors, numbers = passed_through_a_file(first)
    assert numbers["examples"] == 10_000
    exact.restore(second, tensors, {k: v for k, v in numbers.items() if says or k != "examples"})
    assert (second.total, curve + run(second)) == (15, expected)
    assert same_weights(whole, second)


def test_what_is_begun_with_all_points_goes_on_with_them(plane: Data) -> None:
    first, second = made(plane), made(plane)
    exact.restore(second, *passed_through_a_file(first))
    assert second.batches.n == len(plane.train) == 50_000


def test_resumed_is_bit_for_bit_where_weights_lie_channels_last(digits: Data) -> None:
    """What comes from a file lies otherwise in memory, and a fused step takes moments and weights as they lie."""
    config = {"model": "autoregressive", "shape": [1, 8, 8], "network": "pixelcnn", "channels": 8}
    trainings = []
    for _ in range(3):
        torch.manual_seed(0)
        trainings.append(Training(build(config), digits, Settings(steps=5, batch_size=8)))
    whole, first, second = trainings
    run(whole)
    run(first, 2)
    exact.restore(second, *passed_through_a_file(first))
    run(second)
    assert any(not p.is_contiguous() for p in whole.model.parameters())
    assert same_weights(whole, second)


def test_a_changed_learning_rate_survives_a_pause(plane: Data) -> None:
    first, second = made(plane), made(plane)
    first.step()
    first.lr = 0.5
    exact.restore(second, *passed_through_a_file(first))
    assert second.lr == 0.5


def test_a_state_does_not_move_with_the_training(plane: Data) -> None:
    training = made(plane, ema=0.9)
    training.step()
    tensors, _ = exact.state(training)
    kept = {k: v.clone() for k, v in tensors.items()}
    training.step()
    assert all(torch.equal(tensors[k], kept[k]) for k in kept)


@pytest.mark.parametrize(("kind", "arguments", "settings"), KINDS)
def test_taking_turns_changes_nothing(
    plane: Data, kind: type[GenerativeModel], arguments: dict[str, Any], settings: dict[str, Any]
) -> None:
    alone = [made(plane, kind, arguments, seed=seed, **settings) for seed in (0, 1)]
    together = [made(plane, kind, arguments, seed=seed, **settings) for seed in (0, 1)]
    expected = [run(training) for training in alone]
    curves: list[Curve] = [[], []]
    for _ in range(alone[0].total):
        for training, curve in zip(together, curves, strict=True):
            curve += run(training, 1)
            torch.rand(3)  # and whatever else draws from the global stream
    assert curves == expected
    assert all(same_weights(a, b) for a, b in zip(alone, together, strict=True))


# Seeds, numbers, input ------------------------------------------------------------------------------------------------


def test_the_seed_decides_everything(plane: Data) -> None:
    assert run(made(plane, seed=3)) == run(made(plane, seed=3))
    assert run(made(plane, seed=3)) != run(made(plane, seed=4))


def test_a_training_leaves_the_global_stream_alone(plane: Data) -> None:
    training = made(plane, arguments={"dropout": 0.5})
    before = torch.get_rng_state()
    run(training)
    assert torch.equal(torch.get_rng_state(), before)


def test_two_processes_share_the_noise_of_one() -> None:
    whole = random.randn(6, 3, rng=random.generator(7))
    halves = [random.randn(3, 3, rng=random.generator(7, rank=rank, world=2)) for rank in range(2)]
    assert torch.equal(torch.cat(halves), whole)


def test_bfloat16_is_of_the_networks_and_weights_stay_float32(plane: Data) -> None:
    training = made(plane, precision="bfloat16")
    assert training._loss(plane.train.x[:4], rng=training.rng)["error"].dtype == torch.float32
    with training._autocast():
        assert training.model.net(plane.train.x[:4]).dtype == torch.bfloat16
    run(training)
    assert all(p.dtype == torch.float32 for p in training.model.parameters())


def test_bad_input_is_named(plane: Data, digits: Data) -> None:
    model = Denoiser(plane.shape)
    with pytest.raises(BadInput, match=r"for data of shape \(2,\), but digits has \(1, 8, 8\)"):
        Training(model, digits, Settings())
    with pytest.raises(BadInput, match="Batches of 33 examples cannot be shared by 2 processes"):
        Training(model, plane, Settings(batch_size=33), world=2)
    with pytest.raises(BadInput, match=rf"Batches of {len(plane.train):,} examples cannot be shared by 7 processes"):
        Training(model, plane, Settings(batch_size=7 * 10**6), world=7)  # a batch is at most the whole of the data
    with pytest.raises(BadInput, match="did you mean batch_size"):
        Settings.of({"batchsize": 3})
    with pytest.raises(BadInput, match="lr = 2 is not a number from 1e-07 to 1"):
        Settings.of({"lr": 2})


def test_a_process_of_several_resumes_its_own_dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Process 0 alone is saved: what it has saved makes process 1 go on as if nothing had been."""
    monkeypatch.setattr(loop, "in_step", lambda model, world, **_: model)
    monkeypatch.setattr(loop.log, "means", lambda *_: {})
    data, settings = datasets.load("digits"), Settings(steps=100, batch_size=32)

    def begun(rank: int) -> Training:
        torch.manual_seed(0)
        return Training(DDPM(data.shape, width=8, depth=1, dropout=0.5, groups=2), data, settings, rank=rank, world=2)

    def after(training: Training, steps: int) -> list[torch.Tensor]:
        for _ in range(steps):
            training.step()
        return [p.detach().clone() for p in training.model.parameters()]

    first, second, resumed = begun(0), begun(1), begun(1)
    after(first, 3)
    after(second, 3)
    tensors, numbers = exact.state(second)
    exact.restore(resumed, tensors | {"rng/global": exact.state(first)[0]["rng/global"]}, numbers)
    assert all(map(torch.equal, after(second, 2), after(resumed, 2)))
    assert not torch.equal(begun(0).dropout.state, begun(1).dropout.state)

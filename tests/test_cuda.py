"""What trains and samples, on a GPU that is pretended (:mod:`tests.pretended_gpu`): no tensor stays on the processor,
and no step of a training waits for the device but where it says why."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.data import datasets
from genmodels.data.datasets import Data, Split
from genmodels.errors import BadInput
from genmodels.models import MODELS
from genmodels.models.base import GenerativeModel, Preset
from genmodels.probability.diffusion.times import SPACINGS
from genmodels.probability.samplers import SAMPLERS
from genmodels.training import exact
from genmodels.training.loop import Training
from genmodels.training.settings import Settings
from tests.pretended_gpu import CUDA, Gpu, WrongDevice, pretended
from tests.test_base import EVERY, EVERY_VALUE, HAVING, PER_EXAMPLE, make

EPOCH, M_STEP = "batches.__call__", "mixture.maximize"
WAITS = {
    EPOCH: "once an epoch the order of its batches is copied, which (seed, epoch) decide alike on every device",
    M_STEP: "at every M step of EM the eigenvalues of full covariances are found, by iterations that may not converge",
    "log.means": "at a logged step the terms since the last one become numbers, all at once",
    "loop._held_out": "at every eighth logged step so do the held-out terms",
    "bijections._ask": "at the first step of a training a flow's ActNorm asks whether it was set before",
    "distributions.assignment": "held out, on the plane, a WGAN's exact distance is an assignment that scipy finds",
}
"""Where a training may wait for the device, and why."""


def few(name: str, n: int = 16) -> Data:
    """A little of a data set; where it would have to be downloaded, noise of its form."""
    info = datasets.DATASETS[name]
    if not info.folder:
        data = datasets.load(name)
        part = lambda split: Split(split.x[:n], split.y[:n])  # noqa: E731
        return replace(data, train=part(data.train), validation=part(data.validation), test=part(data.test))
    rng = random.generator(0)
    noise = Split(
        random.randint(0, info.levels, n, *info.shape, rng=rng).to(torch.uint8),
        random.randint(0, len(info.classes), n, rng=rng),
    )
    return Data(name, info.shape, info.levels, info.classes, noise, noise, noise)


def training_of(model: GenerativeModel, data: Data, device: str = "cuda", **settings: Any) -> Training:
    chosen = {**model.defaults, **settings, "steps": 2000, "batch_size": 4, "ema": 0.9, "clip_norm": 1.0, "warmup": 2}
    return Training(model, data, Settings.of(chosen), device=device)


def trained(gpu: Gpu, training: Training) -> None:
    """Take a step that is logged and one that is not: where everything then is, and what was waited for."""
    for step in (1, 3):
        gpu.waits.clear()
        training.step_ = step - 1
        assert (training.step().terms is not None) == (step == 1)
        allowed = WAITS if step == 1 else {EPOCH, M_STEP}
        assert [wait for wait in gpu.waits if wait.function not in allowed] == []
    held = {**training.model.state_dict(), **dict(training.model.named_buffers()), **(training.ema or {})}
    for player, optimizer in training.optimizers.items():
        for i, slots in optimizer.state_dict()["state"].items():
            held |= {f"{player} {i} {slot}": value for slot, value in slots.items() if slot != "step"}
    assert [name for name, value in held.items() if value.device != CUDA] == []


PRESETS = [
    pytest.param(name, preset, id=f"{name}-{preset.title}") for name in MODELS for preset in MODELS[name].cls.presets
]


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_preset_trains_on_the_gpu(name: str, preset: Preset) -> None:
    data = few(preset.data)
    model = MODELS[name].cls(data.shape, **preset.model)
    with pretended() as gpu:
        trained(gpu, training_of(model, data))


@pytest.mark.parametrize(("name", "data", "arguments"), EVERY_VALUE)
def test_every_declared_value_trains_and_samples_on_the_gpu(name: str, data: str, arguments: dict[str, Any]) -> None:
    try:
        model = make(name, data, **arguments)
    except BadInput:  # not of this kind of data
        return
    with pretended() as gpu:
        trained(gpu, training_of(model, few(data)))
        found = model.eval().sample(2, rng=random.generator(0, "cuda"), **({"steps": 2} if name == "ddpm" else {}))
        assert found.device == CUDA
        assert found.shape == (2, *model.shape)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("data", ["digits", "eight-gaussians"])
def test_every_sampler_on_the_gpu(data: str, sampler: str, spacing: str) -> None:
    model = make("ddpm", data, T=12).eval()
    how = {"sampler": sampler, "spacing": spacing, "steps": 3, "eta": 0.5}
    expected = model.sample(2, rng=random.generator(0), **how)
    with pretended():
        found = model.to("cuda").sample(2, rng=random.generator(0, "cuda"), **how)
        assert found.device == CUDA
        torch.testing.assert_close(found.cpu(), expected)  # of the same noise the same samples


@pytest.mark.parametrize(("name", "data", "what"), HAVING)
def test_likelihoods_on_the_gpu(name: str, data: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, loaded = make(name, data, **({"T": 20} if name == "ddpm" else {})).eval(), few(data)
    with pretended():
        model, x = (
            model.to("cuda"),
            loaded.prepare(loaded.to("cuda").test.x[:3], model.inputs, random.generator(0, "cuda")),
        )
        if what == "log_prob":
            assert model.log_prob(x, **({"steps": 2} if name == "ddpm" else {})).device == CUDA
        else:
            on_gpu = random.generator
            monkeypatch.setattr(random, "generator", lambda seed: on_gpu(seed, "cuda"))
            assert PER_EXAMPLE[what](model, x).device == CUDA


# A training that is interrupted -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "data"), EVERY)
def test_paused_and_resumed_on_the_gpu_is_never_paused(name: str, data: str) -> None:
    """Also where dropout draws, from the GPU's own global stream; and the state lies on the processor."""
    extra = {"dropout": 0.5} if name == "ddpm" else {}
    models, loaded = [make(name, data, **extra) for _ in range(2)], few(data)
    with pretended() as gpu:
        whole, second = (training_of(model, loaded) for model in models)
        whole.step()
        tensors, numbers = exact.state(whole)
        assert {value.device.type for value in tensors.values()} == {"cpu"}
        whole.step()
        gpu.default.manual_seed(5)  # somebody else's
        exact.restore(second, tensors, numbers)
        second.step()
        weights = second.model.state_dict()
        assert all(torch.equal(value, weights[key]) for key, value in whole.model.state_dict().items())


@pytest.mark.parametrize(("first", "second"), [("cpu", "cuda"), ("cuda", "cpu")])
def test_a_training_goes_on_on_another_device(first: str, second: str) -> None:
    models, loaded = [make("gan", "digits") for _ in range(2)], few("digits")
    with pretended():
        before, after = (training_of(m, loaded, device) for m, device in zip(models, (first, second), strict=True))
        before.step()
        exact.restore(after, *exact.state(before))
        after.step()
        assert after.step_ == 2


# The test itself ----------------------------------------------------------------------------------------------------


class Wrong(GenerativeModel):
    """A model whose loss is computed by ``how``."""

    how: Callable[[Tensor], Tensor]

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__(shape)
        self.weight = nn.Parameter(torch.ones(2))

    def loss(self, x: Tensor, y: Tensor | None = None, **_: Any) -> dict[str, Tensor]:
        return {"loss": type(self).how((x * self.weight).square().mean(0))}


@pytest.mark.parametrize(
    ("how", "error"),
    [
        (lambda x: x.sum(), None),
        (lambda x: (x + torch.zeros(2)).sum(), "on the processor"),
        (lambda x: (x * torch.tensor(2.0)).sum(), "on the processor"),
        (lambda x: (x + torch.rand(2, generator=torch.Generator(), device=x.device)).sum(), "a generator of the other"),
        (lambda x: x.sum() * x.detach().sum().item(), "_local_scalar_dense"),
        (lambda x: x.sum() if x.detach().sum() > 0 else -x.sum(), "_local_scalar_dense"),
        (lambda x: x[x.detach() > -1].sum(), "aten.index"),
        (lambda x: x.sum() * len(x.detach().nonzero()), "aten.nonzero"),
        (lambda x: x.sum() + torch.tensor(2.0).to(x.device), "a copy to the GPU"),
        (lambda x: x[[0, 1]].sum(), "a copy to the GPU"),
        (lambda x: x.sum() * x.detach().cpu().numpy().sum(), "a copy to the processor"),
    ],
)
def test_what_is_wrong_is_found(how: Callable[[Tensor], Tensor], error: str | None) -> None:
    model, data = Wrong((2,)), few("eight-gaussians")
    Wrong.how = staticmethod(how)
    with pretended() as gpu:
        training = training_of(model, data)
        if error is None:
            trained(gpu, training)
        else:
            with pytest.raises((WrongDevice, AssertionError), match=error):
                trained(gpu, training)


def test_every_wait_that_is_listed_is_seen() -> None:
    seen, data = set(), few("eight-gaussians")
    mixture = make("mixture", "eight-gaussians", covariance="full", learn="em")
    for model in (make("wgan", "eight-gaussians"), make("flow", "eight-gaussians", actnorm=True), mixture):
        with pretended() as gpu:
            training = training_of(model, data)
            gpu.waits.clear()
            training.step()
            seen |= {wait.function for wait in gpu.waits}
    assert seen == set(WAITS)


@pytest.mark.parametrize(("name", "data"), [("vae", "digits"), ("wgan", "two-moons"), ("ddpm", "two-moons")])
def test_the_numbers_are_those_of_the_processor(name: str, data: str) -> None:
    models, loaded = [make(name, data) for _ in range(2)], few(data)
    in_full = {"precision": "float32"}  # "auto" may mean another number format there
    expected = training_of(models[0], loaded, "cpu", **in_full).step().terms
    with pretended():
        assert training_of(models[1], loaded, **in_full).step().terms == pytest.approx(expected, rel=1e-4, abs=1e-5)

"""Everything that computes, on a GPU that is pretended (:mod:`tests.pretended_gpu`): no tensor is left on the processor,
and no step of a training waits for the device but where it says why."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from genmodels import data as datasets
from genmodels import random
from genmodels.data import Data, Split
from genmodels.errors import BadInput
from genmodels.models import MODELS
from genmodels.models.base import GenerativeModel, Preset
from genmodels.samplers import SAMPLERS, SPACINGS
from genmodels.settings import Settings
from genmodels.train import Training
from tests.pretended_gpu import CUDA, Gpu, WrongDevice, pretended
from tests.test_base import EVERY, EVERY_VALUE, HAVING, PER_EXAMPLE, make

EPOCH = "train.__call__"
WAITS = {
    EPOCH: "once an epoch the order of its batches is copied, which (seed, epoch) decide alike on every device",
    "train.check": "at a logged step the terms since the last one become numbers, all at once",
    "train._held_out": "at every eighth logged step so do the held-out terms",
    "distributions.assignment": "held out, on the plane, a WGAN's exact distance is an assignment that scipy finds",
}
"""Where a training may wait for the device, and why."""

LOGGED = (1, 2)  # of the first three steps


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
    """Take three steps, of which two are logged, and look at where everything is and what was waited for."""
    for step in (1, 2, 3):
        gpu.waits.clear()
        reported = training.step()
        assert (reported.terms is not None) == (step in LOGGED)
        allowed = WAITS if step in LOGGED else {EPOCH}
        assert [wait for wait in gpu.waits if wait.function not in allowed] == []
    held = {**training.model.state_dict(), **dict(training.model.named_buffers()), **(training.ema or {})}
    for player, optimizer in training.optimizers.items():
        for i, slots in optimizer.state_dict()["state"].items():
            held |= {f"{player} {i} {slot}": value for slot, value in slots.items() if slot != "step"}
    assert [name for name, value in held.items() if value.device != CUDA] == []


PRESETS = [pytest.param(name, preset, id=f"{name}-{preset.title}") for name in MODELS for preset in MODELS[name].cls.presets]


@pytest.mark.parametrize(("name", "preset"), PRESETS)
def test_every_preset_trains_on_the_gpu(name: str, preset: Preset) -> None:
    data = few(preset.data)
    with pretended() as gpu:
        trained(gpu, training_of(MODELS[name].cls(data.shape, **preset.model), data))


@pytest.mark.parametrize(("name", "data", "arguments"), EVERY_VALUE)
def test_every_declared_value_trains_and_samples_on_the_gpu(name: str, data: str, arguments: dict[str, Any]) -> None:
    try:
        model = make(name, data, **arguments)
    except BadInput:  # not of this kind of data
        return
    with pretended() as gpu:
        trained(gpu, training_of(model, few(data)))
        found = model.eval().sample(2, rng=random.generator(0, "cuda"))
        assert found.device == CUDA
        assert found.shape == (2, *model.shape)

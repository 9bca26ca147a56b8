"""The number format of the networks: measured, remembered, and kept by what was begun in it."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.models.base import GenerativeModel, build
from genmodels.nn import precision as module
from genmodels.nn.precision import MARGIN, PROBES, explained, gain, layer, measured, precision
from genmodels.runs import store
from genmodels.training import exact
from genmodels.training.loop import Training
from genmodels.training.settings import Settings

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
MODELS = {
    "small matrix product": [("vae", (2,), {"hidden": 128}), ("wgan", (1, 8, 8), {"hidden": 32}), ("ddpm", (2,), {})],
    "large matrix product": [("vae", (1, 28, 28), {}), ("gan", (1, 28, 28), {"network": "mlp"})],
    "small convolution": [("ddpm", (1, 8, 8), {"width": 8, "depth": 1}), ("vae", (1, 8, 8), {"network": "conv"})],
    "large convolution": [("ddpm", (1, 28, 28), {"width": 8, "depth": 1}), ("wgan", (1, 28, 28), {"network": "conv"})],
}


@pytest.fixture(autouse=True)
def afresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing has been measured."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    gain.cache_clear()
    yield
    gain.cache_clear()


def says(monkeypatch: pytest.MonkeyPatch, gains: dict[str, float]) -> list[str]:
    """Let measurements come out so; returns what is measured from now on."""
    asked: list[str] = []

    def measured(kind: str) -> float:
        asked.append(kind)
        return gains[kind]

    monkeypatch.setattr(module, "measured", measured)
    gain.cache_clear()
    return asked


def made(name: str, shape: tuple[int, ...], arguments: dict[str, object]) -> GenerativeModel:
    return build({"model": name, "shape": list(shape), **arguments})


# What is decided ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", PROBES)
def test_each_model_asks_for_the_layers_that_it_has(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for one in MODELS[kind]:
        model = made(*one)
        assert layer(model) == kind
        for faster, dtype in ((kind, torch.bfloat16), (None, torch.float32)):
            module._file().unlink(missing_ok=True)
            asked = says(monkeypatch, {other: 2.0 if other == faster else 0.5 for other in PROBES})
            assert precision("auto", model, CPU) == dtype
            assert asked == [kind]
            assert str(dtype).removeprefix("torch.") in explained(model, CPU)
            assert kind in explained(model, CPU)


def test_a_little_faster_is_not_worth_the_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, dict.fromkeys(PROBES, MARGIN - 0.01))
    assert precision("auto", made("vae", (1, 28, 28), {}), CPU) == torch.float32


def test_what_is_asked_for_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, model = says(monkeypatch, {}), made("vae", (1, 28, 28), {})
    assert precision("float32", model, CPU) == torch.float32
    assert precision("bfloat16", made("vae", (2,), {}), CPU) == torch.bfloat16
    assert precision("auto", model, CUDA) == torch.bfloat16
    assert precision("auto", made("vae", (1, 8, 8), {"hidden": 128}), CUDA) == torch.float32
    assert precision("auto", torch.nn.ReLU(), CPU) == torch.float32  # it has no such layers
    assert not asked


# How it is measured ---------------------------------------------------------------------------------------------------


def clock(slow: list[float], fast: list[float]) -> Iterator[float]:
    """The times that a clock shows round the layers, when float32 takes ``slow`` and bfloat16 ``fast``."""
    now = 0.0
    for step in itertools.chain.from_iterable(zip(slow, fast, strict=True)):
        yield now
        now += step
        yield now


@pytest.mark.parametrize(
    ("slow", "fast", "expected"),
    [
        ([9, 2, 2, 2, 2, 2], [9, 1, 1, 1, 1, 1], 2.0),  # the first round is not counted
        ([9, 1, 1, 1, 1, 1], [1, 2, 2, 2, 2, 2], 0.5),
        ([9, 1, 9, 9, 9, 1], [9, 1, 1, 1, 1, 1], 1.0),  # float32 was disturbed
        ([9, 1, 1, 1, 1, 1], [9, 0.1, 1, 1, 1, 1], 1.0),  # one lucky round
        ([0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0], 0.0),  # a clock that cannot tell
    ],
)
def test_chance_does_not_decide(slow: list[float], fast: list[float], expected: float) -> None:
    times = clock(slow, fast)
    assert measured("small matrix product", lambda: next(times)) == pytest.approx(expected)


@pytest.mark.parametrize("kind", PROBES)
def test_a_measurement_leaves_no_trace(kind: str) -> None:
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    with torch.no_grad():
        assert 0 < measured(kind) < 100
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == 1


# What is remembered ---------------------------------------------------------------------------------------------------


def test_it_is_measured_once_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = says(monkeypatch, {"large convolution": 1.5, "small convolution": 0.5})
    assert [gain("large convolution") for _ in range(3)] == [1.5] * 3
    gain.cache_clear()  # another process
    assert gain("large convolution") == 1.5
    assert gain("small convolution") == 0.5
    assert asked == ["large convolution", "small convolution"]
    for name in ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"):
        monkeypatch.setenv(name, "something")
        gain.cache_clear()
        gain("large convolution")
    gain.cache_clear()
    monkeypatch.setattr(module, "processor", lambda: "another")
    gain("large convolution")
    assert len(asked) == 5
    assert list(module._file().parent.iterdir()) == [module._file()]  # nothing half written


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"HERE": 3}', '{"HERE": {"large convolution": X}}'])
@pytest.mark.parametrize("value", ["NaN", "-1.0", "1e9", '"2"', "true", "null", "[2.0]"])
def test_a_file_that_is_not_ours_is_not_believed(content: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = says(monkeypatch, {"large convolution": 1.25})
    module._file().parent.mkdir(parents=True)
    module._file().write_text(content.replace('"HERE"', json.dumps(module.machine())).replace("X", value))
    assert gain("large convolution") == 1.25
    assert asked == ["large convolution"]
    assert json.loads(module._file().read_text())[module.machine()] == {"large convolution": 1.25}


def test_without_a_place_to_write_it_is_measured_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    asked = says(monkeypatch, {"large convolution": 1.25})
    for _ in range(2):
        gain.cache_clear()
        assert gain("large convolution") == 1.25
    assert len(asked) == 2


# What was begun goes on -----------------------------------------------------------------------------------------------


def training(digits: Data) -> Training:
    torch.manual_seed(0)
    model = made("vae", digits.shape, {"hidden": 32})
    return Training(model, digits, Settings(steps=8, batch_size=32))


@pytest.mark.parametrize(("then", "now"), [(2.0, 0.5), (0.5, 2.0)])
def test_a_resumed_training_keeps_its_precision(
    digits: Data, then: float, now: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, dict.fromkeys(PROBES, then))
    whole, first = training(digits), training(digits)
    for one, steps in ((whole, 8), (first, 4)):
        for _ in range(steps):
            one.step()
    module._file().unlink()
    says(monkeypatch, dict.fromkeys(PROBES, now))
    second = training(digits)
    assert second.precision != first.precision
    exact.restore(second, *exact.state(first))
    assert second.precision == first.precision
    for _ in range(4):
        second.step()
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), second.model.parameters(), strict=True))


@pytest.mark.parametrize("fast", [True, False])
def test_a_state_that_does_not_say_it_goes_on_by_the_rule_of_its_time(
    digits: Data, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, dict.fromkeys(PROBES, 2.0))
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: fast, raising=False)
    one = training(digits)
    tensors, numbers = exact.state(one)
    del numbers["precision"]
    exact.restore(one, tensors, numbers)
    assert one.precision == "float32"  # of images of 8×8, on every processor
    large = made("vae", (1, 28, 28), {"hidden": 32})
    assert module.unrecorded("auto", large, CPU) == (torch.bfloat16 if fast else torch.float32)
    assert module.unrecorded("float32", large, CPU) == torch.float32
    assert module.unrecorded("bfloat16", large, CPU) == torch.bfloat16


# Samples --------------------------------------------------------------------------------------------------------------


def dtypes_while_sampling(model: GenerativeModel, **how: object) -> set[torch.dtype]:
    """In which formats the network's convolutions answer."""
    found: set[torch.dtype] = set()
    hooks = [
        part.register_forward_hook(lambda _, __, out: found.add(out.dtype))
        for part in model.modules()
        if isinstance(part, torch.nn.Conv2d)
    ]
    x = model.sample(2, rng=random.generator(0), steps=2, **how)
    for hook in hooks:
        hook.remove()
    assert x.dtype == torch.float32
    assert x.isfinite().all()
    return found


@pytest.mark.parametrize(("faster", "dtype"), [(2.0, torch.bfloat16), (0.5, torch.float32)])
def test_samples_are_drawn_in_the_faster_format(
    faster: float, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, dict.fromkeys(PROBES, faster))
    model = made("ddpm", (1, 8, 8), {"width": 8, "depth": 1}).eval()
    assert dtypes_while_sampling(model) == {dtype}
    assert dtypes_while_sampling(model, sampler="heun") == {torch.float32}  # it solves an equation
    model.precision = "float32"
    assert dtypes_while_sampling(model) == {torch.float32}


def test_a_run_samples_as_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, dict.fromkeys(PROBES, 0.5))
    arguments = {"width": 8, "depth": 1}
    run = store.create("ddpm", "digits", arguments=arguments, settings={"steps": 2, "precision": "bfloat16"})
    made("ddpm", (1, 8, 8), arguments).save(run.path)
    assert dtypes_while_sampling(run.model()) == {torch.bfloat16}

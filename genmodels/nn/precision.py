"""bfloat16 or float32: the number format in which the networks of a model are faster on this machine, by measurement.

No list of processors says it. With the same instructions one processor is twice as fast in bfloat16 and another 1.4
times slower, and small networks lose to the conversions what their products gain. So layers of the model's kind and
size are trained a few times in both formats, by turns, in processor time; the answer is kept for the next process.
"""

import functools
import math
import os
import platform
import statistics
import time
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genmodels.errors import BadInput
from genmodels.files import cache, read_json, write_json
from genmodels.nn.layers import GroupNorm

__all__ = ["explained", "gain", "layer", "networks_in", "precision", "processor", "unrecorded"]

MARGIN = 1.15  # times as fast, before bfloat16 is worth its rounding
ROUNDS = 6  # of both formats by turns; the first of them finds and compiles the kernels

WIDE = 256  # units: the geometric mean of the inputs and outputs of a layer, beyond which a perceptron is large
LARGE = 15 * 15  # pixels of an image beyond which convolutions are


def _linear(width: int) -> tuple[nn.Module, Tensor]:
    two = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
    return two, torch.randn(128, width)


def _convolution(channels: int, side: int, batch: int) -> tuple[nn.Module, Tensor]:
    block = nn.Sequential(GroupNorm(2, channels), nn.SiLU(), nn.Conv2d(channels, channels, 3, padding=1))
    x = torch.randn(batch, channels, side, side)
    return block.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)


PROBES: dict[str, Callable[[], tuple[nn.Module, Tensor]]] = {
    "small matrix product": lambda: _linear(128),
    "large matrix product": lambda: _linear(512),
    "small convolution": lambda: _convolution(16, 8, 32),
    "large convolution": lambda: _convolution(64, 14, 8),
}
"""What is measured: layers with what stands between them in our networks, and a batch for them."""


def precision(wanted: str, model: nn.Module, device: torch.device) -> torch.dtype:
    """The number format of the networks of ``model``: as ``wanted``, or for "auto" the faster one on ``device``.

    On a GPU that is bfloat16 for large networks; on a processor :func:`gain` of the model's kind of layer decides.
    """
    if wanted != "auto":
        return torch.bfloat16 if wanted == "bfloat16" else torch.float32
    kind = layer(model)
    if kind is None:
        return torch.float32
    fast = kind.startswith("large") if device.type == "cuda" else gain(kind) >= MARGIN
    return torch.bfloat16 if fast else torch.float32


def networks_in(dtype: torch.dtype, device: torch.device) -> AbstractContextManager[Any]:
    """Within it networks compute in ``dtype``, their weights staying as they are."""
    return torch.autocast(device.type, dtype) if dtype != torch.float32 else nullcontext()


def layer(model: nn.Module) -> str | None:
    """The one of PROBES that stands for most of the work of ``model``; None where it has no such layers."""
    if any(isinstance(part, nn.Conv2d | nn.ConvTranspose2d) for part in model.modules()):
        height, width = getattr(model, "shape", (1, 28, 28))[-2:]
        return f"{'large' if height * width > LARGE else 'small'} convolution"
    sizes = [part.in_features * part.out_features for part in model.modules() if isinstance(part, nn.Linear)]
    return f"{'large' if max(sizes) > WIDE**2 else 'small'} matrix product" if sizes else None


def unrecorded(wanted: str, model: nn.Module, device: torch.device) -> torch.dtype:
    """The meaning of "auto" in a training whose saved state does not tell: it goes on as it began."""
    pixels = math.prod(getattr(model, "shape", ()))
    fast = device.type == "cuda" or getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()
    return precision(
        wanted if wanted != "auto" else ("bfloat16" if fast and pixels >= 784 else "float32"), model, device
    )


def explained(model: nn.Module, device: torch.device) -> str:
    """Why "auto" is what it is for ``model``, in words."""
    kind = layer(model)
    name = str(precision("auto", model, device)).removeprefix("torch.")
    if kind is None or device.type == "cuda":
        return f"{name}: on {device.type}, a network of {'no' if kind is None else kind} layers"
    return f"{name}: a {kind} in bfloat16 is {gain(kind):.2f} × as fast here as in float32, {MARGIN} × is asked for"


# Measuring ------------------------------------------------------------------------------------------------------------


@functools.cache
def gain(kind: str) -> float:
    """How many times as fast bfloat16 is as float32 here, forward and backward through the layer ``kind`` of PROBES.

    Measured once a machine: the answer stands in a file of the user's cache folder, under everything that it hangs on.
    """
    known = _read()
    here = known.setdefault(machine(), {})
    if kind not in here:
        here[kind] = measured(kind)
        with suppress(OSError, RuntimeError):  # nowhere to keep it: each process measures
            write_json(_file(), known, durable=False)
    return here[kind]


def measured(kind: str, clock: Callable[[], float] = time.thread_time) -> float:
    """:func:`gain` as it is now, on one thread, in processor time: what else runs here slows both formats alike.

    The lesser of the median of the rounds' ratios and the ratio of the fastest: chance would have to help both.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
            network, x = PROBES[kind]()
            x.requires_grad_()  # as a layer between others
            spent: dict[bool, list[float]] = {False: [], True: []}
            for _ in range(ROUNDS):
                for wide in spent:
                    start = clock()
                    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=wide):
                        y = network(x)
                    y.float().square().mean().backward()
                    spent[wide].append(clock() - start)
                    network.zero_grad()
                    x.grad = None
    finally:
        torch.set_num_threads(threads)
    slow, fast = (spent[wide][1:] for wide in (False, True))
    if min(fast) <= 0:  # a clock too coarse for a layer
        return 0.0
    return min(statistics.median(a / b for a, b in zip(slow, fast, strict=True)), min(slow) / min(fast))


def machine() -> str:
    """The machine that a gain holds for: processor and instructions, PyTorch, variables that change its kernels."""
    limits = (f"{name}={os.environ.get(name, '')}" for name in ("ONEDNN_MAX_CPU_ISA", "ATEN_CPU_CAPABILITY"))
    return ", ".join([processor(), f"torch {torch.__version__}", torch.backends.cpu.get_cpu_capability(), *limits])


@functools.cache
def processor() -> str:
    """The processor: its name, and a check sum of the instructions that it has (a virtual one may hide some)."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    said = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    flags = said.get("flags") or said.get("Features") or ""
    return f"{said.get('model name') or platform.machine()} {zlib.crc32(flags.encode()):08x}"


# What was measured before ---------------------------------------------------------------------------------------------


def _file() -> Path:
    return cache() / "precision.json"


def _read() -> dict[str, dict[str, float]]:
    """The gains measured before, from their file; entries unlike those that :func:`gain` writes are left out."""
    try:
        known = read_json(_file())
    except (BadInput, OSError, RuntimeError):
        return {}
    tables = known.items() if isinstance(known, dict) else ()
    return {where: {k: v for k, v in said.items() if _sound(k, v)} for where, said in tables if isinstance(said, dict)}


def _sound(kind: str, value: object) -> bool:
    return kind in PROBES and type(value) is float and math.isfinite(value) and 0 <= value < 100

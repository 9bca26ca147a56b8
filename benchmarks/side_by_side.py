"""Candidates take turns in slices within one process: what disturbs one disturbs all, and ratios stand."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from genmodels.nn.precision import explained, gain, layer, precision, processor

__all__ = [
    "Result",
    "chosen",
    "flops",
    "formats",
    "fraction",
    "matmul_peak",
    "peaks",
    "side_by_side",
    "spared",
    "table",
]

PRODUCTS = ("mm", "addmm", "bmm", "baddbmm", "mkldnn_convolution", "_convolution", "convolution_backward")
"""PyTorch's names of matrix products and convolutions on a processor; the transposed one is ``_convolution``."""

SLOW = 0.4  # times as fast in bfloat16 as in float32: a processor that has no instructions for it


@dataclass(frozen=True)
class Result:
    """What a candidate did: images a second of processor (or, on a GPU, of wall-clock) time, a number a round."""

    name: str
    rates: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Median images a second."""
        return statistics.median(self.rates)

    def over(self, other: "Result") -> float:
        """How many times faster than ``other``: the median of the ratios round by round."""
        return statistics.median(a / b for a, b in zip(self.rates, other.rates, strict=True))


def side_by_side(
    candidates: dict[str, Callable[[], Iterator[int]]], *, rounds: int = 8, slice_s: float = 0.6, warm: int = 0
) -> dict[str, Result]:
    """Let each candidate run for about ``slice_s`` seconds a round, in turn; the first round is a warm-up.

    With ``warm`` each is first trained on that many images. Each slice begins with the processor as a new process has
    it; a candidate that flushes denormal numbers does so itself.
    """
    clock = time.perf_counter if torch.cuda.is_available() else time.process_time
    running = {name: start() for name, start in candidates.items()}
    for steps in running.values():
        torch.set_flush_denormal(False)
        seen = 0
        while seen < warm:
            seen += next(steps)
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds + 1):
        for name, steps in running.items():
            torch.set_flush_denormal(False)
            images, start = 0, clock()
            while clock() - start < slice_s:
                images += next(steps)
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            rates[name].append(images / (clock() - start))
    return {name: Result(name, tuple(found[1:])) for name, found in rates.items()}


def matmul_peak(dtype: torch.dtype, device: str = "cpu", n: int = 1024, seconds: float = 0.5) -> float:
    """The rate of an n × n matrix product, FLOP a second, by the clock of the candidates: what no loop can pass."""
    clock = time.perf_counter if device != "cpu" else time.process_time
    a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
    best = 0.0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = clock()
        for _ in range(4):
            a @ b
        if device != "cpu":
            torch.cuda.synchronize()
        best = max(best, 4 * 2 * n**3 / (clock() - start))
    return best


def peaks(device: str = "cpu") -> dict[str, float]:
    """The rate of a large matrix product in each number format, FLOP a second; printed too."""
    found = {name: matmul_peak(getattr(torch, name), device) for name in ("float32", "bfloat16")}
    print("the matrix product's peak:", ", ".join(f"{name} {rate / 1e9:,.0f} GFLOP/s" for name, rate in found.items()))
    return found


def chosen(model: nn.Module, device: str = "cpu") -> str:
    """The number format that "auto" takes for ``model``; prints which kind of machine this is, and why."""
    print(f"{processor()}, {torch.backends.cpu.get_cpu_capability()}; {explained(model, torch.device(device))}")
    return str(precision("auto", model, torch.device(device))).removeprefix("torch.")


def formats(model: nn.Module, device: str = "cpu") -> list[str]:
    """The number formats in which ``model`` is timed: bfloat16 only where that would not take minutes a slice."""
    kind = layer(model)
    slow = device == "cpu" and kind is not None and gain(kind) < SLOW
    return ["float32"] if slow else ["float32", "bfloat16"]


class Counter(TorchDispatchMode):
    """Adds up what PyTorch's table says of each operation; PyTorch's own counter refuses a gradient of a gradient."""

    total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do it, and count."""
        out = func(*args, **(kwargs or {}))
        if (rule := flop_registry.get(func.overloadpacket)) is not None:
            self.total += rule(*args, **(kwargs or {}), out_val=out)
        return out


def flops(step: Callable[[], object]) -> int:
    """Floating-point operations of one training step, as PyTorch counts its products and convolutions.

    Of the third: after the first two the held-out set may be measured too.
    """
    for _ in range(2):
        step()
    with Counter() as counter:
        step()
    return counter.total


def spared(step: Callable[[], object], least: float = 0.7, n: int = 10) -> list[str]:
    """What part of ``n`` steps on a processor is matrix products and convolutions: printed, and what does not hold.

    For where two loops of one network multiply in the same number format: only the rest can one of them save. By
    PyTorch's profiler, which takes time of its own for each operation: the products' part is no less than what it says.
    """
    for _ in range(3):
        step()
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        for _ in range(n):
            step()
    spent = {event.key.removeprefix("aten::"): event.self_cpu_time_total for event in seen.key_averages()}
    part = sum(spent.get(name, 0.0) for name in PRODUCTS) / sum(spent.values())
    print(f"{part:.0%} of a step are products: whatever is saved of the rest, it is at most {1 / part:.2f} × as fast")
    return [f"products are only {part:.0%} of a step, not {least:.0%}"] if part < least else []


def fraction(result: Result, per_image: float, peak: float) -> str:
    """What part of the matrix product's peak a candidate reached, in words."""
    return f"{result.name}: {result.rate * per_image / peak:.1%} of the matrix product's {peak / 1e9:,.0f} GFLOP/s"


def table(results: dict[str, Result], baseline: str) -> str:
    """A line a candidate: images a second (median, least, most) and the ratio to ``baseline``."""
    lines = [f"{'':38s} {'img/s':>10s} {'least':>10s} {'most':>10s} {'ratio':>7s}"]
    for name, result in results.items():
        ratio = result.over(results[baseline])
        low, high = min(result.rates), max(result.rates)
        lines.append(f"{name:38s} {result.rate:10,.0f} {low:10,.0f} {high:10,.0f} {ratio:7.2f}")
    return "\n".join(lines)

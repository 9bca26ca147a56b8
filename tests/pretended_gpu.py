"""A GPU where there is none: tensors that say they are on "cuda", with their numbers on the processor.

Every operation of the library is seen here before it is done. Two devices in one operation are an error, as on a GPU
(stricter: a GPU also takes scalars from the processor), so is a generator of the other device; whatever makes the
processor wait for the GPU, or copies from one to the other, is written down with the line of the library that asked
for it. The numbers are real: what is decided by them is decided as it would be, and they can be compared.

torch believes that it needs no CUDA while a FakeTensorMode is there; it sees no operation, because this mode lies
above it and answers all of them.
"""

import traceback
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

import genmodels
from genmodels import random

__all__ = ["CUDA", "Gpu", "Wait", "WrongDevice", "pretended"]

CUDA = torch.device("cuda:0")
LIBRARY = Path(genmodels.__file__).parent

aten = torch.ops.aten
COPIES = {aten._to_copy, aten.copy_, aten.copy}
WAITS = {
    aten._local_scalar_dense,  # .item(), float(), bool()
    aten.nonzero,
    aten.masked_select,
    aten.bincount,
    aten.equal,
    aten._unique2,
    aten.unique_dim,
    aten.unique_consecutive,
    aten.linalg_eigh,
    aten._linalg_eigh,
    aten._linalg_det,
    aten.multinomial,
}
HALVED = {F.linear, F.conv2d, F.conv_transpose2d, torch.matmul, torch.bmm, Tensor.matmul, Tensor.__matmul__}
INDEXED = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}


class WrongDevice(AssertionError):
    """Something is on the processor that should be on the GPU, or the other way round."""


@dataclass(frozen=True)
class Wait:
    """The processor waits for the GPU, or something is copied between them: the operation, and who asked for it."""

    what: str
    function: str
    line: str


class OnGpu(Tensor):
    """A tensor on the pretended GPU; its numbers are ``here``.

    To torch's own C++ it is on "meta", where nothing is computed and autograd needs no driver; autocast knows it for
    one of "cuda", and so does Python.
    """

    here: Tensor
    device = CUDA
    is_cuda, is_cpu, is_meta = True, False, False

    @staticmethod
    def __new__(cls, here: Tensor) -> Self:
        shell = torch.empty_strided(here.shape, here.stride(), dtype=here.dtype, device="meta")
        return Tensor._make_subclass(cls, shell, False, device_for_backend_keys=CUDA)

    def __init__(self, here: Tensor) -> None:
        self.here = here

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        return f"OnGpu({self.here!r})"

    def __tensor_flatten__(self) -> tuple[list[str], None]:  # so that a module's .to() makes its parameters such
        return ["here"], None

    @staticmethod
    def __tensor_unflatten__(inner: dict[str, Tensor], *_: Any) -> "OnGpu":
        return OnGpu(inner["here"])

    def __getitem__(self, key: Any) -> Tensor:
        """A list of places is made a tensor on the processor first, and copied."""
        keys = key if isinstance(key, tuple) else (key,)
        keys = tuple(torch.as_tensor(one) if isinstance(one, list | np.ndarray) else one for one in keys)
        return super().__getitem__(keys if isinstance(key, tuple) else keys[0])

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def numpy(self, **_: Any) -> Any:
        raise WrongDevice("can't convert a tensor on the GPU to numpy")

    def __array__(self, *_: Any, **__: Any) -> Any:
        return self.numpy()

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Autocast: what C++ would do for a tensor that it knows to be on "cuda", of the operations that matter."""
        if func in HALVED and torch.is_autocast_enabled("cuda"):
            half = torch.get_autocast_dtype("cuda")
            args = tuple(one.to(half) if isinstance(one, OnGpu) else one for one in args)
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **kwargs or {})

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError(f"{func} of a tensor on the pretended GPU, outside of it")


class GpuGenerator(random.Rows):
    """A generator that says it is on the GPU: the numbers are those of the processor's, the form of its state not."""

    device = CUDA

    def get_state(self) -> Tensor:
        return torch.cat([super().get_state(), torch.zeros(1, dtype=torch.uint8)])

    def set_state(self, state: Tensor) -> Self:
        if state.numel() != self.get_state().numel():
            raise RuntimeError("RNG state is wrong size")
        super().set_state(state[:-1].clone())
        return self


class Gpu(TorchDispatchMode):
    """The pretended GPU: does every operation, and keeps the list of ``waits``.

    Attributes:
        waits: Every wait and every copy that the library asked for, in order.
        default: The GPU's global generator, of which dropout draws.
        generators: Those that are on the GPU, by what torch's C++ knows them by.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[Wait] = []
        self.generators: dict[int, torch.Generator] = {}
        self.default = self.generator(0)

    def generator(self, seed: int) -> GpuGenerator:
        """A generator on the GPU."""
        rng = GpuGenerator()
        self.generators[rng._cdata] = rng
        return rng.manual_seed(seed)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        with _disable_current_modes():
            leaves = [*_flat(args), *_flat(kwargs.values())]
            there = [one for one in leaves if isinstance(one, OnGpu)]
            is_gpu = self._check(func, args, kwargs, leaves, there)
            if there and _waits(func.overloadpacket, args, kwargs):
                self._wait(str(func.overloadpacket))
            known = {id(one.here): one for one in there}  # an operation in place gives back what it was given
            args, kwargs = _here(args), {name: _here(value) for name, value in kwargs.items()}
            if "device" in kwargs:
                kwargs["device"] = torch.device("cpu")
            found = self._done(func, args, kwargs, leaves, is_gpu)
            return _there(found, known) if is_gpu else found

    def _check(self, func: Any, args: Any, kwargs: dict[str, Any], leaves: list[Any], there: list[OnGpu]) -> bool:
        """Whether the result will be on the GPU; of two devices in one operation, an error."""
        tensors = [one for one in leaves if isinstance(one, Tensor)]
        packet, target = func.overloadpacket, kwargs.get("device")
        is_gpu = bool(there) if target is None else target.type != "cpu"  # C++ copies "meta" from a tensor here
        if packet is aten.copy_:
            is_gpu = isinstance(args[0], OnGpu)
        if packet in INDEXED and isinstance(args[0], OnGpu):  # the places may come from the processor
            places = [one for one in args[1] if one is not None]
            tensors = [one for one in tensors if not any(one is place for place in places)]
            if any(not isinstance(place, OnGpu) for place in places):
                self._wait("a copy to the GPU")
        mixed = any(isinstance(one, OnGpu) != is_gpu for one in tensors)
        if mixed and packet in COPIES:
            self._wait(f"a copy to the {'GPU' if is_gpu else 'processor'}")
        elif mixed and there:
            shapes = [tuple(one.shape) for one in tensors if not isinstance(one, OnGpu)]
            raise WrongDevice(f"{func} of tensors on the GPU and, of shape {shapes}, on the processor")
        for rng in leaves:
            if isinstance(rng, torch.Generator) and (rng._cdata in self.generators) != is_gpu:
                raise WrongDevice(f"{func} on the {'GPU' if is_gpu else 'processor'} with a generator of the other")
        return is_gpu

    def _done(self, func: Any, args: Any, kwargs: dict[str, Any], leaves: list[Any], is_gpu: bool) -> Any:
        """The result, on the processor; noise from no generator is from the global one of the device."""
        if not is_gpu or torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **kwargs)
        if any(isinstance(one, torch.Generator) for one in leaves):
            return func(*args, **kwargs)
        outside = torch.get_rng_state()
        torch.set_rng_state(torch.Generator.get_state(self.default))
        try:
            return func(*args, **kwargs)
        finally:
            torch.Generator.set_state(self.default, torch.get_rng_state())
            torch.set_rng_state(outside)

    def _wait(self, what: str) -> None:
        stack = [one for one in traceback.extract_stack() if Path(one.filename).is_relative_to(LIBRARY)]
        if frames := [one for one in stack if not one.name.startswith("<")]:
            last = frames[-1]
            self.waits.append(Wait(what, f"{Path(last.filename).stem}.{last.name}", last.line or ""))


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for one in values:
        if isinstance(one, list | tuple):
            yield from one
        else:
            yield one


def _here(one: Any) -> Any:
    if isinstance(one, OnGpu):
        return one.here
    return [_here(each) for each in one] if isinstance(one, list | tuple) else one


def _there(one: Any, known: dict[int, OnGpu]) -> Any:
    if isinstance(one, Tensor):
        return known[id(one)] if id(one) in known else OnGpu(one)
    return type(one)(_there(each, known) for each in one) if type(one) in (list, tuple) else one


def _waits(packet: Any, args: Any, kwargs: dict[str, Any]) -> bool:
    """Whether the size or the value of what an operation gives is needed on the processor."""
    if packet in INDEXED:
        return any(one is not None and one.dtype in (torch.bool, torch.uint8) for one in args[1])
    if packet is aten.repeat_interleave:  # a tensor says how often
        return kwargs.get("output_size") is None
    return packet in WAITS


@contextmanager
def pretended() -> Iterator[Gpu]:
    """Within it there is a GPU "cuda"."""
    gpu = Gpu()

    def generator(seed: int, device: torch.device | str = "cpu", *, rank: int = 0, world: int = 1) -> torch.Generator:
        if torch.device(device).type != "cuda":
            return real(seed, device, rank=rank, world=world)
        rng = gpu.generator(seed)
        rng.rank, rng.world = rank, world
        return rng

    real = random.generator
    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        patch.setattr("torch.cuda.is_available", lambda: False)  # also where there is one
        stack.enter_context(FakeTensorMode())
        patch.setattr(random, "generator", generator)
        patch.setattr("torch.cuda.is_available", lambda: True)
        patch.setattr("torch.cuda.default_generators", (gpu.default,))
        patch.setattr("torch.cuda.synchronize", lambda: None)
        patch.setattr("torch.cuda.is_current_stream_capturing", lambda: False)  # asked of the driver by older versions
        patch.setattr("torch.cuda.is_bf16_supported", lambda: True)
        patch.setattr("torch.nn.utils.clip_grad._device_has_foreach_support", lambda _: True)
        patch.setattr("torch.cuda.amp.common.amp_definitely_not_available", lambda: False)
        with torch.autograd.set_multithreading_enabled(False), gpu:
            yield gpu

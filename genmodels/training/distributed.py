"""One training in several processes, as torchrun starts them: which one this is, and how they agree."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from genmodels.errors import BadInput

__all__ = ["Processes", "device", "in_step", "joined", "mean_over"]


@dataclass(frozen=True)
class Processes:
    """Process ``rank`` of ``world``; ``local_rank`` counts those of this machine."""

    rank: int = 0
    world: int = 1
    local_rank: int = 0

    def decide(self, make: Callable[[], str]) -> str:
        """Return ``make()`` of process 0 in all processes; what it raises there, all raise.

        Raises:
            BadInput: If process 0 does.
        """
        if self.world == 1:
            return make()
        answer: list[Any] = [None, None]
        if self.rank == 0:
            try:
                answer[0] = make()
            except BadInput as error:
                answer[1] = str(error)
        dist.broadcast_object_list(answer, device=torch.device("cpu"))
        if answer[1] is not None:
            raise BadInput(answer[1])
        return answer[0]

    def any(self, flag: bool) -> bool:
        """Whether ``flag`` is set in any of them; all must ask at the same step."""
        if self.world == 1:
            return flag
        flags = torch.tensor(float(flag))
        dist.all_reduce(flags, dist.ReduceOp.MAX)
        return bool(flags)

    def place(self, name: str) -> str:
        """The device of this process for "auto", "cpu" or "cuda": each has a GPU of its own.

        Raises:
            BadInput: If there is no such device.
        """
        name = device(name)
        return f"cuda:{self.local_rank % torch.cuda.device_count()}" if name == "cuda" and self.world > 1 else name


def device(name: str) -> str:
    """The device meant: "auto" is the GPU where there is one.

    Raises:
        BadInput: If there is no such device.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise BadInput("device = cuda, but torch finds no GPU here: use cpu or auto.")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


@contextmanager
def joined() -> Iterator[Processes]:
    """The processes that torchrun started, or this one alone."""
    world = int(os.environ.get("WORLD_SIZE", 1))
    if world == 1:
        yield Processes()
        return
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    try:
        local = int(os.environ.get("LOCAL_RANK", 0))
        if torch.cuda.is_available():
            torch.cuda.set_device(local % torch.cuda.device_count())
        yield Processes(dist.get_rank(), world, local)
    finally:
        dist.destroy_process_group()


def in_step(model: nn.Module, world: int, *, takes_turns: bool) -> nn.Module:
    """``model`` with gradients that are means over the processes, where there are several; in turns, some have none."""
    return DistributedDataParallel(model, find_unused_parameters=takes_turns) if world > 1 else model


def mean_over(values: Tensor, world: int) -> Tensor:
    """The mean of ``values`` over the processes; all must ask at the same step."""
    if world > 1:
        dist.all_reduce(values)
        values /= world
    return values

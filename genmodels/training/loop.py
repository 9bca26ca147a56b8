"""fit(): the one training loop, a generator of steps. It reports and never draws.

Command line, worker, page and test consume the same generator; pausing is not asking for the next step, and saving
its state (:mod:`genmodels.training.exact`) is saving the training: resumed is bit for bit never interrupted.
"""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.models.base import GenerativeModel, only
from genmodels.nn.precision import networks_in, precision
from genmodels.training import log
from genmodels.training.average import average_
from genmodels.training.batches import Batches, check_rows, shares_of
from genmodels.training.distributed import in_step
from genmodels.training.settings import Settings, schedule

__all__ = ["Step", "Training", "fit"]

torch.set_flush_denormal(True)  # of this thread, and of those that it begins: see Training.step


@dataclass(frozen=True)
class Step:
    """A report of fit(): how far the training is, and at logged steps every term as a number."""

    step: int
    total: int
    epoch: float
    images: int
    seconds: float
    terms: dict[str, float] | None = None


def fit(training: "Training") -> Iterator[Step]:
    """Train to the end of the budget, yielding after every step. Stopping is not asking for the next one."""
    while training.step_ < training.total:
        yield training.step()


class Training:
    """Everything that changes while a model learns.

    Args:
        model: The model; it is moved to ``device``.
        data: The data set; it becomes resident on ``device``.
        settings: How to train.
        device: Where.
        rank: Which of ``world`` processes this is (see :mod:`torch.distributed`); each takes its rows of the batch.
        world: How many processes train this model together.
    """

    def __init__(
        self,
        model: GenerativeModel,
        data: Data,
        settings: Settings,
        *,
        device: torch.device | str = "cpu",
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if tuple(model.shape) != tuple(data.shape):
            raise BadInput(
                f"The model is for data of shape {tuple(model.shape)}, but {data.name} has {tuple(data.shape)}."
            )
        model.check_levels(data.shades)
        self.model, self.data, self.settings = model.to(device).train(), data.to(device), settings
        model.label_shares, model.grey_levels = shares_of(model, data), data.shades or model.grey_levels
        self.device, self.rank, self.world = torch.empty(0, device=device).device, rank, world  # "cuda" is "cuda:0"
        self.rng = random.generator(settings.seed, self.device, rank=rank, world=world)
        self.turns = model.turns()
        self.learn_from(len(data.train))
        self.lr = settings.lr  # may be changed while running
        self.closely = False  # log every step: somebody is watching them one by one
        self.optimizers = {name: model.optimizer(name, settings.lr) for name in model.players()}
        self.ema = {k: v.detach().clone() for k, v in model.state_dict().items()} if settings.ema else None
        self.step_, self.seconds = 0, 0.0
        self.pending: list[log.Terms] = []  # since the last log
        self.dropout = random.GlobalStream(settings.seed + rank, self.device)
        self._drops = any(isinstance(m, nn.modules.dropout._DropoutNd) and m.p > 0 for m in model.modules())
        self.dtype = precision(settings.precision, model, self.device)  # of the networks
        if settings.compile:
            for network in model.children():
                network.compile()
        self._loss = in_step(model, world, takes_turns=len(self.optimizers) > 1)

    def learn_from(self, n: int) -> None:
        """The first ``n`` training examples are all that it sees: their order, and how many steps that makes."""
        self.batches = Batches(n, self.settings.batch_size, self.settings.seed, self.device)
        if self.batches.size % self.world:
            raise BadInput(
                f"Batches of {self.batches.size:,} examples cannot be shared by {self.world} processes: choose a "
                f"batch_size that is a multiple of {self.world}, and at most {n:,}."
            )
        check_rows(self.model, self.batches.size // self.world)
        self.total = self.settings.steps or math.ceil(self.settings.epochs * self.batches.per_epoch / len(self.turns))
        self.log_every = max(1, self.total // log.LOGGED)

    # One step -----------------------------------------------------------------------------------------------------

    def step(self) -> Step:
        """Take one training step: every turn of the model, once.

        Numbers too small for a float's exponent are flushed to 0. Adam's moments of weights that learn no more decay
        into that range within a thousand steps and stay, and a processor takes many times longer to multiply them:
        without this every step of a VAE on MNIST from there on takes 2.5 times as long.
        """
        torch.set_flush_denormal(True)
        start = time.perf_counter()
        self.model.progress(self.step_ / self.total)
        terms: log.Terms = {}
        if self.world > 1:  # of each process it begins anew at every step: process 0 alone is saved
            self.dropout = random.GlobalStream(self.settings.seed + self.rank + self.world * self.step_, self.device)
        with self.dropout.in_use() if self._drops else nullcontext():
            for i, player in enumerate(self.turns):
                terms |= self._turn(player, self.step_ * len(self.turns) + i)
        self.step_ += 1
        if self.ema is not None:
            average_(self.ema, self.model, self.settings.ema, self.step_)
        self.pending.append(terms)
        logged = self.check() | self._held_out() if self.is_logged(self.step_) else None
        self.seconds += time.perf_counter() - start
        return self.report(logged)

    def _turn(self, player: str, k: int) -> log.Terms:
        """``player`` learns from batch ``k``: loss, backward, clip, step."""
        optimizer, several = self.optimizers[player], len(self.optimizers) > 1
        for group in optimizer.param_groups:
            factor = schedule(self.settings, self.step_, self.total, steady=group.get("steady", False))
            group["lr"] = self.lr * factor * group.get("scale", 1.0)
        weights = [p for group in optimizer.param_groups for p in group["params"]]
        x, y = self._batch(k)
        with only(self.model, player) if several else nullcontext():
            with self._autocast():
                terms = self._loss(x, y, player=player, rng=self.rng)
            optimizer.zero_grad(set_to_none=True)
            # nothing is asked of what else has a gradient: the points at which a penalty measures the slope
            terms["loss"].backward(inputs=weights)
        if self.settings.clip_norm or several:  # players are watched by how hard they are pulled
            pulled = [p for p in weights if p.grad is not None]
            terms["gradient"] = nn.utils.get_total_norm([p.grad for p in pulled], foreach=True)
            if self.settings.clip_norm:
                nn.utils.clip_grads_with_norm_(pulled, self.settings.clip_norm, terms["gradient"])
        optimizer.step()
        self.model.after_turn(player)
        return {self._term(name, player): value.detach() for name, value in terms.items()}

    def _batch(self, k: int) -> tuple[Tensor, Tensor]:
        """This process's rows of batch ``k``, as the model takes them, and their labels."""
        index = self.batches(k).chunk(self.world)[self.rank]
        x, y = self.data.train.x.index_select(0, index), self.data.train.y.index_select(0, index)
        return self.data.prepare(x, self.model.inputs, self.rng), y

    def _autocast(self) -> AbstractContextManager[Any]:
        return networks_in(self.dtype, self.device)

    # What is reported ---------------------------------------------------------------------------------------------

    @property
    def precision(self) -> str:
        """The number format of the networks: "float32" or "bfloat16"."""
        return str(self.dtype).removeprefix("torch.")

    def is_logged(self, step: int) -> bool:
        """Whether the terms of ``step`` are reported."""
        return self.closely or log.is_point(step, self.log_every, self.total)

    def report(self, terms: dict[str, float] | None = None) -> Step:
        """The progress of the training, with ``terms`` where they were logged."""
        images = self.step_ * len(self.turns) * self.batches.size
        return Step(self.step_, self.total, images / self.batches.n, images, self.seconds, terms)

    def check(self) -> dict[str, float]:
        """The mean of each term since the last log.

        Raises:
            TrainingFailed: If a term is not finite, with the term and the step.
        """
        pending, self.pending = self.pending, []
        return log.means(pending, self.step_, self.world)

    @torch.no_grad()
    def _held_out(self) -> dict[str, float]:
        """The loss terms on the validation set, with the same noise every time; empty but now and then."""
        due = self.step_ % (self.log_every * log.HELD_OUT_EVERY) == 0 or self.step_ in (1, self.total)
        if not due or self.rank:
            return {}
        rng, held_out = random.generator(1, self.device), dict[str, Tensor]()
        self.model.eval()
        x = self.data.prepare(self.data.validation.x, self.model.inputs, rng)
        with self._autocast():
            for player in self.optimizers:
                terms = self.model.loss(x, self.data.validation.y, player=player, rng=rng)
                held_out |= {f"held-out {self._term(name, player)}": value for name, value in terms.items()}
        self.model.train()
        values = torch.stack([value.double() for value in held_out.values()])  # so that the device is waited for once
        return dict(zip(held_out, values.tolist(), strict=True))

    def _term(self, name: str, player: str) -> str:
        """A term's name: with several players each has a loss, and a norm of its gradient, of its own."""
        return name if name not in ("loss", "gradient") or len(self.optimizers) == 1 else f"{player}_{name}"

    def weights(self) -> dict[str, Tensor]:
        """The weights to sample from: the moving average where there is one."""
        return self.ema if self.ema is not None else self.model.state_dict()

"""fit(): the one training loop, a generator of steps. It reports and never draws.

Command line, worker, page and test consume the same generator; pausing is not asking for the next step, and saving
:meth:`Training.state` is saving the training, so that resumed is bit for bit the same as never interrupted.
"""

import math
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput, TrainingFailed
from genmodels.models.base import GenerativeModel, only
from genmodels.nn.precision import networks_in, precision, unrecorded
from genmodels.training.settings import Settings, schedule

__all__ = ["Step", "Training", "fit", "shares_of"]

torch.set_flush_denormal(True)  # of this thread, and of those that it begins: see Training.step

LOGGED = 400  # points of a curve, about
HELD_OUT_EVERY = 8  # the held-out terms are measured at every eighth of them


@dataclass(frozen=True)
class Step:
    """What fit() reports: where the training is, and at logged steps every term as a number."""

    step: int
    total: int
    epoch: float
    images: int
    seconds: float
    terms: dict[str, float] | None = None


class Batches:
    """The k-th batch for any k: each epoch is a permutation drawn from (seed, epoch), so nothing must be saved."""

    def __init__(self, n: int, batch_size: int, seed: int, device: torch.device) -> None:
        self.n, self.size, self.seed, self.device = n, min(batch_size, n), seed, device
        self.per_epoch = n // self.size
        self._epoch, self._order = -1, torch.empty(0)

    def __call__(self, k: int) -> Tensor:
        """Indices of batch ``k``, shape (batch_size,)."""
        epoch, j = divmod(k, self.per_epoch)
        if epoch != self._epoch:
            rng = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._epoch, self._order = epoch, torch.randperm(self.n, generator=rng).to(self.device)
        return self._order[j * self.size : (j + 1) * self.size]


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
        model.check_levels(data.levels)
        if settings.batch_size % world:
            raise BadInput(f"batch_size = {settings.batch_size} cannot be shared by {world} processes: use a multiple.")
        self.model, self.data, self.settings = model.to(device).train(), data.to(device), settings
        model.label_shares, model.grey_levels = shares_of(model, data), data.levels or model.grey_levels
        self.device, self.rank, self.world = torch.empty(0, device=device).device, rank, world  # "cuda" is "cuda:0"
        self.rng = random.generator(settings.seed, self.device, rank=rank, world=world)
        self.batches = Batches(len(data.train), settings.batch_size, settings.seed, self.device)
        self.turns = model.turns()
        self.total = settings.steps or math.ceil(settings.epochs * self.batches.per_epoch / len(self.turns))
        self.log_every = max(1, self.total // LOGGED)
        self.lr = settings.lr  # may be changed while running
        self.closely = False  # log every step: somebody is watching them one by one
        self.optimizers = {name: model.optimizer(name, settings.lr) for name in model.players()}
        self.ema = {k: v.detach().clone() for k, v in model.state_dict().items()} if settings.ema else None
        self.step_, self.seconds = 0, 0.0
        self._pending: list[dict[str, Tensor]] = []  # terms since the last log, still on the device
        self._draws = any(isinstance(m, nn.modules.dropout._DropoutNd) and m.p > 0 for m in model.modules())
        # dropout draws from the device's global stream: this training has one of its own
        self._global = random.generator(settings.seed + rank, self.device).get_state()
        self.dtype = precision(settings.precision, model, self.device)  # of the networks
        if settings.compile:
            for network in model.children():
                network.compile()
        self._loss: nn.Module = model
        if world > 1:
            self._loss = DistributedDataParallel(model, find_unused_parameters=len(self.optimizers) > 1)

    @property
    def precision(self) -> str:
        """The number format of the networks: "float32" or "bfloat16"."""
        return str(self.dtype).removeprefix("torch.")

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
        lr = self.lr * schedule(self.settings, self.step_, self.total)
        terms: dict[str, Tensor] = {}
        with self._own_global_stream():
            for i, player in enumerate(self.turns):
                terms |= self._turn(player, self.step_ * len(self.turns) + i, lr)
        self.step_ += 1
        if self.ema is not None:
            self._average()
        self._pending.append(terms)
        logged = self.check() | self._held_out() if self.is_logged(self.step_) else None
        self.seconds += time.perf_counter() - start
        return self.report(logged)

    def _turn(self, player: str, k: int, lr: float) -> dict[str, Tensor]:
        optimizer = self.optimizers[player]
        for group in optimizer.param_groups:
            group["lr"] = lr * group.get("scale", 1.0)
        index = self.batches(k).chunk(self.world)[self.rank]
        x, y = self.data.train.x.index_select(0, index), self.data.train.y.index_select(0, index)
        x = self.data.prepare(x, self.model.inputs, self.rng)
        with only(self.model, player) if len(self.optimizers) > 1 else nullcontext():
            with self._autocast():
                terms = self._loss(x, y, player=player, rng=self.rng)
            optimizer.zero_grad(set_to_none=True)
            # nothing is asked of what else has a gradient: the points at which a penalty measures the slope
            terms["loss"].backward(inputs=[p for group in optimizer.param_groups for p in group["params"]])
        if self.settings.clip_norm or len(self.optimizers) > 1:  # players are watched by how hard they are pulled
            parameters = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            terms["gradient"] = nn.utils.get_total_norm([p.grad for p in parameters], foreach=True)
            if self.settings.clip_norm:
                nn.utils.clip_grads_with_norm_(parameters, self.settings.clip_norm, terms["gradient"])
        optimizer.step()
        self.model.after_turn(player)
        return {self._term(name, player): value.detach() for name, value in terms.items()}

    def _term(self, name: str, player: str) -> str:
        """A term's name: with several players each has a loss, and a norm of its gradient, of its own."""
        return name if name not in ("loss", "gradient") or len(self.optimizers) == 1 else f"{player}_{name}"

    def _autocast(self) -> AbstractContextManager[Any]:
        return networks_in(self.dtype, self.device)

    @contextmanager
    def _own_global_stream(self) -> Iterator[None]:
        """Dropout draws from the device's global stream: several trainings in one process must not share it."""
        if not self._draws:
            yield
            return
        is_gpu = self.device.type == "cuda"
        stream = torch.cuda.default_generators[self.device.index] if is_gpu else torch.default_generator
        outside = stream.get_state()
        stream.set_state(self._global)
        try:
            yield
        finally:
            self._global = stream.get_state()
            stream.set_state(outside)

    def _average(self) -> None:
        """ema ← d·ema + (1 − d)·weights; d rises to its value, so that the first steps are soon forgotten."""
        assert self.ema is not None
        decay = min(self.settings.ema, (1 + self.step_) / (10 + self.step_))
        now = self.model.state_dict()
        floating = [k for k, v in now.items() if v.is_floating_point()]
        torch._foreach_lerp_([self.ema[k] for k in floating], [now[k] for k in floating], 1 - decay)
        for k in now.keys() - set(floating):
            self.ema[k].copy_(now[k])

    # What is reported ---------------------------------------------------------------------------------------------

    def is_logged(self, step: int) -> bool:
        """Whether ``step`` is a point of the curves: powers of two, then evenly, and the last."""
        return self.closely or step % self.log_every == 0 or step & (step - 1) == 0 or step == self.total

    def report(self, terms: dict[str, float] | None = None) -> Step:
        """Where the training is."""
        images = self.step_ * len(self.turns) * self.batches.size
        return Step(self.step_, self.total, images / self.batches.n, images, self.seconds, terms)

    def check(self) -> dict[str, float]:
        """The mean of each term since the last log: the only place where the device is waited for.

        Raises:
            TrainingFailed: If a term is not finite, with the term and the step.
        """
        if not self._pending:
            return {}
        first = self.step_ - len(self._pending) + 1
        rows = {name: torch.stack([terms[name].float() for terms in self._pending]) for name in self._pending[0]}
        self._pending = []
        values = torch.stack(list(rows.values()))  # (terms, steps)
        if self.world > 1:
            torch.distributed.all_reduce(values)
            values /= self.world
        table = values.cpu()
        bad = ~table.isfinite()
        if bad.any():
            at = int(bad.any(0).nonzero()[0])
            then = dict(zip(rows, table[:, at].tolist(), strict=True))
            broken = [name for name, value in then.items() if not math.isfinite(value)]
            name = min(broken, key=lambda name: name.endswith("loss"))  # the term at fault rather than their sum
            raise TrainingFailed(f"The term {name} became {then[name]} at step {first + at}.")
        return dict(zip(rows, table.mean(1).tolist(), strict=True))

    @torch.no_grad()
    def _held_out(self) -> dict[str, float]:
        """The same terms on the validation set, with the same noise every time, now and then."""
        due = self.step_ % (self.log_every * HELD_OUT_EVERY) == 0 or self.step_ in (1, self.total)
        if not due or self.rank:
            return {}
        rng = random.generator(1, self.device)
        found: dict[str, Tensor] = {}
        self.model.eval()
        x = self.data.prepare(self.data.validation.x, self.model.inputs, rng)
        with self._autocast():
            for player in self.optimizers:
                terms = self.model.loss(x, self.data.validation.y, player=player, rng=rng)
                found |= {f"held-out {self._term(name, player)}": value for name, value in terms.items()}
        self.model.train()
        values = torch.stack([value.double() for value in found.values()])  # so that the device is waited for once
        return dict(zip(found, values.tolist(), strict=True))

    # Saving and resuming ------------------------------------------------------------------------------------------

    def weights(self) -> dict[str, Tensor]:
        """The weights to sample from: the moving average where there is one."""
        return self.ema if self.ema is not None else self.model.state_dict()

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything needed to go on exactly: tensors, and numbers that are JSON."""
        tensors = {f"model/{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"ema/{k}": v for k, v in (self.ema or {}).items()}
        for player, optimizer in self.optimizers.items():
            for i, slots in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer/{player}/{i}/{slot}": torch.as_tensor(v) for slot, v in slots.items()}
        if self._pending:
            tensors |= {f"pending/{k}": torch.stack([terms[k] for terms in self._pending]) for k in self._pending[0]}
        tensors |= {"rng": self.rng.get_state(), "rng/global": self._global}
        terms = list(self._pending[0]) if self._pending else []  # in their order, which tensors by name do not keep
        numbers = {"step": self.step_, "seconds": self.seconds, "lr": self.lr, "terms": terms}
        numbers["precision"] = self.precision
        return {k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}, numbers

    def restore(self, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
        """Go back to a :meth:`state`: exactly, on the kind of device that it is of; on another with other noise."""
        part = lambda prefix: {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}  # noqa: E731
        self.model.load_state_dict(part("model/"))
        if self.ema is not None:
            self.ema = {k: v.to(self.device) for k, v in part("ema/").items()}
        for player, optimizer in self.optimizers.items():
            slots: dict[int, dict[str, Tensor]] = {}
            for key, value in part(f"optimizer/{player}/").items():
                i, slot = key.split("/")
                slots.setdefault(int(i), {})[slot] = value
            optimizer.load_state_dict(optimizer.state_dict() | {"state": slots})
        wanted = self.settings.precision  # a measurement that comes out otherwise today must not change what was begun
        said = numbers.get("precision")
        self.dtype = precision(said, self.model, self.device) if said else unrecorded(wanted, self.model, self.device)
        self.step_, self.seconds, self.lr = int(numbers["step"]), float(numbers["seconds"]), float(numbers["lr"])
        if len(tensors["rng"]) == len(self.rng.get_state()):
            self.rng.set_state(tensors["rng"])
        else:  # of another kind of device, whose noise this one cannot draw: it draws noise of its own from here on
            self.rng.manual_seed(self.settings.seed + self.step_)
        if len(tensors["rng/global"]) == len(self._global):
            self._global = tensors["rng/global"]
        kept = part("pending/")
        pending = {k: kept[k].to(self.device) for k in numbers.get("terms", kept)}
        self._pending = [dict(zip(pending, row, strict=True)) for row in zip(*pending.values(), strict=True)]


def shares_of(model: GenerativeModel, data: Data) -> tuple[float, ...]:
    """The share of each label among the training examples; nothing of a model without labels."""
    if not (classes := int(model.config.get("classes", 0))):
        return ()
    counts = torch.bincount(data.train.y.cpu(), minlength=classes).double()
    return tuple((counts / counts.sum()).tolist())


def fit(training: Training) -> Iterator[Step]:
    """Train to the end of the budget, yielding after every step. Stopping is not asking for the next one."""
    while training.step_ < training.total:
        yield training.step()

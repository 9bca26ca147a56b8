"""One run: its folder, and the model, the data and the training that are in it."""

from dataclasses import replace

import torch

from genmodels.data import datasets
from genmodels.data.mnist import Progress
from genmodels.errors import BadInput, Damaged
from genmodels.files import CHECKPOINTS, remove
from genmodels.host import ownership
from genmodels.models.base import GenerativeModel, build, load
from genmodels.runs.folder import Folder
from genmodels.runs.mending import mend
from genmodels.text import titled
from genmodels.training import distributed
from genmodels.training.loop import Training
from genmodels.training.settings import Settings

__all__ = ["Run"]


class Run(Folder):
    """A training that was asked for, and all that came of it; see :mod:`genmodels.runs.store`."""

    @property
    def is_bundled(self) -> bool:
        """Whether the run ships with the library."""
        return self.path.parent == CHECKPOINTS

    def rename(self, title: str) -> None:
        """Give the run another name for people.

        Raises:
            BadInput: If it is somebody else's.
        """
        ownership.check(self.path, "rename")
        replace(self.plan, title=titled(title)).write(self.path)

    def model(self, step: int | None = None, *, device: torch.device | str = "cpu") -> GenerativeModel:
        """The model as it was at ``step`` (None: the newest), which samples in the precision of its training.

        Damaged newest weights are made again where they can be.

        Raises:
            BadInput: If there is no such snapshot.
            Damaged: If it cannot be read.
        """
        folder, precision = self.folder(step), self.plan.settings.get("precision", "auto")
        try:
            return load(folder, device=device, precision=precision)
        except Damaged:
            if folder != self.path or self.is_bundled or not mend(self.path):
                raise
            return load(folder, device=device, precision=precision)

    def data(self, device: torch.device | str = "cpu", *, progress: Progress | None = None) -> datasets.Data:
        """The data that the run learns from, downloaded first where need be."""
        plan = self.plan
        return datasets.load(plan.data, plan.data_arguments, device=device, progress=progress)

    def training(self, *, device: torch.device | str | None = None, rank: int = 0, world: int = 1) -> Training:
        """The training as planned, at its very beginning."""
        plan = self.plan
        settings = Settings.of(plan.settings)
        device = distributed.device(str(device or plan.device))
        data = self.data(device, progress=lambda done, text: self.say(durable=False, message=f"{text}: {done:.0%}"))
        torch.manual_seed(settings.seed)  # the initial weights
        model = build({"model": plan.model, "shape": list(data.shape), **plan.arguments})
        if parent := plan.parent:
            model.load_state_dict(load(self.folder(parent.step)).state_dict())
        training = Training(model, data, settings, device=device, rank=rank, world=world)
        training.step_ = parent.step if parent else 0
        return training

    def delete(self) -> None:
        """Remove the run and everything it holds.

        Raises:
            BadInput: If it is gone, still being worked on, or somebody else's.
        """
        ownership.check(self.path, "delete")
        if self.is_bundled:
            raise BadInput(f"{self.id} ships with the app and stays: fork it to change something.")
        try:
            remove(self.path)
        except BlockingIOError:
            raise BadInput(f"Run {self.id} is still being trained: stop it first.") from None
        except FileNotFoundError:
            raise BadInput(f"Run {self.id} is gone: it was deleted.") from None

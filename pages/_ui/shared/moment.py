"""A moment of a run: the model as it was at one step. Every panel is a function of it."""

import functools
from dataclasses import dataclass
from typing import Any

from genmodels.data.datasets import Data
from genmodels.runs import store
from genmodels.runs.store import Run

__all__ = ["Moment"]


@dataclass(frozen=True)
class Moment:
    """The model of run ``id`` at ``step`` (None: the newest), as its files stood at ``stamp``."""

    id: str
    step: int | None
    stamp: int

    @classmethod
    def of(cls, run: Run, step: int | None = None) -> "Moment":
        """The moment as it is now: a later look at newer weights is another moment."""
        return cls(run.id, step, (run.folder(step) / "model.safetensors").stat().st_mtime_ns)

    @property
    def run(self) -> Run:
        """The run that this is a moment of."""
        return store.find(self.id)

    @property
    def data(self) -> Data:
        """The data that the run learns from; loaded once."""
        return self.run.data()

    @property
    def model(self) -> Any:
        """The model, on the processor, ready to be asked."""
        return _model(self)


@functools.lru_cache(maxsize=24)
def _model(moment: Moment) -> Any:
    return moment.run.model(moment.step)

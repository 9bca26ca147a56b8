"""The order in which a training sees its examples, and the labels' shares among them."""

import torch
from torch import Tensor, nn

from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.models.base import GenerativeModel

__all__ = ["Batches", "check_rows", "shares_of"]


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


def check_rows(model: GenerativeModel, rows: int) -> None:
    """Refuse batches of one row where networks use batch normalization; ``rows`` are those of one process.

    Raises:
        BadInput: If the batch is one example, and a layer normalizes over it.
    """
    if rows < 2 and any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in model.modules()):
        raise BadInput(
            "batch_size = 1 does not suit networks that normalize over the batch: each process takes 2 or more."
        )


def shares_of(model: GenerativeModel, data: Data) -> tuple[float, ...]:
    """The share of each label among the training examples; an empty tuple for a model without labels."""
    if not (classes := int(model.config.get("classes", 0))):
        return ()
    counts = torch.bincount(data.train.y.cpu(), minlength=classes).double()
    return tuple((counts / counts.sum()).tolist())

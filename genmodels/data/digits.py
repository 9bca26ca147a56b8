"""The 8×8 digits, which are installed with scikit-learn: pictures, labels, and three fixed parts of them.

E. Alpaydin & C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning Repository,
https://doi.org/10.24432/C50P49: the test set.
"""

import importlib.util
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

__all__ = ["parts", "pictures", "table"]


def pictures() -> tuple[Tensor, Tensor]:
    """All 1,797: pictures, uint8 (N, 1, 8, 8) from 0 to 16, and labels, int64 (N,)."""
    rows = table()
    return torch.from_numpy(rows[:, :64].copy()).view(-1, 1, 8, 8), torch.from_numpy(rows[:, 64].astype(np.int64))


def parts(y: Tensor) -> list[np.ndarray]:
    """Which are for training, validation and test: eight, one and one in ten, each with the classes' shares of all."""
    order = np.random.RandomState(0).permutation(len(y))  # a stream that numpy promises never to change
    by_class = order[np.argsort(y.numpy()[order], kind="stable")]
    tenth = np.arange(len(y)) % 10
    return [np.sort(by_class[chosen]) for chosen in ((tenth != 0) & (tenth != 5), tenth == 0, tenth == 5)]


def table() -> np.ndarray:
    """scikit-learn's digits, uint8 (1797, 65): 64 pixels and the label. Read where it keeps them, 30 times faster."""
    package = importlib.util.find_spec("sklearn")
    file = Path(str(package and package.origin)).parent / "datasets" / "data" / "digits.csv.gz"
    if file.exists():
        return np.loadtxt(file, delimiter=",", dtype=np.uint8)
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return np.column_stack([images, labels]).astype(np.uint8)

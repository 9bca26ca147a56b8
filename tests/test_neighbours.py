"""The training examples nearest to a picture, and how far they are."""

import torch

from genmodels.data.datasets import Data
from genmodels.instruments.neighbours import nearest


def test_distances_are_root_mean_squares(digits: Data) -> None:
    """A training example that is lighter by a hundredth everywhere is a hundredth away."""
    x = digits.prepare(digits.train.x[:4], "unit").double() + 0.01
    *_, (done, distance, which) = nearest(x, digits, 1)
    assert done == 1
    torch.testing.assert_close(distance, torch.full_like(distance, 0.01), rtol=1e-3, atol=0)
    assert which[:, 0].tolist() == [0, 1, 2, 3]

"""Laws that the page of an autoregressive model shows: the true one of a coordinate, and the mean of its masks."""

from typing import Any

import numpy as np
import pytest
import torch

from genmodels.data import datasets
from genmodels.instruments.autoregressive import orders, slices
from genmodels.instruments.examples import some
from tests.answers import finish
from tests.test_autoregressive_instruments import make


@pytest.mark.parametrize("arguments", [{}, {"orders": 2, "order": "random"}])
def test_the_true_law_of_a_coordinate_is_the_integral_over_the_other(
    arguments: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slices, "FINE", 200)
    plane = datasets.load("two-moons")
    found = slices.slices(make((2,), hidden=16, components=3, **arguments), plane, 0.3)
    axis, first = torch.as_tensor(found["axis"]), int(found["coordinate"])
    step = float(axis[1] - axis[0])
    for k in range(len(axis) // 10, len(axis), len(axis) // 10):
        x = torch.stack([axis[k].expand(len(axis)), axis], 1)
        density = plane.log_prob(x if first == 0 else x.flip(1)).exp()
        expected = float(density.sum()) * step
        assert found["true_first"][k] == pytest.approx(expected, rel=1e-3, abs=1e-5)
    below = (plane.train.x[:, first].numpy()[:, None] < found["axis"] + step / 2).mean(0)
    law = found["true_first"].cumsum() * step
    assert np.abs(below - law).max() < 2.5 / len(plane.train) ** 0.5 + step  # Kolmogorov-Smirnov, once in 10⁵


def test_the_mean_of_masks_costs_what_the_model_says() -> None:
    model, data = make(hidden=64, orders=4, order="random"), datasets.load("digits-dynamic")
    found = finish(orders.masks(model, data))
    with torch.no_grad():
        nats = -float(model.log_prob(some(model, data, orders.ROWS)[0]).double().mean())
    assert found["together"][0] == pytest.approx(nats, abs=1e-2)

"""The slope by which a benchmark says that nothing grows, and its error."""

import numpy as np
import pytest

from benchmarks.coming_and_going import growth


@pytest.mark.parametrize("slope", [0.0, 0.3, -0.1])
def test_a_slope_lies_within_its_error(slope: float) -> None:
    """Of noise that hangs on what it was a moment ago: in 400 trials far from all leave three errors."""
    rng, times = np.random.default_rng(0), np.arange(1000.0)
    away = []
    for _ in range(400):
        noise = np.convolve(rng.normal(size=1010), np.full(11, 1.0), "valid")  # eleven in a row are alike
        found, error = growth(times, slope * times + noise)
        away.append(abs(found - slope) / error)
    # of Student's t with 18 degrees of freedom 0.8 % lie beyond 3; more than 20 of 400 with probability below 1e-9
    assert sum(one > 3 for one in away) <= 20
    assert sum(one > 0.5 for one in away) > 100  # nor is the error too large: 62 % lie beyond a half


def test_a_line_has_its_slope_and_no_error() -> None:
    slope, error = growth([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 3.0, 5.0, 7.0, 9.0, 11.0], blocks=6)
    assert slope == pytest.approx(2)
    assert error == pytest.approx(0, abs=1e-9)

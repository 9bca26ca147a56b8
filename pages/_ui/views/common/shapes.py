"""How large things are drawn: pictures in crisp pixels, and the square of the plane."""

from genmodels import figures
from genmodels.data.datasets import DATASETS
from pages._ui.shared.moment import Moment

__all__ = ["half_of", "real_points", "square", "zoom"]


def zoom(shape: tuple[int, ...], pixels: int = 72) -> float:
    """How many screen pixels a picture's pixel takes, for pictures about so many pixels wide."""
    return max(1.0, round(pixels / shape[-1], 1))


def half_of(moment: Moment) -> float:
    """The plane is shown on [−half, half]²."""
    return DATASETS[moment.data.name].extent


def square(half: float) -> figures.Extent:
    """That square as the edges of a map."""
    return (-half, half, -half, half)


def real_points(moment: Moment, n: int = 300) -> figures.Points:
    """Test points, in the data's colour."""
    return figures.Points("data", moment.data.test.x[:n].numpy(), figures.DATA, size=3)

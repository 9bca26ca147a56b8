r"""A flow under the microscope: points, a square grid and densities on their way through it, layer by layer.

After k layers a point x is at h = f_k(…f_1(x)), and both laws are exact there:

.. math:: \log q_k(h) = \log N(f_K(\dots f_{k+1}(h)); 0, I) + \sum_{j > k} \log |\det J_j|, \qquad
          \log p_k(h) = \log p(x) - \sum_{j \le k} \log |\det J_j|

q_k is what the model believes, p_k what the data become. At k = 0 they are the learned and the true density; at k = K
the model's is a Gaussian, and what p_K is not is what the flow has not learned. KL(p_k ‖ q_k) is the same at every k.
"""

import math
from collections.abc import Generator, Mapping

import numpy as np
import torch
from torch import Tensor

from genmodels.data.datasets import DATASETS, Data
from genmodels.errors import BadInput
from genmodels.flows.bijections import ActNorm, Coupling, Linear
from genmodels.instruments.arrays import Array
from genmodels.instruments.plane import cells
from genmodels.models.flow import Flow
from genmodels.palette import rgb
from genmodels.text import number

__all__ = ["conclusion", "film", "layers", "passage"]

LINES, ALONG = 21, 240  # lines of the grid each way, and points along each
BETWEEN = 4  # frames from one layer to the next
REACH = 3.2  # of the square that holds N(0, I)
BOTH = ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00))  # narrower: blue; wider: orange


def layers(model: Flow) -> list[str]:
    """The work of each layer in a few words."""
    names = []
    for part in model.f.parts:
        match part:
            case Coupling():
                names.append(f"coupling: x{'₁₂'[part.moved[0]]} moves, given x{'₂₁'[part.moved[0]]}")
            case Linear():
                names.append("a matrix mixes x₁ and x₂")
            case ActNorm():
                names.append("each axis is stretched and shifted")
            case _:
                names.append(type(part).__name__)
    return names


@torch.no_grad()
def passage(
    model: Flow, data: Data, n: int = 1500, side: int = 72, label: int | None = None
) -> Generator[float, None, dict[str, Array]]:
    """Test points, a square grid and both densities before the first layer and after each. A task.

    Args:
        model: One of points of the plane.
        data: Its data.
        n: Test points.
        side: Cells along a side of the maps.
        label: Of a conditional model: which label everything is told. The truth is then left out.

    Returns:
        "half": all is over [−half, half]²; "points", (K + 1, n, 2), and "ladj", (K + 1, n), the log-determinant so far;
        "grid", (K + 1, G, 2), and "grid_ladj", (K + 1, G): points along the lines of a square grid; "learned" and,
        where it is known, "true", (K + 1, side, side), x₂ by rows, rising; and "kl", KL(true ‖ learned) in nats with
        its standard error.

    Raises:
        BadInput: If the model is one of images, or a number is not possible.
    """
    if model.is_image:
        raise BadInput("The microscope is for points of the plane, and this flow makes images.")
    if not 2 <= side <= 200 or not 2 <= n <= 5000:
        raise BadInput(f"side = {side} cells and n = {n} points are not possible: up to 200 and 5,000.")
    half, parts, device = max(REACH, DATASETS[data.name].extent), list(model.f.parts), model.device
    told = lambda x: torch.full((len(x),), label or 0, device=device) if model.classes else None  # noqa: E731
    x = data.test.x[data.test.y == (label or 0)] if model.classes else data.test.x
    points, grid = x[:n].to(device), square_grid(half).to(device)
    maps, way = cells(half, side).to(device), {"half": np.array(half)}
    for name, x in (("points", points), ("grid", grid)):
        stages, so_far = [x], [x.new_zeros(len(x))]
        for h, ladj in model.f.steps(x, told(x)):
            stages.append(h)
            so_far.append(so_far[-1] + ladj)
        way[name] = torch.stack(stages).cpu().numpy()
        way["ladj" if name == "points" else "grid_ladj"] = torch.stack(so_far).cpu().numpy()
    learned, true = [], []
    knows = data.log_prob is not None and not model.classes
    for k in range(len(parts) + 1):
        yield k / (len(parts) + 1)
        ahead, total = maps, maps.new_zeros(len(maps))
        for part in parts[k:]:
            ahead, ladj = part(ahead, told(maps))
            total = total + ladj
        learned.append(torch.exp(normal(ahead) + total))
        if knows:
            true.append(torch.exp(_pushed(data, parts[:k], maps)))
    way["learned"] = torch.stack(learned).view(-1, side, side).cpu().numpy()
    if knows:
        assert data.log_prob is not None
        way["true"] = torch.stack(true).view(-1, side, side).cpu().numpy()
        gap = data.log_prob(points.cpu()).double() - model.log_prob(points).double().cpu()
        way["kl"] = np.array([gap.mean().item(), gap.std().item() / math.sqrt(len(gap))])
    return way


def normal(z: Tensor) -> Tensor:
    """log N(z; 0, I), (B,)."""
    return -0.5 * z.square().sum(1) - 0.5 * z.shape[1] * math.log(2 * math.pi)


def _pushed(data: Data, parts: list[torch.nn.Module], h: Tensor) -> Tensor:
    """log of the density that the data have after ``parts``, at ``h``."""
    assert data.log_prob is not None
    x = h
    for part in reversed(parts):
        x = part.inverse(x)  # type: ignore[operator]
    total, at = x.new_zeros(len(x)), x
    for part in parts:
        at, ladj = part(at)
        total = total + ladj
    return data.log_prob(x.cpu()).to(h) - total


def square_grid(half: float) -> Tensor:
    """Points along the lines of a square grid, (2 · LINES · ALONG, 2)."""
    lines, along = torch.linspace(-half, half, LINES), torch.linspace(-half, half, ALONG)
    one, other = torch.meshgrid(lines, along, indexing="ij")
    upright = torch.stack([one, other], -1).view(-1, 2)
    return torch.cat([upright, upright.flip(1)])


# The film -------------------------------------------------------------------------------------------------------------


def film(way: dict[str, Array], paper: str, side: int = 260) -> Array:
    """Frames (F, 3, side, panels · side), uint8: grid and points gliding from layer to layer, and the densities there.

    The colour of a point is its log-determinant so far: orange where space has been stretched, blue where narrowed.
    """
    blank = np.array(rgb(paper), float)
    half, stages = float(way["half"]), len(way["points"])
    limit = max(1e-6, float(np.quantile(np.abs(way["ladj"]), 0.98)))
    top = max(float(np.quantile(way[name][way[name] > 0], 0.995)) for name in ("learned", "true") if name in way)
    frames = []
    for step in range((stages - 1) * BETWEEN + 1):
        k, share = divmod(step / BETWEEN, 1)
        a, b = int(k), min(int(k) + 1, stages - 1)
        mix = lambda name, a=a, b=b, s=share: (1 - s) * way[name][a] + s * way[name][b]  # noqa: E731
        drawn = [np.broadcast_to(blank, (side, side, 3)).copy()]
        for points, ladj, ink in (("grid", "grid_ladj", 0.45), ("points", "ladj", 0.9)):
            _splat(drawn[0], mix(points), mix(ladj) / limit, half, blank, ink, 1 + (points == "points"))
        for name, color in (("learned", BOTH[1]), ("true", BOTH[0])):
            if name in way:
                drawn.append(_shade(mix(name) / top, np.array(color), blank, side))
        frames.append(np.rint(np.concatenate(drawn, 1)).astype(np.uint8).transpose(2, 0, 1))
    return np.stack(frames)


def _splat(canvas: Array, xy: Array, value: Array, half: float, blank: Array, ink: float, size: int) -> None:
    """Points on a canvas, in the colour of their value in [−1, 1]."""
    side = len(canvas)
    at = np.floor((xy / half + 1) / 2 * side).astype(int)
    seen = ((at >= 0) & (at < side - size)).all(1)
    at, value = at[seen], value[seen].clip(-1, 1)[:, None]
    grey = np.array([0x7D, 0x83, 0x8B])
    color = np.where(value > 0, np.array(BOTH[1]), np.array(BOTH[0]))
    color = grey + np.abs(value) * (color - grey)
    for right in range(size):
        for up in range(size):
            canvas[side - 1 - at[:, 1] - up, at[:, 0] + right] = blank + ink * (color - blank)


def _shade(share: Array, color: Array, blank: Array, side: int) -> Array:
    """A map from the paper at 0 to its colour at 1, (side, side, 3)."""
    rows = np.arange(side) * len(share) // side
    shown = np.sqrt(np.nan_to_num(share).clip(0, 1))[::-1][rows][:, rows][..., None]
    return blank + 0.85 * shown * (color - blank)


def conclusion(passage: Mapping[str, Array]) -> str:
    """How much of the data is stretched on the whole way, and how far what was learned is from the truth."""
    ladj = passage["ladj"][-1]
    text = (
        f"On the whole way f stretches space at {(ladj > 0).mean():.0%} of test points; the middle log-determinant is "
    )
    text += f"{number(float(np.median(ladj)))} nats."
    if "kl" in passage:
        kl, error = (float(value) for value in passage["kl"])
        text += f" KL(true ‖ learned) is {number(kl)} ± {number(error, 2)} nats, before every layer and after it."
    return text

r"""Diffusion on the plane: the score that a model has learned beside the true one, and the density of what it makes.

Noised data of a known law have a known law again, and with it the best answer that any network could give:

.. math:: \epsilon^*(x_t, t) = E[\epsilon \mid x_t] = -\sqrt{1 - \bar\alpha_t}\; \nabla_x \log q(x_t)

The error of a network is then the sum of what nobody could know and what it has not learned, which stand at a right
angle: :math:`E\|\epsilon - \hat\epsilon\|^2 = E\|\epsilon - \epsilon^*\|^2 + E\|\epsilon^* - \hat\epsilon\|^2`.

Vincent (2011), A connection between score matching and denoising autoencoders. https://doi.org/10.1162/NECO_a_00142
"""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import DATASETS, Data
from genmodels.data.planes import Curves, Gaussians, Plane, Ring
from genmodels.errors import BadInput
from genmodels.instruments.diffusion.denoising import Array, Task, asked_of
from genmodels.models.ddpm import DDPM
from genmodels.probability.samplers import noise_like, timesteps

__all__ = ["best_eps", "density", "field", "noised", "shades"]

HALF = 3.2  # of the square that holds N(0, I)


def noised(plane: Plane | None, a: float, sigma: float) -> Plane | None:
    """The law of :math:`a x_0 + σ ε` where x_0 is drawn from ``plane``; None where it has no closed form.

    Gaussians stay Gaussians, a curve with noise around it stays a curve, smaller, with more noise, and a ring a ring.
    """
    match plane:
        case Gaussians():
            wider = math.hypot(a * plane.sigma, sigma)
            return Gaussians(a * plane.means, wider, plane.extent, plane.weights)
        case Curves():
            shrunk = [lambda t, curve=curve: a * curve(t) for curve in plane.curves]
            return Curves(shrunk, math.hypot(a * plane.sigma, sigma), plane.extent, plane.classes, plane.nodes)
        case Ring():
            return Ring(a * plane.radius, math.hypot(a * plane.sigma, sigma))
        case _:
            return None


def best_eps(law: Plane, x: Tensor, sigma: float) -> Tensor:
    """E[ε | x_t] of each point, (N, 2), from the law of x_t: float64, by automatic differentiation."""
    with torch.enable_grad():
        x = x.detach().double().requires_grad_()
        (score,) = torch.autograd.grad(law.log_prob(x).sum(), x)
    return -sigma * score


def field(run: str, step: int | None = None, n: int = 500, seed: int = 0, frames: int = 40, side: int = 19) -> Task:
    r"""Particles on their way from noise to data, and the field that moves them. A task: "ddpm-field".

    Args:
        run: Whose model, of points of the plane.
        step: Of which snapshot; the newest weights otherwise.
        n: Particles.
        seed: Of the noise they start from.
        frames: Steps, evenly spaced in the log-SNR.
        side: Points along a side of the grid of arrows.

    Returns:
        "half": everything is over [−half, half]²; "t" and "log_snr", (F,), falling; "particles", (F + 1, n, 2), the
        last at t = 0; "at", the grid, (side², 2); "learned", −ε̂ there, (F, side², 2); "mse", the error of ε̂ on noised
        test points, per dimension, (F,). Where the law of x_t is known also "best", −ε*; "floor", the error of ε*;
        "gap", what ε̂ differs from it; and "map", q(x_t) at 64 × 64 cells, x₂ by rows, rising, (F, 64, 64).
    """
    model, data = asked_of(run, step)
    half = _half(model, data)
    at, cells = _grid(half, side), _grid(half, 64)
    x_0 = data.test.x[:1000].to(model.device)
    eps = noise_like(x_0, random.generator(seed, model.device))
    rows: list[dict[str, Array]] = []
    walk = model.trajectory(n, rng=random.generator(seed, model.device), steps=frames)
    last = len(timesteps(model.schedule, frames, "log-snr")) - 1
    for i, now in enumerate(walk):
        row: dict[str, Any] = {"particles": now.x_t}
        if i < last:
            row |= _learned(model, now.t, at, x_0, eps) | _true(model, data, now.t, at, cells, x_0, eps)
            row |= {"t": torch.tensor(now.t), "log_snr": model.schedule.log_snr[now.t]}
            row["mse"] = (row["said"] - eps).square().mean()
            if "known" in row:
                row["floor"] = (row["known"] - eps).square().mean()
                row["gap"] = (row["known"] - row["said"]).square().mean()
        rows.append({key: value.cpu().numpy() for key, value in row.items()})
        yield (i + 1) / (last + 1)
    kept = [key for key in rows[0] if key not in ("said", "known")]
    found = {key: np.stack([row[key] for row in rows if key in row]) for key in kept}
    return found | {"half": np.array(half), "at": at.numpy()}


@torch.no_grad()
def _learned(model: DDPM, t: int, at: Tensor, x_0: Tensor, eps: Tensor) -> dict[str, Tensor]:
    """−ε̂ on the grid, and ε̂ of the noised examples."""
    x_t = model.schedule.noised(x_0, eps, t)
    both = torch.cat([at.to(x_t), x_t])
    said = model.eps_hat(both, torch.full((len(both),), t, device=both.device))
    return {"learned": -said[: len(at)], "said": said[len(at) :]}


def _true(model: DDPM, data: Data, t: int, at: Tensor, cells: Tensor, x_0: Tensor, eps: Tensor) -> dict[str, Tensor]:
    """−ε* on the grid, ε* of the noised examples, and the density, where they are known."""
    a, sigma = (float(rate) for rate in model.schedule.rates(t, cells))
    law = noised(data.plane, a, sigma)
    if law is None:
        return {}
    x_t = model.schedule.noised(x_0, eps, t).cpu()
    return {
        "best": -best_eps(law, at, sigma).float(),
        "known": best_eps(law, x_t, sigma).to(eps),
        "map": law.log_prob(cells).exp().view(64, 64).float(),
    }


def density(run: str, step: int | None = None, side: int = 64, steps: int = 48) -> Task:
    """The exact density of what the model makes, by the probability-flow ODE, on a grid. A task: "ddpm-density".

    Returns:
        "half": it is over [−half, half]²; "learned", (side, side), x₂ by rows, rising; "mass", its sum over the square;
        where the true density is known also "true", and "kl", KL(p ‖ learned) in nats, by the same sum.
    """
    model, data = asked_of(run, step)
    if model.is_image:
        raise BadInput("This density is one of points of the plane, and this model makes images.")
    half = DATASETS[data.name].extent
    x, parts = _grid(half, side), list[Tensor]()
    for part in x.to(model.device).float().split(256):
        yield len(parts) * 256 / len(x)
        parts.append(model.log_prob(part, steps=steps).detach().cpu().double())
    learned = torch.cat(parts)
    cell = (2 * half / side) ** 2
    found = {"half": half, "learned": learned.exp().view(side, side).numpy(), "mass": float(learned.exp().sum()) * cell}
    if data.log_prob is not None:
        true = data.log_prob(x)
        found["true"] = true.exp().view(side, side).numpy()
        found["kl"] = float(torch.where(true > -700, true.exp() * (true - learned), 0.0).sum()) * cell
    return {name: np.asarray(value) for name, value in found.items()}


def shades(maps: Array, color: str, paper: str) -> Array:
    """Densities (F, H, W), x₂ rising, as frames (F, 3, H, W), uint8, x₂ falling, from ``paper`` at 0 to ``color``."""
    ink, blank = (np.array([int(c[i : i + 2], 16) for i in (1, 3, 5)], float)[:, None, None] for c in (color, paper))
    share = np.sqrt(maps / maps.max((1, 2), keepdims=True))[:, None, ::-1]
    return np.rint(blank + 0.75 * share * (ink - blank)).astype(np.uint8)


def _half(model: DDPM, data: Data) -> float:
    if model.is_image:
        raise BadInput("This field is one of points of the plane, and this model makes images.")
    return max(HALF, DATASETS[data.name].extent)


def _grid(half: float, side: int) -> Tensor:
    """The middles of side² cells of [−half, half]², x₂ by rows, rising, shape (side², 2), float64."""
    centres = (torch.arange(side, dtype=torch.float64) + 0.5) / side * 2 * half - half
    x2, x1 = torch.meshgrid(centres, centres, indexing="ij")
    return torch.stack([x1, x2], -1).reshape(-1, 2)

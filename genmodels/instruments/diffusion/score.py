r"""Diffusion on the plane: the score that a model has learned beside the true one, and the density of what it makes.

Noised data of a known law have a known law again, and with it a best possible answer ε*
(:mod:`genmodels.data.noised`). The error of a network is then the sum of what nobody could know and what it has not
learned, which stand at a right angle:
:math:`E\|\epsilon - \hat\epsilon\|^2 = E\|\epsilon - \epsilon^*\|^2 + E\|\epsilon^* - \hat\epsilon\|^2`.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import DATASETS, Data
from genmodels.data.noised import best_eps, noised
from genmodels.errors import BadInput
from genmodels.instruments.diffusion.denoising import Array, Task, asked_of
from genmodels.metrics import floors
from genmodels.models.ddpm import DDPM
from genmodels.probability.samplers import noise_like, timesteps

__all__ = ["density", "field", "shades"]

HALF = 3.2  # of the square that holds N(0, I)


def field(run: str, step: int | None = None, n: int = 500, seed: int = 0, frames: int = 40, side: int = 19) -> Task:
    r"""Particles on their way from noise to data, and the field that moves them. A task: "ddpm-field".

    Of a conditional model both are those of its branch without labels, which learns the score of all data.

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
    walk = model.trajectory(n, rng=random.generator(seed, model.device), steps=frames, guidance=0.0)
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


def density(run: str, step: int | None = None, side: int = 64, steps: int = 48, n: int = 1000) -> Task:
    """The exact density at t = 1 of what the model makes, by the probability-flow ODE, on a grid. Task "ddpm-density".

    At t = 1 the last noise, of standard deviation "noise", is still in the samples. So it is held against the law of
    data under the same noise; where that is not known, against that of the data, and the noise is part of the gap.

    Returns:
        "half": it is over [−half, half]²; "learned", (side, side), x₂ by rows, rising; "mass", its sum over the square;
        "noise". Where the true density is known also "true", on the grid, and "alike", whether it has the same noise;
        and "kl", KL(true ‖ learned) in nats, over ``n`` random test points, and "kl_se", its standard error.
    """
    model, data = asked_of(run, step)
    if model.is_image:
        raise BadInput("This density is one of points of the plane, and this model makes images.")
    half, noise = DATASETS[data.name].extent, model.schedule.noise_left
    law = noised(data.plane, 1.0, noise)
    grid, test = _grid(half, side), floors.chosen(data.test, n, 0).x.cpu().double()
    if law is not None:
        test = test + noise * noise_like(test, random.generator(0))
    x, parts = torch.cat([grid, test]), list[Tensor]()
    for part in x.to(model.device).float().split(256):
        yield len(parts) * 256 / len(x)
        parts.append(model.log_prob(part, steps=steps).detach().cpu().double())
    learned, of_test = torch.cat(parts).split([len(grid), len(test)])
    mass = float(learned.exp().sum()) * (2 * half / side) ** 2
    found = {"half": half, "learned": learned.exp().view(side, side).numpy(), "mass": mass, "noise": noise}
    if (true := law.log_prob if law is not None else data.log_prob) is not None:
        gap = true(test) - of_test
        found |= {"true": true(grid).exp().view(side, side).numpy(), "alike": law is not None}
        found |= {"kl": float(gap.mean()), "kl_se": float(gap.std()) / len(gap) ** 0.5}
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

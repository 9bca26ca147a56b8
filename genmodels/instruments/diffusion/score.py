r"""Diffusion on the plane: the score that a model has learned beside the true one, and particles that follow it.

Noised data of a known law have a known law again, and with it a best possible answer ε*
(:mod:`genmodels.data.noised`). The error of a network is then the sum of what nobody could know and what it has not
learned, which stand at a right angle:
:math:`E\|\epsilon - \hat\epsilon\|^2 = E\|\epsilon - \epsilon^*\|^2 + E\|\epsilon^* - \hat\epsilon\|^2`.
"""

from collections import defaultdict

import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import DATASETS, Data
from genmodels.data.noised import best_eps, noised
from genmodels.instruments.arrays import Arrays, Task, arrays
from genmodels.instruments.examples import points_only
from genmodels.instruments.plane import cells
from genmodels.models.ddpm import DDPM
from genmodels.probability.diffusion.times import timesteps
from genmodels.probability.samplers import noise_like
from genmodels.text import number

__all__ = ["conclusion", "field", "square"]

HALF = 3.2  # of the square that holds N(0, I)


def field(model: DDPM, data: Data, n: int = 500, seed: int = 0, frames: int = 40, side: int = 19) -> Task:
    r"""``n`` particles on their way from noise to data, and the field that moves them. A task.

    They go in ``frames`` steps, evenly spaced in the log-SNR; the field is drawn at side² points. Of a conditional
    model both are those of its branch without labels, which learns the score of all data.

    Returns:
        "half": everything is over [−half, half]²; "t" and "log_snr", (F,), falling; "particles", (F + 1, n, 2), the
        last at t = 0; "at", the grid, (side², 2); "learned", −ε̂ there, (F, side², 2); "mse", the error of ε̂ on noised
        test points, per dimension, (F,). Where the law of x_t is known also "best", −ε*; "floor", the error of ε*;
        "gap", what ε̂ differs from it; and "map", q(x_t) at 64 × 64 cells, x₂ by rows, rising, (F, 64, 64).
    """
    points_only(model)
    half = square(data)
    at, fine = cells(half, side), cells(half, 64)
    x_0 = data.test.x[:1000].to(model.device)
    eps = noise_like(x_0, random.generator(seed, model.device))
    rows: dict[str, list[Tensor]] = defaultdict(list)
    walk = model.trajectory(n, rng=random.generator(seed, model.device), steps=frames, guidance=0.0)
    last = len(timesteps(model.schedule, frames, "log-snr")) - 1
    for i, now in enumerate(walk):
        row = {"particles": now.x_t}
        if i < last:
            x_t = model.schedule.noised(x_0, eps, now.t)
            t = torch.full((len(at) + len(x_t),), now.t, device=x_t.device)
            with torch.no_grad():  # on the grid, and of the noised examples
                there, said = model.eps_hat(torch.cat([at.to(x_t), x_t]), t).split([len(at), len(x_t)])
            row |= {"t": torch.tensor(now.t), "log_snr": model.schedule.log_snr[now.t], "learned": -there}
            row["mse"] = (said - eps).square().mean()
            a, sigma = (float(rate) for rate in model.schedule.rates(now.t, fine))
            if law := noised(data.plane, a, sigma):
                best = best_eps(law, x_t.cpu(), sigma).to(eps)
                row |= {"best": -best_eps(law, at, sigma).float(), "map": law.log_prob(fine).exp().view(64, 64)}
                row |= {"floor": (best - eps).square().mean(), "gap": (best - said).square().mean()}
        for name, value in row.items():
            rows[name].append(value.cpu())
        yield (i + 1) / (last + 1)
    return arrays(half=half, at=at, **{name: torch.stack(values) for name, values in rows.items()})


def square(data: Data) -> float:
    """Half the side of the square that holds both the data and the noise that they become."""
    return max(HALF, DATASETS[data.name].extent)


def conclusion(field: Arrays) -> str:
    """The error of ε̂ that nobody could avoid, and where most is left to learn; means over the times drawn."""
    mse = float(field["mse"].mean())
    text = f"Over these times the squared error of ε̂ is {number(mse)} per dimension on average"
    if "gap" not in field:
        worst = int(field["mse"].argmax())
        return text + f", and largest, {number(float(field['mse'][worst]))}, at t = {int(field['t'][worst]):,}."
    floor, gap, worst = float(field["floor"].mean()), float(field["gap"].mean()), int(field["gap"].argmax())
    text += f": {number(floor)} that no network can avoid and {number(gap)} left to learn"
    return text + f", the most at t = {int(field['t'][worst]):,}." if gap else text + "."

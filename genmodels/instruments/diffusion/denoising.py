"""The instruments of the denoising diffusion model: its noising, its steps back, its samplers.

What asks the network many times is a task: a generator that yields how far it is, 0 to 1, and returns arrays by name.
Films keep at most :data:`FRAMES` of their steps; images in them are uint8.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.hyperparameters import check
from genmodels.metrics import floors
from genmodels.metrics.distances import sliced_wasserstein1
from genmodels.metrics.judge import judge as judge_of
from genmodels.metrics.judge import quality
from genmodels.models.ddpm import DDPM
from genmodels.probability.samplers import SAMPLERS, STOCHASTIC, Step, noise_like
from genmodels.probability.schedules import SCHEDULES, Schedule

__all__ = [
    "CURVES",
    "FRAMES",
    "STEPS",
    "Array",
    "Noising",
    "Task",
    "compared",
    "count_of",
    "denoised",
    "evaluations",
    "examples_of",
    "film_of",
    "frames_of",
    "images_only",
    "judged",
    "noising",
    "shown",
    "tables",
]

Array = npt.NDArray[Any]
Task = Generator[float, None, dict[str, Array]]

FRAMES = 50
STEPS = (5, 10, 25, 50)
"""The numbers of steps that samplers are compared at."""
MOST_IMAGES, MOST_POINTS, MOST_REAL = 100, 1000, 5000


def examples_of(model: DDPM, data: Data, first: int, n: int = 1) -> Tensor:
    """``n`` test examples from number ``first`` on, in the model's space."""
    if not 0 <= first <= first + n <= len(data.test):
        raise BadInput(f"Test examples {first} to {first + n - 1} are not all there: there are {len(data.test)}.")
    x = data.test.x[first : first + n]
    return data.prepare(x, model.inputs, random.generator(0, data.device)).to(model.device)


def count_of(model: DDPM, n: int) -> int:
    """``n``, where so many examples may be asked for."""
    most = MOST_IMAGES if model.is_image else MOST_POINTS
    if not 1 <= n <= most:
        raise BadInput(f"n = {n} is not a number of examples from 1 to {most}.")
    return n


def images_only(model: DDPM) -> None:
    """Refuse a model of points."""
    if not model.is_image:
        raise BadInput("This is done with images, and this model makes points of the plane.")


def shown(model: DDPM, x: Tensor, reach: float = 1.0) -> Array:
    """What is drawn of ``x`` in the model's space: images as bytes, black at −reach and white at reach; else floats."""
    if not model.is_image:
        return x.float().cpu().numpy()
    return ((x / reach + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


# Noising --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Noising:
    r"""x_t of the same examples and the same noise, (F, n, \*shape), at the times t, (F,), and log-SNR there, (F,)."""

    t: Array
    log_snr: Array
    x_t: Array


def noising(model: DDPM, data: Data, first: int = 0, n: int = 1, *, frames: int = FRAMES, seed: int = 0) -> Noising:
    """Test examples at times from 0 to T, evenly spaced: q(x_t | x_0), for which no network is needed."""
    x_0 = examples_of(model, data, first, n)
    eps = noise_like(x_0, random.generator(seed, model.device))
    t = np.unique(np.linspace(0, model.T, min(frames, model.T + 1)).round().astype(int))
    x_t = torch.stack([model.schedule.noised(x_0, eps, int(at)) for at in t])
    return Noising(t, model.schedule.log_snr.cpu().numpy()[t], shown(model, x_t))


CURVES = ("signal", "noise", "log_snr", "beta")


def tables(model: DDPM) -> dict[str, dict[str, Array]]:
    r"""The schedule of the model and, to compare, the others with the same T: curves over t = 1 … T by schedule's name.

    "signal" :math:`\sqrt{\bar\alpha_t}`, "noise" :math:`\sqrt{1 - \bar\alpha_t}`, "log_snr", "beta", and "t".
    """
    own = model.config["schedule"]
    names = [own, *(name for name in SCHEDULES if name not in (own, "drawn"))]
    return {name: _curves(model.schedule if name == own else Schedule.named(name, model.T)) for name in names}


def _curves(schedule: Schedule) -> dict[str, Array]:
    signal, noise = schedule.alpha_bar.sqrt(), (1 - schedule.alpha_bar).sqrt()
    values = (torch.arange(schedule.T + 1), signal, noise, schedule.log_snr, schedule.beta)
    return {name: curve[1:].cpu().numpy() for name, curve in zip(("t", *CURVES), values, strict=True)}


# Denoising ------------------------------------------------------------------------------------------------------------


def evaluations(sampler: str, steps: int, *, guided: bool = False) -> int:
    """How often a sampler asks the network: heun asks twice but at the last step, and guidance doubles all of it."""
    return (2 * steps - 1 if sampler == "heun" else steps) * (1 + guided)


def film_of(steps: Iterator[Step], total: int) -> Generator[float, None, list[Step]]:
    """Walk through ``total`` + 1 steps, saying how far, and keep at most FRAMES of them: the first and the last."""
    kept = set(np.linspace(0, total, min(total + 1, FRAMES)).round().astype(int).tolist())
    film = []
    for i, now in enumerate(steps):
        if i in kept:
            film.append(now)
        yield (i + 1) / (total + 1)
    return film


def frames_of(model: DDPM, film: list[Step]) -> dict[str, Array]:
    """The film as arrays: "t", "log_snr", "x_t", "eps" and "x_0"."""
    t = np.array([now.t for now in film])
    frames = {"t": t, "log_snr": model.schedule.log_snr.cpu().numpy()[t]}
    parts = (("x_t", 1.0), ("eps", 3.0), ("x_0", 1.0))
    return frames | {name: np.stack([shown(model, getattr(now, name), reach) for now in film]) for name, reach in parts}


def denoised(
    model: DDPM, n: int = 16, seed: int = 0, label: int | None = None, how: dict[str, Any] | None = None
) -> Task:
    r"""The way from x_T to ``n`` samples. A task.

    Args:
        model: The model.
        n: Samples: 1 to 100 images, or 1 to 1,000 points.
        seed: Same seed, same noise, whatever the sampler.
        label: Of which class, where the model is conditional.
        how: Options of :meth:`DDPM.trajectory`.

    Returns:
        "x_t", "eps" (grey is 0, black and white are ∓3) and "x_0", the model's guesses of noise and data, each
        (F, n, \*shape); "t" and "log_snr", (F,); "evaluations", how often the network was asked.
    """
    chosen = check(DDPM.trajectory, how or {})
    y = None if label is None else torch.full((n,), label, device=model.device)
    total = min(chosen["steps"], model.T)
    steps = model.trajectory(count_of(model, n), y=y, rng=random.generator(seed, model.device), **chosen)
    film = yield from film_of(steps, total)
    asked = evaluations(chosen["sampler"], total, guided=y is not None and chosen["guidance"] != 1)
    return frames_of(model, film) | {"evaluations": np.array(asked)}


# Samplers -------------------------------------------------------------------------------------------------------------

REFERENCE = 100  # steps of heun that stand for the solution of the ODE


def compared(model: DDPM, data: Data, n: int = 8, seed: int = 0, spacing: str = "auto") -> Task:
    r"""The same x_T through every sampler in every number of STEPS. A task.

    Three of the samplers solve one equation, so they have one answer to come to: "gap" is how far each is from
    it, the root mean square over samples and dimensions in data space. For points "w1" says how far the samples, as a
    set, are from as many test points: the sliced 1-Wasserstein distance; "floor" is that of as many training
    points, the mean over random sets of them, and "floor_se" its standard error.

    Returns:
        "samples" (samplers, steps, n, \*shape); "steps" (steps,); "evaluations", "gap" (NaN for those that draw
        noise), (samplers, steps); for points also "w1", "floor" and "floor_se".
    """
    check(DDPM.trajectory, {"spacing": spacing})
    x_T = random.randn(count_of(model, n), *model.shape, rng=random.generator(seed, model.device), device=model.device)
    counts, asked = costs(model)
    ways = [("heun", REFERENCE, "log-snr"), *((sampler, k, spacing) for sampler in SAMPLERS for k in counts)]
    exact, *made = yield from ends(model, x_T, ways, seed=seed + 1)
    samples = torch.stack(made).unflatten(0, (len(SAMPLERS), len(counts)))
    gap = (samples - exact).square().flatten(2).mean(2).sqrt().cpu().numpy()
    for sampler in STOCHASTIC:
        gap[SAMPLERS.index(sampler)] = np.nan
    table = {"steps": np.array(counts), "evaluations": asked, "gap": gap}
    if model.is_image:
        return table | {"samples": (samples.cpu().numpy() * 255).round().astype(np.uint8)}
    return table | {"samples": samples.float().cpu().numpy()} | _distances(data, samples)


def costs(model: DDPM) -> tuple[list[int], Array]:
    """The numbers of steps that samplers are compared at, and the evaluations of each sampler in them."""
    counts = sorted({min(k, model.T) for k in STEPS})
    return counts, np.array([[evaluations(sampler, k) for k in counts] for sampler in SAMPLERS])


def ends(
    model: DDPM, x_T: Tensor, ways: Sequence[tuple[str, int, str]], *, seed: int
) -> Generator[float, None, list[Tensor]]:
    """Where ``ways`` (sampler, steps, spacing) lead from the same x_T, in data space; yields how far it is."""
    whole, done, made = sum(evaluations(sampler, min(k, model.T)) for sampler, k, _ in ways), 0, []
    for sampler, k, spacing in ways:
        rng = random.generator(seed, model.device)
        for now in model.trajectory(len(x_T), x_T=x_T, rng=rng, sampler=sampler, steps=k, spacing=spacing):
            last = now.x_t
            done += 1 + (sampler == "heun")
            yield min(1.0, done / whole)
        made.append(model.to_data(last))
    return made


def judged(model: DDPM, data: Data, n: int = 200, seed: int = 0, spacing: str = "auto") -> Task:
    """What a judge of these pictures says of ``n`` samples of every sampler in every number of STEPS. A task.

    Returns:
        "steps" (steps,); "evaluations", "fid" from the training pictures, and "sure", the share of the samples that the
        judge puts in one class with p > 0.95, (samplers, steps); "fid_floor" and "sure_of_data", those of as many test
        pictures, means over disjoint random sets, and their standard errors, "fid_floor_se" and "sure_of_data_se".

    Raises:
        BadInput: If n is not from 50 to 1,000, or there is no judge of these pictures.
    """
    check(DDPM.trajectory, {"spacing": spacing})
    if not 50 <= n <= MOST_POINTS:
        raise BadInput(f"n = {n} is not a number of samples from 50 to {MOST_POINTS}.")
    images_only(model)
    judge, n = judge_of(data.name), min(n, len(data.test) // 2)
    x_T = random.randn(n, *model.shape, rng=random.generator(seed, model.device), device=model.device)
    counts, asked = costs(model)
    made = yield from ends(model, x_T, [(name, k, spacing) for name in SAMPLERS for k in counts], seed=seed + 1)
    test = floors.chosen(data.test, n * max(2, min(floors.DRAWS, len(data.test) // n)), seed).x.split(n)
    real, *same = (data.prepare(x, "unit").cpu() for x in (floors.chosen(data.train, MOST_REAL, seed).x, *test))
    known = judge.see(real)
    told = [quality(known, judge.see(x.cpu()), rng=random.generator(0)) for x in (*made, *same)]
    table = {"fid": [one.fid for one in told], "sure": [one.confidence for one in told]}
    scores = {name: np.array(values[: len(made)]).reshape(asked.shape) for name, values in table.items()}
    of_data = [{"fid_floor": one.fid, "sure_of_data": one.confidence} for one in told[len(made) :]]
    best = {name: np.array(value) for name, value in floors.averaged(of_data).items()}
    return {"steps": np.array(counts), "evaluations": asked} | scores | best


def _distances(data: Data, samples: Tensor) -> dict[str, Array]:
    """The sliced W1 between each set of points and as many test points, and between data and data."""
    n = min(samples.shape[2], floors.most(data))
    test = floors.chosen(data.test, n, 0).x.double()
    to_test = lambda x: sliced_wasserstein1(x[:n].cpu().double(), test, rng=random.generator(0))  # noqa: E731
    w1 = [[to_test(points) for points in row] for row in samples]
    floor = floors.averaged({"floor": to_test(part.x)} for part in floors.draws(data, n, 0))
    return {name: np.array(value) for name, value in ({"w1": w1} | floor).items()}

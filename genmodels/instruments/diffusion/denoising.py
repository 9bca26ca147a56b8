"""The instruments of the denoising diffusion model: its noising, its steps back, its samplers.

What asks the network many times is a task: a generator that yields how far it is, 0 to 1, and returns arrays by name.
Films keep at most :data:`FRAMES` of their steps; images in them are uint8.
"""

import math
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
from genmodels.metrics import judge as features
from genmodels.metrics.distances import sliced_wasserstein1
from genmodels.models.ddpm import DDPM
from genmodels.probability.samplers import SAMPLERS, STOCHASTIC, Step, noise_like
from genmodels.probability.schedules import SCHEDULES, Schedule
from genmodels.runs import store

__all__ = [
    "CURVES",
    "FRAMES",
    "STEPS",
    "Array",
    "Noising",
    "Task",
    "asked_of",
    "compared",
    "count_of",
    "denoised",
    "evaluations",
    "examples_of",
    "film_of",
    "frames_of",
    "images_only",
    "judged",
    "labels_of",
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


def asked_of(run: str, step: int | None) -> tuple[DDPM, Data]:
    """The model of a run at a step, and its data.

    Raises:
        BadInput: If the run is not one of a diffusion model.
    """
    source = store.find(run)
    model = source.model(step)
    if not isinstance(model, DDPM):
        raise BadInput(f"Run {run} is one of {model.name}, not of a diffusion model.")
    return model, source.data()


def examples_of(model: DDPM, data: Data, first: int, n: int = 1) -> Tensor:
    """``n`` test examples from number ``first`` on, in the model's space."""
    if not 0 <= first <= first + n <= len(data.test):
        raise BadInput(f"Test examples {first} to {first + n - 1} are not all there: there are {len(data.test)}.")
    x = data.test.x[first : first + n]
    return data.prepare(x, model.inputs, random.generator(0, data.device)).to(model.device)


def _labels(model: DDPM, label: int | None, n: int) -> Tensor | None:
    return None if label is None else torch.full((n,), label, device=model.device)


def labels_of(model: DDPM, y: Tensor) -> Tensor | None:
    """The labels ``y`` of examples, for a model that learned with labels."""
    return y.to(model.device) if model.classes else None


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
    found = {}
    for name in names:
        schedule = model.schedule if name == own else Schedule.named(name, model.T)
        curves = {
            "t": torch.arange(schedule.T + 1),
            "signal": schedule.alpha_bar.sqrt(),
            "noise": (1 - schedule.alpha_bar).sqrt(),
            "log_snr": schedule.log_snr,
            "beta": schedule.beta,
        }
        found[name] = {key: curve[1:].cpu().numpy() for key, curve in curves.items()}
    return found


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
    return {
        "t": t,
        "log_snr": model.schedule.log_snr.cpu().numpy()[t],
        "x_t": np.stack([shown(model, now.x_t) for now in film]),
        "eps": np.stack([shown(model, now.eps, 3.0) for now in film]),
        "x_0": np.stack([shown(model, now.x_0) for now in film]),
    }


def denoised(
    run: str,
    step: int | None = None,
    n: int = 16,
    seed: int = 0,
    label: int | None = None,
    how: dict[str, Any] | None = None,
) -> Task:
    r"""The way from x_T to ``n`` samples. A task: "ddpm-denoise".

    Args:
        run: Whose model.
        step: Of which snapshot; the newest weights otherwise.
        n: Samples: 1 to 100 images, or 1 to 1,000 points.
        seed: Same seed, same noise, whatever the sampler.
        label: Of which class, where the model is conditional.
        how: Options of :meth:`DDPM.trajectory`.

    Returns:
        "x_t", "eps" (grey is 0, black and white are ∓3) and "x_0", the model's guesses of noise and data, each
        (F, n, \*shape); "t" and "log_snr", (F,); "evaluations", how often the network was asked.
    """
    model, _ = asked_of(run, step)
    chosen = check(DDPM.trajectory, how or {})
    y = _labels(model, label, count_of(model, n))
    total = min(chosen["steps"], model.T)
    steps = model.trajectory(n, y=y, rng=random.generator(seed, model.device), **chosen)
    film = yield from film_of(steps, total)
    asked = evaluations(chosen["sampler"], total, guided=y is not None and chosen["guidance"] != 1)
    return frames_of(model, film) | {"evaluations": np.array(asked)}


# Samplers -------------------------------------------------------------------------------------------------------------

REFERENCE = 100  # steps of heun that stand for the solution of the ODE


def compared(run: str, step: int | None = None, n: int = 8, seed: int = 0, spacing: str = "auto") -> Task:
    r"""The same x_T through every sampler in every number of STEPS. A task: "ddpm-samplers".

    Three of the samplers solve one equation, so they have one answer to come to: "gap" is how far each is from
    it, the root mean square over samples and dimensions in data space. For points "w1" says how far the samples, as a
    set, are from as many test points: the sliced 1-Wasserstein distance; "floor" is that of as many training
    points, the mean over random sets of them, and "floor_se" its standard error.

    Returns:
        "samples" (samplers, steps, n, \*shape); "steps" (steps,); "evaluations", "gap" (NaN for those that draw
        noise), (samplers, steps); for points also "w1", "floor" and "floor_se".
    """
    model, data = asked_of(run, step)
    check(DDPM.trajectory, {"spacing": spacing})
    x_T = random.randn(count_of(model, n), *model.shape, rng=random.generator(seed, model.device), device=model.device)
    counts, asked = costs(model)
    ways = [("heun", REFERENCE, "log-snr"), *((sampler, k, spacing) for sampler in SAMPLERS for k in counts)]
    exact, *made = yield from ends(model, x_T, ways, seed=seed + 1)
    samples = torch.stack(made).unflatten(0, (len(SAMPLERS), len(counts)))
    gap = (samples - exact).square().flatten(2).mean(2).sqrt().cpu().numpy()
    for sampler in STOCHASTIC:
        gap[SAMPLERS.index(sampler)] = np.nan
    shown = samples.float().cpu().numpy()
    if model.is_image:
        shown = np.rint(shown * 255).astype(np.uint8)
    found = {"samples": shown, "steps": np.array(counts), "evaluations": asked, "gap": gap}
    return found if model.is_image else found | _distances(data, samples)


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


def judged(run: str, step: int | None = None, n: int = 200, seed: int = 0, spacing: str = "auto") -> Task:
    """What a judge of these pictures says of ``n`` samples of every sampler in every number of STEPS.

    A task: "ddpm-judged".

    Returns:
        "steps" (steps,); "evaluations", "fid" from the training pictures, and "sure", the share of the samples that the
        judge puts in one class with p > 0.95, (samplers, steps); "fid_floor" and "sure_of_data", those of as many test
        pictures, means over disjoint random sets, and their standard errors, "fid_floor_se" and "sure_of_data_se".

    Raises:
        BadInput: If n is not from 50 to 1,000, or there is no judge of these pictures.
    """
    model, data = asked_of(run, step)
    check(DDPM.trajectory, {"spacing": spacing})
    if not 50 <= n <= MOST_POINTS:
        raise BadInput(f"n = {n} is not a number of samples from 50 to {MOST_POINTS}.")
    images_only(model)
    judge, n = features.judge(data.name), min(n, len(data.test) // 2)
    x_T = random.randn(n, *model.shape, rng=random.generator(seed, model.device), device=model.device)
    counts, asked = costs(model)
    made = yield from ends(model, x_T, [(name, k, spacing) for name in SAMPLERS for k in counts], seed=seed + 1)
    test = floors.chosen(data.test, n * max(2, min(floors.DRAWS, len(data.test) // n)), seed).x.split(n)
    real, *same = (data.prepare(x, "unit").cpu() for x in (floors.chosen(data.train, MOST_REAL, seed).x, *test))
    known = judge.see(real)
    told = [features.quality(known, judge.see(x.cpu()), rng=random.generator(0)) for x in (*made, *same)]
    table = {"fid": [one.fid for one in told], "sure": [one.confidence for one in told]}
    found = {name: np.array(values[: len(made)]).reshape(asked.shape) for name, values in table.items()}
    for name, key in (("fid", "fid_floor"), ("sure", "sure_of_data")):
        best = np.array(table[name][len(made) :])
        found |= {key: best.mean(), f"{key}_se": best.std(ddof=1) / math.sqrt(len(best))}
    return {"steps": np.array(counts), "evaluations": asked} | found


def _distances(data: Data, samples: Tensor) -> dict[str, Array]:
    """The sliced W1 between each set of points and as many test points, and between data and data."""
    n = min(samples.shape[2], floors.most(data))
    test = floors.chosen(data.test, n, 0).x.double()
    to_test = lambda x: sliced_wasserstein1(x[:n].cpu().double(), test, rng=random.generator(0))  # noqa: E731
    w1 = [[to_test(points) for points in row] for row in samples]
    floor = floors.averaged({"floor": to_test(part.x)} for part in floors.draws(data, n, 0))
    return {name: np.array(value) for name, value in ({"w1": w1} | floor).items()}

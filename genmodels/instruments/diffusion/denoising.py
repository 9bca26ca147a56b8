"""The denoising diffusion model at work: its noising, its steps back, its samplers beside each other."""

import math
from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.hyperparameters import check
from genmodels.instruments.arrays import Array, Arrays, Task, arrays
from genmodels.instruments.diffusion.film import FRAMES, count_of, film_of, frames_of, shown
from genmodels.instruments.examples import example, images_only
from genmodels.metrics import floors
from genmodels.metrics.distances import sliced_wasserstein1
from genmodels.metrics.judge import judge as judge_of
from genmodels.metrics.judge import quality
from genmodels.models.ddpm import DDPM
from genmodels.probability.samplers import SAMPLERS, STOCHASTIC, noise_like
from genmodels.probability.schedules import SCHEDULES, Schedule
from genmodels.text import number

__all__ = [
    "CURVES",
    "STEPS",
    "compared",
    "conclusion_of_film",
    "conclusion_of_judged",
    "conclusion_of_samplers",
    "conclusion_of_schedule",
    "denoised",
    "evaluations",
    "judged",
    "most_judged",
    "noising",
    "tables",
]

CURVES: dict[str, Callable[[Schedule], Tensor]] = {
    "signal": lambda schedule: schedule.alpha_bar.sqrt(),
    "noise": lambda schedule: (1 - schedule.alpha_bar).sqrt(),
    "log_snr": lambda schedule: schedule.log_snr,
    "beta": lambda schedule: schedule.beta,
}
"""What is drawn of a schedule at every t, shape (T + 1,)."""
STEPS = (5, 10, 25, 50)
"""The numbers of steps that samplers are compared at."""
REFERENCE = 100  # steps of heun that stand for the solution of the ODE
MOST_JUDGED, MOST_REAL = 1000, 5000


def noising(model: DDPM, data: Data, first: int = 0, n: int = 1, *, frames: int = FRAMES, seed: int = 0) -> Arrays:
    r"""Test examples at times from 0 to T, evenly spaced: q(x_t | x_0), for which no network is needed.

    "x_t" of the same examples and the same noise, (F, n, \*shape), at the times "t", (F,), and "log_snr" there, (F,).
    """
    x_0 = example(model, data, first, n)
    eps = noise_like(x_0, random.generator(seed, model.device))
    t = np.unique(np.linspace(0, model.T, min(frames, model.T + 1)).round().astype(int))
    x_t = torch.stack([model.schedule.noised(x_0, eps, int(at)) for at in t])
    return arrays(t=t, log_snr=model.schedule.log_snr[t], x_t=shown(model, x_t))


def tables(model: DDPM) -> dict[str, Arrays]:
    r"""The schedule of the model and, to compare, the others with the same T: curves over t = 1 … T by schedule's name.

    "signal" :math:`\sqrt{\bar\alpha_t}`, "noise" :math:`\sqrt{1 - \bar\alpha_t}`, "log_snr", "beta", and "t".
    """
    own, t = model.config["schedule"], range(1, model.T + 1)
    schedules = {own: model.schedule} | {
        name: Schedule.named(name, model.T) for name in SCHEDULES if name not in (own, "drawn")
    }
    curves = lambda schedule: {name: of(schedule)[1:] for name, of in CURVES.items()}  # noqa: E731
    return {name: arrays(t=t, **curves(schedule)) for name, schedule in schedules.items()}


def evaluations(sampler: str, steps: int, *, guided: bool = False, repeats: int = 1, learned: bool = False) -> int:
    """How often a sampler asks the network: heun asks twice but at the last step, and guidance doubles all of it.

    langevin asks ``repeats`` times at each step, and once more at the end; ancestral asks a second time at each step
    but the last for a variance that is ``learned``.
    """
    of = {"heun": 2 * steps - 1, "langevin": repeats * steps + 1}
    return of.get(sampler, steps) * (1 + guided) + (steps - 1) * (learned and sampler == "ancestral")


def denoised(
    model: DDPM, n: int = 16, seed: int = 0, label: int | None = None, how: dict[str, Any] | None = None
) -> Task:
    """The way from x_T to ``n`` samples, 1 to 100 images or 1 to 1,000 points, of a class ``label``. A task.

    The same seed is the same noise, whatever the sampler; ``how`` holds options of :meth:`DDPM.trajectory`.

    Returns:
        The film (:func:`genmodels.instruments.diffusion.film.frames_of`); "evaluations", how often the network was
        asked.
    """
    chosen = check(DDPM.trajectory, how or {})
    y = None if label is None else torch.full((n,), label, device=model.device)
    total = min(chosen["steps"], model.T)
    steps = model.trajectory(count_of(model, n), y=y, rng=random.generator(seed, model.device), **chosen)
    film = yield from film_of(steps, total)
    guided = bool(model.classes) and chosen["guidance"] not in (0, 1)  # labels are drawn where none is asked for
    learned = model.variance == "learned"
    asked = evaluations(chosen["sampler"], total, guided=guided, repeats=chosen["repeats"], learned=learned)
    return frames_of(model, film) | arrays(evaluations=asked)


# Samplers beside each other -------------------------------------------------------------------------------------------


def compared(model: DDPM, data: Data, n: int = 8, seed: int = 0, spacing: str = "auto") -> Task:
    r"""Compare all samplers in all numbers of STEPS, from the same x_T. A task.

    Three of the samplers solve one equation, so they have one answer to come to: "gap" is how far each is from
    it, the root mean square over samples and dimensions in data space. For points "w1" says how far the samples, as a
    set, are from as many test points: the sliced 1-Wasserstein distance; "floor" is that of as many training
    points, the mean over random sets of them, and "floor_se" its standard error.

    Returns:
        "samples" (samplers, steps, n, \*shape); "steps" (steps,); "evaluations", "gap" (NaN for those that draw
        noise), (samplers, steps); for points also "w1", "floor", "floor_se", and "floor_sd", the scatter of one set.
    """
    table, (exact, *made) = yield from _ends(model, count_of(model, n), seed, spacing, before=("heun", REFERENCE))
    samples = torch.stack(made).unflatten(0, table["evaluations"].shape)
    gap = (samples - exact).square().flatten(2).mean(2).sqrt()
    gap[[SAMPLERS.index(sampler) for sampler in STOCHASTIC]] = math.nan
    gap[SAMPLERS.index("heun"), table["steps"] == min(REFERENCE, model.T)] = math.nan  # is what all are held against
    table |= arrays(gap=gap, samples=(samples * 255).round().byte() if model.is_image else samples.float())
    return table if model.is_image else table | _distances(data, samples)


def most_judged(data: Data) -> int:
    """Samples of each sampler that :func:`judged` takes at most: so many that two sets of test pictures are as many."""
    return min(MOST_JUDGED, len(data.test) // 2)


def judged(model: DDPM, data: Data, n: int = 200, seed: int = 0, spacing: str = "auto") -> Task:
    """The judge's numbers of ``n`` samples of every sampler in every number of STEPS. A task.

    Of fewer where there are too few test pictures: :func:`most_judged`.

    Returns:
        "steps" (steps,); "evaluations", "fid" from the training pictures, and "sure", the share of the samples that the
        judge puts in one class with p > 0.95, (samplers, steps); "fid_floor" and "sure_of_data", those of as many test
        pictures, means over disjoint random sets, and their standard errors, "fid_floor_se" and "sure_of_data_se", and
        the scatter of one set, "fid_floor_sd" and "sure_of_data_sd".

    Raises:
        BadInput: If n is not from 50 to 1,000, or there is no judge of these pictures.
    """
    if not 50 <= n <= MOST_JUDGED:
        raise BadInput(f"n = {n} is not a number of samples from 50 to {MOST_JUDGED}.")
    images_only(model)
    judge, n = judge_of(data.name), min(n, most_judged(data))
    table, made = yield from _ends(model, n, seed, spacing)
    test = floors.chosen(data.test, n * max(2, min(floors.DRAWS, len(data.test) // n)), seed).x.split(n)
    real, *same = (data.prepare(x, "unit").cpu() for x in (floors.chosen(data.train, MOST_REAL, seed).x, *test))
    known = judge.see(real)
    told = [quality(known, judge.see(x.cpu()), rng=random.generator(0)) for x in (*made, *same)]
    for name, values in (("fid", [one.fid for one in told]), ("sure", [one.confidence for one in told])):
        table[name] = np.array(values[: len(made)]).reshape(table["evaluations"].shape)
    of_data = [{"fid_floor": one.fid, "sure_of_data": one.confidence} for one in told[len(made) :]]
    return table | _floor(of_data)


def _ends(
    model: DDPM, n: int, seed: int, spacing: str, *, before: tuple[str, int] | None = None
) -> Generator[float, None, tuple[Arrays, list[Tensor]]]:
    """Where every sampler in every number of STEPS (``before`` them one in so many) leads from the same x_T.

    Returns:
        "steps" and "evaluations", as in :func:`compared`; the samples of each, in data space.
    """
    check(DDPM.trajectory, {"spacing": spacing})
    counts = sorted({min(k, model.T) for k in STEPS})
    learned = model.variance == "learned"
    asked = [[evaluations(sampler, k, learned=learned) for k in counts] for sampler in SAMPLERS]
    ways = [(*before, "log-snr")] if before else []
    ways += [(sampler, k, spacing) for sampler in SAMPLERS for k in counts]
    x_T = random.randn(n, *model.shape, rng=random.generator(seed, model.device), device=model.device)
    whole, done, made = sum(evaluations(sampler, min(k, model.T)) for sampler, k, _ in ways), 0, []
    for sampler, k, times in ways:
        rng = random.generator(seed + 1, model.device)
        for now in model.trajectory(n, x_T=x_T, rng=rng, sampler=sampler, steps=k, spacing=times):
            last = now.x_t
            done += 1 + (sampler == "heun")
            yield min(1.0, done / whole)
        made.append(model.to_data(last))
    return arrays(steps=counts, evaluations=asked), made


def _distances(data: Data, samples: Tensor) -> Arrays:
    """The sliced W1 between each set of points and as many test points, and between data and data."""
    n = min(samples.shape[2], floors.most(data))
    test = floors.chosen(data.test, n, 0).x.double()
    to_test = lambda x: sliced_wasserstein1(x[:n].cpu().double(), test, rng=random.generator(0))  # noqa: E731
    w1 = [[to_test(points) for points in row] for row in samples]
    return arrays(w1=w1) | _floor([{"floor": to_test(part.x)} for part in floors.draws(data, n, 0)])


def _floor(rows: list[dict[str, float]]) -> Arrays:
    """What data score: means over the sets, their standard errors, and with ``_sd`` the scatter of one set."""
    told = floors.averaged(rows)
    scatter = {f"{name}_sd": told[f"{name}_se"] * math.sqrt(len(rows)) for name in rows[0]}
    return arrays(**told, **scatter)


# What they come to -----------------------------------------------------------------------------------------------


def conclusion_of_schedule(table: Arrays) -> str:
    """When signal and noise are alike, and what is left of the data at the end."""
    T, noisy = int(table["t"][-1]), table["log_snr"] <= 0
    left = f"at t = T = {T:,}, √ᾱ = {number(float(table['signal'][-1]))} of x₀ is left."
    if not noisy.any():
        return f"There is more signal than noise at every t; {left}"
    return f"From t = {int(table['t'][noisy.argmax()]):,} on there is as much noise as signal or more; {left}"


def conclusion_of_film(film: Arrays) -> str:
    """When the guess x̂₀ has come near to the sample that it becomes."""
    guess, sample = film["x_0"].astype(float), film["x_t"][-1].astype(float)
    away = np.sqrt(((guess - sample) ** 2).reshape(len(guess), -1).mean(1))
    if not np.isfinite(away).all() or not away[0]:
        return "The first guess is the sample already." if away[0] == 0 else "These samples are not finite."
    near = {words: film["t"][away <= share * away[0]] for words, share in (("half", 0.5), ("a tenth", 0.1))}
    left = " and ".join(f"{words} of it is left at t = {int(t[0]):,}" for words, t in near.items() if len(t))
    white, unit = (255, " of grey from 0 to 1") if film["x_0"].dtype == np.uint8 else (1, "")
    return f"The first guess x̂₀ is {number(float(away[0]) / white)} from the sample, root mean square{unit}; {left}."


def conclusion_of_samplers(made: Arrays) -> str:
    """Which sampler is nearest to the solution in the fewest steps and in the most, and of points how near to data."""
    said = list[str]()
    for k in (0, len(made["steps"]) - 1):
        gap, steps = made["gap"][:, k], made["steps"][k]
        if np.isfinite(gap).any():
            best = int(np.nanargmin(gap))
            asked, nearest = made["evaluations"][best, k], f"{SAMPLERS[best]} is nearest to the solution"
            said.append(f"in {steps} steps ({asked} evaluations) {nearest}, {number(float(gap[best]))} away")
    if "w1" in made and np.isfinite(made["w1"]).any():
        w1, floor, scatter = made["w1"], float(made["floor"]), float(made["floor_sd"])
        if alike := _alike(w1, floor, scatter):
            of_data = f"no farther from the data than other data are, {number(floor)} ± {number(scatter, 2)}"
            said.append(f"{alike} of {w1.size} pairs of sampler and steps {'is' if alike == 1 else 'are'} {of_data}")
        else:
            least, who, others = _least(w1, made["steps"], scatter)
            of_data = f", {number(least / floor, 2)} × as far as other data are" if floor > 0 else ""
            nearest = f"nearest to the data {'are' if others else 'is'} {who}{others}"
            said.append(f"{nearest}, {number(least)} away{of_data}")
    text = "; ".join(dict.fromkeys(said))
    return text[:1].upper() + text[1:] + "." if text else "No sampler came to a solution that is finite."


def conclusion_of_judged(scores: Arrays) -> str:
    """Who comes to the FID of test pictures, or else nearest to it, of all and in the fewest steps."""
    fid, steps, few = scores["fid"], scores["steps"], scores["fid"][:, :1]
    if not np.isfinite(fid).any():
        return "No FID is finite here."
    floor, scatter = float(scores["fid_floor"]), float(scores["fid_floor_sd"])
    of_data = f"{number(floor)} ± {number(scatter, 2)}"
    if alike := _alike(fid, floor, scatter):
        text = f"{alike} of {fid.size} pairs of sampler and steps {'has' if alike == 1 else 'have'} no larger FID than "
        text += f"as many test pictures, {of_data}"
    else:
        least, who, others = _least(fid, steps, scatter)
        text = f"The least FID, {number(least)}, is that of {who}{others}"
    if len(steps) > 1 and np.isfinite(few).any():
        if quick := _alike(few, floor, scatter):
            return f"{text}; {quick} of them in {steps[0]} steps."
        least, who, others = _least(few, steps, scatter)
        text += f"; the least in {steps[0]} steps is {number(least)}, of {who.split()[0]}{others}"
    return text + ("." if alike else f". As many test pictures have {of_data}.")


def _alike(values: Array, floor: float, scatter: float) -> int:
    """How many of ``values`` are not above ``floor`` by more than twice the ``scatter`` of one set of data."""
    return int((values <= floor + 2 * scatter).sum())


def _least(values: Array, steps: Array, scatter: float) -> tuple[float, str, str]:
    """The least of ``values`` (samplers, steps), whose it is, and how many others are within twice the ``scatter``."""
    best, k = (int(i) for i in np.unravel_index(int(np.nanargmin(values)), values.shape))
    least = float(values[best, k])
    others = int((values <= least + 2 * scatter).sum()) - 1
    within = f" and, within chance, {others} other{'s' * (others > 1)}" if others else ""
    return least, f"{SAMPLERS[best]} in {steps[k]} steps", within

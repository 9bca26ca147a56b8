"""Particles that walk by a score alone, exact or learned: far modes do not mix, unless noise joins them."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.data.noised import best_eps, noised
from genmodels.data.planes import Plane
from genmodels.errors import BadInput
from genmodels.instruments.diffusion.film import Array, Task, count_of
from genmodels.instruments.diffusion.score import square
from genmodels.instruments.plane import cells
from genmodels.metrics import floors
from genmodels.metrics.distances import sliced_wasserstein1
from genmodels.models.ddpm import DDPM
from genmodels.probability.diffusion.scores import ScoreAt, annealed, levels, score_of
from genmodels.probability.samplers import noise_like
from genmodels.text import number, quoted

__all__ = ["BURN_IN", "SCORES", "STARTS", "conclusion", "scores", "walked"]

SCORES = ("exact", "learned")
STARTS = ("one example", "anywhere")
HIGH, LOW, LEVELS = 2.0, 0.05, 10
"""Levels of noise: at the highest the modes of every plane are one, at the lowest hardly anything is left of it."""
FRAMES, CHAINS, STATES = 60, 8, 400
BURN_IN = (0, 10, 25, 50, 75)
"""Shares of a walk, in percent, after which its states may be counted."""


def scores(model: DDPM, data: Data) -> tuple[str, ...]:
    """Whose score of all data there is: the exact one where the law of data and noise has a closed form.

    The learned one is that of the branch without labels, where there is such a branch.
    """
    there = {SCORES[0]: noised(data.plane, 1.0, LOW) is not None, SCORES[1]: not model.needs_label}
    return tuple(name for name, known in there.items() if known)


@torch.no_grad()
def walked(
    model: DDPM,
    data: Data,
    score: str = "exact",
    anneal: bool = False,
    step: float = 0.001,
    steps: int = 1000,
    start: str = "one example",
    n: int = 400,
    seed: int = 0,
) -> Task:
    r"""``n`` particles that walk by Langevin dynamics, at one level of noise or annealed from much to little. A task.

    Args:
        model: Of points; its score is that of its branch without labels.
        data: What the exact score is of.
        score: Whose, one of SCORES.
        anneal: From much noise to little, in LEVELS; otherwise at the lowest level alone.
        step: η at the lowest level, units of x².
        steps: All together.
        start: One of STARTS: all at one test example, or at draws from N(0, I).
        n: Particles.
        seed: Of all noise.

    Returns:
        "particles", (F, n, 2), after "at" steps at the level "sigma", (F,) each; "w1", their sliced 1-Wasserstein
        distance from as many test points with the lowest level's noise, (F,), and "floor", that of training points,
        with its standard error "floor_se". "chains", what CHAINS of the particles went through, thinned, (S, C, 2), and
        "pooled", the distance of their states after each share of BURN_IN. Of data with modes "stayed", the share of
        the particles nearest to the mode where they began, (F,), and "even", what it were at random. "half" is that of
        the square; where the law is known "map", it at 64 × 64 cells, (F, 64, 64), x₂ by rows, rising.

    Raises:
        BadInput: If the model is not of points, or an argument not allowed.
    """
    _check(model, data, score, step, steps, start)
    rng = random.generator(seed)
    low, high = (min(max(sigma, model.schedule.noise_left), _most(model)) for sigma in (LOW, HIGH))
    sigmas = levels(high, low, LEVELS) if anneal else (low,)
    of = _exact(data) if score == "exact" else _learned(model)
    x = data.test.x[:1].cpu().expand(count_of(model, n), -1) if start == STARTS[0] else random.randn(n, 2, rng=rng)
    each = max(1, steps // len(sigmas))
    shown = set(np.linspace(0, each * len(sigmas), FRAMES).round().astype(int).tolist())
    film, chains = [(0, sigmas[0], x)], [x[:CHAINS]]
    yield 0.0
    for i, (sigma, now) in enumerate(annealed(of, x, sigmas, step, each, rng=rng), 1):
        chains.append(now[:CHAINS])
        if i in shown:
            film.append((i, sigma, now))
            yield 0.9 * i / (each * len(sigmas))
    at, of_frames, places = zip(*film, strict=True)
    particles, states = torch.stack(places), torch.stack(chains)
    answer = {"at": np.array(at), "sigma": np.array(of_frames), "particles": particles.float().numpy()}
    answer |= {"chains": states[_thinned(len(states), STATES)].float().numpy()}
    answer |= {"half": np.array(max(square(data), 2 * high))}
    answer |= _distances(data, particles, states, low) | _modes(data.plane, particles)
    maps = {
        one: law.log_prob(cells(float(answer["half"]), 64)).exp() for one in set(of_frames) if (law := _law(data, one))
    }
    if maps:
        answer["map"] = torch.stack([maps[one].view(64, 64) for one in of_frames]).float().numpy()
    return answer


def _check(model: DDPM, data: Data, score: str, step: float, steps: int, start: str) -> None:
    if model.is_image:
        raise BadInput("These particles are points of the plane, and this model makes images.")
    if score not in SCORES or start not in STARTS:
        name, value, known = ("start", start, STARTS) if score in SCORES else ("score", score, SCORES)
        raise BadInput(f"{name} = {quoted(value)} is not one of {', '.join(known)}.")
    if not 0 < step <= 10:
        raise BadInput(f"step = {step} is not the size of a step: use a number above 0 and at most 10.")
    if not 1 <= steps <= 10_000:
        raise BadInput(f"steps = {steps} is not a number of steps from 1 to 10,000.")
    if score not in scores(model, data):
        if score == "learned":
            raise BadInput("This model never learned without labels (label_dropout = 0): it has no score of all data.")
        raise BadInput(f"The law of {data.name} with noise in them has no closed form: use the learned score.")


def _most(model: DDPM) -> float:
    """The highest level of noise that the model knows."""
    return math.exp(-model.schedule.log_snr[-1].item() / 2)


def _law(data: Data, sigma: float) -> Plane | None:
    return noised(data.plane, 1.0, sigma)


def _exact(data: Data) -> ScoreAt:
    """The true score of the data with noise in them."""

    def score(u: Tensor, sigma: float) -> Tensor:
        law = _law(data, sigma)
        assert law is not None
        return -best_eps(law, u, 1.0).to(u)

    return score


def _learned(model: DDPM) -> ScoreAt:
    """The score that the model has learned, of points on the CPU, asked where the model is."""
    score = score_of(model.denoiser(None), model.schedule)
    return lambda u, sigma: score(u.to(model.device), sigma).cpu()


def _thinned(n: int, most: int) -> list[int]:
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)).tolist()


def _distances(data: Data, particles: Tensor, states: Tensor, low: float) -> dict[str, Array]:
    """How far particles, and states of a few chains, are from the data with the lowest level's noise in them."""
    n, rng = min(particles.shape[1], floors.most(data)), random.generator(0)
    noisy = lambda x: x.cpu().double() + low * noise_like(x.cpu().double(), rng)  # noqa: E731
    test = noisy(floors.chosen(data.test, n, 0).x)

    def to_test(x: Tensor) -> float:
        if not x.isfinite().all():
            return math.inf
        return sliced_wasserstein1(x[:n].double(), test, rng=random.generator(0))

    pooled = []
    for share in BURN_IN:
        kept = states[len(states) * share // 100 :].flatten(0, 1)
        pooled.append(to_test(kept[random.randint(0, len(kept), n, rng=random.generator(1))]))
    floor = floors.averaged({"floor": to_test(noisy(part.x))} for part in floors.draws(data, n, 0))
    told = {"w1": [to_test(x) for x in particles], "pooled": pooled} | floor
    return {name: np.array(value) for name, value in told.items()}


def _modes(plane: Plane | None, particles: Tensor) -> dict[str, Array]:
    """The share of the particles nearest to the mode where they began."""
    if plane is None or plane.modes is None or len(plane.modes) < 2:
        return {}
    nearest = torch.cdist(particles.double(), plane.modes).argmin(2)
    return {"stayed": (nearest == nearest[0]).double().mean(1).numpy(), "even": np.array(1 / len(plane.modes))}


def conclusion(walk: Mapping[str, Array]) -> str:
    """How far the particles are from the data at the end, and how many are at the mode where they began."""
    w1, steps = float(walk["w1"][-1]), int(walk["at"][-1])
    if not math.isfinite(w1) or w1 > 100:
        return "The particles run away: the step is longer than the score's slope allows. Make it shorter."
    floor, error = float(walk["floor"]), float(walk["floor_se"])
    text = f"After {steps:,} steps the particles are {number(w1)} from the data, sliced W₁; other data are "
    text += f"{number(floor)} ± {number(error, 2)}"
    if "stayed" in walk:
        stayed, even = float(walk["stayed"][-1]), float(walk["even"])
        text += f". {stayed:.0%} are at the mode where they began; of mixed ones {even:.0%} would be"
    return text + "."

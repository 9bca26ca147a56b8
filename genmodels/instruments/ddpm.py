"""The instruments of the denoising diffusion model: its noising, its steps back, its samplers, its bound, its edits.

What asks the network many times is a task: a generator that yields how far it is, 0 to 1, and returns arrays by name.
Films keep at most :data:`FRAMES` of their steps; images in them are uint8.
"""

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import bound as bounds
from genmodels import editing, random, runs
from genmodels.data import Data
from genmodels.errors import BadInput
from genmodels.hyperparameters import check
from genmodels.metrics.distances import sliced_wasserstein1
from genmodels.models.ddpm import DDPM, SAMPLERS
from genmodels.samplers import SPACINGS, Step, noise_like
from genmodels.schedules import SCHEDULES, Schedule

__all__ = [
    "CURVES",
    "FRAMES",
    "MASKS",
    "STEPS",
    "Noising",
    "asked_of",
    "compared",
    "denoised",
    "evaluations",
    "every_term",
    "filled",
    "interpolated",
    "noising",
    "numbers",
    "redrawn",
    "tables",
]

Array = npt.NDArray[Any]
Task = Generator[float, None, dict[str, Array]]

FRAMES = 50
STEPS = (5, 10, 25, 50)
"""The numbers of steps that samplers are compared at."""
MASKS = ("right", "left", "bottom", "top", "middle")
"""What of an image can be hidden."""
MOST_IMAGES, MOST_POINTS = 100, 1000


def asked_of(run: str, step: int | None) -> tuple[DDPM, Data]:
    """The model of a run at a step, and its data.

    Raises:
        BadInput: If the run is not one of a diffusion model.
    """
    source = runs.find(run)
    model = source.model(step)
    if not isinstance(model, DDPM):
        raise BadInput(f"Run {run} is one of {model.name}, not of a diffusion model.")
    return model, source.data()


def _examples(model: DDPM, data: Data, first: int, n: int = 1) -> Tensor:
    """``n`` test examples from number ``first`` on, in the model's space."""
    if not 0 <= first <= first + n <= len(data.test):
        raise BadInput(f"Test examples {first} to {first + n - 1} are not all there: there are {len(data.test)}.")
    x = data.test.x[first : first + n]
    return data.prepare(x, model.inputs, random.generator(0, data.device)).to(model.device)


def _labels(model: DDPM, label: int | None, n: int) -> Tensor | None:
    return None if label is None else torch.full((n,), label, device=model.device)


def _count(model: DDPM, n: int) -> int:
    most = MOST_IMAGES if model.is_image else MOST_POINTS
    if not 1 <= n <= most:
        raise BadInput(f"n = {n} is not a number of examples from 1 to {most}.")
    return n


def _images(only: DDPM) -> None:
    if not only.is_image:
        raise BadInput("This is done with images, and this model makes points of the plane.")


def _shown(model: DDPM, x: Tensor, reach: float = 1.0) -> Array:
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
    x_0 = _examples(model, data, first, n)
    eps = noise_like(x_0, random.generator(seed, model.device))
    t = np.unique(np.linspace(0, model.T, min(frames, model.T + 1)).round().astype(int))
    x_t = torch.stack([model.schedule.noised(x_0, eps, int(at)) for at in t])
    return Noising(t, model.schedule.log_snr.cpu().numpy()[t], _shown(model, x_t))


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


def _film(steps: Iterator[Step], total: int) -> Generator[float, None, list[Step]]:
    """Walk through ``total`` + 1 steps, saying how far, and keep at most FRAMES of them: the first and the last."""
    kept = set(np.linspace(0, total, min(total + 1, FRAMES)).round().astype(int).tolist())
    film = []
    for i, now in enumerate(steps):
        if i in kept:
            film.append(now)
        yield (i + 1) / (total + 1)
    return film


def _frames(model: DDPM, film: list[Step]) -> dict[str, Array]:
    t = np.array([now.t for now in film])
    return {
        "t": t,
        "log_snr": model.schedule.log_snr.cpu().numpy()[t],
        "x_t": np.stack([_shown(model, now.x_t) for now in film]),
        "eps": np.stack([_shown(model, now.eps, 3.0) for now in film]),
        "x_0": np.stack([_shown(model, now.x_0) for now in film]),
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
    y = _labels(model, label, _count(model, n))
    total = min(chosen["steps"], model.T)
    steps = model.trajectory(n, y=y, rng=random.generator(seed, model.device), **chosen)
    film = yield from _film(steps, total)
    asked = evaluations(chosen["sampler"], total, guided=y is not None and chosen["guidance"] != 1)
    return _frames(model, film) | {"evaluations": np.array(asked)}


# Samplers -------------------------------------------------------------------------------------------------------------

REFERENCE = 100  # steps of heun that stand for the solution of the ODE


def compared(run: str, step: int | None = None, n: int = 8, seed: int = 0, spacing: str = "log-snr") -> Task:
    r"""The same x_T through every sampler in every number of STEPS. A task: "ddpm-samplers".

    Three of the four samplers solve one equation, so they have one answer to come to: "gap" is how far each is from
    it, the root mean square over samples and dimensions in data space. For points "w1" says how far the samples, as a
    set, are from as many test points: the sliced 1-Wasserstein distance; "floor" is that of as many training points.

    Returns:
        "samples" (samplers, steps, n, \*shape); "steps" (steps,); "evaluations", "gap" (NaN for ancestral), (samplers,
        steps); for points also "w1" and "floor".
    """
    model, data = asked_of(run, step)
    if spacing not in SPACINGS:
        raise BadInput(f"spacing = {spacing!r} is not one of {', '.join(SPACINGS)}.")
    x_T = random.randn(_count(model, n), *model.shape, rng=random.generator(seed, model.device), device=model.device)
    counts = sorted({min(k, model.T) for k in STEPS})
    asked = np.array([[evaluations(sampler, k) for k in counts] for sampler in SAMPLERS])
    whole, done = int(asked.sum()) + evaluations("heun", min(REFERENCE, model.T)), 0

    def run_to_the_end(sampler: str, k: int, spacing: str) -> Generator[float, None, Tensor]:
        nonlocal done
        rng = random.generator(seed + 1, model.device)
        for now in model.trajectory(n, x_T=x_T, rng=rng, sampler=sampler, steps=k, spacing=spacing):
            x = now.x_t
            done += 1 + (sampler == "heun")
            yield min(1.0, done / whole)
        return model.to_data(x)

    exact = yield from run_to_the_end("heun", REFERENCE, "log-snr")
    made = []
    for sampler in SAMPLERS:
        for k in counts:
            made.append((yield from run_to_the_end(sampler, k, spacing)))
    samples = torch.stack(made).unflatten(0, (len(SAMPLERS), len(counts)))
    gap = (samples - exact).square().flatten(2).mean(2).sqrt().cpu().numpy()
    gap[SAMPLERS.index("ancestral")] = np.nan
    shown = samples.float().cpu().numpy()
    if model.is_image:
        shown = np.rint(shown * 255).astype(np.uint8)
    found = {"samples": shown, "steps": np.array(counts), "evaluations": asked, "gap": gap}
    return found if model.is_image else found | _distances(data, samples)


def _distances(data: Data, samples: Tensor) -> dict[str, Array]:
    """The sliced W1 between each set of points and as many test points, and between data and data."""
    n = min(samples.shape[2], len(data.test), len(data.train))
    test, train = data.test.x[:n].double(), data.train.x[:n].double()
    to_test = lambda x: sliced_wasserstein1(x[:n].cpu().double(), test, rng=random.generator(0))  # noqa: E731
    w1 = [[to_test(points) for points in row] for row in samples]
    return {"w1": np.array(w1), "floor": np.array(to_test(train))}


# The bound ------------------------------------------------------------------------------------------------------------

AT_ONCE = 64  # noisy examples that the network sees at once


def every_term(run: str, step: int | None = None, n: int = 4, seed: int = 0) -> Task:
    """The variational bound on ``n`` test examples, term by term. A task: "ddpm-bound".

    Returns:
        "t", 2 … T; "steps", L_{t-1} in nats, and "mse", the squared error of the noise per dimension, means over the
        examples, (T - 1,) each; "prior", L_T, "last", L_0, and "nats", the whole bound on −log p(x), (n,) each;
        "error", the standard error of its mean; for images "bpd", the mean in bits per dimension, and "levels", the
        grey levels of what it is the bound of; for points with a known density "exact", −log p(x), (n,).
    """
    model, data = asked_of(run, step)
    x_0 = _examples(model, data, 0, _count(model, n))
    rng = random.generator(seed, model.device)
    nats, errors, total = [], [], x_0.new_zeros(n)
    times = torch.arange(2, model.T + 1, device=model.device)
    for part in times.split(max(1, AT_ONCE // n)):
        term, mse = _terms(model, x_0, part, rng)
        nats.append(term.mean(0))
        errors.append(mse.mean(0))
        total = total + term.sum(1)
        yield float(part[-1]) / model.T
    whole = {"prior": bounds.prior_term(model.schedule, x_0), "last": _last_term(model, x_0, data.levels, rng)}
    whole["nats"] = whole["prior"] + total + whole["last"]
    found = {name: value.double().cpu().numpy() for name, value in whole.items()}
    found |= {"t": times.cpu().numpy(), "steps": torch.cat(nats).cpu().numpy(), "mse": torch.cat(errors).cpu().numpy()}
    found["error"] = np.array(found["nats"].std() / math.sqrt(max(1, n - 1)))
    if model.is_image:
        bpd = found["nats"].mean() / (math.prod(model.shape) * math.log(2))
        return found | {"bpd": np.array(bpd), "levels": np.array(data.levels)}
    return found if data.log_prob is None else found | {"exact": -data.log_prob(x_0.double().cpu()).numpy()}


@torch.no_grad()
def _terms(model: DDPM, x_0: Tensor, t: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """L_{t-1} in nats and the squared error of the noise per dimension, of every example at every t, (n, K) each."""
    n, each = len(x_0), len(t)
    x_0, t = x_0.repeat_interleave(each, 0), t.repeat(n)
    eps = noise_like(x_0, rng)
    x_t = model.schedule.noised(x_0, eps, t)
    guess = model.x_0_hat(x_t, t)
    nats = bounds.step_term(model.schedule, x_0, x_t, guess, t, model.variance)
    mse = (model.schedule.to_eps(guess, x_t, t, "x0") - eps).square().flatten(1).mean(1)
    return nats.view(n, each), mse.view(n, each)


@torch.no_grad()
def _last_term(model: DDPM, x_0: Tensor, levels: int, rng: torch.Generator) -> Tensor:
    """L_0, shape (n,)."""
    t = torch.ones(len(x_0), dtype=torch.long, device=x_0.device)
    x_1 = model.schedule.noised(x_0, noise_like(x_0, rng), t)
    return bounds.last_term(model.schedule, x_0, x_1, model.x_0_hat(x_1, t), model.variance, levels)


@torch.no_grad()
def numbers(model: DDPM, data: Data, example: int, t: int, *, seed: int = 0) -> dict[str, float]:
    r"""One test example at one time t ≥ 2 with one draw of the noise: what the theory panel puts into the equations.

    Its "L" is the Kullback-Leibler divergence of DDPM eq. 8, "constant" the part of it that no network can change,
    and the two ways of writing the rest agree: "weight" · D · "mse" = "L" − "constant" (DDPM eq. 12).

    Raises:
        BadInput: If there is no such example or time.
    """
    if not 2 <= t <= model.T:
        raise BadInput(f"t = {t} is not a step of the model: use 2 to {model.T}.")
    schedule, x_0 = model.schedule, _examples(model, data, example)
    eps = noise_like(x_0, random.generator(seed, model.device))
    at = torch.full((1,), t, device=x_0.device)
    x_t = schedule.noised(x_0, eps, at)
    guess = model.x_0_hat(x_t, at)
    eps_hat = schedule.to_eps(guess, x_t, at, "x0")
    sigma2 = schedule.sigma2(model.variance)[t]
    ratio = schedule.beta_tilde[t] / sigma2
    D = x_0.numel()
    found: dict[str, float | Tensor] = {
        "D": D,
        "beta": schedule.beta[t],
        "alpha_bar": schedule.alpha_bar[t],
        "snr": schedule.snr[t],
        "beta_tilde": schedule.beta_tilde[t],
        "sigma2": sigma2,
        "|x_0|^2": x_0.square().mean(),
        "|x_t|^2": x_t.square().mean(),
        "mse": (eps - eps_hat).square().mean(),
        "mse of x_0": (x_0 - guess).square().mean(),
        "L": bounds.step_term(schedule, x_0, x_t, guess, at, model.variance),
        "constant": D / 2 * (ratio - 1 - ratio.log()),
        "weight": schedule.weight("bound", "eps", variance=model.variance)[t] / model.T,
        "L_T": bounds.prior_term(schedule, x_0),
    }
    return {name: float(value) for name, value in found.items()}


# Edits ----------------------------------------------------------------------------------------------------------------


def redrawn(
    run: str, step: int | None = None, example: int = 0, t: int = 500, n: int = 8, seed: int = 0, steps: int = 25
) -> Task:
    """A test image noised to time ``t`` and denoised ``n`` times over. A task: "ddpm-redraw".

    Returns:
        "x", the image, and the film of :func:`denoised` from t to 0.
    """
    model, data = asked_of(run, step)
    _images(model)
    x = _examples(model, data, example).expand(_count(model, n), *model.shape)
    walk = editing.redraw(model, x, t, rng=random.generator(seed, model.device), steps=steps)
    film = yield from _film(walk, min(steps, t))
    return {"x": _shown(model, x[0])} | _frames(model, film)


def filled(
    run: str,
    step: int | None = None,
    example: int = 0,
    hidden: str = "right",
    n: int = 8,
    seed: int = 0,
    steps: int = 25,
    resample: int = 5,
) -> Task:
    """A test image of which a part is hidden, filled in ``n`` times over. A task: "ddpm-inpaint".

    Returns:
        "x", the image; "seen", the image with the hidden part in grey; and the film of :func:`denoised`.
    """
    model, data = asked_of(run, step)
    _images(model)
    x = _examples(model, data, example).expand(_count(model, n), *model.shape)
    seen = mask(model.shape, hidden).to(x)
    options = check(editing.inpaint, {"steps": steps, "resample": resample})
    walk = editing.inpaint(model, x, seen, rng=random.generator(seed, model.device), **options)
    film = yield from _film(walk, min(steps, model.T))
    return {"x": _shown(model, x[0]), "seen": _shown(model, x[0] * seen)} | _frames(model, film)


def mask(shape: tuple[int, ...], hidden: str) -> Tensor:
    """1 where an image is seen and 0 in its ``hidden`` half, or middle: shape (1, H, W)."""
    if hidden not in MASKS:
        raise BadInput(f"hidden = {hidden!r} is not one of {', '.join(MASKS)}.")
    _, h, w = shape
    part = {
        "right": (slice(None), slice(w // 2, None)),
        "left": (slice(None), slice(0, w // 2)),
        "bottom": (slice(h // 2, None), slice(None)),
        "top": (slice(0, h // 2), slice(None)),
        "middle": (slice(h // 4, h - h // 4), slice(w // 4, w - w // 4)),
    }[hidden]
    seen = torch.ones(1, h, w)
    seen[(0, *part)] = 0
    return seen


def interpolated(
    run: str, step: int | None = None, first: int = 0, second: int = 1, n: int = 11, steps: int = 40
) -> Task:
    """From one test image to another on a great circle in x_T. A task: "ddpm-interpolate".

    Both are run upwards to their noise by the ODE, and everything between them down again
    (:func:`genmodels.editing.interpolate`, with progress).

    Returns:
        "x", the two images; "path", (n, C, H, W); "blend", the same of the pixels, to compare; "x_T", the noise;
        "error", the root mean square between the images and the ends of the path, in data space.
    """
    model, data = asked_of(run, step)
    _images(model)
    ends = torch.cat([_examples(model, data, i) for i in (first, second)])
    yield 0.0
    here, there = editing.invert(model, ends, steps=steps)
    weight = torch.linspace(0, 1, _count(model, n), device=model.device)
    x_T = editing.slerp(here, there, weight)
    film = yield from _film(model.trajectory(n, x_T=x_T, sampler="heun", steps=steps), min(steps, model.T))
    w = weight.view(-1, 1, 1, 1)
    blend, path = (1 - w) * ends[0] + w * ends[1], film[-1].x_t
    error = (model.to_data(path[[0, -1]]) - model.to_data(ends)).square().mean().sqrt()
    pictures = {"x": ends, "path": path, "blend": blend, "x_T": x_T / 3}
    return {name: _shown(model, x) for name, x in pictures.items()} | {"error": np.array(float(error))}

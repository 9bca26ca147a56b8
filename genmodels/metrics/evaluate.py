"""What can be measured of a model on the test set: how likely the data are to it, how near its samples are."""

import functools
import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data, Split
from genmodels.data.noised import law_under
from genmodels.errors import BadInput
from genmodels.metrics import distances, floors, likelihood
from genmodels.metrics.judge import Seen
from genmodels.metrics.judge import judge as judge_of
from genmodels.metrics.judge import quality as quality_of
from genmodels.metrics.likelihood import Progress
from genmodels.metrics.resampling import standard_errors
from genmodels.metrics.two_sample import LEAST, classifier_two_sample
from genmodels.models.base import GenerativeModel
from genmodels.models.capabilities import Bound, Density, ImportanceWeights, has
from genmodels.models.latent.autoencoder import Autoencoder
from genmodels.models.latent.mixture import GaussianMixture
from genmodels.models.vae import VAE

__all__ = ["likelihoods", "measures", "samples_against"]

News = Callable[[float], None]  # what is told how much is done

ROWS = 500  # examples or samples at once
DRAWS = 8  # of noise for an image's bound on log P
HALVES = 20  # from which the standard error of a distance is told
ASSIGNED = 1000  # points of an exact assignment, whose cost grows as their cube


def measures(
    model: GenerativeModel,
    data: Data,
    *,
    n: int = 1000,
    k: int = 100,
    seed: int = 0,
    samples: int = 0,
    halves: int = HALVES,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Every measure that the model and the data allow, by name with its unit; ``_se`` is a standard error.

    Args:
        model: In evaluation mode, on the data's device.
        data: What it learned from.
        n: Test examples, drawn at random, and as many samples; at most as many as the test set has.
        k: Importance samples of a VAE's tightest bound; 0 leaves it out.
        seed: Of all noise, and of which examples.
        samples: How many samples are held against as many test examples, where it is fewer than ``n``: what draws
            slowly is no slower to tell the likelihood of.
        halves: Random halves that the standard errors of the distances are told from
            (:mod:`genmodels.metrics.resampling`); 0 leaves them out.
        progress: Told how far it is.

    Raises:
        BadInput: If the data are of another shape than the model's.
    """
    if tuple(model.shape) != tuple(data.shape):
        raise BadInput(f"The model is for data of shape {tuple(model.shape)}, but {data.name} has {tuple(data.shape)}.")
    n = min(n, floors.most(data))
    few = min(samples or n, n)
    likely = likelihoods(model, _chosen(data, n, seed), n=n, k=k, seed=seed, progress=progress)
    near = samples_against(model, _chosen(data, few, seed), n=few, seed=seed, halves=halves, progress=progress)
    return {"examples": n, **likely, **({"samples": few} if few < n else {}), **near}


@torch.no_grad()
def likelihoods(
    model: GenerativeModel, data: Data, *, n: int, k: int = 0, seed: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """How likely the first ``n`` test examples are to the model, in nats; an empty table if it has no likelihood.

    Of a VAE see :func:`genmodels.metrics.likelihood.evaluate`. Otherwise ``log_prob_nats`` or its bound ``elbo_nats``;
    of a ladder VAE also ``iwae_<k>_nats``; of dequantized pictures ``bpd``, bits per dimension of the discrete ones
    under the noise that the model learned with, and tighter, the mean of up to :data:`DRAWS` draws of it,
    ``iwae_<draws>_bpd``; of a plane whose density is known ``kl_from_truth_nats`` (:func:`kl_from_truth`).

    All are of log p(x), whether or not a model knows labels: its density is the mixture over them, and of an example
    with label y, log p(y) + log p(x | y) is a bound on that.
    """
    if isinstance(model, VAE):
        return likelihood.evaluate(model, data, n=n, k=k, seed=seed, progress=progress)
    if not has(model, Density) and not has(model, Bound):
        return {}
    name = "log_prob" if has(model, Density) else "elbo"
    method, rng = getattr(model, name), random.generator(seed, model.device)
    accepted = inspect.signature(method).parameters
    bound: Any = getattr(model, "discrete_log_prob", None)
    draws = min(k, DRAWS) if data.levels and bound else 0
    weighs = k > 0 and has(model, ImportanceWeights)
    values, own, tighter, weighed = [], list[Tensor](), list[Tensor](), list[Tensor]()
    once, often = (random.generator(seed, model.device) for _ in range(2))
    for rows in torch.arange(n).split(ROWS):
        x = data.prepare(data.test.x[rows].to(model.device), model.inputs, rng)
        if data.levels and bound:
            own.append(bound(x, once).double())
        if draws:
            tighter.append(bound(x, often, draws=draws).double())
        if weighs:
            weighed.append(likelihood.iwae(model, x, k, rng=rng))
        y = labels(model, data.test.y[rows]) if name == "elbo" else None
        offered = {"rng": rng, "y": y, "bins": data.shades}
        value = method(x, **{key: value for key, value in offered.items() if key in accepted}).double()
        values.append(value if y is None else value + model.label_log_prob().to(value)[y])
        tell(progress, (int(rows[-1]) + 1) / n, "likelihood")
    value, dims = torch.cat(values), math.prod(data.shape)
    bits = lambda nats: -nats / (dims * math.log(2))  # noqa: E731
    table = mean_of(f"{name}_nats", value)
    if weighs:
        table |= mean_of(f"iwae_{k}_nats", torch.cat(weighed))
    if own:
        table |= mean_of("bpd", bits(torch.cat(own)))
    elif data.levels and model.inputs == "dequantize":
        table |= mean_of("bpd", data.bits_per_dim(-value))
    elif data.levels and ("bins" in accepted or name == "log_prob"):  # of the discrete picture already, or a bound
        table |= mean_of("bpd", bits(value))
    if draws:
        table |= mean_of(f"iwae_{draws}_bpd", bits(torch.cat(tighter)))
    if data.log_prob is not None and name == "log_prob":
        table |= kl_from_truth(model, data, value, rng)
    return table


@torch.no_grad()
def kl_from_truth(model: Any, data: Data, value: Tensor | None, rng: torch.Generator) -> dict[str, float]:
    """``kl_from_truth_nats``, E_p[log p(x) − log q(x)] of the model q over test examples, of which ``value`` is log q.

    Over all of them, where it is not known yet.

    The density of a diffusion model is that at t = 1, with its last noise left in: it is held against the data under
    the same noise, where their law is known (else against the data themselves, and the noise is in the divergence).
    ``noise_left`` is its standard deviation.
    """
    left = model.noise_left
    x = data.test.x[: None if value is None else len(value)].to(model.device)
    truth, alike = law_under(data, left)
    if left and alike:
        x, value = x + left * random.randn(*x.shape, rng=rng, device=x.device), None
    if value is None:
        value = torch.cat([model.log_prob(rows) for rows in x.split(ROWS)]).double()
    assert truth is not None
    noise = {"noise_left": left} if left else {}
    return mean_of("kl_from_truth_nats", truth(x.cpu()).double() - value.cpu()) | noise


def mean_of(name: str, values: Tensor) -> dict[str, float]:
    """The mean of independent values under ``name``, and under ``name_se`` its standard error."""
    return {name: values.mean().item(), f"{name}_se": values.std().item() / math.sqrt(len(values))}


@torch.no_grad()
def samples_against(
    model: GenerativeModel, data: Data, *, n: int, seed: int = 0, halves: int = 0, progress: Progress | None = None
) -> dict[str, Any]:
    """How near ``n`` samples are to the first ``n`` test examples.

    ``_floor`` is what as many training examples would reach: the mean over several random sets of them
    (:mod:`genmodels.metrics.floors`); ``_floor_se`` is its standard error.

    A model that learned with labels is asked for those of the test examples. What is measured is a draw x ~ p(x). The
    pictures of a VAE are measured twice, for its pages show E[x | z]: ``drawn_…`` are draws of p(x) beside data as the
    model learned them (black and white, say), ``mean_…`` the decoder's means beside the grey data.

    ``sliced_w1``, in data units, of pixels or of the plane. Of the plane also the exact ``w1`` (of 1,000 at most), and
    the modes covered where they are known; of pictures what a judge of them sees (:mod:`genmodels.metrics.judge`).
    """
    shown = lambda **how: compared(model, data, n=n, seed=seed, halves=halves, progress=progress, **how)  # noqa: E731
    if "draw" not in inspect.signature(model.sample).parameters:
        return shown(inputs=made_as(model))
    if not model.is_image:
        return shown(draw=True)
    both = {"drawn": shown(draw=True, inputs=model.inputs), "mean": shown(draw=False)}
    return {f"{what}_{name}": value for what, of_each in both.items() for name, value in of_each.items()}


def made_as(model: GenerativeModel) -> str:
    """As which of the data's transforms its samples are made: "threshold" where pixels are drawn black or white.

    "dequantize" where real numbers are drawn, as the mixture of Gaussians does, not whole grey levels.
    """
    if model.is_image and isinstance(model, GaussianMixture):
        return model.inputs
    grey = isinstance(model, Autoencoder) or "draw" in inspect.signature(model.sample).parameters  # D(z) and E[x | z]
    return "threshold" if model.is_image and model.inputs == "threshold" and not grey else "unit"


def compared(
    model: GenerativeModel,
    data: Data,
    *,
    n: int,
    seed: int,
    halves: int = 0,
    progress: Progress | None = None,
    inputs: str = "unit",
    **how: Any,
) -> dict[str, Any]:
    """``n`` samples, made as ``how`` says, beside data as ``inputs`` says."""
    rng, parts = random.generator(seed, model.device), []
    for rows in torch.arange(n).split(ROWS):
        y = labels(model, data.test.y[rows])
        parts.append(model.sample(len(rows), y=y, rng=rng, **how))
        tell(progress, (int(rows[-1]) + 1) / n, "samples")
    x, y = torch.cat(parts).cpu(), labels(model, data.test.y[:n])
    (test,) = _real(data, n, seed, inputs)
    news = lambda done: tell(progress, 0.7 * done, "distances")  # noqa: E731
    table = sliced(test, x, seed) | standard_errors(lambda a, b: sliced(a, b, seed), test, x, draws=halves, seed=seed)
    table |= judged(data.name, test, x, y, halves, news) if model.is_image else placed(data, test, x, halves, news)
    table |= _floors(data, n, seed, inputs)
    tell(progress, 1.0, "distances")
    return table


def sliced(real: Tensor, x: Tensor, seed: int) -> dict[str, float]:
    """``sliced_w1`` of two sets."""
    w1 = distances.sliced_wasserstein1(real.flatten(1), x.flatten(1), rng=random.generator(seed))
    return {"sliced_w1": w1}


def judged(
    name: str, test: Tensor, x: Tensor, y: Tensor | None = None, halves: int = 0, progress: News | None = None
) -> dict[str, float]:
    """The pictures ``x`` as the judge of the data set ``name`` sees them; an empty table where there is none.

    Where they were asked for by labels y, ``judge_as_asked`` is the share in which the judge sees what was asked for.
    """
    try:
        judge = judge_of(name)
    except BadInput:
        return {}
    real, drawn = judge.see(test), judge.see(x)

    def told(real: Seen, seen: Seen) -> dict[str, float]:
        quality = asdict(quality_of(real, seen, rng=random.generator(0)))
        return {f"judge_{key}": value for key, value in quality.items()}

    def of_rows(i: Tensor, j: Tensor) -> dict[str, float]:
        row = told(*(Seen(one.features[some], one.probabilities[some]) for one, some in ((real, i), (drawn, j))))
        return {key: value for key, value in row.items() if key != "judge_kid_se"}

    table = told(real, drawn)
    if min(len(test), len(x)) // 2 > distances.FAR:  # a half, too, has that many neighbours
        rows = torch.arange(len(test)), torch.arange(len(x))
        table |= standard_errors(of_rows, *rows, draws=halves, progress=progress)
    if y is not None:
        table |= mean_of("judge_as_asked", (drawn.probabilities.argmax(1) == y.cpu()).double())
    return table


def placed(data: Data, test: Tensor, x: Tensor, halves: int = 0, progress: News | None = None) -> dict[str, float]:
    """The points ``x`` beside the truth: exact transport, a classifier that is to tell them apart, and the modes."""
    few = min(len(x), ASSIGNED)
    w1 = lambda test, x: {"w1": distances.wasserstein1(test, x)}  # noqa: E731
    table = w1(test[:few], x[:few]) | standard_errors(w1, test[:few], x[:few], draws=halves, progress=progress)
    if len(x) >= LEAST:
        told = classifier_two_sample(test, x, rng=random.generator(0))
        table |= {"c2st": told.accuracy, "c2st_se": told.se, "c2st_p": told.p}
    modes = getattr(data.plane, "modes", None)
    if data.plane is not None and modes is not None:
        own = functools.partial(distances.modes_covered, means=modes.to(x), sigma=data.plane.sigma)
        reached = own(x)
        error = math.sqrt(reached.close * (1 - reached.close) / len(x))
        table |= {"modes_covered": reached.covered, "modes": reached.of}
        table |= standard_errors(lambda _, x: {"modes_covered": own(x).covered}, test, x, draws=halves)
        table |= {"share_close_to_a_mode": reached.close, "share_close_to_a_mode_se": error}
    return table


# What real data score -------------------------------------------------------------------------------------------------

NO_FLOOR = ("judge_kid_se", "c2st_se", "c2st_p", "share_close_to_a_mode_se", "modes")  # what differs among sets says it


@functools.lru_cache(maxsize=8)
def _chosen(data: Data, n: int, seed: int) -> Data:
    """The data with ``n`` examples of their test set; the same object where they are the same."""
    return replace(data, test=floors.chosen(data.test, n, seed))


@functools.lru_cache(maxsize=8)
def _floors(data: Data, n: int, seed: int, inputs: str) -> dict[str, float]:
    """The means over the draws as ``_floor``, their standard errors as ``_floor_se``.

    They hang on the data alone, so that whoever measures several models finds them once.
    """
    test, *same = _real(data, n, seed, inputs, floors.draws(data, n, seed))
    rows = []
    for one in same:
        row = sliced(test, one, seed)
        row |= judged(data.name, test, one) if len(data.shape) > 1 else placed(data, test, one)
        rows.append({name: value for name, value in row.items() if name not in NO_FLOOR})
    means = floors.averaged(rows)
    return {f"{name.removesuffix('_se')}_floor{'_se' * name.endswith('_se')}": value for name, value in means.items()}


def _real(data: Data, n: int, seed: int, inputs: str, more: Iterable[Split] = ()) -> list[Tensor]:
    """The first ``n`` test examples as ``inputs`` says, and ``more`` sets of data likewise."""
    noise = random.generator(seed, data.device)
    return [data.prepare(x, inputs, noise).cpu() for x in (data.test.x[:n], *(one.x for one in more))]


def labels(model: GenerativeModel, y: Tensor) -> Tensor | None:
    """The labels ``y`` for a model that learned with them, None for another, and where all were hidden from it."""
    return y.to(model.device) if model.config.get("classes") and model.config.get("label_dropout") != 1 else None


def tell(progress: Progress | None, fraction: float, text: str) -> None:
    """Call ``progress``, where there is one."""
    if progress is not None:
        progress(fraction, text)

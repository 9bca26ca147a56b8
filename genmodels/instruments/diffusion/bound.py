"""The variational bound of a diffusion model on test examples, term by term, and the numbers of its derivation."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.arrays import Arrays, Task, arrays
from genmodels.instruments.diffusion.film import count_of
from genmodels.instruments.examples import example as example_of
from genmodels.instruments.examples import some
from genmodels.metrics.evaluate import labels
from genmodels.models.ddpm import DDPM
from genmodels.probability import diffusion_elbo
from genmodels.probability.diffusion.learned import Learned
from genmodels.probability.samplers import noise_like
from genmodels.text import number

__all__ = ["conclusion", "every_term", "numbers"]

AT_ONCE = 64  # noisy examples that the network sees at once


def every_term(model: DDPM, data: Data, n: int = 4, seed: int = 0) -> Task:
    """The variational bound on ``n`` random test examples, term by term. A task.

    A conditional model is told the labels, and pays for them: −log p(x) ≤ −log p(y) + the bound on −log p(x | y).

    Returns:
        "t", 2 … T; "steps", L_{t-1} in nats, and "mse", the squared error of the noise per dimension, means over the
        examples, (T - 1,) each; "trained" and "due", see :func:`weights`; "prior", L_T, "last", L_0, "label",
        −log p(y), and "nats", the whole bound on −log p(x), (n,) each;
        "error", the standard error of its mean; for images "bpd", the mean in bits per dimension, and "levels", the
        grey levels of what it is the bound of; for points with a known density "exact", −log p(x), (n,).
    """
    x_0, told = some(model, data, count_of(model, n), seed=seed)
    y, rng = labels(model, told), random.generator(seed, model.device)
    chain, nats, errors = model.chain(y, data.shades), [], []
    times = torch.arange(2, model.T + 1, device=model.device)
    for part in times.split(max(1, AT_ONCE // n)):
        with torch.no_grad():
            terms, error = chain.steps(x_0, part.expand(n, -1), rng)
        nats.append(terms)
        errors.append(error.mean(0))
        yield float(part[-1]) / model.T
    steps = torch.cat(nats, 1)
    with torch.no_grad():
        whole = {"prior": diffusion_elbo.prior_term(model.schedule, x_0), "last": chain.last(x_0, rng)}
    whole["label"] = torch.zeros(n).to(x_0) if y is None else -model.label_log_prob().to(x_0)[y]
    whole["nats"] = whole["prior"] + steps.sum(1) + whole["last"] + whole["label"]
    whole |= {"t": times, "steps": steps.mean(0), "mse": torch.cat(errors)}
    whole["error"] = whole["nats"].double().std(correction=int(n > 1)) / math.sqrt(n)
    if model.is_image:
        whole["bpd"] = whole["nats"].mean() / (math.prod(model.shape) * math.log(2))
        whole["levels"] = torch.tensor(data.shades)
    elif data.log_prob is not None:
        whole["exact"] = -data.log_prob(x_0.double().cpu())
    return weights(model) | arrays(**{name: value.double() for name, value in whole.items()})


def weights(model: DDPM) -> Arrays:
    """The weight of an error of ε̂ at t = 2 … T, in units of their mean: "trained", and "due" in the bound.

    Of a learned variance "due" has β̃ in its place, as the loss has where it weighs by the bound.
    """
    both = {"trained": in_loss(model), "due": model.schedule.weight("bound", "eps", variance=model.variance)}
    return arrays(**{name: w[2:] / w[2:].mean() for name, w in both.items()})


def in_loss(model: DDPM) -> Tensor:
    """The weight of an error of ε̂ in the loss as a mean over t = 1 … T, (T + 1,).

    A time that is drawn more often weighs more, but in the bound, where that is divided out. A learned schedule is
    trained by the bound of infinitely many steps.
    """
    schedule, bound = model.schedule, model.config["weighting"] == "bound"
    if isinstance(schedule, Learned):
        return schedule.weights
    weight = schedule.weight_of_eps(model.weight.to(schedule.alpha_bar), model.predict)
    return weight if bound or model.chance is None else weight * model.T * model.chance.to(weight)


@torch.no_grad()
def numbers(model: DDPM, data: Data, example: int, t: int, *, seed: int = 0) -> dict[str, float]:
    r"""One test example at one time t ≥ 2 with one draw of the noise: what the theory panel puts into the equations.

    Its "L" is the Kullback-Leibler divergence of DDPM eq. 8, "constant" the part of it that no network can change,
    and the two ways of writing the rest agree: "weight" · D · "mse" = "L" − "constant" (DDPM eq. 12).

    "trained" is the weight of the error of ε in the loss that this model is trained by: :func:`in_loss`.

    Raises:
        BadInput: If there is no such example or time.
    """
    if not 2 <= t <= model.T:
        raise BadInput(f"t = {t} is not a step of the model: use 2 to {model.T}.")
    schedule, x_0 = model.schedule, example_of(model, data, example)
    eps = noise_like(x_0, random.generator(seed, model.device))
    at = torch.full((1,), t, device=x_0.device)
    x_t = schedule.noised(x_0, eps, at)
    y = labels(model, data.test.y[example : example + 1])
    guess, chain = model.x_0_hat(x_t, at, y), model.chain(y, data.shades)
    variance = chain.variance_at(x_t, at)
    sigma2 = schedule.sigma2_at(variance, t, x_t.double())
    eps_hat = schedule.to_eps(guess, x_t, at, "x0")
    at_t = {
        "beta": schedule.beta,
        "alpha_bar": schedule.alpha_bar,
        "snr": schedule.snr,
        "beta_tilde": schedule.beta_tilde,
        "trained": in_loss(model),
    }
    squares = {"|x_0|^2": x_0, "|x_t|^2": x_t, "mse": eps - eps_hat, "mse of x_0": x_0 - guess}
    values: dict[str, Any] = {name: table[t] for name, table in at_t.items()}
    values |= {name: x.square().mean() for name, x in squares.items()}
    ratio = (values["beta_tilde"] / sigma2).expand(x_0.shape)  # of a learned variance one for each dimension
    values |= {"D": (D := x_0.numel()), "constant": 0.5 * (ratio - 1 - ratio.log()).sum()}
    values |= {"sigma2": sigma2.log().mean().exp()}
    values["L"] = diffusion_elbo.step_term(schedule, x_0, x_t, guess, at, variance)
    values["weight"] = schedule.weight("bound", "eps", variance=model.variance)[t] / model.T
    if model.variance == "learned":  # of each error another; this is their mean
        values["weight"] = (values["L"] - values["constant"]) / (D * values["mse"])
    values["L_T"] = diffusion_elbo.prior_term(schedule, x_0)
    return {name: float(value) for name, value in values.items()}


def conclusion(terms: Arrays) -> str:
    """How much of the bound is paid at small t, and how far it is above the truth where that is known."""
    whole, last = float(terms["nats"].mean()), float(terms["last"].mean())
    few = terms["t"] <= terms["t"][-1] / 10
    late = last + float(terms["steps"][few].sum())
    if not math.isfinite(whole):
        return "The bound is not finite here."
    tenth = f"The last tenth of the steps, t ≤ {int(terms['t'][-1] / 10):,}"
    text = f"{tenth}, costs {number(late)} of {number(whole)} nats"
    text += f", {late / whole:.0%}." if 0 <= late <= whole != 0 else "."
    if "exact" in terms and np.isfinite(terms["exact"]).all():
        over = terms["nats"] - terms["exact"]
        mean, error = float(over.mean()), float(over.std(ddof=1)) / math.sqrt(len(over)) if len(over) > 1 else 0.0
        spread = f" ± {number(error)}" if len(over) > 1 else ""
        if abs(mean) <= 2 * error:
            alike = "The bound cannot be told from the true −log p(x)"
            return f"{text} {alike}: the difference is {number(mean)}{spread} nats."
        side = "above" if mean > 0 else "below"
        text += f" The bound is {number(abs(mean))}{spread} nats {side} the true −log p(x)."
    return text

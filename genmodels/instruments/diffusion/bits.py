"""Where a diffusion's bits per dimension go: to what noise, to the last step, and to steps that are too few."""

import math
from collections.abc import Mapping

import numpy as np
import torch

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.instruments.diffusion.film import Array, Task, count_of
from genmodels.instruments.examples import images_only, some
from genmodels.metrics.evaluate import labels
from genmodels.models.ddpm import DDPM
from genmodels.probability import diffusion_elbo
from genmodels.text import number

__all__ = ["bits", "conclusion"]

BINS = 30


@torch.no_grad()
def bits(model: DDPM, data: Data, n: int = 16, draws: int = 64, seed: int = 0) -> Task:
    """The bound on −log₂ p(x) per dimension of ``n`` random test images in parts, at T steps and at ever more. A task.

    Args:
        model: Of images; a conditional one is told the labels, and pays for them.
        data: Whose test images.
        n: How many.
        draws: Times at which each is noised.
        seed: Of the images, the times and the noise.

    Returns:
        Bits per dimension: "prior", "steps", "last" and "label", −log p(y) where it is told the label y, the parts of
        the bound in T steps, with "error", the standard error of their sum over the images; "continuous", what the
        steps would cost were there infinitely many, "saved_error", the standard error of what that saves, and
        "scatter", the standard deviation of an estimate of it from one time; "least", what the last step would cost a
        network that sees x₀ itself and says this variance. "by_level": whether that step asks no network (then "least"
        is "last"), "learned": whether its variance is. "gamma", −log SNR, and "cost" there, bits per dimension and unit
        of it, (BINS,); "levels"; "noise", the standard deviation of the last noise in units of the distance of two grey
        levels.

    Raises:
        BadInput: If the model is not of images, or n or draws no such number.
    """
    images_only(model)
    x_0, told = some(model, data, count_of(model, n), seed=seed)
    y, rng = labels(model, told), random.generator(seed, model.device)
    chain, unit = model.chain(y, data.shades), x_0[0].numel() * math.log(2)
    steps, continuous, gammas = list[torch.Tensor](), list[torch.Tensor](), list[torch.Tensor]()
    yield 0.0
    few = max(1, min(512 // n, model.T - 1))  # times at once
    rounds = [min(few, draws - i) for i in range(0, draws, few)]
    for i, k in enumerate(rounds):
        steps.append(chain.some_steps(x_0, rng, draws=k) * k / draws)
        nats, gamma = chain.continuous(x_0, rng, draws=k)
        continuous.append(nats)
        gammas.append(gamma)
        yield (i + 1) / (len(rounds) + 1)
    prior, last = diffusion_elbo.prior_term(model.schedule, x_0), chain.last(x_0, rng)
    knowing = diffusion_elbo.Chain(lambda x_t, t: x_0, model.schedule, chain.variance, data.shades)
    least = last if chain.by_level else knowing.last(x_0, rng)
    each, nats, gamma = torch.stack(steps).sum(0), torch.cat(continuous, 1), torch.cat(gammas, 1)
    label = torch.zeros(n).to(x_0) if y is None else -model.label_log_prob().to(x_0)[y]
    told_of = {"prior": prior, "steps": each, "last": last, "label": label, "least": least, "continuous": nats}
    answer = {name: np.array(float(part.double().mean()) / unit) for name, part in told_of.items()}
    for name, of_images in (("error", prior + each + last + label), ("saved_error", each - nats.mean(1))):
        answer[name] = np.array(float(of_images.double().std(correction=int(n > 1))) / math.sqrt(n) / unit)
    answer["scatter"] = np.array(float(nats.double().std()) / unit)
    low, high = (-float(model.schedule.log_snr[t]) for t in (1, -1))
    edges = np.linspace(low, high, BINS + 1)
    paid, _ = np.histogram(gamma.cpu().numpy(), edges, weights=nats.double().cpu().numpy())
    answer |= {"gamma": (edges[1:] + edges[:-1]) / 2, "cost": paid / nats.numel() / np.diff(edges) / unit}
    noise = model.schedule.noise_left * (data.shades - 1) / 2
    answer |= {"by_level": np.array(chain.by_level), "learned": np.array(model.variance == "learned")}
    return answer | {"levels": np.array(data.shades), "noise": np.array(noise)}


def conclusion(parts: Mapping[str, Array]) -> str:
    """The bits of the last step, how many of these a network could save, and how many more steps would save."""
    last, least, steps, label = (float(parts[name]) for name in ("last", "least", "steps", "label"))
    whole = float(parts["prior"]) + steps + last + label
    if not math.isfinite(whole):
        return "The bound is not finite here."
    text = (
        f"Of {number(whole)} ± {number(float(parts['error']), 2)} bits per dimension the last step takes {number(last)}"
    )
    noise = number(float(parts["noise"]))
    if parts["by_level"]:
        text += ", and asks no network"
    elif parts["learned"]:
        text += f"; a network that sees x₀ and says this variance would still pay {number(least)}"
    else:
        text += f", of which {number(least)} no network can save"
    text += f": the noise at t = 1 is {noise} × as wide as two of {int(parts['levels'])} grey levels lie apart"
    text += f"; {number(label)} are for the label that it is told" if label else ""
    saved, error = steps - float(parts["continuous"]), float(parts["saved_error"])
    told = f"{number(abs(saved))} ± {number(error, 2)}"
    if not abs(saved) > 2 * error:
        return text + f". Infinitely many steps would cost as much, as far as can be seen: the difference is {told}."
    return text + f". Infinitely many steps would cost {told} {'less' if saved > 0 else 'more'} than these."

"""The critic's laboratory: estimate against exact distance, slopes, five critics side by side, and the way back."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.instruments.gan.game import Surface, coverage, floor, grid_of, only_plane, pairs, slopes, some
from genmodels.metrics.distances import sliced_wasserstein1
from genmodels.models.adversarial import Adversarial
from genmodels.models.bigan import BiGAN
from genmodels.models.gan import generator_slope
from genmodels.models.wgan import gradient_norm
from genmodels.probability.distributions import assignment
from genmodels.runs.record import Plan

__all__ = [
    "RIVALS",
    "Back",
    "Transport",
    "Verdict",
    "apart",
    "back",
    "normal",
    "read",
    "rivals",
    "saturation",
    "steepness",
    "transport",
    "verdict",
]

Array = npt.NDArray[Any]


# Estimate and exact ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Transport:
    """The cheapest way to carry samples to data.

    Attributes:
        fake: Samples, (N, 2).
        real: Where each is carried, (N, 2).
        w1: The mean length of the ways: the exact distance of the two sets, that of :func:`coverage`.
        climb: How much the critic rises along each way, by its length, (N,); 1 for the best 1-Lipschitz critic.
    """

    fake: Array
    real: Array
    w1: float
    climb: Array


@torch.no_grad()
def transport(model: Adversarial, data: Data, n: int = 400, *, seed: int = 0) -> Transport:
    """The best assignment of ``n`` samples to ``n`` test points, and what the critic says of it.

    Along the ways of an optimal plan, and along no others, the best 1-Lipschitz critic is a straight line of slope 1:
    Gulrajani et al. (2017), proposition 1. https://arxiv.org/abs/1704.00028. A conditional model's ways stay within
    each class.

    Raises:
        BadInput: If the model makes images.
    """
    fake, real, y = pairs(model, data, n, seed=seed)
    length, order = assignment(fake, real, y)
    matched = real[order]
    rise = model.critic(matched, y) - model.critic(fake, y)
    climb = rise.double() / length.clamp_min(1e-9)
    a, b, c = (t.cpu().numpy() for t in (fake, matched, climb))
    return Transport(a, b, float(length.mean()), c)


# Slopes ---------------------------------------------------------------------------------------------------------------


def steepness(model: Adversarial, half: float, *, side: int = 60, label: int = 0) -> Surface:
    """‖∇f‖ of the critic's score at each point of [−half, half]²: where it is above 1, the critic is not 1-Lipschitz.

    Raises:
        BadInput: If the model makes images.
    """
    only_plane(model)
    y = torch.full((side * side,), label, device=model.device) if model.classes else None
    with torch.no_grad():
        norm = gradient_norm(lambda x: model.critic(x, y), grid_of(half, side, model.device))
    return Surface(half, norm.cpu().numpy().reshape(side, side), 1.0, "‖∇f‖")


# Five critics ---------------------------------------------------------------------------------------------------------

RIVALS: dict[str, tuple[str, dict[str, Any]]] = {
    "log loss": ("gan", {"objective": "non-saturating", "spectral": False}),
    "least squares": ("gan", {"objective": "least-squares", "spectral": False}),
    "clipping": ("wgan", {"penalty": "clip"}),
    "gradient penalty": ("wgan", {"penalty": "gp"}),
    "spectral norm": ("wgan", {"penalty": "spectral"}),
}
"""What two players may minimize and what keeps the critic in check: the model and its hyperparameters."""

SHARED = ("latent_dim", "network", "hidden", "classes")


def rivals(plan: Plan, steps: int) -> dict[str, dict[str, Any]]:
    """The arguments of :func:`genmodels.runs.store.create` for each of RIVALS, everything else as in a run's ``plan``.

    The data, the seed, the batches, the learning rate, the networks and the critic's turns are those of the plan.
    """
    own = plan.arguments
    shared = {name: own[name] for name in SHARED}
    turns = own.get("n_critic", own.get("d_steps", 1))
    found = {}
    for name, (model, arguments) in RIVALS.items():
        players = {"n_critic": turns} if model == "wgan" else {"d_steps": turns}
        kept = {key: own[key] for key in ("penalty_weight", "clip") if model == "wgan" and key in own}
        found[name] = {
            "model": model,
            "data": plan.data,
            "data_arguments": plan.data_arguments,
            "arguments": shared | players | kept | arguments,
            "settings": plan.settings | {"steps": steps},
            "title": f"{name} on {plan.data}",
        }
    return found


@dataclass(frozen=True)
class Verdict:
    """A critic and its generator in numbers; what needs points of the plane is None of images.

    Attributes:
        sliced: Sliced 1-Wasserstein distance of samples to test data, pixels in [0, 1].
        w1: The exact distance.
        w1_floor: The same of data to data, on average.
        covered: "7 of 8" modes, where the data have some.
        close: The share of the samples within 3σ of a mode.
        slope: Mean ‖∇f‖ between data and samples.
        violations: The share of points where it is above 1.
        log10_slopes: log₁₀ ‖∇f‖ at data, samples and between, (3N,).
    """

    sliced: float
    w1: float | None
    w1_floor: float | None
    covered: str | None
    close: float | None
    slope: float
    violations: float
    log10_slopes: Array


@torch.no_grad()
def verdict(model: Adversarial, data: Data, n: int = 400) -> Verdict:
    """How far the samples are from the data, and how steep the critic is."""
    steep = slopes(model, data, n)
    every = np.log10(np.concatenate([steep.real, steep.fake, steep.between]).clip(1e-12))
    slope, violations = float(steep.between.mean()), steep.violations
    if not model.is_image:
        c = coverage(model, data, n)
        covered = f"{c.modes.covered} of {c.modes.of}" if c.modes else None
        close = c.modes.close if c.modes else None
        least = floor(data, n, by_class=bool(model.classes))[0]
        return Verdict(c.sliced, c.w1, least, covered, close, slope, violations, every)
    chosen = some(data, n)
    y = data.test.y[chosen].to(model.device) if model.classes else None
    real = data.test.x[chosen].to(model.device).flatten(1) / (data.levels - 1)
    fake = model.sample(len(chosen), y=y, rng=random.generator(0, model.device)).flatten(1)
    distance = sliced_wasserstein1(fake, real, rng=random.generator(0))
    return Verdict(distance, None, None, None, None, slope, violations, every)


# BiGAN: there and back ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Back:
    r"""Examples there and back.

    Attributes:
        x: Data, (N, \*shape); images in [0, 1].
        mean: G(E(x)).
        z: The codes E(x), (N, L).
        labels: (N,).
        error: Mean squared error of each as the networks see it, (N,); never part of a loss.
    """

    x: Array
    mean: Array
    z: Array
    labels: Array
    error: Array


@torch.no_grad()
def back(model: BiGAN, data: Data, n: int = 500) -> Back:
    """The first ``n`` test examples, encoded and generated again."""
    return _back(model, data, data.test.x[:n], data.test.y[:n])


@torch.no_grad()
def read(model: BiGAN, data: Data, pixels: npt.ArrayLike, *, label: int = 0) -> Back:
    """Somebody's own picture, in grey of 0 to 255, shape (H, W), there and back.

    Raises:
        BadInput: If it is no picture of the model's size, or empty.
    """
    grey = np.asarray(pixels)
    if not model.is_image or grey.shape != model.shape[1:]:
        raise BadInput(f"A picture of {model.shape} is wanted, not one of {grey.shape}.")
    if grey.max(initial=0) < 32:
        raise BadInput("The picture is empty: draw something first.")
    levels = torch.as_tensor(np.rint(grey / 255 * (data.levels - 1)).astype(np.uint8))[None, None]
    return _back(model, data, levels.expand(1, *model.shape), torch.tensor([label]))


def _back(model: BiGAN, data: Data, examples: torch.Tensor, labels: torch.Tensor) -> Back:
    x = data.prepare(examples, model.inputs, random.generator(0, examples.device)).to(model.device)
    y = labels.to(model.device) if model.classes else None
    z = model.encode(x)
    error = (model.generate(z, y) - x).square().flatten(1).mean(1)
    shown = (x + 1) / 2 if model.is_image else x
    return Back(*(t.cpu().numpy() for t in (shown, model.decode(z, y), z, labels, error)))


# Theory ---------------------------------------------------------------------------------------------------------------


def saturation(reach: float = 8.0, n: int = 161) -> dict[str, Array]:
    """|∂loss/∂s| of each of a GAN's objectives for a sample whose logit is "s", from −reach to reach, (n,) each."""
    s = torch.linspace(-reach, reach, n)
    objectives = ("minimax", "non-saturating", "least-squares")
    return {"s": s.numpy()} | {name: generator_slope(name, s).numpy() for name in objectives}


def normal(reach: float = 4.0, n: int = 161) -> tuple[Array, Array]:
    """z from −reach to reach and its density under N(0, 1), (n,) each: what codes are to be distributed as."""
    z = np.linspace(-reach, reach, n)
    return z, np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def apart(sigma: float = 0.1, reach: float = 2.0, n: int = 101) -> dict[str, Array]:
    """Two Gaussians N(0, σ²) and N(θ, σ²): "theta", their exact "w1" = θ, and their Jensen-Shannon divergence "js".

    By symmetry JS = log 2 − E_{x ~ p}[log(1 + q(x)/p(x))], nats; here by a sum over ±12 standard deviations. Far apart
    it is flat, at log 2: Arjovsky et al. (2017), example 1. https://arxiv.org/abs/1701.07875
    """
    theta = np.linspace(0, reach, n)
    t = np.linspace(-12, 12, 4001)
    weight = np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi) * (t[1] - t[0])
    d = theta[:, None] / sigma
    log_ratio = t * d - d**2 / 2  # log q/p at x = σ t
    js = math.log(2) - (weight * np.logaddexp(0, log_ratio)).sum(1)
    return {"theta": theta, "w1": theta, "js": js}

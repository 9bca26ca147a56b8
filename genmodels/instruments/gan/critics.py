"""A critic against what it should be, 1-Lipschitz; five critics against each other; and the curves of the theory."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.hyperparameters import Only, declared
from genmodels.instruments.arrays import Array, Arrays, arrays
from genmodels.instruments.gan.game import Coverage, coverage, pairs, slopes, w1_floor
from genmodels.metrics.distances import sliced_wasserstein1
from genmodels.models.adversarial import Adversarial
from genmodels.models.gan import generator_slope
from genmodels.models.wgan import WGAN
from genmodels.runs import store
from genmodels.runs.record import Plan
from genmodels.text import number

__all__ = ["RIVALS", "Verdict", "apart", "compared", "conclusion", "rivals", "saturation", "verdict"]

RIVALS: dict[str, tuple[str, dict[str, Any]]] = {
    "log loss": ("gan", {"objective": "non-saturating", "spectral": False}),
    "least squares": ("gan", {"objective": "least-squares", "spectral": False}),
    "clipping": ("wgan", {"penalty": "clip"}),
    "gradient penalty": ("wgan", {"penalty": "gp"}),
    "spectral norm": ("wgan", {"penalty": "spectral"}),
}
"""What two players may minimize and what keeps the critic in check: the model and its hyperparameters."""

SHARED = ("latent_dim", "network", "hidden", "classes")
OF_A_WGAN = ("penalty_weight", "clip", "generator_lr", "critic_decay", "activation")
"""Taken over from a WGAN by the other WGANs; those of a GAN have the usual ones."""


def rivals(plan: Plan, steps: int) -> dict[str, dict[str, Any]]:
    """The arguments of :func:`genmodels.runs.store.create` for each of RIVALS, everything else as in a run's ``plan``.

    The data, the seed, the batches, the learning rate, the networks and the critic's turns are those of the plan, and
    of a WGAN's each player's rate. None where a WGAN has no such networks.
    """
    own = plan.arguments
    networks = declared(WGAN)["network"].rule
    if isinstance(networks, Only) and own["network"] not in networks.options:
        return {}
    turns = own.get("n_critic", own.get("d_steps", 1))
    kept = {
        "gan": {"d_steps": turns},
        "wgan": {"n_critic": turns} | {key: own[key] for key in OF_A_WGAN if key in own},
    }
    return {
        name: store.like(plan, settings={"steps": steps}, title=f"{name} on {plan.data}", model=model)
        | {"arguments": {key: own[key] for key in SHARED} | kept[model] | arguments}
        for name, (model, arguments) in RIVALS.items()
    }


@dataclass(frozen=True)
class Verdict:
    """A critic and its generator in numbers; what needs points of the plane is None of images."""

    slopes: Array  # how steep the critic is at data, samples and between, (3, N)
    sliced: float  # sliced 1-Wasserstein distance of samples to test data, pixels in [0, 1]
    coverage: Coverage | None = None  # the exact distance, and the modes that are covered
    floor: float | None = None  # the exact distance of data to data, on average


@torch.no_grad()
def verdict(model: Adversarial, data: Data, n: int = 400) -> Verdict:
    """How far the samples are from the data, and how steep the critic is."""
    if model.is_image:
        fake, real = (x.flatten(1) for x in pairs(model, data, n)[:2])
        return Verdict(slopes(model, data, n), sliced_wasserstein1(fake, real, rng=random.generator(0)))
    near = coverage(model, data, n)
    return Verdict(slopes(model, data, n), near.sliced, near, w1_floor(data, n, by_class=bool(model.classes))[0])


def conclusion(slopes: Array, critic: str) -> str:
    """How steep a critic is at the points where it was asked, (3, N), in a sentence."""
    share, steepest = float((slopes > 1).mean()), number(slopes.max())
    if not np.isfinite(slopes).all():
        return f"The slope of this {critic} is not finite everywhere."
    if not share:
        return f"At none of {slopes.size:,} points is this {critic} steeper than 1; the steepest is {steepest}."
    where = f"At {number(100 * share)} % of {slopes.size:,} points this {critic} is steeper than 1"
    return f"{where}, up to {steepest}: it is not 1-Lipschitz."


def compared(verdicts: Mapping[str, Verdict]) -> str:
    """Which of several comes nearest to the data and which stays farthest, in a sentence; "" of fewer than two."""
    is_exact = all(verdict.coverage is not None for verdict in verdicts.values())
    far = {name: v.coverage.w1 if is_exact and v.coverage else v.sliced for name, v in verdicts.items()}
    far = {name: distance for name, distance in far.items() if math.isfinite(distance)}
    if len(far) < 2:
        return ""
    name, (nearest, *_, farthest) = "W₁" if is_exact else "sliced W₁", sorted(far, key=lambda name: far[name])
    near = f"{nearest} comes nearest to the data, {name} = {number(far[nearest])}"
    return f"Of these {len(far)}, {near}, and {farthest} stays farthest, {number(far[farthest])}."


def saturation(reach: float = 8.0, n: int = 161) -> Arrays:
    """|∂loss/∂s| of each of a GAN's objectives for a sample whose score is "s", from −reach to reach, (n,) each."""
    s = torch.linspace(-reach, reach, n)
    objectives = ("minimax", "non-saturating", "least-squares")
    return arrays(s=s, **{name: generator_slope(name, s) for name in objectives})


def apart(sigma: float = 0.1, reach: float = 2.0, n: int = 101) -> Arrays:
    """Two Gaussians N(0, σ²) and N(θ, σ²): "theta", their exact "w1" = θ, "kl", "tv" and Jensen-Shannon "js".

    KL = θ²/(2σ²), nats, in either direction; the total variation is ½ ∫ |p − q| = erf(θ / (2√2 σ)), from 0 to 1.
    By symmetry JS = log 2 − E_{x ~ p}[log(1 + q(x)/p(x))], nats; here by a sum over ±12 standard deviations. Far apart
    total variation and JS are flat, at 1 and log 2: Arjovsky et al. (2017), example 1. https://arxiv.org/abs/1701.07875
    """
    theta = np.linspace(0, reach, n)
    t = np.linspace(-12, 12, 4001)
    weight = np.exp(-(t**2) / 2) / math.sqrt(2 * math.pi) * (t[1] - t[0])
    d = theta[:, None] / sigma
    log_ratio = t * d - d**2 / 2  # log q/p at x = σ t
    js = math.log(2) - (weight * np.logaddexp(0, log_ratio)).sum(1)
    tv = torch.special.erf(torch.from_numpy(theta / (2 * math.sqrt(2) * sigma))).numpy()
    return {"theta": theta, "w1": theta, "kl": (theta / sigma) ** 2 / 2, "tv": tv, "js": js}

"""A critic against what it should be: the exact distance, slope 1 along the best plan, and four other critics."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.instruments.gan.game import Coverage, coverage, floor, pairs, slopes
from genmodels.metrics.distances import sliced_wasserstein1
from genmodels.metrics.floors import chosen
from genmodels.models.adversarial import Adversarial
from genmodels.models.gan import generator_slope
from genmodels.probability.distributions import assignment
from genmodels.runs.record import Plan

__all__ = ["RIVALS", "Transport", "Verdict", "apart", "rivals", "saturation", "transport", "verdict"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Transport:
    """The cheapest way to carry samples to data.

    Attributes:
        fake: Samples, (N, 2).
        real: Where each is carried, (N, 2).
        w1: The mean length of the ways: the exact distance of the two sets, that of :func:`.game.coverage`.
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
    rise = model.critic(real[order], y) - model.critic(fake, y)
    climb = rise.double() / length.clamp_min(1e-9)
    a, b, c = (t.cpu().numpy() for t in (fake, real[order], climb))
    return Transport(a, b, float(length.mean()), c)


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
    turns = own.get("n_critic", own.get("d_steps", 1))
    kept = {
        "gan": {"d_steps": turns},
        "wgan": {"n_critic": turns} | {key: own[key] for key in ("penalty_weight", "clip") if key in own},
    }
    return {
        name: {
            "model": model,
            "data": plan.data,
            "data_arguments": plan.data_arguments,
            "arguments": {key: own[key] for key in SHARED} | kept[model] | arguments,
            "settings": plan.settings | {"steps": steps},
            "title": f"{name} on {plan.data}",
        }
        for name, (model, arguments) in RIVALS.items()
    }


@dataclass(frozen=True)
class Verdict:
    """A critic and its generator in numbers; what needs points of the plane is None of images.

    Attributes:
        slopes: How steep the critic is at data, samples and between, (3, N).
        sliced: Sliced 1-Wasserstein distance of samples to test data, pixels in [0, 1].
        coverage: The exact distance, and the modes that are covered.
        floor: The exact distance of data to data, on average.
    """

    slopes: Array
    sliced: float
    coverage: Coverage | None = None
    floor: float | None = None


@torch.no_grad()
def verdict(model: Adversarial, data: Data, n: int = 400) -> Verdict:
    """How far the samples are from the data, and how steep the critic is."""
    if model.is_image:
        part = chosen(data.test, n, 0)
        real = part.x.to(model.device).flatten(1) / (data.levels - 1)
        y = part.y.to(model.device) if model.classes else None
        fake = model.sample(len(real), y=y, rng=random.generator(0, model.device)).flatten(1)
        return Verdict(slopes(model, data, n), sliced_wasserstein1(fake, real, rng=random.generator(0)))
    near = coverage(model, data, n)
    return Verdict(slopes(model, data, n), near.sliced, near, floor(data, n, by_class=bool(model.classes))[0])


def saturation(reach: float = 8.0, n: int = 161) -> dict[str, Array]:
    """|∂loss/∂s| of each of a GAN's objectives for a sample whose logit is "s", from −reach to reach, (n,) each."""
    s = torch.linspace(-reach, reach, n)
    objectives = ("minimax", "non-saturating", "least-squares")
    return {"s": s.numpy()} | {name: generator_slope(name, s).numpy() for name in objectives}


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

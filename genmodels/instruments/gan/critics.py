"""A critic against what it should be: the exact distance, slope 1 along the best plan, and four other critics."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.instruments.gan.game import Coverage, coverage, floor, only_plane, pairs, slopes
from genmodels.metrics.distances import sliced_wasserstein1
from genmodels.models.adversarial import Adversarial
from genmodels.models.gan import generator_slope
from genmodels.probability.distributions import assignment
from genmodels.runs.record import Plan
from genmodels.text import number

__all__ = [
    "RIVALS", "Transport", "Verdict", "apart", "compared", "conclusion", "rivals", "saturation", "transport", "verdict",
]  # fmt: skip

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Transport:
    """The cheapest way to carry samples to data.

    Attributes:
        fake: Samples, (N, 2).
        real: Where each is carried, (N, 2).
        w1: The mean length of the ways: the exact distance of the two sets, that of :func:`.game.coverage`.
        climb: How much the critic rises along each way, by its length, (N,); 1 for the best 1-Lipschitz critic.
        estimate: How much higher it scores data than samples, on average: of a WGAN's critic its estimate of ``w1``.
    """

    fake: Array
    real: Array
    w1: float
    climb: Array
    estimate: float

    def conclusion(self, kept: str | None = None, floor: tuple[float, float] | None = None) -> str:
        """How far the samples are, in a sentence, and what the critic makes of that.

        Args:
            kept: What keeps a WGAN's critic in check, its hyperparameter ``penalty``; None of any other model.
            floor: What :func:`.game.floor` says of data and data, where that is known.
        """
        estimate, exact = f"The critic's estimate, {number(self.estimate)},", f"the exact distance, {number(self.w1)}"
        match kept if math.isfinite(self.estimate) else None, self.estimate <= self.w1:
            case "clip", _:
                return (
                    f"{estimate} is to {exact}, up to an unknown factor, for clipped weights bound the slope by some k."
                )
            case "none", _:
                return f"{estimate} says nothing of {exact}, for nothing bounds the critic's slope."
            case "spectral", True:
                return f"{estimate} is below {exact}, as a lower bound must be."
            case "gp", True:
                return f"{estimate} is below {exact}; that of the best critic under this soft penalty is not."
            case (("spectral" | "gp"), False):
                return f"{estimate} is above {exact}, which shows that the critic is somewhere steeper than 1."
        begun = f"The {len(self.fake)} samples are {number(self.w1)} from as many data"
        if floor is None:
            return f"{begun}, on average along the cheapest plan."
        mean, spread = floor
        if self.w1 > mean + 2 * spread:
            return f"{begun}, {number(self.w1 / mean)} times as far as data are from other data, {number(mean)}."
        return f"{begun}, no farther than data are from other data, {number(mean)} ± {number(spread, 2)}."


@torch.no_grad()
def transport(model: Adversarial, data: Data, n: int = 400, *, seed: int = 0) -> Transport:
    """The best assignment of ``n`` samples to ``n`` test points, and what the critic says of it.

    Along the ways of an optimal plan, and along no others, the best 1-Lipschitz critic is a straight line of slope 1:
    Gulrajani et al. (2017), proposition 1. https://arxiv.org/abs/1704.00028. A conditional model's ways stay within
    each class.

    Raises:
        BadInput: If the model makes images.
    """
    only_plane(model)
    fake, real, y = pairs(model, data, n, seed=seed)
    length, order = assignment(fake, real, y)
    rise = model.critic(real[order], y) - model.critic(fake, y)
    climb = rise.double() / length.clamp_min(1e-9)
    a, b, c = (t.cpu().numpy() for t in (fake, real[order], climb))
    return Transport(a, b, float(length.mean()), c, float(rise.mean()))


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
        fake, real = (x.flatten(1) for x in pairs(model, data, n)[:2])
        return Verdict(slopes(model, data, n), sliced_wasserstein1(fake, real, rng=random.generator(0)))
    near = coverage(model, data, n)
    return Verdict(slopes(model, data, n), near.sliced, near, floor(data, n, by_class=bool(model.classes))[0])


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

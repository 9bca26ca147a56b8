"""What the critic of a GAN, a WGAN or a BiGAN believes, where it pushes the samples, and what they miss of the data.

The critic is the network that learns to tell samples from data: of a GAN and a BiGAN its discriminator.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.instruments.arrays import Array
from genmodels.instruments.examples import points_only, some
from genmodels.instruments.plane import cells
from genmodels.instruments.samples import labels
from genmodels.metrics import judge
from genmodels.metrics.distances import FEWEST, Modes, modes_covered, sliced_wasserstein1, wasserstein1
from genmodels.models.adversarial import Adversarial
from genmodels.models.wgan import WGAN, between, gradient_norm
from genmodels.probability.distributions import assignment
from genmodels.text import number

__all__ = [
    "Coverage", "Surface", "arrows", "conclusion", "coverage",
    "numbers", "pairs", "reached", "slopes", "steepness", "surface", "w1_floor",
]  # fmt: skip

SURE = 0.95  # probability at which the judge, a classifier of pictures, knows a class


def _test(model: Adversarial, data: Data, n: int) -> tuple[Tensor, Tensor | None]:
    """``n`` random test examples as the networks see them, and their labels for a conditional model."""
    x, y = some(model, data, n)
    return x, y.to(model.device) if model.classes else None


# The critic on the plane ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Surface:
    """A function on [−half, half]²: values (side, side), x₂ by rows, rising. ``middle``: where a map should diverge."""

    half: float
    values: Array
    middle: float
    name: str


@torch.no_grad()
def surface(model: Adversarial, half: float, *, side: int = 80, label: int | None = None) -> Surface:
    """The critic's belief at each point of the plane: D(x), the chance of being real, or the score f(x) of a WGAN.

    A WGAN's scores mean something up to a constant only: their mean over the square is taken off. BiGAN's discriminator
    sees the pair (x, E(x)).

    Raises:
        BadInput: If the model makes images, or has no class ``label``.
    """
    points_only(model)
    score = model.critic(cells(half, side).to(model.device), labels(model, side * side, label))
    belief = getattr(model, "belief", None)
    values, middle, name = (belief(score), 0.5, "D(x)") if belief else (score - score.mean(), 0.0, "f(x)")
    return Surface(half, values.cpu().numpy().reshape(side, side), middle, name)


def steepness(model: Adversarial, half: float, *, side: int = 60, label: int | None = None) -> Surface:
    """How steep the critic's score is at each point, ‖∇f‖: where it is above 1, the critic is not 1-Lipschitz.

    Raises:
        BadInput: If the model makes images, or has no class ``label``.
    """
    points_only(model)
    y = labels(model, side * side, label)
    with torch.no_grad():
        norm = gradient_norm(lambda x: model.critic(x, y), cells(half, side).to(model.device))
    return Surface(half, norm.cpu().numpy().reshape(side, side), 1.0, "‖∇f‖")


def arrows(
    model: Adversarial, data: Data, n: int = 150, *, seed: int = 0, label: int | None = None
) -> tuple[Array, Array]:
    """Fixed samples x = G(z), (N, 2), and −∂L/∂x, L the loss of each: where it would move if it were free, (N, 2).

    A loss that compares samples with data (:meth:`Adversarial.rival`) is the mean over the test examples, 256 at most.

    Raises:
        BadInput: If the model makes images, or has no class ``label``.
    """
    points_only(model)
    z = random.randn(n, model.latent_dim, rng=random.generator(seed, model.device))
    y = labels(model, n, label)
    x = model.generate(z, y).detach().requires_grad_()
    rivals = _rivals(model, data, label)
    losses = model.generator_loss(model.fake_scores(x, z, y)[:, None] - rivals)
    (gradient,) = torch.autograd.grad(losses.mean(1).sum(), x)
    return x.detach().cpu().numpy(), -gradient.cpu().numpy()


@torch.no_grad()
def _rivals(model: Adversarial, data: Data, label: int | None, n: int = 256) -> Tensor:
    """The scores that those of samples of the class ``label`` are compared with in the loss, shape (M,)."""
    x, y = _test(model, data, n)
    if y is not None and label is not None and (y == label).any():
        x, y = x[y == label], y[y == label]
    return model.rival(x, y)


def conclusion(terms: Mapping[str, float]) -> str:
    """How far apart the critic scores data and samples, in a sentence; ``terms`` are those of :func:`numbers`."""
    if "wasserstein" not in terms:
        real, fake = number(terms["D(real)"]), number(terms["D(fake)"])
        return f"On average the discriminator gives data D = {real} and samples D = {fake}; a guess is ½ for both."
    above = terms["wasserstein"]
    if not above > 0:
        return f"On average the critic scores data no higher than samples: {number(above)} is the difference."
    return f"On average the critic scores data {number(above)} higher than samples."


@torch.no_grad()
def slopes(model: Adversarial, data: Data, n: int = 500, *, seed: int = 0) -> Array:
    """‖∇f‖ of the critic at ``n`` real examples, at samples and between them, (3, n): never above 1 if 1-Lipschitz."""
    x, y = _test(model, data, n)
    rng = random.generator(seed, model.device)
    fake = model.generate(model.noise(x, rng), y)
    sets = x, fake, between(x, fake, rng)
    return np.stack([gradient_norm(lambda points: model.critic(points, y), x).cpu().numpy() for x in sets])


# What the samples miss ------------------------------------------------------------------------------------------------


def reached(data: Data, x: torch.Tensor) -> Modes | None:
    """Which modes of the plane, or which classes of pictures in the judge's eyes, the samples ``x`` reach.

    A sample is close within three standard deviations of a mode, or where the judge is sure of its class (p > 0.95).
    A mode or class is covered where a fifth of its even share is its own. None where the data has no modes.

    Raises:
        BadInput: If there is no judge of these pictures.
    """
    if data.plane is not None:
        if data.plane.modes is None:
            return None
        return modes_covered(x, data.plane.modes.to(x.device), data.plane.sigma)
    probabilities = judge.judge(data.name).see(x).probabilities
    sure, label = probabilities.max(1)
    of = probabilities.shape[1]
    counts = torch.bincount(label, minlength=of)
    covered = int((counts >= max(1, math.ceil(FEWEST * len(x) / of))).sum())
    return Modes(covered, of, (sure > SURE).double().mean().item(), tuple(counts.tolist()))


@dataclass(frozen=True)
class Coverage:
    """Samples against as many test points of the plane, always the same two sets (:func:`pairs`).

    The samples are carried to the test points the cheapest way. Along the ways of such a plan, and along no others, the
    best 1-Lipschitz critic is a straight line of slope 1: Gulrajani et al. (2017), proposition 1.
    https://arxiv.org/abs/1704.00028. A conditional model's ways stay within each class, so its ``w1`` is the mean over
    the labels of each class's own, which is what its critic estimates. No critic that is nowhere steeper than 1 has an
    ``estimate`` above ``w1``.
    """

    fake: Array  # samples, (N, 2)
    real: Array  # where each is carried, (N, 2)
    climb: Array  # how much the critic rises along each way, by its length, (N,); 1 for the best 1-Lipschitz critic
    modes: Modes | None  # which modes are covered (:func:`reached`); None where the data has no modes
    w1: float  # exact 1-Wasserstein distance of the two sets: the mean length of the ways
    sliced: float  # sliced 1-Wasserstein distance, of all classes together
    estimate: float  # E f(x) − E f(G(z)) of a WGAN's critic on the same points; else NaN
    flow: float  # under a gradient penalty, the estimate without what that adds to it (:meth:`WGAN.flow`); else NaN

    def conclusion(self, kept: str | None = None, floor: tuple[float, float] | None = None) -> str:
        """How far the samples are, in a sentence, and what the critic makes of that.

        Args:
            kept: What keeps a WGAN's critic in check, its hyperparameter ``penalty``; None of any other model.
            floor: What :func:`w1_floor` says of data and data, where that is known.
        """
        estimate, exact = f"The critic's estimate, {number(self.estimate)},", f"the exact distance, {number(self.w1)}"
        match kept if math.isfinite(self.estimate) else None, self.estimate <= self.w1:
            case "clip", _:
                factor = "up to an unknown factor, for clipped weights bound the slope by some k."
                return f"{estimate} is to {exact}, {factor}"
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


def pairs(model: Adversarial, data: Data, n: int = 400, *, seed: int = 0) -> tuple[Tensor, Tensor, Tensor | None]:
    r"""The ``n`` samples and test examples that every distance is of, (N, \*shape) each, and their labels, if any."""
    real, y = _test(model, data, n)
    fake = model.sample(len(real), y=y, rng=random.generator(seed, model.device))
    return fake, (real + 1) / 2 if model.is_image else real, y


@torch.no_grad()
def coverage(model: Adversarial, data: Data, n: int = 400, *, seed: int = 0) -> Coverage:
    """How much of the data the samples reach, and how far they are from it.

    Raises:
        BadInput: If the model makes images.
    """
    points_only(model)
    fake, real, y = pairs(model, data, n, seed=seed)
    length, order = assignment(fake, real, y)
    rise, estimate, flow = model.critic(real[order], y) - model.critic(fake, y), math.nan, math.nan
    if isinstance(model, WGAN):
        difference = rise.mean()
        estimate = float(difference)
        if model.penalty == "gp":
            norm = gradient_norm(lambda x: model.critic(x, y), between(real, fake, random.generator(seed, fake.device)))
            flow = float(model.flow(difference, (norm - 1).square().mean()))
    sliced = sliced_wasserstein1(fake, real, rng=random.generator(0))
    here, there, climb = (t.cpu().numpy() for t in (fake, real[order], rise.double() / length.clamp_min(1e-9)))
    return Coverage(here, there, climb, reached(data, fake), float(length.mean()), sliced, estimate, flow)


def w1_floor(data: Data, n: int = 400, *, draws: int = 6, by_class: bool = False) -> tuple[float, float]:
    """The exact W₁ of ``n`` test points to ``n`` others: mean and standard deviation over disjoint pairs of sets.

    It is what a perfect model would get, and how much that depends on the draw. ``by_class``: the two sets have the
    same labels, and the distance is that of each class by itself, as of a conditional model.
    """
    x, y = data.test.x, data.test.y
    order = random.rand(len(x), rng=random.generator(0)).argsort().to(x.device)
    if by_class:  # neighbours in the order of the labels, but for the one at the end of a class, share theirs
        order = order[y[order].argsort(stable=True)]
    two = order[: len(order) // 2 * 2].view(-1, 2)
    if by_class:
        two = two[y[two[:, 0]] == y[two[:, 1]]]
        two = two[random.rand(len(two), rng=random.generator(1)).argsort().to(two.device)]
    n = min(n, len(two))
    sets = [rows.T for rows in two[: draws * n].split(n) if len(rows) == n]
    distances = [wasserstein1(x[a], x[b], y[a] if by_class else None) for a, b in sets]
    return float(np.mean(distances)), float(np.std(distances))


@torch.no_grad()
def numbers(model: Adversarial, data: Data, n: int = 256, *, seed: int = 0) -> dict[str, float]:
    """Every term of every player's loss on ``n`` test examples: what the theory panel puts into the equations."""
    x, y = _test(model, data, n)
    terms: dict[str, float] = {}
    for player in model.players():
        own = model.loss(x, y, player=player, rng=random.generator(seed, model.device))
        terms |= {name if name != "loss" else f"{player}_loss": float(value) for name, value in own.items()}
    return terms

"""The instruments of GAN, WGAN and BiGAN: what the critic believes, where it pushes the samples, and what they miss."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genmodels import random
from genmodels.data.datasets import Data
from genmodels.errors import BadInput
from genmodels.metrics.distances import Modes, modes_covered, sliced_wasserstein1, wasserstein1
from genmodels.models.adversarial import Adversarial
from genmodels.models.bigan import BiGAN
from genmodels.models.gan import GAN
from genmodels.models.wgan import WGAN, between, gradient_norm

__all__ = [
    "Arrows",
    "Coverage",
    "Slopes",
    "Surface",
    "arrows",
    "coverage",
    "floor",
    "grid_of",
    "linear",
    "numbers",
    "only_plane",
    "pairs",
    "path",
    "sheet",
    "slopes",
    "some",
    "spherical",
    "surface",
]

Array = npt.NDArray[Any]


def _labels(model: Adversarial, n: int, label: int) -> Tensor | None:
    """``n`` times the label, for a conditional model."""
    if not model.classes:
        return None
    if not 0 <= label < model.classes:
        raise BadInput(f"label = {label} is not a class of the model: it is from 0 to {model.classes - 1}.")
    return torch.full((n,), label, device=model.device)


def only_plane(model: Adversarial) -> None:
    """Refuse a model of images."""
    if model.is_image:
        raise BadInput("This picture needs a model of points of the plane, and this one makes images.")


def grid_of(half: float, side: int, device: torch.device) -> Tensor:
    """The points of a square grid over [−half, half]², x₂ by rows, rising, shape (side², 2)."""
    axis = torch.linspace(-half, half, side, device=device)
    x2, x1 = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x1, x2], -1).reshape(-1, 2)


def some(data: Data, n: int) -> Tensor:
    """Indices of ``n`` test examples, always the same, drawn without order: a test set may be sorted by anything."""
    return random.rand(len(data.test), rng=random.generator(0)).argsort()[:n].to(data.device)


def _real(model: Adversarial, data: Data, n: int) -> tuple[Tensor, Tensor | None]:
    """``n`` test examples as the networks see them, and their labels for a conditional model."""
    chosen = some(data, n)
    x = data.prepare(data.test.x[chosen], model.inputs, random.generator(0, data.device)).to(model.device)
    return x, data.test.y[chosen].to(model.device) if model.classes else None


# The critic on the plane ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Surface:
    """A function on [−half, half]²: values (side, side), x₂ by rows, rising. ``middle``: where a map should diverge."""

    half: float
    values: Array
    middle: float
    name: str


@torch.no_grad()
def surface(model: Adversarial, half: float, *, side: int = 80, label: int = 0) -> Surface:
    """What the players' judge believes of each point of the plane: D(x), the chance of being real, or the score f(x).

    A critic's scores mean something up to a constant only: their mean over the square is taken off. BiGAN's judge sees
    the pair (x, E(x)).

    Raises:
        BadInput: If the model makes images.
    """
    only_plane(model)
    score = model.critic(grid_of(half, side, model.device), _labels(model, side * side, label))
    if isinstance(model, GAN | BiGAN):
        values, middle, name = model.belief(score), 0.5, "D(x)"
    else:
        values, middle, name = score - score.mean(), 0.0, "f(x)"
    return Surface(half, values.cpu().numpy().reshape(side, side), middle, name)


@dataclass(frozen=True)
class Arrows:
    """Samples (N, 2) and the direction in which the generator's loss pushes each of them, (N, 2)."""

    x: Array
    push: Array


def arrows(model: Adversarial, n: int = 150, *, seed: int = 0, label: int = 0) -> Arrows:
    """−∂L/∂x at fixed samples x = G(z), L the loss of each by itself: where each would move if it were free.

    Raises:
        BadInput: If the model makes images.
    """
    only_plane(model)
    z = random.randn(n, model.latent_dim, rng=random.generator(seed, model.device))
    y = _labels(model, n, label)
    x = model.generate(z, y).detach().requires_grad_()
    loss = model.generator_loss(model.fake_scores(x, z, y)).sum()
    (gradient,) = torch.autograd.grad(loss, x)
    return Arrows(x.detach().cpu().numpy(), -gradient.cpu().numpy())


# Lipschitz ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Slopes:
    """‖∇f‖ of the critic at real examples, at samples and between them, (N,) each, and the share of all above 1."""

    real: Array
    fake: Array
    between: Array
    violations: float


def slopes(model: Adversarial, data: Data, n: int = 500, *, seed: int = 0) -> Slopes:
    """How steep the critic is where it is asked: a 1-Lipschitz critic is nowhere above 1."""
    x, y = _real(model, data, n)
    rng = random.generator(seed, model.device)
    with torch.no_grad():
        fake = model.generate(model.noise(x, rng), y)
        sets = x, fake, between(x, fake, rng)
        a, b, c = (gradient_norm(lambda points: model.critic(points, y), points).cpu().numpy() for points in sets)
    return Slopes(a, b, c, float((np.concatenate([a, b, c]) > 1).mean()))


# What the samples miss ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Coverage:
    """Samples against as many test points of the plane, always the same two sets (:func:`pairs`).

    Attributes:
        modes: Which modes are covered and how many samples are close to one; None where the data has no modes.
        w1: Exact 1-Wasserstein distance of the two sets; of a conditional model the mean over the labels of each
            class's own, which is what its critic estimates.
        sliced: Sliced 1-Wasserstein distance, of all classes together.
        estimate: E f(x) − E f(G(z)) of a WGAN's critic on the same points, which of a critic nowhere steeper than 1
            cannot be above ``w1``; else None.
        flow: Under a gradient penalty, the estimate without what that adds to it (:meth:`WGAN.flow`); else None.
        n: How many.
    """

    modes: Modes | None
    w1: float
    sliced: float
    estimate: float | None
    flow: float | None
    n: int


def pairs(model: Adversarial, data: Data, n: int = 400, *, seed: int = 0) -> tuple[Tensor, Tensor, Tensor | None]:
    """The ``n`` samples and ``n`` test points that every distance is of, (N, 2) each, and their labels, if it has any.

    Raises:
        BadInput: If the model makes images.
    """
    only_plane(model)
    chosen = some(data, n)
    y = data.test.y[chosen].to(model.device) if model.classes else None
    fake = model.sample(len(chosen), y=y, rng=random.generator(seed, model.device))
    return fake, data.test.x[chosen].to(model.device), y


@torch.no_grad()
def coverage(model: Adversarial, data: Data, n: int = 400, *, seed: int = 0) -> Coverage:
    """How much of the data the samples reach, and how far they are from it.

    Raises:
        BadInput: If the model makes images.
    """
    fake, real, y = pairs(model, data, n, seed=seed)
    modes = None
    if data.plane is not None and data.plane.modes is not None:
        modes = modes_covered(fake, data.plane.modes.to(fake.device), data.plane.sigma, least=max(1, len(fake) // 200))
    estimate = flow = None
    if isinstance(model, WGAN):
        difference = model.critic(real, y).mean() - model.critic(fake, y).mean()
        estimate = float(difference)
        if model.penalty == "gp":
            norm = gradient_norm(lambda x: model.critic(x, y), between(real, fake, random.generator(seed, fake.device)))
            flow = float(model.flow(difference, (norm - 1).square().mean()))
    sliced = sliced_wasserstein1(fake, real, rng=random.generator(0))
    return Coverage(modes, wasserstein1(fake, real, y), sliced, estimate, flow, len(fake))


def floor(data: Data, n: int = 400, *, draws: int = 6, by_class: bool = False) -> tuple[float, float]:
    """The exact W₁ of ``n`` test points to ``n`` others: mean and standard deviation over disjoint pairs of sets.

    It is what a perfect model would get, and how much that depends on the draw. ``by_class``: the two sets have the
    same labels, and the distance is that of each class by itself, as of a conditional model.
    """
    order = some(data, len(data.test))
    if by_class:  # neighbours in the order of the labels, but for the one at the end of a class, share theirs
        order = order[data.test.y[order].argsort(stable=True)]
    two = order[: len(order) // 2 * 2].view(-1, 2)
    if by_class:
        two = two[(data.test.y[two[:, 0]] == data.test.y[two[:, 1]])]
        two = two[random.rand(len(two), rng=random.generator(1)).argsort().to(two.device)]
    n = min(n, len(two))
    found = [
        wasserstein1(data.test.x[a], data.test.x[b], data.test.y[a] if by_class else None)
        for a, b in (rows.T for rows in two[: draws * n].split(n))
        if len(a) == n
    ]
    return float(np.mean(found)), float(np.std(found))


# Noise ----------------------------------------------------------------------------------------------------------------


@torch.no_grad()
def sheet(model: Adversarial, n: int = 21, *, reach: float = 2.5, label: int = 0) -> Array:
    r"""The image of a square grid of noise, (n, n, \*shape): G on [−reach, reach]², z₂ by rows, rising, other noise 0.

    On the plane it is the sheet that the generator stretches and folds over the data; of images, an atlas.
    """
    grid = grid_of(reach, n, model.device)
    z = torch.zeros(n * n, model.latent_dim, device=model.device)
    z[:, :2] = grid[:, : model.latent_dim]
    return model.decode(z, _labels(model, n * n, label)).cpu().numpy().reshape(n, n, *model.shape)


def linear(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """(1 − t) a + t b, shape (T, L), for a and b (L,) and t (T,)."""
    t = t[:, None]
    return (1 - t) * a + t * b


def spherical(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """From a to b along the arc that they span, shape (T, L): its points are as long as Gaussian noise is, midway too.

    White (2016), Sampling generative networks. https://arxiv.org/abs/1609.04468
    """
    angle = torch.arccos((a @ b / (a.norm() * b.norm())).clamp(-1, 1))
    if not 1e-3 < angle < math.pi - 1e-3:  # no arc, or any
        return linear(a, b, t)
    t = t[:, None]
    return (torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b) / torch.sin(angle)


@torch.no_grad()
def path(model: Adversarial, first: int, second: int, *, frames: int = 24, arc: bool = True, label: int = 0) -> Array:
    r"""A film from the sample of one seed to that of another, (frames, \*shape): on the arc between, or straight."""
    a, b = (random.randn(model.latent_dim, rng=random.generator(seed, model.device)) for seed in (first, second))
    z = (spherical if arc else linear)(a, b, torch.linspace(0, 1, frames, device=model.device))
    return model.decode(z, _labels(model, frames, label)).cpu().numpy()


@torch.no_grad()
def numbers(model: Adversarial, data: Data, n: int = 256, *, seed: int = 0) -> dict[str, float]:
    """Every term of every player's loss on ``n`` test examples: what the theory panel puts into the equations."""
    x, y = _real(model, data, n)
    found: dict[str, float] = {}
    for player in model.players():
        terms = model.loss(x, y, player=player, rng=random.generator(seed, model.device))
        found |= {name if name != "loss" else f"{player}_loss": float(value) for name, value in terms.items()}
    return found

r"""What the sources have wrong: each line, the right one, and a small experiment that tells them apart.

An experiment is one number, computed twice: as the line has it and as it should be, beside what it must be. The chains
of Gaussians among them are exact: data N(0, s²) keep every step of a diffusion Gaussian, the best guess of the noise is

.. math:: \epsilon^*(x_t) = \frac{\sqrt{1 - \bar\alpha_t}}{\bar\alpha_t s^2 + 1 - \bar\alpha_t}\, x_t

and so a sampler's variance is a recursion, with no sampling in it.
"""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import stats

from genmodels import random
from genmodels.files import CHECKPOINTS, read_json
from genmodels.metrics.distances import frechet_gaussians
from genmodels.probability import schedules

__all__ = ["MISPRINTS", "Misprint", "Outcome", "told"]

REPORT = "A Tale of VAEs, WGANs, and DDPMs (report)"
PERSPECTIVE = "Image Generation Models from a Probabilistic Perspective (report)"
LECTURE = "Deep Generative Models (lecture)"
PROJECT = "Mini project 1, generative models (report)"
ASSIGNMENT = "Assignment 3, deep generative models"


@dataclass(frozen=True)
class Outcome:
    """One number: as the line has it, as the right one has it, and what it must be."""

    wrong: float
    right: float
    truth: float


@dataclass(frozen=True)
class Misprint:
    """A line of a source that is wrong.

    Attributes:
        source: Which source, and where in it.
        line: As it stands there, LaTeX.
        correct: As it should be, LaTeX.
        asks: What is computed both ways, a phrase.
        why: What is wrong with it, a sentence.
        test: Computes it.
    """

    source: str
    line: str
    correct: str
    asks: str
    why: str
    test: Callable[[], Outcome]


def told() -> Generator[float, None, dict[str, npt.NDArray[Any]]]:
    """Every experiment of :data:`MISPRINTS`. A task.

    Returns:
        "wrong", "right" and "truth", (N,) each, in their order.
    """
    outcomes = []
    for i, one in enumerate(MISPRINTS):
        yield i / len(MISPRINTS)
        outcomes.append(one.test())
    return {name: np.array([getattr(one, name) for one in outcomes]) for name in ("wrong", "right", "truth")}


# Diffusion ------------------------------------------------------------------------------------------------------------

S = 0.5  # standard deviation of the data


def _tables() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """β, α and ᾱ of the linear schedule of 1,000 steps, float64, shape (T,)."""
    beta = schedules.linear(1000).double()
    return beta, 1 - beta, (1 - beta).cumprod(0)


def sampling_step() -> Outcome:
    """The standard deviation in which ancestral sampling with the best guess of the noise ends."""
    beta, alpha, bar = _tables()

    def ends(scale: torch.Tensor) -> float:
        variance = torch.ones((), dtype=torch.float64)
        for t in range(len(beta) - 1, -1, -1):
            guess = (1 - bar[t]).sqrt() / (bar[t] * S**2 + 1 - bar[t])
            shrink = (1 - beta[t] / (1 - bar[t]).sqrt() * guess) / scale[t].sqrt()
            variance = shrink**2 * variance + (beta[t] if t else 0)
        return variance.sqrt().item()

    return Outcome(ends(bar), ends(alpha), S)


def noised_variance() -> Outcome:
    """The variance of x_T where the data have 1: the process keeps it."""
    _, alpha, bar = _tables()
    return Outcome((alpha[-1] + 1 - bar[-1]).item(), (bar[-1] + 1 - bar[-1]).item(), 1.0)


def posterior_mean() -> Outcome:
    """The mean of q(x_{t-1} | x_t, x_0) at t = 500 for x_t = x_0 = 1, beside the product of the two Gaussians."""
    beta, alpha, bar = (table[498:500] for table in _tables())  # t - 1 and t
    of_x_0, of_x_t = beta[1] / (1 - bar[1]), (1 - bar[0]) / (1 - bar[1])
    wrong = bar[1].sqrt() * of_x_0 + bar[1].sqrt() * of_x_t
    right = bar[0].sqrt() * of_x_0 + alpha[1].sqrt() * of_x_t
    precision = alpha[1] / beta[1] + 1 / (1 - bar[0])  # Bayes: q(x_t | x_{t-1}) q(x_{t-1} | x_0)
    truth = (alpha[1].sqrt() / beta[1] + bar[0].sqrt() / (1 - bar[0])) / precision
    return Outcome(wrong.item(), right.item(), truth.item())


def langevin() -> Outcome:
    """The standard deviation after 500 steps of 0.01 for N(0, 1), from N(0, 1); so long a step leaves 1.0025."""
    step = 0.01

    def ends(sign: float) -> float:
        variance = 1.0
        for _ in range(500):  # the score of N(0, 1) is -x
            variance = (1 - sign * step) ** 2 * variance + 2 * step
        return math.sqrt(variance)

    return Outcome(ends(-1.0), ends(1.0), 1.0)


# Likelihoods and encoders ---------------------------------------------------------------------------------------------

U = 0.3  # probability of a white pixel


def swapped() -> Outcome:
    """The probabilities of black and of white added up."""
    both = (0.0, 1.0)
    return Outcome(sum(x**U * (1 - x) ** (1 - U) for x in both), sum(U**x * (1 - U) ** (1 - x) for x in both), 1.0)


def plus_for_times() -> Outcome:
    """The probabilities of black and of white added up."""
    both = (0.0, 1.0)
    return Outcome(sum(U**x + (1 - U) ** (1 - x) for x in both), sum(U**x * (1 - U) ** (1 - x) for x in both), 1.0)


def scale_or_variance() -> Outcome:
    """The standard deviation that the density has, where the draws z = μ + σ ε have σ = 0.25."""
    return Outcome(math.sqrt(0.25), math.sqrt(0.25**2), 0.25)


def order_of_bounds() -> Outcome:
    """How far the IWAE lies over the ELBO, beside all that there is between the ELBO and log p(x): at most that."""
    ours = read_json(CHECKPOINTS / "vae-mnist-2d-normal" / "measures.json")
    elbo, iwae, exact = (ours[f"{name}_nats"] for name in ("elbo", "iwae_100", "log_prob"))
    return Outcome(-29.40 - -135.00, iwae - elbo, exact - elbo)


def significance() -> Outcome:
    """Welch's t between the Gaussian prior and the VampPrior, ten trainings each; up to 2.11 would be chance at 5 %."""
    variances = 0.40**2 / 10, 0.29**2 / 10
    t = (-134.00 - -135.00) / math.sqrt(sum(variances))
    freedom = sum(variances) ** 2 / sum(v**2 / 9 for v in variances)  # Welch and Satterthwaite
    return Outcome(stats.t.ppf(0.975, freedom), t, t)


def dequantized() -> Outcome:
    """The share of 100,000 pixels whose level is found again by rounding down."""
    n, rng = 100_000, random.generator(0)
    levels = random.randint(0, 256, n, rng=rng).double()
    wrong = (levels + random.randn(n, rng=rng).double()).floor() == levels
    right = (levels + random.rand(n, rng=rng).double()).floor() == levels
    return Outcome(wrong.double().mean().item(), right.double().mean().item(), 1.0)


# Adversaries and distances --------------------------------------------------------------------------------------------


def frechet_of_itself() -> Outcome:
    """The FID of data against themselves, of ten features with variance 1."""
    mean, eye = torch.zeros(10), torch.eye(10)
    return Outcome((2 * eye - eye).trace().item(), frechet_gaussians(mean, eye, mean, eye), 0.0)


def jensen_shannon() -> Outcome:
    """The JS of two distributions that share nothing; it is log 2 at most."""
    kl = math.log(2)  # of each from the middle: all of its mass has twice the middle's density
    return Outcome(kl + kl, (kl + kl) / 2, math.log(2))


def critics_turns() -> Outcome:
    """The critic's turns before one of the generator, where five are asked for."""
    return Outcome(len(range(0, 5 + 1)), len(range(5)), 5)


MISPRINTS = (
    Misprint(
        f"{REPORT}, sampling from a DDPM",
        r"x_{t-1} = \frac{1}{\sqrt{\bar\alpha_t}}\Big(x_t - \frac{1 - \alpha_t}{\sqrt{1 - \bar\alpha_t}}"
        r"\epsilon_\theta\Big) + \sigma_t z",
        r"x_{t-1} = \frac{1}{\sqrt{\alpha_t}}\Big(x_t - \frac{1 - \alpha_t}{\sqrt{1 - \bar\alpha_t}}"
        r"\epsilon_\theta\Big) + \sigma_t z",
        "standard deviation of what comes out, of data with 0.5",
        "One step undoes one step's shrinking, √α_t; with √ᾱ_t each undoes that of all steps before it.",
        sampling_step,
    ),
    Misprint(
        f"{PERSPECTIVE}, the objective",
        r"x_t = \sqrt{\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon",
        r"x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon",
        "variance of the last x_t, of data with 1",
        "The weights' squares must add up to 1, or the process does not keep the variance.",
        noised_variance,
    ),
    Misprint(
        f"{PERSPECTIVE}, eq. 66",
        r"\tilde\mu_t = \frac{\sqrt{\bar\alpha_t}\beta_t}{1 - \bar\alpha_t} x_0 + "
        r"\frac{\sqrt{\bar\alpha_t}(1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t} x_t",
        r"\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\beta_t}{1 - \bar\alpha_t} x_0 + "
        r"\frac{\sqrt{\alpha_t}(1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t} x_t",
        "posterior's mean at t = 500 for x_t = x_0 = 1, beside Bayes' product",
        "The first root is that of the step before, the second that of one step.",
        posterior_mean,
    ),
    Misprint(
        f"{REPORT}, Langevin's dynamics",
        r"x_{t+1} = x_t - \eta \nabla \log p(x_t) + \sqrt{2\eta}\, \zeta_t",
        r"x_{t+1} = x_t + \eta \nabla \log p(x_t) + \sqrt{2\eta}\, \zeta_t",
        "standard deviation after 500 steps of 0.01 for N(0, 1)",
        "The drift goes up the density; with the other sign everything flies apart.",
        langevin,
    ),
    Misprint(
        f"{REPORT}, the decoder",
        r"p(x \mid z) = \prod_i x_i^{u_i} (1 - x_i)^{1 - u_i}",
        r"p(x \mid z) = \prod_i u_i^{x_i} (1 - u_i)^{1 - x_i}",
        "total probability of a pixel",
        "The pixel x is the exponent and the decoder's u the base; the other way round black and white are impossible.",
        swapped,
    ),
    Misprint(
        f"{PERSPECTIVE}, eq. 28",
        r"p(x \mid z) = \nu^{x} + (1 - \nu)^{1 - x}",
        r"p(x \mid z) = \nu^{x} (1 - \nu)^{1 - x}",
        "total probability of a pixel",
        "A product, whose logarithm is the sum of the next line.",
        plus_for_times,
    ),
    Misprint(
        f"{REPORT}, the encoder",
        r"q(z \mid x) = \mathcal N(z; \mu, \operatorname{diag}(\sigma)),\quad z = \mu + \sigma \odot \epsilon",
        r"q(z \mid x) = \mathcal N(z; \mu, \operatorname{diag}(\sigma^2)),\quad z = \mu + \sigma \odot \epsilon",
        "standard deviation of the density, where the draws have 0.25",
        "A Gaussian's second argument is its covariance: σ is what multiplies the noise, σ² what stands there.",
        scale_or_variance,
    ),
    Misprint(
        f"{PROJECT}, table 1",
        r"\text{ELBO} = -135.00,\quad \text{IWAE} = -29.40",
        r"\text{ELBO} \le \text{IWAE}_k \le \log p(x)",
        "nats from the ELBO to the IWAE; the truth's are all that there are up to log p(x)",
        "Both bound the same log p(x), which lies 7 nats over the ELBO here; 106 is a sum over other things.",
        order_of_bounds,
    ),
    Misprint(
        f"{PROJECT}, below table 1",
        r"\text{“no significant impact”}",
        r"t = \frac{\bar x_1 - \bar x_2}{\sqrt{s_1^2/n_1 + s_2^2/n_2}}",
        "Welch's t of its own numbers, VampPrior against Gaussian; the line says at most this",
        "If its ± is the standard deviation of ten trainings, its own table says that a prior helps.",
        significance,
    ),
    Misprint(
        f"{ASSIGNMENT}, 3.4",
        r"x + u,\quad u \sim \mathcal N(0, 1)",
        r"x + u,\quad u \sim \mathcal U[0, 1)",
        "share of pixels whose level is still known",
        "Noise that leaves its level's cell mixes the levels, and the density bounds no probability any more.",
        dequantized,
    ),
    Misprint(
        f"{LECTURE}, FID",
        r"\lVert\mu_G - \mu_R\rVert^2 + \operatorname{tr}(\Sigma_G + \Sigma_R - (\Sigma_G\Sigma_R)^{1/2})",
        r"\lVert\mu_G - \mu_R\rVert^2 + \operatorname{tr}(\Sigma_G + \Sigma_R - 2(\Sigma_G\Sigma_R)^{1/2})",
        "FID of data against themselves, ten features",
        "Without the 2 a perfect model scores the data's own variance.",
        frechet_of_itself,
    ),
    Misprint(
        f"{LECTURE}, the optimal generator",
        r"\text{JS} = \text{KL}[p \,\|\, m] + \text{KL}[q \,\|\, m],\quad m = \tfrac{p + q}{2}",
        r"\text{JS} = \tfrac12\text{KL}[p \,\|\, m] + \tfrac12\text{KL}[q \,\|\, m]",
        "JS of two distributions that share nothing",
        "It is the mean of the two; their sum is 2 JS.",
        jensen_shannon,
    ),
    Misprint(
        f"{REPORT}, WGAN's algorithm",
        r"\textbf{for } t = 0, \dots, n_\text{critic}",
        r"\textbf{for } t = 1, \dots, n_\text{critic}",
        "the critic's turns, where five are asked for",
        "From 0 to n are n + 1.",
        critics_turns,
    ),
)
"""In the order in which a class meets them."""

r"""The experiments that tell a misprint from the right line, one function a line.

An experiment is one number, computed twice: as the line has it and as it should be, beside what it must be. The chains
of Gaussians among them are exact: data N(0, s²) keep every step of a diffusion Gaussian, the best guess of the noise is

.. math:: \epsilon^*(x_t) = \frac{\sqrt{1 - \bar\alpha_t}}{\bar\alpha_t s^2 + 1 - \bar\alpha_t}\, x_t

and so a sampler's variance is a recursion, with no sampling in it.
"""

import math
from dataclasses import dataclass

import torch
from scipy import stats

from genmodels import random
from genmodels.files import CHECKPOINTS, read_json
from genmodels.metrics.distances import frechet_gaussians, wasserstein1
from genmodels.probability import schedules
from genmodels.probability.distributions import kl_to_standard_normal, normal_log_prob, standard_normal_log_prob
from genmodels.probability.normal import Normal

__all__ = [
    "Outcome",
    "aggregate",
    "critics_turns",
    "dequantized",
    "factor_left_inside",
    "frechet_of_itself",
    "jensen_shannon",
    "kl_added",
    "langevin",
    "noised_variance",
    "order_of_bounds",
    "plus_for_times",
    "posterior_mean",
    "posterior_step",
    "sampling_step",
    "scale_or_variance",
    "sign_of_kl",
    "significance",
    "squared_cost",
    "swapped",
    "weight_inside",
]


@dataclass(frozen=True)
class Outcome:
    """One number: as the line has it, as the right one has it, and what it must be."""

    wrong: float
    right: float
    truth: float


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


def posterior_step() -> Outcome:
    """The standard deviation of x_{t-1} at t = 500, drawn around the mean of x_t and its own noise, beside q's."""
    beta, alpha, bar = (table[498:500] for table in _tables())  # t - 1 and t
    of_noise = (1 - bar[1]).sqrt() - beta[1] / (1 - bar[1]).sqrt()
    drawn = beta[1] * (1 - bar[0]) / (1 - bar[1])

    def spread(scale: torch.Tensor) -> float:
        return ((bar[1] * S**2 + of_noise**2) / scale + drawn).sqrt().item()

    return Outcome(spread(bar[1]), spread(alpha[1]), (bar[0] * S**2 + 1 - bar[0]).sqrt().item())


def weight_inside() -> Outcome:
    """The loss at t = 500 of a network that knows the noise, of one dimension with σ² = β."""
    beta, alpha, bar = (table[499] for table in _tables())
    weight, guess = beta**2 / (2 * beta * alpha * (1 - bar)), 1.0  # the network answers guess · ε, and E ε² = 1
    return Outcome((weight - guess).square().item(), (weight * (1 - guess) ** 2).item(), 0.0)


def langevin() -> Outcome:
    """The standard deviation after 500 steps of 0.01 for N(0, 1), from N(0, 1); so long a step leaves 1.0025."""
    step = 0.01

    def ends(sign: float) -> float:
        variance = 1.0
        for _ in range(500):  # the score of N(0, 1) is -x
            variance = (1 - sign * step) ** 2 * variance + 2 * step
        return math.sqrt(variance)

    return Outcome(ends(-1.0), ends(1.0), 1.0)


def factor_left_inside() -> Outcome:
    """KL(q(x_1 | x_0) ‖ p(x_1 | x_0)) at x_0 = 2 of q = N(0, 1), where p(x_0) is the data's density."""
    kl, reconstruction, log_p = _bound(2.0, 0.0, 1.0)
    bound = kl - reconstruction  # L of one step
    zero, posterior = torch.zeros(1, 1).double(), torch.full((1, 1), 2.0).double()
    truth = Normal(zero, zero).kl(Normal(posterior.sqrt(), -posterior.log()))  # of N(0, 1) from N(√2, ½)
    return Outcome(log_p + log_p + bound, log_p + bound, truth.item())


# Likelihoods and encoders ---------------------------------------------------------------------------------------------

U = 0.3  # probability of a white pixel


def _bound(x: float, mu: float, var: float) -> tuple[float, float, float]:
    """Of z ~ N(0, 1), x ~ N(√½ z, ½) and q = N(mu, var): KL(q ‖ p(z)), E_q log p(x | z), and log p(x), x ~ N(0, 1).

    The true posterior is N(√½ x, ½).
    """
    of_x, of_z, width, half = torch.tensor([x, mu, var, 0.5], dtype=torch.float64)
    kl = kl_to_standard_normal(of_z, width.log())
    reconstruction = normal_log_prob(of_x, half.sqrt() * of_z, half.log()) - width / 2  # E (√½ (z - mu))² / (2 · ½)
    return kl.item(), reconstruction.item(), standard_normal_log_prob(of_x).item()


def sign_of_kl() -> Outcome:
    """KL(N(1, 1) ‖ N(0, 1)): both integrals by a sum over a grid, the truth in closed form."""
    x = torch.linspace(-11, 13, 4001, dtype=torch.float64)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    log_true, log_model = normal_log_prob(x, one, zero), standard_normal_log_prob(x)
    mean = lambda values: (log_true.exp() * values).sum().item() * (x[1] - x[0]).item()  # noqa: E731
    truth = kl_to_standard_normal(one[0], zero[0]).item()
    return Outcome(mean(log_model - log_true), mean(log_true - log_model), truth)


def kl_added() -> Outcome:
    """The bound at x = 2 where q is the true posterior, so that it must be log p(x)."""
    kl, reconstruction, log_p = _bound(2.0, math.sqrt(2), 0.5)
    return Outcome(kl + reconstruction, reconstruction - kl, log_p)


def aggregate() -> Outcome:
    """The KL to a uniform prior over ten cells, of ten posteriors that share them out."""
    posteriors, prior = torch.eye(10, dtype=torch.float64), 0.1
    kl = lambda q: torch.special.xlogy(q, q / prior).sum().item()  # noqa: E731
    return Outcome(kl(posteriors.sum(0)), kl(posteriors.mean(0)), 0.0)


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


def squared_cost() -> Outcome:
    """The distance of two points 3 apart; its dual is told by f(x) = -x, the steepest critic that is allowed."""
    x, y = torch.tensor([[0.0]]), torch.tensor([[3.0]])
    return Outcome((x - y).square().sum().item(), wasserstein1(x, y), (-x.mean() + y.mean()).item())


def jensen_shannon() -> Outcome:
    """The JS of two distributions that share nothing; it is log 2 at most."""
    kl = math.log(2)  # of each from the middle: all of its mass has twice the middle's density
    return Outcome(kl + kl, (kl + kl) / 2, math.log(2))


def critics_turns() -> Outcome:
    """The critic's turns before one of the generator, where five are asked for."""
    return Outcome(len(range(0, 5 + 1)), len(range(5)), 5)

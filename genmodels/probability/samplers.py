r"""From noise to data: each sampler says how to move from x_t to x_s, :func:`walk` does it, and no network is known.

All that a sampler asks for is a function ``eps(x_t, t)`` that says what noise is in ``x_t`` (t a tensor of shape (B,),
in 1 … T), a :class:`~genmodels.probability.schedules.Schedule`, a starting point, and the times to visit. With
:math:`\hat\epsilon` comes a guess of the data, and the samplers differ only in how they go from there to the next,
smaller time s:

.. math:: \hat x_0 = (x_t - \sqrt{1 - \bar\alpha_t}\,\hat\epsilon) / \sqrt{\bar\alpha_t}

===========================  =======================================================================================
 :func:`ancestral`            draw from q(x_s | x_t, x̂_0): a Markov chain (Ho et al. 2020, algorithm 2)
 :func:`ddim`                 keep all of the noise (η = 0) or renew it (η = 1) (Song et al. 2021, eq. 12)
 :func:`dpm_solver`           the same, extrapolating x̂_0: a second-order multistep method (Lu et al. 2022)
 :func:`heun`                 the same by a second-order method that asks twice (Karras et al. 2022, algorithm 1)
===========================  =======================================================================================

Without fresh noise (η = 0) the last three follow the probability-flow ODE. Over the noise-to-signal ratio
:math:`\varsigma = \sqrt{(1 - \bar\alpha) / \bar\alpha}`, for :math:`u = x / \sqrt{\bar\alpha}`, it has no coefficients:

.. math:: \frac{du}{d\varsigma} = \hat\epsilon(\sqrt{\bar\alpha}\, u, t)

It is a flow, so it can also be run from data to noise (:func:`ddim` and :func:`heun` take rising times) and it has an
exact density (:func:`log_density`).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from genmodels import random
from genmodels.host.threads import look_again
from genmodels.probability.schedules import Schedule

__all__ = [
    "SAMPLERS",
    "STOCHASTIC",
    "Denoiser",
    "Move",
    "Step",
    "Variance",
    "ancestral",
    "arrived",
    "ddim",
    "denoised",
    "dpm_solver",
    "heun",
    "log_density",
    "named",
    "noise_like",
    "walk",
]

Denoiser = Callable[[Tensor, Tensor], Tensor]
STOCHASTIC = ("ancestral", "sde-dpm-solver")  # these draw fresh noise on the way
CHURN, DECIDED = 1.6, -2.0  # η of sde-dpm-solver, and the log-SNR from which on: docs/measures.md has what it brings
SAMPLERS = (*STOCHASTIC, "ddim", "dpm-solver", "heun")


class Step(NamedTuple):
    """Where a sampler is: at time ``t`` with ``x_t``, and what it thinks of it. At t = 0, ``x_t`` is the sample."""

    t: int
    x_t: Tensor
    eps: Tensor
    x_0: Tensor


Move = Callable[[Step, int], Tensor]
"""A sampler: from where it is to x_s at the next time s."""
Variance = str | Callable[[Tensor, Tensor], Tensor]
"""Of a step back: its name, or the ν of x_t and t (:meth:`genmodels.probability.schedules.Schedule.sigma2_at`)."""


def named(
    sampler: str,
    eps: Denoiser,
    schedule: Schedule,
    *,
    rng: torch.Generator | None = None,
    variance: Variance = "beta",
    eta: float = 0.0,
) -> Move:
    """One of :data:`SAMPLERS`, by its name; ``variance`` is ancestral's, ``eta`` is ddim's."""
    match sampler:
        case "ancestral":
            return ancestral(schedule, rng=rng, variance=variance)
        case "ddim":
            return ddim(schedule, rng=rng, eta=eta)
        case "heun":
            return heun(eps, schedule)
        case _:
            return dpm_solver(schedule, rng=rng, eta=CHURN if sampler in STOCHASTIC else 0.0, decided=DECIDED)


def walk(move: Move, eps: Denoiser, schedule: Schedule, x: Tensor, times: Sequence[int]) -> Iterator[Step]:
    """From ``x`` at the first of the times to the last: ask for the noise, move, and so on.

    Args:
        move: A sampler.
        eps: What noise is in x_t.
        schedule: The schedule.
        x: Where to start, at ``times[0]``, shape (B, …).
        times: Falling to 0; a sampler that solves an equation also takes rising ones, which must not start at 0.
    """
    for t, s in pairwise(times):
        look_again()
        now = denoised(eps, schedule, x, t)
        yield now
        x = move(now, s)
    yield arrived(now, x, times[-1])


def ancestral(schedule: Schedule, *, rng: torch.Generator | None = None, variance: Variance = "beta") -> Move:
    r"""Draw :math:`x_s \sim N(\tilde\mu(x_t, \hat x_0), \sigma^2 I)`, without noise at s = 0.

    Ho et al. (2020), algorithm 2. https://arxiv.org/abs/2006.11239. Over a subset of the times β_t and β̃_t are those of
    the leap from s to t (Nichol & Dhariwal 2021, eq. 19). https://arxiv.org/abs/2102.09672

    Args:
        schedule: The schedule.
        rng: The source of the noise.
        variance: σ² is β_t ("beta"), β̃_t ("posterior") or, by the ν of x_t and t, between them (there, eq. 15).
    """

    def move(now: Step, s: int) -> Tensor:
        mean, sigma2 = schedule.posterior(now.x_t, now.x_0, now.t, s)  # DDPM eq. 7
        if s == 0:
            return mean
        if variance != "posterior":
            beta = 1 - schedule.alpha_bar[now.t] / schedule.alpha_bar[s]
            of_beta = lambda nu: sigma2 * (beta.to(sigma2) / sigma2) ** nu  # noqa: E731
            sigma2 = beta if isinstance(variance, str) else of_beta(variance(now.x_t, torch.tensor(now.t)))
        return mean + sigma2.sqrt() * noise_like(mean, rng)

    return move


def ddim(schedule: Schedule, *, rng: torch.Generator | None = None, eta: float = 0.0) -> Move:
    r""":math:`x_s = \sqrt{\bar\alpha_s} \hat x_0 + \sqrt{1 - \bar\alpha_s - \sigma^2} \hat\epsilon + \sigma z`.

    Song, Meng & Ermon (2021), Denoising diffusion implicit models, eq. 12 and 16. https://arxiv.org/abs/2010.02502

    With η = 0 it is deterministic, and rising times take data to noise. With η = 1 it is :func:`ancestral` with β̃.
    """

    def move(now: Step, s: int) -> Tensor:
        a_t, a_s = schedule.alpha_bar[now.t], schedule.alpha_bar[s]
        variance = eta**2 * (1 - a_s) / (1 - a_t) * (1 - a_t / a_s)  # eq. 16
        x = a_s.sqrt() * now.x_0 + (1 - a_s - variance).sqrt() * now.eps  # eq. 12
        return x + variance.sqrt() * noise_like(x, rng) if eta > 0 and s > 0 else x

    return move


def dpm_solver(
    schedule: Schedule, *, rng: torch.Generator | None = None, eta: float = 0.0, decided: float = -math.inf
) -> Move:
    r"""DPM-Solver++(2M): extrapolate :math:`\hat x_0` linearly in λ, half the log-SNR, from t and the time r before it.

    .. math::
        D = \hat x_0(t) + \frac{h}{2 (\lambda_t - \lambda_r)} (\hat x_0(t) - \hat x_0(r)), \qquad
        x_s = \frac{\sigma_s}{\sigma_t} e^{-\eta^2 h} x_t + \alpha_s (1 - e^{-(1 + \eta^2) h}) D
              + \sigma_s \sqrt{1 - e^{-2 \eta^2 h}}\, z, \qquad h = \lambda_s - \lambda_t

    where α is √ᾱ and σ is √(1 − ᾱ). η = 0 is algorithm 2 of Lu, Zhou, Bao, Chen, Li & Zhu (2022), DPM-Solver++, and
    solves the probability-flow ODE; η = 1 is their SDE-DPM-Solver++(2M), and solves the reverse SDE.
    https://arxiv.org/abs/2211.01095. No η changes the marginals: fresh noise comes in as fast as the score takes noise
    away, and with it go the errors of the steps before. But D extrapolates what is smooth, and fresh noise is not:
    where x̂_0 still moves most it costs more than it brings. There, before the log-SNR has come to ``decided``, η is 0
    (as above the S_tmax of Karras et al. 2022, algorithm 2). At t = 0, where λ is infinite, x_0 = x̂_0 is the limit.
    It remembers the step before: one of these is for one walk.
    """
    lambda_, etas = schedule.log_snr / 2, eta * (schedule.log_snr >= decided)
    before: tuple[Tensor, Tensor] | None = None  # the last x̂_0 and the last h

    def move(now: Step, s: int) -> Tensor:
        nonlocal before
        if s == 0:
            return now.x_0
        h = lambda_[s] - lambda_[now.t]
        D = now.x_0
        if before is not None:
            D = D + (D - before[0]) * (h / before[1] / 2)
        before = now.x_0, h
        a_t, a_s, eta2 = schedule.alpha_bar[now.t], schedule.alpha_bar[s], etas[now.t] ** 2
        kept = ((1 - a_s) / (1 - a_t)).sqrt() * torch.exp(-eta2 * h)
        x = kept * now.x_t - a_s.sqrt() * torch.expm1(-(1 + eta2) * h) * D
        if eta > 0:
            x = x + ((a_s - 1) * torch.expm1(-2 * eta2 * h)).sqrt() * noise_like(x, rng)
        return x

    return move


def heun(eps: Denoiser, schedule: Schedule) -> Move:
    r"""The trapezoidal rule on :math:`du/d\varsigma = \hat\epsilon`; a plain Euler step to t = 0, where ς = 0.

    Karras, Aittala, Aila & Laine (2022), Elucidating the design space of diffusion-based generative models, algorithm 1
    without churn. https://arxiv.org/abs/2206.00364. Rising times take data to noise.
    """

    def move(now: Step, s: int) -> Tensor:
        a_t, a_s = schedule.alpha_bar[now.t], schedule.alpha_bar[s]
        h = (1 / a_s - 1).sqrt() - (1 / a_t - 1).sqrt()  # ς_s − ς_t
        u = now.x_t / a_t.sqrt()
        x = a_s.sqrt() * (u + h * now.eps)
        if s == 0:
            return x
        again = denoised(eps, schedule, x, s).eps
        return a_s.sqrt() * (u + h * (now.eps + again) / 2)

    return move


def log_density(eps: Denoiser, schedule: Schedule, x: Tensor, *, steps: int = 64) -> Tensor:
    r"""Exact log-density, under the probability-flow ODE, of points in few dimensions.

    Along the flow, with :math:`\ell = \log\varsigma` and σ² = 1 − ᾱ, it changes by the divergence of the noise:

    .. math:: \frac{dx_t}{d\ell} = \sigma (\hat\epsilon - \sigma x_t), \qquad
              \frac{d \log p(x_t)}{d\ell} = -\sigma\, (\nabla_x \cdot \hat\epsilon(x_t, t) - \sigma D)

    solved from t = 1 to T by the classical fourth-order Runge-Kutta method in equal steps of the log-SNR, with the
    trace of the Jacobian computed entry by entry. Of N(0, I), whose noise is σ x_t, nothing moves and nothing is lost
    to the steps. It is the density at t = 1, on the data's scale: of what the flow makes before its last bit of noise,
    of standard deviation ς_1, is taken away. ``eps`` is asked at real-valued times.

    Chen et al. (2018), Neural ordinary differential equations, eq. 8. https://arxiv.org/abs/1806.07366
    Song et al. (2021), Score-based generative modeling through SDEs, eq. 39. https://arxiv.org/abs/2011.13456

    Args:
        eps: What noise is in x_t; differentiable in x_t.
        schedule: The schedule.
        x: Points, shape (B, D).
        steps: Steps of the method; each asks four times.

    Returns:
        Nats, shape (B,).
    """
    ell = (-schedule.log_snr[[1, schedule.T]] / 2).tolist()
    h = (ell[1] - ell[0]) / steps

    def rates(ell: float, x_t: Tensor) -> tuple[Tensor, Tensor]:
        """dx_t/dℓ and −d log p/dℓ."""
        t = schedule.time(torch.full((len(x_t),), -2 * ell, dtype=torch.float64, device=x_t.device)).to(x_t.dtype)
        sigma = 1 / math.sqrt(1 + math.exp(-2 * ell))
        noise, divergence = _divergence(eps, x_t, t)
        return sigma * (noise - sigma * x_t), sigma * (divergence - sigma * x_t.shape[1])

    a_1 = schedule.alpha_bar[1]
    x_t, gained = a_1.sqrt().to(x.dtype) * x, x.new_zeros(len(x))
    for i in range(steps):
        at = ell[0] + i * h
        k1, l1 = rates(at, x_t)
        k2, l2 = rates(at + h / 2, x_t + h / 2 * k1)
        k3, l3 = rates(at + h / 2, x_t + h / 2 * k2)
        k4, l4 = rates(at + h, x_t + h * k3)
        x_t = x_t + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        gained = gained + h / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
    normal = -0.5 * (x_t.square() + math.log(2 * math.pi)).sum(1)  # p(x_T) = N(0, I)
    return normal + 0.5 * a_1.log() * x.shape[1] + gained


def _divergence(eps: Denoiser, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
    """ε̂(x, t), shape (B, D), and the trace of its Jacobian, shape (B,)."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        noise = eps(x, t)
        rows = [torch.autograd.grad(noise[:, i].sum(), x, retain_graph=True)[0][:, i] for i in range(x.shape[1])]
    return noise.detach(), torch.stack(rows).sum(0)


# The parts of a step ------------------------------------------------------------------------------------------------


def denoised(eps: Denoiser, schedule: Schedule, x: Tensor, t: int) -> Step:
    """The step at time ``t``: what ``eps`` thinks of ``x``."""
    noise = eps(x, torch.full((len(x),), t, device=x.device))
    return Step(t, x, noise, schedule.to_x_0(noise, x, t, "eps"))


def noise_like(x: Tensor, rng: torch.Generator | None) -> Tensor:
    """Standard normal noise of the shape and the dtype of ``x``."""
    return random.randn(*x.shape, rng=rng, device=x.device).to(x.dtype)


def arrived(last: Step, x: Tensor, t: int = 0) -> Step:
    """The arrival: the last noise stays, and at t = 0 the sample is its own guess."""
    return Step(t, x, last.eps, x if t == 0 else last.x_0)

r"""Langevin dynamics: samples of a law from nothing but its score, at one level of noise or from much to little.

.. math:: x \leftarrow x + \tfrac{\eta}{2} \nabla_x \log p(x) + \sqrt{\eta}\, z, \qquad z \sim N(0, I)

For a small step η and many steps the law of x is p, wherever it began. Between modes that lie far apart it takes
longer than anybody waits. The cure is to walk first where much noise joins the modes, then where there is less and
less: :func:`annealed`. A score is learned as noise is (``predict`` = score), and a diffusion model knows the score of
its data at every level of noise, for of :math:`u = x_t / \sqrt{\bar\alpha_t} = x_0 + \varsigma\epsilon` it is

.. math:: \nabla_u \log q_\varsigma(u) = -\hat\epsilon(x_t, t) / \varsigma

Song & Ermon (2019), Generative modeling by estimating gradients of the data distribution (NCSN).
https://arxiv.org/abs/1907.05600
"""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from genmodels.probability.samplers import Denoiser, Move, Step, denoised, noise_like
from genmodels.probability.schedules import Schedule

__all__ = ["ScoreAt", "annealed", "annealed_steps", "langevin", "levels", "score_of"]

ScoreAt = Callable[[Tensor, float], Tensor]
"""∇ log q_ς(u) of points u, (N, D), at a level of noise ς."""


def langevin(
    score: Callable[[Tensor], Tensor], x: Tensor, step: float, steps: int, *, rng: torch.Generator | None = None
) -> Iterator[Tensor]:
    """So many steps of Langevin dynamics from ``x``, (N, D): where the particles are after each (NCSN eq. 4).

    Of N(0, s²) the variance ends at s² / (1 − η / 4s²): too wide by what the step is too long, and without bound from
    η = 4s² on.
    """
    for _ in range(steps):
        x = x + step / 2 * score(x) + math.sqrt(step) * noise_like(x, rng)
        yield x


def annealed(
    score: ScoreAt,
    x: Tensor,
    sigmas: Sequence[float],
    step: float,
    steps: int,
    *,
    rng: torch.Generator | None = None,
) -> Iterator[tuple[float, Tensor]]:
    r"""Langevin dynamics, ``steps`` at each level of noise, with steps :math:`\eta \sigma_i^2 / \sigma_L^2`.

    NCSN, algorithm 1. Yields the level and where the particles are, after each step.

    Args:
        score: Of the data with noise of a level in them.
        x: Where the particles begin, (N, D).
        sigmas: The levels, falling; one level is :func:`langevin`.
        step: η, at the last level.
        steps: At each level.
        rng: The source of the noise.
    """
    for sigma in sigmas:
        at = lambda u, sigma=sigma: score(u, sigma)  # noqa: E731
        for now in langevin(at, x, step * (sigma / sigmas[-1]) ** 2, steps, rng=rng):
            x = now
            yield sigma, now


def levels(high: float, low: float, n: int) -> tuple[float, ...]:
    """``n`` levels of noise from ``high`` to ``low``, each the same share of the one before.

    >>> levels(8.0, 1.0, 4)
    (8.0, 4.0, 2.0, 1.0)
    """
    return tuple(round(high * (low / high) ** (i / max(1, n - 1)), 12) for i in range(n))


def score_of(eps: Denoiser, schedule: Schedule) -> ScoreAt:
    """The score of data with noise ς in them, by a network that says the noise: −ε̂(√ᾱ u, t) / ς at the t of ς."""

    def score(u: Tensor, sigma: float) -> Tensor:
        t = schedule.time(u.new_full((len(u),), -2 * math.log(sigma), dtype=schedule.alpha_bar.dtype))
        return -eps(u / math.hypot(1, sigma), t.to(u.dtype)) / sigma

    return score


def annealed_steps(
    eps: Denoiser, schedule: Schedule, *, stride: float = 0.2, repeats: int = 10, rng: torch.Generator | None = None
) -> Move:
    r"""Annealed Langevin dynamics as a sampler: at each time t it visits ``repeats`` steps, then less noise.

    .. math:: x_t \leftarrow x_t - \tfrac{r}{2} \sigma_t \hat\epsilon + \sqrt{r}\, \sigma_t z, \qquad
              x_s = \sqrt{\bar\alpha_s / \bar\alpha_t}\; x_t, \qquad \sigma_t = \sqrt{1 - \bar\alpha_t}

    It is :func:`annealed` said of x_t: the step is r σ², and dividing x_t by √ᾱ_t changes nothing. At the end the last
    noise is taken away (Song & Ermon 2020, Improved techniques, section 3.5, https://arxiv.org/abs/2006.09011).

    Args:
        eps: What noise is in x_t.
        schedule: The schedule.
        stride: r, the step in units of the noise's variance; NCSN has 0.2.
        repeats: Steps at each level.
        rng: The source of the noise.
    """

    def move(now: Step, s: int) -> Tensor:
        _, sigma = schedule.rates(now.t, now.x_t)
        x, noise = now.x_t, now.eps
        t = torch.full((len(x),), now.t, device=x.device)
        for i in range(repeats):
            noise = eps(x, t) if i else noise
            x = x - stride / 2 * sigma * noise + math.sqrt(stride) * sigma * noise_like(x, rng)
        if s == 0:
            return denoised(eps, schedule, x, now.t).x_0
        return (schedule.alpha_bar[s] / schedule.alpha_bar[now.t]).sqrt().to(x.dtype) * x

    return move

r"""A prior that is a diffusion in latent space: codes are noised until nothing is left, and drawn by undoing it.

With log-SNR λ, α² = sigmoid(λ), σ² = sigmoid(−λ) and z_t = α z + σ ε, and with λ falling evenly from λ_1 to λ_T,

.. math::
    -\log p(z) \le \mathrm{KL}(q(z_T \mid z) \,\|\, N(0, I)) +
    \frac{\lambda_1 - \lambda_T}{2} E_{t, \epsilon} \|\epsilon - \hat\epsilon(z_t, t)\|^2 +
    \frac{D}{2} \log(2 \pi e\, \sigma_1^2 / \alpha_1^2)

Kingma et al. (2021), Variational diffusion models, eqs. 11–17, https://arxiv.org/abs/2107.00630; as the prior of a VAE,
learned together with it: Vahdat, Kreis & Kautz (2021), Score-based generative modeling in latent space,
https://arxiv.org/abs/2106.05263.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from genmodels import random
from genmodels.nn.unet import PointNet
from genmodels.probability.diffusion.table import Table, tabulated
from genmodels.probability.diffusion.times import timesteps
from genmodels.probability.distributions import kl_to_standard_normal
from genmodels.probability.samplers import Step, dpm_solver, log_density, walk
from genmodels.probability.schedules import Schedule

__all__ = ["DiffusionPrior"]

T = 256  # times of the schedule; networks are asked between them too
LEAST_NOISE, MOST_NOISE = 10.0, -9.0  # λ_1 and λ_T
SLOW = 100  # times slower than in images the sines turn that tell the network the time: the equation is smooth then
STEPS = 50  # of a sampler from noise to codes
EQUAL = 16  # steps of the equation that gives the density: exact to some 0.003 nats
ROWS = 8192  # codes at once
MANY = 1024  # codes in one or two dimensions, from which on the density is read off a table
TOLERANCE = 0.02  # nats that its last refinement changes at most: what is left is some ten times less
BOX = 1.25  # times as wide as where samples are, at each side of their middle


class DiffusionPrior(nn.Module):
    r"""p(z) is what the probability-flow equation makes of N(0, I), down to the noise of λ_1. It starts as N(0, I).

    The noise that is left, of standard deviation σ_1/α_1 = 0.007, belongs to p(z). :meth:`exact` is so but for the
    solver's error, and asks the network 64 times for each code; :meth:`log_prob` reads many codes of one or two
    dimensions off a table of it; :meth:`bound` asks once, and is what is learned from.
    """

    def __init__(self, latent_dim: int, hidden: int = 64) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.network = PointNet(latent_dim, hidden=hidden, depth=2)
        with torch.device("cpu"):  # small tables, which are there also where a model is only weighed
            self.schedule = Schedule.named("drawn", T, (LEAST_NOISE, MOST_NOISE))
        self.known: tuple[Tensor, Table | None] | None = None  # the table, and the weights that it is of

    def eps(self, z_t: Tensor, t: Tensor) -> Tensor:
        r"""The noise in z_t, (B, L), at times t, (B,): what N(0, I) would say, and what the network adds to it.

        .. math:: \hat\epsilon = \sigma_t z_t + f_\theta(z_t, t)

        Vahdat et al. (2021), section 3.2 (there mixed per dimension). The network says nothing at first.
        """
        _, sigma = self.schedule.rates(t, z_t)
        return sigma * z_t + self.network(z_t, t.to(z_t.dtype) / (SLOW * T))

    def _at_once(self, z_t: Tensor, t: Tensor) -> Tensor:
        """ε̂(z_t, t) where all of ``t`` are one time, which the network is then told once."""
        return self.eps(z_t, t[:1])

    def bound(self, z: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """At most log p(z) of the reverse process, on average over its noise: one time for each of z (B, n, L), (B, n).

        The n times of a row are spread evenly, which takes most of the noise out of their mean.
        """
        with torch.autocast(z.device.type, enabled=False):  # a density is in full precision
            n, dim = z.shape[1:]
            u = (random.rand(len(z), 1, rng=rng, device=z.device) + torch.arange(n, device=z.device) / n) % 1
            t = (1 + (T - 1) * u).to(z.dtype).flatten()
            eps = random.randn(*z.shape, rng=rng, device=z.device).to(z.dtype).flatten(0, 1)
            z_t = self.schedule.noised(z.flatten(0, 1), eps, t)
            steps = (LEAST_NOISE - MOST_NOISE) / 2 * (eps - self.eps(z_t, t)).square().sum(-1)
            mean, variance = self.schedule.q(z, T)
            begin = kl_to_standard_normal(mean, variance.log()).sum(-1)
            last = dim / 2 * (math.log(2 * math.pi * math.e) - LEAST_NOISE)
            return -(steps.view(begin.shape) + begin + last)

    def log_prob(self, z: Tensor) -> Tensor:
        """log p(z), shape (...), for z (..., L): of many codes by :meth:`of_many`; no gradient comes back from it."""
        if z.numel() >= MANY * self.latent_dim:
            return self.of_many(z)
        return self.exact(z.reshape(-1, self.latent_dim)).view(z.shape[:-1])

    def of_many(self, z: Tensor) -> Tensor:
        """log p(z) of many codes: read off :meth:`table` where it reaches, exact elsewhere, for all codes at once."""
        points = z.detach().reshape(-1, self.latent_dim)
        table = self.table() if self.latent_dim <= 2 else None
        if table is None:
            return self.exact(points).view(z.shape[:-1])
        log_p, beyond = torch.cat([table(part) for part in points.split(ROWS)]).to(z.dtype), ~table.holds(points)
        if beyond.any():
            log_p[beyond] = self.exact(points[beyond])
        return log_p.view(z.shape[:-1])

    def exact(self, z: Tensor) -> Tensor:
        """log p(z), (N,), for z (N, L), by the equation's divergence."""
        with torch.autocast(z.device.type, enabled=False):
            return torch.cat([log_density(self._at_once, self.schedule, part, steps=EQUAL) for part in z.split(ROWS)])

    def table(self) -> Table | None:
        """log p(z) in one or two dimensions over where samples are, made once for these weights; None: too rough.

        It costs as much as some 5,000 to 70,000 codes: most densities need but the coarser grids.
        """
        weights = nn.utils.parameters_to_vector(self.parameters()).detach()
        if self.known is None or not _same(self.known[0], weights):
            z = self.sample(MANY, random.generator(0, weights.device))
            middle, half = (z.amax(0) + z.amin(0)) / 2, BOX * (z.amax(0) - z.amin(0)).clamp_min(1e-3) / 2
            f = lambda z: self.exact(z.to(weights.dtype))  # noqa: E731
            self.known = weights, tabulated(f, middle - half, middle + half, tolerance=TOLERANCE)
        return self.known[1]

    @torch.no_grad()
    def trajectory(self, n: int, rng: torch.Generator | None = None, *, steps: int = STEPS) -> Iterator[Step]:
        """From N(0, I) to codes: where they are at each time, (n, L), down to t = 1."""
        weight = next(self.parameters())
        times = timesteps(self.schedule, steps, "log-snr")[:-1]
        z_T = random.randn(n, self.latent_dim, rng=rng, device=weight.device).to(weight.dtype)
        yield from walk(dpm_solver(self.schedule), self._at_once, self.schedule, z_T, times)

    def sample(self, n: int, rng: torch.Generator | None = None) -> Tensor:
        """Samples, shape (n, L)."""
        *_, last = self.trajectory(n, rng)
        return last.x_t / self.schedule.rates(1, last.x_t)[0]


def _same(a: Tensor, b: Tensor) -> bool:
    return (a.device, a.dtype) == (b.device, b.dtype) and torch.equal(a, b)

r"""The denoising diffusion probabilistic model: learn to undo a little noise, then undo all of it.

.. math::
    q(x_t \mid x_0) = N(\sqrt{\bar\alpha_t}\, x_0, (1 - \bar\alpha_t) I), \qquad
    p(x_{0:T}) = N(x_T; 0, I) \prod_{t=1}^T N(x_{t-1}; \tilde\mu_t(x_t, \hat x_0), \sigma_t^2 I)

A network is shown noisy data and the time, and says which noise is in them:

.. math::
    x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon, \qquad
    L_{\text{simple}} = E_{t, x_0, \epsilon} \|\epsilon - \epsilon_\theta(x_t, t)\|^2

Ho, Jain & Abbeel (2020), Denoising diffusion probabilistic models, eq. 14. https://arxiv.org/abs/2006.11239

Schedule (:mod:`genmodels.probability.schedules`), network (:mod:`genmodels.nn.denoiser`) and sampler
(:mod:`genmodels.probability.samplers`) know nothing of each other; here they meet.
"""

import math
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from genmodels import random
from genmodels.errors import BadInput
from genmodels.hyperparameters import Also, Between, Numbers, Only, Where, check
from genmodels.models.base import GenerativeModel, Preset
from genmodels.models.ddpm_presets import PRESETS
from genmodels.nn.denoiser import denoiser
from genmodels.nn.precision import networks_in, precision
from genmodels.probability import diffusion_elbo, samplers
from genmodels.probability.diffusion.guesses import Guesses
from genmodels.probability.diffusion.learned import Learned
from genmodels.probability.diffusion.scores import annealed_steps
from genmodels.probability.diffusion.times import SPACINGS, timesteps
from genmodels.probability.samplers import SAMPLERS, STOCHASTIC, Denoiser, Step, walk
from genmodels.probability.schedules import PREDICTIONS, SCHEDULES, Schedule

__all__ = ["DDPM"]

DRAWN, SNR = Where(lambda schedule: schedule == "drawn"), Where(lambda weighting: weighting == "snr")
LABELS, WALK = Where(lambda classes: classes > 0), Where(lambda sampler: sampler == "langevin")
DDIM = Where(lambda sampler: sampler == "ddim")
GUIDED = Where(lambda classes, label_dropout: classes > 0 and 0 < label_dropout < 1)  # it knows both branches
EDM, TIMES = Where(lambda predict: predict == "edm"), Where(lambda schedule: schedule != "learned")
NORMAL = Where(lambda times, schedule: times == "log-normal" and schedule != "learned")
AUTO, WEIGHTINGS = ("auto", *SAMPLERS), ("simple", "noise", "snr", "bound")
OF_BOUND = 1e-3  # λ of L_hybrid


class DDPM(Guesses, GenerativeModel):
    """A schedule, a network, and the samplers."""

    presets: ClassVar[tuple[Preset, ...]] = PRESETS
    defaults: ClassVar[dict[str, Any]] = {"ema": 0.999, "decay": "cosine", "warmup": 100}

    weight: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        T: Annotated[int, Between(10, 4000, "steps from data to noise", log=True)] = 1000,
        schedule: Annotated[str, Only((*SCHEDULES, "learned"), "how the noise grows")] = "linear",
        knots: Annotated[
            tuple[float, ...], Numbers(2, 4000, -20, 20, "log-SNR of a drawn schedule at even times, falling"), DRAWN
        ] = (9.0, 3.0, 0.0, -3.0, -9.0),
        predict: Annotated[
            str, Only(PREDICTIONS, "what the network says: noise, data, v between them, their score, or the mean μ̃")
        ] = "eps",
        variance: Annotated[
            str, Only(("beta", "posterior", "learned"), "of a step back: β_t, β̃_t, or between them as the network says")
        ] = "beta",
        weighting: Annotated[
            str,
            Only(WEIGHTINGS, "of the error over t: none, that of the noise alike, min(SNR, gamma), or the bound's"),
        ] = "simple",
        gamma: Annotated[float, Between(0.1, 100, "where the weighting snr stops to grow", log=True), SNR] = 5.0,
        sigma_data: Annotated[float, Between(0.01, 10, "standard deviation of the data, for edm"), EDM] = 0.5,
        times: Annotated[
            str, Only(("uniform", "log-normal"), "t in training: alike, or by the log of the noise"), TIMES
        ] = "uniform",
        ln_mean: Annotated[float, Between(-10, 10, "mean of the log of the noise"), NORMAL] = -1.2,
        ln_std: Annotated[float, Between(0.01, 10, "standard deviation of the log of the noise"), NORMAL] = 1.2,
        classes: Annotated[int, Between(0, 1000, "labels that can be asked for; 0: none")] = 0,
        label_dropout: Annotated[float, Between(0, 1, "labels hidden while training, for guidance"), LABELS] = 0.1,
        **of_network: Annotated[Any, Also(denoiser)],
    ) -> None:
        super().__init__(shape)
        self.T, self.predict, self.variance = T, predict, variance
        self.classes, self.label_dropout = classes, label_dropout
        self.pays_L_0 = self.is_image and weighting == "bound"  # in place of eq. 12, which is so of points alone
        if schedule == "learned" and not (self.pays_L_0 and predict == "eps" and variance != "learned"):
            raise BadInput(
                "schedule = learned is of images, with predict = eps, weighting = bound and a fixed variance."
            )
        with torch.device("cpu"):  # small tables, which are there also where a model is only weighed
            self.schedule = Learned(T) if schedule == "learned" else Schedule.named(schedule, T, knots)
            self.schedule.sigma_data = sigma_data
            chance = self.schedule.chance(ln_mean, ln_std).float() if times == "log-normal" else None
            weight = self.schedule.weight(weighting, predict, gamma=gamma, variance=variance).float().detach()
        self.register_buffer("weight", weight, persistent=False)
        self.register_buffer("chance", chance, persistent=False)
        self.network = denoiser(shape, T=T, classes=classes, says=1 + (variance == "learned"), **of_network)

    # The model ----------------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> str:
        """Images in [-1, 1]."""
        return "signed"

    def to_data(self, x: Tensor) -> Tensor:
        """From the model's space to the data's: images to [0, 1], points as they are."""
        return ((x + 1) / 2).clamp(0, 1) if self.is_image else x

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """The weighted squared error at one random time for each example, per dimension (DDPM algorithm 1, eq. 14).

        With weighting = bound it is the variational bound in nats per dimension on average, less what no network can
        change, of guesses x̂_0 that are not clamped: at t = 1 pixels pay L_0 in place of the square, and where times are
        not drawn alike each is divided by how often it is. Of a learned variance β̃ stands in the square's weight.
        With variance = learned the bound, "vlb", trains Σ beside it, by a thousandth: L_hybrid of Nichol & Dhariwal.
        Also logged: "mse_t1" … "mse_t4", the error of ε̂ over each quarter of 1 … T, unbiased whatever the batch.
        """
        if isinstance(self.schedule, Learned):
            return self._variational(self.schedule, x, self._told(y, rng), rng)
        t, eps = self.training_times(len(x), rng, x.device), samplers.noise_like(x, rng)
        x_t = self.schedule.noised(x, eps, t)
        output, share = self.answer(x_t, t, self._told(y, rng))
        error = (output - self.schedule.target(x, eps, t, self.predict)).square().flatten(1).mean(1)
        cost = self.weight[t].to(error) * error
        often = 1.0 if self.chance is None else (self.T * self.chance[t]).to(error)
        if self.pays_L_0:
            guess = self.schedule.to_x_0(output, x_t, t, self.predict)
            known = self.variance if share is None else share.detach()
            nats = cost * x[0].numel() / self.T
            nats = diffusion_elbo.last_or(nats, self.schedule, x, x_t, guess, t, known, self.grey_levels)
            cost = nats * self.T / x[0].numel()
        cost = cost / often if self.config["weighting"] == "bound" else cost
        with torch.no_grad():
            mse = (self.schedule.to_eps(output, x_t, t, self.predict) - eps).square().flatten(1).mean(1)
            logged = {f"mse_t{i + 1}": one for i, one in enumerate(self.schedule.by_quarter(mse / often, t))}
        if share is not None:  # the mean is trained by the error alone: eq. 16 of Nichol & Dhariwal (2021)
            guess = self.schedule.to_x_0(output.detach(), x_t, t, self.predict)
            levels = self.grey_levels if self.is_image else 0
            term = diffusion_elbo.term(self.schedule, x, x_t, guess, t, share, levels)
            logged["vlb"] = (self.T / x[0].numel() * term / often).mean()
            return {"loss": cost.mean() + OF_BOUND * logged["vlb"], **logged}
        return {"loss": cost.mean(), **logged}

    def _variational(
        self, schedule: Learned, x: Tensor, y: Tensor | None, rng: torch.Generator | None
    ) -> dict[str, Tensor]:
        """The bound of continuous time, nats per dimension, which also trains the schedule."""
        terms = schedule.bound(lambda x_t, t: self.answer(x_t, t, y)[0], x, self.grey_levels, rng)
        parts = {name: term.mean() / x[0].numel() for name, term in terms.items()}
        loss = parts["steps"] + parts["prior"] + parts["last"]
        return {"loss": loss, "bpd": loss.detach() / math.log(2)}

    def _told(self, y: Tensor | None, rng: torch.Generator | None) -> Tensor | None:
        """The labels, some of them hidden (Ho & Salimans 2022, algorithm 1)."""
        if y is None or not self.classes:
            return None
        hidden = random.rand(len(y), rng=rng, device=y.device) < self.label_dropout
        return torch.where(hidden, self.classes, self.checked_labels(y, len(y)))

    # Likelihood ---------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def bound(
        self, x: Tensor, rng: torch.Generator | None = None, *, y: Tensor | None = None, bins: int = 256
    ) -> diffusion_elbo.Bound:
        r"""The variational bound on -log p(x), term by term: see :mod:`genmodels.probability.diffusion_elbo`.

        Args:
            x: Data as ``inputs`` says, shape (B, \*shape).
            rng: The source of the noise.
            y: Labels, shape (B,).
            bins: Grey levels of the images (``data.shades``), for the decoder of DDPM eq. 13. Points have a density.
        """
        return self.chain(y, bins).every_term(x, rng)

    @torch.no_grad()
    def elbo(
        self,
        x: Tensor,
        rng: torch.Generator | None = None,
        *,
        y: Tensor | None = None,
        bins: int = 256,
        draws: int = 32,
    ) -> Tensor:
        """Lower bound on log p(x), nats, (B,), unbiased, from ``draws`` of its steps."""
        return -self.chain(y, bins).estimate(x, rng, draws=min(draws, self.T - 1))

    def chain(self, y: Tensor | None = None, bins: int = 256) -> diffusion_elbo.Chain:
        """The steps back as the bound sees them; the arguments are those of :meth:`bound`."""
        guess = diffusion_elbo.in_parts(self.x_0_hat, y)
        learned = diffusion_elbo.in_parts(self.share, y) if self.variance == "learned" else None
        by_level = isinstance(self.schedule, Learned)
        return diffusion_elbo.Chain(
            guess, self.schedule, learned or self.variance, bins if self.is_image else 0, by_level
        )

    @property
    def log_prob(self) -> Callable[..., Tensor]:
        """Exact log-density of points at t = 1, nats, (B,), see :meth:`_log_prob`; images have :meth:`elbo`."""
        if self.is_image:
            raise AttributeError("an exact density is computed for points of the plane only")
        return self._log_prob

    def _log_prob(self, x: Tensor, *, y: Tensor | None = None, steps: int = 64) -> Tensor:
        """log p(x), shape (B,), of what the probability-flow ODE makes of noise, in ``steps`` Runge-Kutta steps.

        It is the density at t = 1: of samples with their last noise, of :attr:`noise_left`, left in. Of a conditional
        model, where ``y`` is not given, it is the mixture Σ_y p(y) p(x | y).
        """
        if y is None and self.classes:
            told = torch.arange(self.classes, device=x.device).repeat_interleave(len(x)).split(len(x))
            each = [self._log_prob(x, y=one, steps=steps) for one in told]
            return (torch.stack(each, 1) + self.label_log_prob().to(x)).logsumexp(1)
        return samplers.log_density(self.denoiser(y), self.schedule, x, steps=steps)

    # Sampling -----------------------------------------------------------------------------------------------------

    def denoiser(self, y: Tensor | None = None, *, guidance: float = 1.0, sampler: str = "") -> Denoiser:
        """``eps(x_t, t)`` for the samplers; of images it is the noise that goes with pixels in [-1, 1].

        A ``sampler`` that draws fresh noise drowns rounding in it: of images it is answered in the model's precision.
        """
        if not self.is_image:
            return lambda x_t, t: self.eps_hat(x_t, t, y, guidance=guidance)
        dtype = precision(self.precision if sampler in STOCHASTIC else "float32", self, self.device)

        def eps(x_t: Tensor, t: Tensor) -> Tensor:
            with networks_in(dtype, self.device):
                return self.schedule.to_eps(self.x_0_hat(x_t, t, y, guidance=guidance), x_t, t, "x0")

        return eps

    @torch.no_grad()
    def trajectory(
        self,
        n: int,
        *,
        y: Tensor | None = None,
        rng: torch.Generator | None = None,
        x_T: Tensor | None = None,
        sampler: Annotated[
            str,
            Only((*AUTO, "langevin"), "how x_t becomes x_s; auto: sde-dpm-solver for images, dpm-solver for points"),
        ] = "auto",
        steps: Annotated[int, Between(1, 4000, "steps from noise to data; never more than T", log=True)] = 20,
        spacing: Annotated[
            str,
            Only(("auto", *SPACINGS), "of the times; auto: early for images, log-snr for points, heun and langevin"),
        ] = "auto",
        eta: Annotated[float, Between(0, 1, "noise of ddim: 0 none, 1 as much as ancestral"), DDIM] = 0.0,
        guidance: Annotated[
            float, Between(0, 20, "towards the label: 0 deaf to it, 1 plain, more exaggerates"), GUIDED
        ] = 1.0,
        stride: Annotated[float, Between(1e-4, 4, "of langevin: step, in units of the noise's variance"), WALK] = 0.2,
        repeats: Annotated[int, Between(1, 1000, "of langevin: steps at each level of noise"), WALK] = 10,
    ) -> Iterator[Step]:
        r"""The steps of sampling, (t, x_t, ε̂, x̂_0) from t = T to the samples at t = 0, in the model's space.

        Args:
            n: Samples.
            y: Labels, shape (n,), where the model has classes; drawn where they are not given (:meth:`draw_labels`).
            rng: The source of all noise.
            x_T: The noise to start from, shape (n, \*shape), where it is not to be drawn.
            sampler: One of :data:`SAMPLERS`, or "auto": fresh noise takes errors away in many dimensions, not in two.
            steps: How many; fewer than T are spread as ``spacing`` says.
            spacing: One of :data:`genmodels.probability.diffusion.times.SPACINGS`, or "auto".
            eta: Of ddim.
            guidance: See :meth:`output`.
            stride: Of langevin: :func:`genmodels.probability.diffusion.scores.annealed_steps`.
            repeats: Of langevin.
        """
        x = random.randn(n, *self.shape, rng=rng, device=self.device) if x_T is None else x_T
        y = self.draw_labels(n, rng) if y is None and guidance else y  # guidance = 0: the branch that knows no labels
        if sampler == "auto":
            sampler = "sde-dpm-solver" if self.is_image else "dpm-solver"
        eps = self.denoiser(self.asked(y, n), guidance=guidance, sampler=sampler)
        visited = self.times(steps, spacing, sampler)
        if sampler == "langevin":
            move = annealed_steps(eps, self.schedule, stride=stride, repeats=repeats, rng=rng)
        else:
            variance = self.reverse_variance(self.asked(y, n) if guidance else None)
            move = samplers.named(sampler, eps, self.schedule, rng=rng, variance=variance, eta=eta)
        yield from walk(move, eps, self.schedule, x, visited)

    def times(self, steps: int, spacing: str = "auto", sampler: str = "auto") -> tuple[int, ...]:
        """The times to visit in so many steps; "auto": "log-snr" for points, and for heun and langevin."""
        auto = "early" if self.is_image and sampler not in ("heun", "langevin") else "log-snr"
        return timesteps(self.schedule, steps, auto if spacing == "auto" else spacing)

    def asked(self, y: Tensor | None, n: int) -> Tensor | None:
        """The labels ``y`` of ``n`` samples, checked.

        Raises:
            BadInput: If there are not n of them, or the model has no such labels.
        """
        return None if y is None else self.checked_labels(y, n)

    def sample(self, n: int, *, y: Tensor | None = None, rng: torch.Generator | None = None, **how: Any) -> Tensor:
        r"""``n`` samples in data space, shape (n, \*shape); ``how``: what :meth:`trajectory` declares."""
        *_, last = self.trajectory(n, y=y, rng=rng, **check(DDPM.trajectory, how))
        return self.to_data(last.x_t)

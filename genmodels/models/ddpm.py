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

from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from genmodels import random
from genmodels.errors import BadInput
from genmodels.hyperparameters import Also, Between, Numbers, Only, Where, check
from genmodels.models.base import GenerativeModel, Preset
from genmodels.nn.denoiser import denoiser
from genmodels.nn.precision import networks_in, precision
from genmodels.probability import diffusion_elbo, samplers
from genmodels.probability.samplers import SAMPLERS, SPACINGS, STOCHASTIC, Denoiser, Step, timesteps, walk
from genmodels.probability.schedules import PREDICTIONS, SCHEDULES, Schedule

__all__ = ["DDPM"]

SMOOTH = {"schedule": "cosine", "predict": "v"}  # learns faster than the paper's own choice, which is the default
DRAWN, SNR = Where(lambda schedule: schedule == "drawn"), Where(lambda weighting: weighting == "snr")
LABELS = Where(lambda classes: classes > 0)
QUICK = {"steps": 2700, "batch_size": 64, "lr": 4e-3, "ema": 0.995}


class DDPM(GenerativeModel):
    """A schedule, a network, and the samplers."""

    presets: ClassVar[tuple[Preset, ...]] = (
        Preset("Small digits", "digits", SMOOTH | {"width": 16, "depth": 1, "patch": 1}, QUICK),
        Preset("Plane: eight Gaussians", "eight-gaussians", SMOOTH, {"steps": 3000, "batch_size": 512, "lr": 2e-3}),
        Preset("MNIST (U-Net)", "mnist", SMOOTH, {"epochs": 10, "lr": 2e-3}),
        Preset("MNIST class-conditional", "mnist", SMOOTH | {"classes": 10}, {"epochs": 10, "lr": 2e-3}),
    )
    defaults: ClassVar[dict[str, Any]] = {"ema": 0.999, "decay": "cosine", "warmup": 100}

    weight: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        T: Annotated[int, Between(10, 4000, "steps from data to noise", log=True)] = 1000,
        schedule: Annotated[str, Only(SCHEDULES, "how the noise grows")] = "linear",
        knots: Annotated[
            tuple[float, ...], Numbers(2, 4000, -20, 20, "log-SNR of a drawn schedule at even times, falling"), DRAWN
        ] = (9.0, 3.0, 0.0, -3.0, -9.0),
        predict: Annotated[
            str, Only(PREDICTIONS, "what the network says: the noise, the data, or v between the two")
        ] = "eps",
        variance: Annotated[str, Only(("beta", "posterior"), "of a step back: β_t or β̃_t")] = "beta",
        weighting: Annotated[
            str,
            Only(("simple", "snr", "bound"), "of the error over t: none, min(SNR, gamma), or the variational bound's"),
        ] = "simple",
        gamma: Annotated[float, Between(0.1, 100, "where the weighting snr stops to grow", log=True), SNR] = 5.0,
        classes: Annotated[int, Between(0, 1000, "labels that can be asked for; 0: none")] = 0,
        label_dropout: Annotated[float, Between(0, 1, "labels hidden while training, for guidance"), LABELS] = 0.1,
        **of_network: Annotated[Any, Also(denoiser)],
    ) -> None:
        super().__init__(shape)
        self.T, self.predict, self.variance = T, predict, variance
        self.classes, self.label_dropout = classes, label_dropout
        self.pays_L_0 = self.is_image and weighting == "bound"  # in place of eq. 12, which is so of points alone
        with torch.device("cpu"):  # small tables, which are there also where a model is only weighed
            self.schedule = Schedule.named(schedule, T, knots)
            weight = self.schedule.weight(weighting, predict, gamma=gamma, variance=variance).float()
        self.register_buffer("weight", weight, persistent=False)
        self.network = denoiser(shape, T=T, classes=classes, **of_network)

    # The model ----------------------------------------------------------------------------------------------------

    @property
    def inputs(self) -> str:
        """Images in [-1, 1]."""
        return "signed"

    def to_data(self, x: Tensor) -> Tensor:
        """From the model's space to the data's: images to [0, 1], points as they are."""
        return ((x + 1) / 2).clamp(0, 1) if self.is_image else x

    def output(self, x_t: Tensor, t: Tensor, y: Tensor | None = None, *, guidance: float = 1.0) -> Tensor:
        r"""What the network says of x_t, guided by labels.

        .. math:: \text{output} = f_\theta(x_t, t) + w (f_\theta(x_t, t, y) - f_\theta(x_t, t))

        Ho & Salimans (2022), Classifier-free diffusion guidance, eq. 6 (their w is one less). Noise, data and v are
        affine in each other, so all of them are guided alike. https://arxiv.org/abs/2207.12598

        Args:
            x_t: Noisy data, shape (B, \*shape).
            t: Times in 1 … T, shape (B,).
            y: Labels, shape (B,), or none.
            guidance: w: 0 is deaf to the labels, 1 plain conditioning, more than 1 exaggerates them.
        """
        u = t.to(x_t.dtype) / self.T
        if y is None or not self.classes or guidance == 0:
            return self.network(x_t, u)
        told = self.network(x_t, u, y)
        if guidance == 1:
            return told
        deaf = self.network(x_t, u)
        return deaf + guidance * (told - deaf)

    def eps_hat(self, x_t: Tensor, t: Tensor, y: Tensor | None = None, *, guidance: float = 1.0) -> Tensor:
        """The noise that the model sees in x_t; the arguments are those of :meth:`output`."""
        return self.schedule.to_eps(self.output(x_t, t, y, guidance=guidance), x_t, t, self.predict)

    def x_0_hat(self, x_t: Tensor, t: Tensor, y: Tensor | None = None, *, guidance: float = 1.0) -> Tensor:
        """The data that the model sees behind x_t; of images, pixels are never beyond [-1, 1]."""
        x_0 = self.schedule.to_x_0(self.output(x_t, t, y, guidance=guidance), x_t, t, self.predict)
        return x_0.clamp(-1, 1) if self.is_image else x_0

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """The weighted squared error at one random time for each example, per dimension (DDPM algorithm 1, eq. 14).

        With weighting = bound it is the variational bound in nats per dimension on average, less what no network can
        change, of guesses x̂_0 that are not clamped: at t = 1 pixels pay L_0 in place of the square.
        Also logged: "mse_t1" … "mse_t4", the error of ε̂ over each quarter of 1 … T, unbiased whatever the batch.
        """
        t = random.randint(1, self.T + 1, len(x), rng=rng, device=x.device)
        eps = samplers.noise_like(x, rng)
        x_t = self.schedule.noised(x, eps, t)
        output = self.output(x_t, t, self._told(y, rng))
        error = (output - self.schedule.target(x, eps, t, self.predict)).square().flatten(1).mean(1)
        cost = self.weight[t].to(error) * error
        if self.pays_L_0:
            guess = self.schedule.to_x_0(output, x_t, t, self.predict)
            last = diffusion_elbo.last_term(self.schedule, x, x_t, guess, self.variance, self.grey_levels)
            cost = torch.where(t == 1, self.T / x[0].numel() * last, cost)
        with torch.no_grad():
            mse = (self.schedule.to_eps(output, x_t, t, self.predict) - eps).square().flatten(1).mean(1)
            quarters = {f"mse_t{i + 1}": one for i, one in enumerate(self.schedule.by_quarter(mse, t))}
        return {"loss": cost.mean(), **quarters}

    def _told(self, y: Tensor | None, rng: torch.Generator | None) -> Tensor | None:
        """The labels, some of them hidden (Ho & Salimans 2022, algorithm 1)."""
        if y is None or not self.classes:
            return None
        hidden = random.rand(len(y), rng=rng, device=y.device) < self.label_dropout
        return torch.where(hidden, self.classes, self._labels(y))

    def _labels(self, y: Tensor) -> Tensor:
        on_cpu = y.device.type == "cpu"  # elsewhere looking at them would wait for the device
        if on_cpu and bool(((y < 0) | (y >= self.classes)).any()):
            raise BadInput(f"The labels {y.min()} to {y.max()} are not those of a model with classes = {self.classes}.")
        return y

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
            bins: Grey levels of the images (``data.levels``), for the decoder of DDPM eq. 13. Points have a density.
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
        return diffusion_elbo.Chain(guess, self.schedule, self.variance, bins if self.is_image else 0)

    @property
    def log_prob(self) -> Callable[..., Tensor]:
        """Exact log-density of points at t = 1, nats, (B,), see :meth:`_log_prob`; images have :meth:`elbo`."""
        if self.is_image:
            raise AttributeError("an exact density is computed for points of the plane only")
        return self._log_prob

    @property
    def noise_left(self) -> float:
        """Standard deviation of the noise at t = 1, on the data's scale: of what :attr:`log_prob` is the density."""
        return self.schedule.noise_left

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
            Only(("auto", *SAMPLERS), "how x_t becomes x_s; auto: sde-dpm-solver for images, dpm-solver for points"),
        ] = "auto",
        steps: Annotated[int, Between(1, 4000, "steps from noise to data; never more than T", log=True)] = 20,
        spacing: Annotated[
            str, Only(("auto", *SPACINGS), "of the times; auto: uniform for images, log-snr for points and for heun")
        ] = "auto",
        eta: Annotated[float, Between(0, 1, "noise of ddim: 0 none, 1 as much as ancestral")] = 0.0,
        guidance: Annotated[float, Between(0, 20, "towards the label: 0 deaf to it, 1 plain, more exaggerates")] = 1.0,
    ) -> Iterator[Step]:
        r"""The steps of sampling, (t, x_t, ε̂, x̂_0) from t = T to the samples at t = 0, in the model's space.

        Args:
            n: Samples.
            y: Labels, shape (n,), where the model has classes; drawn where they are not given (:meth:`draw_labels`).
            rng: The source of all noise.
            x_T: The noise to start from, shape (n, \*shape), where it is not to be drawn.
            sampler: One of :data:`SAMPLERS`, or "auto": fresh noise takes errors away in many dimensions, not in two.
            steps: How many; fewer than T are spread as ``spacing`` says.
            spacing: One of :data:`genmodels.probability.samplers.SPACINGS`, or "auto".
            eta: Of ddim.
            guidance: See :meth:`output`.
        """
        x = random.randn(n, *self.shape, rng=rng, device=self.device) if x_T is None else x_T
        y = self.draw_labels(n, rng) if y is None and guidance else y  # guidance = 0: the branch that knows no labels
        if sampler == "auto":
            sampler = "sde-dpm-solver" if self.is_image else "dpm-solver"
        eps = self.denoiser(self.asked(y, n), guidance=guidance, sampler=sampler)
        visited = self.times(steps, spacing, sampler)
        move = samplers.named(sampler, eps, self.schedule, rng=rng, variance=self.variance, eta=eta)
        yield from walk(move, eps, self.schedule, x, visited)

    def times(self, steps: int, spacing: str = "auto", sampler: str = "auto") -> tuple[int, ...]:
        """The times to visit in so many steps; "auto": "log-snr" for points and heun, whose steps are in ς."""
        if spacing == "auto":
            spacing = "uniform" if self.is_image and sampler != "heun" else "log-snr"
        return timesteps(self.schedule, steps, spacing)

    def asked(self, y: Tensor | None, n: int) -> Tensor | None:
        """The labels ``y`` of ``n`` samples, checked.

        Raises:
            BadInput: If there are not n of them, or the model has no such labels.
        """
        if y is None:
            return None
        if not self.classes or y.shape != (n,):
            raise BadInput(f"Labels of shape {tuple(y.shape)} for {n} samples: the model has classes = {self.classes}.")
        return self._labels(y.to(self.device))

    def sample(self, n: int, *, y: Tensor | None = None, rng: torch.Generator | None = None, **how: Any) -> Tensor:
        r"""``n`` samples in data space, shape (n, \*shape); ``how``: what :meth:`trajectory` declares."""
        *_, last = self.trajectory(n, y=y, rng=rng, **check(DDPM.trajectory, how))
        return self.to_data(last.x_t)

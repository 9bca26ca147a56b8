r"""The variational autoencoder: a latent variable model, and a network for its posterior.

.. math:: p(x, z) = p(z)\, p(x \mid z), \qquad q(z \mid x) = N(z; \mu(x), \mathrm{diag}\, \sigma^2(x))
.. math:: \log p(x) \ge \mathrm{ELBO} = E_{q(z \mid x)}[\log p(x \mid z)] - \mathrm{KL}(q(z \mid x) \,\|\, p(z))

Kingma & Welling (2014), Auto-Encoding Variational Bayes. https://arxiv.org/abs/1312.6114

β weighs the KL (Higgins et al. 2017, https://openreview.net/forum?id=Sy2fzU9gl), annealing lets it rise from 0 (Bowman
et al. 2016, https://arxiv.org/abs/1511.06349), free bits stop paying for it below a floor (Kingma et al. 2016,
https://arxiv.org/abs/1606.04934), and k importance samples tighten the bound (Burda et al. 2016,
https://arxiv.org/abs/1509.00519).
"""

import math
from collections.abc import Callable
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from genmodels import random
from genmodels.errors import BadInput
from genmodels.hyperparameters import IMAGES, Between, Only, Where
from genmodels.models.base import Preset
from genmodels.models.latent.observation import DECODERS, Draw, Observation
from genmodels.nn import layers as networks
from genmodels.probability.diffusion.prior import DiffusionPrior
from genmodels.probability.distributions import kl_to_standard_normal, normal_entropy, normal_log_prob
from genmodels.probability.gradients import score_function
from genmodels.probability.priors import FlowPrior, MixtureOfGaussians, StandardNormal, VampPrior
from genmodels.probability.vae_quadrature import quadrature

__all__ = ["VAE"]

MOST = 2**30  # numbers that a decoder may make at once: 4 GiB, and several times that on the way
QUICK = {"epochs": 8, "batch_size": 256, "lr": 3e-3, "decay": "cosine"}
TWENTY = {"latent_dim": 20, "prior": "vamp", "components": 64, "kl_samples": 1}
GREY_FLOW = {"decoder": "continuous-bernoulli", "prior": "flow"}
DENOISED = {"hidden": 256, "depth": 3, "prior": "diffusion", "kl_samples": 4}
RESIDUAL = {"network": "residual", "depth": 1, "latent_dim": 40, "prior": "vamp", "components": 128, "kl_samples": 1}
LONG = {"epochs": 100, "lr": 2e-3, "warmup": 200, "decay": "cosine", "ema": 0.999}
COLLAPSING = {"latent_dim": 16, "hidden": 128, "depth": 5, "decoder": "gaussian", "sigma": 0.5}
LINEAR = {"depth": 0, "latent_dim": 5, "decoder": "gaussian"}
ELBO = Where(lambda objective: objective != "iwae")
DEEP = Where(lambda depth: depth > 0)
PIXELS = Where(lambda decoder, kind: decoder == "bernoulli" or (decoder == "auto" and kind == "images"))
FEW = 8  # dimensions in which a diffusion prior's density is computed
NETWORKS = ("mlp", "conv", "residual", "skip")
Prior = StandardNormal | MixtureOfGaussians | VampPrior | FlowPrior | DiffusionPrior


class VAE(Observation):
    """encoder x → (mu, logvar), prior p(z), decoder z → the parameter of p(x | z)."""

    presets: ClassVar[tuple[Preset, ...]] = (
        Preset("MNIST, 2 latent dimensions", "mnist", {"hidden": 256, "depth": 3}, QUICK),
        Preset("Small digits", "digits", {"hidden": 256}, {"epochs": 300}),
        Preset("MNIST, 2 latent dimensions, wider", "mnist", {}, {"epochs": 20, "batch_size": 128, "lr": 1e-3}),
        Preset("MNIST, VampPrior, longest", "mnist", {"depth": 3, "prior": "vamp"}, {"epochs": 32, "decay": "cosine"}),
        Preset("Grey MNIST with a flow prior", "mnist", GREY_FLOW, {"epochs": 20}),
        Preset(
            "MNIST, 20 latent dimensions", "mnist", TWENTY, {"epochs": 30, "decay": "cosine", "precision": "float32"}
        ),
        Preset("MNIST, a diffusion as the prior", "mnist", DENOISED, QUICK),
        Preset("MNIST drawn anew, residual convolutions (hours)", "mnist-dynamic", RESIDUAL, LONG),
        Preset("MNIST, β = 4 (stronger regularisation)", "mnist", {"latent_dim": 10, "beta": 4.0}, {"epochs": 20}),
        Preset("Posterior collapse (see it happen)", "digits", COLLAPSING, {"epochs": 200}),
        Preset("Against collapse: z in every layer", "digits", COLLAPSING | {"network": "skip"}, {"epochs": 200}),
        Preset("Against collapse: q of fixed width", "digits", COLLAPSING | {"q_sigma": 0.5}, {"epochs": 200}),
        Preset("Plane: see p(x) learned", "two-moons", {"hidden": 128, "depth": 3}, {"steps": 3900}),
        Preset("Linear: PPCA again", "digits", LINEAR, {"epochs": 200, "lr": 0.01, "decay": "cosine"}),
    )

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        latent_dim: Annotated[int, Between(1, 64, "dimensions of z")] = 2,
        network: Annotated[str, Only(NETWORKS, "skip: the decoder sees z in every layer"), IMAGES] = "mlp",
        hidden: Annotated[
            int,
            Between(16, 2048, "units of a layer; residual: channels, an eighth as many, 8 at least", log=True),
            DEEP,
        ] = 512,
        depth: Annotated[int, Between(0, 6, "hidden layers, 0: linear; conv: halvings; residual: blocks a level")] = 2,
        decoder: Annotated[str, Only(DECODERS, "p(x | z); auto: bernoulli for images, gaussian for points")] = "auto",
        sigma: Annotated[
            float,
            Between(0, 10, "standard deviation of a gaussian decoder; 0: learned"),
            Where(lambda decoder, kind: decoder == "gaussian" or (decoder == "auto" and kind != "images")),
        ] = 0.0,
        q_sigma: Annotated[float, Between(0, 2, "standard deviation of q(z | x), the same for all; 0: learned")] = 0.0,
        prior: Annotated[str, Only(("normal", "mixture", "vamp", "flow", "diffusion"), "p(z)")] = "normal",
        components: Annotated[
            int,
            Between(1, 512, "components of a mixture or vamp prior"),
            Where(lambda prior: prior in ("mixture", "vamp")),
        ] = 16,
        beta: Annotated[float, Between(0, 100, "weight of the KL in the loss; 1: the ELBO, less: no bound")] = 1.0,
        anneal: Annotated[float, Between(0, 1, "part of the training over which beta rises from 0")] = 0.0,
        free_bits: Annotated[float, Between(0, 10, "nats of KL in each latent dimension that cost nothing")] = 0.0,
        estimator: Annotated[
            str, Only(("analytic", "sampled"), "of the KL: SGVB B, or A; iwae always samples"), ELBO
        ] = "analytic",
        samples: Annotated[int, Between(0, 100, "draws of z for each x; the k of iwae; 0: 1, of iwae 5")] = 0,
        kl_samples: Annotated[
            int,
            Between(1, 256, "draws of z for a KL that has no closed form; no fewer than samples"),
            Where(
                lambda prior, estimator, objective: (
                    objective != "iwae" and (prior != "normal" or estimator == "sampled")
                )
            ),
        ] = 16,
        objective: Annotated[str, Only(("elbo", "iwae"), "bound that is raised; iwae of 1 is the elbo")] = "elbo",
        gradient: Annotated[
            str,
            Only(("reparametrization", "score", "score-baseline"), "of E_q[log p(x | z)]; score: the score function"),
        ] = "reparametrization",
        binarize: Annotated[str, Only(("threshold", "stochastic"), "for a bernoulli decoder"), PIXELS] = "threshold",
    ) -> None:
        super().__init__(shape)
        self.observes(decoder, sigma, binarize)
        decoder = self.likelihood
        if not self.is_image and (decoder != "gaussian" or network != "mlp"):
            raise BadInput(
                f"Points of the plane take decoder = gaussian and network = mlp, not {decoder} and {network}."
            )
        if objective == "iwae" and free_bits:
            raise BadInput(f"free_bits = {free_bits:g} needs objective = elbo: the bound iwae has no KL of its own.")
        if gradient != "reparametrization" and (objective, estimator, prior) != ("elbo", "analytic", "normal"):
            raise BadInput(f"gradient = {gradient} needs objective = elbo, estimator = analytic and prior = normal.")
        if prior == "diffusion" and (latent_dim > FEW or objective == "iwae" or estimator == "sampled"):
            raise BadInput(
                f"prior = diffusion needs latent_dim ≤ {FEW}, objective = elbo and estimator = analytic: "
                "its exact density is costly in many dimensions, and has no gradient."
            )
        self.latent_dim = latent_dim
        self.beta, self.anneal, self.free_bits, self.q_sigma = beta, anneal, free_bits, q_sigma
        self.estimator, self.objective, self.gradient = estimator, objective, gradient
        self.samples = samples or (5 if objective == "iwae" else 1)
        self.kl_samples = 1 if estimator == "analytic" and prior == "normal" else kl_samples
        self.encoder = networks.encoder(network, shape, 2 * latent_dim, hidden=hidden, depth=depth)
        self.decoder = networks.decoder(network, latent_dim, shape, hidden=hidden, depth=depth)
        self.prior = self._prior(prior, components)
        self.passed = 1.0  # of the training

    def _prior(self, name: str, components: int) -> Prior:
        match name:
            case "normal":
                return StandardNormal(self.latent_dim)
            case "mixture":
                return MixtureOfGaussians(self.latent_dim, components)
            case "vamp":
                return VampPrior(self.posterior, self.shape, components)
            case "diffusion":
                return DiffusionPrior(self.latent_dim)
            case _:
                return FlowPrior(self.latent_dim)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar of q(z | x), shape (B, L) each, for ``x`` as ``inputs`` says.

        The network gives log σ, not log σ²: narrow posteriors are then found in fewer steps, and the bound is better.
        """
        mu, log_sigma = self.encoder(x).to(x.dtype).chunk(2, -1)
        return mu, 2 * (torch.full_like(log_sigma, math.log(self.q_sigma)) if self.q_sigma else log_sigma)

    def encode(self, x: Tensor) -> Tensor:
        """The mean of q(z | x), shape (B, L): the code of an example."""
        return self.posterior(x)[0]

    def x_params(self, z: Tensor) -> Tensor:
        r"""The parameter of p(x | z), shape (..., \*shape): logits; a Gaussian's mean (of images in [0, 1] or linear).

        Raises:
            BadInput: If there are more z than memory has room for.
        """
        if (numbers := z[..., 0].numel() * math.prod(self.shape)) > MOST:
            raise BadInput(
                f"{z[..., 0].numel():,} codes make {numbers / 1e9:.1f} billion numbers at once, and {MOST / 1e9:.1f} "
                "billion are allowed: take fewer draws, fewer examples or a coarser grid."
            )
        h = self.decoder(z.flatten(0, -2)).to(z.dtype).unflatten(0, z.shape[:-1])
        return h.sigmoid() if self.likelihood == "gaussian" and self.is_image and self.config["depth"] else h

    def decode(self, z: Tensor) -> Tensor:
        r"""E[x | z] in data space, shape (..., \*shape), for z (..., L)."""
        return self.mean_of_x(self.x_params(z))

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        r"""log p(x | z) in nats, shape (B, ...), for x (B, \*shape) and z (B, ..., L)."""
        return self.log_px(x, self.x_params(z))

    def log_joint(self, x: Tensor, z: Tensor) -> Tensor:
        """log p(x, z) = log p(x | z) + log p(z) in nats, shape (B, ...), for z (B, ..., L)."""
        return self.log_likelihood(x, z) + self.prior.log_prob(z)

    @property
    def log_prob(self) -> Callable[[Tensor], Tensor]:
        """log p(x) in nats, (B,), integrated over one or two latents, to 0.02: see :mod:`.vae_quadrature`."""
        if self.latent_dim > 2:
            raise AttributeError(f"log p(x) is integrated over one or two latents, not {self.latent_dim}")
        return lambda x: quadrature(self, x, tolerance=0.02).log_prob.to(x.dtype)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        y: Tensor | None = None,
        rng: torch.Generator | None = None,
        draw: Draw = False,
    ) -> Tensor:
        """z ~ p(z), then E[x | z], or with ``draw`` an x ~ p(x | z) (a Gaussian's cut to [0, 1] on images)."""
        z = self.prior.sample(n, rng)
        return self.draw_x(self.x_params(z), rng) if draw else self.decode(z)

    def draw_z(self, mu: Tensor, logvar: Tensor, n: int, rng: torch.Generator | None = None) -> Tensor:
        """z = mu + σ·ε, n for each x, shape (B, n, L): the reparametrization (Kingma & Welling 2014, section 2.4)."""
        eps = random.randn(len(mu), n, self.latent_dim, rng=rng, device=mu.device)
        return mu.unsqueeze(1) + torch.exp(0.5 * logvar).unsqueeze(1) * eps.to(mu.dtype)

    def log_q(self, mu: Tensor, logvar: Tensor, z: Tensor) -> Tensor:
        """log q(z_j | x) of each dimension in nats, shape (B, n, L), for z (B, n, L)."""
        return normal_log_prob(z, mu.unsqueeze(1), logvar.unsqueeze(1))

    def kl(
        self,
        mu: Tensor,
        logvar: Tensor,
        z: Tensor,
        *,
        estimator: str = "analytic",
        rng: torch.Generator | None = None,
    ) -> Tensor:
        """KL(q(z | x) ‖ p(z)) in nats, from z ~ q, (B, n, L): shape (B, L), or (B, 1) where p(z) does not factorize.

        "analytic" integrates what can be: for the normal prior everything (SGVB B, Kingma & Welling 2014, eq. 7), for
        the others the entropy of q. "sampled" averages log q(z | x) − log p(z) (SGVB A, eq. 6).

        Of a diffusion prior it is an upper bound on the KL: log p(z) is there its own bound, with noise of ``rng``.
        """
        if isinstance(self.prior, StandardNormal):
            if estimator == "analytic":
                return kl_to_standard_normal(mu, logvar)
            return (self.log_q(mu, logvar, z) - self.prior.marginal_log_prob(z)).mean(1)
        log_q = -normal_entropy(logvar).unsqueeze(1) if estimator == "analytic" else self.log_q(mu, logvar, z)
        log_p = self.prior.bound(z, rng) if isinstance(self.prior, DiffusionPrior) else self.prior.log_prob(z)
        return (log_q.sum(-1) - log_p).mean(1, keepdim=True)

    def elbo(self, x: Tensor, rng: torch.Generator | None = None, *, samples: int = 1) -> Tensor:
        """The evidence lower bound, estimated from ``samples`` draws of z, in nats, shape (B,)."""
        mu, logvar = self.posterior(x)
        z = self.draw_z(mu, logvar, samples, rng)
        return self.log_likelihood(x, z).mean(1) - self.kl(mu, logvar, z, rng=rng).sum(1)

    def log_weights(self, x: Tensor, k: int, rng: torch.Generator | None = None) -> Tensor:
        """log p(x, z_i) − log q(z_i | x) of k draws z_i ~ q, in nats, shape (B, k)."""
        mu, logvar = self.posterior(x)
        z = self.draw_z(mu, logvar, k, rng)
        return self.log_joint(x, z) - self.log_q(mu, logvar, z).sum(-1)

    def iwae(self, x: Tensor, k: int, rng: torch.Generator | None = None) -> Tensor:
        r"""log (1/k) Σ_i p(x, z_i) / q(z_i | x), z_i ~ q, in nats, shape (B,). Burda et al. (2016), eq. 8."""
        return torch.logsumexp(self.log_weights(x, k, rng), 1) - math.log(k)

    def progress(self, fraction: float) -> None:
        """How much of the training has passed: how far beta has risen."""
        self.passed = fraction

    def after_turn(self, player: str) -> None:
        """Pseudo-inputs of images stay images."""
        if isinstance(self.prior, VampPrior) and self.is_image:
            self.prior.pseudo_inputs.data.clamp_(0, 1)

    def loss(
        self, x: Tensor, y: Tensor | None = None, *, player: str = "model", rng: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """The negative bound in nats, its KL weighed by beta and free below the free bits.

        With beta < 1 it may lie above log p(x), as may iwae's with beta ≠ 1. "elbo" is always plain: so curves compare.
        """
        beta = self.beta * (min(1.0, self.passed / self.anneal) if self.anneal else 1.0)
        mu, logvar = self.posterior(x)
        z = self.draw_z(mu, logvar, self.samples, rng)
        by_score = self.gradient != "reparametrization"
        log_px = self.log_likelihood(x, z.detach() if by_score else z)  # (B, S)
        if by_score:
            log_q = self.log_q(mu, logvar, z.detach()).sum(-1)
            log_px = score_function(log_px, log_q, with_baseline=self.gradient == "score-baseline")
        if self.objective == "iwae":
            kl = self.log_q(mu, logvar, z).sum(-1) - self.prior.log_prob(z)  # (B, S)
            bound = torch.logsumexp(log_px - beta * kl, 1).mean() - math.log(self.samples)
            terms = {"loss": -bound, "kl": kl.mean()}
        else:
            if self.kl_samples > self.samples:  # only the prior is asked about these: they are cheap
                z = self.draw_z(mu, logvar, self.kl_samples, rng)
            kl = self.kl(mu, logvar, z, estimator=self.estimator, rng=rng).mean(0)  # (L,) or (1,)
            floor = self.free_bits * self.latent_dim / len(kl)
            paid = kl.clamp_min(floor) if self.free_bits else kl
            terms = {"loss": beta * paid.sum() - log_px.mean(), "kl": kl.sum()}
        terms |= {"reconstruction": log_px.mean(), "elbo": log_px.mean() - terms["kl"]}
        if self.anneal:
            terms["beta"] = torch.full_like(terms["loss"], beta)
        if self.likelihood == "gaussian" and not self.sigma:
            terms["sigma"] = self.log_sigma.exp()
        return terms
